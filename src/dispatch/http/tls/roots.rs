//! Whom to trust over TLS: the certificate authorities of the system, or those of a file.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, Error, RootCertStore};

use super::named::NamedVerifier;
use crate::options::OptionError;

/// Whom to trust, and what rustls made of it.
#[derive(Debug)]
pub(in crate::dispatch::http) struct Roots {
    provider: Arc<CryptoProvider>,
    /// Those of the system wait for the first connection: to load them takes 30 ms.
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Roots {
    /// The authorities in that file, or those of the system.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(in crate::dispatch::http) fn new(ca_file: Option<&str>) -> Result<Roots, OptionError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = match ca_file {
            None => None,
            Some(path) => {
                let verifier = verifier(path, &provider)
                    .map_err(|text| OptionError::new("component_post_ca_file", text))?;
                Some(client_config(&provider, verifier))
            }
        };
        Ok(Roots {
            provider,
            config: Mutex::new(config),
        })
    }

    /// The settings for a session.
    ///
    /// # Errors
    /// If the system has no certificate authorities.
    pub(super) fn client_config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*config {
            return Ok(Arc::clone(config));
        }
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&self.provider))?;
        let made = client_config(&self.provider, Arc::new(verifier));
        Ok(Arc::clone(config.insert(made)))
    }
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("ring knows all versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

/// Trusts the certificates in a PEM file. Says what is wrong with it as the rest of a sentence.
fn verifier(
    path: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let pem = std::fs::read(path)
        .map_err(|error| format!("names a file that cannot be read, {path}: {error}"))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("names a file that is not PEM, {path}: {}", damage(&error)))?;
    if certificates.is_empty() {
        return Err(format!("names a file without a PEM certificate, {path}"));
    }
    let mut roots = RootCertStore::empty();
    if let (0, _) = roots.add_parsable_certificates(certificates.iter().cloned()) {
        let what = "none of its PEM blocks is a certificate that can be read (X.509)";
        return Err(format!("names a file that cannot be used, {path}: {what}"));
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .map_err(|error| format!("names a file that cannot be used, {path}: {error}"))?;
    Ok(Arc::new(NamedVerifier::new(webpki, certificates)))
}

fn damage(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "its last block has no END line, it may be cut off",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is damaged",
        pem::Error::Base64Decode(_) => "a block is not valid base64",
        _ => "a block is damaged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file with that content.
    fn problem(content: &[u8]) -> String {
        let name = format!("roots-{:016x}.pem", rand::random::<u64>());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, content).unwrap();
        let path = file.to_str().unwrap();
        let error = Roots::new(Some(path)).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        error.replace(path, "FILE")
    }

    #[test]
    fn what_is_wrong_with_a_file_is_one_plain_sentence() {
        let prefix = "the option 'component_post_ca_file' names a file";
        for (content, expected) in [
            (&b"no certificate"[..], " without a PEM certificate, FILE"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n",
                " that is not PEM, FILE: its last block has no END line, it may be cut off",
            ),
            (
                b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                " that is not PEM, FILE: a block is not valid base64",
            ),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                " that cannot be used, FILE: none of its PEM blocks is a certificate that can be read (X.509)",
            ),
        ] {
            assert_eq!(problem(content), format!("{prefix}{expected}"));
        }
        let error = Roots::new(Some("/nonexistent/ca.pem")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }
}
