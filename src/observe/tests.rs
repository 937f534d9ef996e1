//! What is seen of events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::component_http::tests::message;
use crate::delivery::{
    AttemptFailure, Class, Failure, Load, NoAnswer, Refusal, Report, RetryPolicy,
};
use crate::mapping::Unusable;
use crate::notes::Level;

const SECOND: Duration = Duration::from_secs(1);

const IDLE: Status = Status {
    in_flight: 0,
    waiting: Load {
        stanzas: 0,
        bytes: 0,
    },
    oldest: None,
    services: Vec::new(),
};

const LIMITS: Limits = Limits {
    concurrency: 256,
    queue: Load {
        stanzas: 10_000,
        bytes: 1_000_000,
    },
    timeout: SECOND,
    ordered: true,
    retry: RetryPolicy {
        retry_for: SECOND,
        at_least_once: false,
    },
};

fn failed(failure: Failure, arrived: Option<Instant>) -> Event {
    Event::Failed {
        envelope: message().envelope,
        failure,
        service: None,
        arrived,
    }
}

fn rejected(status: u16) -> Failure {
    Failure::Attempt(AttemptFailure::Rejected {
        status,
        retry_after: None,
    })
}

fn observe(observer: &mut Observer, event: Event, now: Instant) -> Vec<Note> {
    let mut notes = Vec::new();
    observer.observe(event, now, &mut notes);
    notes
}

/// The counters that are not zero, by family and labels.
fn counts(observer: &mut Observer) -> BTreeMap<String, u64> {
    let readings = observer.readings(&IDLE, &LIMITS, 0);
    let counts = readings.into_iter().filter_map(|reading| {
        let Value::Added(count) = reading.value else {
            return None;
        };
        let name = format!("{} {}", reading.family, reading.labels.join(" "));
        (count > 0).then_some((name.trim_end().to_owned(), count))
    });
    counts.collect()
}

#[test]
fn exchanges_by_how_they_have_ended() {
    let now = Instant::now();
    let lost = NoAnswer::ConnectionLost("reset".into());
    let table = [
        (rejected(404), "rejected 404"),
        (rejected(100), "rejected 100"),
        (rejected(599), "rejected 599"),
        (rejected(600), "rejected other"),
        (rejected(99), "rejected other"),
        (Failure::Attempt(lost.into()), "unanswered"),
        (Failure::Attempt(AttemptFailure::NotMade), "unanswered"),
        (Failure::Expired, "unanswered"),
        (Failure::ServiceDown, "unanswered"),
        (
            Failure::Attempt(AttemptFailure::Unusable(Unusable::UnknownKind)),
            "unusable",
        ),
        (
            Failure::Attempt(AttemptFailure::Fault("x.rs:1".into())),
            "unusable",
        ),
        (Failure::Refused(Refusal::QueueFull), "refused"),
        (Failure::Refused(Refusal::TooDeep), "refused"),
        (Failure::Refused(Refusal::Stopped), "stopped"),
        (Failure::Dropped, "stopped"),
        (Failure::Stopped, "stopped"),
    ];
    for (failure, outcome) in table {
        let mut observer = Observer::default();
        observe(&mut observer, failed(failure.clone(), None), now);
        let expected = [(format!("exchanges {outcome}"), 1), ("failures".into(), 1)];
        assert_eq!(counts(&mut observer), expected.into(), "{failure:?}");
    }
    for (replied, outcome) in [(true, "exchanges replied"), (false, "exchanges accepted")] {
        let mut observer = Observer::default();
        let arrived = now;
        let accepted = Event::Accepted {
            service: "http://x".into(),
            arrived,
            replied,
        };
        observe(&mut observer, accepted, now);
        assert_eq!(counts(&mut observer), [(outcome.to_owned(), 1)].into());
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_failure_but_is_remembered() {
    let mut observer = Observer::default();
    let event = Event::BrokenOff {
        envelope: message().envelope,
        failure: Failure::Expired,
    };
    let notes = observe(&mut observer, event, Instant::now());
    assert_eq!(notes[0].level, Level::Warn);
    let expected = [("answers_broken_off".to_owned(), 1)];
    assert_eq!(counts(&mut observer), expected.into());
    let why = &observer.failures().next().unwrap().why;
    assert!(why.starts_with("the answer broke off: "), "{why}");
}

#[test]
fn attempts_by_class_and_no_number_is_told_twice() {
    let mut observer = Observer::default();
    let classes = [
        (None, "accepted"),
        (Some(Class::NotProcessed), "not-processed"),
        (Some(Class::PerhapsProcessed), "perhaps-processed"),
        (Some(Class::Refused), "refused"),
    ];
    for (failed, class) in classes {
        let report = Report::default();
        let event = Event::Attempted { report, failed };
        observe(&mut observer, event, Instant::now());
        let expected = [(format!("attempts {class}"), 1)];
        assert_eq!(counts(&mut observer), expected.into());
    }
    assert_eq!(counts(&mut observer), BTreeMap::new());
}

#[test]
fn times_are_those_of_the_exchange_and_of_the_attempt() {
    let (mut observer, now) = (Observer::default(), Instant::now());
    let report = Report {
        took: 2 * SECOND,
        ..Report::default()
    };
    let failed_class = Some(Class::NotProcessed);
    let attempted = Event::Attempted {
        report,
        failed: failed_class,
    };
    observe(&mut observer, attempted, now);
    let event = failed(Failure::Expired, Some(now));
    observe(&mut observer, event, now + 7 * SECOND);
    let refused = failed(Failure::Refused(Refusal::QueueFull), None);
    observe(&mut observer, refused, now);
    let readings = observer.readings(&IDLE, &LIMITS, 0);
    let times = |name: &str| {
        let reading = readings.iter().find(|reading| reading.family == name);
        match &reading.expect("it is measured").value {
            Value::Observed { buckets, sum } => (buckets[13], *sum),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(times("exchange_duration_seconds"), (1, 7.0));
    assert_eq!(times("attempt_duration_seconds"), (1, 2.0));
}

#[test]
fn what_is_read_is_what_is_announced() {
    let mut observer = Observer::default();
    observe(&mut observer, failed(rejected(404), None), Instant::now());
    let read: BTreeSet<String> = observer
        .readings(&IDLE, &LIMITS, 3)
        .into_iter()
        .map(|reading| reading.family)
        .collect();
    let announced = FAMILIES.map(Family::full_name);
    assert_eq!(read.len(), announced.len());
    assert_eq!(read, BTreeSet::from(announced));
}

#[test]
fn what_failed_is_remembered_with_its_reason() {
    let (mut observer, now) = (Observer::default(), Instant::now());
    let notes = observe(&mut observer, failed(rejected(404), None), now);
    let [failure] = Vec::from_iter(observer.failures()).try_into().unwrap();
    let Recent { from, to, why, .. } = failure;
    assert_eq!(notes[0].text, format!("message from {from} to {to}: {why}"));
    assert_eq!(why, "the service answered with HTTP status 404");
}

#[test]
fn what_an_admin_drops_is_no_warning() {
    let mut observer = Observer::default();
    let notes = observe(
        &mut observer,
        failed(Failure::Dropped, None),
        Instant::now(),
    );
    assert_eq!(notes[0].level, Level::Info);
}
