//! One attempt to deliver a stanza: encode, POST, judge, decode, or go on [`reading`](super::reading).
//!
//! It is prepared on the main thread and made by a worker. Its exchange is concluded on the main thread,
//! where it ends exactly once, whoever concludes it first: the worker, the clock or the end of the
//! component.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::news::News;
use super::reading::{Reading, SharedLive};
use super::response::{self, Verdict};
use super::{Settings, retry_after};
use crate::delivery::{Attempt, AttemptEnd, AttemptFailure, Complaint, Report};
use crate::engine::{Completions, Job};
use crate::http::{Client, ItemStream, Post};
use crate::ids;
use crate::mapping::{answer, request};
use crate::panics;
use crate::stanza::{Element, Envelope, Stanza};

/// What a worker needs to make an attempt.
#[derive(Debug)]
pub struct PostJob {
    /// What to deliver, and until when.
    pub attempt: Attempt,
    /// Makes the exchange's number unique among components and restarts.
    pub nonce: u64,
    /// The component's.
    pub settings: Arc<Settings>,
    /// Where to.
    pub client: Arc<Client>,
    /// What that may be called in front of people, if there are several.
    pub service: Option<Arc<str>>,
}

/// What a service has said to a stanza that it accepts.
enum Answer {
    /// All of it.
    Whole(Vec<Element>),
    /// That it comes bit by bit.
    Stream(Box<ItemStream>),
}

impl Job for PostJob {
    type Done = News;

    /// Takes as long as it takes, up to the time-out. Nothing is sent for an exchange that has ended before.
    fn run(self, done: &Completions<News>) -> News {
        let id = self.attempt.id;
        let Some(stanza) = self.attempt.stanza.upgrade() else {
            return News::Done {
                id,
                end: Err(AttemptFailure::NotMade),
                report: Report::default(),
            };
        };
        let begun = Instant::now();
        let mut seen = Seen::default();
        let answer = caught(|| self.ask(&stanza, &mut seen));
        let (envelope, took) = (&stanza.envelope, begun.elapsed());
        let report = Report {
            line: self.line(envelope, seen.status, &answer, took),
            took,
            replied: seen.replied,
            complaint: seen.not_taken.map(|trouble| Complaint {
                about: envelope.to_string(),
                trouble,
            }),
        };
        let end = match answer {
            Ok(Answer::Whole(replies)) => Ok(replies),
            Ok(Answer::Stream(stream)) => {
                let live = Arc::new(SharedLive::new(self.settings.response_limit));
                let unfinished = Arc::clone(&live) as _;
                done.push(News::Head {
                    id,
                    unfinished,
                    report,
                });
                let mut reading = Reading::new(id, &stanza, &self.settings, &live, done, begun);
                let end = caught(|| reading.read(*stream));
                let line = last_line(envelope, &end, reading.sent, begun.elapsed());
                return News::StreamEnd { id, end, line };
            }
            Err(failure) => Err(failure),
        };
        News::Done { id, end, report }
    }
}

/// A panic becomes [`AttemptFailure::Fault`]: the sender is told, and the worker lives on.
fn caught<T>(act: impl FnOnce() -> Result<T, AttemptFailure>) -> Result<T, AttemptFailure> {
    panic::catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = panics::message(&*panic).to_owned();
        Err(AttemptFailure::Fault(text))
    })
}

impl PostJob {
    fn ask(&self, stanza: &Stanza, seen: &mut Seen) -> Result<Answer, AttemptFailure> {
        let envelope = &stanza.envelope;
        let body = request::encode(stanza);
        let post = Post {
            id: &format!("{:016x}-{}", self.nonce, self.attempt.id),
            body: &body,
            timeout: self.remaining()?,
        };
        let mut response = self.client.post(&post)?;
        seen.status = Some(response.status());
        let verdict = response::judge(response.status(), response.content_type().as_deref());
        match verdict {
            Verdict::Failed => {
                let retry_after = response
                    .retry_after()
                    .and_then(|value| retry_after::parse(&value, SystemTime::now()));
                // An error says what it says, with or without a body.
                let _ = response.discard();
                Err(AttemptFailure::Rejected {
                    status: response.status(),
                    retry_after,
                })
            }
            Verdict::Accepted => {
                let had_body = response.discard()?;
                seen.not_taken = (response.status() == 200 && had_body)
                    .then(|| response::not_taken(response.content_type().as_deref()));
                Ok(Answer::Whole(answer::acknowledge(envelope)))
            }
            Verdict::Replies => {
                let body = response.read(self.settings.response_limit)?;
                let replies =
                    answer::replies(envelope, &body, &self.settings.rules(), &mut ids::fresh)
                        .map_err(AttemptFailure::Unusable)?;
                seen.replied = replies != answer::acknowledge(envelope);
                Ok(Answer::Whole(replies))
            }
            // Whatever it says, nobody may be told.
            Verdict::Stream(_) if !envelope.is_answerable() => {
                response.discard()?;
                Ok(Answer::Whole(Vec::new()))
            }
            Verdict::Stream(format) => {
                let stream = response.into_items(format, self.settings.response_limit);
                Ok(Answer::Stream(Box::new(stream)))
            }
        }
    }

    /// What there is to tell of an exchange to whoever looks for something.
    fn line(
        &self,
        envelope: &Envelope,
        status: Option<u16>,
        answer: &Result<Answer, AttemptFailure>,
        elapsed: Duration,
    ) -> String {
        let answered = match status {
            Some(status) => format!("status {status}"),
            None => "no answer".to_owned(),
        };
        let end = match answer {
            Ok(Answer::Whole(stanzas)) => format!("{} to send", stanzas.len()),
            Ok(Answer::Stream(_)) => "more to come".to_owned(),
            Err(_) => "failed".to_owned(),
        };
        let again = match self.attempt.number {
            1 => String::new(),
            number => format!(" (attempt {number})"),
        };
        let place = self
            .service
            .as_ref()
            .map(|service| format!(" to {service}"));
        format!(
            "{}POSTed{}{again}: {answered} in {} ms, {end}",
            name(envelope),
            place.unwrap_or_default(),
            elapsed.as_millis()
        )
    }

    fn remaining(&self) -> Result<Duration, AttemptFailure> {
        let timeout = self.settings.timeout;
        match self.attempt.deadline {
            None => Ok(timeout),
            Some(deadline) => deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or(AttemptFailure::NotMade),
        }
    }
}

/// What was seen of the answer before the exchange ended.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    replied: bool,
    not_taken: Option<String>,
}

/// What there is to tell of an answer that came bit by bit.
fn last_line(envelope: &Envelope, end: &AttemptEnd, sent: usize, elapsed: Duration) -> String {
    let end = match end {
        Ok(_) => "ended",
        Err(_) => "broke off",
    };
    format!(
        "{}answered bit by bit: {end} after {} ms, {sent} sent",
        name(envelope),
        elapsed.as_millis()
    )
}

fn name(envelope: &Envelope) -> String {
    let id = envelope.id.as_ref().map(|id| format!("{id:?} "));
    format!("{} {}", envelope.kind.as_str(), id.unwrap_or_default())
}
