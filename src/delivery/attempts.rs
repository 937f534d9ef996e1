//! Which attempt is made next.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::exchange::{Exchange, State};
use super::intervention::Removals;
use super::senders::Senders;
use super::{AT_A_TIME, Attempt, BackendId, Delivery, ExchangeId, Limits};

impl Delivery {
    /// The next attempt to make, as long as there may be more in flight where it is made.
    pub fn poll_attempt(&mut self, now: Instant) -> Option<Attempt> {
        if self.closed || self.is_rerouting {
            return None;
        }
        self.now = Some(now);
        // Most of the time nothing is in back-off, and then nobody has to look at each backend for that.
        if !self.backoffs.is_empty() && self.may_attempt_from(now).is_some_and(|from| from <= now) {
            self.end_backoffs(now);
        }
        loop {
            let mut has_moved = false;
            let mut backends = 0..self.backends.capacity();
            let attempt = backends.find_map(|at| self.poll_attempt_at(at, now, &mut has_moved));
            // What has moved may be at one that was asked before.
            if attempt.is_some() || !has_moved {
                return attempt;
            }
        }
    }

    fn poll_attempt_at(
        &mut self,
        at: BackendId,
        now: Instant,
        has_moved: &mut bool,
    ) -> Option<Attempt> {
        let is_stranded = self.is_stranded(at);
        let backend = self.backends.get_mut(at)?;
        if backend.senders.ready() == 0 || backend.places(&self.limits, now) == 0 {
            return None;
        }
        let next = if backend.alternatives.is_empty() {
            let (exchanges, late) = (&mut self.exchanges, &mut self.late);
            let (removals, limits) = (&self.removals, &self.limits);
            let senders = &mut backend.senders;
            senders
                .pop(|id| is_over_or_late(exchanges, late, removals, limits, id, is_stranded, now))
        } else {
            let senders = mem::take(&mut backend.senders);
            self.pop_or_move(senders, at, is_stranded, now, has_moved)
        };
        self.begin(next?, at)
    }

    /// The exchange whose turn it is at a backend; those go elsewhere that have to.
    fn pop_or_move(
        &mut self,
        mut senders: Senders,
        at: BackendId,
        is_stranded: bool,
        now: Instant,
        has_moved: &mut bool,
    ) -> Option<ExchangeId> {
        let mut moving = Vec::new();
        let next = senders.pop(|id| {
            let (exchanges, late) = (&mut self.exchanges, &mut self.late);
            let (removals, limits) = (&self.removals, &self.limits);
            is_over_or_late(exchanges, late, removals, limits, id, is_stranded, now)
                || self.has_to_move(id, at, &mut moving)
        });
        self.backends[at].senders = senders;
        *has_moved |= !moving.is_empty();
        moving.into_iter().for_each(|id| self.make_ready(id));
        next
    }

    /// Whether the conversation of an exchange is somewhere else by now. Looks at some, so that what has to move
    /// at last never takes long.
    fn has_to_move(&self, id: ExchangeId, at: BackendId, moving: &mut Vec<ExchangeId>) -> bool {
        if moving.len() >= AT_A_TIME {
            return false;
        }
        let has_to = self.exchanges.get(&id).is_some_and(|exchange| {
            self.destination_of(exchange)
                .is_some_and(|there| there != at)
        });
        if has_to {
            moving.push(id);
        }
        has_to
    }

    fn begin(&mut self, id: ExchangeId, at: BackendId) -> Option<Attempt> {
        let exchange = self.exchanges.get_mut(&id)?;
        exchange.state = State::InFlight;
        exchange.spent.attempts += 1;
        let bytes = exchange.stanza.xml.len();
        self.waiting.subtract(bytes);
        let backend = &mut self.backends[at];
        backend.begin(id, exchange.sender, bytes, self.limits.share());
        if !backend.alternatives.is_empty() {
            let conversation = exchange.conversation();
            self.whereabouts.begin(conversation.clone(), at);
            exchange.tried().conversation = Some(conversation);
            if backend.breaker.is_open() {
                // One is enough to see how it is.
                self.moving = Some(0);
            }
        }
        Some(Attempt {
            id,
            backend: at,
            number: exchange.spent.attempts,
            stanza: Arc::downgrade(&exchange.stanza),
            deadline: exchange.deadline,
        })
    }

    /// Whether [`poll_attempt`](Self::poll_attempt) is worth a call: whether something is ready.
    pub fn has_attempt(&self) -> bool {
        let mut backends = self.backends.iter();
        !self.closed && backends.any(|(_, backend)| backend.senders.ready() > 0)
    }

    /// When there is an attempt to make that could not be made before.
    pub(super) fn attempt_due(&self, now: Instant) -> Option<Instant> {
        let waited_for = self.backends.iter().filter_map(|(_, backend)| {
            let waits = backend.is_waited_for(&self.limits) && backend.senders.ready() > 0;
            (waits && backend.free(&self.limits) > 0)
                .then(|| backend.next_attempt(&self.limits, now))?
        });
        let backoff = self.backoffs.next_due(now).and_then(|time| {
            let allowed = self.may_attempt_from(now)?;
            Some(allowed.max(time))
        });
        waited_for.chain(backoff).min()
    }

    /// From when on an attempt may be made somewhere.
    fn may_attempt_from(&self, now: Instant) -> Option<Instant> {
        self.backends
            .iter()
            .filter(|(_, backend)| backend.free(&self.limits) > 0)
            .filter_map(|(_, backend)| backend.next_attempt(&self.limits, now))
            .min()
    }

    /// Makes exchanges ready whose back-off is over.
    fn end_backoffs(&mut self, now: Instant) {
        for _ in 0..AT_A_TIME {
            let Some(id) = self.backoffs.pop(now) else {
                return;
            };
            self.make_ready(id);
        }
    }
}

/// Whether an exchange whose turn it is only has to be told that there is no attempt.
fn is_over_or_late(
    exchanges: &mut BTreeMap<ExchangeId, Box<Exchange>>,
    late: &mut VecDeque<ExchangeId>,
    removals: &Removals,
    limits: &Limits,
    id: ExchangeId,
    is_stranded: bool,
    now: Instant,
) -> bool {
    let Some(exchange) = exchanges.get_mut(&id) else {
        return true;
    };
    let is_dropped = removals.contain(id, exchange);
    if exchange.is_over(now) || is_dropped || exchange.state == State::Nowhere {
        return true;
    }
    let is_first = exchange.spent.attempts == 0 && !is_stranded;
    let is_late = !is_first && now > limits.retry.until(exchange.spent.arrived);
    if is_late {
        exchange.state = State::Late;
        late.push_back(id);
    }
    is_late
}
