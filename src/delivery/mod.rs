//! The life of every exchange of one component, from the stanza's arrival to its one end.
//!
//! Pure: no clock, thread, socket, randomness and log. Events and time are handed in ([`Delivery::admit`],
//! [`Delivery::handle_end`], [`Delivery::handle_timeout`]); then whoever called polls what follows, until
//! there is no more: attempts for the workers, and effects for the server and the log.
//!
//! ```text
//!            admit        poll_attempt         handle_end
//!   stanza ────────▶ Waiting ────────▶ InFlight ────────▶ concluded
//!              │         │                 │                  ▲
//!              │         └─────────────────┴──────────────────┤ handle_timeout, close
//!              └ refused ─────────────────────────────────────┘
//! ```
//!
//! No call does more than what one exchange costs, however many there are: time-outs and the end are
//! worked off one exchange at a time, by whoever polls the effects. For the same reason everything here
//! that grows with the exchanges is a B-tree. Its worst case is its ordinary one: no table has to be hashed
//! anew, nothing that has ended is left behind for later, and nobody can choose addresses that slow it down.

mod event;
mod exchange;
mod failure;
mod lanes;
mod turns;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use event::{Complaint, Effect, Event, Report};
pub use exchange::{Attempt, AttemptEnd, ExchangeId};
pub use failure::{AttemptFailure, Failure, NoAnswer, Refusal};

use crate::stanza::{Envelope, Kind, Stanza, jid};
use exchange::{Exchange, State};
use lanes::{Conversation, Lanes};
use turns::Turns;

/// What the admin has set for the exchanges of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts in flight at most.
    pub concurrency: usize,
    /// Exchanges waiting at most, beside those that wait for nothing but to be polled.
    pub queue_size: usize,
    /// For the whole exchange of an iq, from its arrival.
    pub timeout: Duration,
    /// Whether the stanzas of one conversation are attempted one after the other.
    pub ordered: bool,
}

/// The exchanges of one component.
#[derive(Debug)]
pub struct Delivery {
    limits: Limits,
    /// In the order of their arrival, since that is how they are numbered.
    exchanges: BTreeMap<ExchangeId, Exchange>,
    last_id: ExchangeId,
    /// How many of the exchanges are waiting.
    waiting: usize,
    /// Attempts in flight whose exchange has ended.
    abandoned: BTreeSet<ExchangeId>,
    lanes: Lanes,
    /// The exchanges that wait for nothing but a free place in flight.
    ready: Turns,
    /// When which exchange expires.
    deadlines: BTreeSet<(Instant, ExchangeId)>,
    effects: VecDeque<Effect>,
    /// What is due by then is to be concluded.
    due: Option<Instant>,
    closed: bool,
}

impl Delivery {
    /// No exchange yet.
    pub fn new(limits: Limits) -> Self {
        Delivery {
            limits,
            exchanges: BTreeMap::new(),
            last_id: 0,
            waiting: 0,
            abandoned: BTreeSet::new(),
            lanes: Lanes::default(),
            ready: Turns::default(),
            deadlines: BTreeSet::new(),
            effects: VecDeque::new(),
            due: None,
            closed: false,
        }
    }

    /// Changes the limits for what comes next. What was admitted keeps its lane and its deadline, and what
    /// is in flight beyond a new limit ends as it would have.
    pub fn reconfigure(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Begins an exchange, or refuses the stanza.
    pub fn admit(&mut self, stanza: Arc<Stanza>, now: Instant) {
        let envelope = &stanza.envelope;
        let conversation = match envelope.kind {
            Kind::Message | Kind::Presence if self.limits.ordered => {
                Some(Conversation::of(envelope))
            }
            _ => None,
        };
        if let Err(refusal) = self.admission(conversation.as_ref()) {
            return self.refuse(into_envelope(stanza), refusal);
        }
        self.last_id += 1;
        let id = self.last_id;
        let deadline = (envelope.kind == Kind::Iq).then(|| now + self.limits.timeout);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
        let lane = conversation.clone();
        if conversation.is_none_or(|conversation| self.lanes.enter(conversation, id)) {
            self.ready.push(jid::bare(&envelope.from), id);
        }
        self.waiting += 1;
        let exchange = Exchange {
            stanza,
            deadline,
            lane,
            state: State::Waiting,
        };
        self.exchanges.insert(id, exchange);
    }

    /// Tells the sender of a stanza, and the admin, that there will be no exchange for it.
    pub fn refuse(&mut self, envelope: Envelope, refusal: Refusal) {
        self.fail(envelope, Failure::Refused(refusal));
    }

    /// Takes in how an attempt has ended, with what there is to tell of it. Nothing comes of an attempt
    /// whose exchange has ended before, but that its place is free.
    pub fn handle_end(&mut self, id: ExchangeId, end: AttemptEnd, report: Report) {
        if self.abandoned.remove(&id) || !self.is_in_flight(id) {
            return;
        }
        let Some(stanza) = self.remove(id) else {
            return;
        };
        self.effects
            .push_back(Effect::Tell(Event::Attempted(report)));
        match end {
            Ok(replies) => {
                self.effects.push_back(Effect::Tell(Event::Accepted));
                self.effects.extend(replies.into_iter().map(Effect::Send));
            }
            Err(failure) => self.fail(into_envelope(stanza), Failure::Attempt(failure)),
        }
    }

    /// Lets the exchanges expire whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// Ends everything, for good: what waits and what is in flight fails, and what comes is refused.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The next attempt to make, as long as there may be more in flight.
    pub fn poll_attempt(&mut self, now: Instant) -> Option<Attempt> {
        if self.closed || self.in_flight() >= self.limits.concurrency {
            return None;
        }
        // Those whose time is over only have to be told so.
        let exchanges = &self.exchanges;
        let is_over = |id| exchanges.get(&id).is_none_or(|one| one.is_over(now));
        let id = self.ready.pop(is_over)?;
        let exchange = self.exchanges.get_mut(&id)?;
        exchange.state = State::InFlight;
        self.waiting -= 1;
        Some(Attempt {
            id,
            stanza: Arc::downgrade(&exchange.stanza),
            deadline: exchange.deadline,
        })
    }

    /// Whether [`poll_attempt`](Self::poll_attempt) is worth a call: whether something is ready.
    pub fn has_attempt(&self) -> bool {
        !self.closed && self.ready.len() > 0
    }

    /// The next thing that is to be sent or told.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        while self.effects.is_empty() {
            let (id, failure) = self.next_to_fail()?;
            if self.is_in_flight(id) {
                self.abandoned.insert(id);
            }
            if let Some(stanza) = self.remove(id) {
                self.fail(into_envelope(stanza), failure);
            }
        }
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (deadline, _) = self.deadlines.first().filter(|_| !self.closed)?;
        Some(*deadline)
    }

    fn is_in_flight(&self, id: ExchangeId) -> bool {
        let exchange = self.exchanges.get(&id);
        exchange.is_some_and(|exchange| exchange.state == State::InFlight)
    }

    /// Whether every exchange has ended.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// How many attempts have been polled and have not ended.
    fn in_flight(&self) -> usize {
        self.exchanges.len() - self.waiting + self.abandoned.len()
    }

    /// Whether an exchange may begin: if it can be attempted at once, or there is room to wait.
    fn admission(&self, conversation: Option<&Conversation>) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Stopped);
        }
        let free = self.limits.concurrency.saturating_sub(self.in_flight());
        let queued = self.waiting - self.ready.len().min(free);
        if queued < self.limits.queue_size {
            return Ok(());
        }
        let lane_is_free = conversation.is_none_or(|lane| !self.lanes.is_occupied(lane));
        if lane_is_free && self.ready.len() < free {
            Ok(())
        } else {
            Err(Refusal::QueueFull)
        }
    }

    /// The next exchange that ends without an answer, and why.
    fn next_to_fail(&self) -> Option<(ExchangeId, Failure)> {
        if self.closed {
            let (id, _) = self.exchanges.first_key_value()?;
            return Some((*id, Failure::Stopped));
        }
        let (deadline, id) = self.deadlines.first()?;
        self.due
            .is_some_and(|due| *deadline <= due)
            .then_some((*id, Failure::Expired))
    }

    /// Takes an exchange out that ends. Whoever waited for it in its lane is ready then.
    fn remove(&mut self, id: ExchangeId) -> Option<Arc<Stanza>> {
        let Exchange {
            stanza,
            deadline,
            lane,
            state,
        } = self.exchanges.remove(&id)?;
        let envelope = &stanza.envelope;
        let sender = jid::bare(&envelope.from);
        if state == State::Waiting {
            self.waiting -= 1;
            self.ready.remove(sender, id);
        }
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(next) = lane.and_then(|lane| self.lanes.leave(lane)) {
            self.ready.push(sender, next);
        }
        Some(stanza)
    }

    /// Tells the sender of a stanza, if he may be told, and the admin that it was not accepted.
    fn fail(&mut self, envelope: Envelope, failure: Failure) {
        let error = envelope.error_reply(&failure.to_error());
        self.effects.extend(error.map(Effect::Send));
        let failed = Event::Failed { envelope, failure };
        self.effects.push_back(Effect::Tell(failed));
    }
}

/// What is left of a stanza to tell of. A worker that is at it may hold on to the rest.
fn into_envelope(stanza: Arc<Stanza>) -> Envelope {
    match Arc::try_unwrap(stanza) {
        Ok(stanza) => stanza.envelope,
        Err(stanza) => stanza.envelope.clone(),
    }
}
