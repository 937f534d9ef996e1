//! Addresses (RFC 7622, with the preparation of RFC 6122 that Prosody applies).
//!
//! The cuts below are for addresses that Prosody has prepared already; [`prepare`] is for everything that
//! comes from elsewhere.

use std::fmt;

/// Happens when a text is no JID: an empty or overlong part, or characters that may not be in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJid;

impl fmt::Display for InvalidJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid JID")
    }
}

impl std::error::Error for InvalidJid {}

/// The JID in the one form in which it can be compared and routed.
///
/// # Errors
/// [`InvalidJid`] if there is no such form.
pub fn prepare(jid: &str) -> Result<String, InvalidJid> {
    jid::Jid::new(jid)
        .map(|jid| jid.to_string())
        .map_err(|_| InvalidJid)
}

/// The JID without its resource.
pub fn bare(jid: &str) -> &str {
    jid.split_once('/').map_or(jid, |(bare, _)| bare)
}

/// The resource, if there is one.
pub fn resource(jid: &str) -> Option<&str> {
    jid.split_once('/').map(|(_, resource)| resource)
}

/// The node, if there is one.
pub fn node(jid: &str) -> Option<&str> {
    bare(jid).split_once('@').map(|(node, _)| node)
}

/// The domain.
pub fn domain(jid: &str) -> &str {
    let bare = bare(jid);
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        let full = "node@domain/a/b@c";
        assert_eq!(
            (node(full), domain(full), resource(full)),
            (Some("node"), "domain", Some("a/b@c"))
        );
        assert_eq!(bare(full), "node@domain");
        let host = "domain/x@y";
        assert_eq!(
            (node(host), domain(host), resource(host)),
            (None, "domain", Some("x@y"))
        );
        assert_eq!(bare("domain"), "domain");
    }

    #[test]
    fn preparation() {
        assert_eq!(
            prepare("Romeo@Example.COM/Home").as_deref(),
            Ok("romeo@example.com/Home")
        );
        for invalid in ["", "@b", "a@", "a@b/", "a@@b//", "a b@c", "a@b/\u{1}"] {
            assert_eq!(prepare(invalid), Err(InvalidJid), "{invalid:?}");
        }
        assert!(prepare(&format!("{}@b", "x".repeat(1024))).is_err());
    }
}
