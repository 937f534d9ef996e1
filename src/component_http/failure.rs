//! Why an exchange failed, and the stanza error that tells its sender so.

use std::fmt;

use super::response::Unusable;
use crate::stanza::{Condition, ErrorType, MAX_DEPTH, StanzaError};

/// Every way in which a stanza that was taken can fail to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Happens when the service answers with a status that is not a 2xx.
    Status(u16),
    /// Happens when the service accepts the stanza but its reply cannot be used.
    Unusable(Unusable),
    /// Happens when no connection comes about: name, address, port, TLS. Holds the reason for the log.
    NoConnection(String),
    /// Happens when the time for the exchange is over, be it while waiting for its turn.
    TimedOut,
    /// Happens when the connection ends before the response does. Holds the reason for the log.
    ConnectionLost(String),
    /// Happens when what comes back is not HTTP. Holds the reason for the log.
    NotHttp(String),
    /// Happens when the stanza has more than [`MAX_DEPTH`] levels of elements.
    TooDeep,
    /// Happens when the stanza has a character that XML 1.0 forbids, an element in XML's own namespace, or
    /// text that is not UTF-8.
    ForbiddenXml,
    /// Happens when as many stanzas are waiting as may.
    QueueFull,
    /// Happens when the component stops before the exchange is concluded.
    Stopped,
    /// Happens when there is a bug in this library. Holds the place for the log.
    Fault(String),
}

impl Failure {
    /// What the sender is told.
    pub fn to_error(&self) -> StanzaError {
        match self {
            Failure::Status(status) => status_error(*status),
            Failure::Unusable(unusable) => {
                StanzaError::new(ErrorType::Cancel, Condition::InternalServerError).with_text(
                    format!(
                        "The service's answer could not be used: {}",
                        unusable.summary()
                    ),
                )
            }
            Failure::NoConnection(_) | Failure::ConnectionLost(_) | Failure::NotHttp(_) => {
                timeout()
                    .with_text("The service behind this address cannot be reached at the moment")
            }
            Failure::TimedOut => {
                timeout().with_text("The service behind this address did not answer in time")
            }
            Failure::Stopped => timeout().with_text("This component is shutting down"),
            Failure::QueueFull => StanzaError::new(ErrorType::Wait, Condition::ResourceConstraint)
                .with_text("Too many stanzas are waiting for the service behind this address"),
            Failure::TooDeep => StanzaError::new(ErrorType::Modify, Condition::NotAcceptable)
                .with_text(format!("More than {MAX_DEPTH} levels of elements")),
            Failure::ForbiddenXml => StanzaError::new(ErrorType::Modify, Condition::BadRequest)
                .with_text("A character or a namespace in this stanza is forbidden in XML"),
            Failure::Fault(_) => {
                StanzaError::new(ErrorType::Cancel, Condition::InternalServerError)
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(status) => write!(f, "the service answered with HTTP status {status}"),
            Failure::Unusable(unusable) => {
                write!(f, "the service's answer cannot be used: {unusable}")
            }
            Failure::NoConnection(reason) => write!(f, "no connection to the service: {reason}"),
            Failure::TimedOut => f.write_str("the service did not answer in time"),
            Failure::ConnectionLost(reason) => {
                write!(f, "connection to the service lost: {reason}")
            }
            Failure::NotHttp(reason) => {
                write!(f, "what the service sent is not a HTTP response: {reason}")
            }
            Failure::TooDeep => {
                write!(f, "the stanza has more than {MAX_DEPTH} levels of elements")
            }
            Failure::ForbiddenXml => {
                f.write_str("the stanza has a character or a namespace that is forbidden in XML")
            }
            Failure::QueueFull => {
                f.write_str("too many stanzas are waiting (component_post_queue_size)")
            }
            Failure::Stopped => f.write_str("the component is stopping"),
            Failure::Fault(place) => {
                write!(f, "a bug in prosody-components, please report it: {place}")
            }
        }
    }
}

const fn timeout() -> StanzaError {
    StanzaError::new(ErrorType::Wait, Condition::RemoteServerTimeout)
}

/// The stanza error for a status that is not a 2xx.
const fn status_error(status: u16) -> StanzaError {
    use Condition::{
        BadRequest, Conflict, FeatureNotImplemented, Forbidden, Gone, InternalServerError,
        ItemNotFound, NotAcceptable, NotAllowed, NotAuthorized, RemoteServerTimeout,
        ResourceConstraint, ServiceUnavailable,
    };
    use ErrorType::{Auth, Cancel, Modify, Wait};
    let (type_, condition) = match status {
        400 | 411 | 416 | 422 => (Modify, BadRequest),
        401 | 407 | 511 => (Auth, NotAuthorized),
        402 | 403 | 451 => (Auth, Forbidden),
        404 => (Cancel, ItemNotFound),
        405 => (Cancel, NotAllowed),
        406 => (Modify, NotAcceptable),
        409 | 412 => (Cancel, Conflict),
        410 => (Cancel, Gone),
        413 | 414 | 431 => (Modify, ResourceConstraint),
        423 | 429 | 507 => (Wait, ResourceConstraint),
        408 | 502 | 503 | 504 => (Wait, RemoteServerTimeout),
        415 | 501 => (Cancel, FeatureNotImplemented),
        500..=599 => (Cancel, InternalServerError),
        _ => (Cancel, ServiceUnavailable),
    };
    StanzaError::new(type_, condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16) -> String {
        let error = Failure::Status(status).to_error();
        format!("{}/{}", error.type_.as_str(), error.condition.as_str())
    }

    #[test]
    fn the_status_table() {
        let table: [(&[u16], &str); 14] = [
            (&[400, 411, 416, 422], "modify/bad-request"),
            (&[401, 407, 511], "auth/not-authorized"),
            (&[402, 403, 451], "auth/forbidden"),
            (&[404], "cancel/item-not-found"),
            (&[405], "cancel/not-allowed"),
            (&[406], "modify/not-acceptable"),
            (&[409, 412], "cancel/conflict"),
            (&[410], "cancel/gone"),
            (&[413, 414, 431], "modify/resource-constraint"),
            (&[423, 429, 507], "wait/resource-constraint"),
            (&[408, 502, 503, 504], "wait/remote-server-timeout"),
            (&[415, 501], "cancel/feature-not-implemented"),
            (
                &[500, 505, 506, 508, 510, 599],
                "cancel/internal-server-error",
            ),
            (
                &[300, 301, 302, 307, 308, 418, 426, 428, 600, 999],
                "cancel/service-unavailable",
            ),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(error(*status), expected, "{status}");
            }
        }
    }
}
