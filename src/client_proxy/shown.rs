//! The presence of the service, for whoever subscribes to a JID of the proxy's (`proxy_stanzas` has
//! "presence").
//!
//! It is available while a resource of the target is, and shows like the best of them.

use std::time::{Duration, Instant};

use super::availability::Show;
use super::subscribers::part_of;
use super::*;
use crate::stanza::{Kind, jid};

/// Whose server cannot be found for that long is taken to be gone.
const GONE_AFTER: Duration = Duration::from_secs(86_400);

/// What an admin is told of trouble with.
const SUBSCRIBERS: &str = "some of those who have subscribed to the service's presence";

/// A presence that waits for a part of storage to be read.
pub(super) struct Waiting {
    part: u8,
    envelope: Envelope,
    condition: Option<String>,
}

/// Since when a subscriber's server is not found, and the announcement that has shown it last.
pub(super) struct NotFound {
    since: Instant,
    announcement: u64,
}

impl<S: Clone> Proxy<S> {
    /// Takes a presence of somebody who may be a subscriber; an error has that condition.
    pub(super) fn presence_of_subscriber(
        &mut self,
        envelope: &Envelope,
        condition: Option<&str>,
        now: Instant,
    ) {
        let type_ = envelope.type_.as_deref().unwrap_or_default();
        if self.has_ended || !matches!(type_, "subscribe" | "unsubscribe" | "probe" | "error") {
            return;
        }
        let part = part_of(jid::bare(&envelope.from));
        if !self.subscribers.is_read(part) {
            if self.waiting.len() < self.bounds.requests {
                self.waiting.push(Waiting {
                    part,
                    envelope: envelope.clone(),
                    condition: condition.map(str::to_owned),
                });
            }
            return;
        }
        match type_ {
            "subscribe" => self.subscribe(envelope, now),
            "unsubscribe" => {
                self.unsubscribe(envelope);
                self.answer_presence(envelope, Some("unavailable"));
            }
            "probe" => self.answer_probe(envelope),
            _ => self.undelivered(envelope, condition, now),
        }
    }

    fn subscribe(&mut self, envelope: &Envelope, now: Instant) {
        let (subscriber, jid) = (jid::bare(&envelope.from), jid::bare(&envelope.to));
        if !self.subscribers.add(subscriber, jid) {
            let trouble = "cannot subscribe, there are as many subscriptions as are kept";
            self.complain(subscriber, trouble, now);
            self.answer_presence(envelope, Some("unsubscribed"));
            return;
        }
        self.store(part_of(subscriber));
        self.not_found.remove(subscriber);
        self.answer_presence(envelope, Some("subscribed"));
        if let Some(show) = self.announcement.show() {
            let presence = presence(subscriber, jid, Some(show));
            self.effects.push_back(Effect::Send(presence));
        }
    }

    fn unsubscribe(&mut self, envelope: &Envelope) {
        let (subscriber, jid) = (jid::bare(&envelope.from), jid::bare(&envelope.to));
        self.not_found.remove(subscriber);
        if self.subscribers.remove(subscriber, jid) {
            self.store(part_of(subscriber));
        }
    }

    /// RFC 6121 §4.3.2: who has not subscribed is told so.
    fn answer_probe(&mut self, envelope: &Envelope) {
        let (subscriber, jid) = (jid::bare(&envelope.from), jid::bare(&envelope.to));
        self.not_found.remove(subscriber);
        if self.subscribers.contains(subscriber, jid) {
            let presence = presence(subscriber, jid, self.announcement.show());
            self.effects.push_back(Effect::Send(presence));
        } else {
            self.answer_presence(envelope, Some("unsubscribed"));
        }
    }

    /// A presence could not be delivered, with that condition.
    fn undelivered(&mut self, envelope: &Envelope, condition: Option<&str>, now: Instant) {
        let subscriber = jid::bare(&envelope.from);
        let is_gone = match condition {
            Some("gone" | "item-not-found") => true,
            Some("remote-server-not-found") => {
                self.subscribers
                    .contains(subscriber, jid::bare(&envelope.to))
                    && self.is_not_found_for_long(subscriber, now)
            }
            _ => false,
        };
        if is_gone {
            self.unsubscribe(envelope);
        }
    }

    /// A subscriber's server was not found. An announcement in between that came through begins the time anew.
    fn is_not_found_for_long(&mut self, subscriber: &str, now: Instant) -> bool {
        let number = self.announcement.number();
        let found = NotFound {
            since: now,
            announcement: number,
        };
        let known = self.not_found.entry(subscriber.into()).or_insert(found);
        if known.announcement + 1 < number {
            known.since = now;
        }
        known.announcement = number;
        now.duration_since(known.since) >= GONE_AFTER
    }

    /// A part of storage has been read: who has subscribed to what; or it cannot be read.
    pub fn subscribers_read(
        &mut self,
        part: u8,
        stored: Result<Vec<(String, String)>, String>,
        now: Instant,
    ) {
        let stored = stored.map_err(|problem| {
            let trouble = "cannot be read, and what changes about them is lost with a restart";
            self.complain(SUBSCRIBERS, format!("{trouble}: {problem}"), now);
        });
        self.subscribers.read(part, stored.ok());
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (ready, waiting): (Vec<_>, _) = waiting.partition(|waiting| waiting.part == part);
        self.waiting = waiting;
        for Waiting {
            envelope,
            condition,
            ..
        } in ready
        {
            self.presence_of_subscriber(&envelope, condition.as_deref(), now);
        }
    }

    /// A part of the subscribers cannot be stored.
    pub fn subscribers_unsaved(&mut self, problem: &str, now: Instant) {
        let trouble = "cannot be stored, and what has changed about them is lost with a restart";
        self.complain(SUBSCRIBERS, format!("{trouble}: {problem}"), now);
    }

    /// Reads what is stored, and tells subscribers what has changed: a portion of it.
    pub(super) fn keep_announced(&mut self, now: Instant) {
        if !self.settings.presence {
            return;
        }
        if !self.subscribers.are_read() {
            let parts = self.subscribers.next_unread().into_iter();
            self.effects.extend(parts.map(Effect::ReadSubscribers));
            return;
        }
        let show = self.resources.best_show();
        let next = self.announcement.next(show, &self.subscribers, now);
        for subscription in next {
            let show = self.announcement.show();
            let presence = presence(&subscription.subscriber, &subscription.jid, show);
            self.effects.push_back(Effect::Send(presence));
        }
    }

    /// When [`keep_announced`](Self::keep_announced) has something to do.
    pub(super) fn announcement_due(&self, now: Instant) -> Option<Instant> {
        if !self.settings.presence {
            None
        } else if self.subscribers.are_read() {
            self.announcement.due(self.resources.best_show(), now)
        } else {
            Some(now)
        }
    }

    fn store(&mut self, part: u8) {
        if self.subscribers.may_be_written(part) {
            let of_part = self.subscribers.of_part(part);
            let stored = of_part.map(|s| (s.subscriber.to_string(), s.jid.to_string()));
            let effect = Effect::StoreSubscribers(part, stored.collect());
            self.effects.push_back(effect);
        }
    }
}

/// The presence of a JID of the proxy's.
fn presence(to: &str, from: &str, show: Option<Show>) -> Element {
    let presence = Element::new(Kind::Presence.as_str())
        .with_attr("to", to)
        .with_attr("from", from);
    match show.map(Show::text) {
        None => presence.with_attr("type", "unavailable"),
        Some(None) => presence,
        Some(Some(text)) => presence.with_text_child("show", text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::announcement::INTERVAL;
    use crate::client_proxy::choice::Strategy;
    use std::collections::HashMap;

    const BOT: &str = "bot@proxy.example";
    const ROMEO_BARE: &str = "romeo@montague.example";

    /// A proxy that shows presence, and what it has stored.
    struct Service {
        fixture: Fixture,
        stored: HashMap<u8, Vec<(String, String)>>,
    }

    impl Service {
        fn new(resources: &[&str], stored: HashMap<u8, Vec<(String, String)>>) -> Self {
            let mut fixture = Fixture::with(Strategy::Random, resources);
            fixture.proxy.settings.presence = true;
            let mut service = Service { fixture, stored };
            service.settle();
            service
        }

        /// Lets everything happen that is due now, and returns what was sent.
        fn settle(&mut self) -> Vec<String> {
            let mut sent = Vec::new();
            loop {
                let due = self.fixture.tick(0);
                for effect in self.fixture.take_effects() {
                    match effect {
                        Effect::Send(stanza) => sent.push(stanza.to_xml()),
                        Effect::ReadSubscribers(part) => {
                            let stored = self.stored.get(&part).cloned().unwrap_or_default();
                            let now = self.fixture.now;
                            self.fixture.proxy.subscribers_read(part, Ok(stored), now);
                        }
                        Effect::StoreSubscribers(part, subscriptions) => {
                            self.stored.insert(part, subscriptions);
                        }
                        Effect::SendAgain(..) | Effect::Log(_) => {}
                    }
                }
                if due != Some(Duration::ZERO) {
                    return sent;
                }
            }
        }

        fn presence(&mut self, from: &str, to: &str, type_: Option<&str>) -> Vec<String> {
            self.fixture.presence(from, to, type_);
            self.settle()
        }

        fn error(&mut self, condition: &str) {
            let envelope = envelope(Kind::Presence, ROMEO_BARE, BOT, Some("error"));
            let now = self.fixture.now;
            let proxy = &mut self.fixture.proxy;
            proxy.presence_of_subscriber(&envelope, Some(condition), now);
            self.settle();
        }

        /// Whether Romeo has subscribed, by what is stored.
        fn knows_romeo(&self) -> bool {
            let part = self.stored.get(&part_of(ROMEO_BARE));
            part.is_some_and(|part| part.iter().any(|(subscriber, _)| subscriber == ROMEO_BARE))
        }

        /// What subscribers are told of a change, when five seconds have gone by.
        fn told_later(&mut self) -> Vec<String> {
            self.fixture.now += INTERVAL;
            let mut sent = self.settle();
            sent.retain(|xml| xml.contains(ROMEO_BARE));
            sent
        }
    }

    fn from_bot(type_: &str) -> String {
        format!("<presence to='{ROMEO_BARE}' from='{BOT}' type='{type_}'/>")
    }

    fn available() -> String {
        format!("<presence to='{ROMEO_BARE}' from='{BOT}'/>")
    }

    #[test]
    fn who_subscribes_sees_the_service_come_and_go() {
        let mut service = Service::new(&[], HashMap::new());
        let answer = service.presence(ROMEO, BOT, Some("subscribe"));
        assert_eq!(answer, [from_bot("subscribed")]);
        let sent = service.presence(ONE, HOST, None);
        assert!(sent.contains(&available()), "{sent:?}");
        let sent = service.presence(ONE, HOST, Some("unavailable"));
        assert!(!sent.contains(&from_bot("unavailable")), "not yet");
        assert_eq!(service.told_later(), [from_bot("unavailable")]);
    }

    #[test]
    fn who_subscribes_to_an_available_service_sees_it_at_once() {
        let mut service = Service::new(&["1"], HashMap::new());
        let answer = service.presence(ROMEO, BOT, Some("subscribe"));
        assert_eq!(answer, [from_bot("subscribed"), available()]);
        let again = service.presence(ROMEO, BOT, Some("probe"));
        assert_eq!(again, [available()]);
        let answer = service.presence(ROMEO, BOT, Some("unsubscribe"));
        assert_eq!(answer, [from_bot("unavailable")]);
        let nobody = service.presence(ROMEO, BOT, Some("probe"));
        assert_eq!(nobody, [from_bot("unsubscribed")]);
        assert!(!service.knows_romeo());
    }

    #[test]
    fn the_best_of_the_resources_is_what_shows() {
        let mut service = Service::new(&[], HashMap::new());
        service.presence(ROMEO, BOT, Some("subscribe"));
        service.fixture.reluctant_presence(ONE);
        let shows_dnd = available().replace("/>", "><show>dnd</show></presence>");
        assert!(service.settle().contains(&shows_dnd));
        service.presence(TWO, HOST, None);
        assert_eq!(service.told_later(), [available()]);
        service.presence(ONE, HOST, Some("unavailable"));
        assert!(service.told_later().is_empty(), "nothing has changed");
    }

    #[test]
    fn subscribers_outlive_a_restart_and_are_told_when_the_target_comes() {
        let mut before = Service::new(&["1"], HashMap::new());
        before.presence(ROMEO, BOT, Some("subscribe"));
        assert!(before.knows_romeo());
        let mut after = Service::new(&[], before.stored);
        assert!(after.told_later().is_empty());
        assert!(after.presence(ONE, HOST, None).contains(&available()));
    }

    #[test]
    fn what_comes_before_storage_is_read_waits_for_it() {
        let stored = vec![(ROMEO_BARE.to_owned(), BOT.to_owned())];
        let stored = HashMap::from([(part_of(ROMEO_BARE), stored)]);
        let mut service = Service {
            fixture: Fixture::with(Strategy::Random, &[]),
            stored,
        };
        service.fixture.proxy.settings.presence = true;
        service.fixture.presence(ROMEO, BOT, Some("probe"));
        service.fixture.presence(ROMEO, HOST, Some("subscribe"));
        assert!(service.fixture.done().is_empty());
        let sent = service.settle();
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent[0], from_bot("unavailable"));
        assert!(sent[1].ends_with("type='subscribed'/>"));
        assert_eq!(service.stored[&part_of(ROMEO_BARE)].len(), 2);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        for condition in ["gone", "item-not-found"] {
            let mut service = Service::new(&["1"], HashMap::new());
            service.presence(ROMEO, BOT, Some("subscribe"));
            service.error("service-unavailable");
            service.error("remote-server-timeout");
            assert!(service.knows_romeo());
            service.error(condition);
            assert!(!service.knows_romeo());
        }
    }

    #[test]
    fn whose_server_is_not_found_for_a_day_is_forgotten() {
        for comes_through in [false, true] {
            let mut service = Service::new(&["1"], HashMap::new());
            service.presence(ROMEO, BOT, Some("subscribe"));
            for hour in 0..=24 {
                assert!(service.knows_romeo(), "hour {hour}");
                let type_ = (hour % 2 == 0).then_some("unavailable");
                service.presence(ONE, HOST, type_);
                service.fixture.now += INTERVAL;
                service.settle();
                // Once it gets through, and the day begins anew.
                if !(comes_through && hour == 12) {
                    service.error("remote-server-not-found");
                }
                service.fixture.now += seconds(3600) - INTERVAL;
            }
            assert_eq!(service.knows_romeo(), comes_through);
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let mut service = Service::new(&[], HashMap::new());
        service.fixture.proxy.subscribers = Subscribers::bounded(0);
        let answer = service.presence(ROMEO, BOT, Some("subscribe"));
        assert_eq!(answer, [from_bot("unsubscribed")]);
    }

    #[test]
    fn nothing_else_is_answered() {
        let mut service = Service::new(&["1"], HashMap::new());
        for type_ in [
            None,
            Some("unavailable"),
            Some("subscribed"),
            Some("unsubscribed"),
        ] {
            assert!(service.presence(ROMEO, BOT, type_).is_empty(), "{type_:?}");
        }
    }
}
