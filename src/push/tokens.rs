//! Who may push: bearer tokens (RFC 6750).
//!
//! Only their digests are kept, so that nothing that is written of this state gives a token away, and so
//! that all are compared over the same length.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// A token's digest, by which it is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; 32]);

impl TokenId {
    /// That of a token.
    pub fn of(token: &str) -> Self {
        let digest = digest(&SHA256, token.as_bytes());
        let mut id = [0; 32];
        id.copy_from_slice(digest.as_ref());
        TokenId(id)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenId")
    }
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which one it is.
    pub token: TokenId,
    /// The one bare JID from which it may send, prepared, if it is bound to one.
    pub from: Option<String>,
}

/// All that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens(Vec<Grant>);

impl Tokens {
    /// Those.
    pub fn new(grants: Vec<Grant>) -> Self {
        Tokens(grants)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What the value of an Authorization header allows. Takes the same time for every wrong token.
    pub fn find(&self, authorization: Option<&str>) -> Option<&Grant> {
        let (scheme, token) = authorization?.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let TokenId(presented) = TokenId::of(token.trim_start());
        let mut found = None;
        for grant in &self.0 {
            let TokenId(known) = grant.token;
            if bool::from(known.ct_eq(&presented)) {
                found = Some(grant);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_all_of_it() {
        let grant = |token| Grant {
            token: TokenId::of(token),
            from: None,
        };
        let tokens = Tokens::new(vec![
            grant("first-of-all-tokens"),
            grant("second-of-all-tokens"),
        ]);
        for right in [
            "Bearer second-of-all-tokens",
            "bearer  first-of-all-tokens ",
        ] {
            assert!(tokens.find(Some(right)).is_some(), "{right}");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer second-of-all-token",
            "Bearer second-of-all-tokens2",
            "Basic second-of-all-tokens",
            "second-of-all-tokens",
        ] {
            assert_eq!(tokens.find(Some(wrong)), None, "{wrong}");
        }
        assert_eq!(tokens.find(None), None);
    }

    #[test]
    fn nothing_that_is_written_gives_one_away() {
        let grant = Grant {
            token: TokenId::of("very-secret-indeed-yes"),
            from: None,
        };
        assert_eq!(format!("{grant:?}"), "Grant { token: TokenId, from: None }");
    }
}
