//! Whether the target's server is there, as any stanza may show.

use std::time::Instant;

use super::*;
use crate::stanza::{Kind, jid};

impl<S: Clone> Proxy<S> {
    /// Sees whether a stanza shows that the target's server is there. An error does not: Prosody makes one in
    /// the name of a server that cannot be reached.
    pub(super) fn notice_server(&mut self, envelope: &Envelope, now: Instant) {
        if self.subscription.is_settled()
            || envelope.has_type("error")
            || jid::domain(&envelope.from) != jid::domain(&self.settings.target)
        {
            return;
        }
        let is_answer = envelope.has_type("subscribed") || envelope.has_type("unsubscribed");
        if envelope.kind == Kind::Presence && is_answer {
            self.subscription.hear_answer();
        } else {
            self.subscription.hear(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::client_proxy::choice::Strategy;

    /// Whether the target is asked for its presence at once.
    fn is_asked(fixture: &mut Fixture) -> bool {
        fixture.done();
        fixture.tick(0);
        let request = format!("<presence to='{TARGET}' from='{HOST}' type='subscribe'/>");
        fixture.done() == [request]
    }

    #[test]
    fn a_server_that_comes_back_is_asked_at_once() {
        for (from, type_, expected) in [
            (TARGET, "subscribe", true),
            (ONE, "probe", true),
            ("example", "unavailable", true),
            ("other@example/x", "unavailable", true),
            ("other@elsewhere.example/x", "unavailable", false),
            // Prosody's own, for a server that cannot be reached.
            (TARGET, "error", false),
            (ONE, "error", false),
            ("example", "error", false),
            (TARGET, "unsubscribed", false),
        ] {
            let mut fixture = Fixture::long_unheard();
            fixture.presence(from, HOST, Some(type_));
            assert_eq!(is_asked(&mut fixture), expected, "{type_} from {from}");
        }
    }

    #[test]
    fn any_stanza_shows_that_the_server_is_back() {
        for (type_, expected) in [("get", true), ("result", true), ("error", false)] {
            let mut fixture = Fixture::long_unheard();
            fixture.iq("other@example/x", HOST, type_, "1");
            assert_eq!(is_asked(&mut fixture), expected, "{type_}");
        }
        for (type_, expected) in [("chat", true), ("error", false)] {
            let mut fixture = Fixture::long_unheard();
            fixture.message("other@example/x", Some(type_));
            assert_eq!(is_asked(&mut fixture), expected, "{type_}");
        }
    }

    #[test]
    fn a_server_that_bounces_everything_is_asked_no_more_often() {
        let mut fixture = Fixture::new(Strategy::Random);
        let mut asked = 0;
        for _ in 0..300 {
            fixture.tick(1);
            for _ in fixture.done() {
                asked += 1;
                fixture.presence(TARGET, HOST, Some("error"));
            }
        }
        // The probe, and the requests at 0, 1, 3, 7, 15, 31, 63, 127 and 255 seconds, one with a warning.
        assert_eq!(asked, 11);
    }
}
