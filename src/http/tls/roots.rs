//! Whom to trust over TLS: the certificate authorities of the system, or those of a file.

use std::sync::{Arc, Mutex, PoisonError};
use std::{fmt, io};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, Error, RootCertStore};

use super::named::NamedVerifier;

/// Whom to trust, and what rustls made of it.
#[derive(Debug)]
pub(in crate::http) struct Roots {
    provider: Arc<CryptoProvider>,
    /// Those of the system wait for the first connection: to load them takes 30 ms.
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Roots {
    /// The authorities in that file, or those of the system.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(in crate::http) fn new(ca_file: Option<&str>) -> Result<Roots, CaFileError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = match ca_file {
            None => None,
            Some(path) => {
                let verifier =
                    verifier(path, &provider).map_err(|problem| CaFileError::new(path, problem))?;
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

/// Whether there are authorities in that file.
///
/// # Errors
/// If the file cannot be used.
pub fn check_ca_file(path: &str) -> Result<(), CaFileError> {
    let read = read(path);
    read.map(drop)
        .map_err(|problem| CaFileError::new(path, problem))
}

/// Trusts the certificates in a PEM file.
fn verifier(
    path: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Problem> {
    let (roots, certificates) = read(path)?;
    let webpki = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .map_err(Problem::Refused)?;
    Ok(Arc::new(NamedVerifier::new(webpki, certificates)))
}

/// The certificates in a PEM file, at least one.
fn read(path: &str) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Problem> {
    let pem = std::fs::read(path).map_err(Problem::Unreadable)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(Problem::NotPem)?;
    if certificates.is_empty() {
        return Err(Problem::NoCertificate);
    }
    let mut roots = RootCertStore::empty();
    if let (0, _) = roots.add_parsable_certificates(certificates.iter().cloned()) {
        return Err(Problem::NotX509);
    }
    Ok((roots, certificates))
}

/// Why a file with certificate authorities cannot be used. Says what is wrong as the rest of a sentence
/// about whatever names the file.
#[derive(Debug)]
pub struct CaFileError {
    path: String,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    /// Happens when the file is not there, or not for Prosody to read.
    Unreadable(io::Error),
    /// Happens when a PEM block is damaged.
    NotPem(pem::Error),
    /// Happens when no PEM block is a certificate.
    NoCertificate,
    /// Happens when nothing of what the blocks hold can be parsed.
    NotX509,
    /// Happens when rustls takes none of them.
    Refused(VerifierBuilderError),
}

impl CaFileError {
    fn new(path: &str, problem: Problem) -> Self {
        CaFileError {
            path: path.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for CaFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.problem {
            Problem::Unreadable(error) => {
                write!(f, "names a file that cannot be read, {path}: {error}")
            }
            Problem::NotPem(error) => {
                write!(f, "names a file that is not PEM, {path}: {}", damage(error))
            }
            Problem::NoCertificate => {
                write!(f, "names a file without a PEM certificate, {path}")
            }
            Problem::NotX509 => write!(
                f,
                "names a file that cannot be used, {path}: none of its PEM blocks is a certificate that can be \
                 read (X.509)"
            ),
            Problem::Refused(error) => {
                write!(f, "names a file that cannot be used, {path}: {error}")
            }
        }
    }
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
        let error = Roots::new(Some("/nonexistent/ca.pem")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }
}
