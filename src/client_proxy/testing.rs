//! A proxy for tests, with a clock that the test sets.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::availability::Availability;
use super::choice::Strategy;
use super::*;
use crate::stanza::Kind;

pub(super) const HOST: &str = "proxy.example";
pub(super) const TARGET: &str = "service@example";
pub(super) const ONE: &str = "service@example/1";
pub(super) const TWO: &str = "service@example/2";
pub(super) const THREE: &str = "service@example/3";
pub(super) const ROMEO: &str = "romeo@montague.example/orchard";

/// How many bytes each stanza has.
pub(super) const STANZA_BYTES: usize = 100;

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn settings(strategy: Strategy) -> Settings {
    Settings {
        host: HOST.into(),
        target: TARGET.into(),
        timeout: seconds(120),
        try_timeout: None,
        strategy,
        messages: false,
        presence: false,
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
    started: Instant,
    pub(super) rng: StdRng,
    received: usize,
    /// What was to be done when time went by, and no test has looked at yet.
    effects: VecDeque<Effect<usize>>,
}

impl Fixture {
    /// A proxy whose target has no resource.
    pub(super) fn new(strategy: Strategy) -> Self {
        let now = Instant::now();
        Fixture {
            proxy: Proxy::new(settings(strategy), &[1; KEY_LEN], now),
            now,
            started: now,
            rng: StdRng::seed_from_u64(2),
            received: 0,
            effects: VecDeque::new(),
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

    /// A proxy that asks one resource after the other, and another one after 15 seconds.
    pub(super) fn trying(resources: &[&str]) -> Self {
        let mut fixture = Fixture::with(Strategy::RoundRobin, resources);
        fixture.proxy.settings.try_timeout = Some(seconds(15));
        fixture
    }

    /// A proxy that has heard nothing of its target's server for an hour, and has just asked it.
    pub(super) fn long_unheard() -> Self {
        let mut fixture = Fixture::new(Strategy::Random);
        while fixture.now < fixture.started + seconds(3600) {
            let due = fixture.proxy.subscription.due() - fixture.now;
            fixture.tick(due.as_secs());
        }
        fixture.done();
        fixture
    }

    pub(super) fn presence(&mut self, from: &str, to: &str, type_: Option<&str>) {
        self.receive_presence(from, to, type_, Availability::new(None, None));
    }

    /// Makes a resource available that asks not to be disturbed.
    pub(super) fn reluctant_presence(&mut self, from: &str) {
        self.receive_presence(from, HOST, None, Availability::new(Some("dnd"), None));
    }

    fn receive_presence(
        &mut self,
        from: &str,
        to: &str,
        type_: Option<&str>,
        availability: Availability,
    ) {
        let envelope = envelope(Kind::Presence, from, to, type_);
        self.proxy
            .presence(&envelope, availability, None, self.now, &mut self.rng);
    }

    pub(super) fn message(&mut self, from: &str, type_: Option<&str>) {
        let envelope = envelope(Kind::Message, from, HOST, type_);
        self.proxy.refuse_message(&envelope, self.now);
    }

    pub(super) fn iq(&mut self, from: &str, to: &str, type_: &str, id: &str) -> Option<Addresses> {
        let mut envelope = envelope(Kind::Iq, from, to, Some(type_));
        envelope.id = Some(id.into());
        self.received += 1;
        let held = Held {
            stanza: self.received,
            bytes: STANZA_BYTES,
        };
        let verdict = self.proxy.iq(envelope, Some(held), self.now, &mut self.rng);
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

    /// Prosody answers what was sent on with these addresses, since it cannot deliver it.
    pub(super) fn undeliverable(
        &mut self,
        request: &Addresses,
        unreachable: Unreachable,
    ) -> Verdict {
        let mut envelope = envelope(Kind::Iq, &request.to, &request.from, Some("error"));
        envelope.id = Some(request.id.clone());
        self.proxy
            .undeliverable(envelope, unreachable, self.now, &mut self.rng)
    }

    /// How many requests are outstanding with the first two resources.
    pub(super) fn outstanding(&self) -> [usize; 2] {
        [ONE, TWO].map(|resource| self.proxy.pending.outstanding(resource))
    }

    /// Lets that many seconds go by, does what is due then, and says when something is due next.
    pub(super) fn tick(&mut self, later: u64) -> Option<Duration> {
        self.now += seconds(later);
        self.proxy.handle_timeout(self.now, &mut self.rng);
        self.effects
            .extend(std::iter::from_fn(|| self.proxy.poll_effect()));
        let due = self.proxy.poll_timeout(self.now)?;
        Some(due.saturating_duration_since(self.now))
    }

    /// The effects that no test has looked at yet.
    pub(super) fn take_effects(&mut self) -> Vec<Effect<usize>> {
        let later = std::iter::from_fn(|| self.proxy.poll_effect());
        self.effects.drain(..).chain(later).collect()
    }

    /// The addresses of the one request that was sent again since the last call of this or of `done`.
    pub(super) fn sent_again(&mut self) -> Addresses {
        let effects = self.take_effects().into_iter();
        let mut again = effects.filter_map(|effect| match effect {
            Effect::SendAgain(_, addresses) => Some(addresses),
            _ => None,
        });
        let addresses = again.next().expect("a request was sent again");
        assert_eq!(again.next(), None);
        addresses
    }

    /// What was done since the last call, as text: XML, `again NUMBER ADDRESSES`, or the level of a
    /// line of the log.
    pub(super) fn done(&mut self) -> Vec<String> {
        let effects = self.take_effects().into_iter();
        let text = |effect| match effect {
            Effect::Send(element) => element.to_xml(),
            Effect::SendAgain(number, to) => format!("again {number} {to:?}"),
            Effect::Log(note) => note.level.as_str().to_owned(),
            Effect::ReadSubscribers(part) => format!("read {part}"),
            Effect::StoreSubscribers(part, _) => format!("store {part}"),
        };
        effects.map(text).collect()
    }
}

/// The error that answers an iq request of Romeo's with id 1.
pub(super) fn error_to_romeo(from: &str, error: &StanzaError) -> String {
    format!(
        "<iq to='{ROMEO}' from='{from}' id='1' type='error'>{}</iq>",
        error.to_element().to_xml()
    )
}

/// Those of the things done that answer an iq request of Romeo's by an error.
pub(super) fn errors_to_romeo(done: &[String]) -> Vec<&str> {
    let prefix = format!("<iq to='{ROMEO}'");
    let errors = done.iter().filter(|xml| xml.starts_with(&prefix));
    errors.map(String::as_str).collect()
}

pub(super) fn envelope(kind: Kind, from: &str, to: &str, type_: Option<&str>) -> Envelope {
    Envelope {
        kind,
        to: to.into(),
        from: from.into(),
        type_: type_.map(str::to_owned),
        id: None,
        says_nothing: false,
    }
}
