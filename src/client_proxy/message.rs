//! Messages between requesters and the target (`proxy_stanzas` has "message").
//!
//! A conversation stays with one resource of the target for as long as that is available. The target
//! answers to the address that it was written from, which proves by itself that there is such a requester;
//! so it may write first, and after a restart. A message is sent on at once or not at all, so that none
//! overtakes another one.

use std::rc::Rc;
use std::time::Instant;

use rand::Rng;

use super::conversations::Conversation;
use super::translation::Decoded;
use super::*;
use crate::stanza::{Kind, jid};

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageVerdict {
    /// It is to be sent on with these addresses to one resource, and to be copied to no other.
    ToTarget {
        /// The full JID of the resource.
        to: String,
        /// The address that stands for the requester.
        from: String,
    },
    /// It is to be sent on with these addresses.
    ToRequester {
        /// The requester.
        to: String,
        /// The JID at the proxy's host that it wrote to last.
        from: String,
    },
    /// It is seen to.
    Settled,
}

/// A message that arrived at the proxy.
pub struct Message {
    /// Who, to whom.
    pub envelope: Envelope,
    /// Whether it has a body: if not, nobody waits for an error.
    pub has_body: bool,
}

impl<S: Clone> Proxy<S> {
    /// Takes a message addressed to the component.
    pub fn message(
        &mut self,
        message: &Message,
        now: Instant,
        rng: &mut impl Rng,
    ) -> MessageVerdict {
        let envelope = &message.envelope;
        self.notice_server(envelope, now);
        if envelope.is_groupchat() {
            self.refuse(envelope, &FEATURE_NOT_IMPLEMENTED);
            return MessageVerdict::Settled;
        }
        if self.has_ended {
            self.return_message(message, &REMOTE_SERVER_TIMEOUT);
            return MessageVerdict::Settled;
        }
        let verdict = if jid::bare(&envelope.from) == self.settings.target {
            self.message_of_target(envelope, now)
        } else {
            self.message_of_requester(message, now, rng)
        };
        if verdict != MessageVerdict::Settled {
            self.counts.messages_relayed += 1;
        }
        verdict
    }

    /// Refuses a message, which the component does not carry.
    pub fn refuse_message(&mut self, envelope: &Envelope, now: Instant) {
        self.notice_server(envelope, now);
        self.refuse(envelope, &FEATURE_NOT_IMPLEMENTED);
    }

    /// A message could not be sent on.
    pub fn message_unsent(&mut self, message: &Message) {
        self.return_message(message, &INTERNAL_SERVER_ERROR);
    }

    fn message_of_requester(
        &mut self,
        message: &Message,
        now: Instant,
        rng: &mut impl Rng,
    ) -> MessageVerdict {
        let Envelope { to, from, .. } = &message.envelope;
        let requester = self.translations.translate(from);
        let conversation = Conversation::new(from, to);
        let known = self.conversations.resource(&conversation);
        let available = known.filter(|resource| self.resources.contains(resource));
        let resource = match available.cloned() {
            Some(resource) => resource,
            None => {
                let Some(resource) = self.choose(&requester.tag, now, rng, |_| true) else {
                    self.counts.messages_no_resource += 1;
                    self.return_message(message, &SERVICE_UNAVAILABLE);
                    return MessageVerdict::Settled;
                };
                resource
            }
        };
        self.conversations
            .assign(conversation, Rc::clone(&resource));
        self.conversations.address(requester.tag, to);
        self.serve(from, &requester, Rc::clone(&resource), now);
        MessageVerdict::ToTarget {
            to: resource.as_ref().to_owned(),
            from: requester.address.as_ref().to_owned(),
        }
    }

    fn message_of_target(&mut self, envelope: &Envelope, now: Instant) -> MessageVerdict {
        if envelope.has_type("error") {
            // It may be the server's, for a resource that is gone.
            self.subscription.doubt(now);
        }
        let Some((tag, requester)) = self.requester_at(&envelope.to) else {
            self.refuse(envelope, &ITEM_NOT_FOUND);
            return MessageVerdict::Settled;
        };
        let addressed = self.conversations.addressed(&tag);
        let addressed = addressed.unwrap_or(&self.settings.host).to_owned();
        self.begin_conversation(&requester, &addressed, &envelope.from);
        MessageVerdict::ToRequester {
            to: requester,
            from: addressed,
        }
    }

    /// The requester that an address at the component stands for.
    fn requester_at(&self, address: &str) -> Option<(Tag, String)> {
        let resource = jid::resource(address).filter(|_| jid::node(address).is_none())?;
        match self.translations.decode(resource) {
            Decoded::Carried(jid, tag) => Some((tag, jid)),
            Decoded::Digested(tag) => Some((tag, self.requesters.jid(&tag)?.to_owned())),
            Decoded::Forged | Decoded::Foreign => None,
        }
    }

    /// What a resource says first, or first after a restart, makes the conversation its own.
    fn begin_conversation(&mut self, requester: &str, addressed: &str, resource: &str) {
        let conversation = Conversation::new(requester, addressed);
        let known = self.conversations.resource(&conversation);
        if known.is_none_or(|known| !self.resources.contains(known))
            && let Some(resource) = self.resources.get(resource)
        {
            self.conversations.assign(conversation, resource);
        }
    }

    /// Tells the sender of a message that it cannot be sent on, unless nobody waits for that.
    fn return_message(&mut self, message: &Message, error: &StanzaError) {
        if message.has_body {
            self.refuse(&message.envelope, error);
        }
    }
}

impl Message {
    /// A message with these attributes.
    pub fn new(
        to: String,
        from: String,
        type_: Option<String>,
        id: Option<String>,
        has_body: bool,
    ) -> Self {
        let envelope = Envelope {
            kind: Kind::Message,
            to,
            from,
            type_,
            id,
            says_nothing: false,
        };
        Message { envelope, has_body }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::client_proxy::choice::Strategy;

    const BOT: &str = "bot@proxy.example";
    const PHONE: &str = "romeo@montague.example/phone";
    const JULIET: &str = "juliet@capulet.example/balcony";

    impl Fixture {
        fn chat(&mut self, from: &str, to: &str) -> MessageVerdict {
            self.say(from, to, Some("chat"), true)
        }

        fn say(
            &mut self,
            from: &str,
            to: &str,
            type_: Option<&str>,
            has_body: bool,
        ) -> MessageVerdict {
            let type_ = type_.map(str::to_owned);
            let id = Some("m1".to_owned());
            let message = Message::new(to.into(), from.into(), type_, id, has_body);
            self.proxy.message(&message, self.now, &mut self.rng)
        }

        /// The resource that a message goes to, and the address that it comes from.
        fn asked(&mut self, from: &str, to: &str) -> (String, String) {
            match self.chat(from, to) {
                MessageVerdict::ToTarget { to, from } => (to, from),
                other => panic!("{other:?}"),
            }
        }
    }

    fn to_requester(to: &str, from: &str) -> MessageVerdict {
        MessageVerdict::ToRequester {
            to: to.into(),
            from: from.into(),
        }
    }

    #[test]
    fn a_conversation_stays_with_its_resource_whatever_the_strategy() {
        for strategy in Strategy::ALL {
            let mut fixture = Fixture::with(strategy, &["1", "2", "3"]);
            let (first, _) = fixture.asked(ROMEO, BOT);
            for _ in 0..20 {
                assert_eq!(fixture.asked(ROMEO, BOT).0, first);
                assert_eq!(fixture.asked(PHONE, "bot@proxy.example/x").0, first);
                fixture.iq(ROMEO, HOST, "get", "1");
            }
        }
    }

    #[test]
    fn conversations_are_spread_as_the_strategy_says() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        assert_eq!(fixture.asked(ROMEO, BOT).0, ONE);
        assert_eq!(fixture.asked(JULIET, BOT).0, TWO);
        assert_eq!(fixture.asked(ROMEO, HOST).0, ONE);
    }

    #[test]
    fn a_conversation_moves_when_its_resource_goes_and_stays_there() {
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        assert_eq!(fixture.asked(ROMEO, BOT).0, ONE);
        fixture.presence(ONE, HOST, Some("unavailable"));
        assert_eq!(fixture.asked(ROMEO, BOT).0, TWO);
        fixture.presence(ONE, HOST, None);
        for _ in 0..4 {
            assert_eq!(fixture.asked(ROMEO, BOT).0, TWO);
        }
    }

    #[test]
    fn who_would_rather_not_gets_a_conversation_only_if_there_is_no_other() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        fixture.reluctant_presence(TWO);
        for n in 0..20 {
            let (asked, _) = fixture.asked(&format!("{n}@example/x"), BOT);
            assert_eq!(asked, ONE);
        }
        fixture.presence(ONE, HOST, Some("unavailable"));
        assert_eq!(fixture.asked(ROMEO, BOT).0, TWO);
    }

    #[test]
    fn what_the_target_says_comes_from_where_the_requester_wrote_to_last() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, "bot@proxy.example/x");
        for type_ in [None, Some("chat"), Some("headline"), Some("error")] {
            let back = fixture.say(ONE, &address, type_, false);
            assert_eq!(back, to_requester(ROMEO, "bot@proxy.example/x"));
        }
        fixture.asked(ROMEO, BOT);
        fixture.asked(PHONE, HOST);
        assert_eq!(fixture.chat(ONE, &address), to_requester(ROMEO, BOT));
        assert!(fixture.done().is_empty());
    }

    #[test]
    fn an_address_is_enough_after_a_restart() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, BOT);
        let mut fixture = Fixture::with(Strategy::RoundRobin, &["1", "2"]);
        assert_eq!(fixture.chat(TWO, &address), to_requester(ROMEO, HOST));
        assert_eq!(fixture.asked(ROMEO, HOST).0, TWO, "who spoke first");
        fixture.chat(ONE, &address);
        assert_eq!(fixture.asked(ROMEO, HOST).0, TWO, "and has it");
    }

    #[test]
    fn an_address_stands_for_its_requester_however_long_the_jid() {
        let long = format!("{}@example/{}", "r".repeat(1000), "o".repeat(1023));
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(&long, BOT);
        assert_eq!(fixture.chat(ONE, &address), to_requester(&long, BOT));
    }

    #[test]
    fn the_target_is_told_of_addresses_that_are_nobodys() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, BOT);
        let forged = format!("{address}AAAA");
        for nobody in [HOST, BOT, "proxy.example/x", &forged] {
            assert_eq!(fixture.chat(ONE, nobody), MessageVerdict::Settled);
            assert!(fixture.done()[0].contains("<item-not-found "), "{nobody}");
            let error = fixture.say(ONE, nobody, Some("error"), true);
            assert_eq!(error, MessageVerdict::Settled);
            assert!(fixture.done().is_empty());
        }
    }

    #[test]
    fn without_a_resource_only_what_says_something_gets_an_error() {
        let mut fixture = Fixture::with(Strategy::Random, &[]);
        for (type_, has_body, expected) in [
            (Some("chat"), true, 1),
            (None, true, 1),
            (Some("chat"), false, 0),
            (Some("error"), true, 0),
        ] {
            let verdict = fixture.say(ROMEO, BOT, type_, has_body);
            assert_eq!(verdict, MessageVerdict::Settled);
            let done = fixture.done();
            assert_eq!(done.len(), expected, "{type_:?} {has_body}");
            assert!(
                done.iter()
                    .all(|xml| xml.contains("<service-unavailable ") && xml.contains("'cancel'"))
            );
        }
    }

    #[test]
    fn what_is_said_in_a_room_is_refused_both_ways() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, BOT);
        for (from, to) in [(ROMEO, BOT), (ONE, address.as_str())] {
            let verdict = fixture.say(from, to, Some("groupchat"), true);
            assert_eq!(verdict, MessageVerdict::Settled);
            assert!(fixture.done()[0].contains("<feature-not-implemented "));
        }
    }

    #[test]
    fn the_target_may_ask_whom_it_talks_to() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, BOT);
        assert_eq!(
            fixture.iq(ONE, &address, "get", "7"),
            Some(addresses(ROMEO, HOST, "7"))
        );
    }

    #[test]
    fn after_the_end_no_message_is_taken() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        let (_, address) = fixture.asked(ROMEO, BOT);
        fixture.proxy.close();
        for (from, to) in [(ROMEO, BOT), (ONE, address.as_str())] {
            assert_eq!(fixture.chat(from, to), MessageVerdict::Settled);
            assert!(fixture.done()[0].contains("<remote-server-timeout "));
        }
    }

    #[test]
    fn a_message_that_cannot_be_sent_on_is_returned_to_its_sender() {
        let mut fixture = Fixture::with(Strategy::Random, &["1"]);
        for (has_body, expected) in [(true, 1), (false, 0)] {
            let message = Message::new(BOT.into(), ROMEO.into(), None, None, has_body);
            fixture.proxy.message_unsent(&message);
            let done = fixture.done();
            assert_eq!(done.len(), expected);
            assert!(
                done.iter()
                    .all(|xml| xml.contains("<internal-server-error "))
            );
        }
    }
}
