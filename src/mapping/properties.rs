//! What holds of a web service's answer, whatever it says.

use super::answer::{is_room_message, replies};
use super::{MAX_ELEMENTS_AND_ATTRIBUTES, Rules, Scope};
use crate::stanza::properties::is_fit_to_be_written;
use crate::stanza::xml_in::parse_stanza;
use crate::stanza::{Allowance, Element, Envelope, Kind, jid};

const HOST: &str = "bot.example";
const SENDER: &str = "romeo@example/orchard";
const ID: &str = "asked";

/// A body that came with status 200 and the media type of JSON is refused, or comes down to stanzas that can
/// be sent as they are, whatever they answer.
pub fn answer(body: &[u8]) {
    for (kind, type_) in [
        (Kind::Message, None),
        (Kind::Message, Some("groupchat")),
        (Kind::Message, Some("error")),
        (Kind::Presence, Some("probe")),
        (Kind::Iq, Some("get")),
        (Kind::Iq, Some("result")),
    ] {
        let request = request(kind, type_);
        let mut count = 0;
        let mut fresh_id = || {
            count += 1;
            format!("fresh {count}")
        };
        if let Ok(stanzas) = replies(&request, body, &RULES, &mut fresh_id) {
            check(&stanzas, &request);
        }
    }
}

const RULES: Rules = Rules {
    host: HOST,
    scope: Scope::Component,
    validate_from: true,
};

fn request(kind: Kind, type_: Option<&str>) -> Envelope {
    Envelope {
        kind,
        to: HOST.to_owned(),
        from: SENDER.to_owned(),
        type_: type_.map(str::to_owned),
        id: Some(ID.to_owned()),
        says_nothing: false,
    }
}

fn check(stanzas: &[Element], request: &Envelope) {
    let answers = stanzas.iter().filter(|it| is_answer(it)).count();
    if !request.is_answerable() {
        assert_eq!(stanzas, [], "{request}");
    }
    assert_eq!(answers, usize::from(request.is_request()), "{stanzas:?}");
    let elements: usize = stanzas.iter().map(Element::count).sum();
    assert!(elements <= MAX_ELEMENTS_AND_ATTRIBUTES + answers);
    for stanza in stanzas {
        check_addresses(stanza);
        check_kind(stanza, request);
        assert!(is_fit_to_be_written(stanza), "{stanza:?}");
        let written = stanza.to_xml();
        let mut plenty = Allowance::new(10 * MAX_ELEMENTS_AND_ATTRIBUTES);
        assert!(parse_stanza(&written, &mut plenty).is_ok(), "{written}");
    }
}

fn check_addresses(stanza: &Element) {
    let [to, from] = ["to", "from"].map(|name| stanza.attr(name).expect("it has both addresses"));
    for address in [to, from] {
        assert_eq!(jid::prepare(address).as_deref(), Ok(address));
    }
    assert!(RULES.is_own(from) && !RULES.is_own(to), "{stanza:?}");
}

fn check_kind(stanza: &Element, request: &Envelope) {
    let children = stanza.elements().count();
    let type_ = stanza.attr("type");
    match (Kind::from_name(&stanza.name), type_) {
        (Some(Kind::Iq), _) => {
            assert!(stanza.attr("id").is_some_and(|id| !id.is_empty()));
            match type_ {
                Some("get" | "set") => assert_eq!(children, 1),
                Some("result") => assert!(children <= 1 && is_answer(stanza)),
                Some("error") => {
                    assert!(stanza.child("error", None).is_some() && is_answer(stanza))
                }
                _ => panic!("{stanza:?}"),
            }
        }
        (Some(Kind::Message | Kind::Presence), Some("error")) => {
            let in_the_room = stanza.attr("to").map(jid::bare) == Some(jid::bare(SENDER));
            assert!(!(request.is_groupchat() && in_the_room), "{stanza:?}");
        }
        (Some(_), _) => {}
        (None, _) => panic!("no stanza: {stanza:?}"),
    }
    if is_room_message(stanza) {
        assert!(stanza.attr("id").is_some_and(|id| !id.is_empty()));
    }
}

/// Whether a stanza answers an iq that was sent with the id and the addresses of a request from here.
fn is_answer(stanza: &Element) -> bool {
    stanza.name == Kind::Iq.as_str()
        && matches!(stanza.attr("type"), Some("result" | "error"))
        && [("to", SENDER), ("from", HOST), ("id", ID)]
            .iter()
            .all(|(name, value)| stanza.attr(name) == Some(*value))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option::of;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Map, Value, json};

    use super::*;

    const ADDRESSES: &[&str] = &[
        SENDER,
        "romeo@example",
        "Juliet@Example.",
        HOST,
        "x@BOT.example/y",
        "a@@b",
    ];
    const TYPES: &[&str] = &["", "chat", "groupchat", "get", "set", "result", "error"];
    const STANZAS: &[&str] = &[
        "<message/>",
        "<message type='groupchat' to='romeo@example'><body>hi</body></message>",
        "<message type='error' xmlns='jabber:component:accept'/>",
        "<presence from='x@bot.example'><p:a xmlns:p='urn:p' p:b='1'/></presence>",
        "<iq type='result'/>",
        "<iq type='error'><error/></iq>",
        "<iq type='get' to='a@b'><a/></iq>",
        "<iq type='result' id='asked'><a/><b/></iq>",
        "<message><a></message>",
        "<body/>",
    ];

    fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<Value> {
        select(texts).prop_map(Value::from).boxed()
    }

    fn anything() -> BoxedStrategy<Value> {
        let scalar = prop_oneof![
            any::<String>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        prop_oneof![
            8 => one_of(&["text", "\u{1}", "\u{FFFF}", "1.50"]),
            8 => scalar.clone(),
            1 => vec(scalar, 0..3).prop_map(Value::from),
            1 => Just(json!({ "body": "inside" })),
        ]
        .boxed()
    }

    /// What is meant for an extension, and what is not.
    fn extension() -> impl Strategy<Value = Value> {
        select(
            &[
                r#"{"id": "1", "reactions": ["x"], "to": "a@b"}"#,
                r#"[{"url": "u", "value": "v", "uri": "u", "size": 1}, {"url": 1}]"#,
                r#"[{"url": "u", "value": "v", "uri": "u", "by": "b", "id": "1"}]"#,
                r#"{"type": "form", "fields": [{"value": ["a", "b"], "options": [{"value": "c"}]}]}"#,
                r#"{"condition": "gone", "jid": "a@b", "url": "u"}"#,
                r#"["store", "no-copy"]"#,
                r#""active""#,
                "true",
            ][..],
        )
        .prop_map(|json| serde_json::from_str(json).unwrap())
    }

    fn property() -> impl Strategy<Value = (String, Value)> {
        const EXTENSIONS: &[&str] = &[
            "nick",
            "state",
            "replace",
            "reply",
            "reactions",
            "receipt",
            "oob",
            "files",
            "stanza_ids",
            "hints",
            "mentions",
            "invite",
            "buttons",
            "form",
            "error",
            "delay",
        ];
        let like_itself = prop_oneof![
            (select(&["to", "from"][..]), one_of(ADDRESSES)),
            (Just("kind"), one_of(&["message", "presence", "iq"])),
            (Just("type"), one_of(TYPES)),
            (Just("id"), one_of(&[ID, "", "other"])),
            (Just("stanza"), one_of(STANZAS)),
            (
                select(&["body", "lang", "priority", "unknown"][..]),
                anything()
            ),
            (
                select(EXTENSIONS),
                prop_oneof![4 => extension(), 1 => anything()]
            ),
        ];
        let names = &["to", "kind", "type", "id", "stanza", "subject", "show"][..];
        prop_oneof![9 => like_itself, 1 => (select(names), anything())]
            .prop_map(|(name, value)| (name.to_owned(), value))
    }

    fn object() -> impl Strategy<Value = Value> {
        vec(property(), 0..6).prop_map(|properties| Value::Object(Map::from_iter(properties)))
    }

    /// JSON, at times with something of it gone or something else in it.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let whole = prop_oneof![
            object(),
            vec(object(), 0..5).prop_map(Value::from),
            anything()
        ];
        let damage = of((any::<proptest::sample::Index>(), any::<u8>(), any::<bool>()));
        (whole, damage).prop_map(|(value, damage)| {
            let mut body = value.to_string().into_bytes();
            if let Some((at, byte, is_cut)) = damage {
                let at = at.index(body.len());
                body[at] = byte;
                body.truncate(if is_cut { at } else { body.len() });
            }
            body
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(2000)
        })]

        #[test]
        fn what_is_accepted_can_be_sent_as_it_is(body in prop_oneof![9 => body(), 1 => any::<Vec<u8>>()]) {
            answer(&body);
        }
    }
}
