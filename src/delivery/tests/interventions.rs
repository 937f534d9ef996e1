//! What an admin asks for while exchanges wait.

use super::retries::{RETRYING, lost};
use super::*;

#[test]
fn whoever_waits_for_the_next_attempt_waits_no_longer() {
    let mut component = Component::new(RETRYING);
    for id in ["1", "2"] {
        component.admit(message(), &format!("{id}@a"), id);
    }
    component.admit(message(), "1@a", "behind");
    for (_, attempt) in component.attempts() {
        component.end(attempt.id, Err(rejected(503)));
    }
    assert!(component.attempted().is_empty());
    assert_eq!(component.delivery.retry_now(component.now), 3);
    assert_eq!(component.timeout(), Some(component.now));
    let mut attempted = component.attempted();
    attempted.sort_unstable();
    assert_eq!(attempted, ["1", "2"]);
    component.end(1, Err(rejected(503)));
    assert!(component.attempted().is_empty(), "it is left alone again");
    assert!(component.timeout() > Some(component.now));
}

#[test]
fn a_service_that_is_down_is_tried_at_once() {
    let mut component = Component::new(RETRYING);
    component.take_down();
    component.admit(message(), "romeo@a", "1");
    component.admit(message(), "juliet@a", "2");
    assert!(component.attempted().is_empty());
    assert_eq!(component.delivery.retry_now(component.now), 2);
    assert_eq!(component.timeout(), Some(component.now));
    let [(id, attempt)] = component.attempts().try_into().unwrap();
    assert_eq!(id, "1");
    component.end(attempt.id, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["2"], "it is back");
}

#[test]
fn a_try_that_fails_does_not_make_the_service_busy() {
    let mut component = Component::new(RETRYING);
    component.take_down();
    component.admit(message(), "romeo@a", "1");
    component.delivery.retry_now(component.now);
    let [(_, attempt)] = component.attempts().try_into().unwrap();
    component.delivery.retry_now(component.now);
    assert!(component.attempted().is_empty(), "one at a time");
    component.end(attempt.id, Err(lost()));
    assert!(component.attempted().is_empty());
}

#[test]
fn nothing_is_attempted_after_its_time() {
    let mut component = Component::new(RETRYING);
    component.admit(message(), "romeo@a", "1");
    let [(_, attempt)] = component.attempts().try_into().unwrap();
    component.end(attempt.id, Err(rejected(503)));
    component.now += RETRYING.retry.retry_for + SECOND;
    component.delivery.retry_now(component.now);
    assert!(component.attempted().is_empty());
    component.effects();
    assert_eq!(
        component.failed,
        [("1".to_owned(), Failure::Attempt(rejected(503)))]
    );
}

#[test]
fn what_one_sender_has_sent_is_dropped_wherever_it_is() {
    let mut component = Component::new(Limits {
        concurrency: 4,
        ..RETRYING
    });
    component.admit(message(), "flood@a/1", "in flight");
    component.admit(message(), "flood@a/1", "in its lane");
    component.admit(iq(), "flood@a/2", "left alone");
    component.admit(iq(), "flood@a", "ready");
    component.admit(message(), "romeo@a", "of another");
    assert_eq!(
        component.attempted(),
        ["in flight", "of another", "left alone"]
    );
    component.end(3, Err(rejected(503)));
    assert_eq!(component.delivery.drop_from("flood@a"), 4);
    component.admit(message(), "flood@a", "after that");
    assert_eq!(
        component.failed(),
        ["in flight", "in its lane", "left alone", "ready"]
    );
    let dropped = |(_, failure): &(_, _)| *failure == Failure::Dropped;
    assert!(component.failed.iter().all(dropped));
    assert_eq!(component.sent.len(), 4, "each is told");
    assert_eq!(component.delivery.drop_from("nobody@a"), 0);
    assert_eq!(component.attempted(), ["after that"]);
    component.end(1, Ok(vec![reply("too late")]));
    component.effects();
    assert_eq!(component.sent.len(), 4);
}

#[test]
fn nothing_that_is_dropped_is_attempted_meanwhile() {
    let mut component = Component::new(Limits {
        queue: queue(9_000),
        ..LIMITS
    });
    for id in 0..3_000 {
        component.admit(iq(), &format!("{id}@a"), "another");
    }
    for id in 0..500 {
        component.admit(iq(), "flood@a", &format!("flood {id}"));
    }
    component.attempts();
    assert_eq!(component.delivery.drop_from("flood@a"), 500);
    for id in 1..=10 {
        component.end(id, Ok(Vec::new()));
    }
    let attempts = component.attempted();
    assert_eq!(attempts, ["another"; 10]);
    while component.timeout() == Some(component.now) {
        component.delivery.handle_timeout(component.now);
        component.effects();
    }
    assert_eq!(component.failed.len(), 500);
    assert_eq!(component.delivery.drop_from("flood@a"), 0);
}

#[test]
fn how_it_stands() {
    let mut component = Component::new(RETRYING);
    let status = component.delivery.status(component.now);
    assert_eq!((status.in_flight, status.oldest), (0, None));
    component.take_down();
    component.admit(message(), "romeo@a", "1");
    component.now += SECOND / 4;
    component.admit(message(), "juliet@a", "2");
    let status = component.delivery.status(component.now);
    assert_eq!((status.in_flight, status.waiting.stanzas), (0, 2));
    assert_eq!(status.oldest, Some(SECOND / 4));
    let outage = status.services[0].outage.unwrap();
    assert_eq!(outage.lasted, SECOND / 4);
    let next = component.now + outage.next_attempt.unwrap();
    assert_eq!(component.timeout(), Some(next));
    component.now = next;
    assert_eq!(component.attempted(), ["1"]);
    let status = component.delivery.status(component.now);
    assert_eq!((status.in_flight, status.waiting.stanzas), (1, 1));
    assert_eq!(status.services[0].outage.unwrap().next_attempt, None);
}

#[test]
fn each_service_by_itself() {
    let mut component = Component::with(RETRYING, &plan(2));
    for sender in 0..20 {
        component.admit(message(), &format!("{sender}@a"), "m");
    }
    assert!(!component.attempted().is_empty());
    let status = component.delivery.status(component.now);
    let [one, other] = status.services.try_into().unwrap();
    assert_eq!(one.in_flight + other.in_flight, status.in_flight);
    assert_eq!(one.waiting + other.waiting, status.waiting.stanzas);
    assert!(one.in_flight > 0 && other.in_flight > 0);
    assert_eq!((&*one.name, one.outage), ("http://0.test/", None));
    let dropped = (0..20).map(|sender| component.delivery.drop_from(&format!("{sender}@a")));
    assert_eq!(dropped.sum::<usize>(), 20, "wherever it is");
}
