//! A service that is down, and what becomes of those who wait for it.

use std::time::{Duration, Instant};

use rand::Rng;

use super::breaker::{Change, Health};
use super::exchange::State;
use super::{AttemptEnd, AttemptFailure, Delivery, Effect, Event, ExchangeId};

/// While the service is down, what may not be attempted any more ends: in the order of arrival, up to the
/// first that still may.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// From which exchange on it is to go on, and what time it is.
    pub(super) from: Option<(ExchangeId, Instant)>,
    /// When there is more to end.
    pub(super) next: Option<Instant>,
}

impl Delivery {
    /// Takes in what an attempt says of the service.
    pub(super) fn learn(
        &mut self,
        id: ExchangeId,
        end: &AttemptEnd,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        if self.closed || self.limits.retry.retry_for.is_zero() {
            return;
        }
        let failure = end.as_ref().err();
        let health = failure.map_or(Health::Up, AttemptFailure::health);
        match (self.breaker.end(id, health, now, rng), failure) {
            (Some(Change::CameBack(after)), _) => {
                self.sweep = Sweep::default();
                let waiting = self.waiting.stanzas;
                self.effects
                    .push_back(Effect::Tell(Event::CameBack { after, waiting }));
            }
            (Some(Change::WentDown), Some(failure)) => {
                self.sweep.from = Some((0, now));
                let failure = failure.clone();
                self.effects
                    .push_back(Effect::Tell(Event::WentDown { failure }));
            }
            _ => {}
        }
    }

    /// The next exchange that waits though it may not be attempted any more, while the service is down.
    pub(super) fn sweep(&mut self) -> Option<ExchangeId> {
        let (from, now) = self.sweep.from.take()?;
        for (id, exchange) in self.exchanges.range(from..) {
            let until = self.limits.retry.until(exchange.spent.arrived);
            if until >= now {
                self.sweep.next = Some(until + Duration::from_millis(1));
                return None;
            }
            if matches!(exchange.state, State::Ready | State::Backoff(_)) {
                self.sweep.from = Some((id + 1, now));
                return Some(*id);
            }
        }
        None
    }
}
