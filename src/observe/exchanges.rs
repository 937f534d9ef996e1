//! What becomes of exchanges and attempts, in numbers.

use std::time::Instant;

use super::family::Type::{Counter, Gauge, Histogram as Distribution};
use super::family::{Family, Reading};
use super::histogram::Histogram;
use super::tally::Tally;
use crate::delivery::{AttemptFailure, Class, Event, Failure, Limits, Refusal, Status};

const EXCHANGES: Family = Family::new(
    Counter,
    "exchanges",
    "Stanzas whose exchange has ended, by how it did and the service's status if it rejected them",
)
.by(&["outcome", "status"]);
const FAILURES: Family = Family::new(Counter, "failures", "Stanzas that were not accepted");
const BROKEN_OFF: Family = Family::new(
    Counter,
    "answers_broken_off",
    "Answers that came bit by bit and broke off",
);
const ATTEMPTS: Family =
    Family::new(Counter, "attempts", "POSTs that have ended, by how").by(&["class"]);
const EXCHANGE_DURATION: Family = Family::new(
    Distribution,
    "exchange_duration",
    "Time from a stanza's arrival to the end of its exchange",
)
.in_unit("seconds");
const ATTEMPT_DURATION: Family =
    Family::new(Distribution, "attempt_duration", "Time of a POST").in_unit("seconds");
const IN_FLIGHT: Family = Family::new(Gauge, "in_flight", "POSTs that are under way");
const IN_FLIGHT_LIMIT: Family = Family::new(
    Gauge,
    "in_flight_limit",
    "POSTs under way that there may be",
);
const WAITING: Family = Family::new(Gauge, "waiting", "Stanzas that wait for a POST");
const WAITING_LIMIT: Family =
    Family::new(Gauge, "waiting_limit", "Stanzas that may wait for a POST");
const WAITING_BYTES: Family =
    Family::new(Gauge, "waiting", "XML of the stanzas that wait").in_unit("bytes");
const WAITING_LIMIT_BYTES: Family =
    Family::new(Gauge, "waiting_limit", "XML of stanzas that may wait").in_unit("bytes");
const OLDEST_AGE: Family = Family::new(
    Gauge,
    "oldest_age",
    "Time since the arrival of the oldest stanza that was neither accepted nor has failed",
)
.in_unit("seconds");
const THREADS: Family = Family::new(Gauge, "threads", "Threads of the component");
const SERVICES_DOWN: Family = Family::new(Gauge, "services_down", "Services known to be down");

/// All that there is to measure of exchanges.
pub const FAMILIES: [&Family; 15] = [
    &EXCHANGES,
    &FAILURES,
    &BROKEN_OFF,
    &ATTEMPTS,
    &EXCHANGE_DURATION,
    &ATTEMPT_DURATION,
    &IN_FLIGHT,
    &IN_FLIGHT_LIMIT,
    &WAITING,
    &WAITING_LIMIT,
    &WAITING_BYTES,
    &WAITING_LIMIT_BYTES,
    &OLDEST_AGE,
    &THREADS,
    &SERVICES_DOWN,
];

/// How an exchange has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The service has accepted the stanza and replied.
    Replied,
    /// The service has accepted the stanza.
    Accepted,
    /// The service has answered with that status, if there is such a one.
    Rejected(Option<u16>),
    /// There was no answer in time.
    Unanswered,
    /// Nothing can be made of the answer.
    Unusable,
    /// There was no exchange.
    Refused,
    /// The component or an admin has ended it.
    Stopped,
}

impl Outcome {
    /// Those that are told of from the beginning.
    const ALWAYS: [Outcome; 6] = [
        Outcome::Replied,
        Outcome::Accepted,
        Outcome::Unanswered,
        Outcome::Unusable,
        Outcome::Refused,
        Outcome::Stopped,
    ];

    fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(Refusal::Stopped) | Failure::Dropped | Failure::Stopped => {
                Outcome::Stopped
            }
            Failure::Refused(
                Refusal::TooDeep
                | Refusal::ForbiddenXml
                | Refusal::NoRoute
                | Refusal::QueueFull
                | Refusal::ShareFull,
            ) => Outcome::Refused,
            Failure::Attempt(AttemptFailure::Rejected { status, .. }) => {
                // A service may make up others, as many as it likes.
                Outcome::Rejected(Some(*status).filter(|status| (100..=599).contains(status)))
            }
            Failure::Attempt(AttemptFailure::Unusable(_) | AttemptFailure::Fault(_)) => {
                Outcome::Unusable
            }
            Failure::Attempt(AttemptFailure::Unanswered(_) | AttemptFailure::NotMade)
            | Failure::Expired
            | Failure::ServiceDown => Outcome::Unanswered,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Replied => "replied",
            Outcome::Accepted => "accepted",
            Outcome::Rejected(_) => "rejected",
            Outcome::Unanswered => "unanswered",
            Outcome::Unusable => "unusable",
            Outcome::Refused => "refused",
            Outcome::Stopped => "stopped",
        }
    }

    /// The status of the service, if it is one of that.
    pub fn status(self) -> String {
        match self {
            Outcome::Rejected(Some(status)) => status.to_string(),
            Outcome::Rejected(None) => "other".to_owned(),
            _ => String::new(),
        }
    }
}

/// Counts exchanges and attempts.
#[derive(Debug)]
pub struct Exchanges {
    outcomes: Tally<Outcome>,
    failures: Tally<()>,
    broken_off: Tally<()>,
    attempts: Tally<Option<Class>>,
    exchange_times: Histogram,
    attempt_times: Histogram,
}

impl Default for Exchanges {
    fn default() -> Self {
        let failed = [Class::NotProcessed, Class::PerhapsProcessed, Class::Refused];
        Exchanges {
            outcomes: Tally::new(Outcome::ALWAYS),
            failures: Tally::new([()]),
            broken_off: Tally::new([()]),
            attempts: Tally::new(failed.map(Some).into_iter().chain([None])),
            exchange_times: Histogram::default(),
            attempt_times: Histogram::default(),
        }
    }
}

impl Exchanges {
    /// Counts what has happened.
    pub fn count(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Attempted { report, failed } => {
                self.attempts.add(*failed, 1);
                self.attempt_times.observe(report.took);
            }
            Event::Accepted {
                arrived, replied, ..
            } => {
                let outcome = if *replied {
                    Outcome::Replied
                } else {
                    Outcome::Accepted
                };
                self.ended(outcome, Some(*arrived), now);
            }
            Event::Failed {
                failure, arrived, ..
            } => {
                self.failures.add((), 1);
                self.ended(Outcome::of(failure), *arrived, now);
            }
            Event::BrokenOff { .. } => self.broken_off.add((), 1),
            Event::StreamEnded(_) | Event::WentDown { .. } | Event::CameBack { .. } => {}
        }
    }

    fn ended(&mut self, outcome: Outcome, arrived: Option<Instant>, now: Instant) {
        self.outcomes.add(outcome, 1);
        if let Some(arrived) = arrived {
            self.exchange_times
                .observe(now.saturating_duration_since(arrived));
        }
    }

    /// How many exchanges have ended, by how they did.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        self.outcomes.totals()
    }

    /// What has been counted since the last call, and how it stands.
    pub fn readings(&mut self, status: &Status, limits: &Limits, threads: usize) -> Vec<Reading> {
        let outcomes = self.outcomes.take().into_iter();
        let outcomes = outcomes.map(|(outcome, count)| {
            Reading::added(&EXCHANGES, &[outcome.as_str(), &outcome.status()], count)
        });
        let attempts = self.attempts.take().into_iter();
        let attempts =
            attempts.map(|(failed, count)| Reading::added(&ATTEMPTS, &[class(failed)], count));
        let single = |tally: &mut Tally<()>, family| {
            let counts = tally.take().into_iter();
            counts
                .map(|((), count)| Reading::added(family, &[], count))
                .collect::<Vec<_>>()
        };
        let failures = single(&mut self.failures, &FAILURES);
        let broken_off = single(&mut self.broken_off, &BROKEN_OFF);
        let services = &status.services;
        let down = services.iter().filter(|service| service.outage.is_some());
        let oldest = status.oldest.unwrap_or_default().as_secs_f64();
        let others = [
            self.exchange_times.take(&EXCHANGE_DURATION),
            self.attempt_times.take(&ATTEMPT_DURATION),
            Reading::is_count(&IN_FLIGHT, status.in_flight),
            Reading::is_count(&IN_FLIGHT_LIMIT, limits.concurrency * services.len()),
            Reading::is_count(&WAITING, status.waiting.stanzas),
            Reading::is_count(&WAITING_LIMIT, limits.queue.stanzas),
            Reading::is_count(&WAITING_BYTES, status.waiting.bytes),
            Reading::is_count(&WAITING_LIMIT_BYTES, limits.queue.bytes),
            Reading::is(&OLDEST_AGE, oldest),
            Reading::is_count(&THREADS, threads),
            Reading::is_count(&SERVICES_DOWN, down.count()),
        ];
        outcomes
            .chain(attempts)
            .chain(failures)
            .chain(broken_off)
            .chain(others)
            .collect()
    }
}

/// The name of how an attempt has ended.
const fn class(failed: Option<Class>) -> &'static str {
    match failed {
        None => "accepted",
        Some(Class::NotProcessed) => "not-processed",
        Some(Class::PerhapsProcessed) => "perhaps-processed",
        Some(Class::Refused) => "refused",
    }
}
