//! Brings a component's exchanges, its workers, and what is sent and told together: all of it on Prosody's
//! thread.
//!
//! [`Delivery`] decides, the [`engine`](crate::engine) works. Here is who calls whom: something happens,
//! and then everything that follows from it is polled, up to some elements in all, so that Prosody gets to
//! see to others in between.

mod admin;
mod overview;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use super::attempt::PostJob;
use super::news::News;
use super::{Reflections, Settings};
use crate::delivery::{BackendId, Delivery, Effect, Plan, Refusal};
use crate::engine::{Completions, Event};
use crate::http::Client;
use crate::mapping::answer;
use crate::notes::Note;
use crate::observe::Observer;
use crate::stanza::{Element, Envelope, Stanza};
use upstream::Upstream;

/// How many elements are sent at a time, or attempts concluded: about a millisecond's work.
const BUDGET: usize = 200;

/// What is to be sent and logged, in order.
#[derive(Debug, Default)]
pub struct Batch {
    /// Stanzas to send.
    pub stanzas: Vec<Element>,
    /// Lines to log.
    pub notes: Vec<Note>,
}

/// The exchanges of one component, and its workers.
pub struct Driver {
    settings: Arc<Settings>,
    /// The services, and those of before at which attempts may still be under way.
    upstreams: BTreeMap<BackendId, Upstream>,
    /// Makes the numbers of exchanges unique among components and restarts.
    nonce: u64,
    delivery: Delivery,
    completions: Arc<Completions<News>>,
    /// What the workers have told, and is to be taken in.
    finished: VecDeque<News>,
    reflections: Reflections,
    observer: Observer,
    /// Whether the event loop runs, so that there may be threads.
    is_running: bool,
    /// Whether the end has begun.
    is_stopped: bool,
    /// Whether more follows from what has happened than went into the last batch.
    has_more: bool,
}

impl Driver {
    /// No thread yet, for a component with these settings and the clients of its services.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(settings: Settings, clients: Vec<Client>) -> Result<Self, Errno> {
        let plan = settings.destinations.plan();
        let mut driver = Driver {
            delivery: Delivery::new(settings.limits(), &plan),
            settings: Arc::new(settings),
            upstreams: BTreeMap::new(),
            nonce: rand::random(),
            completions: Arc::new(Completions::new(Event::new()?)),
            finished: VecDeque::new(),
            reflections: Reflections::default(),
            observer: Observer::default(),
            is_running: false,
            is_stopped: false,
            has_more: false,
        };
        driver.connect(&plan, clients.into_iter().map(Arc::new).collect());
        Ok(driver)
    }

    /// The current settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// What an admin is told when the component has come up.
    pub fn introduction(&self) -> Vec<Note> {
        let mut notes = self.settings.introduction();
        let upstream = self.upstreams.values().next();
        notes.extend(upstream.and_then(|one| self.settings.shortage(one.budget())));
        notes
    }

    /// Goes on with the exchanges of another driver by the settings of this one, and leaves the other
    /// with nothing to do. What is under way ends as it began; what waits goes to the new services.
    pub fn adopt(&mut self, old: &mut Driver) {
        std::mem::swap(self, old);
        let new = old;
        self.settings = Arc::clone(&new.settings);
        self.forget_former();
        let plan = self.settings.destinations.plan();
        self.delivery.reconfigure(self.settings.limits(), &plan);
        let upstreams = new.delivery.backends().iter();
        let clients: Vec<_> = upstreams
            .filter_map(|id| new.upstreams.get(id))
            .map(|upstream| Arc::clone(upstream.client()))
            .collect();
        self.connect(&plan, clients);
        // What waited may have its turn by the new settings.
        self.has_more = true;
    }

    /// Has the services that the plan names POSTed to by these clients.
    fn connect(&mut self, plan: &Plan, clients: Vec<Arc<Client>>) {
        self.observer.log.expect_services(clients.len());
        let targets = plan.targets.iter().zip(self.delivery.backends());
        for ((target, id), client) in targets.zip(clients) {
            let name = Arc::clone(target.name());
            match self.upstreams.get_mut(id) {
                Some(upstream) => upstream.reconfigure(name, client, self.settings.concurrency),
                None => {
                    let upstream = Upstream::new(name, client, Arc::clone(&self.completions));
                    self.upstreams.insert(*id, upstream);
                }
            }
        }
    }

    /// Forgets services of before, once nothing is under way there.
    fn forget_former(&mut self) {
        if self.upstreams.len() > self.delivery.backends().len() {
            self.upstreams
                .retain(|id, _| self.delivery.has_backend(*id));
        }
    }

    /// The descriptor that becomes readable when [`wake`](Self::wake) is to be called.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.completions.signal().as_fd()
    }

    /// When [`wake`](Self::wake) is to be called, readable or not.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.has_more {
            return Some(now);
        }
        let first = (!self.is_running && self.delivery.has_attempt()).then_some(now);
        let start = self.upstreams.values().filter_map(|one| one.start_due(now));
        start
            .chain(first)
            .chain(self.delivery.poll_timeout(now))
            .min()
    }

    /// Takes a stanza in, unless it is one that a room sent back to its author. Never waits.
    pub fn admit(&mut self, mut stanza: Stanza, now: Instant, batch: &mut Batch) {
        self.settings
            .signs
            .restrict(&mut stanza, Envelope::is_groupchat);
        if !self.reflections.contains(&stanza.envelope, now) {
            self.delivery.admit(Arc::new(stanza), now);
            self.advance(now, batch);
        }
    }

    /// Refuses a stanza.
    pub fn refuse(
        &mut self,
        envelope: Envelope,
        refusal: Refusal,
        now: Instant,
        batch: &mut Batch,
    ) {
        self.delivery.refuse(envelope, refusal);
        self.advance(now, batch);
    }

    /// Takes what the workers have finished, and what is due. Starts the threads if they are wanted: so it
    /// is not to be called before the event loop runs. A server that goes into the background forks before
    /// that, and a fork leaves threads behind.
    pub fn wake(&mut self, now: Instant, batch: &mut Batch) {
        self.is_running = true;
        self.completions.take(&mut self.finished);
        if self.is_stopped {
            // These have been interrupted. That the descriptor is not readable any more is all that matters.
            self.finished.clear();
        }
        if self.upstreams.values().any(Upstream::was_refused) {
            batch.notes.push(self.observer.log.thread_refused(now));
        }
        self.delivery.handle_timeout(now);
        self.advance(now, batch);
        self.forget_former();
    }

    /// Concludes everything, for good: what the workers have finished as they have, the rest as failed.
    /// Waits for no thread, and does a part of it at a time. Returns whether there is more.
    pub fn close(&mut self, now: Instant, batch: &mut Batch) -> bool {
        if !self.is_stopped {
            self.is_stopped = true;
            // Before the threads are interrupted, so that no end is one of the interruption.
            self.completions.take(&mut self.finished);
            while let Some(news) = self.finished.pop_front() {
                self.take_in(news, now);
            }
            self.delivery.close();
            let upstreams = std::mem::take(&mut self.upstreams);
            upstreams.into_values().for_each(Upstream::stop);
        }
        self.advance(now, batch);
        self.has_more
    }

    /// Polls everything that follows from what has happened, up to a number.
    fn advance(&mut self, now: Instant, batch: &mut Batch) {
        self.hand_out(now, batch);
        let mut elements = 0;
        while elements < BUDGET {
            if let Some(effect) = self.delivery.poll_effect() {
                elements += self.carry_out(effect, now, batch);
            } else if let Some(news) = self.finished.pop_front() {
                elements += 1;
                self.take_in(news, now);
                self.hand_out(now, batch);
            } else {
                // What could not be attempted any more has made room, and is to be told.
                self.hand_out(now, batch);
                let Some(effect) = self.delivery.poll_effect() else {
                    self.has_more = false;
                    return;
                };
                elements += self.carry_out(effect, now, batch);
            }
        }
        self.has_more = true;
    }

    /// Tells the exchanges what a worker has told.
    fn take_in(&mut self, news: News, now: Instant) {
        let (delivery, rng) = (&mut self.delivery, &mut rand::rng());
        match news {
            News::Done { id, end, report } => delivery.handle_end(id, end, report, now, rng),
            News::Head {
                id,
                unfinished,
                report,
            } => delivery.handle_head(id, unfinished, report, now, rng),
            News::Item { id, reply, weight } => {
                delivery.handle_item(id, reply);
                // From here on it is one of the elements that are sent at a time.
                drop(weight);
            }
            News::StreamEnd { id, end, line } => delivery.handle_stream_end(id, end, line),
        }
    }

    /// Hands the workers what they may attempt. Starts them if there are none.
    fn hand_out(&mut self, now: Instant, batch: &mut Batch) {
        if !self.is_running {
            return;
        }
        let are_several = self.delivery.backends().len() > 1;
        while let Some(attempt) = self.delivery.poll_attempt(now) {
            let Some(upstream) = self.upstreams.get_mut(&attempt.backend) else {
                debug_assert!(false, "a backend without a client");
                continue;
            };
            let job = PostJob {
                attempt,
                nonce: self.nonce,
                settings: Arc::clone(&self.settings),
                client: Arc::clone(upstream.client()),
                service: are_several.then(|| Arc::clone(upstream.name())),
            };
            upstream.run(job);
        }
        for upstream in self.upstreams.values_mut() {
            if let Err(error) = upstream.start(self.settings.concurrency, now) {
                batch.notes.push(self.observer.log.no_thread(&error, now));
            }
        }
    }

    /// Remembers a stanza that is about to be sent, if a room will send it back.
    pub fn remember(&mut self, stanza: &Element, now: Instant) {
        if answer::is_room_message(stanza)
            && let (Some(room), Some(id)) = (stanza.attr("to"), stanza.attr("id"))
        {
            self.reflections.remember(room, id, now);
        }
    }

    /// Returns how many elements it sends.
    fn carry_out(&mut self, effect: Effect, now: Instant, batch: &mut Batch) -> usize {
        match effect {
            Effect::Send(stanza) => {
                self.remember(&stanza, now);
                let elements = stanza.count();
                batch.stanzas.push(stanza);
                elements
            }
            Effect::Tell(event) => {
                self.observer.observe(event, now, &mut batch.notes);
                0
            }
        }
    }
}
