//! What happens to requests that get no answer of their own.

use std::time::Instant;

use rand::Rng;

use super::*;
use crate::stanza::Kind;

impl<S: Clone> Proxy<S> {
    /// The component ends: nothing is taken any more, and everything outstanding is answered by an error, a
    /// portion at a time. It is to be called again for as long as [`poll_timeout`](Self::poll_timeout) asks for it.
    pub fn close(&mut self) {
        self.has_ended = true;
        self.abandon();
        self.answer_abandoned();
    }

    /// Waits for nothing that is outstanding any more.
    pub(super) fn abandon(&mut self) {
        if self.pending.len() > 0 {
            self.abandoned.push(std::mem::take(&mut self.pending));
        }
    }

    /// Answers what was abandoned by errors: a portion of it, once the one before has been sent.
    pub(super) fn answer_abandoned(&mut self) {
        while self.effects.len() < MAX_ABANDONED
            && let Some(abandoned) = self.abandoned.last_mut()
        {
            match abandoned.take_first() {
                Some(request) => self.cut_off(&request.envelope, &REMOTE_SERVER_TIMEOUT),
                None => drop(self.abandoned.pop()),
            }
        }
    }

    /// A stanza of that type could not be sent on with these addresses. Its sender is told so if it was a
    /// request that nobody else has, its recipient if it was the answer that this one waits for.
    pub fn unsent(&mut self, type_: &str, addresses: Addresses) {
        let Addresses { to, from, id } = addresses;
        if !matches!(type_, "get" | "set") {
            let envelope = Envelope {
                kind: Kind::Iq,
                to: from,
                from: to,
                type_: Some("get".to_owned()),
                id: Some(id),
                says_nothing: false,
            };
            self.refuse(&envelope, &INTERNAL_SERVER_ERROR);
        } else if let Some(mut request) = self.pending.take(&to, from, id) {
            request.give_up(&to);
            if request.is_outstanding() {
                self.pending.put_back(request);
            } else {
                self.cut_off(&request.envelope, &INTERNAL_SERVER_ERROR);
            }
        }
    }

    /// Does what is due for a request.
    pub(super) fn see_to(&mut self, mut request: Request<S>, now: Instant, rng: &mut impl Rng) {
        if now < request.deadline {
            self.try_another(request, now, rng);
        } else {
            self.blame(&mut request, now);
            self.counts.timed_out += 1;
            self.refuse(&request.envelope, &REMOTE_SERVER_TIMEOUT);
        }
    }

    /// Sees to the requests that were sent to a full JID which is gone now.
    pub(super) fn redirect(&mut self, peer: &str, now: Instant, rng: &mut impl Rng) {
        for mut request in self.pending.take_peer(peer) {
            request.forget(peer);
            if request.is_outstanding() {
                self.pending.put_back(request);
            } else {
                self.ask_again(request, &SERVICE_UNAVAILABLE, now, rng);
            }
        }
    }

    /// Sends a request that nobody has any more to another resource. If there is none, a get is answered by
    /// that error; a set, which may have been carried out, is answered in any case.
    pub(super) fn ask_again(
        &mut self,
        request: Request<S>,
        error: &StanzaError,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        let Some(Held { stanza, .. }) = request.held.clone() else {
            self.cut_off(&request.envelope, &REMOTE_SERVER_TIMEOUT);
            return;
        };
        match self.ask_target(request, now, rng) {
            Ok(addresses) => self.effects.push_back(Effect::SendAgain(stanza, addresses)),
            Err(envelope) => self.cut_off(&envelope, error),
        }
    }

    /// Answers a request that was sent on and will get no answer.
    pub(super) fn cut_off(&mut self, request: &Envelope, error: &StanzaError) {
        self.counts.cut_off += 1;
        self.refuse(request, error);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;

    #[test]
    fn the_end_is_told_in_portions() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        for id in 0..2 * MAX_ABANDONED + 1 {
            fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
        }
        let now = fixture.now;
        for portion in [MAX_ABANDONED, MAX_ABANDONED, 1] {
            fixture.proxy.close();
            assert_eq!(fixture.proxy.poll_timeout(now), Some(now));
            assert_eq!(errors_to_romeo(&fixture.done()).len(), portion);
        }
        fixture.proxy.close();
        assert_eq!(fixture.proxy.poll_timeout(now), None);
        assert!(fixture.done().is_empty());
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
    fn what_cannot_be_sent_is_answered_by_an_error() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let error = error_to_romeo("x@proxy.example", &INTERNAL_SERVER_ERROR);
        let sent = fixture.iq(ROMEO, "x@proxy.example", "set", "1").unwrap();
        fixture.proxy.unsent("set", sent.clone());
        assert_eq!(fixture.done(), [error.as_str()]);
        fixture.proxy.unsent("set", sent);
        assert!(fixture.done().is_empty());

        let sent = fixture.iq(ROMEO, "x@proxy.example", "set", "1").unwrap();
        let answer = fixture.answer(&sent, "result").unwrap();
        fixture.proxy.unsent("result", answer);
        assert_eq!(fixture.done(), [error]);
    }
}
