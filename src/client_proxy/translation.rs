//! Requester JIDs as resources of the proxy's own host, and back.
//!
//! A JID may have 3071 bytes and a resource 1023, so a resource carries the JID only where it fits; for a
//! longer one it carries a digest, and the JID itself has to be remembered elsewhere. Either way it is
//! made of the JID and the key alone: the same for the same requester, for as long as the key lives.
//!
//! | bytes, before base64url | carried | digested |
//! |---|---|---|
//! | form | 1 | 2 |
//! | JID | the requester's | none |
//! | tag | 96 bits of the HMAC-SHA-256 of form and JID | the same |
//!
//! 96 bits are enough where each guess takes a stanza. Length matters: Prosody reads, checks and writes
//! each character several times on the way, which costs more than all that is done here.
//!
//! The alphabet of base64url (RFC 4648 §5) passes resourceprep (RFC 6122 appendix B) unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::hmac;
use subtle::ConstantTimeEq;

/// The length of a key in bytes.
pub const KEY_LEN: usize = 32;

/// The longest resource in bytes (RFC 6122 §2.4).
pub const MAX_RESOURCE: usize = 1023;

const TAG_LEN: usize = 12;

/// The longest JID in bytes that a resource carries beside form and tag.
const MAX_CARRIED: usize = MAX_RESOURCE * 3 / 4 - 1 - TAG_LEN;

const CARRIED: u8 = 1;
const DIGESTED: u8 = 2;

/// What stands for a requester wherever its JID would be too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag([u8; TAG_LEN]);

/// A requester's JID, translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The resource that stands for the requester at the proxy's host.
    pub resource: String,
    /// The tag in it.
    pub tag: Tag,
    /// Whether the resource carries the JID.
    pub carries_jid: bool,
}

/// What a resource of the proxy's host turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A carried JID, authenticated.
    Carried(String, Tag),
    /// A digest. Whether it is authentic is known to whoever remembers the JID.
    Digested(Tag),
    /// Of the right form, but not made with this key.
    Forged,
    /// Nothing that was ever translated.
    Foreign,
}

/// Translates with the key of one component.
pub struct Translator {
    key: hmac::Key,
}

impl Translator {
    /// A translator whose addresses nobody else can make up without the key.
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Translator {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The resource for a requester.
    pub fn encode(&self, jid: &str) -> Encoded {
        let carries_jid = jid.len() <= MAX_CARRIED;
        let form = if carries_jid { CARRIED } else { DIGESTED };
        let mut plain = Vec::with_capacity(1 + jid.len() + TAG_LEN);
        plain.push(form);
        plain.extend_from_slice(jid.as_bytes());
        let tag = self.tag(&plain);
        if !carries_jid {
            plain.truncate(1);
        }
        plain.extend_from_slice(&tag.0);
        Encoded {
            resource: BASE64URL.encode(&plain),
            tag,
            carries_jid,
        }
    }

    /// What [`encode`](Self::encode) made a resource of. The tag is compared in constant time: with the one that is
    /// known for the JID, or else with the one that is made for it.
    pub fn decode(&self, resource: &str, known: impl Fn(&str) -> Option<Tag>) -> Decoded {
        if resource.len() > MAX_RESOURCE {
            return Decoded::Foreign;
        }
        let Ok(plain) = BASE64URL.decode(resource) else {
            return Decoded::Foreign;
        };
        let Some((signed, tag)) = plain.split_last_chunk::<TAG_LEN>() else {
            return Decoded::Foreign;
        };
        let tag = Tag(*tag);
        match signed {
            [DIGESTED] => Decoded::Digested(tag),
            [CARRIED, jid @ ..] => {
                let Ok(jid) = str::from_utf8(jid) else {
                    return Decoded::Forged;
                };
                let own = known(jid).unwrap_or_else(|| self.tag(signed));
                if own.0.ct_eq(&tag.0).into() {
                    Decoded::Carried(jid.to_owned(), tag)
                } else {
                    Decoded::Forged
                }
            }
            _ => Decoded::Foreign,
        }
    }

    fn tag(&self, signed: &[u8]) -> Tag {
        let code = hmac::sign(&self.key, signed);
        let (tag, _) = code
            .as_ref()
            .split_first_chunk()
            .expect("the code is longer than the tag");
        Tag(*tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::jid;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::collections::HashSet;

    const KEY: [u8; KEY_LEN] = [7; KEY_LEN];

    /// JIDs of every length and script, the longest included.
    fn jids() -> Vec<String> {
        let mut rng = StdRng::seed_from_u64(1);
        let alphabets = ["a", "é", "ж", "語", "😀"];
        let mut part = |max: usize| {
            let letter = alphabets[rng.random_range(0..alphabets.len())];
            let bytes = rng.random_range(letter.len()..=max);
            letter.repeat(bytes / letter.len())
        };
        let mut jids: Vec<String> = (0..300)
            .map(|_| format!("{}@example.com/{}", part(1023), part(1023)))
            .collect();
        jids.extend((0..100).map(|_| format!("{}@example.com/{}", part(60), part(60))));
        jids.push(format!(
            "{0}@{0}/{0}",
            "x".repeat(1023) // 3071 bytes, the longest there is
        ));
        jids.extend((700..770).map(|length| format!("a@b/{}", "r".repeat(length - 4))));
        jids
    }

    #[test]
    fn a_resource_fits_and_passes_preparation_unchanged() {
        let translator = Translator::new(&KEY);
        for jid in jids() {
            let encoded = translator.encode(&jid);
            assert!(encoded.resource.len() <= MAX_RESOURCE, "{jid}");
            let address = format!("proxy.example.com/{}", encoded.resource);
            assert_eq!(jid::prepare(&address).as_deref(), Ok(address.as_str()));
        }
    }

    #[test]
    fn the_same_jid_gives_the_same_resource_and_comes_back() {
        let translator = Translator::new(&KEY);
        for jid in jids() {
            let encoded = translator.encode(&jid);
            assert_eq!(Translator::new(&KEY).encode(&jid), encoded);
            let expected = if encoded.carries_jid {
                Decoded::Carried(jid, encoded.tag)
            } else {
                Decoded::Digested(encoded.tag)
            };
            assert_eq!(translator.decode(&encoded.resource, |_| None), expected);
        }
    }

    #[test]
    fn the_jid_is_carried_as_long_as_it_fits() {
        let translator = Translator::new(&KEY);
        let of_length = |length: usize| format!("a@b/{}", "r".repeat(length - 4));
        assert!(translator.encode(&of_length(MAX_CARRIED)).carries_jid);
        let carried = translator.encode(&of_length(MAX_CARRIED)).resource.len();
        assert!((MAX_RESOURCE - 3..=MAX_RESOURCE).contains(&carried));
        assert!(!translator.encode(&of_length(MAX_CARRIED + 1)).carries_jid);
    }

    #[test]
    fn different_jids_and_keys_give_different_resources() {
        let jids: HashSet<String> = jids().into_iter().collect();
        let mut resources = HashSet::new();
        for key in [KEY, [8; KEY_LEN]] {
            let translator = Translator::new(&key);
            resources.extend(jids.iter().map(|jid| translator.encode(jid).resource));
        }
        assert_eq!(resources.len(), 2 * jids.len());
    }

    #[test]
    fn nothing_can_be_made_up() {
        let translator = Translator::new(&KEY);
        let stranger = Translator::new(&[8; KEY_LEN]).encode("romeo@example.com/orchard");
        assert_eq!(
            translator.decode(&stranger.resource, |_| None),
            Decoded::Forged
        );
        let own = translator.encode("romeo@example.com/orchard").resource;
        let plain = BASE64URL.decode(&own).unwrap();
        for at in 1..plain.len() {
            let mut changed = plain.clone();
            changed[at] ^= 1;
            assert_eq!(
                translator.decode(&BASE64URL.encode(changed), |_| None),
                Decoded::Forged,
                "byte {at}"
            );
        }
        let carried = translator.encode(&"x".repeat(MAX_CARRIED));
        let digested = translator.encode(&"x".repeat(MAX_CARRIED + 1));
        assert_ne!(carried.tag, digested.tag);
    }

    #[test]
    fn what_was_never_translated() {
        let translator = Translator::new(&KEY);
        let long = "A".repeat(MAX_RESOURCE + 1);
        let own = translator.encode("romeo@example.com/orchard").resource;
        let padded = format!("{own}=");
        for resource in ["", "a", "home", "é", "AQ", &long, &padded] {
            assert_eq!(
                translator.decode(resource, |_| None),
                Decoded::Foreign,
                "{resource:?}"
            );
        }
    }
}
