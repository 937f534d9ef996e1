//! What the component answers by itself, for the kinds of stanza that are not forwarded.

use super::Settings;
use super::disco::{INFO_NS, ITEMS_NS, PING_NS};
use super::face::{PUBSUB_NS, VCARD_TEMP_NS, VCARD4_NODE};
use crate::stanza::{Condition, Element, Envelope, ErrorType, Kind, StanzaError, jid};

/// The payload of an iq (RFC 6120 §8.2.3), as far as the component knows what to say to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The local name.
    pub name: String,
    /// The namespace; empty for none of its own.
    pub xmlns: String,
    /// The `node` that service discovery asks for (XEP-0030 §3.2), or that the items are of which are asked for
    /// (XEP-0060 §6.5).
    pub node: Option<String>,
}

/// The stanzas that answer a stanza of a kind that the settings do not forward.
pub fn answer(request: &Envelope, payload: Option<&Payload>, settings: &Settings) -> Vec<Element> {
    match request.kind {
        Kind::Presence => presence(request, settings),
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
fn presence(request: &Envelope, settings: &Settings) -> Vec<Element> {
    let from_bare = |type_: Option<&str>| {
        Element::new(Kind::Presence.as_str())
            .with_attr("to", request.from.clone())
            .with_attr("from", jid::bare(&request.to))
            .with_opt_attr("type", type_.map(str::to_owned))
    };
    let available = || dressed(from_bare(None), settings);
    match request.type_.as_deref() {
        Some("subscribe") => {
            let subscribed = from_bare(Some("subscribed")).with_opt_attr("id", request.id.clone());
            vec![subscribed, available()]
        }
        Some("probe") => vec![available()],
        Some("unsubscribe") => vec![from_bare(Some("unavailable"))],
        _ => Vec::new(),
    }
}

/// A presence that says what the component can and looks like, if that is not the service's business.
fn dressed(presence: Element, settings: &Settings) -> Element {
    if settings.forwards(Kind::Iq) {
        return presence;
    }
    let presence = presence.with_child(settings.disco.capabilities());
    if settings.face.is_blank() {
        return presence;
    }
    presence.with_child(settings.face.update())
}

fn iq(request: &Envelope, payload: Option<&Payload>, settings: &Settings) -> Element {
    let result = request.reply(Some("result"));
    let error = |error: &StanzaError| request.reply(Some("error")).with_child(error.to_element());
    let Some(Payload { name, xmlns, node }) = payload.filter(|_| request.has_type("get")) else {
        return error(&SERVICE_UNAVAILABLE);
    };
    let face = Some(&settings.face).filter(|face| !face.is_blank());
    match (name.as_str(), xmlns.as_str(), face) {
        ("query", INFO_NS, _) => match settings.disco.info(node.as_deref()) {
            Some(info) => result.with_child(info),
            None => error(&ITEM_NOT_FOUND),
        },
        ("query", ITEMS_NS, _) => result.with_child(disco_items(node.clone())),
        ("ping", PING_NS, _) => result,
        ("vCard", VCARD_TEMP_NS, Some(face)) => result.with_child(face.vcard_temp()),
        ("pubsub", PUBSUB_NS, Some(face)) if node.as_deref() == Some(VCARD4_NODE) => {
            result.with_child(face.vcard4(&settings.host))
        }
        _ => error(&SERVICE_UNAVAILABLE),
    }
}

/// XEP-0030 §4.1: no items, under any node.
fn disco_items(node: Option<String>) -> Element {
    Element::new("query")
        .with_attr("xmlns", ITEMS_NS)
        .with_opt_attr("node", node)
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
        let settings = settings(&[("name", text("Echo"))]);
        let available = format!(
            "<presence to='romeo@example' from='x@bot.example'>{}{}</presence>",
            settings.disco.capabilities().to_xml(),
            settings.face.update().to_xml()
        );
        let available = available.as_str();
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
        let info = answers(Kind::Iq, Some("get"), Some(("query", INFO_NS)));
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
            ("set", Some(("query", INFO_NS))),
            ("set", Some(("query", ITEMS_NS))),
            ("set", Some(("ping", PING_NS))),
            ("set", Some(("query", "jabber:iq:roster"))),
            ("set", Some(("vCard", "vcard-temp"))),
            ("get", Some(("pubsub", PUBSUB_NS))),
            ("get", Some(("query", "jabber:iq:version"))),
            ("get", None),
        ] {
            assert!(answers(Kind::Iq, Some(type_), payload)[0].contains("<service-unavailable "));
        }
        assert!(answers(Kind::Iq, Some("result"), None).is_empty());
        assert!(answers(Kind::Iq, Some("error"), None).is_empty());
    }

    #[test]
    fn a_face_is_shown_where_there_is_one() {
        let vcard = answers(Kind::Iq, Some("get"), Some(("vCard", VCARD_TEMP_NS)));
        assert!(
            vcard[0].contains("<FN xmlns='vcard-temp'>Echo</FN>"),
            "{vcard:?}"
        );
        let payload = Some(("pubsub", PUBSUB_NS));
        let vcard4 = asked_of(Some(VCARD4_NODE), Kind::Iq, Some("get"), payload);
        assert!(vcard4[0].contains(">Echo</text>"), "{vcard4:?}");
        let other = asked_of(Some("urn:other"), Kind::Iq, Some("get"), payload);
        assert!(other[0].contains("<service-unavailable "));
        let info = answers(Kind::Iq, Some("get"), Some(("query", INFO_NS)));
        assert!(info[0].contains("var='vcard-temp'"));

        let blank = settings(&[]);
        let mut request = crate::component_http::tests::iq().envelope;
        let payload = Payload {
            name: "vCard".to_owned(),
            xmlns: VCARD_TEMP_NS.to_owned(),
            node: None,
        };
        let refused = answer(&request, Some(&payload), &blank);
        assert!(refused[0].to_xml().contains("<service-unavailable "));
        request.kind = Kind::Presence;
        request.type_ = Some("probe".into());
        let presence = answer(&request, None, &blank)[0].to_xml();
        assert!(
            presence.contains("<c ") && !presence.contains("<x "),
            "{presence}"
        );
        let of_service = settings(&[("component_post_stanzas", text("iq"))]);
        let bare = answer(&request, None, &of_service)[0].to_xml();
        assert!(!bare.contains("<c ") && bare.ends_with("/>"), "{bare}");
    }

    #[test]
    fn there_are_no_items_and_no_nodes() {
        let asked = |node, ns| asked_of(node, Kind::Iq, Some("get"), Some(("query", ns)));
        assert!(asked(None, ITEMS_NS)[0].contains(
            "type='result'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
        ));
        assert!(asked(Some("n"), ITEMS_NS)[0].contains("disco#items' node='n'/></iq>"));
        assert!(asked(Some("n"), INFO_NS)[0].contains("<item-not-found "));
    }

    #[test]
    fn a_message_that_nobody_takes_is_returned() {
        assert!(answers(Kind::Message, None, None)[0].contains("<service-unavailable "));
        assert!(answers(Kind::Message, Some("error"), None).is_empty());
        assert!(answers(Kind::Message, Some("groupchat"), None).is_empty());
    }
}
