//! What the head of a response says about its connection.

use std::time::Duration;

use httparse::{EMPTY_HEADER, Response};

/// As many header fields as ureq takes.
const MAX_HEADERS: usize = 128;

/// How a body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After a known number of bytes, be it none.
    Length,
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Framing {
    /// How the body of a response ends, or nothing of an interim one (RFC 9110 §15.2), which another
    /// head follows. Decides as ureq does.
    pub(super) fn of<'a, Fields>(
        status: u16,
        is_http_1_1: bool,
        fields: impl Fn(&'static str) -> Fields,
    ) -> Option<Framing>
    where
        Fields: Iterator<Item = &'a [u8]>,
    {
        let is_chunked = || {
            is_http_1_1
                && elements(fields("transfer-encoding"))
                    .any(|coding| coding.eq_ignore_ascii_case(b"chunked"))
        };
        match status {
            100 | 102..=199 => None,
            101 | 204 | 304 => Some(Framing::Length),
            _ if is_chunked() => Some(Framing::Chunked),
            _ if fields("content-length").next().is_some() => Some(Framing::Length),
            _ => Some(Framing::UntilClose),
        }
    }
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How the body ends; nothing of an interim response.
    pub(super) framing: Option<Framing>,
    /// How long the service keeps a connection that is not in use: `Keep-Alive: timeout=…`.
    pub(super) keep_alive: Option<Duration>,
}

impl Head {
    /// Reads a head that ureq has accepted.
    pub(super) fn read(octets: &[u8]) -> Head {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        // What comes before an error is there all the same.
        let _ = response.parse(octets);
        let (status, version) = (response.code.unwrap_or_default(), response.version);
        let headers = &*response.headers;
        let fields = |name: &'static str| {
            headers
                .iter()
                .filter(move |header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value)
        };
        Head {
            framing: Framing::of(status, version == Some(1), fields),
            keep_alive: elements(fields("keep-alive")).find_map(timeout),
        }
    }
}

/// The elements of a list that may be spread over several fields (RFC 9110 §5.6.1). Fields that are not
/// ASCII are left out.
fn elements<'a>(fields: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    fields
        .filter(|value| value.is_ascii())
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn timeout(parameter: &[u8]) -> Option<Duration> {
    let (name, value) = str::from_utf8(parameter).ok()?.split_once('=')?;
    if !name.trim_ascii_end().eq_ignore_ascii_case("timeout") {
        return None;
    }
    let seconds = value.trim_ascii().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(start: &str, fields: &str) -> Head {
        Head::read(format!("HTTP/{start} x\r\n{fields}\r\n").as_bytes())
    }

    fn framing(start: &str, fields: &str) -> Option<Framing> {
        head(start, fields).framing
    }

    #[test]
    fn how_a_body_ends() {
        use Framing::{Chunked, Length, UntilClose};
        let chunked = "Content-Length: 5\r\nTransfer-Encoding: gzip, Chunked\r\n";
        assert_eq!(framing("1.1 200", chunked), Some(Chunked));
        assert_eq!(framing("1.0 200", chunked), Some(Length));
        assert_eq!(
            framing("1.1 500", "TRANSFER-ENCODING:chunked\r\n"),
            Some(Chunked)
        );
        assert_eq!(framing("1.1 200", "content-length: 0\r\n"), Some(Length));
        assert_eq!(framing("1.1 200", ""), Some(UntilClose));
        assert_eq!(
            framing("1.1 200", "Transfer-Encoding: chunkedx\r\n"),
            Some(UntilClose)
        );
        for bodiless in ["1.1 101", "1.1 204", "1.1 304"] {
            assert_eq!(framing(bodiless, chunked), Some(Length));
        }
    }

    #[test]
    fn an_interim_response_has_no_body() {
        for interim in ["1.1 100", "1.1 103"] {
            assert_eq!(framing(interim, "Content-Length: 5\r\n"), None);
        }
    }

    #[test]
    fn how_long_the_service_keeps_the_connection() {
        let of = |fields| head("1.1 200", fields).keep_alive;
        assert_eq!(of(""), None);
        for fields in [
            "Keep-Alive: timeout=5\r\n",
            "keep-alive: max=100, Timeout = \"5\"\r\n",
        ] {
            assert_eq!(of(fields), Some(Duration::from_secs(5)));
        }
        for fields in [
            "Keep-Alive: timeout=x\r\n",
            "Keep-Alive: 5\r\n",
            "Keep-Alive: timeout=-1\r\n",
            "Keep-Alive: \r\n",
        ] {
            assert_eq!(of(fields), None);
        }
    }
}
