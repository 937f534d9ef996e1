//! One attempt to deliver a stanza: encode, POST, judge, decode.
//!
//! It is prepared on the main thread and made by a worker. Its exchange is concluded on the main thread,
//! where it ends exactly once, whoever concludes it first: the worker, the clock or the end of the
//! component.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::response::{self, Verdict};
use super::{Failure, Outcome, Settings, request};
use crate::engine::Job;
use crate::http::{Client, Post};
use crate::stanza::{Envelope, Stanza};

/// Numbers the exchanges of one component.
pub type ExchangeId = u64;

/// What a worker needs for an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The exchange's number.
    pub id: ExchangeId,
    /// Makes that number unique among components and restarts.
    pub nonce: u64,
    /// The stanza to deliver, which is gone if the exchange has ended meanwhile.
    pub stanza: Weak<Stanza>,
    /// When it has to be over, if that does not depend on when it is sent.
    pub deadline: Option<Instant>,
    /// The component's.
    pub settings: Arc<Settings>,
    /// Where to.
    pub client: Arc<Client>,
}

/// How an exchange ended.
#[derive(Debug)]
pub struct Concluded {
    /// The exchange's number.
    pub exchange: ExchangeId,
    /// How it ended.
    pub outcome: Outcome,
    /// What there is to tell of it.
    pub report: Report,
}

/// What there is to tell of an exchange beside its outcome. Written by a worker, since Prosody's thread has
/// better things to do.
#[derive(Debug, Default)]
pub struct Report {
    /// For whoever looks for something: the stanza's id, the status, and how long it took.
    pub line: String,
    /// What an admin should know of a body that was not taken for replies.
    pub not_taken: Option<String>,
}

impl Job for Attempt {
    type Done = Concluded;

    /// Takes as long as it takes, up to the time-out.
    ///
    /// A panic becomes [`Failure::Fault`]: the sender is told, and the worker lives on. Nothing comes of
    /// an exchange that has ended before it was sent.
    fn run(self) -> Option<Concluded> {
        let stanza = self.stanza.upgrade()?;
        let begun = Instant::now();
        let mut seen = Seen::default();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| self.deliver(&stanza, &mut seen)))
            .unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(Failure::Fault(
                    text.unwrap_or_else(|| "a panic without a message".to_owned()),
                ))
            });
        Some(Concluded {
            exchange: self.id,
            report: Report {
                line: line(&stanza.envelope, seen.status, &outcome, begun.elapsed()),
                not_taken: seen.not_taken,
            },
            outcome,
        })
    }
}

impl Attempt {
    fn deliver(&self, stanza: &Stanza, seen: &mut Seen) -> Outcome {
        let envelope = &stanza.envelope;
        let body = request::encode(stanza);
        let post = Post {
            idempotency_key: &format!("{:016x}-{}", self.nonce, self.id),
            body: &body,
            timeout: self.remaining()?,
        };
        let mut response = self.client.post(&post)?;
        seen.status = Some(response.status());
        let verdict = response::judge(response.status(), response.content_type().as_deref());
        match verdict {
            Verdict::Failed => {
                // An error says what it says, with or without a body.
                let _ = response.discard();
                Err(Failure::Status(response.status()))
            }
            Verdict::Accepted => {
                let had_body = response.discard()?;
                seen.not_taken = (response.status() == 200 && had_body)
                    .then(|| response::not_taken(response.content_type().as_deref()));
                Ok(response::acknowledge(envelope))
            }
            Verdict::Replies => {
                let body = response.read(self.settings.response_limit)?;
                response::replies(envelope, &body, &self.settings, &mut fresh_id)
            }
        }
    }

    fn remaining(&self) -> Result<Duration, Failure> {
        let timeout = self.settings.timeout;
        match self.deadline {
            None => Ok(timeout),
            Some(deadline) => deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or(Failure::TimedOut),
        }
    }
}

/// What was seen of the answer before the exchange ended.
#[derive(Default)]
struct Seen {
    status: Option<u16>,
    not_taken: Option<String>,
}

/// What there is to tell of an exchange to whoever looks for something.
fn line(envelope: &Envelope, status: Option<u16>, outcome: &Outcome, elapsed: Duration) -> String {
    let id = envelope.id.as_ref().map(|id| format!("{id:?} "));
    let answer = match status {
        Some(status) => format!("status {status}"),
        None => "no answer".to_owned(),
    };
    let end = match outcome {
        Ok(stanzas) => format!("{} to send", stanzas.len()),
        Err(_) => "failed".to_owned(),
    };
    format!(
        "{} {}POSTed: {answer} in {} ms, {end}",
        envelope.kind.as_str(),
        id.unwrap_or_default(),
        elapsed.as_millis()
    )
}

/// A stanza id that nobody can guess (RFC 6120 §8.1.3).
fn fresh_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}
