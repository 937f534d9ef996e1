//! The stanzas that an accepted request is answered with.

use super::check::{self, Rules};
use super::reply::{self, Context, Origin};
use super::unusable::MAX_ELEMENTS_AND_ATTRIBUTES;
use super::{Unusable, object};
use crate::stanza::{Allowance, Element, Envelope, Kind};

/// The stanzas to send when a request was accepted and the service said nothing: none, but for an iq,
/// which has to be answered (RFC 6120 §8.2.3).
pub fn acknowledge(request: &Envelope) -> Vec<Element> {
    if request.is_request() {
        vec![request.reply(Some("result"))]
    } else {
        Vec::new()
    }
}

/// The stanzas to send for the JSON body of an accepted request, in order; an iq's answer is among them.
///
/// A request that must not be answered is not, and a stanza for the component itself is left out, since
/// it would come back as a request.
///
/// # Errors
/// If any part of it cannot be used.
pub fn replies(
    request: &Envelope,
    body: &[u8],
    rules: &Rules,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Element>, Unusable> {
    if !request.is_answerable() {
        return Ok(Vec::new());
    }
    decode(request, body, rules, fresh_id)
}

fn decode(
    request: &Envelope,
    body: &[u8],
    rules: &Rules,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Element>, Unusable> {
    let mut context = Context {
        origin: Origin::Answer(request),
        rules,
        fresh_id,
        allowance: Allowance::new(MAX_ELEMENTS_AND_ATTRIBUTES),
    };
    let mut stanzas = Vec::new();
    object::for_each(body, &mut |object| {
        stanzas.push(reply::build(&object, &mut context)?);
        Ok(())
    })?;
    match stanzas
        .iter()
        .filter(|stanza| check::answers(stanza, request))
        .count()
    {
        0 => stanzas.extend(acknowledge(request)),
        1 => {}
        _ => return Err(Unusable::SecondAnswer),
    }
    stanzas.retain(|stanza| !rules.is_for_itself(stanza));
    Ok(stanzas)
}

/// Whether a stanza that is about to be sent is one that a room will send back (XEP-0045 §7.4).
pub fn is_room_message(stanza: &Element) -> bool {
    stanza.name == Kind::Message.as_str() && stanza.attr("type") == Some("groupchat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::settings;
    use crate::component_http::tests::{iq, message};

    fn xml(request: &Envelope, body: &str) -> Result<Vec<String>, Unusable> {
        let mut count = 0;
        let mut fresh_id = || {
            count += 1;
            format!("f{count}")
        };
        let stanzas = replies(
            request,
            body.as_bytes(),
            &settings(&[]).rules(),
            &mut fresh_id,
        )?;
        Ok(stanzas.iter().map(Element::to_xml).collect())
    }

    fn unusable(body: &str) -> Unusable {
        match xml(&message().envelope, body) {
            Err(unusable) => unusable,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn bodies_that_say_nothing() {
        for body in [
            "",
            " \r\n",
            "null",
            "{}",
            "[]",
            " {} ",
            "\n[ ]\n",
            "\u{FEFF}[]",
            "\u{FEFF}{}",
            r#"{"body":null}"#,
        ] {
            assert_eq!(xml(&message().envelope, body), Ok(vec![]), "{body:?}");
            assert_eq!(
                xml(&iq().envelope, body).unwrap(),
                ["<iq to='romeo@example/orchard' from='bot.example' id='i1' type='result'/>"]
            );
        }
    }

    #[test]
    fn an_array_keeps_its_order() {
        let replies = xml(
            &message().envelope,
            r#"[{"body":"1"},{"kind":"message"},{"body":"3"}]"#,
        )
        .unwrap();
        assert_eq!(replies.len(), 3);
        assert!(replies[0].contains("<body>1</body>") && replies[0].contains("id='f1'"));
        assert!(replies[1].ends_with("id='f2'/>"));
        assert!(replies[2].contains("<body>3</body>"));
    }

    #[test]
    fn one_bad_item_spoils_all() {
        assert_eq!(
            unusable(r#"[{"body":"1"},{"to":"@"}]"#),
            Unusable::InvalidJid("to")
        );
        assert_eq!(unusable(r#"[{"body":"1"},null]"#), Unusable::NotAnObject);
        assert_eq!(unusable(r#"[[]]"#), Unusable::NotAnObject);
        for body in [
            r#"[{}]"#,
            r#"[{"body":"1"},{}]"#,
            r#"[{"body":null}]"#,
            r#"{"text":"hi"}"#,
            r#"{"text":null}"#,
        ] {
            assert_eq!(unusable(body), Unusable::NoProperty, "{body}");
        }
        for body in ["1", "true", "\"hello\""] {
            assert_eq!(unusable(body), Unusable::NotAnObject);
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(unusable(&deep), Unusable::NotAnObject);
        for body in ["{", "{}x", "[]x", "<html>", "{'a':1}"] {
            assert!(
                matches!(unusable(body), Unusable::Json(_)),
                "{}",
                &body[..1]
            );
        }
        let error = replies(
            &message().envelope,
            b"{\"body\":\"\xFF\"}",
            &settings(&[]).rules(),
            &mut String::new,
        );
        assert!(matches!(error, Err(Unusable::Json(_))));
    }

    #[test]
    fn an_answer_has_its_bounds() {
        const MAX: usize = MAX_ELEMENTS_AND_ATTRIBUTES;
        let many = |count| format!("[{}]", vec![r#"{"body":""}"#; count].join(","));
        let replies = xml(&message().envelope, &many(MAX / 2)).unwrap();
        assert_eq!(replies.len(), 10_000);
        assert_eq!(unusable(&many(MAX / 2 + 1)), Unusable::TooMany);
        let wide = format!(
            r#"{{"stanza":"<message>{}</message>"}}"#,
            "<a/>".repeat(MAX)
        );
        assert_eq!(unusable(&wide), Unusable::TooMany);
        let attributes: String = (0..MAX).map(|n| format!(" a{n}=''")).collect();
        let long = format!(r#"{{"stanza":"<message{attributes}/>"}}"#);
        assert_eq!(unusable(&long), Unusable::TooMany);
        let half: String = attributes[..attributes.len() / 2]
            .trim_end_matches(|c| c != ' ')
            .into();
        let stanza = format!(r#"{{"stanza":"<message{half}/>"}}"#);
        assert!(xml(&message().envelope, &stanza).is_ok());
        assert_eq!(unusable(&format!("[{stanza},{stanza}]")), Unusable::TooMany);
    }

    #[test]
    fn an_iq_is_answered_once() {
        let request = iq().envelope;
        let error = r#"{"stanza":"<iq type='error'><error type='cancel'/></iq>"}"#;
        assert_eq!(xml(&request, error).unwrap().len(), 1);
        let with_message = xml(&request, r#"[{"body":"by the way"},{"kind":"iq"}]"#).unwrap();
        assert_eq!(with_message.len(), 2);
        let only_message = xml(&request, r#"{"body":"hi"}"#).unwrap();
        assert!(only_message[1].starts_with("<iq "));
        let twice = xml(&request, r#"[{"kind":"iq"},{"kind":"iq"}]"#);
        assert_eq!(twice, Err(Unusable::SecondAnswer));
    }

    #[test]
    fn what_must_not_be_answered_is_not() {
        let mut request = message().envelope;
        request.type_ = Some("error".into());
        for body in [r#"{"body":"hi"}"#, "garbage"] {
            assert_eq!(xml(&request, body), Ok(vec![]));
        }
        let mut request = iq().envelope;
        request.type_ = Some("result".into());
        assert_eq!(xml(&request, r#"{"body":"hi"}"#), Ok(vec![]));
    }

    #[test]
    fn nothing_is_sent_to_the_component_itself() {
        for to in [
            "bot.example",
            "x@bot.example",
            "x@bot.example/r",
            "X@BOT.EXAMPLE",
            "x@bot.example./y",
        ] {
            let body =
                format!(r#"[{{"to":"{to}"}},{{"stanza":"<message to='{to}'/>"}},{{"to":"a@b"}}]"#);
            let replies = xml(&message().envelope, &body).unwrap();
            assert_eq!(replies.len(), 1, "{to}");
            assert!(replies[0].contains("to='a@b'"));
        }
    }

    #[test]
    fn a_summary_repeats_nothing_of_the_answer() {
        let secret = r#"{"stanza":"<message><s3cret></message>"}"#;
        let unusable = unusable(secret);
        assert!(!unusable.summary().contains("s3cret"));
        assert_eq!(unusable.summary(), "the XML is not well-formed");
    }
}
