//! The URL of a proxy.

use std::fmt;
use std::ops::RangeInclusive;

use url::Url;

use super::super::credentials::Credentials;
use super::super::endpoint::MAX_CREDENTIALS;
use super::Protocol;

/// Bytes that SOCKS has room for, of user and password each (RFC 1929 §2).
const SOCKS_CREDENTIALS: RangeInclusive<usize> = 1..=255;

/// A proxy.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub(super) protocol: Protocol,
    pub(super) credentials: Option<Credentials>,
    /// A name or an address; one of IPv6 stands in brackets.
    host: String,
    port: u16,
}

/// Why a URL is not one of a proxy. Says what is wrong as the rest of a sentence, and never repeats the
/// URL, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// Happens when the scheme is another one, no host stands where it has to, or more follows it.
    NotProxy,
    /// Happens when it cannot be parsed.
    Unparsable(url::ParseError),
    /// Happens when user and password have more than 8,192 bytes together.
    LongCredentials,
    /// Happens when SOCKS has no room for user or password, or one of them is missing.
    SocksCredentials,
}

impl Proxy {
    /// The proxy at that URL.
    ///
    /// # Errors
    /// If it is not the URL of a proxy.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::NotProxy)?;
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "http" => Protocol::Http,
            "socks5" => Protocol::Socks5,
            _ => return Err(ProxyError::NotProxy),
        };
        if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#']) {
            return Err(ProxyError::NotProxy);
        }
        // Both are parsed as if they were http, so that a name is one of DNS in both.
        let url = Url::parse(&format!("http://{rest}")).map_err(ProxyError::Unparsable)?;
        let host = match url.host_str() {
            Some(host)
                if url.path() == "/" && url.query().is_none() && url.fragment().is_none() =>
            {
                host.to_owned()
            }
            _ => return Err(ProxyError::NotProxy),
        };
        let credentials = Credentials::of(&url);
        if let Some(credentials) = &credentials {
            check(credentials, protocol)?;
        }
        Ok(Proxy {
            protocol,
            credentials,
            host,
            port: port(rest, &url).unwrap_or(match protocol {
                Protocol::Http => 80,
                Protocol::Socks5 => 1080,
            }),
        })
    }

    /// Where it listens.
    pub(in crate::http) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Scheme, host and port: what may be logged.
    pub fn origin(&self) -> String {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Socks5 => "socks5",
        };
        format!("{scheme}://{}", self.host_and_port())
    }
}

/// The port that is written there. The parser leaves out that of http.
fn port(rest: &str, url: &Url) -> Option<u16> {
    let authority = rest.split(['/', '\\']).next().unwrap_or_default();
    url.port()
        .or_else(|| authority.ends_with(":80").then_some(80))
}

fn check(credentials: &Credentials, protocol: Protocol) -> Result<(), ProxyError> {
    let fits = |part: &[u8]| SOCKS_CREDENTIALS.contains(&part.len());
    match protocol {
        Protocol::Http if credentials.len() > MAX_CREDENTIALS => Err(ProxyError::LongCredentials),
        Protocol::Socks5 if !fits(&credentials.user) || !fits(&credentials.password) => {
            Err(ProxyError::SocksCredentials)
        }
        _ => Ok(()),
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::NotProxy => f.write_str(
                "must be the URL of a proxy without a path, such as \"http://proxy.example.com:3128\" or \
                 \"socks5://127.0.0.1:1080\"",
            ),
            ProxyError::Unparsable(error) => {
                write!(f, "is not a URL that can be used: {error}")
            }
            ProxyError::LongCredentials => write!(
                f,
                "has a user and password of more than {MAX_CREDENTIALS} bytes"
            ),
            ProxyError::SocksCredentials => f.write_str(
                "must have both a user and a password or neither, for SOCKS of 1 to 255 bytes each",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_what_may_be_logged() {
        for (text, origin) in [
            ("http://proxy.test", "http://proxy.test:80"),
            (
                "HTTP://me:secret@Proxy.test:3128/",
                "http://proxy.test:3128",
            ),
            ("socks5://me:secret@127.0.0.1", "socks5://127.0.0.1:1080"),
            ("socks5://[::1]:80", "socks5://[::1]:80"),
            ("socks5://secret:80@[::1]", "socks5://[::1]:1080"),
            ("socks5://bücher.test:9", "socks5://xn--bcher-kva.test:9"),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.origin(), origin);
            assert!(!format!("{proxy:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        let long = "x".repeat(256);
        for text in [
            "",
            "secret",
            "secret:3128",
            "https://secret:3128",
            "socks4://secret",
            "socks://secret",
            "http://",
            "http:///secret",
            "http://secret/path",
            "http://secret/?query",
            "http://secret/#fragment",
            "socks5://secret:99999",
            "socks5://secret@h",
            "socks5://:secret@h",
            &format!("socks5://secret:{long}@h"),
            &format!("http://secret:{}@h", "x".repeat(MAX_CREDENTIALS)),
        ] {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
