//! How to POST: the options that concern a request and its connection.

use std::time::Duration;

use super::{DAY, Destinations};
use crate::http::{ClientFiles, Endpoint, Headers, Proxy, Signer, TlsFiles};
use crate::options::{OptionError, Options};

pub(in crate::component_http) const CA_OPTION: &str = "component_post_ca_file";
pub(in crate::component_http) const CERTIFICATE_OPTION: &str = "component_post_client_certificate";
pub(in crate::component_http) const KEY_OPTION: &str = "component_post_client_key";
const PROXY_OPTION: &str = "component_post_proxy";
const SECRET_OPTION: &str = "component_post_secret";
const HEADERS_OPTION: &str = "component_post_headers";

/// The way to the web services.
#[derive(Clone, Debug)]
pub struct Service {
    /// What requests have in their head beside what they need.
    pub headers: Headers,
    /// Who signs them, if they are signed.
    pub signer: Option<Signer>,
    /// For opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// What leads to it, if that is a proxy.
    pub proxy: Option<Proxy>,
    /// Whom to trust over TLS, and who to be.
    pub tls_files: TlsFiles,
}

impl Service {
    /// Reads the options.
    ///
    /// # Errors
    /// The first one that is missing or unusable.
    pub fn read(options: &Options, destinations: &Destinations) -> Result<Self, OptionError> {
        Ok(Service {
            headers: headers(options, destinations)?,
            signer: signer(options)?,
            connect_timeout: options.seconds("component_post_connect_timeout", 10.0, 0.01..=DAY)?,
            proxy: proxy(options)?,
            tls_files: tls_files(options)?,
        })
    }

    /// What is on beyond a plain request, without anything that may be a secret.
    pub fn what_is_on(&self) -> String {
        let mut on = String::new();
        match self.signer.as_ref().map(Signer::count) {
            None => {}
            Some(1) => on.push_str(", signed"),
            Some(count) => on.push_str(&format!(", signed with {count} secrets")),
        }
        if !self.headers.is_empty() {
            on.push_str(", with headers of its own");
        }
        if self.tls_files.client.is_some() {
            on.push_str(", with a client certificate");
        }
        if let Some(proxy) = &self.proxy {
            on.push_str(&format!(", through the proxy {}", proxy.origin()));
        }
        on
    }
}

fn proxy(options: &Options) -> Result<Option<Proxy>, OptionError> {
    let Some(text) = options.text(PROXY_OPTION)? else {
        return Ok(None);
    };
    Proxy::parse(&text)
        .map(Some)
        .map_err(|error| OptionError::new(PROXY_OPTION, error.to_string()))
}

fn tls_files(options: &Options) -> Result<TlsFiles, OptionError> {
    let alone = |option, other: &str| {
        let problem = format!("is of no use alone: set {other} too, or neither of them");
        Err(OptionError::new(option, problem))
    };
    let files = (options.text(CERTIFICATE_OPTION)?, options.text(KEY_OPTION)?);
    let client = match files {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(ClientFiles { certificate, key }),
        (Some(_), None) => return alone(CERTIFICATE_OPTION, KEY_OPTION),
        (None, Some(_)) => return alone(KEY_OPTION, CERTIFICATE_OPTION),
    };
    Ok(TlsFiles {
        authorities: options.text(CA_OPTION)?,
        client,
    })
}

fn signer(options: &Options) -> Result<Option<Signer>, OptionError> {
    let Some(secrets) = options.list(SECRET_OPTION)? else {
        return Ok(None);
    };
    Signer::new(&secrets)
        .map(Some)
        .map_err(|error| OptionError::new(SECRET_OPTION, error.to_string()))
}

fn headers(options: &Options, destinations: &Destinations) -> Result<Headers, OptionError> {
    let wrong = |problem: String| OptionError::new(HEADERS_OPTION, problem);
    let fields = options.table(HEADERS_OPTION)?;
    let fields = fields.iter().map(|(name, value)| (&**name, &**value));
    let headers = Headers::new(fields).map_err(|error| wrong(error.to_string()))?;
    let mut endpoints = destinations.endpoints().iter();
    if headers.contains("authorization") && endpoints.any(Endpoint::has_credentials) {
        let problem = "must not set Authorization: the user and password in the URL do";
        return Err(wrong(problem.to_owned()));
    }
    Ok(headers)
}
