//! The main thread's side of it: takes stanzas in, hands them out, and gives back what is to be sent.
//!
//! Everything in here belongs to Prosody's thread alone, so nothing is locked: what is outstanding, who
//! waits for whom, what was told to whom. Only exchanges and their outcomes cross to the workers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::Instant;

use nix::errno::Errno;

use super::lanes::{Lane, Lanes};
use crate::component_http::attempt::{Concluded, ExchangeId, Report};
use crate::component_http::{Attempt, Failure, Outage, Outcome, Reflections, Settings, response};
use crate::engine::{Completions, Event, Pool};
use crate::http::Client;
use crate::notes::{Complaints, Level, Note};
use crate::stanza::{Element, Envelope, Kind, Stanza};

/// How many elements are sent at a time, or outcomes taken: about a millisecond's work.
const BUDGET: usize = 200;

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
    settings: Arc<Settings>,
    client: Arc<Client>,
    /// Clients of before, by which exchanges may still be under way.
    former: Vec<Weak<Client>>,
    outstanding: HashMap<ExchangeId, Outstanding>,
    last_id: ExchangeId,
    /// Makes the numbers of exchanges unique among components and restarts.
    nonce: u64,
    lanes: Lanes<ExchangeId>,
    /// How many of the outstanding are with the workers.
    dispatched: usize,
    /// When which iq has to be concluded, the earliest first.
    deadlines: BinaryHeap<Reverse<(Instant, ExchangeId)>>,
    reflections: Reflections,
    complaints: Complaints,
    outage: Outage,
    completions: Arc<Completions<Concluded>>,
    /// What the workers have finished and is not concluded yet.
    finished: VecDeque<Concluded>,
    /// Stanzas that wait to be sent.
    outbox: VecDeque<Element>,
    phase: Phase,
}

enum Phase {
    /// No thread yet. Holds the exchanges for the workers to come.
    Resting(Vec<ExchangeId>),
    Running(Pool<Attempt>),
    /// The end has begun, and these are to be concluded.
    Stopping(VecDeque<ExchangeId>),
}

struct Outstanding {
    stanza: Arc<Stanza>,
    lane: Option<Lane>,
    deadline: Option<Instant>,
    dispatched: bool,
}

impl Dispatcher {
    /// A dispatcher without threads, for a component with these settings and their client.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub fn new(settings: Settings, client: Client) -> Result<Self, Errno> {
        Ok(Dispatcher {
            settings: Arc::new(settings),
            client: Arc::new(client),
            former: Vec::new(),
            outstanding: HashMap::new(),
            last_id: 0,
            nonce: rand::random(),
            lanes: Lanes::default(),
            dispatched: 0,
            deadlines: BinaryHeap::new(),
            reflections: Reflections::default(),
            complaints: Complaints::default(),
            outage: Outage::default(),
            completions: Arc::new(Completions::new(Event::new()?)),
            finished: VecDeque::new(),
            outbox: VecDeque::new(),
            phase: Phase::Resting(Vec::new()),
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

    /// Goes on with the exchanges of another dispatcher by the settings of this one, and leaves the other
    /// with nothing to do. What is under way ends as it began; what waits goes to the new service.
    pub fn adopt(&mut self, old: &mut Dispatcher) {
        std::mem::swap(self, old);
        self.settings = Arc::clone(&old.settings);
        let former = std::mem::replace(&mut self.client, Arc::clone(&old.client));
        if let Phase::Running(pool) = &self.phase {
            pool.reconfigure(self.settings.concurrency, self.client.idle());
        }
        self.former.retain(|client| client.strong_count() > 0);
        self.former.push(Arc::downgrade(&former));
    }

    /// The descriptor that becomes readable when there is something to [`drain`](Self::drain).
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.completions.signal().as_fd()
    }

    /// Whether there is work and no thread for it: [`start`](Self::start) is due.
    pub fn is_resting(&self) -> bool {
        matches!(&self.phase, Phase::Resting(held) if !held.is_empty())
    }

    /// When the next iq's time is over.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines
            .peek()
            .map(|Reverse((deadline, _))| *deadline)
    }

    /// Takes a stanza in, unless it is one that a room sent back to its author. Never waits. The batch
    /// gets what is to be sent at once: an error, if there is no room.
    pub fn submit(&mut self, stanza: Stanza, now: Instant, batch: &mut Batch) {
        if self.reflections.contains(&stanza.envelope, now) {
            return;
        }
        if matches!(self.phase, Phase::Stopping(_)) {
            return self.fail(&stanza.envelope, Failure::Stopped, now, batch);
        }
        let settings = &self.settings;
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
            self.deadlines.push(Reverse((deadline, id)));
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
            self.dispatch(id);
        }
    }

    /// Starts the threads for what was taken so far, and returns whether they are there; if not, it is
    /// worth another try. Not to be called before the event loop runs: a server that goes into the
    /// background forks before that, and a fork leaves threads behind.
    pub fn start(&mut self, now: Instant, batch: &mut Batch) -> bool {
        let Phase::Resting(held) = &mut self.phase else {
            return true;
        };
        if held.is_empty() {
            return true;
        }
        let (limit, idle) = (self.settings.concurrency, self.client.idle());
        let pool = match Pool::start("http", limit, idle, Arc::clone(&self.completions)) {
            Ok(pool) => pool,
            Err(error) => {
                let trouble = format!("the system has no thread to give: {error}");
                self.complain(Level::Warn, "cannot start yet", trouble, now, batch);
                return false;
            }
        };
        let held = std::mem::take(held);
        self.phase = Phase::Running(pool);
        for id in held {
            // An iq that has expired meanwhile is not there any more.
            if let Some(outstanding) = self.outstanding.get_mut(&id) {
                outstanding.dispatched = false;
                self.dispatched -= 1;
                self.dispatch(id);
            }
        }
        true
    }

    /// Takes what the workers have finished, up to some elements in all, so that the main thread gets to
    /// see to others in between. Returns whether there is more.
    pub fn drain(&mut self, now: Instant, batch: &mut Batch) -> bool {
        self.completions.take(&mut self.finished);
        if matches!(&self.phase, Phase::Running(pool) if pool.was_refused()) {
            let trouble =
                "the system refused a thread: component_post_concurrency is more than it allows";
            self.complain(
                Level::Warn,
                "exchanges have to wait",
                trouble.to_owned(),
                now,
                batch,
            );
        }
        let mut elements = 0;
        while elements < BUDGET {
            if let Some(stanza) = self.outbox.pop_front() {
                elements += stanza.count();
                batch.stanzas.push(stanza);
            } else if let Some(concluded) = self.finished.pop_front() {
                elements += 1;
                self.finish(concluded, now, batch);
            } else {
                return false;
            }
        }
        !(self.outbox.is_empty() && self.finished.is_empty())
    }

    /// Concludes the iqs whose time is over, up to a number as in [`drain`](Self::drain).
    pub fn expire(&mut self, now: Instant, batch: &mut Batch) {
        for _ in 0..BUDGET {
            match self.deadlines.peek() {
                Some(&Reverse((deadline, id))) if deadline <= now => {
                    self.deadlines.pop();
                    self.conclude(id, Err(Failure::TimedOut), now, batch);
                }
                _ => return,
            }
        }
    }

    /// Concludes what is outstanding, for good: what the workers have finished as they have, the rest as
    /// failed. Waits for no thread, and does up to a number as [`drain`](Self::drain). Returns whether
    /// there is more.
    pub fn stop(&mut self, now: Instant, batch: &mut Batch) -> bool {
        self.begin_to_stop();
        let mut elements = 0;
        while elements < BUDGET {
            if let Some(stanza) = self.outbox.pop_front() {
                elements += stanza.count();
                batch.stanzas.push(stanza);
                continue;
            }
            let Phase::Stopping(rest) = &mut self.phase else {
                return false;
            };
            elements += 1;
            if let Some(concluded) = self.finished.pop_front() {
                self.finish(concluded, now, batch);
            } else if let Some(id) = rest.pop_front() {
                self.conclude(id, Err(Failure::Stopped), now, batch);
            } else {
                return false;
            }
        }
        true
    }

    fn begin_to_stop(&mut self) {
        if matches!(self.phase, Phase::Stopping(_)) {
            return;
        }
        // Before the threads are interrupted, so that no outcome is one of the interruption.
        self.completions.take(&mut self.finished);
        let mut rest = Vec::from_iter(self.outstanding.keys().copied());
        rest.sort_unstable();
        let before = std::mem::replace(&mut self.phase, Phase::Stopping(rest.into()));
        if let Phase::Running(pool) = before {
            let former = self.former.iter().filter_map(Weak::upgrade);
            let clients: Vec<_> = former.chain([Arc::clone(&self.client)]).collect();
            pool.stop(move || clients.iter().for_each(|client| client.shut_down()));
        }
    }

    fn dispatch(&mut self, id: ExchangeId) {
        let Some(outstanding) = self.outstanding.get_mut(&id) else {
            return;
        };
        outstanding.dispatched = true;
        self.dispatched += 1;
        match &mut self.phase {
            Phase::Running(pool) => pool.run(Attempt {
                id,
                nonce: self.nonce,
                stanza: Arc::downgrade(&outstanding.stanza),
                deadline: outstanding.deadline,
                settings: Arc::clone(&self.settings),
                client: Arc::clone(&self.client),
            }),
            Phase::Resting(held) => held.push(id),
            // Whatever is outstanding is about to be concluded.
            Phase::Stopping(_) => {}
        }
    }

    /// Ends an exchange that a worker has carried out, unless it has ended already.
    fn finish(&mut self, concluded: Concluded, now: Instant, batch: &mut Batch) {
        let Concluded {
            exchange,
            outcome,
            report: Report { line, not_taken },
        } = concluded;
        let Some(outstanding) = self.outstanding.get(&exchange) else {
            return;
        };
        batch.notes.push(Note::debug(line));
        if let Some(trouble) = not_taken {
            let about = outstanding.stanza.envelope.to_string();
            self.complain(Level::Info, &about, trouble, now, batch);
        }
        self.conclude(exchange, outcome, now, batch);
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
            self.dispatch(next);
        }
        self.forget_concluded_deadlines();
        match outcome {
            Ok(stanzas) => {
                batch.notes.extend(self.outage.ended(now).map(Note::info));
                for stanza in stanzas
                    .iter()
                    .filter(|stanza| response::is_room_message(stanza))
                {
                    if let (Some(room), Some(id)) = (stanza.attr("to"), stanza.attr("id")) {
                        self.reflections.remember(room, id, now);
                    }
                }
                self.outbox.extend(stanzas);
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
        let note =
            self.complaints
                .note(Level::Warn, &envelope.to_string(), failure.to_string(), now);
        self.outage.failed(&failure, note.level == Level::Warn, now);
        batch.notes.push(note);
    }

    fn complain(
        &mut self,
        level: Level,
        about: &str,
        trouble: String,
        now: Instant,
        batch: &mut Batch,
    ) {
        batch
            .notes
            .push(self.complaints.note(level, about, trouble, now));
    }

    fn forget_concluded_deadlines(&mut self) {
        while self
            .deadlines
            .peek()
            .is_some_and(|Reverse((_, id))| !self.outstanding.contains_key(id))
        {
            self.deadlines.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::WebService;
    use super::*;
    use crate::component_http::client;
    use crate::component_http::tests::{iq, message};
    use crate::options::OptionValue::{Boolean, Number};
    use std::time::Duration;

    /// A dispatcher whose every batch is kept.
    struct Component {
        dispatcher: Dispatcher,
        sent: Vec<String>,
    }

    fn dispatcher(settings: Settings) -> Dispatcher {
        let client = client(&settings).unwrap();
        Dispatcher::new(settings, client).unwrap()
    }

    impl Component {
        fn new(settings: Settings) -> Self {
            Component {
                dispatcher: dispatcher(settings),
                sent: Vec::new(),
            }
        }

        fn submit(&mut self, mut stanza: Stanza, from: &str, id: &str) {
            stanza.envelope.from = from.to_owned();
            stanza.envelope.id = Some(id.to_owned());
            let mut batch = Batch::default();
            self.dispatcher.submit(stanza, Instant::now(), &mut batch);
            assert!(self.dispatcher.start(Instant::now(), &mut batch));
            self.keep(&batch);
        }

        fn keep(&mut self, batch: &Batch) {
            self.sent.extend(batch.stanzas.iter().map(Element::to_xml));
        }

        /// Drains until so many stanzas were sent in all.
        fn wait_for(&mut self, count: usize) -> &[String] {
            let deadline = Instant::now() + Duration::from_secs(20);
            while self.sent.len() < count {
                assert!(Instant::now() < deadline, "only {:?}", self.sent);
                self.wait_for_outcome();
            }
            &self.sent
        }

        fn wait_for_outcome(&mut self) {
            use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
            let mut set = [PollFd::new(self.dispatcher.fd(), PollFlags::POLLIN)];
            assert_eq!(
                poll(&mut set, PollTimeout::from(20_000u16)),
                Ok(1),
                "nothing was concluded"
            );
            let mut batch = Batch::default();
            self.dispatcher.drain(Instant::now(), &mut batch);
            self.keep(&batch);
        }

        /// Waits until everything is concluded.
        fn finish(&mut self) {
            while !self.dispatcher.outstanding.is_empty() {
                self.wait_for_outcome();
            }
        }

        fn reload(&mut self, settings: Settings) {
            let mut new = dispatcher(settings);
            new.adopt(&mut self.dispatcher);
            self.dispatcher = new;
        }

        fn stop(&mut self) {
            let mut batch = Batch::default();
            while self.dispatcher.stop(Instant::now(), &mut batch) {}
            self.keep(&batch);
        }
    }

    #[test]
    fn a_conversation_is_delivered_in_order_and_others_do_not_wait() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        component.submit(message(), "romeo@a/1", "r1");
        component.submit(message(), "romeo@a/2", "r2");
        component.submit(message(), "juliet@a", "j1");
        let (first, second) = (web.next(), web.next());
        let mut ids = [first.id(), second.id()];
        ids.sort_unstable();
        assert_eq!(ids, ["j1", "r1"]);
        let (romeo, juliet) = if first.id() == "r1" {
            (first, second)
        } else {
            (second, first)
        };
        assert!(web.arrived.is_empty());
        romeo.accept();
        component.wait_for_outcome();
        let next = web.next();
        assert_eq!(next.id(), "r2");
        next.answer.send(Some(r#"{"body":"2"}"#)).unwrap();
        assert!(component.wait_for(1)[0].contains("<body>2</body>"));
        juliet.accept();
        component.stop();
    }

    #[test]
    fn without_order_nobody_waits() {
        let web = WebService::start();
        let mut component =
            Component::new(web.settings(&[("component_post_ordered", Boolean(false))]));
        component.submit(message(), "romeo@a", "1");
        component.submit(message(), "romeo@a", "2");
        let _both = (web.next(), web.next());
        component.stop();
        assert_eq!(component.sent.len(), 2);
    }

    #[test]
    fn beyond_the_queue_senders_are_told_at_once() {
        let web = WebService::start();
        let options = [
            ("component_post_concurrency", Number(1.0)),
            ("component_post_queue_size", Number(2.0)),
        ];
        let mut component = Component::new(web.settings(&options));
        for id in 1..=4 {
            component.submit(message(), &format!("{id}@a"), &id.to_string());
        }
        assert_eq!(component.sent.len(), 1);
        assert!(component.sent[0].contains("id='4'"), "{:?}", component.sent);
        assert!(component.sent[0].contains("<resource-constraint "));
        for id in ["1", "2", "3"] {
            let request = web.next();
            assert_eq!(request.id(), id);
            request.accept();
        }
        component.finish();
        assert_eq!(component.sent.len(), 1);
    }

    #[test]
    fn a_queue_of_nothing_still_takes_what_can_be_sent() {
        let web = WebService::start();
        let options = [
            ("component_post_concurrency", Number(1.0)),
            ("component_post_queue_size", Number(0.0)),
        ];
        let mut component = Component::new(web.settings(&options));
        component.submit(message(), "1@a", "1");
        assert_eq!(component.sent.len(), 0);
        component.submit(message(), "2@a", "2");
        assert_eq!(component.sent.len(), 1);
        web.next().accept();
        component.wait_for_outcome();
        component.submit(message(), "3@a", "3");
        web.next().accept();
        component.finish();
        assert_eq!(component.sent.len(), 1);
    }

    #[test]
    fn an_iq_expires_while_it_waits_and_is_not_sent_later() {
        let web = WebService::start();
        let mut component =
            Component::new(web.settings(&[("component_post_concurrency", Number(1.0))]));
        component.submit(message(), "romeo@a", "m");
        let hung = web.next();
        component.submit(iq(), "romeo@a", "i");
        let deadline = component.dispatcher.next_deadline().unwrap();
        let mut batch = Batch::default();
        component
            .dispatcher
            .expire(deadline - Duration::from_millis(1), &mut batch);
        assert_eq!(batch.stanzas.len(), 0);
        component.dispatcher.expire(deadline, &mut batch);
        component.keep(&batch);
        assert!(component.sent[0].contains("<remote-server-timeout "));
        assert_eq!(component.dispatcher.next_deadline(), None);
        hung.accept();
        component.wait_for_outcome();
        component.stop();
        assert_eq!(component.sent.len(), 1, "{:?}", component.sent);
    }

    #[test]
    fn an_iq_that_has_expired_keeps_no_stanza() {
        let web = WebService::start();
        let mut component =
            Component::new(web.settings(&[("component_post_concurrency", Number(1.0))]));
        component.submit(message(), "romeo@a", "m");
        let hung = web.next();
        component.submit(iq(), "romeo@a", "i");
        let stanza = Arc::downgrade(&component.dispatcher.outstanding[&2].stanza);
        let deadline = component.dispatcher.next_deadline().unwrap();
        component.dispatcher.expire(deadline, &mut Batch::default());
        assert_eq!(stanza.strong_count(), 0);
        hung.accept();
        component.submit(message(), "juliet@a", "m2");
        assert_eq!(web.next().id(), "m2");
        component.stop();
    }

    #[test]
    fn a_shorter_time_out_counts_for_iqs_that_come_after_it() {
        let web = WebService::start();
        let settings = |timeout| web.settings(&[("component_post_timeout", Number(timeout))]);
        let mut component = Component::new(settings(600.0));
        component.submit(iq(), "romeo@a", "before");
        component.reload(settings(1.0));
        let now = Instant::now();
        component.submit(iq(), "romeo@a", "after");
        let deadline = component.dispatcher.next_deadline().unwrap();
        assert!(deadline < now + Duration::from_secs(60));
        let mut batch = Batch::default();
        component.dispatcher.expire(deadline, &mut batch);
        component.keep(&batch);
        assert_eq!(component.sent.len(), 1);
        assert!(component.sent[0].contains("id='after'"));
        component.stop();
        assert!(component.sent[1].contains("id='before'"));
    }

    #[test]
    fn the_end_returns_all_that_is_outstanding_once() {
        let web = WebService::start();
        let mut component =
            Component::new(web.settings(&[("component_post_concurrency", Number(20.0))]));
        for id in 0..50 {
            component.submit(message(), &format!("{}@a", id / 2), &id.to_string());
        }
        let hung: Vec<_> = (0..20).map(|_| web.next()).collect();
        component.stop();
        assert_eq!(component.sent.len(), 50);
        for (id, error) in component.sent.iter().enumerate() {
            assert!(
                error.contains(&format!("id='{id}'")) && error.contains("<remote-server-timeout ")
            );
        }
        component.stop();
        component.submit(message(), "late@a", "late");
        assert_eq!(component.sent.len(), 51);
        drop(hung);
    }

    #[test]
    fn the_end_comes_in_parts_if_there_is_much_to_conclude() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        for id in 0..500 {
            component.submit(message(), "romeo@a", &id.to_string());
        }
        let mut parts = 1;
        loop {
            let mut batch = Batch::default();
            let more = component.dispatcher.stop(Instant::now(), &mut batch);
            assert!(batch.stanzas.len() <= BUDGET);
            component.keep(&batch);
            if !more {
                break;
            }
            parts += 1;
        }
        assert_eq!(parts, 3);
        for (id, error) in component.sent.iter().enumerate() {
            assert!(error.contains(&format!("id='{id}'")));
        }
        assert_eq!(component.sent.len(), 500);
    }

    #[test]
    fn threads_end_with_a_dispatcher_that_nobody_stopped() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        component.submit(message(), "romeo@a", "1");
        web.next().accept();
        component.wait_for_outcome();
        let completions = Arc::downgrade(&component.dispatcher.completions);
        drop(component);
        let deadline = Instant::now() + Duration::from_secs(20);
        while completions.strong_count() > 0 {
            assert!(Instant::now() < deadline, "a thread is still there");
            std::thread::yield_now();
        }
    }

    #[test]
    fn nothing_is_started_for_what_ends_before_the_event_loop_runs() {
        let web = WebService::start();
        let mut dispatcher = dispatcher(web.settings(&[]));
        let mut batch = Batch::default();
        dispatcher.submit(message(), Instant::now(), &mut batch);
        assert!(dispatcher.is_resting());
        dispatcher.stop(Instant::now(), &mut batch);
        assert_eq!(batch.stanzas.len(), 1);
        assert!(web.arrived.is_empty());
    }

    #[test]
    fn what_a_room_sends_back_is_not_forwarded() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        let mut said = message();
        said.envelope.type_ = Some("groupchat".into());
        component.submit(said.clone(), "room@muc/romeo", "1");
        web.next()
            .answer
            .send(Some(r#"{"body":"echo","id":"mine"}"#))
            .unwrap();
        assert!(component.wait_for(1)[0].contains("to='room@muc'"));
        component.submit(said.clone(), "room@muc/bot", "mine");
        component.submit(said, "room@muc/romeo", "2");
        assert_eq!(web.next().id(), "2");
        component.stop();
        assert_eq!(component.sent.len(), 1, "a room gets no error");
    }

    #[test]
    fn a_connection_that_breaks_off_is_an_error_and_no_second_request() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        component.submit(message(), "romeo@a", "1");
        web.next().accept();
        component.wait_for_outcome();
        component.submit(message(), "romeo@a", "2");
        web.next().answer.send(None).unwrap();
        assert!(component.wait_for(1)[0].contains("<remote-server-timeout "));
        component.stop();
        assert!(web.arrived.is_empty());
    }

    #[test]
    fn as_many_at_a_time_as_allowed() {
        let web = WebService::start();
        let mut component =
            Component::new(web.settings(&[("component_post_concurrency", Number(60.0))]));
        for id in 0..100 {
            component.submit(message(), &format!("{id}@a"), &id.to_string());
        }
        let hung: Vec<_> = (0..60).map(|_| web.next()).collect();
        for request in hung {
            request.accept();
        }
        for _ in 0..40 {
            web.next().accept();
        }
        component.finish();
        assert_eq!(component.sent.len(), 0);
    }

    #[test]
    fn a_long_answer_is_sent_in_parts_and_in_order() {
        let web = WebService::start();
        let mut component = Component::new(web.settings(&[]));
        component.submit(message(), "romeo@a", "1");
        component.submit(message(), "romeo@a", "2");
        let items: Vec<String> = (0..500).map(|n| format!(r#"{{"id":"{n}"}}"#)).collect();
        web.next()
            .answer
            .send(Some(format!("[{}]", items.join(",")).leak()))
            .unwrap();
        component.wait_for_outcome();
        assert!(component.sent.len() < 500);
        web.next().answer.send(Some(r#"{"id":"500"}"#)).unwrap();
        let mut batch = Batch::default();
        while component.dispatcher.drain(Instant::now(), &mut batch) {}
        component.keep(&batch);
        for (id, stanza) in component.wait_for(501).iter().enumerate() {
            assert!(stanza.contains(&format!("id='{id}'")), "{id}: {stanza}");
        }
        component.stop();
    }

    #[test]
    fn settings_change_for_what_comes_next() {
        let (old, new) = (WebService::start(), WebService::start());
        let mut component = Component::new(old.settings(&[]));
        component.submit(message(), "romeo@a", "1");
        component.submit(message(), "romeo@a", "2");
        let first = old.next();
        component.reload(new.settings(&[]));
        first.accept();
        component.wait_for_outcome();
        let second = new.next();
        assert_eq!(second.id(), "2");
        second.accept();
        component.finish();
        assert!(component.sent.is_empty(), "{:?}", component.sent);
    }
}
