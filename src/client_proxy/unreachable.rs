//! Errors that are nobody's answer: Prosody makes them where a request cannot be delivered.

use std::time::Instant;

use rand::Rng;

use super::*;

/// Where an error came from, as Prosody knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The stream of a client, a component or another server: it is what whoever was asked has answered.
    Stream,
    /// A host of Prosody's own: either Prosody has made it, or a module that serves as a client.
    Host,
    /// A connection to another server, which has failed.
    Connection,
}

/// Who cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The one client that was asked.
    Resource,
    /// The server of the account, and with it all clients.
    Server,
}

impl Unreachable {
    /// What an error with that condition from there says; `None` if it is an answer.
    pub fn from_error(origin: Origin, condition: Option<&str>) -> Option<Unreachable> {
        match (origin, condition) {
            (Origin::Connection, _) => Some(Unreachable::Server),
            // mod_iq: there is no such session. mod_smacks: the session was never resumed.
            (Origin::Host, Some("service-unavailable" | "recipient-unavailable")) => {
                Some(Unreachable::Resource)
            }
            // mod_component: it is not connected. The router: there is no mod_s2s.
            (Origin::Host, Some("remote-server-timeout" | "not-allowed")) => {
                Some(Unreachable::Server)
            }
            (Origin::Host | Origin::Stream, _) => None,
        }
    }
}

impl<S: Clone> Proxy<S> {
    /// Takes an error that Prosody has made for a request which it could not deliver. A get goes to another
    /// resource if only the one cannot be reached.
    pub fn undeliverable(
        &mut self,
        envelope: Envelope,
        unreachable: Unreachable,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Verdict {
        let Envelope { to, from, id, .. } = envelope;
        let Some(mut request) = self.pending.take(&from, to, id.unwrap_or_default()) else {
            return Verdict::Stray;
        };
        if request.asked == Asked::Requester {
            return Verdict::Relayed(self.restore(request.envelope));
        }
        self.subscription.doubt(now);
        if unreachable == Unreachable::Server {
            self.subscription.lose();
        }
        request.give_up(&from);
        if request.is_outstanding() {
            self.pending.put_back(request);
        } else if unreachable == Unreachable::Resource {
            self.ask_again(request, &REMOTE_SERVER_TIMEOUT, now, rng);
        } else {
            self.cut_off(&request.envelope, &REMOTE_SERVER_TIMEOUT);
        }
        Verdict::Settled
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;

    #[test]
    fn errors_that_are_no_answers() {
        use Origin::{Connection, Host, Stream};
        use Unreachable::{Resource, Server};
        for (condition, of_host) in [
            ("service-unavailable", Some(Resource)),
            ("recipient-unavailable", Some(Resource)),
            ("remote-server-timeout", Some(Server)),
            ("not-allowed", Some(Server)),
            ("item-not-found", None),
            ("feature-not-implemented", None),
            ("internal-server-error", None),
        ] {
            let error = |origin| Unreachable::from_error(origin, Some(condition));
            assert_eq!(error(Host), of_host, "{condition}");
            assert_eq!(error(Connection), Some(Server), "{condition}");
            assert_eq!(error(Stream), None, "{condition}");
        }
        assert_eq!(Unreachable::from_error(Connection, None), Some(Server));
        assert_eq!(Unreachable::from_error(Host, None), None);
    }

    #[test]
    fn a_server_that_cannot_be_reached() {
        for type_ in ["get", "set"] {
            let mut fixture = Fixture::with(Strategy::Random, &["1", "2"]);
            let sent = fixture.iq(ROMEO, HOST, type_, "1").unwrap();
            let verdict = fixture.undeliverable(&sent, Unreachable::Server);
            assert_eq!(verdict, Verdict::Settled);
            let error = error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT);
            assert_eq!(fixture.done(), [error]);
            let verdict = fixture.undeliverable(&sent, Unreachable::Server);
            assert_eq!(verdict, Verdict::Stray);
            assert_eq!(fixture.answer(&sent, "result"), None);
        }
    }

    #[test]
    fn a_resource_that_cannot_be_reached_leaves_gets_to_others() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        assert_eq!(sent.to, ONE);
        fixture.undeliverable(&sent, Unreachable::Resource);
        let again = Addresses {
            to: TWO.into(),
            ..sent
        };
        assert_eq!(fixture.done(), [format!("again 1 {again:?}")]);
        // Nobody is asked twice: this would never end with an account that blocks the proxy.
        fixture.undeliverable(&again, Unreachable::Resource);
        let error = error_to_romeo(HOST, &REMOTE_SERVER_TIMEOUT);
        assert_eq!(fixture.done(), [error.as_str()]);

        let set = fixture.iq(ROMEO, HOST, "set", "2").unwrap();
        fixture.undeliverable(&set, Unreachable::Resource);
        assert!(fixture.done()[0].contains("<remote-server-timeout "));
    }

    #[test]
    fn whoever_has_the_request_too_may_still_answer() {
        let mut fixture = Fixture::trying(&["1", "2"]);
        let first = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.tick(15);
        let second = fixture.sent_again();
        fixture.undeliverable(&first, Unreachable::Server);
        assert!(fixture.done().is_empty());
        assert_eq!(
            fixture.answer(&second, "result"),
            Some(addresses(ROMEO, HOST, "1"))
        );
    }

    #[test]
    fn a_requester_that_cannot_be_reached_is_the_target_s_business() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let sent = fixture.iq(ROMEO, HOST, "get", "1").unwrap();
        fixture.answer(&sent, "result").unwrap();
        let asked = fixture.iq(ONE, &sent.from, "get", "7").unwrap();
        let verdict = fixture.undeliverable(&asked, Unreachable::Server);
        assert_eq!(verdict, Verdict::Relayed(addresses(ONE, &sent.from, "7")));
    }
}
