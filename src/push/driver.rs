//! Brings a component's pushes and their workers together: all of it on Prosody's thread.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;

use super::task::{Done, Task};
use super::{Asked, Counts, Effect, Problem, Pushes, Request, Response, Settings, Ticket};
use crate::engine::{Completions, Event, Idle, Pool, Workers};
use crate::mapping::Rules;
use crate::notes::Note;
use crate::observe::Reading;
use crate::stanza::{Element, Stanza};

/// How many elements are sent at a time, or requests answered: about a millisecond's work.
const BUDGET: usize = 200;

/// Threads at most. What they do takes a processor's time and nothing else.
const WORKERS: usize = 4;

/// What follows from something that has happened, in order.
#[derive(Debug, Default)]
pub struct Step {
    /// Stanzas to send, before anything is answered.
    pub stanzas: Vec<Element>,
    /// Requests to answer.
    pub responses: Vec<(Ticket, Response)>,
    /// Lines to log.
    pub notes: Vec<Note>,
}

/// The pushes of one component, and its workers.
pub struct Driver {
    pushes: Pushes,
    introduction: Note,
    workers: Workers<Task>,
    completions: Arc<Completions<Done>>,
    finished: VecDeque<Done>,
    counts: Counts,
    /// Whether more follows from what has happened than went into the last step.
    has_more: bool,
}

/// Workers that hold no connection.
struct NoConnections;

impl Idle for NoConnections {
    fn close(&self) {}
}

impl Driver {
    /// No thread yet, for a component with these settings and rules.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(settings: Settings, rules: &Rules) -> Result<Self, Errno> {
        let completions = Arc::new(Completions::new(Event::new()?));
        Ok(Driver {
            introduction: settings.introduction(),
            pushes: Pushes::new(settings, rules),
            workers: new_workers(&completions),
            completions,
            finished: VecDeque::new(),
            counts: Counts::default(),
            has_more: false,
        })
    }

    /// What an admin is told when the component has come up.
    pub fn introduction(&self) -> Note {
        self.introduction.clone()
    }

    /// Goes on with the pushes of another driver by the settings of this one, and leaves the other with
    /// nothing to do.
    pub fn adopt(&mut self, old: &mut Driver) {
        self.pushes.adopt(&mut old.pushes);
        std::mem::swap(&mut self.workers, &mut old.workers);
        std::mem::swap(&mut self.completions, &mut old.completions);
        std::mem::swap(&mut self.finished, &mut old.finished);
        std::mem::swap(&mut self.counts, &mut old.counts);
        // What was finished meanwhile is looked at without a wake-up.
        self.has_more = true;
    }

    /// What there is to measure: see [`FAMILIES`](super::FAMILIES).
    pub fn readings(&mut self) -> Vec<Reading> {
        self.counts.readings()
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.workers.pool().map_or(0, Pool::threads)
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
        [self.workers.start_due(now), self.pushes.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes a request in, which is only possible while the event loop runs. Never waits.
    pub fn admit(&mut self, request: Request, now: Instant, step: &mut Step) -> Ticket {
        let ticket = self.pushes.admit(request, now);
        self.advance(now, step);
        ticket
    }

    /// Whether the answer to that iq is waited for.
    pub fn awaits(&self, asked: &Asked) -> bool {
        self.pushes.awaits(asked)
    }

    /// That iq is answered.
    pub fn answer(&mut self, asked: &Asked, answer: Stanza, now: Instant, step: &mut Step) {
        self.pushes.handle_answer(asked, answer);
        self.advance(now, step);
    }

    /// Takes what the workers have finished, and what is due.
    pub fn wake(&mut self, now: Instant, step: &mut Step) {
        self.completions.take(&mut self.finished);
        self.start(now, step);
        self.pushes.handle_timeout(now);
        self.advance(now, step);
    }

    /// Answers everything, for good, and waits for no thread. Returns whether there is more.
    pub fn close(&mut self, now: Instant, step: &mut Step) -> bool {
        self.pushes.close();
        self.workers = new_workers(&self.completions);
        self.advance(now, step);
        self.has_more
    }

    /// Polls everything that follows from what has happened, up to a number.
    fn advance(&mut self, now: Instant, step: &mut Step) {
        let mut elements = 0;
        while elements < BUDGET {
            match self.pushes.poll_effect() {
                Some(Effect::Work(task)) => self.hand_out(*task, now, step),
                Some(Effect::Send(stanza)) => {
                    elements += stanza.count();
                    self.counts.sent();
                    step.stanzas.push(stanza);
                }
                Some(Effect::Respond(ticket, response)) => {
                    elements += 1;
                    self.counts.answered(response.status);
                    step.responses.push((ticket, response));
                }
                None => {
                    let Some(done) = self.finished.pop_front() else {
                        self.has_more = false;
                        return;
                    };
                    if let Some(place) = done.result.as_ref().err().and_then(Problem::fault) {
                        step.notes.push(Note::warn(format!(
                            "a push failed: bug in the library: {place}"
                        )));
                    }
                    self.pushes.handle_done(done, now);
                }
            }
        }
        self.has_more = true;
    }

    /// Hands a worker something to do, and starts the threads for the first one.
    fn hand_out(&mut self, task: Task, now: Instant, step: &mut Step) {
        self.workers.run(task);
        self.start(now, step);
    }

    /// Starts the threads if there is work for them, and it is worth a try.
    fn start(&mut self, now: Instant, step: &mut Step) {
        let idle = || Arc::new(NoConnections) as Arc<dyn Idle>;
        if let Err(error) = self.workers.start(WORKERS, idle, now) {
            step.notes.push(Note::warn(format!(
                "pushes have to wait: the system has no thread to give: {error}"
            )));
        }
    }
}

fn new_workers(completions: &Arc<Completions<Done>>) -> Workers<Task> {
    Workers::new("push", Arc::clone(completions))
}
