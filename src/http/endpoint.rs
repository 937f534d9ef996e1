//! Where to POST, taken apart from the URL that an admin writes.

use std::fmt;

use url::Url;

use super::credentials::Credentials;

/// Bytes that a URL may have, without credentials and encoded. RFC 9110 §4.1 asks for 8,000 at least.
pub(super) const MAX_URL: usize = 8192;

/// Bytes that user and password may have together.
pub(super) const MAX_CREDENTIALS: usize = 8192;

/// Where to POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL without credentials and fragment.
    pub(super) url: String,
    /// The `Authorization` header that the URL's credentials make (RFC 7617).
    pub(super) authorization: Option<String>,
    origin: String,
}

/// Why a URL is not one to POST to. Says what is wrong as the rest of a sentence, and never repeats the
/// URL, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Happens when the scheme is another one, or no host stands where it has to.
    NotHttp,
    /// Happens when it cannot be parsed.
    Unparsable(url::ParseError),
    /// Happens when user and password have more than 8,192 bytes together.
    LongCredentials,
    /// Happens when the URL has more than 8,192 bytes without them.
    TooLong,
    /// Happens when it can be parsed, but not sent in a request.
    Unsendable,
}

impl Endpoint {
    /// The endpoint of that URL.
    ///
    /// # Errors
    /// If it is not an HTTP URL, or too long.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if !names_a_host(text) {
            return Err(EndpointError::NotHttp);
        }
        let mut url = Url::parse(text).map_err(EndpointError::Unparsable)?;
        let authorization = authorization(&url)?;
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        debug_assert!(
            cleared.is_ok(),
            "an http URL with a host can lose its credentials"
        );
        url.set_fragment(None);
        if url.as_str().len() > MAX_URL {
            return Err(EndpointError::TooLong);
        }
        if url.as_str().parse::<ureq::http::Uri>().is_err() {
            return Err(EndpointError::Unsendable);
        }
        Ok(Endpoint {
            origin: url.origin().ascii_serialization(),
            url: url.into(),
            authorization,
        })
    }

    /// Scheme, host and port: what may be logged. Path and query may hold a secret.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL without user, password and fragment. What it has may be a secret all the same.
    pub fn location(&self) -> &str {
        &self.url
    }

    /// All of it that makes one URL another than another.
    pub fn identity(&self) -> String {
        let authorization = self.authorization.as_deref().unwrap_or_default();
        format!("{} {authorization}", self.url)
    }

    /// Whether the URL has a user or a password.
    pub fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndpointError::NotHttp => {
                f.write_str("must be an http or https URL, such as \"https://example.com/bot\"")
            }
            EndpointError::Unparsable(error) => {
                write!(f, "is not a URL that can be used: {error}")
            }
            EndpointError::LongCredentials => write!(
                f,
                "has a user and password of more than {MAX_CREDENTIALS} bytes"
            ),
            EndpointError::TooLong => write!(f, "is longer than {MAX_URL} bytes"),
            EndpointError::Unsendable => f.write_str("is not a URL that can be used for HTTP"),
        }
    }
}

/// Whether a host stands where it has to (RFC 9110 §4.2). A parser for browsers would look for it further
/// on, and take `http:///path` for a host.
fn names_a_host(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
        && !rest.is_empty()
        && !rest.starts_with(['/', '\\', '?', '#'])
}

fn authorization(url: &Url) -> Result<Option<String>, EndpointError> {
    match Credentials::of(url) {
        Some(credentials) if credentials.len() > MAX_CREDENTIALS => {
            Err(EndpointError::LongCredentials)
        }
        credentials => Ok(credentials.map(|credentials| credentials.basic())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    #[test]
    fn credentials_leave_the_url() {
        let endpoint = Endpoint::parse("https://me%40x:p%3Aw@example.com:8443/a?b=c#d").unwrap();
        assert_eq!(endpoint.url, "https://example.com:8443/a?b=c");
        assert_eq!(endpoint.origin(), "https://example.com:8443");
        let expected = format!("Basic {}", BASE64.encode("me@x:p:w"));
        assert_eq!(endpoint.authorization.as_deref(), Some(expected.as_str()));
        let open = Endpoint::parse("http://127.0.0.1:1/").unwrap();
        assert_eq!(open.authorization, None);
    }

    #[test]
    fn the_url_is_http_or_https_and_never_repeated() {
        for url in [
            "",
            "secret",
            "ftp://secret/",
            "http://",
            "mailto:secret@x",
            "https://secret:x/",
            "http:///secret",
            "https:secret",
            "http:/secret/",
            "https://?secret",
        ] {
            let error = Endpoint::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            assert!(!error.contains("relative"), "{error}");
        }
    }

    #[test]
    fn what_is_too_long_to_send_is_refused() {
        let at_most = "x".repeat(MAX_URL - "http://h/".len());
        let password = "p".repeat(MAX_CREDENTIALS - "u:".len());
        let parse = |credentials: &str, path: &str| {
            Endpoint::parse(&format!("http://{credentials}h/{path}"))
        };
        assert!(parse(&format!("u:{password}@"), &at_most).is_ok());
        let error = parse("", &format!("{at_most}x")).unwrap_err();
        assert_eq!(error, EndpointError::TooLong);
        assert!(error.to_string().contains("8192 bytes"), "{error}");
        let error = parse(&format!("u:{password}p@"), "").unwrap_err();
        assert_eq!(error, EndpointError::LongCredentials);
        assert!(error.to_string().contains("password"), "{error}");
    }
}
