//! One account's clients serve as a component.
//!
//! A request to any JID at the component's host goes on to one of the available resources of the target,
//! with an address at the host in place of the requester's, and the answer goes the same way back:
//!
//! ```text
//! 1  requester         -> addressed JID     get   id 1
//! 2  host/ENCODED      -> target/resource   get   id 1
//! 3  target/resource   -> host/ENCODED      result id 1
//! 4  addressed JID     -> requester         result id 1
//! ```
//!
//! The stanza itself stays with the caller: [`Proxy`] only says with which addresses it is sent on.
//! [`translation`] makes ENCODED, [`translations`] keeps it at hand, [`resources`] and [`choice`] find the resource, [`pending`] knows what
//! is between steps 2 and 3, and [`subscription`] sees to it that the resources are known. Every request
//! ends in exactly one answer: its own or one error. A get that gets none for a while goes to another
//! resource too. The target may ask a requester in turn, by the address that it knows; [`requesters`]
//! remembers whom.
//!
//! Messages go the same way, if they are carried: [`message`]. They need no pending state, since the address
//! of a requester proves by itself whom it stands for; [`conversations`] keep them with one resource. Presence,
//! if it is [`shown`], is told to [`subscribers`] by one [`announcement`] after the other.

mod announcement;
pub(crate) mod availability;
mod choice;
mod conversations;
mod counts;
mod generations;
mod iq;
mod message;
#[cfg(test)]
mod one_answer;
pub(crate) mod pending;
mod presence;
mod request;
mod requesters;
pub(crate) mod resources;
mod retry;
mod reverse;
pub(crate) mod settings;
mod shown;
mod sight;
pub(crate) mod status;
mod subscribers;
mod subscription;
#[cfg(test)]
mod testing;
pub mod translation;
mod translations;
mod unanswered;
mod unreachable;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use crate::notes::{Complaints, Level, Note};
use crate::stanza::{Condition, Element, Envelope, ErrorType, StanzaError};
use announcement::Announcement;
use choice::{Circumstances, choose};
use conversations::Conversations;
use counts::Counts;
pub(crate) use iq::Verdict;
pub(crate) use message::{Message, MessageVerdict};
use pending::{Addresses, Bounds, Pending};
pub(crate) use request::Held;
use request::{Asked, Attempt, Request};
use requesters::Requesters;
use resources::Resources;
use settings::Settings;
use shown::{NotFound, Waiting};
use subscribers::Subscribers;
use subscription::Subscription;
use translation::{KEY_LEN, Tag};
use translations::{Translated, Translations};
pub(crate) use unreachable::{Origin, Unreachable};

/// How many requests are seen to at a time, for which something is due.
const MAX_DUE: usize = 500;

/// How many requests are answered at a time that nobody waits for any more.
const MAX_ABANDONED: usize = 100;

const SERVICE_UNAVAILABLE: StanzaError =
    StanzaError::new(ErrorType::Cancel, Condition::ServiceUnavailable);
const RESOURCE_CONSTRAINT: StanzaError =
    StanzaError::new(ErrorType::Wait, Condition::ResourceConstraint);
const REMOTE_SERVER_TIMEOUT: StanzaError =
    StanzaError::new(ErrorType::Wait, Condition::RemoteServerTimeout);
const ITEM_NOT_FOUND: StanzaError = StanzaError::new(ErrorType::Cancel, Condition::ItemNotFound);
const FEATURE_NOT_IMPLEMENTED: StanzaError =
    StanzaError::new(ErrorType::Cancel, Condition::FeatureNotImplemented);
const INTERNAL_SERVER_ERROR: StanzaError =
    StanzaError::new(ErrorType::Cancel, Condition::InternalServerError);

/// What the proxy wants done, beside sending on what it has just received.
#[derive(Debug)]
pub(crate) enum Effect<S> {
    /// Send a stanza of the proxy's own.
    Send(Element),
    /// Send a request that was received earlier, with these addresses.
    SendAgain(S, Addresses),
    /// Write a line to the log.
    Log(Note),
    /// Read a part of the subscribers, for [`Proxy::subscribers_read`].
    ReadSubscribers(u8),
    /// Write a part of the subscribers: who has subscribed to what.
    StoreSubscribers(u8, Vec<(String, String)>),
}

/// The state of one component. `S` is how the caller holds a stanza that may have to be sent again.
pub(crate) struct Proxy<S> {
    settings: Settings,
    translations: Translations,
    subscription: Subscription,
    resources: Resources,
    requesters: Requesters,
    conversations: Conversations,
    subscribers: Subscribers,
    announcement: Announcement,
    not_found: HashMap<Box<str>, NotFound>,
    waiting: Vec<Waiting>,
    complaints: Complaints,
    pending: Pending<S>,
    abandoned: Vec<Pending<S>>,
    bounds: Bounds,
    last_chosen: Option<Rc<str>>,
    counts: Counts,
    /// Those that were told of.
    told: Counts,
    has_ended: bool,
    effects: VecDeque<Effect<S>>,
}

impl<S: Clone> Proxy<S> {
    /// A proxy that knows nothing of its target yet.
    pub fn new(settings: Settings, key: &[u8; KEY_LEN], now: Instant) -> Self {
        Proxy {
            translations: Translations::new(&settings.host, key),
            settings,
            subscription: Subscription::new(now),
            resources: Resources::default(),
            requesters: Requesters::default(),
            conversations: Conversations::default(),
            subscribers: Subscribers::default(),
            announcement: Announcement::default(),
            not_found: HashMap::new(),
            waiting: Vec::new(),
            complaints: Complaints::default(),
            pending: Pending::default(),
            abandoned: Vec::new(),
            bounds: Bounds::default(),
            last_chosen: None,
            counts: Counts::default(),
            told: Counts::default(),
            has_ended: false,
            effects: VecDeque::new(),
        }
    }

    /// Takes over new settings. All that is outstanding stays, unless the target is another one now.
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) {
        if settings.target != self.settings.target {
            self.abandon();
            self.send_presence("unsubscribe");
            self.resources.clear();
            self.subscription = Subscription::new(now);
        }
        self.settings = settings;
    }

    /// Does what is due, or a part of it if that is much.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl Rng) {
        if self.has_ended {
            return;
        }
        self.keep_subscribed(now, rng);
        self.keep_announced(now);
        self.answer_abandoned();
        for _ in 0..MAX_DUE {
            let Some(request) = self.pending.take_due(now) else {
                break;
            };
            self.see_to(request, now, rng);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and effects to be polled.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.effects.is_empty() || !self.abandoned.is_empty() {
            return Some(now);
        }
        if self.has_ended {
            return None;
        }
        [self.pending.next_due(), self.announcement_due(now)]
            .into_iter()
            .flatten()
            .chain([self.subscription.due()])
            .min()
    }

    /// The next thing to do, in the order in which it came up.
    pub fn poll_effect(&mut self) -> Option<Effect<S>> {
        self.effects.pop_front()
    }

    fn refuse(&mut self, envelope: &Envelope, error: &StanzaError) {
        if envelope.is_answerable() {
            let reply = envelope.reply(Some("error")).with_child(error.to_element());
            self.effects.push_back(Effect::Send(reply));
        }
    }

    /// Tells an admin of trouble with something, once a minute.
    fn complain(&mut self, about: &str, trouble: impl Into<String>, now: Instant) {
        let note = self
            .complaints
            .note(Level::Warn, about, trouble.into(), now);
        self.log(note);
    }

    fn log(&mut self, note: Note) {
        self.effects.push_back(Effect::Log(note));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::choice::Strategy;
    use super::testing::*;
    use super::*;
    use crate::observe::Value;

    #[test]
    fn messages_are_refused_but_for_errors() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        for type_ in [
            None,
            Some("chat"),
            Some("normal"),
            Some("headline"),
            Some("groupchat"),
        ] {
            fixture.message(ROMEO, type_);
            assert!(fixture.done()[0].contains("<feature-not-implemented "));
        }
        fixture.message(ROMEO, Some("error"));
        assert!(fixture.done().is_empty());
    }

    #[test]
    fn what_is_outstanding_outlives_new_settings() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        let now = fixture.now;
        fixture.proxy.reconfigure(settings(Strategy::Sticky), now);
        assert!(fixture.done().is_empty());
        assert_eq!(
            fixture.answer(&sent, "result"),
            Some(addresses(ROMEO, HOST, "1"))
        );
        let again = fixture.iq(ROMEO, HOST, "get", "2").unwrap();
        assert_eq!(again.from, sent.from);
    }

    #[test]
    fn another_target_means_a_new_beginning() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        let mut other = settings(Strategy::Random);
        other.target = "other@example".into();
        let now = fixture.now;
        fixture.proxy.reconfigure(other, now);
        let bounced = error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT);
        let goodbye = format!("<presence to='{TARGET}' from='{HOST}' type='unsubscribe'/>");
        assert_eq!(fixture.done(), [goodbye]);
        fixture.tick(0);
        let done = fixture.done();
        let subscribe = format!("<presence to='other@example' from='{HOST}' type='subscribe'/>");
        assert_eq!(done[1..], [subscribe, bounced]);
        assert_eq!(fixture.answer(&sent, "result"), None);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "2"), None);
    }

    #[test]
    fn timers_fire_when_something_is_due() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.proxy.settings.timeout = seconds(20);
        fixture.done();
        assert_eq!(fixture.tick(0), Some(seconds(30)));
        fixture.iq(ROMEO, HOST, "get", "1");
        assert_eq!(fixture.tick(0), Some(seconds(20)));
        fixture.now += Duration::from_millis(19_400);
        assert_eq!(fixture.tick(0), Some(Duration::from_millis(600)));
    }

    #[test]
    fn a_flood_of_time_outs_is_answered_in_portions() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        for id in 0..MAX_DUE + 1 {
            fixture.iq(ROMEO, HOST, "get", &id.to_string());
        }
        assert_eq!(fixture.tick(120), Some(Duration::ZERO));
        let answered = |done: Vec<String>| done.iter().filter(|s| s.starts_with("<iq")).count();
        assert_eq!(answered(fixture.done()), MAX_DUE);
        assert_ne!(fixture.tick(0), Some(Duration::ZERO));
        assert_eq!(answered(fixture.done()), 1);
    }

    #[test]
    fn ten_thousand_requests_whose_resource_goes_are_answered_by_another_once_each() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1"]);
        for id in 0..10_000 {
            fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
        }
        fixture.presence(TWO, HOST, None);
        fixture.presence(ONE, HOST, Some("unavailable"));
        let mut again = Vec::new();
        while let Some(action) = fixture.proxy.poll_effect() {
            if let Effect::SendAgain(_, addresses) = action {
                again.push(addresses);
            }
        }
        assert_eq!(fixture.outstanding(), [0, 10_000]);
        let answered: HashSet<String> = again
            .iter()
            .rev()
            .map(|sent| fixture.answer(sent, "result").unwrap().id)
            .collect();
        assert_eq!((answered.len(), again.len()), (10_000, 10_000));
        assert_eq!(fixture.proxy.pending.len(), 0);
    }

    #[test]
    fn after_the_end_nothing_is_taken_and_everything_is_answered() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        let error = error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT);
        fixture.proxy.close();
        assert_eq!(fixture.done(), [error.as_str()]);
        fixture.proxy.close();
        assert!(fixture.done().is_empty());
        for type_ in ["get", "set"] {
            assert_eq!(fixture.iq(ROMEO, HOST, type_, "1"), None);
            assert_eq!(fixture.done(), [error.as_str()]);
        }
        assert_eq!(fixture.answer(&sent, "result"), None);
        fixture.presence(TWO, HOST, None);
        fixture.presence(TARGET, HOST, Some("subscribe"));
        fixture.presence(ONE, HOST, Some("unavailable"));
        assert_eq!(fixture.tick(600), None);
        assert!(fixture.done().is_empty());
        fixture.message(ROMEO, Some("chat"));
        fixture.presence(ROMEO, HOST, None);
        let refused = fixture.done();
        assert_eq!(refused.len(), 2);
        assert!(
            refused
                .iter()
                .all(|xml| xml.contains("<feature-not-implemented "))
        );
    }

    #[test]
    fn what_becomes_of_requests_is_counted() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        fixture.proxy.bounds.requests = 4;
        for id in ["1", "2", "3", "4", "5"] {
            let sent = fixture.iq(ROMEO, HOST, "set", id);
            if id == "1" {
                fixture.answer(&sent.unwrap(), "error").unwrap();
            }
        }
        fixture.iq(ROMEO, HOST, "set", "6");
        fixture.presence(ONE, HOST, Some("unavailable"));
        fixture.tick(120);
        fixture.presence(TWO, HOST, Some("unavailable"));
        fixture.iq(ROMEO, HOST, "set", "7");
        let counts = [
            ("requests_relayed", Value::Added(5)),
            ("requests_answered", Value::Added(1)),
            ("requests_timed_out", Value::Added(2)),
            ("requests_cut_off", Value::Added(2)),
            ("requests_no_resource", Value::Added(1)),
            ("requests_refused", Value::Added(1)),
        ];
        assert_eq!(readings(&mut fixture), counts);
        assert_eq!(readings(&mut fixture), []);
    }

    #[test]
    fn how_it_stands_is_read() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        for id in ["1", "2", "3"] {
            fixture.iq(ROMEO, HOST, "get", id);
        }
        let gauges = [
            ("requests_outstanding", Value::Is(3.0)),
            ("resources_online", Value::Is(2.0)),
        ];
        assert_eq!(readings(&mut fixture)[1..], gauges);
        let rows = fixture.proxy.overview();
        let value = |name: &str| rows.iter().find(|(one, _)| one == name).unwrap().1.as_str();
        assert_eq!(value("target"), TARGET);
        assert_eq!(value("requests outstanding"), "3");
        assert_eq!(value("requests relayed"), "3");
    }

    #[test]
    fn what_is_read_is_what_is_announced() {
        let mut fixture = Fixture::with(Strategy::Random, &[]);
        let read = fixture.proxy.readings().into_iter();
        let announced = status::families().map(|family| family.full_name());
        assert!(read.map(|reading| reading.family).eq(announced));
    }

    /// What is not zero.
    fn readings(fixture: &mut Fixture) -> Vec<(&'static str, Value)> {
        let readings = fixture.proxy.readings().into_iter().zip(status::families());
        let readings = readings.map(|(reading, family)| (family.name, reading.value));
        readings
            .filter(|(_, value)| !matches!(value, Value::Added(0)) && *value != Value::Is(0.0))
            .collect()
    }
}
