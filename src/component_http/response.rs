//! What a web service's answer means: nothing, stanzas, or a failure.

use std::borrow::Cow;
use std::fmt;

use super::reply::{self, Context};
use super::{Settings, object};
use crate::stanza::allowance::Exhausted;
use crate::stanza::xml_in::XmlError;
use crate::stanza::{Allowance, Element, Envelope, Kind, MAX_DEPTH};

/// How many elements and attributes an answer may have, all its stanzas together.
///
/// The largest stanzas in use, rosters and item lists, have some thousands.
pub const MAX_ELEMENTS_AND_ATTRIBUTES: usize = 20_000;

/// Why a reply cannot be used. Nothing of it is sent then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Happens when the response is longer than the limit, in bytes.
    TooLong(usize),
    /// Happens when there are more than [`MAX_ELEMENTS_AND_ATTRIBUTES`].
    TooMany,
    /// Happens when the response is not JSON in UTF-8. Holds what the parser said.
    Json(String),
    /// Happens when the response, or an item of its array, is not an object.
    NotAnObject,
    /// Happens when an object has no property of a reply.
    NoProperty,
    /// Happens when that property has a value of the wrong type.
    WrongType(&'static str),
    /// Happens when `kind` is not message, presence or iq.
    UnknownKind,
    /// Happens when `stanza` is not the XML of a stanza.
    Xml(XmlError),
    /// Happens when that address is not a JID.
    InvalidJid(&'static str),
    /// Happens when `from` is not an address of this component.
    ForeignFrom,
    /// Happens when a text has a character that XML 1.0 forbids.
    ForbiddenCharacter,
    /// Happens when an iq breaks RFC 6120 §8.2.3.
    ForbiddenIq,
    /// Happens when an iq of type result or error does not answer the iq that was POSTed.
    UnrequestedIq,
    /// Happens when there is more than one answer to an iq.
    SecondAnswer,
    /// Happens when a message of a room is answered by an error.
    ErrorToRoom,
}

impl Unusable {
    /// What is wrong, in words that repeat nothing of the answer and of a parser's message.
    pub fn summary(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Unusable::TooLong(_) => "it is too long",
            Unusable::TooMany => {
                return Cow::Owned(format!(
                    "it has more than {MAX_ELEMENTS_AND_ATTRIBUTES} elements and attributes"
                ));
            }
            Unusable::Json(_) => "it is not valid JSON",
            Unusable::NotAnObject => "it is not a JSON object or an array of them",
            Unusable::NoProperty => {
                "it has none of the properties of a reply, such as 'body' or 'stanza'"
            }
            Unusable::WrongType(name) => {
                return Cow::Owned(format!(
                    "the property '{name}' has a value of the wrong type"
                ));
            }
            Unusable::UnknownKind => "the kind is not message, presence or iq",
            Unusable::Xml(error) => return xml_summary(error),
            Unusable::InvalidJid(name) => {
                return Cow::Owned(format!("the address in '{name}' is not a valid JID"));
            }
            Unusable::ForeignFrom => "the sender is not an address of this component",
            Unusable::ForbiddenCharacter => "a character in it is forbidden in XML",
            Unusable::ForbiddenIq => "the iq is not one that XMPP allows",
            Unusable::UnrequestedIq => "the iq does not answer the request",
            Unusable::SecondAnswer => "it answers the iq more than once",
            Unusable::ErrorToRoom => "a message of a room is not answered by an error",
        })
    }
}

fn xml_summary(error: &XmlError) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        XmlError::NotAStanza => "the XML is not a message, presence or iq",
        XmlError::TooDeep => {
            return Cow::Owned(format!("the XML is nested deeper than {MAX_DEPTH} levels"));
        }
        XmlError::TooMany => return Unusable::TooMany.summary(),
        XmlError::UncommonName => "a name in the XML is one that many parsers do not take",
        XmlError::EmptyPrefix
        | XmlError::ReservedNamespace
        | XmlError::NotAUri
        | XmlError::LongNamespace => "a namespace in the XML is one that cannot be used",
        XmlError::NotWellFormed(_) | XmlError::DuplicateAttribute | XmlError::UndeclaredPrefix => {
            "the XML is not well-formed"
        }
    })
}

impl From<XmlError> for Unusable {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::TooMany => Unusable::TooMany,
            error => Unusable::Xml(error),
        }
    }
}

impl From<Exhausted> for Unusable {
    fn from(_: Exhausted) -> Self {
        Unusable::TooMany
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        match self {
            Unusable::TooLong(limit) => {
                write!(
                    f,
                    ": more than {limit} bytes (component_post_response_limit)"
                )
            }
            Unusable::Json(reason) => write!(f, ": {reason}"),
            Unusable::Xml(error) => write!(f, ": {error}"),
            Unusable::ForeignFrom => f.write_str(" (validate_from_addresses)"),
            _ => Ok(()),
        }
    }
}

/// What the head of a response says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stanza is accepted, whatever the body is.
    Accepted,
    /// The body may hold replies.
    Replies,
    /// The stanza is not accepted.
    Failed,
}

/// Judges a response by its status and media type.
pub fn judge(status: u16, content_type: Option<&str>) -> Verdict {
    match status {
        200 if content_type.is_some_and(is_json) => Verdict::Replies,
        200..=299 => Verdict::Accepted,
        _ => Verdict::Failed,
    }
}

/// What to tell of a body that came with status 200 and was not taken for replies, given its media type.
pub fn not_taken(content_type: Option<&str>) -> String {
    const SHOWN: usize = 100;
    match content_type {
        Some(given) => {
            let shown: String = given.chars().take(SHOWN).collect();
            format!(
                "the answer was not taken for a reply: its Content-Type is {shown:?}, not \"application/json\""
            )
        }
        None => "the answer was not taken for a reply: it has no Content-Type, and should say \
                 \"application/json\""
            .to_owned(),
    }
}

/// `application/json` and `application/*+json` (RFC 6839 §3.1), with any parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match media_type.strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.len() > 5 && subtype.ends_with("+json"),
        None => false,
    }
}

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
    settings: &Settings,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Element>, Unusable> {
    if !request.is_answerable() {
        return Ok(Vec::new());
    }
    decode(request, body, settings, fresh_id)
}

fn decode(
    request: &Envelope,
    body: &[u8],
    settings: &Settings,
    fresh_id: &mut dyn FnMut() -> String,
) -> Result<Vec<Element>, Unusable> {
    let mut context = Context {
        request,
        settings,
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
        .filter(|stanza| reply::answers(stanza, request))
        .count()
    {
        0 => stanzas.extend(acknowledge(request)),
        1 => {}
        _ => return Err(Unusable::SecondAnswer),
    }
    stanzas.retain(|stanza| !stanza.attr("to").is_some_and(|to| settings.is_own(to)));
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
        let stanzas = replies(request, body.as_bytes(), &settings(&[]), &mut fresh_id)?;
        Ok(stanzas.iter().map(Element::to_xml).collect())
    }

    fn unusable(body: &str) -> Unusable {
        match xml(&message().envelope, body) {
            Err(unusable) => unusable,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn media_types_and_statuses() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            " application/json ;x=y",
            "application/problem+json",
            "APPLICATION/JSON",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"; odd=1",
            "application/json; title=\"Grüße\"",
            "application/xmpp+json",
            "application/vnd.example.v2+json",
            "application/Problem+JSON; charset=utf-8",
        ] {
            assert_eq!(judge(200, Some(json)), Verdict::Replies, "{json}");
            assert_eq!(judge(201, Some(json)), Verdict::Accepted);
            assert_eq!(judge(404, Some(json)), Verdict::Failed);
        }
        for other in [
            "text/json",
            "application/jsonp",
            "application/json-seq",
            "application/+json",
            "x-application/json",
            "application/xmpp+xml",
            "application/octet-stream",
            "text/html; charset=utf-8",
            "text/plain",
            ";",
            "",
        ] {
            assert_eq!(judge(200, Some(other)), Verdict::Accepted, "{other}");
        }
        assert_eq!(judge(200, None), Verdict::Accepted);
        for accepted in 201..=299 {
            let verdict = judge(accepted, Some("application/json"));
            assert_eq!(verdict, Verdict::Accepted, "{accepted}");
        }
        assert_eq!(judge(302, None), Verdict::Failed);
        assert_eq!(judge(100, None), Verdict::Failed);
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
            &settings(&[]),
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
