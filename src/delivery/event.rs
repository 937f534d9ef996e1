//! What is to be sent and told, in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AttemptFailure, Class, Failure};
use crate::stanza::{Element, Envelope};

/// Something for the world outside to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send that stanza.
    Send(Element),
    /// Tell whoever observes the component: logs and counters.
    Tell(Event),
}

/// Something that has happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// An attempt has ended, or its answer has begun to come. What became of its exchange follows, unless that has
    /// ended before.
    Attempted {
        /// What there is to tell of it.
        report: Report,
        /// How it failed, if it was not accepted.
        failed: Option<Class>,
    },
    /// A service has accepted a stanza. The replies follow.
    Accepted {
        /// Its URL, without secrets.
        service: Arc<str>,
        /// When the stanza came.
        arrived: Instant,
        /// Whether the service has replied to it.
        replied: bool,
    },
    /// An answer that comes bit by bit has ended. Holds a line for whoever looks for something.
    StreamEnded(String),
    /// An answer that comes bit by bit goes on no more, before its end. Its stanza was accepted.
    BrokenOff {
        /// What was answered.
        envelope: Envelope,
        /// Why.
        failure: Failure,
    },
    /// A service is down: there is one attempt at a time, and pauses between them, until it answers.
    WentDown {
        /// Its URL, without secrets.
        service: Arc<str>,
        /// How the last attempt failed.
        failure: AttemptFailure,
    },
    /// A service answers again.
    CameBack {
        /// Its URL, without secrets.
        service: Arc<str>,
        /// How long it was down.
        after: Duration,
        /// How many stanzas wait for it.
        waiting: usize,
    },
    /// A stanza was not accepted. Its sender has been told, if he may be.
    Failed {
        /// Who, to whom, what.
        envelope: Envelope,
        /// Why.
        failure: Failure,
        /// The URL of the service that it was for, without secrets; none if it did not even begin.
        service: Option<Arc<str>>,
        /// When the stanza came, if it was not refused at once.
        arrived: Option<Instant>,
    },
}

/// What there is to tell of an attempt beside how it ended. Written by whoever makes the attempt, since
/// the server's thread has better things to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// For whoever looks for something: the stanza's id, the status, and how long it took.
    pub line: String,
    /// How long it took.
    pub took: Duration,
    /// Whether the service has replied, rather than just accepted the stanza.
    pub replied: bool,
    /// What an admin should know of the answer, though the attempt did not fail.
    pub complaint: Option<Complaint>,
}

/// Something that an admin should know of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The stanza that was answered, in words.
    pub about: String,
    /// What is wrong with the answer.
    pub trouble: String,
}
