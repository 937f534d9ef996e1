//! The HTTP clients of a component: what they have to know, and what their errors mean here.

use super::Settings;
use super::settings::{CA_OPTION, CERTIFICATE_OPTION, KEY_OPTION};
use crate::delivery::{AttemptFailure, NoAnswer};
use crate::http::{self, Client, Config, TlsFile, TlsFileError, TransportError};
use crate::mapping::Unusable;
use crate::options::OptionError;

/// What requests call themselves.
const USER_AGENT: &str = concat!(
    "mod_component_http/",
    env!("CARGO_PKG_VERSION"),
    " (prosody-components)"
);

/// The clients for the services that the settings name, in their order. No connection is made yet.
///
/// # Errors
/// If a file for TLS cannot be used.
pub fn clients(settings: &Settings) -> Result<Vec<Client>, OptionError> {
    let service = &settings.service;
    let config = Config {
        user_agent: USER_AGENT,
        headers: service.headers.clone(),
        signer: service.signer.clone(),
        longest: settings.timeout + settings.stream_timeout,
        connect_timeout: service.connect_timeout,
        connections: settings.concurrency,
        response_limit: settings.response_limit,
        proxy: service.proxy.clone(),
        tls_files: service.tls_files.clone(),
    };
    Client::of_component(settings.destinations.endpoints(), &config).map_err(of_option)
}

/// Whether the [`clients`] could use the files for TLS.
///
/// # Errors
/// If it could not.
pub fn check_tls_files(settings: &Settings) -> Result<(), OptionError> {
    http::check_tls_files(&settings.service.tls_files).map_err(of_option)
}

fn of_option(error: TlsFileError) -> OptionError {
    let option = match error.file {
        TlsFile::Authorities => CA_OPTION,
        TlsFile::Certificate => CERTIFICATE_OPTION,
        TlsFile::Key => KEY_OPTION,
    };
    OptionError::new(option, error.to_string())
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
