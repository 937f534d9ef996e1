//! One URL of a component: how it is, and whose turn it is there.

use std::time::Instant;

use super::backends::{BackendId, Target};
use super::breaker::Breaker;
use super::senders::{SenderId, Senders};
use super::{ExchangeId, Limits};

/// What is known of one URL. Nothing in it is any other's, so that a URL that is slow or down delays no other.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) target: Target,
    pub(super) breaker: Breaker,
    /// Whose turn it is.
    pub(super) senders: Senders,
    /// How many attempts have been polled and have not ended.
    pub(super) in_flight: usize,
    /// The others that its conversations may go to.
    pub(super) alternatives: Vec<BackendId>,
    /// Whether the options name it no more. Then nothing new begins here.
    pub(super) is_former: bool,
}

impl Backend {
    pub(super) fn new(target: Target) -> Self {
        Backend {
            target,
            breaker: Breaker::default(),
            senders: Senders::default(),
            in_flight: 0,
            alternatives: Vec::new(),
            is_former: false,
        }
    }

    /// How many attempts more may be in flight.
    pub(super) fn free(&self, limits: &Limits) -> usize {
        if self.is_former {
            return 0;
        }
        limits.concurrency.saturating_sub(self.in_flight)
    }

    /// Whether exchanges wait until it is up.
    pub(super) fn is_waited_for(&self, limits: &Limits) -> bool {
        !limits.retry.retry_for.is_zero() && self.breaker.is_open()
    }

    /// From when on another attempt may be made here, as far as its health goes. Where there are no retries
    /// nobody waits for that.
    pub(super) fn next_attempt(&self, limits: &Limits, now: Instant) -> Option<Instant> {
        if limits.retry.retry_for.is_zero() {
            Some(now)
        } else {
            self.breaker.next_attempt(now)
        }
    }

    /// How many attempts may begin now.
    pub(super) fn places(&self, limits: &Limits, now: Instant) -> usize {
        let next = self.next_attempt(limits, now);
        if next.is_some_and(|next| next <= now) {
            self.free(limits)
        } else {
            0
        }
    }

    /// Whether a conversation that has it first, or comes to it, is to be attempted here: if it is up, or if
    /// it is time to see whether it is, and nothing is there for that yet.
    pub(super) fn takes(&self, limits: &Limits, now: Instant) -> bool {
        let is_due = || {
            self.breaker
                .next_attempt(now)
                .is_some_and(|next| next <= now)
        };
        !self.breaker.is_open() || (is_due() && self.senders.ready() == 0 && self.free(limits) > 0)
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, id: ExchangeId, sender: SenderId, bytes: usize, share: usize) {
        self.in_flight += 1;
        self.senders.begin(sender, bytes, share);
        self.breaker.begin(id);
    }

    /// An attempt has ended, and its exchange waits for another one.
    pub(super) fn wait_again(&mut self, sender: SenderId, bytes: usize, share: usize) {
        self.in_flight -= 1;
        self.senders.wait_again(sender, bytes, share);
    }

    /// An attempt has ended.
    pub(super) fn end(&mut self, sender: SenderId, share: usize) {
        self.in_flight -= 1;
        self.senders.end(sender, share);
    }
}
