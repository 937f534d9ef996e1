//! What the component answers by itself, for the kinds of stanza that are not forwarded.

use super::Settings;
use crate::stanza::{Condition, Element, Envelope, ErrorType, Kind, StanzaError, jid};

/// XEP-0030: Service Discovery.
const DISCO_INFO_NS: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0199: XMPP Ping.
const PING_NS: &str = "urn:xmpp:ping";

/// The name and namespace of an iq's payload (RFC 6120 §8.2.3).
pub type Payload<'a> = Option<(&'a str, &'a str)>;

/// The stanzas that answer a stanza of a kind that the settings do not forward.
pub fn answer(request: &Envelope, payload: Payload, settings: &Settings) -> Vec<Element> {
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

fn iq(request: &Envelope, payload: Payload, settings: &Settings) -> Element {
    match payload {
        Some(("query", DISCO_INFO_NS)) if request.has_type("get") => request
            .reply(Some("result"))
            .with_child(disco_info(settings)),
        Some(("ping", PING_NS)) if request.has_type("get") => request.reply(Some("result")),
        _ => request
            .reply(Some("error"))
            .with_child(SERVICE_UNAVAILABLE.to_element()),
    }
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
        .with_child(feature(PING_NS).with_attr("xmlns", DISCO_INFO_NS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::{settings, text};

    fn answers(kind: Kind, type_: Option<&str>, payload: Payload) -> Vec<String> {
        let request = Envelope {
            kind,
            to: "x@bot.example/y".into(),
            from: "romeo@example".into(),
            type_: type_.map(str::to_owned),
            id: Some("1".into()),
        };
        let settings = settings(&[("name", text("Echo"))]);
        answer(&request, payload, &settings)
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
            ("set", Some(("ping", PING_NS))),
            ("get", Some(("query", "jabber:iq:version"))),
            ("get", None),
        ] {
            assert!(answers(Kind::Iq, Some(type_), payload)[0].contains("<service-unavailable "));
        }
        assert!(answers(Kind::Iq, Some("result"), None).is_empty());
        assert!(answers(Kind::Iq, Some("error"), None).is_empty());
    }

    #[test]
    fn a_message_that_nobody_takes_is_returned() {
        assert!(answers(Kind::Message, None, None)[0].contains("<service-unavailable "));
        assert!(answers(Kind::Message, Some("error"), None).is_empty());
        assert!(answers(Kind::Message, Some("groupchat"), None).is_empty());
    }
}
