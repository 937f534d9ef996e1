//! One account's clients serve iq requests as a component.
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
//! [`translation`] makes ENCODED, [`resources`] and [`choice`] find the resource, [`pending`] knows what
//! is between steps 2 and 3, and [`subscription`] sees to it that the resources are known. Every request
//! ends in exactly one answer: its own or one error. The target may ask a requester in turn, by the address
//! that it knows; [`requesters`] remembers whom.

pub mod choice;
mod iq;
pub mod pending;
mod presence;
pub mod requesters;
pub mod resources;
mod reverse;
pub mod settings;
pub mod subscription;
pub mod translation;
mod unanswered;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::notes::Note;
use crate::stanza::{Condition, Element, Envelope, ErrorType, StanzaError};
use choice::{Circumstances, choose};
pub use iq::Verdict;
use pending::{Addresses, Asked, Pending, Request};
use requesters::Requesters;
use resources::Resources;
use settings::Settings;
use subscription::Subscription;
use translation::{KEY_LEN, Tag, Translator};

/// How many requests may be outstanding.
pub const MAX_PENDING: usize = 100_000;

/// How many time-outs are answered in one tick.
const MAX_EXPIRED: usize = 500;

/// The longest time between two ticks: what comes in between may be due before what was next.
const MAX_TICK: Duration = Duration::from_secs(1);

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
pub enum Action<S> {
    /// Send a stanza of the proxy's own.
    Send(Element),
    /// Send a request that was received earlier, with these addresses.
    SendAgain(S, Addresses),
    /// Write a line to the log.
    Log(Note),
}

/// The state of one component. `S` is how the caller holds a stanza that may have to be sent again.
pub struct Proxy<S> {
    settings: Settings,
    translator: Translator,
    subscription: Subscription,
    resources: Resources,
    requesters: Requesters,
    pending: Pending<S>,
    bound: usize,
    last_chosen: Option<Rc<str>>,
    actions: VecDeque<Action<S>>,
}

impl<S: Clone> Proxy<S> {
    /// A proxy that knows nothing of its target yet.
    pub fn new(settings: Settings, key: &[u8; KEY_LEN], now: Instant) -> Self {
        Proxy {
            settings,
            translator: Translator::new(key),
            subscription: Subscription::new(now),
            resources: Resources::default(),
            requesters: Requesters::default(),
            pending: Pending::default(),
            bound: MAX_PENDING,
            last_chosen: None,
            actions: VecDeque::new(),
        }
    }

    /// Takes over new settings. All that is outstanding stays, unless the target is another one now.
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) {
        if settings.target != self.settings.target {
            self.bounce_all();
            self.send_presence("unsubscribe");
            self.resources.clear();
            self.subscription = Subscription::new(now);
        }
        self.settings = settings;
    }

    /// Takes a message addressed to the component: it has no use for any.
    pub fn message(&mut self, envelope: &Envelope) {
        self.refuse(envelope, &FEATURE_NOT_IMPLEMENTED);
    }

    /// Does what is due, and says after what time to call again. Never zero unless there is more to do.
    pub fn tick(&mut self, now: Instant, rng: &mut impl Rng) -> Duration {
        self.keep_subscribed(now, rng);
        for _ in 0..MAX_EXPIRED {
            let Some((peer, request)) = self.pending.take_expired(now) else {
                break;
            };
            self.expire(&peer, &request, now);
        }
        let due = self.subscription.due();
        let next = self.pending.next_deadline().map_or(due, |at| at.min(due));
        next.saturating_duration_since(now).min(MAX_TICK)
    }

    /// Whether there is something to do.
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// The next thing to do, in the order in which it came up.
    pub fn next_action(&mut self) -> Option<Action<S>> {
        self.actions.pop_front()
    }

    fn refuse(&mut self, envelope: &Envelope, error: &StanzaError) {
        if envelope.is_answerable() {
            let reply = envelope.reply(Some("error")).with_child(error.to_element());
            self.actions.push_back(Action::Send(reply));
        }
    }

    fn log(&mut self, note: Note) {
        self.actions.push_back(Action::Log(note));
    }
}

#[cfg(test)]
mod tests {
    use super::choice::Strategy;
    use super::resources::Availability;
    use super::*;
    use crate::stanza::Kind;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    pub(super) const HOST: &str = "proxy.example";
    pub(super) const TARGET: &str = "service@example";
    pub(super) const ONE: &str = "service@example/1";
    pub(super) const TWO: &str = "service@example/2";
    pub(super) const ROMEO: &str = "romeo@montague.example/orchard";

    pub(super) const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    pub(super) fn settings(strategy: Strategy) -> Settings {
        Settings {
            host: HOST.into(),
            target: TARGET.into(),
            timeout: seconds(120),
            strategy,
        }
    }

    pub(super) fn addresses(to: &str, from: &str, id: &str) -> Addresses {
        Addresses {
            to: to.into(),
            from: from.into(),
            id: id.into(),
        }
    }

    /// A proxy, a clock, and the number of the stanza received last in place of the stanza.
    pub(super) struct Fixture {
        pub(super) proxy: Proxy<usize>,
        pub(super) now: Instant,
        rng: StdRng,
        received: usize,
    }

    impl Fixture {
        /// A proxy whose target has no resource.
        pub(super) fn new(strategy: Strategy) -> Self {
            let now = Instant::now();
            Fixture {
                proxy: Proxy::new(settings(strategy), &[1; KEY_LEN], now),
                now,
                rng: StdRng::seed_from_u64(2),
                received: 0,
            }
        }

        /// A proxy whose target has these resources, and whose first steps are done.
        pub(super) fn with(strategy: Strategy, resources: &[&str]) -> Self {
            let mut fixture = Fixture::new(strategy);
            fixture.tick(0);
            for resource in resources {
                fixture.presence(&format!("{TARGET}/{resource}"), HOST, None);
            }
            fixture.done();
            fixture
        }

        pub(super) fn presence(&mut self, from: &str, to: &str, type_: Option<&str>) {
            let envelope = Envelope {
                kind: Kind::Presence,
                to: to.into(),
                from: from.into(),
                type_: type_.map(str::to_owned),
                id: None,
            };
            let availability = Availability::new(None, None);
            self.proxy
                .presence(&envelope, availability, self.now, &mut self.rng);
        }

        pub(super) fn iq(
            &mut self,
            from: &str,
            to: &str,
            type_: &str,
            id: &str,
        ) -> Option<Addresses> {
            let envelope = Envelope {
                kind: Kind::Iq,
                to: to.into(),
                from: from.into(),
                type_: Some(type_.into()),
                id: Some(id.into()),
            };
            self.received += 1;
            let received = self.received;
            let verdict = self
                .proxy
                .iq(envelope, Some(received), self.now, &mut self.rng);
            let is_request = matches!(type_, "get" | "set");
            match verdict {
                Verdict::Relayed(addresses) => Some(addresses),
                Verdict::Settled => {
                    assert!(is_request);
                    None
                }
                Verdict::Stray => {
                    assert!(!is_request);
                    None
                }
            }
        }

        /// Sends the answer to what was sent on with these addresses.
        pub(super) fn answer(&mut self, request: &Addresses, type_: &str) -> Option<Addresses> {
            self.iq(&request.to, &request.from, type_, &request.id)
        }

        /// Lets that many seconds go by, and ticks.
        pub(super) fn tick(&mut self, later: u64) -> Duration {
            self.now += seconds(later);
            self.proxy.tick(self.now, &mut self.rng)
        }

        /// What was done since the last call, as text: XML, `again NUMBER ADDRESSES`, or the level of a
        /// line of the log.
        pub(super) fn done(&mut self) -> Vec<String> {
            let mut done = Vec::new();
            while let Some(action) = self.proxy.next_action() {
                done.push(match action {
                    Action::Send(element) => element.to_xml(),
                    Action::SendAgain(number, to) => format!("again {number} {to:?}"),
                    Action::Log(note) => note.level.as_str().to_owned(),
                });
            }
            done
        }
    }

    /// The error that answers an iq request of Romeo's with id 1.
    pub(super) fn error_to_romeo(from: &str, error: &StanzaError) -> String {
        format!(
            "<iq to='{ROMEO}' from='{from}' id='1' type='error'>{}</iq>",
            error.to_element().to_xml()
        )
    }

    #[test]
    fn messages_are_refused_but_for_errors() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let mut message = Envelope {
            kind: Kind::Message,
            to: HOST.into(),
            from: ROMEO.into(),
            type_: None,
            id: None,
        };
        for type_ in [None, Some("chat"), Some("groupchat")] {
            message.type_ = type_.map(str::to_owned);
            fixture.proxy.message(&message);
            assert!(fixture.done()[0].contains("<feature-not-implemented "));
        }
        message.type_ = Some("error".into());
        fixture.proxy.message(&message);
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
        assert_eq!(fixture.done(), [bounced, goodbye]);
        fixture.tick(0);
        assert_eq!(
            fixture.done()[1],
            format!("<presence to='other@example' from='{HOST}' type='subscribe'/>")
        );
        assert_eq!(fixture.answer(&sent, "result"), None);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "2"), None);
    }

    #[test]
    fn ticks_come_when_something_is_due() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        assert_eq!(fixture.tick(0), MAX_TICK);
        fixture.iq(ROMEO, HOST, "get", "1");
        fixture.now += Duration::from_millis(119_400);
        assert_eq!(fixture.tick(0), Duration::from_millis(600));
    }

    #[test]
    fn a_flood_of_time_outs_is_answered_in_portions() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        for id in 0..MAX_EXPIRED + 1 {
            fixture.iq(ROMEO, HOST, "get", &id.to_string());
        }
        assert_eq!(fixture.tick(120), Duration::ZERO);
        let answered = |done: Vec<String>| done.iter().filter(|s| s.starts_with("<iq")).count();
        assert_eq!(answered(fixture.done()), MAX_EXPIRED);
        assert_ne!(fixture.tick(0), Duration::ZERO);
        assert_eq!(answered(fixture.done()), 1);
    }
}
