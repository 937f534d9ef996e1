//! Requests, their answers, and what happens to those that get none.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use super::translation::Decoded;
use super::*;
use crate::stanza::jid;

impl<S: Clone> Proxy<S> {
    /// Takes an iq addressed to the component. Gives the addresses with which it is to be sent on, if it
    /// is; a get is kept, as `held`, in case that it has to be sent again.
    pub fn iq(
        &mut self,
        envelope: Envelope,
        held: Option<S>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Addresses> {
        match (envelope.type_.as_deref(), &envelope.id) {
            (Some("get" | "set"), Some(_)) => self.request(envelope, held, now, rng),
            (Some("result" | "error"), Some(_)) => self.answer(envelope, now),
            _ => {
                let line = format!(
                    "Dropped an iq without a usable type or id from {}",
                    envelope.from
                );
                self.log(Note::debug(line));
                None
            }
        }
    }

    fn request(
        &mut self,
        envelope: Envelope,
        held: Option<S>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Addresses> {
        if self.pending.len() >= self.bound {
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
                    return Some(self.ask_requester(envelope, &requester, now, rng));
                }
            }
        }
        let held = held.filter(|_| envelope.has_type("get"));
        let deadline = now + self.settings.timeout;
        self.ask_target(envelope, held, deadline, now, rng)
    }

    /// Sends a request on to a resource of the target, if there is one.
    fn ask_target(
        &mut self,
        envelope: Envelope,
        held: Option<S>,
        deadline: Instant,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Addresses> {
        let encoded = self.translator.encode(&envelope.from);
        let Some(resource) = self.choose(&encoded.tag, now, rng) else {
            self.refuse(&envelope, &SERVICE_UNAVAILABLE);
            return None;
        };
        let jid = (!encoded.carries_jid).then_some(envelope.from.as_str());
        self.requesters
            .serve(encoded.tag, jid, Rc::clone(&resource), now);
        let request = Request {
            envelope,
            asked: Asked::Target,
            sent: now,
            deadline,
            held,
        };
        let from = format!("{}/{}", self.settings.host, encoded.resource);
        Some(self.pending.insert(&resource, from, request, rng))
    }

    fn choose(&mut self, requester: &Tag, now: Instant, rng: &mut impl Rng) -> Option<Rc<str>> {
        let circumstances = Circumstances {
            last: self.last_chosen.as_deref(),
            known: self.requesters.resource(requester),
            outstanding: |jid: &str| self.pending.outstanding(jid),
        };
        let candidates = self.resources.best(now);
        let chosen = choose(self.settings.strategy, &candidates, &circumstances, rng);
        self.last_chosen.clone_from(&chosen);
        chosen
    }

    /// Sends a request of the target's on to a requester, from the host's own JID.
    fn ask_requester(
        &mut self,
        envelope: Envelope,
        requester: &str,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Addresses {
        let request = Request {
            envelope,
            asked: Asked::Requester,
            sent: now,
            deadline: now + self.settings.timeout,
            held: None,
        };
        let from = self.settings.host.clone();
        self.pending.insert(requester, from, request, rng)
    }

    /// Who is meant by an address at the component that the target uses.
    fn served_requester(&self, address: &str, now: Instant) -> Addressee {
        let resource = match (jid::node(address), jid::resource(address)) {
            (None, Some(resource)) => resource,
            _ => return Addressee::Other,
        };
        let (tag, jid) = match self.translator.decode(resource) {
            Decoded::Foreign => return Addressee::Other,
            Decoded::Forged => return Addressee::Stranger,
            Decoded::Carried(jid, tag) => (tag, Some(jid)),
            Decoded::Digested(tag) => (tag, self.requesters.jid(&tag).map(str::to_owned)),
        };
        match jid {
            Some(jid) if self.requesters.is_served(&tag, now) => Addressee::Requester(jid),
            _ => Addressee::Stranger,
        }
    }

    /// Sends an answer back to whoever asked, if it is one to a request that is outstanding.
    fn answer(&mut self, envelope: Envelope, now: Instant) -> Option<Addresses> {
        let is_error = envelope.has_type("error");
        let sent = Addresses {
            to: envelope.from,
            from: envelope.to,
            id: envelope.id.unwrap_or_default(),
        };
        let Some(request) = self.pending.take(&sent) else {
            let line = format!(
                "Dropped an answer from {} to {} that nobody waits for",
                sent.to, sent.from
            );
            self.log(Note::debug(line));
            return None;
        };
        if request.asked == Asked::Target {
            self.resources.answered(&sent.to);
            if is_error {
                // It may be the server's, for a resource that is gone.
                self.subscription.doubt(now);
            }
        }
        let Envelope { to, from, id, .. } = request.envelope;
        Some(Addresses {
            to: from,
            from: to,
            id: id.unwrap_or_default(),
        })
    }

    /// Answers a request whose deadline has come.
    pub(super) fn expire(&mut self, peer: &str, request: &Request<S>, now: Instant) {
        self.refuse(&request.envelope, &REMOTE_SERVER_TIMEOUT);
        if request.asked == Asked::Target
            && let Some(rest) = self.resources.timed_out(peer, request.sent, now)
        {
            let line = format!(
                "{peer} has let several requests in a row time out; others go first for {} seconds",
                rest.as_secs()
            );
            self.log(Note::warn(line));
        }
    }

    /// Sees to the requests that were sent to a full JID which is gone now.
    pub(super) fn redirect(&mut self, peer: &str, now: Instant, rng: &mut impl Rng) {
        for request in self.pending.take_peer(peer) {
            let Some(stanza) = request.held else {
                // It may have been carried out.
                self.refuse(&request.envelope, &REMOTE_SERVER_TIMEOUT);
                continue;
            };
            let held = Some(stanza.clone());
            if let Some(addresses) =
                self.ask_target(request.envelope, held, request.deadline, now, rng)
            {
                self.actions.push_back(Action::SendAgain(stanza, addresses));
            }
        }
    }
}

/// What the target means by an address at the component.
enum Addressee {
    /// A requester whom it serves.
    Requester(String),
    /// Somebody by the form of the address, but nobody whom it serves.
    Stranger,
    /// The component, as anyone may.
    Other,
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;
    use std::collections::HashSet;

    const ONE: &str = "service@example/1";
    const TWO: &str = "service@example/2";

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
            assert_eq!(fixture.done(), ["debug"]);
        }
        assert!(fixture.answer(&sent, "result").is_some());
    }

    #[test]
    fn iqs_that_rfc_6120_forbids_are_dropped() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        assert_eq!(fixture.answer(&sent, "unknown"), None);
        let (now, mut rng) = (fixture.now, rand::rng());
        let mut iq = Envelope {
            kind: crate::stanza::Kind::Iq,
            to: HOST.into(),
            from: ROMEO.into(),
            type_: Some("get".into()),
            id: None,
        };
        assert_eq!(fixture.proxy.iq(iq.clone(), None, now, &mut rng), None);
        iq.type_ = None;
        assert_eq!(fixture.proxy.iq(iq, None, now, &mut rng), None);
        assert_eq!(fixture.done(), ["debug", "debug", "debug"]);
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
    fn without_an_answer_in_time_there_is_an_error_and_no_late_answer() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(119);
        fixture.done();
        fixture.tick(1);
        assert_eq!(
            fixture.done(),
            [error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT)]
        );
        assert_eq!(fixture.answer(&sent, "result"), None);
    }

    #[test]
    fn three_time_outs_send_requests_elsewhere() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        for id in 0..6 {
            let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
            if sent.to == TWO {
                fixture.answer(&sent, "result");
            }
        }
        fixture.tick(120);
        assert!(fixture.done().contains(&"warn".to_owned()));
        for id in 0..6 {
            let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
            assert_eq!(sent.to, TWO);
        }
    }

    #[test]
    fn a_resource_that_goes_leaves_gets_to_others_and_errors_for_sets() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        let get = fixture.iq(ROMEO, "a@proxy.example", "get", "1").unwrap();
        assert_eq!(get.to, ONE);
        fixture.iq(ROMEO, "b@proxy.example", "get", "1");
        let set = fixture.iq(ROMEO, "c@proxy.example", "set", "1").unwrap();
        assert_eq!(set.to, ONE);
        fixture.presence(ONE, HOST, Some("unavailable"));
        let again = Addresses {
            to: TWO.into(),
            ..get.clone()
        };
        let done = fixture.done();
        // Two has a request of this id already, so the one sent again got another.
        assert!(done[0].starts_with("again 1 Addresses { to: \"service@example/2\""));
        assert_eq!(
            done[1],
            error_to_romeo("c@proxy.example", &REMOTE_SERVER_TIMEOUT)
        );
        assert_eq!(done.len(), 2);
        assert_eq!(fixture.answer(&get, "result"), None);
        assert_eq!(
            fixture.answer(&again, "result"),
            Some(addresses(ROMEO, "b@proxy.example", "1"))
        );
        fixture.done();

        fixture.presence(TWO, HOST, Some("error"));
        let unavailable = error_to_romeo("a@proxy.example", &SERVICE_UNAVAILABLE);
        assert_eq!(fixture.done(), [unavailable.as_str(), "info"]);
    }

    #[test]
    fn a_request_sent_again_keeps_its_deadline() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        fixture.iq(ROMEO, HOST, "get", "1");
        fixture.tick(100);
        fixture.presence(ONE, HOST, Some("unavailable"));
        fixture.done();
        fixture.tick(20);
        assert_eq!(
            fixture.done(),
            [error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT)]
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
        fixture.proxy.bound = 100;
        for id in 0..100 {
            assert!(fixture.iq(ROMEO, HOST, "set", &id.to_string()).is_some());
        }
        assert_eq!(fixture.iq(ROMEO, "x@proxy.example", "get", "1"), None);
        let error = error_to_romeo("x@proxy.example", &RESOURCE_CONSTRAINT);
        assert_eq!(fixture.done(), [error]);
    }

    /// The address under which the target knows a requester that it has served.
    fn served(fixture: &mut Fixture, requester: &str) -> String {
        let sent = fixture.iq(requester, HOST, "get", "1").unwrap();
        fixture.answer(&sent, "result").unwrap();
        sent.from
    }

    #[test]
    fn the_target_may_ask_whom_it_has_served() {
        let long = format!("{}@example/{}", "r".repeat(1000), "o".repeat(1023));
        for requester in [ROMEO, &long] {
            let mut fixture = Fixture::with(Strategy::Random, &["1", "2"]);
            let encoded = served(&mut fixture, requester);
            let sent = fixture.iq(TWO, &encoded, "get", "7").unwrap();
            assert_eq!(sent, addresses(requester, HOST, "7"));
            // Another resource uses the same id for the same requester.
            let other = fixture.iq(ONE, &encoded, "set", "7").unwrap();
            assert_ne!(other.id, "7");
            assert_eq!(
                fixture.iq("tybalt@capulet.example/x", HOST, "result", "7"),
                None
            );
            assert_eq!(
                fixture.answer(&sent, "error"),
                Some(addresses(TWO, &encoded, "7"))
            );
            assert_eq!(
                fixture.answer(&other, "result"),
                Some(addresses(ONE, &encoded, "7"))
            );
            assert_eq!(fixture.answer(&sent, "result"), None);
        }
    }

    #[test]
    fn a_requester_that_does_not_answer_the_target() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let encoded = served(&mut fixture, ROMEO);
        fixture.iq(ONE, &encoded, "get", "7").unwrap();
        fixture.done();
        fixture.tick(120);
        let errors = fixture.done();
        let error = format!("<iq to='{ONE}' from='{encoded}' id='7' type='error'>");
        let error = errors.iter().find(|xml| xml.starts_with(&error)).unwrap();
        assert!(error.contains("<remote-server-timeout "));
    }

    #[test]
    fn whom_the_target_may_not_ask() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let encoded = served(&mut fixture, ROMEO);
        let forged = Translator::new(&[9; KEY_LEN]).encode(ROMEO).resource;
        let never_served = Translator::new(&[1; KEY_LEN]).encode("x@y/z").resource;
        fixture.done();
        for resource in [forged, never_served] {
            let address = format!("{HOST}/{resource}");
            assert_eq!(fixture.iq(ONE, &address, "get", "1"), None);
            assert!(fixture.done()[0].contains("<item-not-found "));
        }
        fixture.tick(3601);
        fixture.done();
        assert_eq!(fixture.iq(ONE, &encoded, "get", "1"), None);
        assert!(fixture.done()[0].contains("<item-not-found "));
    }

    #[test]
    fn an_encoded_address_is_nothing_special_for_others() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let encoded = served(&mut fixture, ROMEO);
        let tybalt = "tybalt@capulet.example/x";
        let sent = fixture.iq(tybalt, &encoded, "get", "1").unwrap();
        assert_eq!(sent.to, ONE);
        assert_eq!(
            fixture.answer(&sent, "result"),
            Some(addresses(tybalt, &encoded, "1"))
        );
        // Nor is any other resource for the target.
        assert_eq!(
            fixture
                .iq(ONE, "proxy.example/home", "get", "1")
                .unwrap()
                .to,
            ONE
        );
    }
}
