//! What ureq reads from a connection and writes to it.
//!
//! ureq's own buffers are kept as long as the connection. These are given back while the service takes
//! its time: a thousand exchanges that wait would hold as many pairs of them. They also see the head of a
//! response when ureq has read it, and from then on know how the body ends.

use std::time::Duration;

use ureq::unversioned::transport::Buffers;

use super::chunks::Chunks;
use super::endpoint::{MAX_CREDENTIALS, MAX_URL};
use super::head::{Framing, Head};

/// Room that ureq gets to write in, in bytes. It writes a line of the request's head only as a whole; the
/// longest are the URL's and that of the credentials, which are a third longer in base64.
const ROOM: usize = 16 * 1024;
const _: () = assert!(ROOM > MAX_URL + 1024 && ROOM > MAX_CREDENTIALS / 3 * 4 + 1024);

/// The buffers of one connection.
#[derive(Debug, Default)]
pub(super) struct SocketBuffers {
    /// What came in, and room beyond `filled`.
    input: Vec<u8>,
    filled: usize,
    consumed: usize,
    /// Whether ureq could use anything of it when it last looked.
    progress: bool,
    /// What is to be sent, and room beyond `held`.
    output: Vec<u8>,
    held: usize,
    response: Response,
    keep_alive: Option<Duration>,
}

/// How far ureq has read a response.
#[derive(Debug, Default)]
enum Response {
    /// Not to the end of its head.
    #[default]
    Head,
    /// To somewhere in a body without chunks, which ends with the connection or not.
    Body { until_close: bool },
    /// To somewhere in a body of chunks.
    Chunks(Chunks),
}

impl SocketBuffers {
    /// Adds the next `amount` bytes that ureq has written to what is to be sent, and returns how many
    /// that are now.
    pub(super) fn hold(&mut self, amount: usize) -> usize {
        self.held += amount;
        self.held
    }

    /// What is to be sent.
    pub(super) fn held(&self) -> &[u8] {
        &self.output[..self.held]
    }

    /// Forgets what is to be sent.
    pub(super) fn clear_held(&mut self) {
        self.held = 0;
    }

    /// Adds bytes that came in.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.input.truncate(self.filled);
        self.input.drain(..self.consumed);
        self.consumed = 0;
        match &mut self.response {
            Response::Chunks(chunks) => chunks.simplify(bytes, &mut self.input),
            Response::Head | Response::Body { .. } => self.input.extend_from_slice(bytes),
        }
        self.filled = self.input.len();
    }

    /// Another response comes next.
    pub(super) fn begin_response(&mut self) {
        self.response = Response::Head;
    }

    /// Whether the head of the response has not been read to its end.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.response, Response::Head)
    }

    /// Whether the body goes on until the connection ends.
    pub(super) fn is_until_close(&self) -> bool {
        matches!(self.response, Response::Body { until_close: true })
    }

    /// Whether the body should consist of chunks and does not.
    pub(super) fn has_broken_chunks(&self) -> bool {
        matches!(&self.response, Response::Chunks(chunks) if chunks.is_broken())
    }

    /// How long the service keeps the connection when it is not in use, if the last head that said so is
    /// right.
    pub(super) fn keep_alive(&self) -> Option<Duration> {
        self.keep_alive
    }

    /// Gives back the memory of what is empty.
    pub(super) fn release(&mut self) {
        if self.held == 0 {
            self.output = Vec::new();
        }
        if self.input().is_empty() {
            self.input = Vec::new();
            (self.filled, self.consumed) = (0, 0);
        }
    }
}

impl SocketBuffers {
    /// ureq has read a whole head, as it never reads less.
    fn end_head(&mut self, length: usize) {
        let head = Head::read(&self.input()[..length]);
        self.consumed += length;
        self.keep_alive = head.keep_alive.or(self.keep_alive);
        match head.framing {
            None => {}
            Some(Framing::Chunked) => {
                let begun = self.input().to_vec();
                self.filled = self.consumed;
                self.response = Response::Chunks(Chunks::default());
                self.append(&begun);
            }
            Some(framing) => {
                let until_close = framing == Framing::UntilClose;
                self.response = Response::Body { until_close };
            }
        }
    }
}

/// At least [`ROOM`] bytes beyond what is in use.
fn room(buffer: &mut Vec<u8>, used: usize) -> &mut [u8] {
    if buffer.len() < used + ROOM {
        buffer.resize(used + ROOM, 0);
    }
    &mut buffer[used..]
}

impl Buffers for SocketBuffers {
    fn output(&mut self) -> &mut [u8] {
        room(&mut self.output, self.held)
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        room(&mut self.input, self.filled)
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        if self.progress && self.is_in_head() {
            self.end_head(amount);
        } else {
            self.consumed += amount;
        }
        if self.consumed == self.filled {
            (self.filled, self.consumed) = (0, 0);
        }
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        // Only requests in chunks need the former, and there are none.
        (&mut [], room(&mut self.output, self.held))
    }

    fn can_use_input(&self) -> bool {
        self.progress && !self.input().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(buffers: &mut SocketBuffers, bytes: &[u8]) -> usize {
        buffers.output()[..bytes.len()].copy_from_slice(bytes);
        buffers.hold(bytes.len())
    }

    #[test]
    fn what_is_written_in_parts_is_held_in_order() {
        let mut buffers = SocketBuffers::default();
        assert_eq!(write(&mut buffers, b"head"), 4);
        buffers.tmp_and_output().1[..4].copy_from_slice(b"body");
        assert_eq!(buffers.hold(4), 8);
        buffers.release();
        assert_eq!(buffers.held(), b"headbody");
        buffers.clear_held();
        assert_eq!(write(&mut buffers, b"next"), 4);
        assert_eq!(buffers.held(), b"next");
    }

    #[test]
    fn what_is_not_consumed_stays_and_grows() {
        let mut buffers = SocketBuffers::default();
        buffers.append(b"half a ");
        buffers.input_consume(5);
        assert!(buffers.can_use_input());
        buffers.input_consume(0);
        assert!(!buffers.can_use_input());
        buffers.release();
        buffers.append(b"line");
        buffers.input_append_buf()[..1].copy_from_slice(b"\n");
        buffers.input_appended(1);
        assert_eq!(buffers.input(), b"a line\n");
    }

    #[test]
    fn nothing_is_kept_of_what_is_done() {
        let mut buffers = SocketBuffers::default();
        write(&mut buffers, b"request");
        buffers.append(b"response");
        buffers.clear_held();
        buffers.input_consume(8);
        buffers.release();
        assert_eq!(
            (buffers.input.capacity(), buffers.output.capacity()),
            (0, 0)
        );
        assert!(buffers.input().is_empty() && buffers.held().is_empty());
    }

    #[test]
    fn there_is_always_room() {
        let mut buffers = SocketBuffers::default();
        for _ in 0..3 {
            buffers.append(&[b'x'; ROOM]);
            assert!(buffers.input_append_buf().len() >= ROOM);
            assert!(buffers.output().len() >= ROOM);
            buffers.hold(ROOM);
            assert!(buffers.tmp_and_output().1.len() >= ROOM);
        }
        assert_eq!(buffers.input().len(), 3 * ROOM);
    }

    #[test]
    fn what_was_read_takes_no_room_while_more_comes() {
        let mut buffers = SocketBuffers::default();
        buffers.append(b"HTTP/1.1 200 OK\r\n\r\n");
        buffers.input_consume(19);
        for _ in 0..1000 {
            buffers.append(&[b'x'; 1000]);
            let unread = buffers.input().len();
            buffers.input_consume(unread - 1);
        }
        assert!(buffers.input.capacity() < 10_000);
    }

    #[test]
    fn interim_heads_are_not_the_response() {
        let mut buffers = SocketBuffers::default();
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        buffers.append(&[&interim[..], head, b"5;x\r\nhel"].concat());
        buffers.input_consume(interim.len());
        assert!(buffers.is_in_head());
        buffers.input_consume(head.len());
        assert_eq!(buffers.input(), b"5\r\nhel");
        buffers.append(b"lo\r\n");
        assert_eq!(buffers.input(), b"5\r\nhello\r\n");
        buffers.begin_response();
        assert!(buffers.is_in_head());
    }
}
