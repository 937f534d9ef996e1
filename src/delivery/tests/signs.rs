//! What senders see of their messages beside the replies.

use super::*;
use crate::mapping::fields::CHILDREN;
use crate::stanza::Extensions;

const SHORT: Duration = Duration::from_millis(300);

const COMPOSING: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
const ACTIVE: &str = "<active xmlns='http://jabber.org/protocol/chatstates'/>";

/// A message whose sender sees something.
fn asking(asks_for_receipt: bool, knows_chat_states: bool) -> Stanza {
    let mut stanza = message();
    stanza.extensions = Extensions {
        any: true,
        asks_for_receipt,
        knows_chat_states,
    };
    stanza
}

/// What is sent to the sender of that message beside the id.
fn to_romeo(inside: &str) -> String {
    format!("<message to='romeo@a/r' from='bot.example' type='chat'>{inside}</message>")
}

fn answer(to: &str) -> Element {
    Element::new("message")
        .with_attr("to", to)
        .with_attr("type", "chat")
}

impl Component {
    fn with_one_in_flight(stanza: Stanza) -> Self {
        let mut component = Component::new(LIMITS);
        component.admit(stanza, "romeo@a/r", "1");
        assert_eq!(component.attempted(), ["1"]);
        component
    }

    /// What is sent when that much time has passed.
    fn after(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.delivery.handle_timeout(self.now);
        self.new_stanzas()
    }

    fn new_stanzas(&mut self) -> Vec<String> {
        self.effects();
        std::mem::take(&mut self.sent)
    }

    fn accept(&mut self, replies: Vec<Element>) -> Vec<String> {
        self.end(1, Ok(replies));
        self.new_stanzas()
    }
}

#[test]
fn an_answer_that_takes_its_time_is_seen_to_be_composed() {
    let mut component = Component::with_one_in_flight(asking(false, true));
    assert_eq!(component.timeout(), Some(component.now + SHORT));
    assert!(component.after(SHORT - Duration::from_millis(1)).is_empty());
    assert_eq!(
        component.after(Duration::from_millis(1)),
        [to_romeo(COMPOSING)]
    );
    assert_eq!(component.timeout(), None);
    assert!(component.after(SECOND).is_empty(), "once");
    assert_eq!(
        component.accept(vec![answer("romeo@a/r"), answer("juliet@a")]),
        [
            format!("<message to='romeo@a/r' type='chat'>{ACTIVE}</message>"),
            answer("juliet@a").to_xml(),
        ]
    );
    assert!(component.after(SECOND).is_empty());
}

#[test]
fn an_answer_that_comes_bit_by_bit_is_composed_up_to_its_first_item() {
    #[derive(Debug)]
    struct Whole;
    impl Unfinished for Whole {
        fn break_off(&self) -> Option<Element> {
            None
        }
    }
    let mut component = Component::with_one_in_flight(asking(true, true));
    let (now, report) = (component.now, Report::default());
    let rng = &mut component.rng;
    component
        .delivery
        .handle_head(1, Arc::new(Whole), report, now, rng);
    assert!(component.new_stanzas()[0].contains("<received "));
    assert_eq!(component.after(SHORT), [to_romeo(COMPOSING)]);
    component.delivery.handle_item(1, answer("romeo@a/r"));
    let active = format!("<message to='romeo@a/r' type='chat'>{ACTIVE}</message>");
    assert_eq!(component.new_stanzas(), [active.as_str()]);
    let rest = Ok(vec![answer("romeo@a/r")]);
    component.delivery.handle_stream_end(1, rest, String::new());
    assert_eq!(component.new_stanzas(), [active], "and no more");
}

#[test]
fn a_quick_answer_is_only_active() {
    let mut component = Component::with_one_in_flight(asking(false, true));
    assert_eq!(
        component.accept(vec![answer("romeo@a")]),
        [format!(
            "<message to='romeo@a' type='chat'>{ACTIVE}</message>"
        )]
    );
    assert_eq!(component.timeout(), None);
    let mut component = Component::with_one_in_flight(asking(false, true));
    assert!(component.accept(Vec::new()).is_empty());
    assert_eq!(component.timeout(), None);
}

#[test]
fn without_a_reply_the_end_is_seen_alone() {
    for replies in [Vec::new(), vec![answer("juliet@a")]] {
        let mut component = Component::with_one_in_flight(asking(false, true));
        component.after(SHORT);
        let others = replies.len();
        let sent = component.accept(replies);
        assert_eq!((&sent[0], sent.len()), (&to_romeo(ACTIVE), 1 + others));
    }
    let mut component = Component::with_one_in_flight(asking(false, true));
    component.after(SHORT);
    component.end(1, Err(rejected(404)));
    let sent = component.new_stanzas();
    assert_eq!(sent[0], to_romeo(ACTIVE));
    assert!(sent[1].contains("<error type='cancel'>"), "{sent:?}");
}

#[test]
fn what_a_service_says_of_itself_stays() {
    let mut component = Component::with_one_in_flight(asking(false, true));
    component.after(SHORT);
    let gone = Element::new("gone").with_attr("xmlns", "http://jabber.org/protocol/chatstates");
    assert_eq!(
        component.accept(vec![answer("romeo@a/r").with_child(gone.clone())]),
        [answer("romeo@a/r").with_child(gone).to_xml()]
    );
}

#[test]
fn who_waits_for_another_answer_sees_that_one_first() {
    let mut component = Component::with_one_in_flight(asking(false, true));
    component.admit(asking(false, true), "romeo@a/r", "2");
    assert_eq!(
        component.after(SHORT),
        [to_romeo(COMPOSING)],
        "of the first"
    );
    let sent = component.accept(vec![answer("romeo@a/r")]);
    assert!(sent[0].contains(ACTIVE), "{sent:?}");
    assert_eq!(sent[1..], [to_romeo(COMPOSING)], "of the second, at once");
    component.admit(asking(false, true), "romeo@a/r", "3");
    assert_eq!(component.timeout(), None, "it waits for the second");
    assert_eq!(component.attempted(), ["2"]);
    component.end(2, Ok(Vec::new()));
    assert_eq!(component.new_stanzas(), [to_romeo(ACTIVE)]);
    assert_eq!(
        component.timeout(),
        Some(component.now + SHORT),
        "of the third"
    );
}

#[test]
fn a_thread_is_kept() {
    let mut stanza = asking(false, true);
    stanza.texts = CHILDREN.map(|name| (name == "thread").then(|| "t1".into()));
    let mut component = Component::with_one_in_flight(stanza);
    assert_eq!(
        component.after(SHORT),
        [to_romeo(&format!("<thread>t1</thread>{COMPOSING}"))]
    );
}

#[test]
fn the_end_of_the_component_ends_it_too() {
    let mut component = Component::with_one_in_flight(asking(false, true));
    component.admit(asking(false, true), "juliet@a/r", "2");
    component.after(SHORT);
    component.delivery.close();
    let sent = component.new_stanzas();
    assert_eq!(sent.len(), 4, "active and an error for each: {sent:?}");
    let mut component = Component::with_one_in_flight(asking(false, true));
    component.delivery.close();
    assert!(component.after(SHORT)[0].contains("<error "));
}

#[test]
fn a_receipt_comes_before_the_replies() {
    let mut component = Component::with_one_in_flight(asking(true, true));
    component.after(SHORT);
    let sent = component.accept(vec![answer("romeo@a/r")]);
    let received = "<received xmlns='urn:xmpp:receipts' id='1'/></message>";
    assert!(sent[0].starts_with("<message to='romeo@a/r' from='bot.example' id='"));
    assert!(
        sent[0].ends_with(&format!(" type='chat'>{received}")),
        "{}",
        sent[0]
    );
    assert!(!sent[0].contains("message to='romeo@a/r' from='bot.example' id='1'"));
    assert!(sent[1].contains(ACTIVE) && sent.len() == 2, "{sent:?}");
}

#[test]
fn what_is_not_accepted_gets_no_receipt() {
    let mut component = Component::with_one_in_flight(asking(true, false));
    component.end(1, Err(rejected(404)));
    let sent = component.new_stanzas();
    assert!(sent.len() == 1 && sent[0].contains("<error "), "{sent:?}");
    let mut component = Component::with_one_in_flight(asking(false, false));
    assert!(component.accept(Vec::new()).is_empty());
    assert_eq!(component.timeout(), None, "nobody asked");
}
