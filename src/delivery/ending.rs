//! How an exchange goes on after an attempt that failed, and how it ends.

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::breaker::Health;
use super::exchange::{Abandoned, Exchange, State, Tried};
use super::{AttemptFailure, BackendId, Delivery, Effect, Event, ExchangeId, Failure, retry};
use crate::stanza::{Envelope, Stanza};

impl Delivery {
    /// An attempt has failed: there is another one later, or the exchange ends.
    pub(super) fn retry_or_fail(
        &mut self,
        id: ExchangeId,
        failure: AttemptFailure,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        match retry::decide(&failure, &self.limits.retry, exchange.spent, now, rng) {
            Some(next) => {
                exchange.state = State::Backoff(next);
                if failure.health() == Health::Down {
                    exchange.tried().left = Some(exchange.backend);
                }
                exchange.tried().failure = Some(failure);
                let bytes = exchange.stanza.xml.len();
                self.waiting.add(bytes);
                let (at, conversation) = (exchange.backend, exchange.take_conversation());
                self.backends[at].wait_again(exchange.sender, bytes, self.limits.share());
                self.backoffs.insert(next, id);
                self.leave(conversation, at);
            }
            None => self.conclude(id, Failure::Attempt(failure)),
        }
    }

    /// The next exchange that ends without an answer, and why.
    pub(super) fn next_to_fail(&mut self) -> Option<(ExchangeId, Failure)> {
        if self.closed {
            let (id, _) = self.exchanges.first_key_value()?;
            return Some((*id, Failure::Stopped));
        }
        if let Some((deadline, id)) = self.deadlines.first()
            && self.due.is_some_and(|due| *deadline <= due)
        {
            return Some((*id, Failure::Expired));
        }
        if let Some(id) = self.next_dropped() {
            return Some((id, Failure::Dropped));
        }
        loop {
            let id = self.late.pop_front().or_else(|| self.sweep())?;
            // One that came too late may have expired since.
            if let Some(exchange) = self.exchanges.get_mut(&id) {
                return Some((id, exchange.failure()));
            }
        }
    }

    /// Ends an exchange that has no answer, or not the whole of one, wherever it is.
    pub(super) fn end(&mut self, id: ExchangeId, failure: Failure) {
        let mut stream = None;
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && exchange.state == State::InFlight
        {
            stream = exchange.take_stream();
            let abandoned = Abandoned {
                backend: exchange.backend,
                sender: exchange.sender,
                conversation: exchange.take_conversation(),
            };
            self.abandoned.insert(id, abandoned);
        }
        match stream {
            None => self.conclude(id, failure),
            Some(stream) => {
                if let Some(stanza) = self.remove(id) {
                    self.break_off(into_envelope(stanza), &stream, failure);
                }
            }
        }
    }

    /// An attempt has ended whose exchange has ended before, if it is such a one. Returns where it was.
    pub(super) fn end_abandoned(&mut self, id: ExchangeId) -> Option<BackendId> {
        let Abandoned {
            backend: at,
            sender,
            conversation,
        } = self.abandoned.remove(&id)?;
        self.backends[at].end(sender, self.limits.share());
        self.leave(conversation, at);
        Some(at)
    }

    fn conclude(&mut self, id: ExchangeId, failure: Failure) {
        let Some(exchange) = self.exchanges.get(&id) else {
            return;
        };
        let (at, arrived) = (exchange.backend, exchange.spent.arrived);
        let began = !matches!(failure, Failure::Refused(_));
        let service = began.then(|| self.name(at));
        if let Some(stanza) = self.remove(id) {
            self.fail(into_envelope(stanza), failure, service, Some(arrived));
        }
    }

    /// Takes an exchange out that ends. Whoever waited for it in its lane is ready then.
    pub(super) fn remove(&mut self, id: ExchangeId) -> Option<Arc<Stanza>> {
        let Exchange {
            stanza,
            backend: at,
            sender,
            lane,
            state,
            deadline,
            tried,
            ..
        } = *self.exchanges.remove(&id)?;
        let tried = tried.map_or_else(Tried::default, |tried| *tried);
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if let State::Backoff(time) = state {
            self.backoffs.remove(time, id);
        }
        let backend = &mut self.backends[at];
        if state != State::InFlight {
            let bytes = stanza.xml.len();
            self.waiting.subtract(bytes);
            backend.senders.leave(sender, id, bytes);
        } else if !self.abandoned.contains_key(&id) {
            backend.end(sender, self.limits.share());
            self.leave(tried.conversation, at);
        }
        if let Some(next) = lane.and_then(|lane| self.lanes.leave(lane)) {
            self.make_ready(next);
            self.expect(next);
        }
        self.end_composing(id, tried.composing, &stanza);
        Some(stanza)
    }

    /// Tells the sender of a stanza, if he may be told, and the admin that it was not accepted.
    pub(super) fn fail(
        &mut self,
        envelope: Envelope,
        failure: Failure,
        service: Option<Arc<str>>,
        arrived: Option<Instant>,
    ) {
        let error = envelope.error_reply(&failure.to_error());
        self.effects.extend(error.map(Effect::Send));
        self.tell(Event::Failed {
            envelope,
            failure,
            service,
            arrived,
        });
    }
}

/// What is left of a stanza to tell of. A worker that is at it may hold on to the rest.
pub(super) fn into_envelope(stanza: Arc<Stanza>) -> Envelope {
    match Arc::try_unwrap(stanza) {
        Ok(stanza) => stanza.envelope,
        Err(stanza) => stanza.envelope.clone(),
    }
}
