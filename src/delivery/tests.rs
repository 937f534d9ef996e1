//! Each rule by itself, against a clock that stands still.

mod backends;
mod fairness;
mod interventions;
mod retries;
mod signs;
mod streams;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::breaker::Health;
use super::*;
use crate::component_http::tests::{iq, message};
use crate::stanza::Element;

const SECOND: Duration = Duration::from_secs(1);

const LIMITS: Limits = Limits {
    concurrency: 10,
    queue: Load {
        stanzas: 100,
        bytes: 1_000_000,
    },
    timeout: Duration::from_secs(30),
    ordered: true,
    retry: ONE_ATTEMPT,
};

const ONE_ATTEMPT: RetryPolicy = RetryPolicy {
    retry_for: Duration::ZERO,
    at_least_once: false,
};

const fn queue(stanzas: usize) -> Load {
    Load {
        stanzas,
        ..LIMITS.queue
    }
}

/// Everything goes to so many URLs, which stand in for each other.
pub(super) fn plan(urls: usize) -> Plan {
    let target = |place| {
        let url = format!("http://{place}.test/");
        Target::new(&url, &url, &url)
    };
    Plan {
        targets: (0..urls).map(target).collect(),
        default: (0..urls).collect(),
        by_localpart: BTreeMap::new(),
    }
}

/// A component whose effects are kept.
struct Component {
    delivery: Delivery,
    now: Instant,
    rng: StdRng,
    /// Each stanza that was sent, as XML.
    sent: Vec<String>,
    /// Each failure that was told, with the id of its stanza.
    failed: Vec<(String, Failure)>,
    /// What else was told.
    told: Vec<Event>,
}

impl Component {
    fn new(limits: Limits) -> Self {
        Component::with(limits, &plan(1))
    }

    fn with(limits: Limits, plan: &Plan) -> Self {
        Component {
            delivery: Delivery::new(limits, plan),
            now: Instant::now(),
            rng: StdRng::seed_from_u64(1),
            sent: Vec::new(),
            failed: Vec::new(),
            told: Vec::new(),
        }
    }

    fn admit(&mut self, mut stanza: Stanza, from: &str, id: &str) {
        stanza.envelope.from = from.to_owned();
        stanza.envelope.id = Some(id.to_owned());
        self.delivery.admit(Arc::new(stanza), self.now);
    }

    /// The attempts to make now, by the ids of their stanzas.
    fn attempts(&mut self) -> Vec<(String, Attempt)> {
        std::iter::from_fn(|| self.delivery.poll_attempt(self.now))
            .map(|attempt| {
                let stanza = attempt.stanza.upgrade().expect("an exchange that lives");
                (stanza.envelope.id.clone().unwrap(), attempt)
            })
            .collect()
    }

    fn attempted(&mut self) -> Vec<String> {
        self.attempts().into_iter().map(|(id, _)| id).collect()
    }

    fn end(&mut self, id: ExchangeId, end: AttemptEnd) {
        let report = Report::default();
        self.delivery
            .handle_end(id, end, report, self.now, &mut self.rng);
    }

    fn timeout(&self) -> Option<Instant> {
        self.delivery.poll_timeout(self.now)
    }

    fn effects(&mut self) {
        while let Some(effect) = self.delivery.poll_effect() {
            match effect {
                Effect::Send(element) => self.sent.push(element.to_xml()),
                Effect::Tell(Event::Failed {
                    envelope, failure, ..
                }) => {
                    self.failed.push((envelope.id.unwrap(), failure));
                }
                Effect::Tell(event) => self.told.push(event),
            }
        }
    }

    /// What was told of services that are down or back since the last call.
    fn outages(&mut self) -> Vec<Event> {
        self.effects();
        let told = std::mem::take(&mut self.told).into_iter();
        told.filter(|event| matches!(event, Event::WentDown { .. } | Event::CameBack { .. }))
            .collect()
    }

    fn failed(&mut self) -> Vec<String> {
        self.effects();
        self.failed.iter().map(|(id, _)| id.clone()).collect()
    }
}

fn rejected(status: u16) -> AttemptFailure {
    AttemptFailure::Rejected {
        status,
        retry_after: None,
    }
}

fn reply(id: &str) -> Element {
    Element::new("message").with_attr("id", id)
}

#[test]
fn a_conversation_is_delivered_in_order_and_others_do_not_wait() {
    let mut component = Component::new(LIMITS);
    component.admit(message(), "romeo@a/1", "r1");
    component.admit(message(), "romeo@a/2", "r2");
    component.admit(message(), "juliet@a", "j1");
    component.admit(iq(), "romeo@a", "i1");
    assert_eq!(component.attempted(), ["r1", "j1", "i1"]);
    component.end(1, Ok(vec![reply("first")]));
    assert_eq!(component.attempted(), ["r2"]);
    component.end(2, Ok(vec![reply("second"), reply("third")]));
    component.effects();
    let sent: Vec<_> = ["first", "second", "third"]
        .map(|id| reply(id).to_xml())
        .into();
    assert_eq!(component.sent, sent);
}

#[test]
fn without_order_nobody_waits() {
    let mut component = Component::new(Limits {
        ordered: false,
        ..LIMITS
    });
    component.admit(message(), "romeo@a", "1");
    component.admit(message(), "romeo@a", "2");
    assert_eq!(component.attempted(), ["1", "2"]);
}

#[test]
fn senders_take_turns() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..LIMITS
    });
    for id in 1..=5 {
        component.admit(iq(), "flood@a", &id.to_string());
    }
    assert_eq!(component.attempted(), ["1"]);
    component.admit(message(), "romeo@a", "6");
    component.end(1, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["6"]);
    component.end(6, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["2"]);
}

#[test]
fn beyond_the_queue_senders_are_told_at_once() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        queue: queue(2),
        ..LIMITS
    });
    for id in 1..=4 {
        component.admit(message(), &format!("{id}@a"), &id.to_string());
        component.effects();
    }
    let refused = Failure::Refused(Refusal::QueueFull);
    assert_eq!(component.failed, [("4".to_owned(), refused)]);
    assert!(component.sent[0].contains("id='4'"));
    assert!(component.sent[0].contains("<resource-constraint "));
}

#[test]
fn a_queue_of_nothing_still_takes_what_can_be_attempted() {
    let mut component = Component::new(Limits {
        concurrency: 2,
        queue: queue(0),
        ..LIMITS
    });
    component.admit(message(), "1@a", "1");
    component.admit(message(), "1@a", "its lane is occupied");
    component.admit(message(), "2@a", "2");
    component.admit(message(), "3@a", "both places are taken");
    assert_eq!(component.attempted(), ["1", "2"]);
    component.end(1, Ok(Vec::new()));
    component.admit(message(), "4@a", "4");
    assert_eq!(component.attempted(), ["4"]);
    let refused = ["its lane is occupied", "both places are taken"];
    assert_eq!(component.failed(), refused);
}

#[test]
fn an_iq_expires_while_it_waits_and_is_not_attempted_later() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..LIMITS
    });
    component.admit(message(), "romeo@a", "m");
    assert_eq!(component.attempted(), ["m"]);
    assert_eq!(component.timeout(), None);
    let stanza = Arc::new(iq());
    let kept = Arc::downgrade(&stanza);
    component.delivery.admit(stanza, component.now);
    let deadline = component.timeout().unwrap();
    assert_eq!(deadline, component.now + LIMITS.timeout);

    component.delivery.handle_timeout(deadline - SECOND);
    assert!(component.failed().is_empty());
    component.delivery.handle_timeout(deadline);
    component.effects();
    assert_eq!(component.failed, [("i1".to_owned(), Failure::Expired)]);
    assert!(component.sent[0].contains("<remote-server-timeout "));
    assert_eq!(component.timeout(), None);
    assert_eq!(kept.strong_count(), 0);
    component.end(1, Ok(Vec::new()));
    assert!(component.attempted().is_empty());
}

#[test]
fn what_has_expired_is_not_attempted_though_nobody_has_told_it_so() {
    let mut component = Component::new(LIMITS);
    component.admit(iq(), "romeo@a", "i");
    component.admit(message(), "romeo@a", "m");
    component.now += LIMITS.timeout;
    assert_eq!(component.attempted(), ["m"]);
    component.delivery.handle_timeout(component.now);
    assert_eq!(component.failed(), ["i"]);
}

#[test]
fn an_attempt_whose_exchange_has_expired_takes_its_place_until_it_ends() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..LIMITS
    });
    component.admit(iq(), "romeo@a", "i");
    let [(_, attempt)] = component.attempts().try_into().unwrap();
    component.admit(message(), "romeo@a", "m");
    component.delivery.handle_timeout(attempt.deadline.unwrap());
    assert_eq!(component.failed(), ["i"]);
    assert_eq!(attempt.stanza.strong_count(), 0);
    assert!(component.attempted().is_empty());
    component.end(attempt.id, Ok(vec![reply("late")]));
    assert_eq!(component.attempted(), ["m"]);
    component.effects();
    assert_eq!(component.sent.len(), 1, "{:?}", component.sent);
}

#[test]
fn a_shorter_time_out_counts_for_iqs_that_come_after_it() {
    let mut component = Component::new(LIMITS);
    component.admit(iq(), "romeo@a", "before");
    let limits = Limits {
        timeout: SECOND,
        ..LIMITS
    };
    component.delivery.reconfigure(limits, &plan(1));
    component.admit(iq(), "romeo@a", "after");
    let deadline = component.timeout().unwrap();
    assert_eq!(deadline, component.now + SECOND);
    component.delivery.handle_timeout(deadline);
    assert_eq!(component.failed(), ["after"]);
}

#[test]
fn a_reload_changes_how_many_may_be_in_flight_and_whether_lanes_are_entered() {
    let mut component = Component::new(LIMITS);
    component.admit(message(), "romeo@a", "1");
    component.admit(message(), "romeo@a", "2");
    for (from, id) in [("a@a", "3"), ("b@a", "4"), ("c@a", "5")] {
        component.admit(message(), from, id);
    }
    assert_eq!(component.attempted(), ["1", "3", "4", "5"]);
    let limits = Limits {
        concurrency: 4,
        ordered: false,
        ..LIMITS
    };
    component.delivery.reconfigure(limits, &plan(1));
    component.admit(message(), "romeo@a", "6");
    assert!(component.attempted().is_empty());
    component.end(3, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["6"]);
    component.end(1, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["2"]);
}

#[test]
fn what_there_is_to_tell_of_an_attempt_comes_before_what_becomes_of_it() {
    let mut component = Component::new(LIMITS);
    component.admit(message(), "romeo@a", "m");
    assert_eq!(component.attempted(), ["m"]);
    let report = Report {
        line: "status 200".to_owned(),
        took: SECOND,
        replied: true,
        complaint: Some(Complaint {
            about: "m".to_owned(),
            trouble: "no Content-Type".to_owned(),
        }),
    };
    let replies = vec![reply("a")];
    component.delivery.handle_end(
        1,
        Ok(replies),
        report.clone(),
        component.now,
        &mut component.rng,
    );
    let effects = Vec::from_iter(std::iter::from_fn(|| component.delivery.poll_effect()));
    let expected = [
        Effect::Tell(Event::Attempted {
            report,
            failed: None,
        }),
        Effect::Tell(Event::Accepted {
            service: "http://0.test/".into(),
            arrived: component.now,
            replied: true,
        }),
        Effect::Send(reply("a")),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn an_attempt_is_told_of_if_it_was_made_even_if_nobody_waits_for_it() {
    let mut component = Component::new(LIMITS);
    for id in ["1", "2", "3"] {
        component.admit(iq(), &format!("{id}@a"), id);
    }
    assert_eq!(component.attempted().len(), 3);
    component.now += LIMITS.timeout;
    component.delivery.handle_timeout(component.now);
    component.effects();
    component.end(1, Err(rejected(503)));
    component.end(2, Err(AttemptFailure::NotMade));
    component.effects();
    let expected = Event::Attempted {
        report: Report::default(),
        failed: Some(Class::NotProcessed),
    };
    assert_eq!(component.told, [expected]);
    component.delivery.close();
    component.end(3, Ok(Vec::new()));
    component.effects();
    assert_eq!(component.told.len(), 1, "nothing comes after the end");
}

#[test]
fn an_attempt_ends_once() {
    let mut component = Component::new(LIMITS);
    component.admit(message(), "romeo@a", "m");
    component.end(1, Ok(vec![reply("before it has begun")]));
    assert_eq!(component.attempted(), ["m"]);
    let rejected = rejected(404);
    component.end(1, Err(rejected.clone()));
    component.end(1, Ok(vec![reply("once more")]));
    component.effects();
    let failure = Failure::Attempt(rejected);
    assert_eq!(component.failed, [("m".to_owned(), failure)]);
    assert_eq!(component.sent.len(), 1);
    assert!(component.sent[0].contains("<item-not-found "));
}

#[test]
fn a_room_gets_no_error() {
    let mut component = Component::new(LIMITS);
    let mut said = message();
    said.envelope.type_ = Some("groupchat".into());
    component.admit(said, "room@muc/romeo", "said");
    component.delivery.close();
    assert_eq!(component.failed(), ["said"]);
    assert!(component.sent.is_empty());
}

#[test]
fn the_end_returns_all_once_in_the_order_of_arrival() {
    let mut component = Component::new(Limits {
        concurrency: 20,
        ..LIMITS
    });
    for id in 0..50 {
        component.admit(message(), &format!("{}@a", id / 2), &id.to_string());
    }
    let attempts = component.attempts();
    assert_eq!(attempts.len(), 20);
    component.end(attempts[4].1.id, Ok(vec![reply("as it ended")]));
    component.delivery.close();
    component.admit(message(), "late@a", "late");
    assert_eq!(component.timeout(), None);
    assert!(component.attempted().is_empty());
    component.effects();
    let (_, refused) = component.failed.remove(0);
    assert_eq!(refused, Failure::Refused(Refusal::Stopped));
    let expected = (0..50).filter(|id| id.to_string() != attempts[4].0);
    let expected = expected.map(|id| (id.to_string(), Failure::Stopped));
    assert_eq!(component.failed, Vec::from_iter(expected));
    assert_eq!(component.sent[0], reply("as it ended").to_xml());
    for (_, attempt) in attempts {
        assert_eq!(attempt.stanza.strong_count(), 0);
        component.end(attempt.id, Ok(vec![reply("too late")]));
    }
    component.effects();
    assert_eq!(component.sent.len(), 51);
}
