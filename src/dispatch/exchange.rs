//! An exchange: one stanza's way to the web service and back.
//!
//! It is prepared on the main thread, sent by a worker, and concluded on the main thread, where it ends
//! exactly once, whoever concludes it first: the worker, the clock or the end of the component.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::http::{Post, Service};
use crate::component_http::response::{self, Verdict};
use crate::component_http::{Failure, Outcome, Unusable, request};
use crate::stanza::Stanza;

/// Numbers the exchanges of one component.
pub type ExchangeId = u64;

/// What a worker needs to carry an exchange out.
#[derive(Debug)]
pub struct Exchange {
    /// Its number.
    pub id: ExchangeId,
    /// The stanza to deliver, which is gone if the exchange has ended meanwhile.
    pub stanza: Weak<Stanza>,
    /// When it has to be over, if that does not depend on when it is sent.
    pub deadline: Option<Instant>,
    /// Where to.
    pub service: Arc<Service>,
}

/// How an exchange ended.
#[derive(Debug)]
pub struct Concluded {
    /// The exchange's number.
    pub exchange: ExchangeId,
    /// How it ended.
    pub outcome: Outcome,
}

impl Exchange {
    /// Carries the exchange out: POST, read, judge. Takes as long as it takes, up to the time-out.
    ///
    /// A panic becomes [`Failure::Fault`]: the sender is told, and the worker lives on. Nothing comes of
    /// an exchange that has ended before it was sent.
    pub fn run(self) -> Option<Concluded> {
        let id = self.id;
        let stanza = self.stanza.upgrade()?;
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| self.deliver(&stanza)))
            .unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                Err(Failure::Fault(
                    text.unwrap_or_else(|| "a panic without a message".to_owned()),
                ))
            });
        Some(Concluded {
            exchange: id,
            outcome,
        })
    }

    fn deliver(&self, stanza: &Stanza) -> Outcome {
        let settings = &self.service.settings;
        let envelope = &stanza.envelope;
        let body = request::encode(stanza);
        let post = Post {
            id: self.id,
            body: &body,
            timeout: self.remaining()?,
        };
        let mut response = self.service.post(&post)?;
        let verdict = response::judge(response.status(), response.content_type());
        match verdict {
            Verdict::Failed => {
                response.discard();
                Err(Failure::Status(response.status()))
            }
            Verdict::Accepted => {
                response.discard();
                Ok(response::acknowledge(envelope))
            }
            Verdict::Replies => {
                let limit = settings.response_limit;
                let body = response.read(limit)?;
                if body.len() > limit {
                    return Err(Failure::Unusable(Unusable::TooLong(limit)));
                }
                response::replies(envelope, &body, settings, &mut fresh_id)
            }
        }
    }

    fn remaining(&self) -> Result<Duration, Failure> {
        let timeout = self.service.settings.timeout;
        match self.deadline {
            None => Ok(timeout),
            Some(deadline) => deadline
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
                .ok_or(Failure::TimedOut),
        }
    }
}

/// A stanza id that nobody can guess (RFC 6120 §8.1.3).
fn fresh_id() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}
