//! What holds whatever happens: services of any kind, reloads, time-outs and stops are played at random.

use std::sync::Weak;

use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::component_http::tests::message;
use crate::stanza::Element;

/// Bytes of each stanza.
const XML: usize = 100;

/// Something that happens to a component.
#[derive(Clone, Debug)]
enum Happening {
    /// A stanza comes.
    Arrival {
        kind: Kind,
        sender: usize,
        recipient: usize,
    },
    /// Workers ask for so many attempts.
    Attempts(usize),
    /// The answer to the attempt at this place among those in flight begins, and comes bit by bit.
    Head(usize),
    /// A bit of it comes.
    Item(usize),
    /// The attempt at this place among those in flight ends.
    End {
        which: usize,
        end: End,
    },
    /// So many milliseconds pass, and the timer goes off if it is due.
    Pause(u64),
    /// So many effects are carried out.
    Effects(usize),
    Reload(Limits),
    Stop,
}

#[derive(Clone, Debug)]
enum End {
    Accepted {
        replies: usize,
    },
    Rejected {
        status: u16,
        retry_after: Option<u64>,
    },
    Broken,
}

impl End {
    fn is_surely_not_processed(&self) -> bool {
        matches!(
            self,
            End::Rejected {
                status: 429 | 503,
                ..
            }
        )
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let retry = (prop_oneof![Just(0), 1..5000_u64], any::<bool>());
    let bounds = (1..6usize, 0..12usize, 0..9000usize);
    (bounds, 1..2000u64, any::<bool>(), retry).prop_map(
        |((concurrency, stanzas, bytes), timeout, ordered, (retry_for, at_least_once))| Limits {
            concurrency,
            queue: Load { stanzas, bytes },
            timeout: Duration::from_millis(timeout),
            ordered,
            retry: RetryPolicy {
                retry_for: Duration::from_millis(retry_for),
                at_least_once,
            },
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let kind = prop_oneof![
        3 => Just(Kind::Message),
        1 => Just(Kind::Presence),
        2 => Just(Kind::Iq),
    ];
    let end = prop_oneof![
        3 => (1..4usize).prop_map(|replies| End::Accepted { replies }),
        2 => (prop_oneof![Just(404), Just(429), Just(500), Just(503)], proptest::option::of(0..3_u64))
            .prop_map(|(status, retry_after)| End::Rejected { status, retry_after }),
        2 => Just(End::Broken),
    ];
    prop_oneof![
        30 => (kind, 0..4usize, 0..2usize).prop_map(|(kind, sender, recipient)| {
            Happening::Arrival { kind, sender, recipient }
        }),
        20 => (1..8usize).prop_map(Happening::Attempts),
        20 => (any::<usize>(), end).prop_map(|(which, end)| Happening::End { which, end }),
        5 => any::<usize>().prop_map(Happening::Head),
        10 => any::<usize>().prop_map(Happening::Item),
        10 => prop_oneof![0..20u64, 200..2000u64].prop_map(Happening::Pause),
        10 => (1..20usize).prop_map(Happening::Effects),
        3 => limits().prop_map(Happening::Reload),
        1 => Just(Happening::Stop),
    ]
}

/// What is known of a stanza from outside.
struct Known {
    stanza: Weak<Stanza>,
    sender: usize,
    /// Its conversation, if it came while that was kept in order.
    lane: Option<(usize, usize)>,
    arrived: Instant,
    deadline: Option<Instant>,
    attempts: u32,
    in_flight: bool,
    /// Whether the service may have processed it.
    perhaps_processed: bool,
    /// Whether its answer comes bit by bit.
    streams: bool,
    /// How many replies came so far, and which of them is sent when it has ended.
    replies: usize,
    concluding: Option<usize>,
    ended: bool,
}

/// What is left unsaid of the answer to a stanza of that number.
#[derive(Debug)]
struct Half(usize);

impl Unfinished for Half {
    fn break_off(&self) -> Option<Element> {
        Some(reply(self.0, usize::MAX))
    }
}

fn reply(number: usize, place: usize) -> Element {
    Element::new("message").with_attr("id", format!("{number}.{place}"))
}

/// The component, and what is known of it from outside.
struct World {
    delivery: Delivery,
    limits: Limits,
    rng: StdRng,
    /// The most generous limits so far: as many as may wait, in flight for one sender, and how long.
    room: usize,
    most_of_one_sender: usize,
    longest: Duration,
    at_least_once: bool,
    /// The least that was guaranteed to one sender so far.
    least_of_one_sender: usize,
    now: Instant,
    stopped: bool,
    /// Whether the component has told that the service is down.
    is_down: bool,
    stanzas: Vec<Known>,
    in_flight: Vec<(usize, ExchangeId)>,
    /// The last reply that was sent in each lane.
    last_sent: BTreeMap<(usize, usize), (usize, usize)>,
    /// Who has had a turn since a sender has something ready, that had none since.
    overtaken_by: BTreeMap<usize, BTreeSet<usize>>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let mut world = World {
            delivery: Delivery::new(limits),
            limits,
            rng: StdRng::seed_from_u64(1),
            room: 0,
            most_of_one_sender: 0,
            longest: Duration::ZERO,
            at_least_once: false,
            least_of_one_sender: usize::MAX,
            now: Instant::now(),
            stopped: false,
            is_down: false,
            stanzas: Vec::new(),
            in_flight: Vec::new(),
            last_sent: BTreeMap::new(),
            overtaken_by: BTreeMap::new(),
        };
        world.set_limits(limits);
        world
    }

    fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        // What is in flight may have to wait again, and what is attempted at once is let in beside it.
        self.room = self.room.max(limits.queue.stanzas + 2 * limits.concurrency);
        self.most_of_one_sender = self.most_of_one_sender.max(limits.share());
        self.least_of_one_sender = self.least_of_one_sender.min(limits.share());
        self.longest = self.longest.max(limits.retry.retry_for);
        self.at_least_once |= limits.retry.at_least_once;
    }

    fn play(&mut self, happening: &Happening) {
        match happening {
            Happening::Arrival {
                kind,
                sender,
                recipient,
            } => self.arrival(*kind, *sender, *recipient),
            Happening::Attempts(count) => {
                for _ in 0..*count {
                    self.attempt();
                }
            }
            Happening::Head(which) => self.head(*which),
            Happening::Item(which) => self.item(*which),
            Happening::End { which, end } => self.end(*which, end),
            Happening::Pause(millis) => {
                self.now += Duration::from_millis(*millis);
                self.timer();
            }
            Happening::Effects(count) => {
                for _ in 0..*count {
                    self.effect();
                }
            }
            Happening::Reload(limits) => {
                self.set_limits(*limits);
                self.is_down = false;
                self.delivery.reconfigure(*limits);
            }
            Happening::Stop => {
                self.stopped = true;
                self.delivery.close();
            }
        }
        self.forget_who_is_not_ready();
        self.check_what_is_kept();
    }

    fn timer(&mut self) {
        let due = self.delivery.poll_timeout(self.now);
        if due.is_some_and(|due| due <= self.now) {
            self.delivery.handle_timeout(self.now);
        }
    }

    fn arrival(&mut self, kind: Kind, sender: usize, recipient: usize) {
        let number = self.stanzas.len();
        let mut stanza = message();
        let envelope = &mut stanza.envelope;
        envelope.kind = kind;
        envelope.type_ = (kind == Kind::Iq).then(|| "get".into());
        envelope.from = format!("{sender}@a/{number}");
        envelope.to = format!("{recipient}@b");
        envelope.id = Some(number.to_string());
        stanza.xml = "x".repeat(XML);
        let stanza = Arc::new(stanza);
        let before = self.waiting();
        let expired = (0..number).filter(|number| self.is_over(*number)).count();
        self.stanzas.push(Known {
            stanza: Arc::downgrade(&stanza),
            sender,
            lane: (self.limits.ordered && kind != Kind::Iq).then_some((sender, recipient)),
            arrived: self.now,
            deadline: (kind == Kind::Iq).then(|| self.now + self.limits.timeout),
            attempts: 0,
            in_flight: false,
            perhaps_processed: false,
            streams: false,
            replies: 0,
            concluding: Some(0),
            ended: false,
        });
        self.delivery.admit(stanza, self.now);
        if self.stanzas[number].stanza.strong_count() == 0 {
            let Load { stanzas, bytes } = self.limits.queue;
            let is_half_full = before > stanzas / 2 || self.delivery.waiting.bytes > bytes / 2;
            let full = before >= stanzas || self.delivery.waiting.bytes + XML > bytes;
            assert!(self.stopped || full || is_half_full, "refused with room");
        } else {
            assert!(!self.stopped && before - expired < self.room);
        }
    }

    fn attempt(&mut self) -> bool {
        let Some(attempt) = self.delivery.poll_attempt(self.now) else {
            let free = !self.stopped && self.in_flight.len() < self.limits.concurrency;
            let ready = (0..self.stanzas.len()).find(|number| self.is_ready(*number));
            assert!(
                !free || self.is_down || self.has_news() || ready.is_none(),
                "{ready:?} could be attempted"
            );
            return false;
        };
        assert!(!self.stopped);
        assert!(self.in_flight.len() < self.limits.concurrency);
        let stanza = attempt.stanza.upgrade().expect("an exchange that lives");
        let number: usize = stanza.envelope.id.as_ref().unwrap().parse().unwrap();
        assert!(self.is_at_the_head(number), "it is not its turn");
        self.take_turn(self.stanzas[number].sender);
        let known = &mut self.stanzas[number];
        known.attempts += 1;
        known.in_flight = true;
        assert_eq!(attempt.number, known.attempts);
        assert!(!known.streams, "POSTed again though it was accepted");
        if known.attempts > 1 {
            assert!(self.now - known.arrived <= self.longest, "too late");
            assert!(
                self.at_least_once || !known.perhaps_processed,
                "POSTed twice"
            );
        }
        let sender = known.sender;
        self.in_flight.push((number, attempt.id));
        assert!(self.in_flight_of(sender) <= self.most_of_one_sender);
        true
    }

    fn head(&mut self, which: usize) {
        let Some((number, id)) = self.nth_in_flight(which) else {
            return;
        };
        let (lives, known) = (self.lives(number), &mut self.stanzas[number]);
        if std::mem::replace(&mut known.streams, true) {
            return;
        }
        known.concluding = None;
        if lives {
            known.deadline = None;
        }
        let unfinished = Arc::new(Half(number));
        let (report, now) = (Report::default(), self.now);
        self.delivery
            .handle_head(id, unfinished, report, now, &mut self.rng);
    }

    fn item(&mut self, which: usize) {
        let Some((number, id)) = self.nth_in_flight(which) else {
            return;
        };
        let known = &mut self.stanzas[number];
        if known.streams {
            self.delivery.handle_item(id, reply(number, known.replies));
            known.replies += 1;
        }
    }

    fn nth_in_flight(&self, which: usize) -> Option<(usize, ExchangeId)> {
        let place = which.checked_rem(self.in_flight.len())?;
        Some(self.in_flight[place])
    }

    fn end(&mut self, which: usize, end: &End) {
        if self.in_flight.is_empty() {
            return;
        }
        let (number, id) = self.in_flight.remove(which % self.in_flight.len());
        let known = &mut self.stanzas[number];
        known.in_flight = false;
        known.perhaps_processed |= !end.is_surely_not_processed();
        let end = match end {
            End::Accepted { replies } => {
                known.concluding = Some(known.replies);
                let places = known.replies..known.replies + replies;
                Ok(places.map(|place| reply(number, place)).collect())
            }
            End::Rejected {
                status,
                retry_after,
            } => Err(AttemptFailure::Rejected {
                status: *status,
                retry_after: retry_after.map(Duration::from_secs),
            }),
            End::Broken => Err(AttemptFailure::Unanswered(NoAnswer::TimedOut)),
        };
        if known.streams {
            return self.delivery.handle_stream_end(id, end, number.to_string());
        }
        let report = Report::default();
        self.delivery
            .handle_end(id, end, report, self.now, &mut self.rng);
    }

    fn effect(&mut self) -> bool {
        match self.delivery.poll_effect() {
            None => return false,
            Some(Effect::Send(element)) => self.sent(&element),
            Some(Effect::Tell(Event::Failed { envelope, failure })) => {
                let number: usize = envelope.id.unwrap().parse().unwrap();
                if failure == Failure::Expired {
                    assert!(self.stanzas[number].deadline.unwrap() <= self.now);
                }
                self.conclude(number);
            }
            Some(Effect::Tell(Event::WentDown { .. })) => self.is_down = true,
            Some(Effect::Tell(Event::CameBack { .. })) => self.is_down = false,
            Some(Effect::Tell(Event::Attempted(_) | Event::Accepted | Event::StreamEnded(_))) => {}
            Some(Effect::Tell(Event::BrokenOff { envelope, .. })) => {
                self.conclude(envelope.id.unwrap().parse().unwrap());
            }
        }
        true
    }

    /// A reply of the service, what stands for the rest of it, or an error.
    fn sent(&mut self, element: &Element) {
        let id = element.attr("id").unwrap();
        let Some((number, reply)) = id.split_once('.') else {
            assert_eq!(element.attr("type"), Some("error"));
            return;
        };
        let place: (usize, usize) = (number.parse().unwrap(), reply.parse().unwrap());
        if self.stanzas[place.0].concluding == Some(place.1) {
            self.conclude(place.0);
        }
        if let Some(lane) = self.stanzas[place.0].lane {
            let before = self.last_sent.insert(lane, place);
            assert!(before < Some(place), "{place:?} after {before:?}");
        }
    }

    fn conclude(&mut self, number: usize) {
        let known = &mut self.stanzas[number];
        assert!(!known.ended, "{number} has ended twice");
        assert_eq!(known.stanza.strong_count(), 0, "{number} is kept");
        known.ended = true;
    }

    /// Whether there is something that has not been told.
    fn has_news(&self) -> bool {
        !self.delivery.effects.is_empty() || !self.delivery.late.is_empty()
    }

    fn lives(&self, number: usize) -> bool {
        self.stanzas[number].stanza.strong_count() > 0
    }

    /// How many have been admitted and wait.
    fn waiting(&self) -> usize {
        let all = 0..self.stanzas.len();
        all.filter(|number| self.lives(*number) && !self.stanzas[*number].in_flight)
            .count()
    }

    fn in_flight_of(&self, sender: usize) -> usize {
        let of_it = |(number, _): &&(usize, _)| self.stanzas[*number].sender == sender;
        self.in_flight.iter().filter(of_it).count()
    }

    /// Whether an exchange waits, and only has to be told that its time is over.
    fn is_over(&self, number: usize) -> bool {
        let known = &self.stanzas[number];
        let over = known.deadline.is_some_and(|deadline| deadline <= self.now);
        over && !known.in_flight && self.lives(number)
    }

    /// Whether an exchange waits, but for no other one of its conversation.
    fn is_at_the_head(&self, number: usize) -> bool {
        let known = &self.stanzas[number];
        let is_before =
            |one: usize| self.lives(one) && self.stanzas[one].lane == self.stanzas[number].lane;
        self.lives(number)
            && !known.in_flight
            && known.deadline.is_none_or(|deadline| deadline > self.now)
            && (known.lane.is_none() || !(0..number).any(is_before))
    }

    /// Whether the turn of an exchange has come too late, which only has to be told.
    fn is_late(&self, number: usize) -> bool {
        let late = self.delivery.late.iter();
        late.filter_map(|id| self.delivery.exchanges.get(id))
            .any(|exchange| exchange.stanza.envelope.id == Some(number.to_string()))
    }

    /// Whether an exchange waits for nothing but a place in flight, as far as that can be seen: who knows
    /// how long one that has been attempted is left alone.
    fn is_ready(&self, number: usize) -> bool {
        self.stanzas[number].attempts == 0
            && !self.is_late(number)
            && self.is_at_the_head(number)
            && self.in_flight_of(self.stanzas[number].sender) < self.least_of_one_sender
    }

    fn is_sender_ready(&self, sender: usize) -> bool {
        let mut numbers = 0..self.stanzas.len();
        numbers.any(|number| self.stanzas[number].sender == sender && self.is_ready(number))
    }

    fn take_turn(&mut self, sender: usize) {
        self.overtaken_by.remove(&sender);
        for other in (0..4).filter(|other| *other != sender) {
            if self.is_sender_ready(other) {
                let fresh = self.overtaken_by.entry(other).or_default().insert(sender);
                assert!(fresh, "{other} waits for a second turn of {sender}");
            }
        }
    }

    fn forget_who_is_not_ready(&mut self) {
        let senders: Vec<usize> = self.overtaken_by.keys().copied().collect();
        for sender in senders {
            if !self.is_sender_ready(sender) {
                self.overtaken_by.remove(&sender);
            }
        }
    }

    /// What ended leaves nothing, wherever it was.
    fn check_what_is_kept(&self) {
        let exchanges = (0..self.stanzas.len())
            .filter(|one| self.lives(*one))
            .count();
        let delivery = &self.delivery;
        let waiting = self.waiting();
        assert_eq!(delivery.exchanges.len(), exchanges);
        assert_eq!(delivery.waiting.stanzas, waiting);
        assert_eq!(delivery.waiting.bytes, waiting * XML);
        assert_eq!(delivery.in_flight(), self.in_flight.len());
        assert!(delivery.deadlines.len() <= exchanges);
        assert!(delivery.senders.ready() + delivery.backoffs.len() <= waiting);
        assert!(delivery.lanes.len() <= exchanges);
    }

    /// The service accepts everything from now on, and nobody interferes: everything ends by itself.
    fn settle(&mut self) {
        while !self.stopped {
            while self.attempt() {}
            let accepted = !self.in_flight.is_empty();
            while !self.in_flight.is_empty() {
                self.end(0, &End::Accepted { replies: 1 });
            }
            let told = self.effect();
            while self.effect() {}
            if accepted || told {
                continue;
            }
            let Some(due) = self.delivery.poll_timeout(self.now) else {
                break;
            };
            self.now = self.now.max(due);
            self.timer();
        }
    }

    fn finish(&mut self) {
        self.settle();
        assert!(
            self.stopped || self.delivery.is_empty(),
            "something is stuck"
        );
        self.play(&Happening::Stop);
        while self.effect() {}
        while !self.in_flight.is_empty() {
            self.end(0, &End::Accepted { replies: 1 });
        }
        assert!(!self.effect(), "something came after the end");
        self.check_what_is_kept();
        let ended = self.stanzas.iter().all(|known| known.ended);
        assert!(ended, "an exchange has not ended");
        let delivery = &self.delivery;
        assert!(delivery.deadlines.is_empty() && delivery.backoffs.is_empty());
        assert!(delivery.senders.is_empty() && delivery.late.is_empty());
        assert_eq!(delivery.lanes.len(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn each_exchange_ends_once_in_order_in_turn_and_within_bounds(
        limits in limits(),
        happenings in vec(happening(), 0..150),
    ) {
        let mut world = World::new(limits);
        for happening in &happenings {
            world.play(happening);
        }
        world.finish();
    }
}
