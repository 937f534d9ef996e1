//! User and password from a URL.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use url::Url;

/// User and password, decoded.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// Those in the URL, if there are any.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let password = url.password().unwrap_or_default();
        if url.username().is_empty() && password.is_empty() {
            return None;
        }
        Some(Credentials {
            user: percent_decode_str(url.username()).collect(),
            password: percent_decode_str(password).collect(),
        })
    }

    /// The bytes of both, and what stands between them.
    pub(super) fn len(&self) -> usize {
        self.user.len() + 1 + self.password.len()
    }

    /// The value of a header for HTTP Basic (RFC 7617).
    pub(super) fn basic(&self) -> String {
        let joined = [&*self.user, b":", &*self.password].concat();
        format!("Basic {}", BASE64.encode(joined))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}
