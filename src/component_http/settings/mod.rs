//! What an admin can set for one component, checked.

mod chosen;
mod destinations;
mod face;
mod introduction;
mod service;
mod signs;
mod stanzas;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

pub use self::destinations::Destinations;
pub use self::service::Service;
pub(super) use self::service::{CA_OPTION, CERTIFICATE_OPTION, KEY_OPTION};
pub use self::signs::Signs;
pub use self::stanzas::Forwarded;
use super::disco::{Abilities, Disco};
use super::face::Face;
use crate::delivery::{Limits, Load, RetryPolicy};
use crate::mapping::{Rules, Scope};
use crate::options::{OptionError, Options};

const DELIVERY_OPTION: &str = "component_post_delivery";

/// The settings of one component.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host that the component serves, prepared.
    pub host: String,
    /// Whose stanzas it takes.
    pub scope: Scope,
    /// How people see it.
    pub face: Face,
    /// What there is to discover of it.
    pub disco: Disco,
    /// Where to POST.
    pub destinations: Destinations,
    /// How to POST.
    pub service: Service,
    /// Which stanzas are POSTed.
    pub forwarded: Forwarded,
    /// What senders see beside the replies.
    pub signs: Signs,
    /// For one whole exchange; of an answer that comes bit by bit, up to its head and from item to item.
    pub timeout: Duration,
    /// For an answer that comes bit by bit.
    pub stream_timeout: Duration,
    /// Exchanges in flight at most, with each service.
    pub concurrency: usize,
    /// Stanzas waiting at most.
    pub queue_size: usize,
    /// Bytes of XML waiting at most.
    pub queue_bytes: usize,
    /// What is tried again.
    pub retry: RetryPolicy,
    /// Bytes of a response at most.
    pub response_limit: usize,
    /// Whether the stanzas of one conversation are POSTed one after the other.
    pub ordered: bool,
    /// Whether a reply has to come from this host.
    pub validate_from: bool,
}

/// A day: more than any sensible time-out, and far from where arithmetic ends.
const DAY: f64 = 86_400.0;

/// How long what the service has not processed is tried again by default, in seconds.
const RETRY_FOR: f64 = 30.0;
/// Bytes that may wait by default.
const QUEUE_BYTES: usize = 67_108_864;
/// Bytes of an answer by default.
const RESPONSE_LIMIT: usize = 1_048_576;

impl Settings {
    /// Reads the options of the component at that host.
    ///
    /// # Errors
    /// The first option that is missing or unusable.
    pub fn read(host: &str, scope: Scope, options: &Options) -> Result<Settings, OptionError> {
        let destinations = Destinations::read(options)?;
        let (face, signs) = (face::read(options)?, Signs::read(options)?);
        Ok(Settings {
            host: host.to_owned(),
            scope,
            disco: Disco::new(
                face.name.clone(),
                Abilities {
                    vcard: !face.is_blank(),
                    receipts: signs.receipts,
                    chat_states: signs.typing,
                },
            ),
            face,
            service: Service::read(options, &destinations)?,
            destinations,
            forwarded: Forwarded::read(options)?,
            signs,
            timeout: options.seconds("component_post_timeout", 30.0, 0.01..=DAY)?,
            stream_timeout: options.seconds("component_post_stream_timeout", 600.0, 0.01..=DAY)?,
            concurrency: options.integer("component_post_concurrency", 256, 1..=10_000)?,
            queue_size: options.integer("component_post_queue_size", 10_000, 0..=100_000_000)?,
            queue_bytes: options.integer(
                "component_post_queue_bytes",
                QUEUE_BYTES,
                1..=1_099_511_627_776,
            )?,
            retry: RetryPolicy {
                retry_for: options.seconds("component_post_retry_for", RETRY_FOR, 0.0..=DAY)?,
                at_least_once: at_least_once(options)?,
            },
            response_limit: options.integer(
                "component_post_response_limit",
                RESPONSE_LIMIT,
                1..=1_073_741_824,
            )?,
            ordered: options.boolean("component_post_ordered", true)?,
            validate_from: options.boolean("validate_from_addresses", true)?,
        })
    }

    /// What they say of the exchanges.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            concurrency: self.concurrency,
            queue: Load {
                stanzas: self.queue_size,
                bytes: self.queue_bytes,
            },
            timeout: self.timeout,
            ordered: self.ordered,
            retry: self.retry,
        }
    }

    /// What they say of the stanzas that the component sends.
    pub fn rules(&self) -> Rules<'_> {
        Rules {
            host: &self.host,
            scope: self.scope,
            validate_from: self.validate_from,
        }
    }
}

fn at_least_once(options: &Options) -> Result<bool, OptionError> {
    match options.text(DELIVERY_OPTION)?.as_deref() {
        None | Some("at-most-once") => Ok(false),
        Some("at-least-once") => Ok(true),
        Some(_) => Err(OptionError::new(
            DELIVERY_OPTION,
            "must be \"at-most-once\" or \"at-least-once\"",
        )),
    }
}
