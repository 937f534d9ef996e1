//! The HTTP client of a component: what it has to know, and what its errors mean here.

use super::{Failure, Settings, Unusable};
use crate::http::{Client, Config, TransportError};
use crate::options::OptionError;

/// What requests call themselves.
const USER_AGENT: &str = concat!(
    "mod_component_http/",
    env!("CARGO_PKG_VERSION"),
    " (prosody-components)"
);

/// The client for the service that the settings name. No connection is made yet.
///
/// # Errors
/// If the file with certificate authorities cannot be used.
pub fn client(settings: &Settings) -> Result<Client, OptionError> {
    let config = Config {
        endpoint: settings.endpoint.clone(),
        user_agent: USER_AGENT,
        timeout: settings.timeout,
        connect_timeout: settings.connect_timeout,
        connections: settings.concurrency,
        response_limit: settings.response_limit,
        ca_file: settings.ca_file.clone(),
    };
    Client::new(config)
        .map_err(|error| OptionError::new("component_post_ca_file", error.to_string()))
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NoConnection(reason) | TransportError::Undelivered(reason) => {
                Failure::NoConnection(reason)
            }
            TransportError::NoConnectionInTime => Failure::NoConnection(
                "it took longer than component_post_connect_timeout allows".to_owned(),
            ),
            TransportError::TimedOut => Failure::TimedOut,
            TransportError::Lost(reason) => Failure::ConnectionLost(reason),
            TransportError::NotHttp(reason) => Failure::NotHttp(reason),
            TransportError::TooLong(limit) => Failure::Unusable(Unusable::TooLong(limit)),
        }
    }
}
