//! What an admin is told of the exchanges: as seldom as it is of use.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::{Batch, Outages};
use crate::delivery::{Event, Failure, Report};
use crate::notes::{Complaints, Level, Note};
use crate::stanza::Envelope;

/// Makes lines for the log of what happens.
#[derive(Debug, Default)]
pub struct Observer {
    complaints: Complaints,
    outages: Outages,
    /// Whether it has to be told which service has failed.
    names_services: bool,
    /// The services that are known to be down.
    down: BTreeSet<Arc<str>>,
}

impl Observer {
    /// From now on the component has so many services.
    pub fn expect_services(&mut self, count: usize) {
        self.names_services = count > 1;
        self.down.clear();
    }

    /// Tells of an event, and counts it if it is a failure.
    pub fn observe(&mut self, event: Event, now: Instant, batch: &mut Batch) {
        match event {
            Event::Attempted(report) => self.attempted(report, now, batch),
            Event::Accepted { service } => {
                let ended = self.outages.ended(&service, now);
                batch.notes.extend(ended.map(Note::info));
            }
            Event::StreamEnded(line) => batch.notes.push(Note::debug(line)),
            Event::BrokenOff { envelope, failure } => {
                let trouble = format!("the answer broke off: {failure}");
                batch
                    .notes
                    .push(self.warn(&envelope.to_string(), trouble, now));
            }
            Event::WentDown { service, failure } => {
                batch.notes.push(Note {
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
                batch.notes.push(Note { level, text });
            }
            Event::Failed {
                envelope,
                failure,
                service,
            } => self.failed(&envelope, &failure, service.as_ref(), now, batch),
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

    fn attempted(&mut self, report: Report, now: Instant, batch: &mut Batch) {
        batch.notes.push(Note::debug(report.line));
        if let Some(complaint) = report.complaint {
            let note = self
                .complaints
                .note(Level::Info, &complaint.about, complaint.trouble, now);
            batch.notes.push(note);
        }
    }

    fn failed(
        &mut self,
        envelope: &Envelope,
        failure: &Failure,
        service: Option<&Arc<str>>,
        now: Instant,
        batch: &mut Batch,
    ) {
        batch.failures += 1;
        let trouble = match service.filter(|_| self.names_services) {
            Some(service) => format!("{service}: {failure}"),
            None => failure.to_string(),
        };
        let note = self.warn(&envelope.to_string(), trouble, now);
        if let Some(service) = service {
            let told = note.level == Level::Warn;
            self.outages.failed(service, failure, told, now);
        }
        batch.notes.push(note);
    }

    fn warn(&mut self, about: &str, trouble: String, now: Instant) -> Note {
        self.complaints.note(Level::Warn, about, trouble, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::AttemptFailure;

    #[test]
    fn a_component_is_up_again_when_all_its_services_are() {
        let mut observer = Observer::default();
        observer.expect_services(2);
        let [a, b] = ["http://a", "http://b"].map(Arc::<str>::from);
        let mut batch = Batch::default();
        for service in [&a, &b] {
            let event = Event::WentDown {
                service: Arc::clone(service),
                failure: AttemptFailure::NotMade,
            };
            observer.observe(event, Instant::now(), &mut batch);
        }
        for service in [a, b] {
            let event = Event::CameBack {
                service,
                after: Duration::ZERO,
                waiting: 0,
            };
            observer.observe(event, Instant::now(), &mut batch);
        }
        let levels: Vec<Level> = batch.notes.iter().map(|note| note.level).collect();
        assert_eq!(levels, [Level::Down, Level::Down, Level::Info, Level::Up]);
    }
}
