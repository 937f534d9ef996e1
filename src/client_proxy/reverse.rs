//! The way back: the target asks a requester that it serves.

use std::time::Instant;

use rand::Rng;

use super::translation::Decoded;
use super::*;
use crate::stanza::jid;

/// What the target means by an address at the component.
pub(super) enum Addressee {
    /// A requester whom it serves.
    Requester(String),
    /// Somebody by the form of the address, but nobody whom it serves.
    Stranger,
    /// The component, as anyone may.
    Other,
}

impl<S: Clone> Proxy<S> {
    /// Sends a request of the target's on to a requester, from the host's own JID.
    pub(super) fn ask_requester(
        &mut self,
        envelope: Envelope,
        requester: &str,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Addresses {
        let deadline = now + self.settings.timeout;
        let request = Request::new(envelope, Asked::Requester, deadline, None);
        let from = &self.settings.host;
        self.pending
            .insert(requester.into(), from, request, now, rng)
    }

    /// Who is meant by an address at the component that the target uses.
    pub(super) fn served_requester(&self, address: &str, now: Instant) -> Addressee {
        let resource = match (jid::node(address), jid::resource(address)) {
            (None, Some(resource)) => resource,
            _ => return Addressee::Other,
        };
        let (tag, jid) = match self.translations.decode(resource) {
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
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;
    use crate::client_proxy::translation::Translator;

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
