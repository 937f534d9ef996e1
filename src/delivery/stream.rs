//! An answer that comes bit by bit: the stanza is accepted with its head, what comes is sent as it comes, and
//! however it ends, there is no other attempt. Up to its end it holds its lane and its place.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::ending::into_envelope;
use super::{AttemptEnd, Delivery, Effect, Event, ExchangeId, Failure, Report};
use crate::mapping;
use crate::stanza::{Element, Envelope};

/// What has been said in part when an answer breaks off, whoever breaks it off.
pub trait Unfinished: fmt::Debug + Send + Sync {
    /// What to send in place of the rest. Nothing more comes of it then.
    fn break_off(&self) -> Option<Element>;
}

/// An answer that has begun and not ended.
#[derive(Debug)]
pub(super) struct Stream {
    unfinished: Arc<dyn Unfinished>,
    /// Whether there was an answer to the iq that was POSTed.
    has_answered: bool,
}

impl Delivery {
    /// Takes in that an answer has begun that comes bit by bit, with what there is to tell of the attempt.
    /// Its [items](Self::handle_item) follow, and [its end](Self::handle_stream_end).
    pub fn handle_head(
        &mut self,
        id: ExchangeId,
        unfinished: Arc<dyn Unfinished>,
        report: Report,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let accepted = Ok(Vec::new());
        self.now = Some(now);
        if let Some(abandoned) = self.abandoned.get(&id) {
            return self.learn(abandoned.backend, id, &accepted, now, rng);
        }
        let Some((at, arrived)) = self.in_flight_at(id) else {
            return;
        };
        self.tell_attempt(&accepted, report);
        self.learn(at, id, &accepted, now, rng);
        self.tell(Event::Accepted {
            service: self.name(at),
            arrived,
            replied: true,
        });
        self.give_receipt(id, rng);
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.tried().stream = Some(Stream {
                unfinished,
                has_answered: false,
            });
            // From here on whoever reads it sees to its time.
            if let Some(deadline) = exchange.deadline.take() {
                self.deadlines.remove(&(deadline, id));
            }
        }
    }

    /// Takes in what comes of an answer that has begun.
    pub fn handle_item(&mut self, id: ExchangeId, mut reply: Element) {
        self.say_active(id, std::slice::from_mut(&mut reply));
        if let Some(exchange) = self.exchanges.get_mut(&id)
            && let Some(tried) = &mut exchange.tried
            && let Some(stream) = &mut tried.stream
        {
            stream.has_answered |= mapping::answers(&reply, &exchange.stanza.envelope);
            self.effects.push_back(Effect::Send(reply));
        }
    }

    /// Takes in how an answer that has begun has ended, with a line for whoever looks for something.
    pub fn handle_stream_end(&mut self, id: ExchangeId, mut end: AttemptEnd, line: String) {
        if self.end_abandoned(id).is_some() {
            return;
        }
        let exchange = self.exchanges.get_mut(&id);
        let Some(stream) = exchange.and_then(|exchange| exchange.take_stream()) else {
            return;
        };
        if let Ok(rest) = &mut end {
            self.say_active(id, rest);
        }
        let Some(stanza) = self.remove(id) else {
            return;
        };
        self.tell(Event::StreamEnded(line));
        match end {
            Ok(rest) => self.effects.extend(rest.into_iter().map(Effect::Send)),
            Err(failure) => {
                self.break_off(into_envelope(stanza), &stream, Failure::Attempt(failure));
            }
        }
    }

    /// Ends an answer that goes on no more. Its stanza was accepted, but whoever sent an iq waits for more.
    pub(super) fn break_off(&mut self, envelope: Envelope, stream: &Stream, failure: Failure) {
        let last = stream.unfinished.break_off();
        self.effects.extend(last.map(Effect::Send));
        if envelope.is_request() && !stream.has_answered {
            let error = envelope.error_reply(&failure.to_error());
            self.effects.extend(error.map(Effect::Send));
        }
        self.tell(Event::BrokenOff { envelope, failure });
    }
}
