//! Requests and their answers.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use super::reverse::Addressee;
use super::*;
use crate::stanza::jid;

/// What becomes of an iq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be sent on with these addresses.
    Relayed(Addresses),
    /// It is seen to.
    Settled,
    /// It is an answer, and the proxy waits for no such.
    Stray,
}

impl<S: Clone> Proxy<S> {
    /// Takes an iq addressed to the component; a get is kept, as `held`, in case that it has to be sent
    /// again.
    pub fn iq(
        &mut self,
        envelope: Envelope,
        held: Option<Held<S>>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Verdict {
        self.notice_server(&envelope, now);
        match (envelope.type_.as_deref(), &envelope.id) {
            (Some("get" | "set"), Some(_)) => match self.request(envelope, held, now, rng) {
                Some(addresses) => Verdict::Relayed(addresses),
                None => Verdict::Settled,
            },
            (Some("result" | "error"), Some(_)) => match self.answer(envelope, now) {
                Some(addresses) => Verdict::Relayed(addresses),
                None => Verdict::Stray,
            },
            (type_, _) => {
                let type_ = type_.unwrap_or("?");
                let line = format!("Dropped an iq of type {type_} that RFC 6120 does not allow");
                self.log(Note::debug(line));
                Verdict::Settled
            }
        }
    }

    fn request(
        &mut self,
        envelope: Envelope,
        held: Option<Held<S>>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Addresses> {
        if self.has_ended {
            self.counts.refused += 1;
            self.refuse(&envelope, &REMOTE_SERVER_TIMEOUT);
            return None;
        }
        if !self.pending.has_room(&envelope.from, &self.bounds) {
            self.counts.refused += 1;
            self.refuse(&envelope, &RESOURCE_CONSTRAINT);
            return None;
        }
        if jid::bare(&envelope.from) == self.settings.target {
            match self.served_requester(&envelope.to, now) {
                Addressee::Other => {}
                Addressee::Stranger => {
                    self.refuse(&envelope, &ITEM_NOT_FOUND);
                    return None;
                }
                Addressee::Requester(requester) => {
                    self.counts.relayed += 1;
                    return Some(self.ask_requester(envelope, &requester, now, rng));
                }
            }
        }
        let room = self
            .bounds
            .held_bytes
            .saturating_sub(self.pending.held_bytes());
        let held = held.filter(|held| envelope.has_type("get") && held.bytes <= room);
        let deadline = now + self.settings.timeout;
        let request = Request::new(envelope, Asked::Target, deadline, held);
        match self.ask_target(request, now, rng) {
            Ok(addresses) => {
                self.counts.relayed += 1;
                Some(addresses)
            }
            Err(envelope) => {
                self.counts.no_resource += 1;
                self.refuse(&envelope, &SERVICE_UNAVAILABLE);
                None
            }
        }
    }

    /// Sends a request on to a resource of the target, or gives back whose it is if there is none that was not
    /// asked before.
    pub(super) fn ask_target(
        &mut self,
        mut request: Request<S>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Result<Addresses, Envelope> {
        let requester = self.translations.translate(&request.envelope.from);
        let chosen = self.choose(&requester.tag, now, rng, |jid| !request.was_sent_to(jid));
        let Some(resource) = chosen else {
            return Err(request.envelope);
        };
        self.serve(
            &request.envelope.from,
            &requester,
            Rc::clone(&resource),
            now,
        );
        request.next_try = match (&request.held, self.settings.try_timeout) {
            (Some(_), Some(after)) => Some(now + after),
            _ => None,
        };
        let from = &requester.address;
        Ok(self.pending.insert(resource, from, request, now, rng))
    }

    /// Remembers which resource serves a requester.
    pub(super) fn serve(
        &mut self,
        requester: &str,
        translated: &Translated,
        resource: Rc<str>,
        now: Instant,
    ) {
        let jid = (!translated.carries_jid).then_some(requester);
        self.requesters.serve(translated.tag, jid, resource, now);
    }

    /// Chooses a resource for a requester, of those that are eligible.
    pub(super) fn choose(
        &mut self,
        requester: &Tag,
        now: Instant,
        rng: &mut impl Rng,
        is_eligible: impl Fn(&str) -> bool,
    ) -> Option<Rc<str>> {
        let candidates = self.resources.best(now, is_eligible);
        let seen = Seen {
            proxy: self,
            requester,
        };
        let chosen = choose(self.settings.strategy, &candidates, &seen, rng)?;
        self.last_chosen = Some(Rc::clone(&chosen));
        Some(chosen)
    }

    /// Sends an answer back to whoever asked, if it is one to a request that is outstanding.
    fn answer(&mut self, envelope: Envelope, now: Instant) -> Option<Addresses> {
        let is_error = envelope.has_type("error");
        let Envelope { to, from, id, .. } = envelope;
        let request = self.pending.take(&from, to, id.unwrap_or_default())?;
        if request.asked == Asked::Target {
            self.resources.answered(&from);
            self.settle_on(&request, &from, now);
            if is_error {
                // It may be the server's, for a resource that is gone.
                self.subscription.doubt(now);
            }
        }
        Some(self.restore(request.envelope))
    }

    /// The addresses with which the answer to a request goes back.
    pub(super) fn restore(&mut self, request: Envelope) -> Addresses {
        self.counts.answered += 1;
        let Envelope { to, from, id, .. } = request;
        Addresses {
            to: from,
            from: to,
            id: id.unwrap_or_default(),
        }
    }
}

/// What the choice for a requester depends on.
struct Seen<'a, S> {
    proxy: &'a Proxy<S>,
    requester: &'a Tag,
}

impl<S> Circumstances for Seen<'_, S> {
    fn last(&self) -> Option<&str> {
        self.proxy.last_chosen.as_deref()
    }

    fn known(&self) -> Option<&str> {
        self.proxy.requesters.resource(self.requester)
    }

    fn outstanding(&self, resource: &str) -> usize {
        self.proxy.pending.outstanding(resource)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;
    use std::collections::HashSet;

    #[test]
    fn a_request_goes_on_and_its_answer_comes_back() {
        for (addressed, type_) in [
            (HOST, "get"),
            ("x@proxy.example", "set"),
            ("x@proxy.example/y", "get"),
            ("proxy.example/y", "set"),
        ] {
            let mut fixture = Fixture::with(Strategy::Random, &["1"]);
            let sent = fixture.iq(ROMEO, addressed, type_, "1").unwrap();
            assert_eq!((sent.to.as_str(), sent.id.as_str()), (ONE, "1"));
            assert!(sent.from.starts_with("proxy.example/"), "{sent:?}");
            for answer in ["result", "error"] {
                let expected = (answer == "result").then(|| addresses(ROMEO, addressed, "1"));
                assert_eq!(fixture.answer(&sent, "result"), expected);
                assert_eq!(fixture.answer(&sent, answer), None);
                if answer == "result" {
                    // The second round is answered by an error.
                    let again = fixture.iq(ROMEO, addressed, type_, "1").unwrap();
                    assert_eq!(again, sent);
                    assert_eq!(
                        fixture.answer(&again, "error"),
                        Some(addresses(ROMEO, addressed, "1"))
                    );
                }
            }
        }
    }

    #[test]
    fn without_a_resource_a_request_is_refused_at_once() {
        let mut fixture = Fixture::with(Strategy::Random, &[]);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "1"), None);
        assert_eq!(fixture.done(), [error_to_romeo(HOST, &SERVICE_UNAVAILABLE)]);
    }

    #[test]
    fn only_the_answer_that_is_waited_for_is_taken() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        assert_eq!(sent.to, ONE);
        for (from, to, id) in [
            (TWO, sent.from.as_str(), "1"),
            ("tybalt@capulet.example/x", sent.from.as_str(), "1"),
            (TARGET, sent.from.as_str(), "1"),
            (ONE, sent.from.as_str(), "2"),
            (ONE, HOST, "1"),
        ] {
            assert_eq!(fixture.iq(from, to, "result", id), None);
            assert!(fixture.done().is_empty());
        }
        assert!(fixture.answer(&sent, "result").is_some());
    }

    #[test]
    fn iqs_that_rfc_6120_forbids_are_dropped() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        let (now, mut rng) = (fixture.now, rand::rng());
        for (type_, id) in [
            (Some("get"), None),
            (None, Some("1")),
            (Some("result"), None),
            (Some("unknown"), Some("1")),
        ] {
            let iq = Envelope {
                kind: crate::stanza::Kind::Iq,
                to: sent.from.clone(),
                from: sent.to.clone(),
                type_: type_.map(str::to_owned),
                id: id.map(str::to_owned),
                says_nothing: false,
            };
            assert_eq!(fixture.proxy.iq(iq, None, now, &mut rng), Verdict::Settled);
            assert_eq!(fixture.done(), ["debug"]);
        }
        assert!(fixture.answer(&sent, "result").is_some());
    }

    #[test]
    fn equal_ids_of_different_requesters_stay_apart() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let requesters: Vec<String> = (0..50).map(|n| format!("r@example/{n}")).collect();
        let sent: Vec<Addresses> = requesters
            .iter()
            .map(|from| fixture.iq(from, HOST, "get", "1").unwrap())
            .collect();
        let distinct: HashSet<&str> = sent.iter().map(|sent| sent.from.as_str()).collect();
        assert_eq!(distinct.len(), requesters.len());
        for (sent, requester) in sent.iter().zip(&requesters).rev() {
            assert_eq!(sent.id, "1");
            assert_eq!(
                fixture.answer(sent, "result"),
                Some(addresses(requester, HOST, "1"))
            );
        }
    }

    #[test]
    fn one_id_for_two_addresses_gets_two_answers() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let first = fixture.iq(ROMEO, "a@proxy.example", "get", "1").unwrap();
        let second = fixture.iq(ROMEO, "b@proxy.example", "get", "1").unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(
            fixture.answer(&second, "result"),
            Some(addresses(ROMEO, "b@proxy.example", "1"))
        );
        assert_eq!(
            fixture.answer(&first, "result"),
            Some(addresses(ROMEO, "a@proxy.example", "1"))
        );
    }

    #[test]
    fn the_target_may_be_its_own_requester() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ONE, "x@proxy.example", "get", "1").unwrap();
        assert_eq!(sent.to, ONE);
        assert_eq!(
            fixture.answer(&sent, "result"),
            Some(addresses(ONE, "x@proxy.example", "1"))
        );
    }

    #[test]
    fn a_sticky_requester_keeps_its_resource_while_that_is_there() {
        let mut fixture = Fixture::with(Strategy::Sticky, &["1", "2", "3", "4"]);
        let first = fixture.iq(ROMEO, HOST, "get", "0").unwrap().to;
        for id in 1..50 {
            let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
            assert_eq!(sent.to, first);
            fixture.iq(&format!("r@example/{id}"), HOST, "get", "1");
        }
        fixture.presence(&first, HOST, Some("unavailable"));
        let next = fixture.iq(ROMEO, HOST, "get", "50").unwrap().to;
        assert_ne!(next, first);
        fixture.presence(&first, HOST, None);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "51").unwrap().to, next);
    }

    #[test]
    fn the_bound_is_kept() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.proxy.bounds.requests = 100;
        for id in 0..100 {
            assert!(fixture.iq(ROMEO, HOST, "set", &id.to_string()).is_some());
        }
        assert_eq!(fixture.iq(ROMEO, "x@proxy.example", "get", "1"), None);
        let error = error_to_romeo("x@proxy.example", &RESOURCE_CONSTRAINT);
        assert_eq!(fixture.done(), [error]);
    }

    #[test]
    fn one_requester_has_a_tenth_of_it_whatever_its_resources() {
        assert_eq!(Bounds::default().of_one_requester, 10_000);
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.proxy.bounds.of_one_requester = 3;
        let sent: Vec<Addresses> = (0..3)
            .map(|n| {
                let from = format!("romeo@montague.example/{n}");
                fixture.iq(&from, HOST, "get", "1").unwrap()
            })
            .collect();
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "1"), None);
        let error = error_to_romeo(HOST, &RESOURCE_CONSTRAINT);
        assert_eq!(fixture.done(), [error]);
        assert!(
            fixture
                .iq("juliet@capulet.example/x", HOST, "get", "1")
                .is_some()
        );
        fixture.answer(&sent[0], "result").unwrap();
        assert!(fixture.iq(ROMEO, HOST, "get", "1").is_some());
        fixture.tick(120);
        assert!(fixture.proxy.pending.has_room(ROMEO, &fixture.proxy.bounds));
        assert_eq!(fixture.proxy.pending.requesters(), 0);
    }

    #[test]
    fn what_is_kept_of_gets_is_bounded_and_the_others_are_sent_once() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        fixture.proxy.bounds.held_bytes = 2 * STANZA_BYTES;
        let sent: Vec<Addresses> = ["1", "2", "3"]
            .map(|id| fixture.iq(ROMEO, HOST, "get", id).unwrap())
            .into();
        fixture.tick(15);
        let again = fixture
            .take_effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::SendAgain(number, _) => Some(number),
                _ => None,
            });
        assert_eq!(again.collect::<Vec<_>>(), [1, 2]);
        for sent in &sent {
            assert!(fixture.answer(sent, "result").is_some());
        }
        assert_eq!(fixture.proxy.pending.held_bytes(), 0);
        fixture.iq(ROMEO, HOST, "get", "4").unwrap();
        assert_eq!(fixture.proxy.pending.held_bytes(), STANZA_BYTES);
    }
}
