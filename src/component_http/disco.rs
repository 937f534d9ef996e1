//! What the component says that it is and can (XEP-0030), and how clients know it without asking (XEP-0115).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::face::VCARD_TEMP_NS;
use crate::stanza::{Element, ns};

/// XEP-0030: Service Discovery.
pub const INFO_NS: &str = "http://jabber.org/protocol/disco#info";
pub const ITEMS_NS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0115: Entity Capabilities.
const CAPS_NS: &str = "http://jabber.org/protocol/caps";
/// XEP-0199: XMPP Ping.
pub const PING_NS: &str = "urn:xmpp:ping";

/// XEP-0115 §4: whose capabilities these are. There is no page of the project to name.
const CAPS_NODE: &str = "urn:x-prosody:mod_component_http";

/// What there is to discover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disco {
    name: Option<String>,
    /// In the order of their octets.
    features: Vec<&'static str>,
    /// XEP-0115 §5.1: the hash of all that.
    version: String,
}

/// What a component can beside what all of them can.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// It has a vCard.
    pub vcard: bool,
    /// It gives receipts.
    pub receipts: bool,
    /// It shows chat states.
    pub chat_states: bool,
}

impl Disco {
    /// What there is to discover of a component that can that.
    pub fn new(name: Option<String>, abilities: Abilities) -> Self {
        let Abilities {
            vcard,
            receipts,
            chat_states,
        } = abilities;
        let features = [
            (CAPS_NS, true),
            (INFO_NS, true),
            (ITEMS_NS, true),
            (PING_NS, true),
            (VCARD_TEMP_NS, vcard),
            (ns::RECEIPTS, receipts),
            (ns::CHAT_STATES, chat_states),
        ];
        let mut features: Vec<_> = features
            .into_iter()
            .filter_map(|(feature, has)| has.then_some(feature))
            .collect();
        features.sort_unstable();
        let named = name.as_deref().unwrap_or_default();
        let version = hash(&format!("client/bot//{named}<{}<", features.join("<")));
        Disco {
            name,
            features,
            version,
        }
    }

    /// XEP-0030 §3.1, with the identity of a bot (category `client`, type `bot`), if nothing or the node of the
    /// capabilities is asked for.
    pub fn info(&self, node: Option<&str>) -> Option<Element> {
        if node.is_some_and(|node| node != self.node()) {
            return None;
        }
        let element = |name: &'static str| Element::new(name).with_attr("xmlns", INFO_NS);
        let identity = Element::new("identity")
            .with_attr("category", "client")
            .with_attr("type", "bot")
            .with_opt_attr("name", self.name.clone())
            .with_attr("xmlns", INFO_NS);
        let query = element("query").with_opt_attr("node", node.map(str::to_owned));
        let features = self.features.iter();
        Some(
            features
                .map(|feature| element("feature").with_attr("var", *feature))
                .fold(query.with_child(identity), Element::with_child),
        )
    }

    /// XEP-0115 §4: for presences.
    pub fn capabilities(&self) -> Element {
        Element::new("c")
            .with_attr("xmlns", CAPS_NS)
            .with_attr("hash", "sha-1")
            .with_attr("node", CAPS_NODE)
            .with_attr("ver", &*self.version)
    }

    /// XEP-0115 §6.2.
    fn node(&self) -> String {
        format!("{CAPS_NODE}#{}", self.version)
    }
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        let text = "client/pc//Exodus 0.9.1<http://jabber.org/protocol/caps<\
            http://jabber.org/protocol/disco#info<http://jabber.org/protocol/disco#items<\
            http://jabber.org/protocol/muc<";
        assert_eq!(hash(text), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    #[test]
    fn what_can_be_discovered_is_what_was_hashed() {
        let all = Abilities {
            vcard: true,
            receipts: true,
            chat_states: true,
        };
        let disco = Disco::new(Some("Echo".into()), all);
        let info = disco.info(None).unwrap().to_xml();
        let features: Vec<_> = info.split("var='").skip(1).collect();
        let features = features.iter().map(|rest| rest.split_once('\'').unwrap().0);
        let features: Vec<_> = features.collect();
        let text = format!("client/bot//Echo<{}<", features.join("<"));
        assert!(features.is_sorted() && features.len() == 7, "{features:?}");
        let capabilities = disco.capabilities();
        let (node, version) = (capabilities.attr("node").unwrap(), capabilities.attr("ver"));
        assert_eq!(version, Some(hash(&text).as_str()));
        let asked = format!("{node}#{}", version.unwrap());
        assert_eq!(
            disco.info(Some(&asked)).unwrap().attr("node"),
            Some(asked.as_str())
        );
        assert_eq!(disco.info(Some("other")), None);
    }
}
