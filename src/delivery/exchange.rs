//! An exchange: one stanza's way to the web service and back. An attempt: one POST of it.

use std::mem;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::backends::BackendId;
use super::lanes::Conversation;
use super::retry::Spent;
use super::senders::SenderId;
use super::signs::Composing;
use super::stream::Stream;
use super::{AttemptFailure, Failure, Refusal};
use crate::stanza::{Element, Stanza};

/// Numbers the exchanges of one component, in the order of their arrival.
pub type ExchangeId = u64;

/// What is kept of an exchange until it ends.
#[derive(Debug)]
pub(super) struct Exchange {
    /// What is to be delivered. Nobody else keeps it alive, but a worker that is at it.
    pub(super) stanza: Arc<Stanza>,
    /// Where it is to be attempted, or is.
    pub(super) backend: BackendId,
    /// Its sender there.
    pub(super) sender: SenderId,
    /// The conversation that it is in the lane of, if in one.
    pub(super) lane: Option<Conversation>,
    pub(super) state: State,
    pub(super) spent: Spent,
    /// When it expires, if ever.
    pub(super) deadline: Option<Instant>,
    /// What else is kept of it, if there is anything. Of most that wait there is nothing, and they may be very many.
    pub(super) tried: Option<Box<Tried>>,
}

/// What is kept of an exchange once it is attempted, or its sender is shown something.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// Why the last one failed.
    pub(super) failure: Option<AttemptFailure>,
    /// The last backend that did not answer it.
    pub(super) left: Option<BackendId>,
    /// Its conversation, if that may go to another backend once its attempt has ended.
    pub(super) conversation: Option<Conversation>,
    /// Its answer, if that comes bit by bit and has begun.
    pub(super) stream: Option<Stream>,
    /// What its sender is shown meanwhile.
    pub(super) composing: Composing,
}

/// What is kept of an attempt in flight whose exchange has ended.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) backend: BackendId,
    pub(super) sender: SenderId,
    pub(super) conversation: Option<Conversation>,
}

impl Exchange {
    /// Whether its time is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The conversation that it belongs to.
    pub(super) fn conversation(&self) -> Conversation {
        let lane = self.lane.clone();
        lane.unwrap_or_else(|| Conversation::of(&self.stanza.envelope))
    }

    /// What else is kept of it from now on.
    pub(super) fn tried(&mut self) -> &mut Tried {
        self.tried.get_or_insert_default()
    }

    /// Its conversation, if that may go to another backend now that its attempt has ended.
    pub(super) fn take_conversation(&mut self) -> Option<Conversation> {
        self.tried.as_mut()?.conversation.take()
    }

    /// What its sender is shown.
    pub(super) fn composing(&self) -> Composing {
        let tried = self.tried.as_ref();
        tried.map_or(Composing::No, |tried| tried.composing)
    }

    /// Takes that.
    pub(super) fn take_composing(&mut self) -> Composing {
        let tried = self.tried.as_mut();
        tried.map_or(Composing::No, |tried| mem::take(&mut tried.composing))
    }

    /// Whether it is accepted, though its answer has not ended.
    pub(super) fn is_accepted(&self) -> bool {
        self.tried
            .as_ref()
            .is_some_and(|tried| tried.stream.is_some())
    }

    /// Its answer, if that comes bit by bit and has begun.
    pub(super) fn take_stream(&mut self) -> Option<Stream> {
        self.tried.as_mut()?.stream.take()
    }

    /// Why it ends if there is no other attempt.
    pub(super) fn failure(&mut self) -> Failure {
        match self.tried.as_mut().and_then(|tried| tried.failure.take()) {
            _ if self.state == State::Nowhere => Failure::Refused(Refusal::NoRoute),
            Some(failure) => Failure::Attempt(failure),
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
    /// Its turn never comes: the options name no backend for it any more.
    Nowhere,
}

/// An attempt to make.
#[derive(Debug)]
pub struct Attempt {
    /// The number of its exchange.
    pub id: ExchangeId,
    /// Where it is to be made.
    pub backend: BackendId,
    /// Counts the attempts of its exchange, from 1.
    pub number: u32,
    /// The stanza to deliver, which is gone if the exchange has ended meanwhile.
    pub stanza: Weak<Stanza>,
    /// When the exchange expires, if ever.
    pub deadline: Option<Instant>,
}

/// How an attempt ended: accepted by the service, with the stanzas to send for it, or not.
pub type AttemptEnd = Result<Vec<Element>, AttemptFailure>;
