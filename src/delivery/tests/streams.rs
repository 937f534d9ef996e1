//! Answers that come bit by bit.

use super::*;

/// What is left unsaid, if anything is.
#[derive(Debug)]
struct Half(Option<&'static str>);

impl Unfinished for Half {
    fn break_off(&self) -> Option<Element> {
        self.0.map(reply)
    }
}

const NOTHING: Half = Half(None);

impl Component {
    fn head(&mut self, id: ExchangeId, unfinished: Half) {
        let report = Report::default();
        let unfinished = Arc::new(unfinished);
        self.delivery
            .handle_head(id, unfinished, report, self.now, &mut self.rng);
    }

    fn item(&mut self, id: ExchangeId, reply_id: &str) {
        self.delivery.handle_item(id, reply(reply_id));
    }

    fn stream_end(&mut self, id: ExchangeId, end: AttemptEnd) {
        self.delivery.handle_stream_end(id, end, String::new());
    }

    /// The ids of what was sent since it was last asked for, each with its type.
    fn sent(&mut self) -> Vec<String> {
        self.effects();
        self.sent.drain(..).collect()
    }

    /// Why answers have broken off.
    fn broken_off(&mut self) -> Vec<Failure> {
        self.effects();
        let told = self.told.drain(..);
        told.filter_map(|event| match event {
            Event::BrokenOff { failure, .. } => Some(failure),
            _ => None,
        })
        .collect()
    }
}

fn xml(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| reply(id).to_xml()).collect()
}

fn lost() -> AttemptFailure {
    NoAnswer::ConnectionLost("reset".into()).into()
}

/// A component with a message under way whose answer has begun.
fn begun(unfinished: Half) -> Component {
    let mut component = Component::new(Limits {
        retry: RetryPolicy {
            retry_for: SECOND,
            at_least_once: true,
        },
        ..LIMITS
    });
    component.admit(message(), "romeo@a", "m");
    assert_eq!(component.attempted(), ["m"]);
    component.head(1, unfinished);
    component
}

#[test]
fn what_comes_is_sent_as_it_comes_and_the_next_waits_for_its_end() {
    let mut component = begun(NOTHING);
    component.admit(message(), "romeo@a", "next");
    component.item(1, "a");
    assert_eq!(component.sent(), xml(&["a"]));
    assert_eq!(
        component.told[1..],
        [Event::Accepted {
            service: "http://0.test/".into(),
            arrived: component.now,
            replied: true,
        }]
    );
    component.item(1, "b");
    assert!(component.attempted().is_empty());
    component.stream_end(1, Ok(vec![reply("c")]));
    assert_eq!(component.sent(), xml(&["b", "c"]));
    assert_eq!(component.attempted(), ["next"]);
    assert!(component.failed().is_empty() && component.broken_off().is_empty());
}

#[test]
fn it_holds_its_place_to_its_end() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..LIMITS
    });
    component.admit(message(), "romeo@a", "m");
    component.admit(message(), "juliet@a", "j");
    assert_eq!(component.attempted(), ["m"]);
    component.head(1, NOTHING);
    component.item(1, "a");
    assert!(component.attempted().is_empty());
    component.stream_end(1, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["j"]);
}

#[test]
fn one_that_breaks_off_leaves_what_was_sent_and_is_not_tried_again() {
    let mut component = begun(Half(Some("half …")));
    component.item(1, "a");
    component.stream_end(1, Err(lost()));
    assert_eq!(component.sent(), xml(&["a", "half …"]));
    assert_eq!(component.broken_off(), [Failure::Attempt(lost())]);
    component.now += 60 * SECOND;
    assert!(component.attempted().is_empty() && component.failed().is_empty());
    assert!(component.delivery.is_empty());
}

#[test]
fn an_iq_without_its_answer_gets_the_error() {
    for (answer, errors) in [(None, 1), (Some("result"), 0), (Some("get"), 1)] {
        let mut component = Component::new(LIMITS);
        component.admit(iq(), "romeo@a", "i");
        assert_eq!(component.attempted(), ["i"]);
        component.head(1, NOTHING);
        if let Some(type_) = answer {
            let answer = Element::new("iq").with_attr("type", type_);
            let answer = answer.with_attr("to", "romeo@a").with_attr("id", "i");
            component
                .delivery
                .handle_item(1, answer.with_attr("from", iq().envelope.to));
            component.sent();
        }
        component.stream_end(1, Err(lost()));
        let sent = component.sent();
        assert_eq!(sent.len(), errors, "{sent:?}");
        assert!(
            sent.iter()
                .all(|error| error.contains("<remote-server-timeout "))
        );
        assert_eq!(component.broken_off().len(), 1);
    }
}

#[test]
fn with_its_head_the_deadline_of_an_iq_is_over() {
    let mut component = Component::new(LIMITS);
    component.admit(iq(), "romeo@a", "i");
    assert_eq!(component.attempted(), ["i"]);
    component.head(1, NOTHING);
    assert_eq!(component.timeout(), None);
    component.now += 2 * LIMITS.timeout;
    component.delivery.handle_timeout(component.now);
    assert!(component.failed().is_empty());
}

#[test]
fn the_end_of_the_component_breaks_it_off() {
    let mut component = begun(Half(Some("half …")));
    component.item(1, "a");
    component.delivery.close();
    assert_eq!(component.sent(), xml(&["a", "half …"]));
    assert_eq!(component.broken_off(), [Failure::Stopped]);
    component.item(1, "late");
    component.stream_end(1, Ok(vec![reply("later")]));
    assert!(component.sent().is_empty() && component.failed().is_empty());
}

#[test]
fn an_answer_to_what_has_ended_only_says_that_the_service_is_there() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..LIMITS
    });
    component.admit(iq(), "romeo@a", "i");
    assert_eq!(component.attempted(), ["i"]);
    component
        .delivery
        .handle_timeout(component.now + LIMITS.timeout);
    assert_eq!(component.failed(), ["i"]);
    component.sent.clear();
    component.admit(message(), "romeo@a", "m");
    component.head(1, Half(Some("half …")));
    component.item(1, "late");
    assert!(component.attempted().is_empty(), "its place is taken");
    component.stream_end(1, Err(lost()));
    assert!(component.sent().is_empty() && component.broken_off().is_empty());
    assert_eq!(component.attempted(), ["m"]);
}

#[test]
fn streams_that_break_off_are_no_outage() {
    let mut component = begun(NOTHING);
    component.stream_end(1, Err(lost()));
    for id in 2..20 {
        component.admit(message(), "romeo@a", &id.to_string());
        assert_eq!(component.attempted(), [id.to_string()]);
        component.head(id, NOTHING);
        component.stream_end(id, Err(lost()));
    }
    component.effects();
    let down = |event: &Event| matches!(event, Event::WentDown { .. });
    assert!(!component.told.iter().any(down));
}
