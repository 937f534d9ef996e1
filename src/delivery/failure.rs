//! Why a stanza was not accepted, and the stanza error that tells its sender so.

use std::fmt;
use std::time::Duration;

use super::breaker::Health;
use crate::mapping::Unusable;
use crate::stanza::{Condition, ErrorType, MAX_DEPTH, StanzaError};

/// Why an exchange ends without the stanza being accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Happens when it does not even begin.
    Refused(Refusal),
    /// Happens when its attempt fails.
    Attempt(AttemptFailure),
    /// Happens when its time is over, be it while waiting for its turn.
    Expired,
    /// Happens when its turn does not come in time, since the service is down.
    ServiceDown,
    /// Happens when an admin has what its sender has sent dropped.
    Dropped,
    /// Happens when the component stops before.
    Stopped,
}

/// Why there is no exchange for a stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Happens when the stanza has more than [`MAX_DEPTH`] levels of elements.
    TooDeep,
    /// Happens when the stanza has a character that XML 1.0 forbids, an element in the namespace of XML itself,
    /// or text that is not UTF-8.
    ForbiddenXml,
    /// Happens when the options name no service for its addressee.
    NoRoute,
    /// Happens when as many stanzas or bytes are waiting as may.
    QueueFull,
    /// Happens when the queue is more than half full, and more than its share of that is the sender's.
    ShareFull,
    /// Happens when the component has stopped.
    Stopped,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// Happens when the service answers with a status that is not a 2xx.
    Rejected {
        /// The status.
        status: u16,
        /// How long the service wants to be left alone (RFC 9110 §10.2.3).
        retry_after: Option<Duration>,
    },
    /// Happens when its exchange has ended before it was made.
    NotMade,
    /// Happens when there is no answer.
    Unanswered(NoAnswer),
    /// Happens when the service accepts the stanza but its reply cannot be used.
    Unusable(Unusable),
    /// Happens when there is a bug in this library. Holds the place for the log.
    Fault(String),
}

/// Why there is no answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Happens when no connection comes about: name, address, port, TLS; or when it ends before anything of
    /// the request is delivered. Holds the reason for the log.
    NoConnection(String),
    /// Happens when the time for the attempt is over.
    TimedOut,
    /// Happens when the next part of an answer that comes bit by bit takes too long.
    Stalled,
    /// Happens when an answer that comes bit by bit takes too long in all.
    Endless,
    /// Happens when the connection ends before the response does. Holds the reason for the log.
    ConnectionLost(String),
    /// Happens when what comes back is not HTTP. Holds the reason for the log.
    NotHttp(String),
}

/// What an attempt that failed has done to the stanza.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The service has not processed it, and says so, or has not even seen it.
    NotProcessed,
    /// Nobody knows.
    PerhapsProcessed,
    /// The service does not want it, or nothing can be made of its answer. Another attempt would not change
    /// that.
    Refused,
}

impl From<NoAnswer> for AttemptFailure {
    fn from(reason: NoAnswer) -> Self {
        AttemptFailure::Unanswered(reason)
    }
}

impl Failure {
    /// What the sender is told.
    pub fn to_error(&self) -> StanzaError {
        match self {
            Failure::Refused(refusal) => refusal.to_error(),
            Failure::Attempt(failure) => failure.to_error(),
            Failure::Expired => NoAnswer::TimedOut.to_error(),
            Failure::ServiceDown => unreachable(),
            Failure::Dropped => {
                DROPPED.with_text("An administrator of this server has removed this stanza")
            }
            Failure::Stopped => Refusal::Stopped.to_error(),
        }
    }

    /// Whether it says that the service does not work, rather than that it did not want the stanza.
    pub fn is_outage(&self) -> bool {
        match self {
            Failure::Attempt(AttemptFailure::Rejected { status, .. }) => *status >= 500,
            Failure::Attempt(AttemptFailure::Unanswered(_) | AttemptFailure::NotMade)
            | Failure::Expired
            | Failure::ServiceDown => true,
            Failure::Attempt(AttemptFailure::Unusable(_) | AttemptFailure::Fault(_))
            | Failure::Refused(_)
            | Failure::Dropped
            | Failure::Stopped => false,
        }
    }
}

impl Refusal {
    fn to_error(self) -> StanzaError {
        match self {
            Refusal::TooDeep => StanzaError::new(ErrorType::Modify, Condition::NotAcceptable)
                .with_text(format!("More than {MAX_DEPTH} levels of elements")),
            Refusal::ForbiddenXml => StanzaError::new(ErrorType::Modify, Condition::BadRequest)
                .with_text("A character or a namespace in this stanza is forbidden in XML"),
            Refusal::NoRoute => StanzaError::new(ErrorType::Cancel, Condition::ItemNotFound),
            Refusal::QueueFull => StanzaError::new(ErrorType::Wait, Condition::ResourceConstraint)
                .with_text("Too many stanzas are waiting for the service behind this address"),
            Refusal::ShareFull => StanzaError::new(ErrorType::Wait, Condition::ResourceConstraint)
                .with_text(
                    "Too many of your stanzas are waiting for the service behind this address",
                ),
            Refusal::Stopped => TIMEOUT.with_text("This component is shutting down"),
        }
    }
}

impl AttemptFailure {
    /// Whether the service has processed the stanza.
    pub fn class(&self) -> Class {
        match self {
            AttemptFailure::Rejected {
                status: 408 | 425 | 429 | 503,
                ..
            }
            | AttemptFailure::Unanswered(NoAnswer::NoConnection(_))
            | AttemptFailure::NotMade => Class::NotProcessed,
            AttemptFailure::Rejected {
                status: 501 | 505, ..
            } => Class::Refused,
            AttemptFailure::Rejected {
                status: 500..=599, ..
            }
            | AttemptFailure::Unanswered(_) => Class::PerhapsProcessed,
            AttemptFailure::Rejected { .. }
            | AttemptFailure::Unusable(_)
            | AttemptFailure::Fault(_) => Class::Refused,
        }
    }

    /// How long the service wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            AttemptFailure::Rejected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What it says of the service.
    pub(super) fn health(&self) -> Health {
        match self {
            AttemptFailure::Rejected {
                status: 502..=504, ..
            }
            | AttemptFailure::Unanswered(_) => Health::Down,
            AttemptFailure::Rejected { .. } | AttemptFailure::Unusable(_) => Health::Up,
            AttemptFailure::NotMade | AttemptFailure::Fault(_) => Health::Unknown,
        }
    }

    fn to_error(&self) -> StanzaError {
        match self {
            AttemptFailure::Rejected { status, .. } => status_error(*status),
            AttemptFailure::NotMade => NoAnswer::TimedOut.to_error(),
            AttemptFailure::Unanswered(error) => error.to_error(),
            AttemptFailure::Unusable(unusable) => {
                let summary = unusable.summary();
                INTERNAL.with_text(format!("The service's answer could not be used: {summary}"))
            }
            AttemptFailure::Fault(_) => INTERNAL,
        }
    }
}

impl NoAnswer {
    fn to_error(&self) -> StanzaError {
        match self {
            NoAnswer::TimedOut | NoAnswer::Stalled | NoAnswer::Endless => {
                TIMEOUT.with_text("The service behind this address did not answer in time")
            }
            NoAnswer::NoConnection(_) | NoAnswer::ConnectionLost(_) | NoAnswer::NotHttp(_) => {
                unreachable()
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::Attempt(failure) => failure.fmt(f),
            Failure::Expired => NoAnswer::TimedOut.fmt(f),
            Failure::ServiceDown => f.write_str("the service is down"),
            Failure::Dropped => f.write_str("an admin has dropped it"),
            Failure::Stopped => Refusal::Stopped.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::TooDeep => {
                write!(f, "the stanza has more than {MAX_DEPTH} levels of elements")
            }
            Refusal::ForbiddenXml => {
                f.write_str("the stanza has a character or a namespace that is forbidden in XML")
            }
            Refusal::NoRoute => {
                f.write_str("no service is set for this address (component_post_routes)")
            }
            Refusal::QueueFull => {
                f.write_str("too many stanzas are waiting (component_post_queue_size, component_post_queue_bytes)")
            }
            Refusal::ShareFull => {
                f.write_str("too many stanzas of this sender are waiting (a tenth of component_post_queue_size or component_post_queue_bytes)")
            }
            Refusal::Stopped => f.write_str("the component is stopping"),
        }
    }
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttemptFailure::NotMade => NoAnswer::TimedOut.fmt(f),
            AttemptFailure::Rejected { status, .. } => {
                write!(f, "the service answered with HTTP status {status}")
            }
            AttemptFailure::Unanswered(error) => error.fmt(f),
            AttemptFailure::Unusable(unusable) => {
                write!(f, "the service's answer cannot be used: {unusable}")
            }
            AttemptFailure::Fault(place) => {
                write!(f, "a bug in prosody-components, please report it: {place}")
            }
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::NoConnection(reason) => {
                write!(f, "no connection to the service: {reason}")
            }
            NoAnswer::TimedOut => f.write_str("the service did not answer in time"),
            NoAnswer::Stalled => {
                f.write_str("the next item did not come in time (component_post_timeout)")
            }
            NoAnswer::Endless => {
                f.write_str("it did not end in time (component_post_stream_timeout)")
            }
            NoAnswer::ConnectionLost(reason) => {
                write!(f, "connection to the service lost: {reason}")
            }
            NoAnswer::NotHttp(reason) => {
                write!(f, "what the service sent is not a HTTP response: {reason}")
            }
        }
    }
}

const TIMEOUT: StanzaError = StanzaError::new(ErrorType::Wait, Condition::RemoteServerTimeout);
/// It is not to be sent again by itself.
const DROPPED: StanzaError = StanzaError::new(ErrorType::Cancel, Condition::ServiceUnavailable);
const INTERNAL: StanzaError = StanzaError::new(ErrorType::Cancel, Condition::InternalServerError);

fn unreachable() -> StanzaError {
    TIMEOUT.with_text("The service behind this address cannot be reached at the moment")
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
        let error = AttemptFailure::Rejected {
            status,
            retry_after: None,
        }
        .to_error();
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
                &[500, 505, 506, 508, 510, 520, 599],
                "cancel/internal-server-error",
            ),
            (
                &[
                    300, 301, 302, 303, 304, 307, 308, 417, 418, 421, 424, 425, 426, 428, 499, 600,
                    999,
                ],
                "cancel/service-unavailable",
            ),
        ];
        for (statuses, expected) in table {
            for status in statuses {
                assert_eq!(error(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn what_the_sender_and_the_admin_are_told() {
        use NoAnswer::{ConnectionLost, NoConnection, NotHttp, TimedOut};
        let broken = |error| Failure::Attempt(AttemptFailure::Unanswered(error));
        let fault = Failure::Attempt(AttemptFailure::Fault("x.rs:1".into()));
        let unusable = Failure::Attempt(AttemptFailure::Unusable(Unusable::UnknownKind));
        let table = [
            (
                Failure::Refused(Refusal::TooDeep),
                "not-acceptable",
                "100 levels",
            ),
            (
                Failure::Refused(Refusal::ForbiddenXml),
                "bad-request",
                "forbidden in XML",
            ),
            (
                Failure::Refused(Refusal::QueueFull),
                "resource-constraint",
                "queue_size",
            ),
            (
                Failure::Refused(Refusal::Stopped),
                "remote-server-timeout",
                "is stopping",
            ),
            (Failure::Stopped, "remote-server-timeout", "is stopping"),
            (Failure::Dropped, "service-unavailable", "an admin"),
            (
                Failure::Expired,
                "remote-server-timeout",
                "did not answer in time",
            ),
            (
                broken(TimedOut),
                "remote-server-timeout",
                "did not answer in time",
            ),
            (
                broken(NoConnection("refused".into())),
                "remote-server-timeout",
                "refused",
            ),
            (
                broken(ConnectionLost("reset".into())),
                "remote-server-timeout",
                "lost: reset",
            ),
            (
                broken(NotHttp("SSH".into())),
                "remote-server-timeout",
                "HTTP response: SSH",
            ),
            (
                fault,
                "internal-server-error",
                "a bug in prosody-components",
            ),
            (unusable, "internal-server-error", "the kind is not message"),
        ];
        for (failure, condition, line) in table {
            assert_eq!(
                failure.to_error().condition.as_str(),
                condition,
                "{failure:?}"
            );
            assert!(failure.to_string().contains(line), "{failure}");
        }
    }

    #[test]
    fn what_says_that_the_service_does_not_work() {
        let rejected = |status| {
            Failure::Attempt(AttemptFailure::Rejected {
                status,
                retry_after: None,
            })
        };
        let lost = NoAnswer::ConnectionLost(String::new());
        let lost = Failure::Attempt(AttemptFailure::Unanswered(lost));
        assert!(
            [Failure::Expired, lost, rejected(500)]
                .iter()
                .all(Failure::is_outage)
        );
        let full = Failure::Refused(Refusal::QueueFull);
        assert!(
            ![Failure::Stopped, full, rejected(499)]
                .iter()
                .any(Failure::is_outage)
        );
    }
}
