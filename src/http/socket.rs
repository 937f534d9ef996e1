//! The TCP connection beneath a request.
//!
//! ureq's own would do but for three things. It writes the head and the body of a request one by one,
//! and asks the kernel for a new time-out each time: here each request is one write. It cannot tell a
//! request that nobody got from one that may have been carried out: here that decides whether it is
//! sent again. And it gives up on an answer that comes before the whole request is written.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use ureq::Error;
use ureq::unversioned::transport::{NextTimeout, ShutdownHandle};

use super::broken::Broken;
use super::socket_timeouts::SocketTimeouts;
use super::tcp;
use super::timeout::until;
use super::wire::{Received, Wire};
use crate::engine::Permit;

/// So many bytes are read at a time. They are on the stack, which is as deep by then as it is anyhow.
const CHUNK: usize = 4 * 1024;

/// A connection.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// To be open; tests need none.
    permit: Option<Permit>,
    timeouts: SocketTimeouts,
    /// Bytes written so far.
    written: u64,
    /// Bytes written before this request.
    request_at: u64,
    /// Whether anything has come back since the request was begun.
    heard: bool,
    /// Why nothing more can be written. An answer may have come all the same.
    write_error: Option<io::Error>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Wire for Socket {
    const IS_SECRET: bool = false;

    fn begin_request(&mut self) {
        self.heard = false;
        self.request_at = self.written;
    }

    fn send(&mut self, mut bytes: &[u8], timeout: NextTimeout) -> Result<(), Error> {
        let deadline = Instant::now() + *timeout.after;
        while !bytes.is_empty() && self.write_error.is_none() {
            let left = *until(deadline, timeout)?.after;
            self.timeouts.for_write(&self.stream, left)?;
            match (&*self.stream).write(bytes) {
                Ok(amount) => {
                    self.written += amount as u64;
                    bytes = &bytes[amount..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Error::Timeout(timeout.reason)),
                Err(error) => self.write_error = Some(error),
            }
        }
        Ok(())
    }

    fn receive(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error> {
        self.timeouts.for_read(&self.stream, *timeout.after)?;
        if self.heard {
            tcp::acknowledge(&self.stream);
        }
        let mut chunk = [0; CHUNK];
        loop {
            match (&*self.stream).read(&mut chunk) {
                Ok(0) => return Ok(Received::End),
                Ok(amount) => {
                    self.heard = true;
                    take(&chunk[..amount]);
                    return Ok(Received::Bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Error::Timeout(timeout.reason)),
                Err(error) => return Err(Broken::Lost(error).into()),
            }
        }
    }

    fn may_be_kept(&self) -> bool {
        !self.permit.as_ref().is_some_and(Permit::is_wanted)
    }

    fn is_quiet(&mut self) -> bool {
        // Anything that can be read is the end, or something that nobody asked for.
        self.read_at_once(&mut [0]) == Err(Errno::EAGAIN)
    }

    /// Every segment acknowledges all that had arrived when it was sent, and what came in one is not seen
    /// before that.
    fn has_arrived(&self) -> bool {
        // The opening of the connection counts as one byte.
        tcp::bytes_acked(&self.stream).is_none_or(|acked| acked > self.request_at + 1)
    }

    /// The service closed the connection instead of answering. Was it before it got the request? Then
    /// nothing of it is acknowledged now.
    fn closed_unheard(&mut self) -> Error {
        if self.has_arrived() {
            let error = self.write_error.take();
            Broken::Lost(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())).into()
        } else {
            Broken::NeverDelivered.into()
        }
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, permit: Option<Permit>) -> Self {
        Socket {
            stream: Arc::new(stream),
            permit,
            timeouts: SocketTimeouts::default(),
            written: 0,
            request_at: 0,
            heard: false,
            write_error: None,
        }
    }

    /// What closes it, whoever uses it meanwhile.
    pub(super) fn interrupt(&self) -> Weak<dyn ShutdownHandle> {
        Arc::downgrade(&self.stream) as _
    }

    /// Waits until something has come in.
    #[cfg(test)]
    pub(super) fn wait_for_input(&self) {
        self.stream.peek(&mut [0]).unwrap();
    }

    /// Reads what has come in, and does not wait for it.
    ///
    /// # Errors
    /// `EAGAIN` if nothing has and the connection is in order.
    pub(super) fn read_at_once(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        if self.write_error.is_some() {
            return Err(Errno::EPIPE);
        }
        recv(self.stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::super::error::TransportError;
    use super::*;
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    /// A connection, and the service's end of it.
    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(stream, None), listener.accept().unwrap().0)
    }

    fn timeout() -> NextTimeout {
        NextTimeout {
            after: Duration::from_secs(20).into(),
            ..NextTimeout::default()
        }
    }

    fn write(socket: &mut Socket, bytes: &[u8]) {
        socket.send(bytes, timeout()).unwrap();
    }

    /// What comes next, or nothing at the end.
    fn read(socket: &mut Socket, timeout: NextTimeout) -> Result<Vec<u8>, Error> {
        let mut input = Vec::new();
        let received = socket.receive(timeout, &mut |bytes| input.extend_from_slice(bytes))?;
        assert_eq!(received == Received::End, input.is_empty());
        Ok(input)
    }

    /// One request with its answer, after which the connection is in use.
    fn exchange(socket: &mut Socket, service: &mut TcpStream) {
        assert!(!socket.has_arrived());
        write(socket, b"request");
        service.read_exact(&mut [0; 7]).unwrap();
        service.write_all(b"answer").unwrap();
        assert_eq!(read(socket, timeout()).unwrap(), b"answer");
        assert!(socket.has_arrived());
        socket.begin_request();
    }

    /// How it ends, if there is no answer.
    fn is_undelivered(socket: &mut Socket) -> bool {
        let error = match read(socket, timeout()) {
            Ok(answer) => {
                assert!(answer.is_empty());
                socket.closed_unheard()
            }
            Err(error) => error,
        };
        matches!(error.into(), TransportError::Undelivered(_))
    }

    #[test]
    fn an_open_connection_is_open_and_a_closed_one_is_not() {
        let (mut socket, mut service) = pair();
        exchange(&mut socket, &mut service);
        assert!(socket.is_quiet());
        drop(service);
        socket.wait_for_input();
        assert!(!socket.is_quiet());
    }

    #[test]
    fn a_request_that_meets_a_closed_connection_was_never_delivered() {
        let (mut socket, mut service) = pair();
        exchange(&mut socket, &mut service);
        drop(service);
        socket.wait_for_input();
        write(&mut socket, b"request");
        assert!(is_undelivered(&mut socket));
    }

    #[test]
    fn a_request_that_was_read_may_have_been_carried_out() {
        for abort in [false, true] {
            let (mut socket, mut service) = pair();
            exchange(&mut socket, &mut service);
            write(&mut socket, b"request");
            let undelivered = thread::scope(|scope| {
                scope.spawn(move || {
                    service.read_exact(&mut [0; 7]).unwrap();
                    if abort {
                        let linger = libc::linger {
                            l_onoff: 1,
                            l_linger: 0,
                        };
                        nix::sys::socket::setsockopt(
                            &service,
                            nix::sys::socket::sockopt::Linger,
                            &linger,
                        )
                        .unwrap();
                    }
                });
                is_undelivered(&mut socket)
            });
            assert!(!undelivered, "abort: {abort}");
        }
    }

    #[test]
    fn an_answer_counts_though_the_request_was_not_read_to_its_end() {
        let (mut socket, mut service) = pair();
        service.write_all(b"413").unwrap();
        service.shutdown(std::net::Shutdown::Both).unwrap();
        socket.wait_for_input();
        for _ in 0..10_000 {
            write(&mut socket, &[b'x'; 1024]);
        }
        assert_eq!(read(&mut socket, timeout()).unwrap(), b"413");
    }

    #[test]
    fn silence_ends_with_the_time() {
        let (mut socket, _service) = pair();
        write(&mut socket, b"request");
        let short = NextTimeout {
            after: Duration::from_millis(1).into(),
            ..NextTimeout::default()
        };
        assert!(matches!(read(&mut socket, short), Err(Error::Timeout(_))));
    }
}
