//! Brings a component's exchanges, its workers, and what is sent and told together: all of it on Prosody's
//! thread.
//!
//! [`Delivery`] decides, the [`engine`](crate::engine) works. Here is who calls whom: something happens,
//! and then everything that follows from it is polled, up to some elements in all, so that Prosody gets to
//! see to others in between.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::attempt::PostJob;
use super::news::News;
use super::{Observer, Reflections, Settings};
use crate::delivery::{Delivery, Effect, Refusal};
use crate::engine::{Completions, Event, Pool};
use crate::http::Client;
use crate::mapping::answer;
use crate::notes::Note;
use crate::stanza::{Element, Envelope, Stanza};

/// How many elements are sent at a time, or attempts concluded: about a millisecond's work.
const BUDGET: usize = 200;

/// When to try again after the system had no thread to give.
const RETRY: Duration = Duration::from_secs(1);

/// What is to be sent and logged, in order.
#[derive(Debug, Default)]
pub struct Batch {
    /// Stanzas to send.
    pub stanzas: Vec<Element>,
    /// Lines to log.
    pub notes: Vec<Note>,
    /// How many stanzas were not accepted.
    pub failures: usize,
}

/// The exchanges of one component, and its workers.
pub struct Driver {
    settings: Arc<Settings>,
    client: Arc<Client>,
    /// Clients of before, by which attempts may still be under way.
    former: Vec<Weak<Client>>,
    /// Makes the numbers of exchanges unique among components and restarts.
    nonce: u64,
    delivery: Delivery,
    workers: Workers,
    completions: Arc<Completions<News>>,
    /// What the workers have told, and is to be taken in.
    finished: VecDeque<News>,
    reflections: Reflections,
    observer: Observer,
    /// Whether more follows from what has happened than went into the last batch.
    has_more: bool,
}

enum Workers {
    /// No thread yet. They are to be started when there is work, but not before that time.
    None {
        not_before: Option<Instant>,
    },
    Running(Pool<PostJob>),
    /// The end has begun.
    Stopped,
}

impl Driver {
    /// No thread yet, for a component with these settings and their client.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(settings: Settings, client: Client) -> Result<Self, Errno> {
        Ok(Driver {
            delivery: Delivery::new(settings.limits()),
            settings: Arc::new(settings),
            client: Arc::new(client),
            former: Vec::new(),
            nonce: rand::random(),
            workers: Workers::None { not_before: None },
            completions: Arc::new(Completions::new(Event::new()?)),
            finished: VecDeque::new(),
            reflections: Reflections::default(),
            observer: Observer::default(),
            has_more: false,
        })
    }

    /// The current settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// What an admin is told when the component has come up.
    pub fn introduction(&self) -> Vec<Note> {
        let mut notes = self.settings.introduction();
        notes.extend(self.settings.shortage(self.client.budget()));
        notes
    }

    /// Goes on with the exchanges of another driver by the settings of this one, and leaves the other
    /// with nothing to do. What is under way ends as it began; what waits goes to the new service.
    pub fn adopt(&mut self, old: &mut Driver) {
        std::mem::swap(self, old);
        self.settings = Arc::clone(&old.settings);
        let former = std::mem::replace(&mut self.client, Arc::clone(&old.client));
        self.delivery.reconfigure(self.settings.limits());
        if let Workers::Running(pool) = &self.workers {
            pool.reconfigure(self.settings.concurrency, self.client.idle());
        }
        self.former.retain(|client| client.strong_count() > 0);
        self.former.push(Arc::downgrade(&former));
        // What waited may have its turn by the new settings.
        self.has_more = true;
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
        let start = match &self.workers {
            Workers::None { not_before } if self.delivery.has_attempt() => {
                Some(not_before.unwrap_or(now))
            }
            _ => None,
        };
        [start, self.delivery.poll_timeout(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes a stanza in, unless it is one that a room sent back to its author. Never waits.
    pub fn admit(&mut self, stanza: Stanza, now: Instant, batch: &mut Batch) {
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
        self.start(now, batch);
        self.completions.take(&mut self.finished);
        match &self.workers {
            Workers::None { .. } => {}
            Workers::Running(pool) => {
                if pool.was_refused() {
                    batch.notes.push(self.observer.thread_refused(now));
                }
            }
            // These have been interrupted. That the descriptor is not readable any more is all that matters.
            Workers::Stopped => self.finished.clear(),
        }
        self.delivery.handle_timeout(now);
        self.advance(now, batch);
    }

    /// Concludes everything, for good: what the workers have finished as they have, the rest as failed.
    /// Waits for no thread, and does a part of it at a time. Returns whether there is more.
    pub fn close(&mut self, now: Instant, batch: &mut Batch) -> bool {
        if !matches!(self.workers, Workers::Stopped) {
            // Before the threads are interrupted, so that no end is one of the interruption.
            self.completions.take(&mut self.finished);
            while let Some(news) = self.finished.pop_front() {
                self.take_in(news, now);
            }
            self.delivery.close();
            self.stop_workers();
        }
        self.advance(now, batch);
        self.has_more
    }

    /// Polls everything that follows from what has happened, up to a number.
    fn advance(&mut self, now: Instant, batch: &mut Batch) {
        self.hand_out(now);
        let mut elements = 0;
        while elements < BUDGET {
            if let Some(effect) = self.delivery.poll_effect() {
                elements += self.carry_out(effect, now, batch);
            } else if let Some(news) = self.finished.pop_front() {
                elements += 1;
                self.take_in(news, now);
                self.hand_out(now);
            } else {
                // What could not be attempted any more has made room, and is to be told.
                self.hand_out(now);
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

    /// Hands the workers what they may attempt.
    fn hand_out(&mut self, now: Instant) {
        let Workers::Running(pool) = &self.workers else {
            return;
        };
        while let Some(attempt) = self.delivery.poll_attempt(now) {
            pool.run(PostJob {
                attempt,
                nonce: self.nonce,
                settings: Arc::clone(&self.settings),
                client: Arc::clone(&self.client),
            });
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
                self.observer.observe(event, now, batch);
                0
            }
        }
    }

    /// Starts the threads if there is work for them, and it is worth a try.
    fn start(&mut self, now: Instant, batch: &mut Batch) {
        match &self.workers {
            Workers::None { not_before }
                if self.delivery.has_attempt() && not_before.is_none_or(|time| time <= now) => {}
            _ => return,
        }
        let (limit, idle) = (self.settings.concurrency, self.client.idle());
        match Pool::start("http", limit, idle, Arc::clone(&self.completions)) {
            Ok(pool) => {
                self.workers = Workers::Running(pool);
            }
            Err(error) => {
                let not_before = Some(now + RETRY);
                self.workers = Workers::None { not_before };
                batch.notes.push(self.observer.no_thread(&error, now));
            }
        }
    }

    fn stop_workers(&mut self) {
        let before = std::mem::replace(&mut self.workers, Workers::Stopped);
        if let Workers::Running(pool) = before {
            let former = self.former.iter().filter_map(Weak::upgrade);
            let clients: Vec<_> = former.chain([Arc::clone(&self.client)]).collect();
            pool.stop(move || clients.iter().for_each(|client| client.shut_down()));
        }
    }
}
