//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 §9.3.6).

use httparse::{EMPTY_HEADER, Response, Status};
use ureq::Error;

use super::super::credentials::Credentials;
use super::super::wire::Wire;
use super::Target;
use super::talk::{Talk, TunnelError};

/// Bytes of the head of an answer at most.
const MAX_HEAD: usize = 16 * 1024;

const MAX_HEADERS: usize = 64;

pub(super) fn open(
    talk: &mut Talk<impl Wire>,
    target: Target,
    credentials: Option<&Credentials>,
) -> Result<(), Error> {
    let Target { host, port } = target;
    let authorization = credentials
        .map(|credentials| format!("Proxy-Authorization: {}\r\n", credentials.basic()))
        .unwrap_or_default();
    let request =
        format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
    talk.say(request.as_bytes())?;
    let mut seen = 0;
    let (length, status) = loop {
        let input = talk.hear_beyond(seen)?;
        seen = input.len();
        if let Some(head) = head(input)? {
            break head;
        }
        if seen > MAX_HEAD {
            return Err(TunnelError::Garbled("HTTP").into());
        }
    };
    talk.skip(length)?;
    match status {
        200..=299 => Ok(()),
        407 => Err(TunnelError::Credentials.into()),
        status => Err(TunnelError::Status(status).into()),
    }
}

/// Length and status of a head, if it is there to its end.
fn head(input: &[u8]) -> Result<Option<(usize, u16)>, TunnelError> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    match response.parse(input) {
        Ok(Status::Complete(length)) => Ok(response.code.map(|status| (length, status))),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(TunnelError::Garbled("HTTP")),
    }
}
