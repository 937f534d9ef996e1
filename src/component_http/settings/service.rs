//! Where to POST, and how: the options that concern a request and its connection.

use std::time::Duration;

use super::DAY;
use crate::http::Endpoint;
use crate::options::{OptionError, Options};

const URL_OPTION: &str = "component_post_url";

/// A web service, and the way to it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where to POST.
    pub endpoint: Endpoint,
    /// For opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// A PEM file with the certificate authorities to trust in place of the system's.
    pub ca_file: Option<String>,
}

impl Service {
    /// Reads the options.
    ///
    /// # Errors
    /// The first one that is missing or unusable.
    pub fn read(options: &Options) -> Result<Self, OptionError> {
        Ok(Service {
            endpoint: endpoint(options)?,
            connect_timeout: options.seconds("component_post_connect_timeout", 10.0, 0.01..=DAY)?,
            ca_file: options.text("component_post_ca_file")?,
        })
    }

    /// What is on beyond a plain request, without anything that may be a secret.
    pub fn what_is_on(&self) -> String {
        String::new()
    }
}

fn endpoint(options: &Options) -> Result<Endpoint, OptionError> {
    let text = options.text(URL_OPTION)?.ok_or_else(|| {
        let problem = "is missing: set it to the http or https URL of the service";
        OptionError::new(URL_OPTION, problem)
    })?;
    Endpoint::parse(&text).map_err(|error| OptionError::new(URL_OPTION, error.to_string()))
}
