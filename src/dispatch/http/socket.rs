//! The TCP connection beneath a request.
//!
//! ureq's own would do but for three things. It writes the head and the body of a request one by one,
//! and asks the kernel for a new time-out each time: here each request is one write. It cannot tell a
//! request that nobody got from one that may have been carried out: here that decides whether it is
//! sent again. And it gives up on an answer that comes before the whole request is written.

use std::error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, ShutdownHandle, Transport,
};
use ureq::{Error, Timeout};

use super::buffers::SocketBuffers;
use super::opening;
use crate::dispatch::permits::{Permit, Share};
use crate::dispatch::tcp;

/// Output is held back until somebody waits for an answer, up to that many bytes.
const HOLD: usize = 16 * 1024;

/// So many bytes are read at a time. They are on the stack, which is as deep by then as it is anyhow.
const CHUNK: usize = 4 * 1024;

/// So many bytes came in of which ureq can make nothing yet: a line that does not end, be it in the head
/// of a response, where ureq has a limit below this, or between chunks, where it has none.
const MAX_UNREAD: usize = 128 * 1024;

/// Happens when the service has closed the connection before anything of the request reached it.
#[derive(Debug)]
pub(super) struct NeverDelivered;

/// Happens when the connection ends and the service may have seen the request.
#[derive(Debug)]
pub(super) struct Lost(io::Error);

impl NeverDelivered {
    /// Whether that is what an error is about.
    pub(super) fn is(error: &io::Error) -> bool {
        error
            .get_ref()
            .is_some_and(|inner| inner.is::<NeverDelivered>())
    }
}

impl fmt::Display for NeverDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by the service")
    }
}

impl error::Error for NeverDelivered {}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Lost {}

/// Opens connections.
#[derive(Debug)]
pub(super) struct SocketConnector {
    /// Of the descriptors that there are.
    pub(super) share: Arc<Share>,
}

impl Connector<()> for SocketConnector {
    type Out = Socket;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Socket>, Error> {
        // To wait for a permit counts for the whole exchange, not as connecting.
        let end = Instant::now() + time_left(details);
        let permit = self.share.take(end)?;
        let stream = opening::connect(details, end.min(Instant::now() + *details.timeout.after))?;
        stream.set_nodelay(true)?;
        let socket = Socket::new(stream, Some(permit));
        let interrupt: Weak<dyn ShutdownHandle> = Arc::downgrade(&socket.stream) as _;
        (details.register_shutdown)(interrupt)?;
        Ok(Some(socket))
    }
}

/// What is left for the exchange.
fn time_left(details: &ConnectionDetails) -> Duration {
    let connecting = *details.timeout.after;
    match details.timeout.reason {
        Timeout::Global => connecting,
        _ => details.config.timeouts().global.unwrap_or(connecting),
    }
}

/// A connection.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// To be open; tests need none.
    permit: Option<Permit>,
    buffers: SocketBuffers,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
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

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.heard {
            self.heard = false;
            self.request_at = self.written;
        }
        if self.buffers.hold(amount) >= HOLD {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let unread = self.buffers.input().len();
        if unread > MAX_UNREAD {
            return Err(Error::LargeResponseHeader(unread, MAX_UNREAD));
        }
        self.flush(timeout)?;
        self.buffers.release();
        let wait = coarse(*timeout.after);
        if self.read_timeout != Some(wait) {
            self.stream.set_read_timeout(Some(wait))?;
            self.read_timeout = Some(wait);
        }
        if self.heard {
            tcp::acknowledge(&self.stream);
        }
        let mut chunk = [0; CHUNK];
        let amount = loop {
            match (&*self.stream).read(&mut chunk) {
                Ok(amount) => break amount,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Error::Timeout(timeout.reason)),
                Err(error) => return Err(lost(error)),
            }
        };
        if amount == 0 && !self.heard {
            return Err(self.closed_unheard());
        }
        self.heard = true;
        self.buffers.append(&chunk[..amount]);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        if self.permit.as_ref().is_some_and(Permit::is_wanted) {
            return false;
        }
        let mut byte = [0];
        let peek = recv(
            self.stream.as_raw_fd(),
            &mut byte,
            MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT,
        );
        // Anything that can be read is the end, or something that nobody asked for.
        self.write_error.is_none() && peek == Err(Errno::EAGAIN)
    }
}

impl Socket {
    fn new(stream: TcpStream, permit: Option<Permit>) -> Self {
        Socket {
            stream: Arc::new(stream),
            permit,
            buffers: SocketBuffers::default(),
            read_timeout: None,
            write_timeout: None,
            written: 0,
            request_at: 0,
            heard: false,
            write_error: None,
        }
    }

    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let deadline = Instant::now() + *timeout.after;
        let mut sent = 0;
        while sent < self.buffers.held().len() && self.write_error.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            let wait = coarse(left);
            if self.write_timeout != Some(wait) {
                self.stream.set_write_timeout(Some(wait))?;
                self.write_timeout = Some(wait);
            }
            match (&*self.stream).write(&self.buffers.held()[sent..]) {
                Ok(amount) => sent += amount,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Error::Timeout(timeout.reason)),
                Err(error) => self.write_error = Some(error),
            }
        }
        self.written += sent as u64;
        self.buffers.clear_held();
        Ok(())
    }

    /// The service closed the connection instead of answering. Was it before it got the request?
    ///
    /// The segment that closes a connection acknowledges all that had arrived until then. So if nothing
    /// of the request is acknowledged now, nothing of it had arrived.
    fn closed_unheard(&mut self) -> Error {
        // The opening of the connection counts as one byte.
        let delivered =
            tcp::bytes_acked(&self.stream).is_none_or(|acked| acked > self.request_at + 1);
        if delivered {
            let error = self.write_error.take();
            lost(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        } else {
            Error::Io(io::Error::other(NeverDelivered))
        }
    }
}

/// A failure that must not be taken for the regular end of a response without a length.
fn lost(error: io::Error) -> Error {
    Error::Io(io::Error::other(Lost(error)))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Rounds a time-out up, so that the time-outs of most requests are the same and need not be set anew.
fn coarse(timeout: Duration) -> Duration {
    let step = if timeout > Duration::from_secs(1) {
        250
    } else {
        10
    };
    let steps = timeout.as_millis() as u64 / step + 1;
    Duration::from_millis(steps * step)
}

/// ureq's TLS, with one set of certificates for all requests of an agent.
///
/// For a request with settings of its own, be it only a time-out, ureq would load the certificates anew.
#[derive(Debug, Default)]
pub(super) struct SharedTls(RustlsConnector);

impl Connector<Socket> for SharedTls {
    type Out = <RustlsConnector as Connector<Socket>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        socket: Option<Socket>,
    ) -> Result<Option<Self::Out>, Error> {
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        self.0.connect(&details, socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

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
        socket.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        socket.transmit_output(bytes.len(), timeout()).unwrap();
    }

    fn read(socket: &mut Socket) -> Result<Vec<u8>, Error> {
        let open = socket.await_input(timeout())?;
        let input = socket.buffers().input().to_vec();
        socket.buffers().input_consume(input.len());
        assert_eq!(open, !input.is_empty());
        Ok(input)
    }

    /// One request with its answer, after which the connection is in use.
    fn exchange(socket: &mut Socket, service: &mut TcpStream) {
        write(socket, b"head");
        write(socket, b"body");
        let answering = thread::scope(|scope| {
            let answer = scope.spawn(|| {
                let mut request = [0; 8];
                service.read_exact(&mut request).unwrap();
                service.write_all(b"answer").unwrap();
                request
            });
            assert_eq!(read(socket).unwrap(), b"answer");
            answer.join().unwrap()
        });
        assert_eq!(&answering, b"headbody");
    }

    fn wait_for_end(socket: &Socket) {
        assert_eq!(socket.stream.peek(&mut [0]).unwrap(), 0);
    }

    fn failure(socket: &mut Socket) -> io::Error {
        match read(socket) {
            Err(Error::Io(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_open_connection_is_open_and_a_closed_one_is_not() {
        let (mut socket, mut service) = pair();
        exchange(&mut socket, &mut service);
        assert!(socket.is_open());
        drop(service);
        wait_for_end(&socket);
        assert!(!socket.is_open());
    }

    #[test]
    fn a_request_that_meets_a_closed_connection_was_never_delivered() {
        let (mut socket, mut service) = pair();
        exchange(&mut socket, &mut service);
        drop(service);
        wait_for_end(&socket);
        write(&mut socket, b"request");
        assert!(NeverDelivered::is(&failure(&mut socket)));
    }

    #[test]
    fn a_request_that_was_read_may_have_been_carried_out() {
        for abort in [false, true] {
            let (mut socket, mut service) = pair();
            exchange(&mut socket, &mut service);
            write(&mut socket, b"request");
            let error = thread::scope(|scope| {
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
                failure(&mut socket)
            });
            assert!(!NeverDelivered::is(&error), "abort: {abort}");
        }
    }

    #[test]
    fn an_answer_counts_though_the_request_was_not_read_to_its_end() {
        let (mut socket, mut service) = pair();
        service.write_all(b"413").unwrap();
        service.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(socket.stream.peek(&mut [0]).unwrap(), 1);
        for _ in 0..10_000 {
            write(&mut socket, &[b'x'; 1024]);
        }
        assert_eq!(read(&mut socket).unwrap(), b"413");
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        let (mut socket, mut service) = pair();
        write(&mut socket, b"request");
        let endless = thread::spawn(move || while service.write_all(&[b'x'; 65536]).is_ok() {});
        let mut unread = 0;
        while socket.await_input(timeout()).is_ok() {
            unread = socket.buffers().input().len();
            assert!(unread <= 2 * MAX_UNREAD);
        }
        assert!(unread > MAX_UNREAD);
        drop(socket);
        endless.join().unwrap();
    }

    #[test]
    fn silence_ends_with_the_time() {
        let (mut socket, _service) = pair();
        write(&mut socket, b"request");
        let short = NextTimeout {
            after: Duration::from_millis(1).into(),
            ..NextTimeout::default()
        };
        assert!(matches!(socket.await_input(short), Err(Error::Timeout(_))));
    }

    #[test]
    fn time_outs_are_rounded_up_and_alike() {
        let of = |millis| coarse(Duration::from_millis(millis));
        assert_eq!(of(29_999), of(29_800));
        for millis in [0, 1, 9, 10, 999, 1000, 1001, 29_999, 30_000] {
            assert!(of(millis) > Duration::from_millis(millis), "{millis}");
        }
    }
}
