//! What holds whatever happens: services of any kind, reloads, time-outs and stops are played at random.

use std::sync::Weak;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::component_http::tests::message;
use crate::stanza::Element;

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
    Accepted { replies: usize },
    Rejected,
    Broken,
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..6usize, 0..12usize, 1..50u64, any::<bool>()).prop_map(
        |(concurrency, queue_size, timeout, ordered)| Limits {
            concurrency,
            queue_size,
            timeout: Duration::from_millis(timeout),
            ordered,
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
        1 => Just(End::Rejected),
        1 => Just(End::Broken),
    ];
    prop_oneof![
        30 => (kind, 0..4usize, 0..2usize).prop_map(|(kind, sender, recipient)| {
            Happening::Arrival { kind, sender, recipient }
        }),
        20 => (1..8usize).prop_map(Happening::Attempts),
        20 => (any::<usize>(), end).prop_map(|(which, end)| Happening::End { which, end }),
        10 => (0..20u64).prop_map(Happening::Pause),
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
    deadline: Option<Instant>,
    attempted: bool,
    ended: bool,
}

/// The component, and what is known of it from outside.
struct World {
    delivery: Delivery,
    limits: Limits,
    /// As many as may have been admitted by the most generous limits so far and wait.
    room: usize,
    now: Instant,
    stopped: bool,
    stanzas: Vec<Known>,
    in_flight: Vec<(usize, ExchangeId)>,
    /// The last reply that was sent in each lane.
    last_sent: BTreeMap<(usize, usize), (usize, usize)>,
    /// Who has had a turn since a sender has something ready, that had none since.
    overtaken_by: BTreeMap<usize, BTreeSet<usize>>,
}

impl World {
    fn new(limits: Limits) -> Self {
        World {
            delivery: Delivery::new(limits),
            limits,
            room: limits.queue_size + limits.concurrency,
            now: Instant::now(),
            stopped: false,
            stanzas: Vec::new(),
            in_flight: Vec::new(),
            last_sent: BTreeMap::new(),
            overtaken_by: BTreeMap::new(),
        }
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
            Happening::End { which, end } => self.end(*which, end),
            Happening::Pause(millis) => {
                self.now += Duration::from_millis(*millis);
                if self
                    .delivery
                    .poll_timeout()
                    .is_some_and(|due| due <= self.now)
                {
                    self.delivery.handle_timeout(self.now);
                }
            }
            Happening::Effects(count) => {
                for _ in 0..*count {
                    self.effect();
                }
            }
            Happening::Reload(limits) => {
                self.limits = *limits;
                self.room = self.room.max(limits.queue_size + limits.concurrency);
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

    fn arrival(&mut self, kind: Kind, sender: usize, recipient: usize) {
        let number = self.stanzas.len();
        let mut stanza = message();
        let envelope = &mut stanza.envelope;
        envelope.kind = kind;
        envelope.type_ = (kind == Kind::Iq).then(|| "get".into());
        envelope.from = format!("{sender}@a/{number}");
        envelope.to = format!("{recipient}@b");
        envelope.id = Some(number.to_string());
        let stanza = Arc::new(stanza);
        let before = self.waiting();
        let expired = (0..number).filter(|number| self.is_over(*number)).count();
        self.stanzas.push(Known {
            stanza: Arc::downgrade(&stanza),
            sender,
            lane: (self.limits.ordered && kind != Kind::Iq).then_some((sender, recipient)),
            deadline: (kind == Kind::Iq).then(|| self.now + self.limits.timeout),
            attempted: false,
            ended: false,
        });
        self.delivery.admit(stanza, self.now);
        if self.stanzas[number].stanza.strong_count() == 0 {
            let full = before >= self.limits.queue_size;
            assert!(self.stopped || full, "refused with room");
        } else {
            assert!(!self.stopped && before - expired < self.room);
        }
    }

    fn attempt(&mut self) {
        let Some(attempt) = self.delivery.poll_attempt(self.now) else {
            let free = !self.stopped && self.in_flight.len() < self.limits.concurrency;
            let ready = (0..self.stanzas.len()).find(|number| self.is_ready(*number));
            assert!(!free || ready.is_none(), "{ready:?} could be attempted");
            return;
        };
        assert!(!self.stopped);
        assert!(self.in_flight.len() < self.limits.concurrency);
        let stanza = attempt.stanza.upgrade().expect("an exchange that lives");
        let number: usize = stanza.envelope.id.as_ref().unwrap().parse().unwrap();
        assert!(self.is_ready(number), "it is not its turn");
        self.take_turn(self.stanzas[number].sender);
        self.stanzas[number].attempted = true;
        self.in_flight.push((number, attempt.id));
    }

    fn end(&mut self, which: usize, end: &End) {
        if self.in_flight.is_empty() {
            return;
        }
        let (number, id) = self.in_flight.remove(which % self.in_flight.len());
        let end = match end {
            End::Accepted { replies } => Ok((0..*replies)
                .map(|reply| Element::new("message").with_attr("id", format!("{number}.{reply}")))
                .collect()),
            End::Rejected => Err(AttemptFailure::Rejected { status: 500 }),
            End::Broken => Err(AttemptFailure::Unanswered(NoAnswer::TimedOut)),
        };
        self.delivery.handle_end(id, end, Report::default());
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
            Some(Effect::Tell(Event::Attempted(_) | Event::Accepted)) => {}
        }
        true
    }

    /// A reply of the service, or an error.
    fn sent(&mut self, element: &Element) {
        let id = element.attr("id").unwrap();
        let Some((number, reply)) = id.split_once('.') else {
            assert_eq!(element.attr("type"), Some("error"));
            return;
        };
        let place: (usize, usize) = (number.parse().unwrap(), reply.parse().unwrap());
        if place.1 == 0 {
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

    /// How many have been admitted and wait.
    fn waiting(&self) -> usize {
        let waits = |known: &&Known| !known.attempted && known.stanza.strong_count() > 0;
        self.stanzas.iter().filter(waits).count()
    }

    /// Whether an exchange waits, and only has to be told that its time is over.
    fn is_over(&self, number: usize) -> bool {
        let known = &self.stanzas[number];
        let over = known.deadline.is_some_and(|deadline| deadline <= self.now);
        over && !known.attempted && known.stanza.strong_count() > 0
    }

    /// Whether an exchange waits for nothing but a place in flight.
    fn is_ready(&self, number: usize) -> bool {
        let known = &self.stanzas[number];
        let lives = |known: &Known| known.stanza.strong_count() > 0;
        let before = self.stanzas[..number].iter();
        lives(known)
            && !known.attempted
            && known.deadline.is_none_or(|deadline| deadline > self.now)
            && (known.lane.is_none()
                || !before
                    .clone()
                    .any(|one| lives(one) && one.lane == known.lane))
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
        let alive = self
            .stanzas
            .iter()
            .filter(|known| known.stanza.strong_count() > 0);
        let exchanges = alive.count();
        assert_eq!(self.delivery.exchanges.len(), exchanges);
        assert_eq!(self.delivery.waiting, self.waiting());
        assert_eq!(self.delivery.in_flight(), self.in_flight.len());
        assert!(self.delivery.deadlines.len() <= exchanges);
        assert!(self.delivery.ready.len() <= self.delivery.waiting);
        assert!(self.delivery.lanes.len() <= exchanges);
    }

    fn finish(&mut self) {
        self.play(&Happening::Stop);
        while self.effect() {}
        while !self.in_flight.is_empty() {
            self.end(0, &End::Accepted { replies: 1 });
        }
        assert!(!self.effect(), "something came after the end");
        self.check_what_is_kept();
        let ended = self.stanzas.iter().all(|known| known.ended);
        assert!(ended, "an exchange has not ended");
        assert!(self.delivery.deadlines.is_empty());
        assert_eq!(
            (self.delivery.ready.len(), self.delivery.lanes.len()),
            (0, 0)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(500)
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
