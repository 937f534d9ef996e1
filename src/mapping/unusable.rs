//! Why an answer cannot be used.

use std::borrow::Cow;
use std::fmt;

use super::extension::WrongShape;
use super::fields::DELTA;
use super::push;
use crate::stanza::MAX_DEPTH;
use crate::stanza::allowance::Exhausted;
use crate::stanza::xml_in::XmlError;

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
    /// Happens when a value of an extension does not look like what it stands for.
    WrongShape(Box<WrongShape>),
    /// Happens when `kind` is not message, presence or iq.
    UnknownKind,
    /// Happens when there is an `error`, and a `type` that is another.
    ErrorOfOtherType,
    /// Happens when two buttons have the same value, or the same label (XEP-0439 §4.1).
    RepeatedButton,
    /// Happens when `stanza` is not the XML of a stanza.
    Xml(XmlError),
    /// Happens when that address is not a JID.
    InvalidJid(&'static str),
    /// Happens when `from` is not an address of this component.
    ForeignFrom,
    /// Happens when that property has a character that XML 1.0 forbids.
    ForbiddenCharacter(&'static str),
    /// Happens when an iq breaks RFC 6120 §8.2.3.
    ForbiddenIq,
    /// Happens when an iq of type result or error does not answer the iq that was POSTed.
    UnrequestedIq,
    /// Happens when there is more than one answer to an iq.
    SecondAnswer,
    /// Happens when a message of a room is answered by an error.
    ErrorToRoom,
    /// Happens when a `delta` does not come in a stream.
    StrayDelta,
    /// Happens when beside a `delta` there is something else that is to be sent, or that changes the message
    /// which grows.
    MixedDelta,
    /// Happens when a service speaks first and does not say to whom.
    NoRecipient,
    /// Happens when a service speaks first, to its own component.
    ToItself,
    /// Happens when a service speaks first, and says nothing.
    Nothing,
}

impl Unusable {
    /// The property that is wrong, if it is one.
    pub fn property(&self) -> Option<&'static str> {
        match self {
            Unusable::WrongType(name)
            | Unusable::InvalidJid(name)
            | Unusable::ForbiddenCharacter(name) => Some(name),
            Unusable::WrongShape(wrong) => Some(wrong.property),
            Unusable::ErrorOfOtherType => Some("type"),
            Unusable::RepeatedButton => Some("buttons"),
            Unusable::UnknownKind => Some("kind"),
            Unusable::Xml(_) => Some("stanza"),
            Unusable::ForeignFrom => Some("from"),
            Unusable::StrayDelta | Unusable::MixedDelta => Some(DELTA),
            Unusable::NoRecipient | Unusable::ToItself => Some("to"),
            Unusable::TooLong(_)
            | Unusable::TooMany
            | Unusable::Json(_)
            | Unusable::NotAnObject
            | Unusable::NoProperty
            | Unusable::ForbiddenIq
            | Unusable::UnrequestedIq
            | Unusable::SecondAnswer
            | Unusable::ErrorToRoom
            | Unusable::Nothing => None,
        }
    }

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
            Unusable::WrongShape(wrong) => return Cow::Owned(wrong.to_string()),
            Unusable::ErrorOfOtherType => "a stanza with an 'error' has another type than error",
            Unusable::RepeatedButton => "two of its buttons have the same value or label",
            Unusable::UnknownKind => "the kind is not message, presence or iq",
            Unusable::Xml(error) => return xml_summary(error),
            Unusable::InvalidJid(name) => {
                return Cow::Owned(format!("the address in '{name}' is not a valid JID"));
            }
            Unusable::ForeignFrom => "the sender is not an address of this component",
            Unusable::ForbiddenCharacter(_) => "a character in it is forbidden in XML",
            Unusable::ForbiddenIq => "the iq is not one that XMPP allows",
            Unusable::UnrequestedIq => "the iq does not answer the request",
            Unusable::SecondAnswer => "it answers the iq more than once",
            Unusable::ErrorToRoom => "a message of a room is not answered by an error",
            Unusable::StrayDelta => {
                "a 'delta' can only be part of an answer that comes bit by bit \
                 (application/x-ndjson, application/jsonl or text/event-stream)"
            }
            Unusable::MixedDelta => {
                "beside a 'delta' there is 'body', 'stanza', 'files', 'buttons', 'error', a kind that is not \
                 message, or what the first one of its message did not have"
            }
            Unusable::NoRecipient => push::NO_RECIPIENT,
            Unusable::ToItself => push::TO_ITSELF,
            Unusable::Nothing => push::NOTHING,
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
