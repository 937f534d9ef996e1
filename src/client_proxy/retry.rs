//! A get that is not answered for a while goes to another resource too (`proxy_try_timeout`).
//!
//! A client whose connection has died counts as available for as long as its server waits for it to come
//! back (XEP-0198), up to minutes. Its requests need not wait with it: RFC 6120 §8.2.3 makes a get harmless
//! to repeat. A set may have been carried out, and is never sent twice.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use super::*;

impl<S: Clone> Proxy<S> {
    /// Sends a request on to one more resource if there is one that does not have it. Either way it goes on
    /// waiting.
    pub(super) fn try_another(
        &mut self,
        mut request: Request<S>,
        now: Instant,
        rng: &mut impl Rng,
    ) {
        self.blame(&mut request, now);
        request.next_try = self.settings.try_timeout.map(|after| now + after);
        let attempts = self.pending.attempts() + request.outstanding().count();
        if request.next_try.is_none() || attempts >= self.bounds.requests {
            self.pending.put_back(request);
            return;
        }
        let requester = self.translations.translate(&request.envelope.from);
        let chosen = self.choose(&requester.tag, now, rng, |jid| !request.was_sent_to(jid));
        match (request.held.clone(), chosen) {
            (Some(Held { stanza, .. }), Some(resource)) => {
                let from = &requester.address;
                let addresses = self.pending.insert(resource, from, request, now, rng);
                self.effects.push_back(Effect::SendAgain(stanza, addresses));
            }
            _ => self.pending.put_back(request),
        }
    }

    /// Notes which resources have let a request wait for too long.
    pub(super) fn blame(&mut self, request: &mut Request<S>, now: Instant) {
        if request.asked != Asked::Target {
            return;
        }
        for attempt in request.newly_overdue() {
            let Attempt { peer, sent, .. } = attempt;
            if let Some(rest) = self.resources.timed_out(peer, *sent, now) {
                let line = format!(
                    "{peer} has let several requests in a row time out; others go first for {} seconds",
                    rest.as_secs()
                );
                self.effects.push_back(Effect::Log(Note::warn(line)));
            }
        }
    }

    /// A request was answered that several resources have: from now on the one that did serves the
    /// requester.
    pub(super) fn settle_on(&mut self, request: &Request<S>, peer: &str, now: Instant) {
        let asked = |attempt: &&Attempt| &*attempt.peer == peer;
        if request.attempts.len() > 1
            && let Some(attempt) = request.attempts.iter().find(asked)
        {
            let requester = &request.envelope.from;
            let translated = self.translations.translate(requester);
            self.serve(requester, &translated, Rc::clone(&attempt.peer), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;

    #[test]
    fn a_get_without_an_answer_goes_to_another_and_then_to_a_third() {
        let mut fixture = Fixture::trying(&["1", "2", "3"]);
        let first = fixture.iq(ROMEO, "a@proxy.example", "get", "1").unwrap();
        fixture.tick(14);
        assert!(fixture.done().is_empty());
        fixture.tick(1);
        let second = fixture.sent_again();
        fixture.tick(14);
        fixture.done();
        fixture.tick(1);
        let third = fixture.sent_again();
        let to = [&first, &second, &third].map(|sent| sent.to.as_str());
        assert_eq!(to, [ONE, TWO, THREE]);
        assert!(second.from == first.from && third.from == first.from);
        // Nobody is left, and nobody gets it twice.
        for _ in 0..4 {
            fixture.tick(15);
            assert!(!fixture.done().iter().any(|done| done.starts_with("again")));
        }
        fixture.tick(30);
        assert_eq!(
            errors_to_romeo(&fixture.done()),
            [error_to_romeo("a@proxy.example", &REMOTE_SERVER_TIMEOUT)]
        );
        for late in [first, second, third] {
            assert_eq!(fixture.answer(&late, "result"), None);
        }
    }

    #[test]
    fn the_first_answer_counts_whoever_gives_it_and_whatever_it_is() {
        for (quick, slow, type_) in [(0, 1, "result"), (1, 0, "error"), (1, 0, "result")] {
            let mut fixture = Fixture::trying(&["1", "2"]);
            let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
            fixture.tick(15);
            let sent = [first, fixture.sent_again()];
            let answer = fixture.answer(&sent[quick], type_);
            assert_eq!(answer, Some(addresses(ROMEO, HOST, "1")));
            assert_eq!(fixture.answer(&sent[slow], "result"), None);
            fixture.tick(120);
            assert!(errors_to_romeo(&fixture.done()).is_empty());
        }
    }

    #[test]
    fn each_try_has_an_id_of_its_own_where_the_first_is_taken() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        let first = fixture.iq(ROMEO, "a@proxy.example", "get", "1").unwrap();
        let other = fixture.iq(ROMEO, "b@proxy.example", "set", "1").unwrap();
        assert_eq!((first.to.as_str(), other.to.as_str()), (ONE, TWO));
        fixture.tick(15);
        let again = fixture.sent_again();
        assert_eq!(again.to, TWO);
        assert_ne!(again.id, other.id);
        for (sent, addressed) in [(again, "a@proxy.example"), (other, "b@proxy.example")] {
            assert_eq!(
                fixture.answer(&sent, "result"),
                Some(addresses(ROMEO, addressed, "1"))
            );
        }
    }

    #[test]
    fn a_set_is_sent_once() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        fixture.iq(ROMEO, HOST, "set", "1").unwrap();
        fixture.tick(119);
        assert!(!fixture.done().iter().any(|done| done.starts_with("again")));
    }

    #[test]
    fn nor_is_a_get_sent_again_when_the_time_is_zero() {
        let mut fixture = Fixture::with(Strategy::Random, &["1", "2"]);
        fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(119);
        assert!(!fixture.done().iter().any(|done| done.starts_with("again")));
    }

    #[test]
    fn new_settings_count_for_what_is_outstanding() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        let now = fixture.now;
        let never = settings(Strategy::RoundRobin);
        fixture.proxy.reconfigure(never, now);
        fixture.done();
        fixture.tick(15);
        assert!(!fixture.done().iter().any(|done| done.starts_with("again")));
    }

    #[test]
    fn a_resource_that_comes_later_is_tried_too() {
        let mut fixture = Fixture::trying(&["1"]);
        fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(20);
        fixture.presence(TWO, HOST, None);
        fixture.done();
        fixture.tick(10);
        fixture.done();
        fixture.tick(5);
        assert_eq!(fixture.sent_again().to, TWO);
    }

    #[test]
    fn whoever_would_rather_not_is_tried_before_nobody() {
        let mut fixture = Fixture::trying(&["1"]);
        fixture.reluctant_presence(TWO);
        assert_eq!(fixture.iq(ROMEO, HOST, "get", "1").unwrap().to, ONE);
        fixture.tick(15);
        assert_eq!(fixture.sent_again().to, TWO);
    }

    #[test]
    fn nothing_counts_as_outstanding_once_it_is_answered() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        fixture.proxy.settings.strategy = Strategy::LeastOutstanding;
        let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(15);
        let second = fixture.sent_again();
        assert_eq!(fixture.outstanding(), [1, 1]);
        fixture.answer(&second, "result").unwrap();
        assert_eq!(fixture.outstanding(), [0, 0]);
        assert_eq!(fixture.answer(&first, "result"), None);
        assert_eq!(fixture.outstanding(), [0, 0]);
    }

    #[test]
    fn a_resource_that_lets_three_wait_rests_though_others_have_answered() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        for id in 0..6 {
            let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
            if sent.to == TWO {
                fixture.answer(&sent, "result").unwrap();
            }
        }
        fixture.tick(15);
        assert!(fixture.done().contains(&"warn".to_owned()));
        for id in 6..10 {
            let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
            assert_eq!(sent.to, TWO);
        }
    }

    #[test]
    fn a_sticky_requester_stays_with_whoever_answers() {
        for answers in [ONE, TWO] {
            let mut fixture = Fixture::trying(&["1", "2"]);
            let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
            assert_eq!(first.to, ONE);
            fixture.proxy.settings.strategy = Strategy::Sticky;
            fixture.tick(15);
            let sent = [first, fixture.sent_again()];
            let answered = sent.iter().find(|sent| sent.to == answers).unwrap();
            fixture.answer(answered, "result").unwrap();
            for id in 2..20 {
                let sent = fixture.iq(ROMEO, HOST, "get", &id.to_string()).unwrap();
                assert_eq!(sent.to, answers);
            }
        }
    }

    #[test]
    fn one_of_two_resources_that_have_a_request_goes() {
        for (leaving, staying) in [(0, 1), (1, 0)] {
            let mut fixture = Fixture::trying(&["1", "2", "3"]);
            let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
            fixture.tick(15);
            let sent = [first, fixture.sent_again()];
            fixture.presence(&sent[leaving].to, HOST, Some("unavailable"));
            assert!(fixture.done().is_empty());
            assert_eq!(fixture.answer(&sent[leaving], "result"), None);
            // The third gets it when its time has come.
            fixture.tick(15);
            assert_eq!(fixture.sent_again().to, THREE);
            assert_eq!(
                fixture.answer(&sent[staying], "result"),
                Some(addresses(ROMEO, HOST, "1"))
            );
        }
    }

    #[test]
    fn both_resources_that_have_a_request_go() {
        let mut fixture = Fixture::trying(&["1", "2", "3"]);
        fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(15);
        fixture.done();
        fixture.presence(ONE, HOST, Some("unavailable"));
        fixture.presence(TWO, HOST, Some("unavailable"));
        let third = fixture.sent_again();
        assert_eq!(third.to, THREE);
        fixture.presence(THREE, HOST, Some("unavailable"));
        let error = error_to_romeo(HOST, &SERVICE_UNAVAILABLE);
        assert_eq!(errors_to_romeo(&fixture.done()), [error]);
    }

    #[test]
    fn a_try_that_cannot_be_sent_leaves_the_first() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(15);
        let second = fixture.sent_again();
        fixture.proxy.unsent("get", second);
        assert!(fixture.done().is_empty());
        assert!(fixture.answer(&first, "result").is_some());
    }

    #[test]
    fn tries_stop_at_the_bound() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        fixture.proxy.bounds.requests = 3;
        for id in ["1", "2"] {
            fixture.iq(ROMEO, HOST, "get", id).unwrap();
        }
        fixture.tick(15);
        let again = fixture.done();
        assert_eq!(again.len(), 1, "{again:?}");
    }
}
