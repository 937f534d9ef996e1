//! The HTTP client of a component: what it has to know, and what its errors mean here.

use super::Settings;
use crate::delivery::{AttemptFailure, NoAnswer};
use crate::http::{self, CaFileError, Client, Config, TransportError};
use crate::mapping::Unusable;
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
    let service = &settings.service;
    let config = Config {
        endpoint: service.endpoint.clone(),
        user_agent: USER_AGENT,
        headers: service.headers.clone(),
        signer: service.signer.clone(),
        timeout: settings.timeout,
        connect_timeout: service.connect_timeout,
        connections: settings.concurrency,
        response_limit: settings.response_limit,
        ca_file: service.ca_file.clone(),
    };
    Client::new(config).map_err(of_option)
}

/// Whether the [`client`] could use the file with certificate authorities.
///
/// # Errors
/// If it could not.
pub fn check_ca_file(settings: &Settings) -> Result<(), OptionError> {
    let file = settings.service.ca_file.as_deref();
    file.map_or(Ok(()), http::check_ca_file).map_err(of_option)
}

fn of_option(error: CaFileError) -> OptionError {
    OptionError::new("component_post_ca_file", error.to_string())
}

impl From<TransportError> for AttemptFailure {
    fn from(error: TransportError) -> Self {
        AttemptFailure::Unanswered(match error {
            TransportError::NoConnection(reason) | TransportError::Undelivered(reason) => {
                NoAnswer::NoConnection(reason)
            }
            TransportError::NoConnectionInTime => NoAnswer::NoConnection(
                "it took longer than component_post_connect_timeout allows".to_owned(),
            ),
            TransportError::TimedOut => NoAnswer::TimedOut,
            TransportError::Lost(reason) => NoAnswer::ConnectionLost(reason),
            TransportError::NotHttp(reason) => NoAnswer::NotHttp(reason),
            TransportError::TooLong(limit) => {
                return AttemptFailure::Unusable(Unusable::TooLong(limit));
            }
        })
    }
}
