//! A request on its way, and where it was sent.

use std::rc::Rc;
use std::time::Instant;

use crate::stanza::Envelope;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A resource of the target.
    Target,
    /// A requester, by the target.
    Requester,
}

/// A stanza that is kept, and how many bytes it has.
#[derive(Clone, Debug)]
pub struct Held<S> {
    /// As whoever keeps it has it.
    pub stanza: S,
    /// About those of its XML.
    pub bytes: usize,
}

/// A request that is not answered yet.
#[derive(Debug)]
pub struct Request<S> {
    /// The request as it came: the answer goes back to its sender, from the JID that it addressed.
    pub envelope: Envelope,
    /// Who is asked.
    pub asked: Asked,
    /// When it is answered by an error.
    pub deadline: Instant,
    /// When it goes to another resource too.
    pub next_try: Option<Instant>,
    /// The stanza, if it may be sent again to another resource.
    pub held: Option<Held<S>>,
    /// Where it was sent, in that order.
    pub attempts: Vec<Attempt>,
}

/// One sending of a request.
#[derive(Debug)]
pub struct Attempt {
    /// The full JID that is asked.
    pub peer: Rc<str>,
    /// When it was sent.
    pub sent: Instant,
    /// Whether an answer has been missed already.
    pub is_overdue: bool,
    /// What its answer is known by, while one may come.
    key: Option<Rc<Key>>,
}

/// The sender's address and the id with which a request was sent.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) from: String,
    pub(super) id: String,
}

impl Attempt {
    pub(super) fn new(peer: Rc<str>, key: Rc<Key>, sent: Instant) -> Self {
        Attempt {
            peer,
            sent,
            is_overdue: false,
            key: Some(key),
        }
    }
}

impl<S> Request<S> {
    /// A request that was sent nowhere yet.
    pub fn new(envelope: Envelope, asked: Asked, deadline: Instant, held: Option<Held<S>>) -> Self {
        Request {
            envelope,
            asked,
            deadline,
            next_try: None,
            held,
            attempts: Vec::with_capacity(1),
        }
    }

    /// When there is something to do for it.
    pub fn due(&self) -> Instant {
        self.next_try
            .map_or(self.deadline, |at| at.min(self.deadline))
    }

    /// Whether an answer may still come.
    pub fn is_outstanding(&self) -> bool {
        self.outstanding().next().is_some()
    }

    /// Whether it was sent to that full JID.
    pub fn was_sent_to(&self, peer: &str) -> bool {
        self.attempts.iter().any(|attempt| &*attempt.peer == peer)
    }

    /// No answer will come from that full JID any more.
    pub fn give_up(&mut self, peer: &str) {
        for attempt in &mut self.attempts {
            if &*attempt.peer == peer {
                attempt.key = None;
            }
        }
    }

    /// It was never sent to that full JID.
    pub fn forget(&mut self, peer: &str) {
        self.attempts.retain(|attempt| &*attempt.peer != peer);
    }

    /// Where it is outstanding, and by what.
    pub(super) fn outstanding(&self) -> impl Iterator<Item = (&Rc<str>, &Rc<Key>)> {
        let attempts = self.attempts.iter();
        attempts.filter_map(|attempt| Some((&attempt.peer, attempt.key.as_ref()?)))
    }

    /// The attempts that still wait for an answer and have not missed one before; they have now.
    pub fn newly_overdue(&mut self) -> impl Iterator<Item = &Attempt> {
        let waiting = self.attempts.iter_mut();
        waiting
            .filter(|attempt| attempt.key.is_some() && !attempt.is_overdue)
            .map(|attempt| {
                attempt.is_overdue = true;
                &*attempt
            })
    }
}
