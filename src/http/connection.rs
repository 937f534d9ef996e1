//! A connection as ureq uses it, plain or over TLS: requests and their responses, one after the other.

use std::io;
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::broken::Broken;
use super::buffers::SocketBuffers;
use super::keep_alive;
use super::timeout::{self, until};
use super::wire::{Received, Wire};

/// Output is held back until somebody waits for an answer, up to that many bytes.
const HOLD: usize = 16 * 1024;

/// What may come beside the body: head, interim responses, the framing of chunks, trailers.
pub(super) const OVERHEAD: u64 = 1024 * 1024;

/// A connection to the service.
#[derive(Debug)]
pub(super) struct Connection<W> {
    wire: W,
    buffers: SocketBuffers,
    /// Bytes of a body that are of use.
    body_limit: usize,
    /// Bytes that have come back since the request was begun; of a stream, since it was last of use.
    received: u64,
    /// When the last of them came.
    last_received: Instant,
    /// Whether it has carried a request before this one.
    used: bool,
    /// Whether anything of this one has been written.
    begun: bool,
}

impl<W: Wire> Connection<W> {
    pub(super) fn new(wire: W, body_limit: usize) -> Self {
        Connection {
            wire,
            buffers: SocketBuffers::default(),
            body_limit,
            received: 0,
            last_received: Instant::now(),
            used: false,
            begun: false,
        }
    }

    /// The same connection by another way, such as TLS. Nothing must have been sent yet.
    pub(super) fn through<V: Wire>(
        self,
        wrap: impl FnOnce(W) -> Result<V, Error>,
    ) -> Result<Connection<V>, Error> {
        Ok(Connection::new(wrap(self.wire)?, self.body_limit))
    }

    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        if self.buffers.held().is_empty() {
            return Ok(());
        }
        // The last moment to see what came too late for the response that it belongs to.
        if self.used && !self.begun && !self.wire.is_quiet() {
            return Err(Broken::NeverDelivered.into());
        }
        self.begun = true;
        self.wire
            .send(self.buffers.held(), timeout::shortened(timeout))?;
        self.buffers.clear_held();
        Ok(())
    }

    /// Happens before more is received.
    fn check(&self) -> Result<(), Error> {
        let body = if self.buffers.is_in_head() {
            0
        } else {
            self.body_limit as u64
        };
        let limit = body + OVERHEAD;
        if self.received > limit {
            Err(Broken::TooLong(limit).into())
        } else if self.buffers.has_broken_chunks() {
            Err(Broken::Chunks.into())
        } else {
            Ok(())
        }
    }
}

impl<W: Wire> Transport for Connection<W> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.received > 0 {
            self.received = 0;
            (self.used, self.begun) = (true, false);
            self.buffers.begin_response();
            self.wire.begin_request();
        }
        if self.buffers.hold(amount) >= HOLD {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        self.buffers.release();
        let timeout = timeout::shortened(timeout);
        let deadline = Instant::now() + *timeout.after;
        if timeout::is_of_stream() {
            // It may go on for ever, as long as there is something in it.
            self.received = self.received.min(1);
        }
        let before = self.buffers.input().len();
        // Of chunks, what comes in may be nothing that is of use.
        while self.buffers.input().len() == before {
            self.check()?;
            let timeout = until(deadline, timeout)?;
            let is_first = self.received == 0;
            let (buffers, received) = (&mut self.buffers, &mut self.received);
            let came = self.wire.receive(timeout, &mut |bytes| {
                *received += bytes.len() as u64;
                buffers.append(bytes);
            })?;
            match came {
                // It was sent before, and met the request on its way.
                Received::Bytes if is_first && self.used && !self.wire.has_arrived() => {
                    return Err(Broken::Unasked.into());
                }
                Received::Bytes => self.last_received = Instant::now(),
                _ if is_first => return Err(self.wire.closed_unheard()),
                Received::Cut if self.buffers.is_until_close() => {
                    return Err(Broken::Lost(io::ErrorKind::UnexpectedEof.into()).into());
                }
                Received::End | Received::Cut => return Ok(false),
            }
        }
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        self.last_received.elapsed() < keep_alive::limit(self.buffers.keep_alive())
            && self.buffers.input().is_empty()
            && self.wire.may_be_kept()
            && self.wire.is_quiet()
    }

    fn is_tls(&self) -> bool {
        W::IS_SECRET
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::TransportError;
    use super::super::script::Script;
    use super::*;
    use std::time::Duration;

    const BODY_LIMIT: usize = 100_000;
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    fn connection() -> Connection<Script> {
        Connection::new(Script::default(), BODY_LIMIT)
    }

    fn timeout() -> NextTimeout {
        NextTimeout {
            after: Duration::from_secs(20).into(),
            ..NextTimeout::default()
        }
    }

    fn write(connection: &mut Connection<Script>, bytes: &[u8]) {
        connection.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        connection.transmit_output(bytes.len(), timeout()).unwrap();
    }

    fn comes(connection: &mut Connection<Script>, bytes: &[u8]) {
        connection.wire.comes.push_back(bytes.to_vec());
    }

    fn read(connection: &mut Connection<Script>) -> Result<Vec<u8>, Error> {
        connection.await_input(timeout())?;
        let input = connection.buffers().input().to_vec();
        connection.buffers().input_consume(input.len());
        Ok(input)
    }

    /// The error of a connection over which that comes again and again, whether it is of use or not.
    fn error_of_endless(head: &[u8], start: &[u8], bytes: &[u8], consume: bool) -> Error {
        let mut connection = connection();
        write(&mut connection, b"request");
        if !head.is_empty() {
            comes(&mut connection, head);
            read(&mut connection).unwrap();
        }
        comes(&mut connection, start);
        connection.wire.endless = Some(bytes.to_vec());
        loop {
            if let Err(error) = connection.await_input(timeout()) {
                return error;
            }
            let unread = connection.buffers().input().len();
            if consume {
                connection.buffers().input_consume(unread);
            }
            assert!(connection.received < 2 * OVERHEAD);
        }
    }

    fn broken(error: Error) -> String {
        match error {
            Error::Io(error) => format!("{:?}", Broken::of(&error).expect("an error of ours")),
            other => panic!("{other:?}"),
        }
    }

    /// A response after which the connection is in use.
    fn exchange(connection: &mut Connection<Script>, response: &[u8]) {
        write(connection, b"head");
        write(connection, b"body");
        connection.flush(timeout()).unwrap();
        comes(connection, response);
        read(connection).unwrap();
    }

    #[test]
    fn a_request_is_written_as_one() {
        let mut connection = connection();
        exchange(&mut connection, b"HTTP/1.1 204 Fine\r\n\r\n");
        exchange(&mut connection, b"HTTP/1.1 204 Fine\r\n\r\n");
        assert_eq!(connection.wire.sent, [b"headbody", b"headbody"]);
    }

    #[test]
    fn a_connection_with_anything_left_is_not_open() {
        let mut connection = connection();
        exchange(&mut connection, b"HTTP/1.1 204 Fine\r\n\r\n");
        assert!(connection.is_open());
        comes(&mut connection, b"x");
        assert!(!connection.is_open());
        connection.await_input(timeout()).unwrap();
        assert!(!connection.is_open());
    }

    #[test]
    fn what_comes_too_late_is_seen_before_the_next_request_is_written() {
        let mut connection = connection();
        exchange(&mut connection, b"HTTP/1.1 204 Fine\r\n\r\n");
        write(&mut connection, b"second request");
        comes(&mut connection, b"HTTP/1.1 204 Forged\r\n\r\n");
        let error = read(&mut connection).unwrap_err();
        assert!(matches!(error.into(), TransportError::Undelivered(_)));
        assert_eq!(connection.wire.sent.len(), 1);
    }

    #[test]
    fn what_was_sent_before_a_request_arrived_is_no_answer() {
        let mut connection = connection();
        exchange(&mut connection, b"HTTP/1.1 204 Fine\r\n\r\n");
        write(&mut connection, b"second request");
        connection.flush(timeout()).unwrap();
        connection.wire.is_slow = true;
        comes(&mut connection, b"HTTP/1.1 204 Forged\r\n\r\n");
        assert_eq!(broken(read(&mut connection).unwrap_err()), "Unasked");
    }

    #[test]
    fn a_connection_that_the_service_keeps_for_no_time_is_not_open() {
        for (field, is_open) in [
            ("", true),
            ("Keep-Alive: timeout=5\r\n", true),
            ("Keep-Alive: timeout=1\r\n", false),
        ] {
            let mut connection = connection();
            let head = format!("HTTP/1.1 204 Fine\r\n{field}\r\n");
            exchange(&mut connection, head.as_bytes());
            assert_eq!(connection.is_open(), is_open);
        }
    }

    #[test]
    fn a_response_without_an_end_is_not_read_for_ever() {
        let interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(10);
        let before = format!("TooLong({OVERHEAD})");
        for (bytes, consume) in [(&[b'x'; 1000][..], false), (&interim, true)] {
            let error = error_of_endless(b"", b"", bytes, consume);
            assert_eq!(broken(error), before);
        }
        let after = format!("TooLong({})", OVERHEAD + BODY_LIMIT as u64);
        for (head, start, bytes) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], &b""[..], &interim[..]),
            (CHUNKED, b"1;", b"extension"),
            (CHUNKED, b"", b"1;long, long extension\r\nx\r\n"),
            (CHUNKED, b"0\r\n", b"Trailer: x\r\n"),
            (CHUNKED, b"0", b"0000"),
        ] {
            let error = error_of_endless(head, start, bytes, true);
            assert_eq!(broken(error), after);
        }
    }

    #[test]
    fn a_body_that_is_not_of_chunks_is_an_error_once_the_rest_is_read() {
        let mut connection = connection();
        exchange(&mut connection, CHUNKED);
        comes(&mut connection, b"5\r\nhello\r\nx");
        assert_eq!(read(&mut connection).unwrap(), b"5\r\nhello\r\n");
        assert_eq!(broken(read(&mut connection).unwrap_err()), "Chunks");
    }

    #[test]
    fn what_is_left_out_of_chunks_is_not_the_end() {
        let mut connection = connection();
        write(&mut connection, b"request");
        comes(&mut connection, &[CHUNKED, b"5;exten"].concat());
        connection.await_input(timeout()).unwrap();
        connection.buffers().input_consume(CHUNKED.len());
        assert_eq!(connection.buffers().input(), b"");
        comes(&mut connection, b"sion");
        comes(&mut connection, b";more\r\nhello\r\n");
        assert_eq!(read(&mut connection).unwrap(), b"5\r\nhello\r\n");
    }

    #[test]
    fn only_a_body_that_ends_with_the_connection_minds_who_ends_it() {
        for (field, cut, lost) in [
            ("", Received::Cut, true),
            ("", Received::End, false),
            ("Content-Length: 5\r\n", Received::Cut, false),
        ] {
            let mut connection = connection();
            let head = format!("HTTP/1.1 200 OK\r\n{field}\r\n");
            exchange(&mut connection, head.as_bytes());
            connection.wire.end = Some(cut);
            assert_eq!(connection.await_input(timeout()).is_err(), lost);
        }
    }
}
