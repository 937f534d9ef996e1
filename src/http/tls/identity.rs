//! Who the module is, for services that ask for a certificate.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys};

use super::files::{self, ClientFiles, Problem, TlsFile, TlsFileError};

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub(super) struct Identity(pub(super) Arc<SingleCertAndKey>);

impl Identity {
    /// What is in those files.
    ///
    /// # Errors
    /// If one of them cannot be used, or they do not belong together.
    pub(super) fn read(
        client: &ClientFiles,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsFileError> {
        let wrong_certificate = |problem| TlsFileError {
            file: TlsFile::Certificate,
            path: client.certificate.clone(),
            problem,
        };
        let wrong_key = |problem| TlsFileError {
            file: TlsFile::Key,
            path: client.key.clone(),
            problem,
        };
        let chain = files::certificates(&client.certificate).map_err(wrong_certificate)?;
        if ParsedCertificate::try_from(&chain[0]).is_err() {
            return Err(wrong_certificate(Problem::NotX509));
        }
        let key = private_key(&client.key).map_err(wrong_key)?;
        match CertifiedKey::from_der(chain, key, provider) {
            Ok(certified) => Ok(Identity(Arc::new(certified.into()))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(wrong_key(Problem::OtherKey))
            }
            Err(_) => Err(wrong_key(Problem::UnknownKey)),
        }
    }
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, Problem> {
    PrivateKeyDer::from_pem_slice(&files::read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => Problem::NoKey,
        damaged => Problem::NotPem(damaged),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    use rustls::crypto::ring::default_provider;

    /// Files that are gone with the test.
    struct Files(PathBuf);

    impl Files {
        fn new() -> Self {
            let name = format!("identity-{:016x}", rand::random::<u64>());
            let directory = std::env::temp_dir().join(name);
            fs::create_dir(&directory).unwrap();
            Files(directory)
        }

        fn write(&self, name: &str, content: &str) -> String {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            // What is left lies among temporary files.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["bot.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        let files = Files::new();
        let (certificate, key) = pair();
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let damaged = key.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\n!");
        let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let no_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let read = |certificate: &str, key: &str| {
            let client = ClientFiles {
                certificate: files.write("certificate", certificate),
                key: files.write("key", key),
            };
            Identity::read(&client, &default_provider())
        };
        assert!(read(&certificate, &key).is_ok());
        assert!(read(&format!("{certificate}{}", pair().0), &key).is_ok());
        for (certificate, key, file, said) in [
            (
                &*certificate,
                &*pair().1,
                TlsFile::Key,
                "the key of another certificate",
            ),
            (
                &*certificate,
                &*encrypted,
                TlsFile::Key,
                "that needs no passphrase",
            ),
            (
                &*certificate,
                &*certificate,
                TlsFile::Key,
                "without a PEM private key",
            ),
            (&*certificate, &*damaged, TlsFile::Key, "is not PEM"),
            (
                &*certificate,
                no_key,
                TlsFile::Key,
                "its key is neither RSA",
            ),
            (
                &*key,
                &*key,
                TlsFile::Certificate,
                "without a PEM certificate",
            ),
            (no_x509, &*key, TlsFile::Certificate, "(X.509)"),
        ] {
            let error = read(certificate, key).unwrap_err();
            assert_eq!(error.file, file, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let client = ClientFiles {
            certificate: "/nonexistent/bot.pem".to_owned(),
            key: String::new(),
        };
        let error = Identity::read(&client, &default_provider()).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/bot.pem"),
            "{error}"
        );
    }
}
