//! The body of a response that is read item by item, as it comes.

use std::io::{self, Read};
use std::time::Instant;

use ureq::{Body, BodyReader};

use super::error::TransportError;
use super::items::{ItemFormat, Items};
use super::response::{discard, ended_without_a_body};
use super::timeout;

/// So many bytes are read at a time. They are on the stack.
const CHUNK: usize = 8 * 1024;

/// A body that comes bit by bit.
pub struct ItemStream {
    body: BodyReader<'static>,
    items: Items,
    limit: usize,
    /// Whether it has to have something in it, since only the connection ends it.
    wants_something: bool,
    has_ended: bool,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// An item.
    Item(Vec<u8>),
    /// Nothing, until that time.
    Nothing,
    /// The end.
    End,
}

impl ItemStream {
    pub(super) fn new(body: Body, format: ItemFormat, limit: usize, until_close: bool) -> Self {
        ItemStream {
            body: body.into_reader(),
            items: Items::new(format, limit),
            limit,
            wants_something: until_close,
            has_ended: false,
        }
    }

    /// What comes next; waits for it until then, and can be called again.
    ///
    /// # Errors
    /// If an item is too long, or the connection fails before the stream ends.
    pub fn next(&mut self, until: Instant) -> Result<Next, TransportError> {
        loop {
            if let Some(item) = self.items.pop() {
                return Ok(Next::Item(item));
            }
            if self.items.is_too_long() {
                return Err(TransportError::TooLong(self.limit));
            }
            if self.items.is_done() {
                // Its connection can be used again then.
                let _ = discard(&mut self.body);
                return Ok(Next::End);
            }
            if self.has_ended {
                return self.end();
            }
            let mut chunk = [0; CHUNK];
            match timeout::within_stream(until, || self.body.read(&mut chunk)).map_err(error) {
                Ok(0) => {
                    self.has_ended = true;
                    self.items.end();
                }
                Ok(amount) => {
                    self.wants_something = false;
                    self.items.push(&chunk[..amount]);
                }
                Err(TransportError::TimedOut) => return Ok(Next::Nothing),
                Err(error) => return Err(error),
            }
        }
    }

    fn end(&self) -> Result<Next, TransportError> {
        if self.items.is_inside() {
            Err(TransportError::Lost(
                "it ended in the middle of an event".to_owned(),
            ))
        } else if self.wants_something {
            Err(ended_without_a_body())
        } else {
            Ok(Next::End)
        }
    }
}

fn error(error: io::Error) -> TransportError {
    ureq::Error::from(error).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::super::client::tests::{client, read_request};
    use super::super::post::Post;
    use super::*;

    const LIMIT: usize = 100;
    /// What the whole of a request may take that brings no stream.
    const SHORT: Duration = Duration::from_millis(500);

    /// A stream and the service's end of it, which has sent that.
    fn begun(head: &[u8]) -> (ItemStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = client(&format!("http://{}/", listener.local_addr().unwrap()));
        std::thread::scope(|scope| {
            let service = scope.spawn(|| {
                let mut stream = listener.accept().unwrap().0;
                read_request(&mut stream);
                stream.write_all(head).unwrap();
                stream
            });
            let post = Post {
                id: "k",
                body: b"{}",
                timeout: SHORT,
            };
            let response = client.post(&post).unwrap();
            let stream = response.into_items(ItemFormat::Lines, LIMIT);
            (stream, service.join().unwrap())
        })
    }

    fn next(stream: &mut ItemStream) -> Result<Next, TransportError> {
        stream.next(Instant::now() + Duration::from_secs(20))
    }

    fn nothing(stream: &mut ItemStream, wait: Duration) {
        let next = stream.next(Instant::now() + wait);
        assert_eq!(next, Ok(Next::Nothing));
    }

    fn item(stream: &mut ItemStream) -> String {
        match next(stream) {
            Ok(Next::Item(item)) => String::from_utf8(item).unwrap(),
            other => panic!("{other:?} {:?}", stream.items),
        }
    }

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const UNTIL_CLOSE: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n";

    #[test]
    fn each_item_is_read_when_it_comes_however_long_that_takes() {
        let (mut stream, mut service) = begun(CHUNKED);
        nothing(&mut stream, Duration::ZERO);
        // Longer than the request was allowed to take.
        nothing(&mut stream, SHORT);
        service.write_all(b"5\r\n{1}\n{\r\n").unwrap();
        assert_eq!(item(&mut stream), "{1}");
        nothing(&mut stream, Duration::from_millis(1));
        service.write_all(b"6\r\n2}\n{3}\r\n0\r\n\r\n").unwrap();
        assert_eq!([item(&mut stream), item(&mut stream)], ["{2}", "{3}"]);
        assert_eq!(next(&mut stream), Ok(Next::End));
        assert_eq!(next(&mut stream), Ok(Next::End));
    }

    #[test]
    fn all_items_together_may_be_longer_than_any_response() {
        let (mut stream, mut service) = begun(UNTIL_CLOSE);
        let line = format!("{}\n", "x".repeat(LIMIT));
        let lines = line.repeat(1024);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                (0..20).for_each(|_| service.write_all(lines.as_bytes()).unwrap());
            });
            (0..20 * 1024).for_each(|_| assert_eq!(item(&mut stream).len(), LIMIT));
        });
        assert_eq!(next(&mut stream), Ok(Next::End));
    }

    #[test]
    fn what_came_before_an_error_is_an_item() {
        let (mut stream, mut service) = begun(CHUNKED);
        service.write_all(b"4\r\n{1}\n\r\n").unwrap();
        drop(service);
        assert_eq!(item(&mut stream), "{1}");
        assert!(matches!(next(&mut stream), Err(TransportError::Lost(_))));

        let (mut stream, mut service) = begun(UNTIL_CLOSE);
        let long = format!("{{1}}\n{}", "x".repeat(2 * LIMIT));
        service.write_all(long.as_bytes()).unwrap();
        assert_eq!(item(&mut stream), "{1}");
        assert_eq!(next(&mut stream), Err(TransportError::TooLong(LIMIT)));
    }

    #[test]
    fn only_a_connection_that_ends_it_may_not_end_it_before_it_begins() {
        let (mut stream, service) = begun(UNTIL_CLOSE);
        drop(service);
        assert_eq!(next(&mut stream), Err(ended_without_a_body()));
        let (mut stream, _service) = begun(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(next(&mut stream), Ok(Next::End));
    }
}
