//! What a service says that was not asked: the stanzas to send, or which of them is wrong.

use std::fmt;

use super::reply::{self, Context, Origin, Speaker};
use super::{MAX_ELEMENTS_AND_ATTRIBUTES, Rules, Unusable, object};
use crate::stanza::{Allowance, Element, Kind, chars, xml_in};

/// What is told of [`Unusable::NoRecipient`].
pub(super) const NO_RECIPIENT: &str = "the property 'to' is missing";
/// What is told of [`Unusable::ToItself`].
pub(super) const TO_ITSELF: &str = "the recipient is this component itself";
/// What is told of [`Unusable::Nothing`].
pub(super) const NOTHING: &str = "there is no stanza in it";

/// Happens when a part of what the service says cannot be used, so that nothing of it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Which item of an array it is, counted from 1; `None` where there is no array.
    pub item: Option<usize>,
    /// What is wrong with it.
    pub unusable: Unusable,
}

impl From<Unusable> for Wrong {
    fn from(unusable: Unusable) -> Self {
        Wrong {
            item: None,
            unusable,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(item) = self.item {
            write!(f, "item {item}: ")?;
        }
        match self.unusable.property() {
            // These name it themselves.
            Some("to" | "kind") | None => {}
            Some(_) if matches!(self.unusable, Unusable::WrongShape(_)) => {}
            Some(property) => write!(f, "property '{property}': ")?,
        }
        match &self.unusable {
            Unusable::WrongShape(wrong) if wrong.found.is_some() => {
                write!(f, "{wrong}: {}", wrong.shown)
            }
            Unusable::Json(reason) => write!(f, "it is not valid JSON: {reason}"),
            Unusable::Xml(error) => error.fmt(f),
            unusable => f.write_str(&unusable.summary()),
        }
    }
}

/// The stanzas of a JSON body, in order.
///
/// # Errors
/// [`Wrong`] if any of them may not be sent, or there is none.
pub fn stanzas(
    body: &[u8],
    speaker: Speaker,
    rules: &Rules,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Element>, Wrong> {
    let mut context = context(speaker, rules, fresh_id);
    let mut stanzas = Vec::new();
    let end = object::for_each(body, &mut |object| {
        stanzas.push(reply::build(&object, &mut context)?);
        Ok(())
    });
    match end {
        Ok(()) if stanzas.is_empty() => Err(Unusable::Nothing.into()),
        Ok(()) => Ok(stanzas),
        Err(unusable) => {
            let is_array = body.trim_ascii_start().starts_with(b"[");
            let is_of_item = is_array && !matches!(unusable, Unusable::Json(_));
            Err(Wrong {
                item: is_of_item.then_some(stanzas.len() + 1),
                unusable,
            })
        }
    }
}

/// The one stanza of a body of XML.
///
/// # Errors
/// If it may not be sent.
pub fn stanza(
    xml: &str,
    speaker: Speaker,
    rules: &Rules,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Element, Unusable> {
    let mut context = context(speaker, rules, fresh_id);
    let (kind, element) = xml_in::parse_stanza(xml, &mut context.allowance)?;
    reply::complete(kind, element, true, &mut context)
}

/// A message of that type with a text as its body.
///
/// # Errors
/// If it may not be sent.
pub fn message(
    to: &str,
    type_: &'static str,
    text: &str,
    speaker: Speaker,
    rules: &Rules,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Element, Unusable> {
    if !chars::all_allowed(text) {
        return Err(Unusable::ForbiddenCharacter("body"));
    }
    let element = Element::new(Kind::Message.as_str())
        .with_attr("to", to)
        .with_attr("type", type_)
        .with_text_child("body", text);
    let mut context = context(speaker, rules, fresh_id);
    reply::complete(Kind::Message, element, false, &mut context)
}

fn context<'a>(
    speaker: Speaker<'a>,
    rules: &'a Rules<'a>,
    fresh_id: &'a mut dyn FnMut() -> String,
) -> Context<'a> {
    Context {
        origin: Origin::Push(speaker),
        rules,
        fresh_id,
        allowance: Allowance::new(MAX_ELEMENTS_AND_ATTRIBUTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Scope;

    const HOST: Speaker = Speaker {
        from: "bot.example",
        is_bound: false,
    };

    fn pushed_by(speaker: Speaker, body: &str) -> Result<Vec<String>, String> {
        let rules = Rules {
            host: "bot.example",
            scope: Scope::Component,
            validate_from: true,
        };
        stanzas(body.as_bytes(), speaker, &rules, &mut || "fresh".to_owned())
            .map(|stanzas| stanzas.iter().map(Element::to_xml).collect())
            .map_err(|wrong| wrong.to_string())
    }

    fn pushed(body: &str) -> Result<Vec<String>, String> {
        pushed_by(HOST, body)
    }

    #[test]
    fn who_speaks_first_says_to_whom() {
        assert_eq!(
            pushed(r#"{"to": "A@b", "body": "hi"}"#).unwrap(),
            [
                "<message to='a@b' type='chat' from='bot.example' id='fresh'><body>hi</body></message>"
            ]
        );
        let iq = r#"{"stanza": "<iq type='get' to='a@b'><q xmlns='urn:q'/></iq>"}"#;
        assert_eq!(
            pushed(iq).unwrap(),
            ["<iq to='a@b' type='get' from='bot.example' id='fresh'><q xmlns='urn:q'/></iq>"]
        );
        let untyped = r#"{"stanza": "<iq to='a@b'><q xmlns='urn:q'/></iq>"}"#;
        assert_eq!(
            pushed(untyped).unwrap(),
            ["<iq to='a@b' type='get' from='bot.example' id='fresh'><q xmlns='urn:q'/></iq>"]
        );
        let message = r#"{"stanza": "<message to='a@b'/>"}"#;
        assert!(pushed(message).unwrap()[0].contains("id='fresh'"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (body, told) in [
            (r#"{"body": "hi"}"#, "the property 'to' is missing"),
            (
                r#"[{"to": "a@b"}, {"body": "hi"}]"#,
                "item 2: the property 'to' is missing",
            ),
            (
                r#"[{"to": "a@b"}, 5]"#,
                "item 2: it is not a JSON object or an array of them",
            ),
            (r#"{"to": "@"}"#, "the address in 'to' is not a valid JID"),
            (
                r#"{"to": "x@bot.example"}"#,
                "the recipient is this component itself",
            ),
            (
                r#"{"to": "a@b", "from": "c@d"}"#,
                "property 'from': the sender is not an address of this component",
            ),
            (
                r#"{"to": "a@b", "body": "\u0001"}"#,
                "property 'body': a character in it is forbidden in XML",
            ),
            (
                r#"{"to": "a@b", "subject": {}}"#,
                "property 'subject': the property 'subject' has a value of the wrong type",
            ),
            (
                r#"{"to": "a@b", "kind": "iq"}"#,
                "the iq is not one that XMPP allows",
            ),
            (
                r#"{"to": "a@b", "kind": "iq", "type": "result"}"#,
                "the iq does not answer the request",
            ),
            (
                r#"{"to": "a@b", "delta": "hi"}"#,
                "property 'delta': a 'delta' can only be part of an answer that comes bit by bit \
                 (application/x-ndjson, application/jsonl or text/event-stream)",
            ),
            ("[]", "there is no stanza in it"),
            ("", "there is no stanza in it"),
        ] {
            assert_eq!(pushed(body), Err(told.to_owned()), "{body}");
        }
        assert!(
            pushed("{")
                .unwrap_err()
                .starts_with("it is not valid JSON: ")
        );
    }

    #[test]
    fn who_is_bound_to_an_address_speaks_from_it() {
        let bound = Speaker {
            from: "news@bot.example",
            is_bound: true,
        };
        assert!(
            pushed_by(bound, r#"{"to": "a@b"}"#).unwrap()[0].contains("from='news@bot.example'")
        );
        let resource = r#"{"to": "a@b", "from": "news@bot.example/1"}"#;
        assert!(pushed_by(bound, resource).is_ok());
        for other in ["bot.example", "x@bot.example", "news@elsewhere"] {
            let body = format!(r#"{{"to": "a@b", "from": "{other}"}}"#);
            assert!(pushed_by(bound, &body).is_err(), "{other}");
        }
    }
}
