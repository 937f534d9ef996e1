//! Attempts that fail, and a service that is down.

use super::*;

pub(super) const RETRYING: Limits = Limits {
    retry: RetryPolicy {
        retry_for: Duration::from_secs(60),
        at_least_once: false,
    },
    ..LIMITS
};

impl Component {
    /// Lets the time pass until something is due, and does it.
    pub(super) fn pass(&mut self) {
        self.now = self.timeout().expect("something that is due").max(self.now);
        self.delivery.handle_timeout(self.now);
        self.effects();
    }

    fn end_last(&mut self, end: AttemptEnd) {
        let id = self.delivery.last_id;
        self.end(id, end);
        self.effects();
    }

    /// So many attempts in a row find that the service is down.
    pub(super) fn take_down(&mut self) {
        for _ in 0..5 {
            self.admit(message(), "first@a", "down");
            assert_eq!(self.attempted().len(), 1);
            self.end_last(Err(lost()));
        }
        assert!(matches!(self.told.pop(), Some(Event::WentDown { .. })));
        self.failed.clear();
        self.told.clear();
    }
}

pub(super) fn lost() -> AttemptFailure {
    AttemptFailure::Unanswered(NoAnswer::ConnectionLost("reset".to_owned()))
}

#[test]
fn an_attempt_that_was_not_processed_is_made_again_and_its_conversation_waits() {
    let mut component = Component::new(RETRYING);
    component.admit(message(), "romeo@a", "r1");
    component.admit(message(), "romeo@a", "r2");
    component.admit(message(), "juliet@a", "j1");
    assert_eq!(component.attempted(), ["r1", "j1"]);
    component.end(1, Err(rejected(503)));
    component.end(3, Ok(Vec::new()));
    assert!(component.attempted().is_empty());
    let due = component.timeout().unwrap() - component.now;
    assert!((SECOND / 4..=SECOND / 2).contains(&due), "{due:?}");
    component.pass();
    let [(id, again)] = component.attempts().try_into().unwrap();
    assert_eq!((id.as_str(), again.id, again.number), ("r1", 1, 2));
    component.end(1, Ok(vec![reply("answer")]));
    assert_eq!(component.attempted(), ["r2"]);
    assert!(component.failed().is_empty());
    assert_eq!(component.sent, [reply("answer").to_xml()]);
}

#[test]
fn what_waits_to_be_tried_again_holds_no_place_but_counts_as_waiting() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        queue: queue(1),
        ..RETRYING
    });
    component.admit(message(), "romeo@a", "1");
    assert_eq!(component.attempted(), ["1"]);
    component.end(1, Err(rejected(429)));
    component.admit(message(), "juliet@a", "2");
    let refused = Failure::Refused(Refusal::QueueFull);
    component.effects();
    assert_eq!(component.failed, [("2".to_owned(), refused)]);
    component.pass();
    assert_eq!(component.attempted(), ["1"]);
    component.end(1, Ok(Vec::new()));
    component.admit(message(), "juliet@a", "3");
    assert_eq!(component.attempted(), ["3"]);
}

#[test]
fn no_attempt_but_the_first_begins_after_the_time_for_retries() {
    let mut component = Component::new(Limits {
        concurrency: 1,
        ..RETRYING
    });
    component.admit(message(), "romeo@a", "1");
    component.admit(message(), "juliet@a", "2");
    assert_eq!(component.attempted(), ["1"]);
    component.end(1, Err(rejected(503)));
    assert_eq!(component.attempted(), ["2"]);
    // The only place is taken for so long that the other one comes too late.
    component.now += RETRYING.retry.retry_for + SECOND;
    component.admit(message(), "nurse@a", "3");
    component.end(2, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["3"]);
    component.end(3, Ok(Vec::new()));
    assert!(component.attempted().is_empty());
    component.effects();
    let last = Failure::Attempt(rejected(503));
    assert_eq!(component.failed, [("1".to_owned(), last)]);
}

#[test]
fn an_iq_has_its_own_time_for_all_its_attempts() {
    let mut component = Component::new(RETRYING);
    let begun = component.now;
    component.admit(iq(), "romeo@a", "i");
    for _ in 0..100 {
        for (_, attempt) in component.attempts() {
            component.end(attempt.id, Err(rejected(429)));
        }
        if component.timeout().is_none() {
            break;
        }
        component.pass();
    }
    assert_eq!(component.failed, [("i".to_owned(), Failure::Expired)]);
    assert_eq!(component.now, begun + RETRYING.timeout);
}

#[test]
fn a_service_that_is_down_gets_one_attempt_at_a_time() {
    let mut component = Component::new(RETRYING);
    component.take_down();
    for id in 0..50 {
        component.admit(message(), &format!("{id}@a"), &id.to_string());
    }
    assert!(component.attempted().is_empty());
    for longest in [1, 2, 4] {
        let due = component.timeout().unwrap() - component.now;
        let longest = longest * SECOND;
        assert!((longest / 2..=longest).contains(&due), "{due:?}");
        component.pass();
        let [(_, probe)] = component.attempts().try_into().unwrap();
        component.end(probe.id, Err(rejected(503)));
    }
    component.pass();
    let [(_, probe)] = component.attempts().try_into().unwrap();
    component.end(probe.id, Err(rejected(404)));
    component.effects();
    let came_back = &component.told[component.told.len() - 1];
    assert!(
        matches!(came_back, Event::CameBack { waiting: 49, .. }),
        "{came_back:?}"
    );
    assert_eq!(component.attempted().len(), LIMITS.concurrency);
    assert_eq!(component.failed.len(), 1, "{:?}", component.failed);
}

#[test]
fn what_may_not_be_attempted_any_more_ends_while_the_service_is_down() {
    let mut component = Component::new(RETRYING);
    component.take_down();
    let begun = component.now;
    for id in 0..50 {
        component.admit(message(), &format!("{}@a", id / 2), &id.to_string());
        component.now += SECOND / 100;
    }
    while component.failed.len() < 50 {
        component.pass();
        for (_, probe) in component.attempts() {
            component.end(probe.id, Err(rejected(503)));
        }
    }
    let (attempted, others): (Vec<_>, Vec<_>) = component
        .failed
        .iter()
        .partition(|(_, failure)| *failure == Failure::Attempt(rejected(503)));
    assert!(attempted.len() < 12, "{attempted:?}");
    assert!(
        others
            .iter()
            .all(|(_, failure)| *failure == Failure::ServiceDown)
    );
    assert!(component.now - begun < RETRYING.retry.retry_for + SECOND);
    assert_eq!(component.timeout(), None, "nothing waits");
    component.admit(message(), "new@a", "new");
    component.pass();
    assert_eq!(component.attempted(), ["new"]);
}

#[test]
fn with_one_attempt_for_each_every_stanza_is_attempted() {
    let mut component = Component::new(LIMITS);
    for id in 0..20 {
        component.admit(message(), "romeo@a", &id.to_string());
        assert_eq!(component.attempted().len(), 1);
        component.end_last(Err(lost()));
    }
    assert_eq!(component.failed().len(), 20);
    assert!(
        !component
            .told
            .iter()
            .any(|event| matches!(event, Event::WentDown { .. }))
    );
}

#[test]
fn a_probe_whose_exchange_expires_still_says_how_the_service_is() {
    let mut component = Component::new(RETRYING);
    component.take_down();
    component.admit(iq(), "romeo@a", "i");
    component.pass();
    let [(_, probe)] = component.attempts().try_into().unwrap();
    component.now += RETRYING.timeout;
    component.delivery.handle_timeout(component.now);
    assert_eq!(component.failed(), ["i"]);
    component.admit(message(), "juliet@a", "m");
    assert!(component.attempted().is_empty());
    component.end(probe.id, Ok(Vec::new()));
    assert_eq!(component.attempted(), ["m"]);
}
