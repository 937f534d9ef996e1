//! A service that is down, and what becomes of those who wait for it.

use std::time::{Duration, Instant};

use rand::Rng;

use super::breaker::{Change, Health};
use super::exchange::{Exchange, State};
use super::{
    AT_A_TIME, AttemptEnd, AttemptFailure, BackendId, Delivery, Event, ExchangeId, Report,
};
use crate::stanza::jid;

/// While a service is down, what may not be attempted any more ends: in the order of arrival, up to the
/// first that still may.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// From which exchange on it is to go on, and what time it is.
    pub(super) from: Option<(ExchangeId, Instant)>,
    /// When there is more to end.
    pub(super) next: Option<Instant>,
}

impl Sweep {
    /// Begins anew if there is more to end, or goes on where it had stopped.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            let from = self.from.map_or(0, |(from, _)| from);
            *self = Sweep {
                from: Some((from, now)),
                next: None,
            };
        }
    }
}

impl Delivery {
    /// Tells of an attempt, if it was made.
    pub(super) fn tell_attempt(&mut self, end: &AttemptEnd, report: Report) {
        if self.closed || matches!(end, Err(AttemptFailure::NotMade)) {
            return;
        }
        let failed = end.as_ref().err().map(AttemptFailure::class);
        self.tell(Event::Attempted { report, failed });
    }

    /// Takes in what an attempt says of the service.
    pub(super) fn learn(
        &mut self,
        at: BackendId,
        id: ExchangeId,
        end: &AttemptEnd,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let without_retries = self.limits.retry.retry_for.is_zero();
        let backend = &mut self.backends[at];
        let has_alternatives = !backend.alternatives.is_empty();
        if self.closed || backend.is_former || (without_retries && !has_alternatives) {
            return;
        }
        let failure = end.as_ref().err();
        let health = failure.map_or(Health::Up, AttemptFailure::health);
        let change = backend.breaker.end(id, health, now, rng);
        let waiting = backend.senders.waiting().stanzas;
        if change.is_some() && has_alternatives {
            self.moving = Some(0);
        }
        let service = self.name(at);
        match (change, failure) {
            (Some(Change::CameBack(after)), _) => {
                self.sweep_on_return();
                self.tell(Event::CameBack {
                    service,
                    after,
                    waiting,
                });
            }
            (Some(Change::WentDown), Some(failure)) => {
                if !without_retries {
                    self.sweep.from = Some((0, now));
                }
                let failure = failure.clone();
                self.tell(Event::WentDown { service, failure });
            }
            _ => {}
        }
    }

    /// A service is back: nobody waits any more, unless another one is down.
    fn sweep_on_return(&mut self) {
        let mut backends = self.backends.iter();
        if !backends.any(|(_, backend)| backend.is_waited_for(&self.limits)) {
            self.sweep = Sweep::default();
        }
    }

    /// The next exchange that waits though it may not be attempted any more, while its service is down.
    pub(super) fn sweep(&mut self) -> Option<ExchangeId> {
        let (from, now) = self.sweep.from.take()?;
        for (visited, (id, exchange)) in self.exchanges.range(from..).enumerate() {
            let until = self.limits.retry.until(exchange.spent.arrived);
            if until >= now {
                self.sweep.next = Some(until + Duration::from_millis(1));
                return None;
            }
            if visited == AT_A_TIME {
                self.sweep = Sweep {
                    from: Some((*id, now)),
                    next: Some(now),
                };
                return None;
            }
            let waits = matches!(exchange.state, State::Ready | State::Backoff(_));
            if waits && self.waits_in_vain(exchange) {
                self.sweep.from = Some((id + 1, now));
                return Some(*id);
            }
        }
        None
    }

    /// Whether a backend is down, and so are all that its conversations could go to.
    pub(super) fn is_stranded(&self, at: BackendId) -> bool {
        let is_down = |id: &BackendId| {
            let backend = self.backends.get(*id);
            backend.is_some_and(|backend| backend.is_waited_for(&self.limits))
        };
        is_down(&at) && self.backends[at].alternatives.iter().all(is_down)
    }

    /// Whether an exchange has nowhere to go but to what is down.
    fn waits_in_vain(&self, exchange: &Exchange) -> bool {
        let is_down = |id: BackendId| self.backends[id].is_waited_for(&self.limits);
        if !is_down(exchange.backend) {
            return false;
        }
        let localpart = jid::node(&exchange.stanza.envelope.to);
        let group = self.routes.of(localpart);
        group.is_none_or(|group| group.ids().all(is_down))
    }
}
