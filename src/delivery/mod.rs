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
mod attempts;
mod backend;
mod backends;
mod backoffs;
mod breaker;
mod ending;
mod event;
mod exchange;
mod failure;
mod intervention;
mod lanes;
mod outage;
mod retry;
mod routing;
mod senders;
mod signs;
mod status;
mod stream;
mod whereabouts;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use slab::Slab;

pub use backends::{BackendId, Plan, Target};
pub use event::{Complaint, Effect, Event, Report};
pub use exchange::{Attempt, AttemptEnd, ExchangeId};
pub use failure::{AttemptFailure, Class, Failure, NoAnswer, Refusal};
pub use retry::RetryPolicy;
pub use senders::Load;
pub use status::{Outage, Service, Status};
pub use stream::Unfinished;

use crate::stanza::{Envelope, Kind, Stanza, jid};
use backend::Backend;
use backends::Routes;
use backoffs::Backoffs;
use ending::into_envelope;
use exchange::{Abandoned, Exchange, State};
use intervention::Removals;
use lanes::{Conversation, Lanes};
use outage::Sweep;
use retry::Spent;
use whereabouts::Whereabouts;

/// How many exchanges are looked at in a row, when all of them have to be.
const AT_A_TIME: usize = 256;

/// What the admin has set for the exchanges of one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Attempts in flight at most, at each backend.
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
    routes: Routes,
    backends: Slab<Backend>,
    /// Those that the options name, in that order.
    planned: Vec<BackendId>,
    /// In the order of their arrival, since that is how they are numbered. Boxed, so that the nodes of the tree
    /// stay small: with large ones the C library's allocator tidies up each time.
    exchanges: BTreeMap<ExchangeId, Box<Exchange>>,
    last_id: ExchangeId,
    /// How much waits, wherever it does.
    waiting: Load,
    /// Attempts in flight whose exchange has ended.
    abandoned: BTreeMap<ExchangeId, Abandoned>,
    lanes: Lanes,
    whereabouts: Whereabouts,
    /// When which exchange expires.
    deadlines: BTreeSet<(Instant, ExchangeId)>,
    /// When which exchange is attempted again.
    backoffs: Backoffs,
    /// From when on which sender is to see that an answer is composed.
    composing: BTreeSet<(Instant, ExchangeId)>,
    sweep: Sweep,
    /// From which exchange on those that are ready may have to go to another backend.
    moving: Option<ExchangeId>,
    /// Whether they have to before anything is attempted: it may be at what the options do not name any more.
    is_rerouting: bool,
    /// The exchanges whose turn has come too late, or never comes.
    late: VecDeque<ExchangeId>,
    removals: Removals,
    effects: VecDeque<Effect>,
    /// What is due by then is to be concluded.
    due: Option<Instant>,
    /// The time as it was told last.
    now: Option<Instant>,
    closed: bool,
}

impl Delivery {
    /// No exchange yet, for stanzas that go where the plan says.
    pub fn new(limits: Limits, plan: &Plan) -> Self {
        let mut delivery = Delivery {
            limits,
            routes: Routes::default(),
            backends: Slab::new(),
            planned: Vec::new(),
            exchanges: BTreeMap::new(),
            last_id: 0,
            waiting: Load::default(),
            abandoned: BTreeMap::new(),
            lanes: Lanes::default(),
            whereabouts: Whereabouts::default(),
            deadlines: BTreeSet::new(),
            backoffs: Backoffs::default(),
            composing: BTreeSet::new(),
            sweep: Sweep::default(),
            moving: None,
            is_rerouting: false,
            late: VecDeque::new(),
            removals: Removals::default(),
            effects: VecDeque::new(),
            due: None,
            now: None,
            closed: false,
        };
        delivery.reconfigure(limits, plan);
        delivery
    }

    /// Begins an exchange, or refuses the stanza.
    pub fn admit(&mut self, stanza: Arc<Stanza>, now: Instant) {
        self.now = Some(now);
        let envelope = &stanza.envelope;
        let conversation = match envelope.kind {
            Kind::Message | Kind::Presence if self.limits.ordered => {
                Some(Conversation::of(envelope))
            }
            _ => None,
        };
        let at = match self.admission(&stanza, conversation.as_ref(), now) {
            Ok(at) => at,
            Err(refusal) => return self.refuse(into_envelope(stanza), refusal),
        };
        self.last_id += 1;
        let id = self.last_id;
        let deadline = (envelope.kind == Kind::Iq).then(|| now + self.limits.timeout);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
        let bytes = stanza.xml.len();
        self.waiting.add(bytes);
        let backend = &mut self.backends[at];
        let sender = backend.senders.enter(jid::bare(&envelope.from), bytes);
        let lane = conversation.clone();
        let is_first = conversation.is_none_or(|conversation| self.lanes.enter(conversation, id));
        if is_first {
            backend.senders.push(sender, id, self.limits.share());
        }
        if backend.is_waited_for(&self.limits) && self.sweep.from.is_none() {
            let late_from = self.limits.retry.until(now);
            self.sweep.next.get_or_insert(late_from);
        }
        let exchange = Box::new(Exchange {
            stanza,
            backend: at,
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
            tried: None,
        });
        self.exchanges.insert(id, exchange);
        if is_first {
            self.expect(id);
        }
    }

    /// Tells the sender of a stanza, and the admin, that there will be no exchange for it.
    pub fn refuse(&mut self, envelope: Envelope, refusal: Refusal) {
        self.fail(envelope, Failure::Refused(refusal), None, None);
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
        self.now = Some(now);
        if let Some(at) = self.end_abandoned(id) {
            self.tell_attempt(&end, report);
            return self.learn(at, id, &end, now, rng);
        }
        let Some((at, arrived)) = self.in_flight_at(id) else {
            return;
        };
        let replied = report.replied;
        self.tell_attempt(&end, report);
        self.learn(at, id, &end, now, rng);
        match end {
            Ok(mut replies) => {
                self.tell(Event::Accepted {
                    service: self.name(at),
                    arrived,
                    replied,
                });
                self.give_receipt(id, rng);
                self.say_active(id, &mut replies);
                self.remove(id);
                self.effects.extend(replies.into_iter().map(Effect::Send));
            }
            Err(failure) => self.retry_or_fail(id, failure, now, rng),
        }
    }

    /// Lets the exchanges expire whose time is over, and those go elsewhere that have to.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
        self.due = Some(now);
        self.sweep.go_on(now);
        self.move_on();
        self.forget_former();
    }

    /// Ends everything, for good: what waits and what is in flight fails, and what comes is refused.
    pub fn close(&mut self) {
        self.closed = true;
        self.late.clear();
        self.removals.clear();
    }

    /// The next thing that is to be sent or told.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        while self.effects.is_empty() {
            if let Some(composing) = self.next_composing() {
                return Some(Effect::Send(composing));
            }
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
        let composing = self.composing.first().map(|(time, _)| *time);
        let has_more = self.moving.is_some() || !self.removals.is_empty();
        let more = has_more.then_some(now);
        let due = [expiry, composing, self.sweep.next, more];
        due.into_iter()
            .chain([self.attempt_due(now)])
            .flatten()
            .min()
    }

    /// Whether every exchange has ended.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.exchanges.is_empty()
    }

    /// At which backend an attempt is in flight, if one is for that exchange; and when the stanza came.
    fn in_flight_at(&self, id: ExchangeId) -> Option<(BackendId, Instant)> {
        let exchange = self.exchanges.get(&id)?;
        let is_in_flight = exchange.state == State::InFlight;
        is_in_flight.then_some((exchange.backend, exchange.spent.arrived))
    }

    fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Tell(event));
    }

    /// What a backend may be called in front of people.
    fn name(&self, id: BackendId) -> Arc<str> {
        Arc::clone(self.backends[id].target.name())
    }
}
