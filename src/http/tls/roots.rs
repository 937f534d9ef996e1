//! Whom to trust over TLS: the certificate authorities of the system, or those of a file.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, Error, RootCertStore};

use super::files::{self, Problem, TlsFile, TlsFileError, TlsFiles};
use super::identity::Identity;
use super::named::NamedVerifier;

/// Whom to trust, who the module is itself, and what rustls made of it.
#[derive(Debug)]
pub(in crate::http) struct Roots {
    provider: Arc<CryptoProvider>,
    identity: Option<Identity>,
    /// Those of the system wait for the first connection: to load them takes 30 ms.
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Roots {
    /// What those files say, or the authorities of the system and no certificate of one's own.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(in crate::http) fn new(files: &TlsFiles) -> Result<Roots, TlsFileError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let identity = match &files.client {
            None => None,
            Some(client) => Some(Identity::read(client, &provider)?),
        };
        let config = match &files.authorities {
            None => None,
            Some(path) => {
                let verifier = verifier(path, &provider).map_err(|problem| TlsFileError {
                    file: TlsFile::Authorities,
                    path: path.clone(),
                    problem,
                })?;
                Some(client_config(&provider, verifier, identity.as_ref()))
            }
        };
        Ok(Roots {
            provider,
            identity,
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
        let made = client_config(&self.provider, Arc::new(verifier), self.identity.as_ref());
        Ok(Arc::clone(config.insert(made)))
    }
}

/// Whether those files can be used.
///
/// # Errors
/// If one cannot.
pub fn check_tls_files(files: &TlsFiles) -> Result<(), TlsFileError> {
    Roots::new(files).map(drop)
}

fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("ring knows all versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(Arc::clone(&identity.0) as _),
    })
}

/// Trusts the certificates in a PEM file.
fn verifier(
    path: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let certificates = files::certificates(path)?;
    let mut roots = RootCertStore::empty();
    if let (0, _) = roots.add_parsable_certificates(certificates.iter().cloned()) {
        return Err(Problem::NotX509);
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .map_err(Problem::Refused)?;
    Ok(Arc::new(NamedVerifier::new(webpki, certificates)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(path: &str) -> Result<Roots, TlsFileError> {
        Roots::new(&TlsFiles {
            authorities: Some(path.to_owned()),
            client: None,
        })
    }

    /// What is said of a file with that content.
    fn problem(content: &[u8]) -> String {
        let name = format!("roots-{:016x}.pem", rand::random::<u64>());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, content).unwrap();
        let path = file.to_str().unwrap();
        let error = roots(path).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        error.replace(path, "FILE")
    }

    #[test]
    fn what_is_wrong_with_a_file_is_one_plain_sentence() {
        let prefix = "names a file";
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
        let error = roots("/nonexistent/ca.pem").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }
}
