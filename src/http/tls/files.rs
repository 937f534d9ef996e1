//! The PEM files that an admin names, and what can be wrong with them.

use std::{fmt, fs, io};

use rustls::client::VerifierBuilderError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// The files for TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// A PEM file with the certificate authorities to trust in place of the system's.
    pub authorities: Option<String>,
    /// Who the module is, if the service asks.
    pub client: Option<ClientFiles>,
}

/// A certificate and what proves that it is one's own.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// A PEM file with the certificate, and those that lead to an authority that the service knows.
    pub certificate: String,
    /// A PEM file with its private key.
    pub key: String,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// Certificate authorities to trust.
    Authorities,
    /// The module's own certificate.
    Certificate,
    /// Its private key.
    Key,
}

/// Why a file cannot be used. Says what is wrong as the rest of a sentence about whatever names the file.
#[derive(Debug)]
pub struct TlsFileError {
    /// Which one.
    pub file: TlsFile,
    pub(super) path: String,
    pub(super) problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    /// Happens when the file is not there, or not for Prosody to read.
    Unreadable(io::Error),
    /// Happens when a PEM block is damaged.
    NotPem(pem::Error),
    /// Happens when no PEM block is a certificate.
    NoCertificate,
    /// Happens when no PEM block is a private key that needs no passphrase.
    NoKey,
    /// Happens when nothing of what the blocks hold can be parsed.
    NotX509,
    /// Happens when a private key is of a sort that rustls does not know.
    UnknownKey,
    /// Happens when a private key is that of another certificate.
    OtherKey,
    /// Happens when rustls takes none of the authorities.
    Refused(VerifierBuilderError),
}

/// The content of a file.
pub(super) fn read(path: &str) -> Result<Vec<u8>, Problem> {
    fs::read(path).map_err(Problem::Unreadable)
}

/// The certificates in a file, one at least.
pub(super) fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let certificates = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(Problem::NotPem)?;
    if certificates.is_empty() {
        return Err(Problem::NoCertificate);
    }
    Ok(certificates)
}

impl fmt::Display for TlsFileError {
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
            Problem::NoKey => write!(
                f,
                "names a file without a PEM private key that needs no passphrase, {path}"
            ),
            Problem::NotX509 => write!(
                f,
                "names a file that cannot be used, {path}: none of its PEM blocks is a certificate that can be \
                 read (X.509)"
            ),
            Problem::UnknownKey => write!(
                f,
                "names a file that cannot be used, {path}: its key is neither RSA of 2048 to 4096 bits, nor \
                 P-256, P-384 or Ed25519"
            ),
            Problem::OtherKey => write!(f, "names the key of another certificate, {path}"),
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
