//! Stanzas as owned, plain data: what crosses from Lua to a worker thread and back.
//!
//! Nothing in here knows of Lua, threads or HTTP. An [`Element`] follows the conventions of Prosody's
//! `util.stanza`, so that building a Lua table from one is a plain copy.

pub mod allowance;
pub mod chars;
pub mod element;
pub mod error;
pub mod jid;
pub mod names;
pub mod namespaces;
pub mod ns;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub mod signal;
pub mod stringprep;
pub mod xml_in;
pub mod xml_out;

use std::fmt;

pub use allowance::Allowance;
pub use element::{Element, Node};
pub use error::{Condition, ErrorType, StanzaError};

/// How deep the elements of a stanza may be nested, the stanza itself being level 1.
///
/// Neither XMPP nor Prosody has a limit, but everything that walks a stanza recursively does: the
/// stack. 100 is far beyond any protocol in use.
pub const MAX_DEPTH: usize = 100;

/// The three kinds of stanza of RFC 6120 §8.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 6120 §8.2.1.
    Message,
    /// RFC 6120 §8.2.2.
    Presence,
    /// RFC 6120 §8.2.3.
    Iq,
}

impl Kind {
    /// The name of the stanza's element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Presence => "presence",
            Kind::Iq => "iq",
        }
    }

    /// The kind of a stanza whose element has that name.
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Message, Kind::Presence, Kind::Iq]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// The addressing attributes of a stanza (RFC 6120 §8.1): all that it takes to answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Message, presence or iq.
    pub kind: Kind,
    /// The recipient, as prepared by the server.
    pub to: String,
    /// The sender, as prepared by the server.
    pub from: String,
    /// The `type` attribute.
    pub type_: Option<String>,
    /// The `id` attribute.
    pub id: Option<String>,
    /// Whether it is a message all of whose children are [signals](signal::is_signal).
    pub says_nothing: bool,
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} from {} to {}",
            self.kind.as_str(),
            self.from,
            self.to
        )
    }
}

impl Envelope {
    /// Whether the `type` attribute is this one.
    pub fn has_type(&self, type_: &str) -> bool {
        self.type_.as_deref() == Some(type_)
    }

    /// Whether this is an iq that its recipient has to answer (RFC 6120 §8.2.3).
    pub fn is_request(&self) -> bool {
        self.kind == Kind::Iq && (self.has_type("get") || self.has_type("set"))
    }

    /// Whether this is a message in a chat room (XEP-0045 §7.4).
    pub fn is_groupchat(&self) -> bool {
        self.kind == Kind::Message && self.has_type("groupchat")
    }

    /// Whether anything may be sent in answer: not to an error (RFC 6120 §8.3.1), and not to an iq that is
    /// itself an answer (§8.2.3).
    pub fn is_answerable(&self) -> bool {
        match self.kind {
            Kind::Iq => self.is_request(),
            Kind::Message | Kind::Presence => !self.has_type("error"),
        }
    }

    /// An element of this kind that goes back to the sender, with the id kept.
    pub fn reply(&self, type_: Option<&str>) -> Element {
        Element::new(self.kind.as_str())
            .with_attr("to", self.from.clone())
            .with_attr("from", self.to.clone())
            .with_opt_attr("id", self.id.clone())
            .with_opt_attr("type", type_.map(str::to_owned))
    }

    /// The error stanza that answers this one, or `None` if it must not be answered by one: an error or
    /// an answer itself, a message of a room, which would throw its sender out for it, or a message that
    /// says nothing, for which clients would show an error that nobody can make sense of.
    pub fn error_reply(&self, error: &StanzaError) -> Option<Element> {
        if !self.is_answerable() || self.is_groupchat() || self.says_nothing {
            return None;
        }
        Some(self.reply(Some("error")).with_child(error.to_element()))
    }
}

/// A stanza on its way to a web service: its addresses, the texts that the request repeats beside the
/// XML, and the XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// Who, to whom, what.
    pub envelope: Envelope,
    /// `xml:lang`.
    pub lang: Option<Box<str>>,
    /// The texts of well-known children.
    pub texts: Texts,
    /// What else it has, as far as that is told in time.
    pub extensions: Extensions,
    /// The whole stanza as XML.
    pub xml: Box<str>,
}

/// What a stanza has beside its texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Whether it has anything.
    pub any: bool,
    /// Whether it asks for a receipt (XEP-0184 §5.1), and is to get one.
    pub asks_for_receipt: bool,
    /// Whether it says that its sender's client shows chat states (XEP-0085 §5.1), and is to get some.
    pub knows_chat_states: bool,
}

/// How many children of a stanza have a text that requests repeat.
pub const TEXTS: usize = 6;

/// The texts of well-known children, in the order of [`CHILDREN`](crate::mapping::fields::CHILDREN). Most are not
/// there, and 100,000 stanzas may be waiting: hence the smallest of types.
pub type Texts = [Option<Box<str>>; TEXTS];

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: Kind, type_: Option<&str>) -> Envelope {
        Envelope {
            kind,
            to: "bot.example".into(),
            from: "romeo@example/orchard".into(),
            type_: type_.map(str::to_owned),
            id: Some("1".into()),
            says_nothing: false,
        }
    }

    #[test]
    fn what_may_be_answered_by_an_error() {
        let error = StanzaError::new(ErrorType::Cancel, Condition::ItemNotFound);
        let answered = |kind, type_| envelope(kind, type_).error_reply(&error).is_some();
        assert!(answered(Kind::Message, None));
        assert!(answered(Kind::Message, Some("chat")));
        assert!(!answered(Kind::Message, Some("groupchat")));
        assert!(!answered(Kind::Message, Some("error")));
        assert!(answered(Kind::Presence, None));
        assert!(!answered(Kind::Presence, Some("error")));
        assert!(answered(Kind::Iq, Some("get")));
        assert!(answered(Kind::Iq, Some("set")));
        assert!(!answered(Kind::Iq, Some("result")));
        assert!(!answered(Kind::Iq, Some("error")));
    }

    #[test]
    fn a_message_that_says_nothing_gets_no_error() {
        let mut message = envelope(Kind::Message, Some("chat"));
        message.says_nothing = true;
        let error = StanzaError::new(ErrorType::Cancel, Condition::ItemNotFound);
        assert_eq!(message.error_reply(&error), None);
        assert!(message.is_answerable());
    }

    #[test]
    fn an_error_reply_goes_back_with_id_and_condition() {
        let error = StanzaError::new(ErrorType::Wait, Condition::ResourceConstraint);
        let reply = envelope(Kind::Iq, Some("get")).error_reply(&error).unwrap();
        assert_eq!(
            reply.to_xml(),
            "<iq to='romeo@example/orchard' from='bot.example' id='1' type='error'><error type='wait'>\
             <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        );
    }
}
