//! The backend's HTTP and JSON, without its sockets.

use std::borrow::Cow;
use std::io::{self, Write as _};

use quick_xml::escape::escape;
use serde::{Deserialize, Serialize};

const HEADERS: usize = 32;

/// What the head of a request says.
pub struct Head {
    /// Whether to answer by `stanza`, not by `body`.
    pub by_stanza: bool,
    /// How long the service takes, in milliseconds.
    pub delay: u64,
    /// Where the head ends and the body begins.
    pub end: usize,
    /// Bytes of the body.
    pub length: usize,
    /// Whether the client wants no further request on this connection.
    pub close: bool,
}

/// The parts of a forwarded stanza that the answer is made from.
#[derive(Deserialize)]
struct Forwarded<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply<'a> {
    Body(Cow<'a, str>),
    Stanza(String),
}

impl Head {
    /// Reads the head; `None` while it is incomplete.
    pub fn read(received: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(end) = request.parse(received).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let path = request.path.unwrap_or_default().trim_start_matches('/');
        let (kind, delay) = path
            .split_once('/')
            .ok_or_else(|| io::Error::other("the path is not KIND/DELAY"))?;
        let header = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found
                .and_then(|header| std::str::from_utf8(header.value).ok())
                .unwrap_or_default()
        };
        Ok(Some(Self {
            by_stanza: kind == "stanza",
            delay: delay.parse().map_err(io::Error::other)?,
            end,
            length: header("content-length").parse().map_err(io::Error::other)?,
            close: header("connection").eq_ignore_ascii_case("close"),
        }))
    }
}

/// The whole HTTP response that answers a forwarded message with its body.
pub fn answer(by_stanza: bool, request: &[u8]) -> io::Result<Vec<u8>> {
    let Forwarded { to, from, body } = serde_json::from_slice(request)?;
    let reply = if by_stanza {
        Reply::Stanza(format!(
            "<message xmlns='jabber:client' from='{}' to='{}' type='chat'><body>{}</body></message>",
            escape(to),
            escape(from),
            escape(body)
        ))
    } else {
        Reply::Body(body)
    };
    let content = serde_json::to_vec(&reply)?;
    let mut response = Vec::with_capacity(content.len() + 128);
    write!(
        response,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        content.len()
    )?;
    response.extend_from_slice(&content);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let request =
            b"POST /stanza/20 HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        assert!(Head::read(&request[..30]).unwrap().is_none());
        let head = Head::read(request).unwrap().unwrap();
        assert_eq!(
            (head.by_stanza, head.delay, head.length, head.close),
            (true, 20, 3, true)
        );
        assert_eq!(&request[head.end..], b"abc");
    }

    #[test]
    fn both_kinds_of_answer_hold_the_body() {
        let request = br#"{"to":"bot@b.test","from":"u@l.test\/r","body":"a < \u00e9","stanza":"<message/>"}"#;
        let text = |by_stanza| String::from_utf8(answer(by_stanza, request).unwrap()).unwrap();
        assert!(
            text(false).ends_with("Content-Length: 17\r\n\r\n{\"body\":\"a < é\"}"),
            "{}",
            text(false)
        );
        assert!(
            text(true)
                .contains("from='bot@b.test' to='u@l.test/r' type='chat'><body>a &lt; é</body>")
        );
    }
}
