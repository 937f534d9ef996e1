//! What an admin is told of the exchanges: as seldom as it is of use.

use std::io;
use std::time::Instant;

use super::{Batch, Outage};
use crate::delivery::{Event, Failure, Report};
use crate::notes::{Complaints, Level, Note};
use crate::stanza::Envelope;

/// Makes lines for the log of what happens.
#[derive(Debug, Default)]
pub struct Observer {
    complaints: Complaints,
    outage: Outage,
}

impl Observer {
    /// Tells of an event, and counts it if it is a failure.
    pub fn observe(&mut self, event: Event, now: Instant, batch: &mut Batch) {
        match event {
            Event::Attempted(report) => self.attempted(report, now, batch),
            Event::Accepted => {
                let ended = self.outage.ended(now);
                batch.notes.extend(ended.map(Note::info));
            }
            Event::StreamEnded(line) => batch.notes.push(Note::debug(line)),
            Event::BrokenOff { envelope, failure } => {
                let trouble = format!("the answer broke off: {failure}");
                batch
                    .notes
                    .push(self.warn(&envelope.to_string(), trouble, now));
            }
            Event::WentDown { failure } => batch.notes.push(Note {
                level: Level::Down,
                text: format!(
                    "the service is down: five attempts in a row have failed, the last one since {}. Until it \
                     answers again there is one attempt at a time",
                    Failure::Attempt(failure)
                ),
            }),
            Event::CameBack { after, waiting } => batch.notes.push(Note {
                level: Level::Up,
                text: self.outage.came_back(after, waiting),
            }),
            Event::Failed { envelope, failure } => self.failed(&envelope, &failure, now, batch),
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

    fn failed(&mut self, envelope: &Envelope, failure: &Failure, now: Instant, batch: &mut Batch) {
        batch.failures += 1;
        let note = self.warn(&envelope.to_string(), failure.to_string(), now);
        let told = note.level == Level::Warn;
        self.outage.failed(failure, told, now);
        batch.notes.push(note);
    }

    fn warn(&mut self, about: &str, trouble: String, now: Instant) -> Note {
        self.complaints.note(Level::Warn, about, trouble, now)
    }
}
