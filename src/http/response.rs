//! A response, as far as an exchange wants to know it.

use std::borrow::Cow;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::http::{HeaderValue, Response as HttpResponse, Version};

use super::error::TransportError;
use super::head::Framing;
use super::items::ItemFormat;
use super::stream::ItemStream;
use super::timeout;

/// A body that nobody wants is read up to that many bytes, so that its connection can be used again.
const DISCARD_LIMIT: u64 = 16 * 1024;

/// How long a body that nobody wants is waited for, to the same end.
const DISCARD_TIME: Duration = Duration::from_millis(50);

/// The response to a request.
#[derive(Debug)]
pub struct Response {
    response: HttpResponse<Body>,
    /// When the time for the whole of it is over.
    deadline: Instant,
}

impl Response {
    pub(super) fn new(response: HttpResponse<Body>, deadline: Instant) -> Self {
        Response { response, deadline }
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// Its `Content-Type`, whatever its parameters are written in.
    pub fn content_type(&self) -> Option<Cow<'_, str>> {
        self.header("content-type")
    }

    /// Its `Retry-After`.
    pub fn retry_after(&self) -> Option<Cow<'_, str>> {
        self.header("retry-after")
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    /// Its body, up to so many bytes.
    ///
    /// # Errors
    /// If it is longer, the connection fails or the time is over before the body has ended.
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, TransportError> {
        let mut body = Vec::new();
        let mut reader = self.response.body_mut().as_reader().take(limit as u64 + 1);
        timeout::within(self.deadline, || reader.read_to_end(&mut body))
            .map_err(ureq::Error::from)?;
        if body.len() > limit {
            return Err(TransportError::TooLong(limit));
        }
        if body.is_empty() && self.is_until_close() {
            return Err(ended_without_a_body());
        }
        Ok(body)
    }

    /// Its body item by item, each up to so many bytes.
    pub fn into_items(self, format: ItemFormat, limit: usize) -> ItemStream {
        let until_close = self.is_until_close();
        ItemStream::new(self.response.into_body(), format, limit, until_close)
    }

    /// Reads a body that nobody wants, so that the connection can be used again. Waits no longer than a
    /// moment, and how that ends does not matter: the response has been judged by its head. Returns whether
    /// there was one.
    ///
    /// # Errors
    /// If all that came is the end of the connection, where a body or its length should have been: that
    /// is how a service ends that has been stopped in between.
    pub fn discard(&mut self) -> Result<bool, TransportError> {
        let until_close = self.is_until_close();
        let limit = if until_close { 1 } else { DISCARD_LIMIT };
        let read = discard(self.response.body_mut().as_reader().take(limit));
        match read.map_err(|error| ureq::Error::from(error).into()) {
            Ok(0) if until_close => Err(ended_without_a_body()),
            Err(error @ TransportError::Lost(_)) if until_close => Err(error),
            read => Ok(read != Ok(0)),
        }
    }

    /// Whether the body ends with the connection.
    fn is_until_close(&self) -> bool {
        let headers = self.response.headers();
        let fields = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let is_http_1_1 = self.response.version() == Version::HTTP_11;
        Framing::of(self.status(), is_http_1_1, fields) == Some(Framing::UntilClose)
    }
}

/// Reads what nobody wants for a moment. Returns how much there was.
pub(super) fn discard(body: impl Read) -> io::Result<u64> {
    let mut body = body.take(DISCARD_LIMIT);
    let until = Instant::now() + DISCARD_TIME;
    timeout::within(until, || io::copy(&mut body, &mut io::sink()))
}

pub(super) fn ended_without_a_body() -> TransportError {
    TransportError::Lost("it ended where a body or its length should have been".to_owned())
}
