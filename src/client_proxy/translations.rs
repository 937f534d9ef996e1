//! The addresses of requesters, those made lately kept at hand: who asks once asks again, and to make an address
//! costs more than all else that is done for a request.

use std::rc::Rc;

use super::generations::Generations;
use super::translation::{Decoded, Encoded, KEY_LEN, Tag, Translator};

/// What is kept at hand at most, in bytes: half of it made since the last time that this was full.
const LATELY: usize = 4 << 20;

/// The address under which the target knows a requester.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The JID at the proxy's host.
    pub address: Rc<str>,
    /// What stands for the requester.
    pub tag: Tag,
    /// Whether the address carries the requester's JID.
    pub carries_jid: bool,
}

/// The addresses at one host.
pub struct Translations {
    host: String,
    translator: Translator,
    lately: Generations<Box<str>, Translated>,
}

impl Translations {
    /// Those that are made with that key.
    pub fn new(host: &str, key: &[u8; KEY_LEN]) -> Self {
        Translations {
            host: host.to_owned(),
            translator: Translator::new(key),
            lately: Generations::bounded(LATELY / 2),
        }
    }

    /// The address of a requester.
    pub fn translate(&mut self, requester: &str) -> Translated {
        if let Some(translated) = self.lately.get_young(requester) {
            return translated.clone();
        }
        let Encoded {
            resource,
            tag,
            carries_jid,
        } = self.translator.encode(requester);
        let translated = Translated {
            address: format!("{}/{resource}", self.host).into(),
            tag,
            carries_jid,
        };
        let length = requester.len() + translated.address.len();
        self.lately
            .insert(requester.into(), translated.clone(), length);
        translated
    }

    /// What a resource of the host stands for.
    pub fn decode(&self, resource: &str) -> Decoded {
        let known = |jid: &str| Some(self.lately.get_young(jid)?.tag);
        self.translator.decode(resource, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_LEN] = [7; KEY_LEN];

    #[test]
    fn an_address_at_hand_is_the_one_that_would_be_made() {
        let mut translations = Translations::new("proxy.example", &KEY);
        for jid in [
            "romeo@montague.example/orchard",
            "example",
            &"x".repeat(2000),
        ] {
            let made = Translator::new(&KEY).encode(jid);
            let address = format!("proxy.example/{}", made.resource);
            for _ in 0..2 {
                let translated = translations.translate(jid);
                assert_eq!(&*translated.address, address);
                assert_eq!(translated.tag, made.tag);
                assert_eq!(translated.carries_jid, made.carries_jid);
            }
        }
    }

    #[test]
    fn nothing_can_be_made_up_for_whose_address_is_at_hand() {
        let mut translations = Translations::new("proxy.example", &KEY);
        for jid in ["romeo@example/orchard", "romeo@example/other"] {
            let forged = Translator::new(&[8; KEY_LEN]).encode(jid).resource;
            assert_eq!(translations.decode(&forged), Decoded::Forged);
            let own = translations.translate(jid);
            assert_eq!(translations.decode(&forged), Decoded::Forged);
            let resource = own.address.strip_prefix("proxy.example/").unwrap();
            let carried = Decoded::Carried(jid.to_owned(), own.tag);
            assert_eq!(translations.decode(resource), carried);
        }
    }

    #[test]
    fn what_is_at_hand_is_bounded() {
        let mut translations = Translations::new("proxy.example", &KEY);
        for n in 0..20_000 {
            translations.translate(&format!("{n}{}@example/x", "r".repeat(500)));
        }
        assert!(translations.lately.len() < LATELY / 1000);
    }
}
