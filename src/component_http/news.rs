//! What a worker tells Prosody's thread.

use std::sync::Arc;

use crate::delivery::{AttemptEnd, ExchangeId, Report, Unfinished};
use crate::engine::Weight;
use crate::stanza::Element;

/// What comes of an attempt: how it has ended; or an answer bit by bit, from its head to its end.
pub enum News {
    /// It has ended.
    Done {
        /// The exchange's number.
        id: ExchangeId,
        /// How.
        end: AttemptEnd,
        /// What there is to tell of it.
        report: Report,
    },
    /// An answer has begun.
    Head {
        /// The exchange's number.
        id: ExchangeId,
        /// What is to be said if it does not end.
        unfinished: Arc<dyn Unfinished>,
        /// What there is to tell of the attempt.
        report: Report,
    },
    /// A part of an answer.
    Item {
        /// The exchange's number.
        id: ExchangeId,
        /// What to send.
        reply: Element,
        /// Held until it is sent.
        weight: Weight,
    },
    /// An answer has ended.
    StreamEnd {
        /// The exchange's number.
        id: ExchangeId,
        /// How.
        end: AttemptEnd,
        /// What there is to tell of it.
        line: String,
    },
}
