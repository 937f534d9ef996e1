//! Signatures of requests, so that a service knows who is calling: Standard Webhooks 1.0.0.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;

const PREFIX: &str = "whsec_";

/// Bytes that a secret may have (Standard Webhooks 1.0.0, "Signature scheme").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets that may be in use at a time: one, and others while they are exchanged.
const MAX_SECRETS: usize = 5;

/// Signs requests with one secret or several.
#[derive(Clone)]
pub struct Signer(Vec<hmac::Key>);

/// Why something is not a secret to sign with. Says what would be one as the rest of a sentence, and never
/// repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretError {
    /// Happens when a secret does not begin with `whsec_`.
    NoPrefix,
    /// Happens when what follows is not base64 (RFC 4648 §4) with its padding.
    NotBase64,
    /// Happens when the secret has another number of bytes than 24 to 64.
    Length(usize),
    /// Happens when there is no secret at all, or more than five.
    Count(usize),
}

impl Signer {
    /// Signs with all of these secrets: a service may know any one of them.
    ///
    /// # Errors
    /// If one is not a secret, or there are too few or too many.
    pub fn new(secrets: &[String]) -> Result<Self, SecretError> {
        if !(1..=MAX_SECRETS).contains(&secrets.len()) {
            return Err(SecretError::Count(secrets.len()));
        }
        let keys = secrets.iter().map(|secret| key(secret));
        Ok(Signer(keys.collect::<Result<_, _>>()?))
    }

    /// How many secrets there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The value of `webhook-signature` for a request with that `webhook-id` and `webhook-timestamp`, in
    /// seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let signatures: Vec<String> = self
            .0
            .iter()
            .map(|key| {
                let mut context = hmac::Context::with_key(key);
                context.update(head.as_bytes());
                context.update(body);
                format!("v1,{}", BASE64.encode(context.sign()))
            })
            .collect();
        signatures.join(" ")
    }
}

fn key(secret: &str) -> Result<hmac::Key, SecretError> {
    let encoded = secret.strip_prefix(PREFIX).ok_or(SecretError::NoPrefix)?;
    let bytes = BASE64.decode(encoded).map_err(|_| SecretError::NotBase64)?;
    if !SECRET_BYTES.contains(&bytes.len()) {
        return Err(SecretError::Length(bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} secrets)", self.count())
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::NoPrefix => write!(f, "must begin with {PREFIX}")?,
            SecretError::NotBase64 => write!(f, "must have base64 after {PREFIX}")?,
            SecretError::Length(bytes) => write!(
                f,
                "must be {} to {} bytes in base64, not {bytes}",
                SECRET_BYTES.start(),
                SECRET_BYTES.end()
            )?,
            SecretError::Count(count) => {
                write!(f, "must hold one to {MAX_SECRETS} secrets, not {count}")?;
            }
        }
        f.write_str("; this makes one: echo whsec_$(openssl rand -base64 32)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::{HeaderMap, HeaderValue};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn signer(secrets: &[&str]) -> Result<Signer, SecretError> {
        let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
        Signer::new(&secrets)
    }

    #[test]
    fn vectors_of_the_specification_and_of_its_libraries() {
        for (secret, id, timestamp, body, signature) in [
            (
                SECRET,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                OTHER,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let signed = signer(&[secret])
                .unwrap()
                .sign(id, timestamp, body.as_bytes());
            assert_eq!(signed, signature);
        }
    }

    #[test]
    fn the_library_for_rust_verifies_it_with_any_of_the_secrets() {
        let now = std::time::SystemTime::now();
        let timestamp = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let body = "{\"body\":\"Grüße\"}".as_bytes();
        let signature = signer(&[OTHER, SECRET])
            .unwrap()
            .sign("id-1", timestamp, body);
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", "id-1"),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
        ] {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        for secret in [SECRET, OTHER] {
            let webhook = standardwebhooks::Webhook::new(secret).unwrap();
            assert!(webhook.verify(body, &headers).is_ok());
            assert!(webhook.verify(b"{}", &headers).is_err());
        }
        let stranger = format!("{PREFIX}{}", BASE64.encode([7; 24]));
        let webhook = standardwebhooks::Webhook::new(&stranger).unwrap();
        assert!(webhook.verify(body, &headers).is_err());
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        let of_bytes = |count| format!("{PREFIX}{}", BASE64.encode(vec![0xb5; count]));
        for (secret, error) in [
            ("", SecretError::NoPrefix),
            ("tellnobody", SecretError::NoPrefix),
            ("whsec_tell nobody", SecretError::NotBase64),
            // Without its padding.
            (
                "whsec_tellnobodytellnobodytellnobodytellnobo",
                SecretError::NotBase64,
            ),
            ("whsec_", SecretError::Length(0)),
            (&of_bytes(23), SecretError::Length(23)),
            (&of_bytes(65), SecretError::Length(65)),
        ] {
            assert_eq!(signer(&[SECRET, secret]).unwrap_err(), error, "{secret}");
            let said = error.to_string();
            assert!(said.contains("openssl rand") && !said.contains("nobody"));
        }
        assert_eq!(signer(&[]).unwrap_err(), SecretError::Count(0));
        assert_eq!(signer(&[SECRET; 6]).unwrap_err(), SecretError::Count(6));
        assert_eq!(signer(&[SECRET; 5]).unwrap().count(), 5);
        for count in [24, 64] {
            assert!(signer(&[&of_bytes(count)]).is_ok());
        }
        let shown = format!("{:?}", signer(&[SECRET]).unwrap());
        assert_eq!(shown, "Signer(1 secrets)");
    }
}
