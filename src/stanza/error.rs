//! Stanza errors (RFC 6120 §8.3).

use std::borrow::Cow;

use super::Element;

/// The namespace of the defined conditions (RFC 6120 §8.3.2).
pub const STANZAS_NS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// What the sender may do about an error (RFC 6120 §8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// Provide credentials and try again.
    Auth,
    /// Do not try again.
    Cancel,
    /// Change what was sent and try again.
    Modify,
    /// Try again later.
    Wait,
}

impl ErrorType {
    /// The value of the `type` attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorType::Auth => "auth",
            ErrorType::Cancel => "cancel",
            ErrorType::Modify => "modify",
            ErrorType::Wait => "wait",
        }
    }
}

/// The defined conditions (RFC 6120 §8.3.3) that this project uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each is the section of RFC 6120 §8.3.3 of its own name"
)]
pub enum Condition {
    BadRequest,
    Conflict,
    FeatureNotImplemented,
    Forbidden,
    Gone,
    InternalServerError,
    ItemNotFound,
    NotAcceptable,
    NotAllowed,
    NotAuthorized,
    RemoteServerTimeout,
    ResourceConstraint,
    ServiceUnavailable,
}

impl Condition {
    /// The name of the condition's element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Condition::BadRequest => "bad-request",
            Condition::Conflict => "conflict",
            Condition::FeatureNotImplemented => "feature-not-implemented",
            Condition::Forbidden => "forbidden",
            Condition::Gone => "gone",
            Condition::InternalServerError => "internal-server-error",
            Condition::ItemNotFound => "item-not-found",
            Condition::NotAcceptable => "not-acceptable",
            Condition::NotAllowed => "not-allowed",
            Condition::NotAuthorized => "not-authorized",
            Condition::RemoteServerTimeout => "remote-server-timeout",
            Condition::ResourceConstraint => "resource-constraint",
            Condition::ServiceUnavailable => "service-unavailable",
        }
    }
}

/// A stanza error: what happened, what to do about it, and perhaps a text for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StanzaError {
    /// What the sender may do.
    pub type_: ErrorType,
    /// What happened.
    pub condition: Condition,
    /// A text in English for the person at the other end.
    pub text: Option<Cow<'static, str>>,
}

impl StanzaError {
    /// An error without a text.
    pub const fn new(type_: ErrorType, condition: Condition) -> Self {
        StanzaError {
            type_,
            condition,
            text: None,
        }
    }

    /// The same with a text.
    pub fn with_text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The `<error/>` element.
    pub fn to_element(&self) -> Element {
        let error = Element::new("error")
            .with_attr("type", self.type_.as_str())
            .with_child(Element::new(self.condition.as_str()).with_attr("xmlns", STANZAS_NS));
        match &self.text {
            None => error,
            Some(text) => {
                let mut child = Element::new("text").with_attr("xmlns", STANZAS_NS);
                child
                    .children
                    .push(super::Node::Text(text.clone().into_owned()));
                error.with_child(child)
            }
        }
    }
}
