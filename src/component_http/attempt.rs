//! One attempt to deliver a stanza: encode, POST, judge, decode.
//!
//! It is prepared on the main thread and made by a worker. Its exchange is concluded on the main thread,
//! where it ends exactly once, whoever concludes it first: the worker, the clock or the end of the
//! component.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::response::{self, Verdict};
use super::{Settings, retry_after};
use crate::delivery::{Attempt, AttemptEnd, AttemptFailure, Complaint, ExchangeId, Report};
use crate::engine::Job;
use crate::http::{Client, Post};
use crate::ids;
use crate::mapping::{answer, request};
use crate::stanza::{Envelope, Stanza};

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

/// What comes of it.
#[derive(Debug)]
pub struct Done {
    /// The exchange's number.
    pub id: ExchangeId,
    /// How the attempt ended.
    pub end: AttemptEnd,
    /// What there is to tell of it.
    pub report: Report,
}

impl Job for PostJob {
    type Done = Done;

    /// Takes as long as it takes, up to the time-out. Nothing is sent for an exchange that has ended before.
    ///
    /// A panic becomes [`AttemptFailure::Fault`]: the sender is told, and the worker lives on.
    fn run(self) -> Done {
        let id = self.attempt.id;
        let Some(stanza) = self.attempt.stanza.upgrade() else {
            return Done {
                id,
                end: Err(AttemptFailure::NotMade),
                report: Report::default(),
            };
        };
        let begun = Instant::now();
        let mut seen = Seen::default();
        let end = panic::catch_unwind(AssertUnwindSafe(|| self.deliver(&stanza, &mut seen)))
            .unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(AttemptFailure::Fault(
                    text.unwrap_or_else(|| "a panic without a message".to_owned()),
                ))
            });
        let envelope = &stanza.envelope;
        let report = Report {
            line: self.line(envelope, seen.status, &end, begun.elapsed()),
            complaint: seen.not_taken.map(|trouble| Complaint {
                about: envelope.to_string(),
                trouble,
            }),
        };
        Done { id, end, report }
    }
}

impl PostJob {
    fn deliver(&self, stanza: &Stanza, seen: &mut Seen) -> AttemptEnd {
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
                Ok(answer::acknowledge(envelope))
            }
            Verdict::Replies => {
                let body = response.read(self.settings.response_limit)?;
                answer::replies(envelope, &body, &self.settings.rules(), &mut ids::fresh)
                    .map_err(AttemptFailure::Unusable)
            }
        }
    }

    /// What there is to tell of an exchange to whoever looks for something.
    fn line(
        &self,
        envelope: &Envelope,
        status: Option<u16>,
        end: &AttemptEnd,
        elapsed: Duration,
    ) -> String {
        let id = envelope.id.as_ref().map(|id| format!("{id:?} "));
        let answer = match status {
            Some(status) => format!("status {status}"),
            None => "no answer".to_owned(),
        };
        let end = match end {
            Ok(stanzas) => format!("{} to send", stanzas.len()),
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
            "{} {}POSTed{}{again}: {answer} in {} ms, {end}",
            envelope.kind.as_str(),
            id.unwrap_or_default(),
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
    not_taken: Option<String>,
}
