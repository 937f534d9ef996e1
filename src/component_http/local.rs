//! What the component answers by itself, for the kinds of stanza that are not forwarded.

use super::Settings;
use crate::stanza::{Condition, Element, Envelope, ErrorType, Kind, StanzaError, jid};

/// XEP-0030: Service Discovery.
const DISCO_INFO_NS: &str = "http://jabber.org/protocol/disco#info";
const DISCO_ITEMS_NS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0199: XMPP Ping.
const PING_NS: &str = "urn:xmpp:ping";

/// The payload of an iq (RFC 6120 §8.2.3), as far as the component knows what to say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The local name.
    pub name: String,
    /// The namespace; empty for none of its own.
    pub xmlns: String,
    /// The `node` that service discovery asks for (XEP-0030 §3.2).
    pub node: Option<String>,
}

/// The stanzas that answer a stanza of a kind that the settings do not forward.
pub fn answer(request: &Envelope, payload: Option<&Payload>, settings: &Settings) -> Vec<Element> {
    match request.kind {
        Kind::Presence => presence(request),
        Kind::Iq if request.is_request() => vec![iq(request, payload, settings)],
        Kind::Iq => Vec::new(),
        Kind::Message => request
            .error_reply(&SERVICE_UNAVAILABLE)
            .into_iter()
            .collect(),
    }
}

const SERVICE_UNAVAILABLE: StanzaError =
    StanzaError::new(ErrorType::Cancel, Condition::ServiceUnavailable);

const ITEM_NOT_FOUND: StanzaError = StanzaError::new(ErrorType::Cancel, Condition::ItemNotFound);

/// RFC 6121 §3.1 and §4.3: whoever asks may see the component, and sees it available.
fn presence(request: &Envelope) -> Vec<Element> {
    let from_bare = |type_: Option<&str>| {
        Element::new(Kind::Presence.as_str())
            .with_attr("to", request.from.clone())
            .with_attr("from", jid::bare(&request.to))
            .with_opt_attr("type", type_.map(str::to_owned))
    };
    match request.type_.as_deref() {
        Some("subscribe") => {
            let subscribed = from_bare(Some("subscribed")).with_opt_attr("id", request.id.clone());
            vec![subscribed, from_bare(None)]
        }
        Some("probe") => vec![from_bare(None)],
        Some("unsubscribe") => vec![from_bare(Some("unavailable"))],
        _ => Vec::new(),
    }
}

fn iq(request: &Envelope, payload: Option<&Payload>, settings: &Settings) -> Element {
    let result = request.reply(Some("result"));
    let error = |error: &StanzaError| request.reply(Some("error")).with_child(error.to_element());
    let Some(Payload { name, xmlns, node }) = payload.filter(|_| request.has_type("get")) else {
        return error(&SERVICE_UNAVAILABLE);
    };
    match (name.as_str(), xmlns.as_str()) {
        ("query", DISCO_INFO_NS) if node.is_none() => result.with_child(disco_info(settings)),
        ("query", DISCO_INFO_NS) => error(&ITEM_NOT_FOUND),
        ("query", DISCO_ITEMS_NS) => result.with_child(disco_items(node.clone())),
        ("ping", PING_NS) => result,
        _ => error(&SERVICE_UNAVAILABLE),
    }
}

/// XEP-0030 §4.1: no items, under any node.
fn disco_items(node: Option<String>) -> Element {
    Element::new("query")
        .with_attr("xmlns", DISCO_ITEMS_NS)
        .with_opt_attr("node", node)
}

/// XEP-0030 §3.1, with the identity of a bot (category `client`, type `bot`).
fn disco_info(settings: &Settings) -> Element {
    let identity = Element::new("identity")
        .with_attr("category", "client")
        .with_attr("type", "bot")
        .with_opt_attr("name", settings.name.clone());
    let feature = |var: &str| Element::new("feature").with_attr("var", var);
    Element::new("query")
        .with_attr("xmlns", DISCO_INFO_NS)
        .with_child(identity.with_attr("xmlns", DISCO_INFO_NS))
        .with_child(feature(DISCO_INFO_NS).with_attr("xmlns", DISCO_INFO_NS))
        .with_child(feature(DISCO_ITEMS_NS).with_attr("xmlns", DISCO_INFO_NS))
        .with_child(feature(PING_NS).with_attr("xmlns", DISCO_INFO_NS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::{settings, text};

    fn answers(kind: Kind, type_: Option<&str>, payload: Option<(&str, &str)>) -> Vec<String> {
        asked_of(None, kind, type_, payload)
    }

    fn asked_of(
        node: Option<&str>,
        kind: Kind,
        type_: Option<&str>,
        payload: Option<(&str, &str)>,
    ) -> Vec<String> {
        let request = Envelope {
            kind,
            to: "x@bot.example/y".into(),
            from: "romeo@example".into(),
            type_: type_.map(str::to_owned),
            id: Some("1".into()),
            says_nothing: false,
        };
        let settings = settings(&[("name", text("Echo"))]);
        let payload = payload.map(|(name, xmlns)| Payload {
            name: name.to_owned(),
            xmlns: xmlns.to_owned(),
            node: node.map(str::to_owned),
        });
        answer(&request, payload.as_ref(), &settings)
            .iter()
            .map(Element::to_xml)
            .collect()
    }

    #[test]
    fn presence_as_rfc_6121_has_it() {
        let presence = |type_| answers(Kind::Presence, type_, None);
        let available = "<presence to='romeo@example' from='x@bot.example'/>";
        assert_eq!(
            presence(Some("subscribe")),
            [
                "<presence to='romeo@example' from='x@bot.example' type='subscribed' id='1'/>",
                available
            ]
        );
        assert_eq!(presence(Some("probe")), [available]);
        assert_eq!(
            presence(Some("unsubscribe")),
            ["<presence to='romeo@example' from='x@bot.example' type='unavailable'/>"]
        );
        for swallowed in [
            None,
            Some("unavailable"),
            Some("error"),
            Some("subscribed"),
            Some("unsubscribed"),
            Some("x"),
        ] {
            assert!(presence(swallowed).is_empty(), "{swallowed:?}");
        }
    }

    #[test]
    fn discovery_and_ping() {
        let info = answers(Kind::Iq, Some("get"), Some(("query", DISCO_INFO_NS)));
        assert!(
            info[0].contains("<identity category='client' type='bot' name='Echo'"),
            "{info:?}"
        );
        assert!(info[0].contains("var='urn:xmpp:ping'"));
        assert_eq!(
            answers(Kind::Iq, Some("get"), Some(("ping", PING_NS))),
            ["<iq to='romeo@example' from='x@bot.example/y' id='1' type='result'/>"]
        );
        for (type_, payload) in [
            ("set", Some(("query", DISCO_INFO_NS))),
            ("set", Some(("query", DISCO_ITEMS_NS))),
            ("set", Some(("ping", PING_NS))),
            ("set", Some(("query", "jabber:iq:roster"))),
            ("get", Some(("vCard", "vcard-temp"))),
            ("get", Some(("query", "jabber:iq:version"))),
            ("get", None),
        ] {
            assert!(answers(Kind::Iq, Some(type_), payload)[0].contains("<service-unavailable "));
        }
        assert!(answers(Kind::Iq, Some("result"), None).is_empty());
        assert!(answers(Kind::Iq, Some("error"), None).is_empty());
    }

    #[test]
    fn there_are_no_items_and_no_nodes() {
        let asked = |node, ns| asked_of(node, Kind::Iq, Some("get"), Some(("query", ns)));
        assert!(asked(None, DISCO_ITEMS_NS)[0].contains(
            "type='result'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ));
        assert!(asked(Some("n"), DISCO_ITEMS_NS)[0].contains("disco#items' node='n'/></iq>"));
        assert!(asked(Some("n"), DISCO_INFO_NS)[0].contains("<item-not-found "));
    }

    #[test]
    fn a_message_that_nobody_takes_is_returned() {
        assert!(answers(Kind::Message, None, None)[0].contains("<service-unavailable "));
        assert!(answers(Kind::Message, Some("error"), None).is_empty());
        assert!(answers(Kind::Message, Some("groupchat"), None).is_empty());
    }
}
