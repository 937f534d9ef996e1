//! Presence: the target's makes the resources known, anyone else's is none of the proxy's business, unless the
//! service is [`shown`].

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use super::availability::Availability;
use super::subscription::Step;
use super::*;
use crate::stanza::{Kind, jid};

impl<S: Clone> Proxy<S> {
    /// Takes a presence addressed to the component; an error has that condition.
    pub fn presence(
        &mut self,
        envelope: &Envelope,
        availability: Availability,
        condition: Option<&str>,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let from_target = jid::bare(&envelope.from) == self.settings.target;
        if from_target && self.has_ended {
            return;
        }
        self.notice_server(envelope, now);
        let to_host = envelope.to == self.settings.host;
        let resource = jid::resource(&envelope.from).map(|_| envelope.from.as_str());
        match (envelope.type_.as_deref(), resource) {
            (None, Some(resource)) if from_target && to_host => {
                self.available(resource, availability, now);
            }
            (None, _) if !self.settings.presence => self.refuse(envelope, &FEATURE_NOT_IMPLEMENTED),
            (Some(type_), _) if from_target => {
                self.presence_of_target(type_, envelope, resource, now, rng);
            }
            _ if self.settings.presence => self.presence_of_subscriber(envelope, condition, now),
            (Some("subscribe"), _) => self.answer_presence(envelope, Some("unsubscribed")),
            _ => {}
        }
    }

    fn presence_of_target(
        &mut self,
        type_: &str,
        envelope: &Envelope,
        resource: Option<&str>,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let to_host = envelope.to == self.settings.host;
        match (type_, resource) {
            ("unavailable" | "error", Some(resource)) if to_host => {
                self.gone(&[Rc::from(resource)], now, rng);
            }
            ("unavailable", None) if to_host => {
                let all = self.resources.jids();
                self.gone(&all, now, rng);
            }
            // The account or its server cannot be reached; that says nothing of requests under way.
            ("error", None) => {
                self.subscription.seek(now);
                self.subscription.lose();
            }
            // Also a server's answer to the first probe, before anything was granted.
            ("unsubscribed", _) => {
                if self.subscription.is_settled() {
                    let line = format!("{} has withdrawn its presence", self.settings.target);
                    self.log(Note::info(line));
                }
                self.subscription.seek(now);
            }
            ("subscribed", _) => self.send_presence("probe"),
            ("subscribe", _) => {
                self.answer_presence(envelope, Some("subscribed"));
                self.answer_presence(envelope, None);
            }
            ("probe", _) => self.answer_presence(envelope, None),
            ("unsubscribe", _) => self.answer_presence(envelope, Some("unavailable")),
            _ => {}
        }
    }

    fn available(&mut self, resource: &str, availability: Availability, now: Instant) {
        if self.resources.is_empty() {
            let line = format!("{} is available", self.settings.target);
            self.log(Note::info(line));
        }
        self.resources.available(resource, availability, now);
        self.subscription.settle(now);
    }

    /// Goes on without some of the resources.
    fn gone(&mut self, resources: &[Rc<str>], now: Instant, rng: &mut impl Rng) {
        let before = self.resources.len();
        for resource in resources {
            self.resources.remove(resource);
        }
        for resource in resources {
            self.redirect(resource, now, rng);
        }
        if before > 0 && self.resources.is_empty() {
            let line = format!("{} has no available resource left", self.settings.target);
            self.log(Note::info(line));
            self.subscription.seek(now);
        }
    }

    /// Does what is due about the subscription.
    pub(super) fn keep_subscribed(&mut self, now: Instant, rng: &mut impl Rng) {
        match self.subscription.step(now) {
            None => {}
            Some(Step::Begin) => {
                self.send_presence("probe");
                self.send_presence("subscribe");
            }
            Some(Step::Subscribe { overdue }) => {
                if overdue {
                    let Settings { host, target, .. } = &self.settings;
                    let line = format!(
                        "{target} still shows no presence: it has to be online, \
                         and to grant the subscription that {host} asks for"
                    );
                    self.log(Note::warn(line));
                }
                self.send_presence("subscribe");
            }
            Some(Step::Probe) => self.send_presence("probe"),
            Some(Step::Check { probed }) => {
                let silent = self.resources.silent_since(probed);
                self.gone(&silent, now, rng);
            }
        }
    }

    /// Sends a presence of the host's to the target.
    pub(super) fn send_presence(&mut self, type_: &str) {
        let presence = Element::new(Kind::Presence.as_str())
            .with_attr("to", self.settings.target.clone())
            .with_attr("from", self.settings.host.clone())
            .with_attr("type", type_);
        self.effects.push_back(Effect::Send(presence));
    }

    pub(super) fn answer_presence(&mut self, envelope: &Envelope, type_: Option<&'static str>) {
        let presence = Element::new(Kind::Presence.as_str())
            .with_attr("to", jid::bare(&envelope.from))
            .with_attr("from", jid::bare(&envelope.to))
            .with_opt_attr("type", type_.map(str::to_owned));
        self.effects.push_back(Effect::Send(presence));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::client_proxy::choice::Strategy;

    fn to_target(type_: &str) -> String {
        format!("<presence to='{TARGET}' from='{HOST}' type='{type_}'/>")
    }

    #[test]
    fn presence_is_asked_for_until_it_arrives() {
        let mut fixture = Fixture::new(Strategy::Random);
        fixture.tick(0);
        assert_eq!(fixture.done(), ["probe", "subscribe"].map(to_target));
        fixture.presence(TARGET, HOST, Some("unsubscribed"));
        for wait in [1, 2, 4] {
            fixture.tick(wait);
            assert_eq!(fixture.done(), [to_target("subscribe")]);
        }
        fixture.presence(TARGET, HOST, Some("subscribed"));
        assert_eq!(fixture.done(), [to_target("probe")]);
        fixture.presence(TARGET, HOST, Some("unavailable"));
        fixture.presence(TARGET, HOST, Some("error"));
        fixture.tick(7);
        assert!(fixture.done().is_empty());
        fixture.presence(ONE, HOST, None);
        assert_eq!(fixture.done(), ["info"]);
        fixture.tick(30);
        assert_eq!(fixture.done(), [to_target("probe")]);
        assert!(fixture.iq(ROMEO, HOST, "get", "1").is_some());
    }

    #[test]
    fn an_admin_is_told_when_presence_does_not_come() {
        let mut fixture = Fixture::new(Strategy::Random);
        let warnings: Vec<bool> = [0, 1, 2, 4, 8, 16, 32, 64, 128]
            .map(|wait| {
                fixture.tick(wait);
                fixture.done().contains(&"warn".to_owned())
            })
            .into();
        assert_eq!(warnings.iter().position(|warned| *warned), Some(6));
        assert_eq!(warnings.iter().filter(|warned| **warned).count(), 1);
    }

    #[test]
    fn presence_that_is_lost_is_asked_for_again() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.presence(ONE, HOST, Some("unavailable"));
        assert_eq!(fixture.done(), ["info"]);
        fixture.tick(1);
        assert_eq!(fixture.done(), [to_target("subscribe")]);

        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.presence(TARGET, HOST, Some("unsubscribed"));
        assert_eq!(fixture.done(), ["info"]);
        fixture.tick(1);
        assert_eq!(fixture.done(), [to_target("subscribe")]);
    }

    #[test]
    fn the_account_goes_offline_as_a_whole() {
        let mut fixture = Fixture::with(Strategy::Random, &["1", "2"]);
        fixture.presence(TARGET, HOST, Some("unavailable"));
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "1"), None);
    }

    #[test]
    fn a_resource_that_leaves_a_probe_unanswered_is_gone() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        assert_eq!(sent.to, ONE);
        // An error in answer may be the server's own, for a client that is no more.
        fixture.tick(1);
        fixture.answer(&sent, "error");
        fixture.tick(0);
        assert_eq!(fixture.done(), [to_target("probe")]);
        fixture.tick(1);
        fixture.presence(TWO, HOST, None);
        fixture.tick(29);
        assert!(fixture.done().is_empty());
        for id in ["2", "3"] {
            let sent = fixture.iq(ROMEO, HOST, "get", id).unwrap();
            assert_eq!(sent.to, TWO);
        }
    }

    #[test]
    fn the_targets_own_subscription_is_granted() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let available = format!("<presence to='{TARGET}' from='{HOST}'/>");
        fixture.presence(TARGET, HOST, Some("subscribe"));
        assert_eq!(
            fixture.done(),
            [&to_target("subscribed"), &available].map(String::as_str)
        );
        fixture.presence(ONE, HOST, Some("probe"));
        assert_eq!(fixture.done(), [available]);
        fixture.presence(TARGET, HOST, Some("unsubscribe"));
        assert_eq!(fixture.done(), [to_target("unavailable")]);
    }

    #[test]
    fn presence_of_others() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.presence(ROMEO, "x@proxy.example/y", Some("subscribe"));
        assert_eq!(
            fixture.done(),
            ["<presence to='romeo@montague.example' from='x@proxy.example' type='unsubscribed'/>"]
        );
        for swallowed in [
            "unavailable",
            "probe",
            "subscribed",
            "unsubscribe",
            "unsubscribed",
            "error",
        ] {
            fixture.presence(ROMEO, HOST, Some(swallowed));
            assert!(fixture.done().is_empty(), "{swallowed}");
        }
        fixture.presence(ROMEO, HOST, None);
        assert!(fixture.done()[0].contains("<feature-not-implemented "));
        fixture.presence(&format!("{TARGET}x/1"), HOST, None);
        fixture.presence(ONE, "x@proxy.example", None);
        fixture.presence(ONE, "x@proxy.example", Some("unavailable"));
        assert_eq!(fixture.done().len(), 2);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "1").unwrap().to, ONE);
    }
}
