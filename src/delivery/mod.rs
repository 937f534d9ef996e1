//! The life of every exchange of one component, from the stanza's arrival to its one end.
//!
//! Pure: no clock, thread, socket, randomness and log. Events and time are handed in ([`Delivery::admit`],
//! [`Delivery::handle_end`], [`Delivery::handle_timeout`]); then whoever called polls what follows, until
//! there is no more: attempts for the workers, and effects for the server and the log.
//!
//! ```text
//!            admit        poll_attempt         handle_end
//!   stanza ────────▶ waiting ────────▶ in flight ────────▶ concluded
//!              │         ▲ │                │  │              ▲
//!              │         └─┼── back-off ────┘  │              │
//!              │           └───────────────────┴──────────────┤ handle_timeout, close
//!              └ refused ─────────────────────────────────────┘
//! ```
//!
//! The answer to an attempt may also come bit by bit, in a [`stream`]: it stays in flight then, from
//! [`Delivery::handle_head`] to [`Delivery::handle_stream_end`].
//!
//! No call does more than what a few exchanges cost, however many there are: time-outs, an outage and the
//! end are worked off one exchange at a time, by whoever polls the effects. For the same reason everything
//! here that grows with the exchanges is a B-tree or a slab. Their worst case is their ordinary one: no table
//! has to be hashed anew, nothing that has ended is left behind for later, and nobody can choose addresses
//! that slow it down.

mod admission;
mod breaker;
mod ending;
mod event;
mod exchange;
mod failure;
mod lanes;
mod outage;
mod retry;
mod senders;
mod stream;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

pub use event::{Complaint, Effect, Event, Report};
pub use exchange::{Attempt, AttemptEnd, ExchangeId};
pub use failure::{AttemptFailure, Failure, NoAnswer, Refusal};
pub use retry::RetryPolicy;
pub use senders::Load;
pub use stream::Unfinished;

use crate::stanza::{Envelope, Kind, Stanza, jid};
use breaker::Breaker;
use ending::into_envelope;
use exchange::{Exchange, State};
use lanes::{Conversation, Lanes};
use outage::Sweep;
use retry::Spent;
use senders::{SenderId, Senders};

/// So many exchanges whose back-off is over are made ready for each attempt that is polled.
const AT_A_TIME: usize = 16;

/// What the admin has set for the exchanges of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts in flight at most.
    pub concurrency: usize,
    /// What waits at most, beside what waits for nothing but to be polled.
    pub queue: Load,
    /// For the whole exchange of an iq, from its arrival.
    pub timeout: Duration,
    /// Whether the stanzas of one conversation are attempted one after the other.
    pub ordered: bool,
    /// What is tried again.
    pub retry: RetryPolicy,
}

impl Limits {
    /// How many attempts for one sender may be in flight.
    fn share(&self) -> usize {
        (self.concurrency / 2).max(1)
    }
}

/// The exchanges of one component.
#[derive(Debug)]
pub struct Delivery {
    limits: Limits,
    /// In the order of their arrival, since that is how they are numbered. Boxed, so that the nodes of the tree
    /// stay small: with large ones the C library's allocator tidies up each time.
    exchanges: BTreeMap<ExchangeId, Box<Exchange>>,
    last_id: ExchangeId,
    /// How much waits, wherever it does.
    waiting: Load,
    /// Attempts in flight whose exchange has ended, with their senders.
    abandoned: BTreeMap<ExchangeId, SenderId>,
    lanes: Lanes,
    /// Whose turn it is.
    senders: Senders,
    /// When which exchange expires.
    deadlines: BTreeSet<(Instant, ExchangeId)>,
    /// When which exchange is attempted again.
    backoffs: BTreeSet<(Instant, ExchangeId)>,
    breaker: Breaker,
    sweep: Sweep,
    /// The exchanges whose turn has come too late.
    late: VecDeque<ExchangeId>,
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
            waiting: Load::default(),
            abandoned: BTreeMap::new(),
            lanes: Lanes::default(),
            senders: Senders::default(),
            deadlines: BTreeSet::new(),
            backoffs: BTreeSet::new(),
            breaker: Breaker::default(),
            sweep: Sweep::default(),
            late: VecDeque::new(),
            effects: VecDeque::new(),
            due: None,
            closed: false,
        }
    }

    /// Changes the limits for what comes next. What was admitted keeps its lane and its deadline, and what
    /// is in flight beyond a new limit ends as it would have. What is known of the service is forgotten: it
    /// may be another one.
    pub fn reconfigure(&mut self, limits: Limits) {
        self.limits = limits;
        self.breaker.reset();
        self.sweep = Sweep::default();
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
        if let Err(refusal) = self.admission(&stanza, conversation.as_ref(), now) {
            return self.refuse(into_envelope(stanza), refusal);
        }
        self.last_id += 1;
        let id = self.last_id;
        let deadline = (envelope.kind == Kind::Iq).then(|| now + self.limits.timeout);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
        let bytes = stanza.xml.len();
        self.waiting.add(bytes);
        let sender = self.senders.enter(jid::bare(&envelope.from), bytes);
        let lane = conversation.clone();
        let is_first = conversation.is_none_or(|conversation| self.lanes.enter(conversation, id));
        if is_first {
            self.senders.push(sender, id, self.limits.share());
        }
        if self.breaker.is_open() && self.sweep.from.is_none() {
            let late_from = self.limits.retry.until(now);
            self.sweep.next.get_or_insert(late_from);
        }
        let exchange = Box::new(Exchange {
            stanza,
            sender,
            lane,
            state: if is_first {
                State::Ready
            } else {
                State::InLane
            },
            spent: Spent {
                arrived: now,
                attempts: 0,
            },
            deadline,
            last_failure: None,
            stream: None,
        });
        self.exchanges.insert(id, exchange);
    }

    /// Tells the sender of a stanza, and the admin, that there will be no exchange for it.
    pub fn refuse(&mut self, envelope: Envelope, refusal: Refusal) {
        self.fail(envelope, Failure::Refused(refusal));
    }

    /// Takes in how an attempt has ended, with what there is to tell of it. Nothing comes of an attempt
    /// whose exchange has ended before, but that its place is free, and what it says of the service.
    pub fn handle_end(
        &mut self,
        id: ExchangeId,
        end: AttemptEnd,
        report: Report,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        if let Some(sender) = self.abandoned.remove(&id) {
            self.senders.end(sender, self.limits.share());
            return self.learn(id, &end, now, rng);
        }
        if !self.is_in_flight(id) {
            return;
        }
        self.effects
            .push_back(Effect::Tell(Event::Attempted(report)));
        self.learn(id, &end, now, rng);
        match end {
            Ok(replies) => {
                self.remove(id);
                self.effects.push_back(Effect::Tell(Event::Accepted));
                self.effects.extend(replies.into_iter().map(Effect::Send));
            }
            Err(failure) => self.retry_or_fail(id, failure, now, rng),
        }
    }

    /// Lets the exchanges expire whose time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.due = Some(now);
        if self.sweep.next.is_some_and(|next| next <= now) {
            self.sweep = Sweep {
                from: Some((0, now)),
                next: None,
            };
        }
    }

    /// Ends everything, for good: what waits and what is in flight fails, and what comes is refused.
    pub fn close(&mut self) {
        self.closed = true;
        self.late.clear();
    }

    /// The next attempt to make, as long as there may be more in flight.
    pub fn poll_attempt(&mut self, now: Instant) -> Option<Attempt> {
        if self.closed
            || self.free() == 0
            || self.breaker.next_attempt(now).is_none_or(|next| next > now)
        {
            return None;
        }
        self.end_backoffs(now);
        let (exchanges, late) = (&mut self.exchanges, &mut self.late);
        let (retry, is_down) = (self.limits.retry, self.breaker.is_open());
        let id = self.senders.pop(|id| {
            let Some(exchange) = exchanges.get_mut(&id) else {
                return true;
            };
            // Those whose time is over only have to be told so.
            if exchange.is_over(now) {
                return true;
            }
            let is_first = exchange.spent.attempts == 0 && !is_down;
            let is_late = !is_first && now > retry.until(exchange.spent.arrived);
            if is_late {
                exchange.state = State::Late;
                late.push_back(id);
            }
            is_late
        })?;
        let exchange = self.exchanges.get_mut(&id)?;
        exchange.state = State::InFlight;
        exchange.spent.attempts += 1;
        let bytes = exchange.stanza.xml.len();
        self.waiting.subtract(bytes);
        self.senders
            .begin(exchange.sender, bytes, self.limits.share());
        self.breaker.begin(id);
        Some(Attempt {
            id,
            number: exchange.spent.attempts,
            stanza: Arc::downgrade(&exchange.stanza),
            deadline: exchange.deadline,
        })
    }

    /// Whether [`poll_attempt`](Self::poll_attempt) is worth a call: whether something is ready.
    pub fn has_attempt(&self) -> bool {
        !self.closed && self.senders.ready() > 0
    }

    /// The next thing that is to be sent or told.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        while self.effects.is_empty() {
            let (id, failure) = self.next_to_fail()?;
            self.end(id, failure);
        }
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next, and then
    /// [`poll_attempt`](Self::poll_attempt).
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let expiry = self.deadlines.first().map(|(deadline, _)| *deadline);
        [expiry, self.sweep.next, self.attempt_due(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// When there is an attempt to make that could not be made before.
    fn attempt_due(&self, now: Instant) -> Option<Instant> {
        let allowed = self.breaker.next_attempt(now).filter(|_| self.free() > 0)?;
        let backoff = self.backoffs.first().map(|(time, _)| *time);
        if self.breaker.is_open() && self.senders.ready() > 0 {
            Some(allowed)
        } else {
            backoff.map(|time| time.max(allowed))
        }
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
        self.exchanges.len() - self.waiting.stanzas + self.abandoned.len()
    }

    /// How many attempts more may be in flight.
    fn free(&self) -> usize {
        self.limits.concurrency.saturating_sub(self.in_flight())
    }

    /// Makes exchanges ready whose back-off is over.
    fn end_backoffs(&mut self, now: Instant) {
        for _ in 0..AT_A_TIME {
            let Some((_, id)) = self.backoffs.first().filter(|(time, _)| *time <= now) else {
                return;
            };
            let id = *id;
            self.backoffs.pop_first();
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: ExchangeId) {
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.state = State::Ready;
            self.senders.push(exchange.sender, id, self.limits.share());
        }
    }
}
