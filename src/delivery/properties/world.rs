//! A component with all that is known of it from outside.

use std::sync::Weak;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::*;
use super::{End, Happening, URLS};
use crate::component_http::tests::message;
use crate::stanza::Element;

/// Bytes of each stanza.
const XML: usize = 100;

/// What is known of a stanza from outside.
struct Known {
    stanza: Weak<Stanza>,
    id: ExchangeId,
    sender: usize,
    recipient: usize,
    /// Its conversation, if it came while that was kept in order.
    lane: Option<(usize, usize)>,
    arrived: Instant,
    deadline: Option<Instant>,
    attempts: u32,
    in_flight: bool,
    /// Whether a service may have processed it.
    perhaps_processed: bool,
    /// Whether its answer comes bit by bit.
    streams: bool,
    /// How many replies came so far, and which of them is sent when it has ended.
    replies: usize,
    concluding: Option<usize>,
    /// Whether an admin has dropped it.
    dropped: bool,
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
pub(super) struct World {
    delivery: Delivery,
    limits: Limits,
    plan: Plan,
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
    /// Which backends have been down since the last reload.
    have_been_down: BTreeSet<BackendId>,
    /// The conversations that had something in flight at a reload, or an attempt that failed.
    may_be_away: BTreeSet<(usize, usize)>,
    stanzas: Vec<Known>,
    in_flight: Vec<InFlight>,
    /// The last reply that was sent in each lane.
    last_sent: BTreeMap<(usize, usize), (usize, usize)>,
    /// Who has had a turn at a backend since a sender has something ready there, that had none since.
    overtaken_by: BTreeMap<(BackendId, usize), BTreeSet<usize>>,
}

struct InFlight {
    number: usize,
    id: ExchangeId,
    at: BackendId,
    /// Whether it has begun before the last reload.
    is_older: bool,
}

impl World {
    pub(super) fn new(limits: Limits, plan: Plan) -> Self {
        let mut world = World {
            delivery: Delivery::new(limits, &plan),
            limits,
            plan,
            rng: StdRng::seed_from_u64(1),
            room: 0,
            most_of_one_sender: 0,
            longest: Duration::ZERO,
            at_least_once: false,
            least_of_one_sender: usize::MAX,
            now: Instant::now(),
            stopped: false,
            have_been_down: BTreeSet::new(),
            may_be_away: BTreeSet::new(),
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
        self.room = self
            .room
            .max(limits.queue.stanzas + 2 * URLS * limits.concurrency);
        self.most_of_one_sender = self.most_of_one_sender.max(limits.share());
        self.least_of_one_sender = self.least_of_one_sender.min(limits.share());
        self.longest = self.longest.max(limits.retry.retry_for);
        self.at_least_once |= limits.retry.at_least_once;
    }

    pub(super) fn play(&mut self, happening: &Happening) {
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
            Happening::Reload(limits, plan) => {
                self.set_limits(*limits);
                self.plan = plan.clone();
                self.have_been_down.clear();
                self.overtaken_by.clear();
                for attempt in &mut self.in_flight {
                    attempt.is_older = true;
                    let known = &self.stanzas[attempt.number];
                    self.may_be_away.insert((known.sender, known.recipient));
                }
                self.delivery.reconfigure(*limits, plan);
            }
            Happening::Retry => {
                assert_eq!(self.delivery.retry_now(self.now), self.waiting());
            }
            Happening::Drop(sender) => self.drop_from(*sender),
            Happening::Stop => {
                self.stopped = true;
                self.delivery.close();
            }
        }
        self.see_who_is_down();
        self.forget_who_is_not_ready();
        self.check_what_is_kept();
    }

    fn see_who_is_down(&mut self) {
        let backends = self.delivery.backends.iter();
        let down = backends.filter(|(_, backend)| backend.breaker.is_open());
        self.have_been_down.extend(down.map(|(id, _)| id));
    }

    fn drop_from(&mut self, sender: usize) {
        let of_it = |number: &usize| self.stanzas[*number].sender == sender && self.lives(*number);
        let dropped: Vec<usize> = (0..self.stanzas.len()).filter(of_it).collect();
        let count = self.delivery.drop_from(&format!("{sender}@a"));
        assert_eq!(count, dropped.len());
        for number in dropped {
            self.stanzas[number].dropped = true;
        }
    }

    fn timer(&mut self) {
        let due = self.delivery.poll_timeout(self.now);
        if due.is_some_and(|due| due <= self.now) {
            // Whoever moves is the last in its round again.
            if self.delivery.moving.is_some() {
                self.overtaken_by.clear();
            }
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
        stanza.xml = "x".repeat(XML).into();
        let stanza = Arc::new(stanza);
        let before = self.waiting();
        let expired = (0..number).filter(|number| self.is_over(*number)).count();
        self.stanzas.push(Known {
            stanza: Arc::downgrade(&stanza),
            id: self.delivery.last_id + 1,
            sender,
            recipient,
            lane: (self.limits.ordered && kind != Kind::Iq).then_some((sender, recipient)),
            arrived: self.now,
            deadline: (kind == Kind::Iq).then(|| self.now + self.limits.timeout),
            attempts: 0,
            in_flight: false,
            perhaps_processed: false,
            streams: false,
            replies: 0,
            concluding: Some(0),
            dropped: false,
            ended: false,
        });
        self.delivery.admit(stanza, self.now);
        if self.stanzas[number].stanza.strong_count() == 0 {
            let Load { stanzas, bytes } = self.limits.queue;
            let is_half_full = before > stanzas / 2 || self.delivery.waiting.bytes > bytes / 2;
            let full = before >= stanzas || self.delivery.waiting.bytes + XML > bytes;
            let is_for_nobody = self.urls(number).is_empty();
            assert!(
                self.stopped || full || is_half_full || is_for_nobody,
                "refused with room"
            );
        } else {
            assert!(!self.stopped && before - expired < self.room);
        }
    }

    fn attempt(&mut self) -> bool {
        let Some(attempt) = self.delivery.poll_attempt(self.now) else {
            let idle = self.stopped || self.delivery.is_rerouting || self.has_news();
            let mut numbers = 0..self.stanzas.len();
            let ready = numbers.find(|number| self.could_be_attempted(*number));
            assert!(idle || ready.is_none(), "{ready:?} could be attempted");
            return false;
        };
        assert!(!self.stopped);
        // Some may have gone elsewhere.
        self.forget_who_is_not_ready();
        let at = attempt.backend;
        assert!(self.in_flight_at(at) < self.limits.concurrency);
        let stanza = attempt.stanza.upgrade().expect("an exchange that lives");
        let number: usize = stanza.envelope.id.as_ref().unwrap().parse().unwrap();
        assert!(self.is_at_the_head(number), "it is not its turn");
        assert!(!self.stanzas[number].dropped, "it was dropped");
        self.check_where(number, at);
        self.take_turn(self.stanzas[number].sender, at);
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
        self.in_flight.push(InFlight {
            number,
            id: attempt.id,
            at,
            is_older: false,
        });
        assert!(self.in_flight_of(sender, at) <= self.most_of_one_sender);
        true
    }

    /// The places of the URLs for a stanza.
    fn urls(&self, number: usize) -> &[usize] {
        let localpart = self.stanzas[number].recipient.to_string();
        let routed = self.plan.by_localpart.get(&*localpart);
        routed.unwrap_or(&self.plan.default)
    }

    /// Whether an attempt is made where it belongs: at a URL of its route, where the rest of its conversation is,
    /// and if nothing has ever been down, where the conversation has its home.
    fn check_where(&self, number: usize, at: BackendId) {
        let urls = self.urls(number);
        let ids: Vec<_> = urls
            .iter()
            .map(|url| self.delivery.backends()[*url])
            .collect();
        assert!(ids.contains(&at), "it is not for this URL");
        let known = &self.stanzas[number];
        let conversation = (known.sender, known.recipient);
        let others = self.in_flight.iter().filter(|other| {
            let other = &self.stanzas[other.number];
            (other.sender, other.recipient) == conversation
        });
        let is_up = |id: BackendId| !self.delivery.backends[id].breaker.is_open();
        for other in others.filter(|other| !other.is_older) {
            let in_lanes = known.lane.is_some() && self.stanzas[other.number].lane == known.lane;
            // Nobody waits for the attempt of one that was dropped.
            let is_ended = !self.lives(other.number);
            assert!(!in_lanes || is_ended, "two of one lane at once");
            assert!(
                other.at == at || !is_up(other.at),
                "a conversation is at two URLs"
            );
        }
        let undisturbed = ids.iter().all(|id| !self.have_been_down.contains(id));
        let stays = self.may_be_away.contains(&conversation);
        if undisturbed && known.attempts == 0 && !stays {
            let group = self.delivery.routes.of(Some(&known.recipient.to_string()));
            let mut envelope = message().envelope;
            envelope.from = format!("{}@a", known.sender);
            envelope.to = format!("{}@b", known.recipient);
            let conversation = Conversation::of(&envelope);
            let home = group.unwrap().choose(&conversation, None, |_| true);
            assert_eq!(home, Some(at), "it is not at home");
        }
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
        let InFlight { number, id, .. } = self.in_flight[place];
        Some((number, id))
    }

    fn end(&mut self, which: usize, end: &End) {
        if self.in_flight.is_empty() {
            return;
        }
        let InFlight { number, id, .. } = self.in_flight.remove(which % self.in_flight.len());
        let known = &mut self.stanzas[number];
        known.in_flight = false;
        known.perhaps_processed |= !end.is_surely_not_processed();
        if !matches!(end, End::Accepted { .. }) {
            self.may_be_away.insert((known.sender, known.recipient));
        }
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
            Some(Effect::Tell(Event::Failed {
                envelope, failure, ..
            })) => {
                let number: usize = envelope.id.unwrap().parse().unwrap();
                if failure == Failure::Expired {
                    assert!(self.stanzas[number].deadline.unwrap() <= self.now);
                }
                assert!(failure != Failure::Dropped || self.stanzas[number].dropped);
                self.conclude(number);
            }
            Some(Effect::Tell(Event::BrokenOff { envelope, .. })) => {
                self.conclude(envelope.id.unwrap().parse().unwrap());
            }
            Some(Effect::Tell(_)) => {}
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
        let delivery = &self.delivery;
        !(delivery.effects.is_empty() && delivery.late.is_empty() && delivery.removals.is_empty())
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

    fn in_flight_at(&self, at: BackendId) -> usize {
        self.in_flight.iter().filter(|one| one.at == at).count()
    }

    fn in_flight_of(&self, sender: usize, at: BackendId) -> usize {
        let of_it = |one: &&InFlight| one.at == at && self.stanzas[one.number].sender == sender;
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

    fn exchange(&self, number: usize) -> Option<&Exchange> {
        let exchange = self.delivery.exchanges.get(&self.stanzas[number].id);
        exchange.map(|exchange| &**exchange)
    }

    /// At which backend an exchange waits for nothing but a place in flight, as far as that can be seen: who
    /// knows how long one that has been attempted is left alone, and whose turn comes too late only has to be
    /// told.
    fn is_ready_at(&self, number: usize) -> Option<BackendId> {
        let exchange = self.exchange(number)?;
        let known = &self.stanzas[number];
        if known.attempts > 0 || known.dropped || !self.is_at_the_head(number) {
            return None;
        }
        let (at, sender) = (exchange.backend, self.stanzas[number].sender);
        let is_told = matches!(exchange.state, State::Late | State::Nowhere);
        (!is_told && self.in_flight_of(sender, at) < self.least_of_one_sender).then_some(at)
    }

    fn could_be_attempted(&self, number: usize) -> bool {
        self.is_ready_at(number).is_some_and(|at| {
            let is_up = !self.delivery.backends[at].breaker.is_open();
            is_up && self.in_flight_at(at) < self.limits.concurrency
        })
    }

    fn is_sender_ready(&self, sender: usize, at: BackendId) -> bool {
        let mut numbers = 0..self.stanzas.len();
        numbers.any(|number| {
            self.stanzas[number].sender == sender && self.is_ready_at(number) == Some(at)
        })
    }

    fn take_turn(&mut self, sender: usize, at: BackendId) {
        self.overtaken_by.remove(&(at, sender));
        for other in (0..4).filter(|other| *other != sender) {
            if self.is_sender_ready(other, at) {
                let overtaken_by = self.overtaken_by.entry((at, other)).or_default();
                let fresh = overtaken_by.insert(sender);
                assert!(fresh, "{other} waits for a second turn of {sender}");
            }
        }
    }

    fn forget_who_is_not_ready(&mut self) {
        let waiting: Vec<_> = self.overtaken_by.keys().copied().collect();
        for (at, sender) in waiting {
            if !self.is_sender_ready(sender, at) {
                self.overtaken_by.remove(&(at, sender));
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
        assert_eq!(
            delivery
                .backends
                .iter()
                .map(|(_, one)| one.in_flight)
                .sum::<usize>(),
            self.in_flight.len()
        );
        assert!(delivery.deadlines.len() <= exchanges);
        assert!(
            delivery
                .backends
                .iter()
                .map(|(_, one)| one.senders.ready())
                .sum::<usize>()
                + delivery.backoffs.len()
                <= waiting
        );
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
            // A call that finds nothing to tell may have looked at a part only.
            let mut told = self.effect();
            while self.effect() {
                told = true;
            }
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

    pub(super) fn finish(&mut self) {
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
        assert!(
            delivery
                .backends
                .iter()
                .all(|(_, one)| one.senders.keep_nothing())
                && delivery.late.is_empty()
        );
        assert_eq!(delivery.lanes.len(), 0);
        assert!(delivery.whereabouts.is_empty());
    }
}
