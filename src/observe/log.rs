//! What an admin is told of the exchanges in the log: as seldom as it is of use.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::outage::Outages;
use crate::delivery::{Event, Failure, Report};
use crate::notes::{Complaints, Level, Note};
use crate::stanza::Envelope;

/// Makes lines for the log of what happens.
#[derive(Debug, Default)]
pub struct Log {
    complaints: Complaints,
    outages: Outages,
    /// Whether it has to be told which service has failed.
    names_services: bool,
    /// The services that are known to be down.
    down: BTreeSet<Arc<str>>,
}

impl Log {
    /// From now on the component has so many services.
    pub fn expect_services(&mut self, count: usize) {
        self.names_services = count > 1;
        self.down.clear();
    }

    /// Tells of an event.
    pub(super) fn write(&mut self, event: Event, now: Instant, notes: &mut Vec<Note>) {
        match event {
            Event::Attempted { report, .. } => self.attempted(report, now, notes),
            Event::Accepted { service, .. } => {
                let ended = self.outages.ended(&service, now);
                notes.extend(ended.map(Note::info));
            }
            Event::StreamEnded(line) => notes.push(Note::debug(line)),
            Event::BrokenOff { envelope, failure } => {
                let note = self.warn(&envelope.to_string(), broken_off(&failure), now);
                notes.push(note);
            }
            Event::WentDown { service, failure } => {
                notes.push(Note {
                    level: Level::Down,
                    text: format!(
                        "the service is down: five attempts in a row at {service} have failed, the last one \
                         since {}. Until it answers again there is one attempt at a time",
                        Failure::Attempt(failure)
                    ),
                });
                self.down.insert(service);
            }
            Event::CameBack {
                service,
                after,
                waiting,
            } => {
                self.down.remove(&service);
                // As long as another one is down, that is how the component is.
                let level = if self.down.is_empty() {
                    Level::Up
                } else {
                    Level::Info
                };
                let text = self.outages.came_back(&service, after, waiting);
                notes.push(Note { level, text });
            }
            Event::Failed {
                envelope,
                failure,
                service,
                ..
            } => notes.push(self.failed(&envelope, &failure, service.as_ref(), now)),
        }
    }

    /// The system has refused a thread to a component that has others.
    pub fn thread_refused(&mut self, now: Instant) -> Note {
        let trouble =
            "the system refused a thread: component_post_concurrency is more than it allows";
        self.warn("exchanges have to wait", trouble.to_owned(), now)
    }

    /// The system has refused the first thread.
    pub fn no_thread(&mut self, error: &io::Error, now: Instant) -> Note {
        let trouble = format!("the system has no thread to give: {error}");
        self.warn("cannot start yet", trouble, now)
    }

    /// Why a stanza was not accepted, in words.
    pub(super) fn reason(&self, failure: &Failure, service: Option<&Arc<str>>) -> String {
        match service.filter(|_| self.names_services) {
            Some(service) => format!("{service}: {failure}"),
            None => failure.to_string(),
        }
    }

    fn attempted(&mut self, report: Report, now: Instant, notes: &mut Vec<Note>) {
        notes.push(Note::debug(report.line));
        if let Some(complaint) = report.complaint {
            let note = self
                .complaints
                .note(Level::Info, &complaint.about, complaint.trouble, now);
            notes.push(note);
        }
    }

    fn failed(
        &mut self,
        envelope: &Envelope,
        failure: &Failure,
        service: Option<&Arc<str>>,
        now: Instant,
    ) -> Note {
        let level = match failure {
            Failure::Dropped => Level::Info,
            _ => Level::Warn,
        };
        let (about, reason) = (envelope.to_string(), self.reason(failure, service));
        let note = self.complaints.note(level, &about, reason, now);
        if let Some(service) = service {
            let told = note.level == Level::Warn;
            self.outages.failed(service, failure, told, now);
        }
        note
    }

    fn warn(&mut self, about: &str, trouble: String, now: Instant) -> Note {
        self.complaints.note(Level::Warn, about, trouble, now)
    }
}

/// Why an answer that came bit by bit has no end, in words.
pub(super) fn broken_off(failure: &Failure) -> String {
    format!("the answer broke off: {failure}")
}
