//! The main thread's side of it: takes stanzas in, hands them out, and gives back what is to be sent.
//!
//! Everything in here belongs to Prosody's thread alone, so nothing is locked: what is outstanding, who
//! waits for whom, what was told to whom. Only exchanges and their outcomes cross to the workers.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::completions::Completions;
use super::exchange::{Concluded, Exchange, ExchangeId};
use super::http::Service;
use super::lanes::{Lane, Lanes};
use super::notes::{Complaints, Note};
use super::pool::Pool;
use crate::component_http::{Failure, Outcome, Reflections, response};
use crate::stanza::{Element, Envelope, Kind, Stanza};

/// How long the end waits for the threads. They are interrupted; only a name look-up cannot be, and
/// that has a thread of its own which nobody waits for.
const PATIENCE: Duration = Duration::from_secs(2);

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

impl Batch {
    /// Whether there is nothing to be sent and logged.
    pub fn is_empty(&self) -> bool {
        self.stanzas.is_empty() && self.notes.is_empty()
    }
}

/// The exchanges of one component.
pub struct Dispatcher {
    service: Arc<Mutex<Arc<Service>>>,
    /// Services of before, with which exchanges may still be under way.
    former: Vec<Weak<Service>>,
    outstanding: HashMap<ExchangeId, Outstanding>,
    last_id: ExchangeId,
    lanes: Lanes<ExchangeId>,
    /// How many of the outstanding are with the workers.
    dispatched: usize,
    /// When which iq has to be concluded, in the order of arrival.
    deadlines: VecDeque<(Instant, ExchangeId)>,
    reflections: Reflections,
    complaints: Complaints,
    completions: Arc<Completions>,
    phase: Phase,
}

enum Phase {
    /// No thread yet. Holds the exchanges for the workers to come.
    Resting(Vec<ExchangeId>),
    Running(Pool),
    Stopped,
}

struct Outstanding {
    stanza: Arc<Stanza>,
    lane: Option<Lane>,
    deadline: Option<Instant>,
    dispatched: bool,
}

impl Dispatcher {
    /// A dispatcher without threads.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(service: Service) -> Result<Self, Errno> {
        Ok(Dispatcher {
            service: Arc::new(Mutex::new(Arc::new(service))),
            former: Vec::new(),
            outstanding: HashMap::new(),
            last_id: 0,
            lanes: Lanes::default(),
            dispatched: 0,
            deadlines: VecDeque::new(),
            reflections: Reflections::default(),
            complaints: Complaints::default(),
            completions: Arc::new(Completions::new()?),
            phase: Phase::Resting(Vec::new()),
        })
    }

    /// The service of the day.
    pub fn service(&self) -> Arc<Service> {
        current(&self.service)
    }

    /// Changes the service. What is under way ends with the old one; what waits goes to the new one.
    pub fn reconfigure(&mut self, service: Arc<Service>) {
        if let Phase::Running(pool) = &self.phase {
            pool.set_limit(service.settings.concurrency);
        }
        let mut current = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *current, service);
        self.former.retain(|service| service.strong_count() > 0);
        self.former.push(Arc::downgrade(&former));
    }

    /// The descriptor that becomes readable when there is something to [`drain`](Self::drain).
    pub fn fd(&self) -> RawFd {
        self.completions.fd()
    }

    /// Whether there is work and no thread for it: [`start`](Self::start) is due.
    pub fn is_resting(&self) -> bool {
        matches!(&self.phase, Phase::Resting(held) if !held.is_empty())
    }

    /// When the next iq's time is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }

    /// Takes a stanza in, unless it is one that a room sent back to its author. Never waits. The batch
    /// gets what is to be sent at once: an error, if there is no room.
    pub fn submit(&mut self, stanza: Stanza, now: Instant, batch: &mut Batch) {
        if self.reflections.contains(&stanza.envelope, now) {
            return;
        }
        if matches!(self.phase, Phase::Stopped) {
            return self.fail(&stanza.envelope, Failure::Stopped, now, batch);
        }
        let service = self.service();
        let settings = &service.settings;
        let lane = if settings.ordered {
            self.lanes.lane_of(&stanza.envelope)
        } else {
            None
        };
        let at_once = self.dispatched < settings.concurrency
            && !lane.is_some_and(|lane| self.lanes.is_occupied(lane));
        let waiting = self.outstanding.len() - self.dispatched.min(settings.concurrency);
        if !at_once && waiting >= settings.queue_size {
            return self.fail(&stanza.envelope, Failure::QueueFull, now, batch);
        }
        self.last_id += 1;
        let id = self.last_id;
        let deadline = (stanza.envelope.kind == Kind::Iq).then(|| now + settings.timeout);
        if let Some(deadline) = deadline {
            self.deadlines.push_back((deadline, id));
        }
        let outstanding = Outstanding {
            stanza: Arc::new(stanza),
            lane,
            deadline,
            dispatched: false,
        };
        self.outstanding.insert(id, outstanding);
        let free = match lane {
            Some(lane) => self.lanes.enter(lane, id),
            None => Some(id),
        };
        if let Some(id) = free {
            self.dispatch(id, service);
        }
    }

    /// Starts the threads for what was taken so far. Not to be called before the event loop runs: a
    /// server that goes into the background forks before that, and a fork leaves threads behind.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn start(&mut self) -> io::Result<()> {
        let Phase::Resting(held) = &mut self.phase else {
            return Ok(());
        };
        let service = Arc::clone(&self.service);
        let limit = current(&service).settings.concurrency;
        let pool = Pool::start(limit, Arc::clone(&self.completions), move || {
            current(&service)
        })?;
        let held = std::mem::take(held);
        self.phase = Phase::Running(pool);
        for id in held {
            // An iq that has expired meanwhile is not there any more.
            if let Some(outstanding) = self.outstanding.get_mut(&id) {
                outstanding.dispatched = false;
                self.dispatched -= 1;
                self.dispatch(id, self.service());
            }
        }
        Ok(())
    }

    /// Takes what the workers have finished, up to so many. Returns whether there is more.
    pub fn drain(&mut self, limit: usize, now: Instant, batch: &mut Batch) -> bool {
        self.completions.reset();
        for _ in 0..limit {
            match self.completions.take() {
                Some(Concluded { exchange, outcome }) => {
                    self.conclude(exchange, outcome, now, batch)
                }
                None => return false,
            }
        }
        !self.completions.is_empty()
    }

    /// Concludes the iqs whose time is over. Returns when the next one's is.
    pub fn expire(&mut self, now: Instant, batch: &mut Batch) -> Option<Instant> {
        while let Some((deadline, id)) = self.deadlines.front().copied() {
            if deadline > now && self.outstanding.contains_key(&id) {
                return Some(deadline);
            }
            self.deadlines.pop_front();
            self.conclude(id, Err(Failure::TimedOut), now, batch);
        }
        None
    }

    /// Concludes everything, for good: what the workers have finished as they have, the rest as failed.
    /// Waits for the threads to end, a moment at most. Does nothing the second time.
    pub fn stop(&mut self, now: Instant, batch: &mut Batch) {
        if let Phase::Running(pool) = std::mem::replace(&mut self.phase, Phase::Stopped) {
            self.service().shut_down();
            for former in self.former.iter().filter_map(Weak::upgrade) {
                former.shut_down();
            }
            if !pool.stop(PATIENCE) {
                batch.notes.push(Note::debug(
                    "a thread is still waiting for the network, and left to it",
                ));
            }
        }
        while let Some(Concluded { exchange, outcome }) = self.completions.take() {
            let interrupted = matches!(
                outcome,
                Err(Failure::NoConnection(_) | Failure::ConnectionLost(_) | Failure::TimedOut)
            );
            if !interrupted {
                self.conclude(exchange, outcome, now, batch);
            }
        }
        let mut rest: Vec<ExchangeId> = self.outstanding.keys().copied().collect();
        rest.sort_unstable();
        for id in rest {
            self.conclude(id, Err(Failure::Stopped), now, batch);
        }
    }

    fn dispatch(&mut self, id: ExchangeId, service: Arc<Service>) {
        let Some(outstanding) = self.outstanding.get_mut(&id) else {
            return;
        };
        outstanding.dispatched = true;
        self.dispatched += 1;
        match &mut self.phase {
            Phase::Running(pool) => pool.run(Exchange {
                id,
                stanza: Arc::clone(&outstanding.stanza),
                deadline: outstanding.deadline,
                service,
            }),
            Phase::Resting(held) => held.push(id),
            // Whatever is outstanding is about to be concluded.
            Phase::Stopped => {}
        }
    }

    /// Ends an exchange, unless it has ended already.
    fn conclude(&mut self, id: ExchangeId, outcome: Outcome, now: Instant, batch: &mut Batch) {
        let Some(Outstanding {
            stanza,
            lane,
            dispatched,
            ..
        }) = self.outstanding.remove(&id)
        else {
            return;
        };
        self.dispatched -= usize::from(dispatched);
        if let Some(next) = lane.and_then(|lane| self.lanes.leave(lane)) {
            self.dispatch(next, self.service());
        }
        self.forget_concluded_deadlines();
        match outcome {
            Ok(stanzas) => {
                for stanza in stanzas
                    .iter()
                    .filter(|stanza| response::is_room_message(stanza))
                {
                    if let (Some(room), Some(id)) = (stanza.attr("to"), stanza.attr("id")) {
                        self.reflections.remember(room, id, now);
                    }
                }
                batch.stanzas.extend(stanzas);
            }
            Err(failure) => self.fail(&stanza.envelope, failure, now, batch),
        }
    }

    /// Tells the sender and the admin that a stanza was not accepted.
    pub fn fail(&mut self, envelope: &Envelope, failure: Failure, now: Instant, batch: &mut Batch) {
        batch.failures += 1;
        batch
            .stanzas
            .extend(envelope.error_reply(&failure.to_error()));
        let about = format!(
            "{} from {} to {}",
            envelope.kind.as_str(),
            envelope.from,
            envelope.to
        );
        batch
            .notes
            .push(self.complaints.note(&about, failure.to_string(), now));
    }

    fn forget_concluded_deadlines(&mut self) {
        while self
            .deadlines
            .front()
            .is_some_and(|(_, id)| !self.outstanding.contains_key(id))
        {
            self.deadlines.pop_front();
        }
    }
}

fn current(service: &Mutex<Arc<Service>>) -> Arc<Service> {
    Arc::clone(&service.lock().unwrap_or_else(PoisonError::into_inner))
}
