//! What ureq reads from a connection and writes to it.
//!
//! ureq's own buffers are kept as long as the connection. These are given back while the service takes
//! its time: a thousand exchanges that wait would hold as many pairs of them.

use ureq::unversioned::transport::Buffers;

/// Room that ureq gets to write in, in bytes. The longest header of a request has to fit.
const ROOM: usize = 8 * 1024;

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
        self.input.extend_from_slice(bytes);
        self.filled = self.input.len();
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
        self.consumed += amount;
        if self.consumed == self.filled {
            (self.filled, self.consumed) = (0, 0);
        }
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        (
            room(&mut self.input, self.filled),
            room(&mut self.output, self.held),
        )
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
        buffers.tmp_and_output().0.fill(b'?');
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
            buffers.output();
            buffers.hold(ROOM);
            let (input, output) = buffers.tmp_and_output();
            assert!(input.len() >= ROOM && output.len() >= ROOM);
        }
        assert_eq!(buffers.input().len(), 3 * ROOM);
    }
}
