//! An exchange: one stanza's way to the web service and back. An attempt: one POST of it.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::lanes::Conversation;
use super::retry::Spent;
use super::senders::SenderId;
use super::stream::Stream;
use super::{AttemptFailure, Failure};
use crate::stanza::{Element, Stanza};

/// Numbers the exchanges of one component, in the order of their arrival.
pub type ExchangeId = u64;

/// What is kept of an exchange until it ends.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What is to be delivered. Nobody else keeps it alive, but a worker that is at it.
    pub(super) stanza: Arc<Stanza>,
    pub(super) sender: SenderId,
    /// The conversation that it is in the lane of, if in one.
    pub(super) lane: Option<Conversation>,
    pub(super) state: State,
    pub(super) spent: Spent,
    /// When it expires, if ever.
    pub(super) deadline: Option<Instant>,
    /// Why its last attempt failed. Few exchanges have one.
    pub(super) last_failure: Option<Box<AttemptFailure>>,
    /// The answer that has begun, if it comes bit by bit.
    pub(super) stream: Option<Stream>,
}

impl Exchange {
    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Why it ends if there is no other attempt.
    pub(super) fn failure(&mut self) -> Failure {
        match self.last_failure.take() {
            Some(failure) => Failure::Attempt(*failure),
            None => Failure::ServiceDown,
        }
    }
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for others of its conversation.
    InLane,
    /// Waits for nothing but its turn.
    Ready,
    /// An attempt was polled and has not ended.
    InFlight,
    /// An attempt has failed, and the next one is made then.
    Backoff(Instant),
    /// Its turn has come too late.
    Late,
}

/// An attempt to make.
#[derive(Debug)]
pub struct Attempt {
    /// The number of its exchange.
    pub id: ExchangeId,
    /// Counts the attempts of its exchange, from 1.
    pub number: u32,
    /// The stanza to deliver, which is gone if the exchange has ended meanwhile.
    pub stanza: Weak<Stanza>,
    /// When the exchange expires, if ever.
    pub deadline: Option<Instant>,
}

/// How an attempt ended: accepted by the service, with the stanzas to send for it, or not.
pub type AttemptEnd = Result<Vec<Element>, AttemptFailure>;
