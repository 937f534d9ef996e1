//! The TCP connection beneath a request.
//!
//! ureq's own would do but for three things. It writes the head and the body of a request one by one,
//! and asks the kernel for a new time-out each time: here each request is one write. It cannot tell a
//! request that nobody got from one that may have been carried out: here that decides whether it is
//! sent again. And it gives up on an answer that comes before the whole request is written.

use std::error;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector,
    ShutdownHandle, Transport,
};

use crate::dispatch::tcp_info;

/// Output is held back until somebody waits for an answer, up to that many bytes.
const HOLD: usize = 16 * 1024;

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
pub(super) struct SocketConnector;

impl Connector<()> for SocketConnector {
    type Out = Socket;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Socket>, Error> {
        let stream = connect(details)?;
        stream.set_nodelay(true)?;
        let config = details.config;
        let stream = Arc::new(stream);
        let handle = Arc::new(Interrupt(Arc::clone(&stream)));
        let weak: Weak<dyn ShutdownHandle> = Arc::downgrade(&handle) as _;
        (details.register_shutdown)(weak)?;
        Ok(Some(Socket {
            stream,
            _interrupt: handle,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            held: Vec::new(),
            read_timeout: None,
            write_timeout: None,
            written: 0,
            request_at: 0,
            heard: false,
            write_error: None,
        }))
    }
}

/// Tries one address after the other, each with an equal share of the time that is left.
fn connect(details: &ConnectionDetails) -> Result<TcpStream, Error> {
    let deadline = Instant::now() + *details.timeout.after;
    let count = details.addrs.len() as u32;
    let mut last = Error::HostNotFound;
    for (tried, address) in (0..).zip(details.addrs.iter()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Timeout(details.timeout.reason));
        }
        match TcpStream::connect_timeout(address, left / (count - tried)) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                last = Error::Timeout(details.timeout.reason);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Ends what another thread is waiting for.
struct Interrupt(Arc<TcpStream>);

impl ShutdownHandle for Interrupt {
    fn shutdown(&self) {
        // Fails only if the connection is gone already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection.
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    /// Lives as long as the connection: the pool has only a weak reference to it.
    _interrupt: Arc<Interrupt>,
    buffers: LazyBuffers,
    held: Vec<u8>,
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
        self.held
            .extend_from_slice(&self.buffers.output()[..amount]);
        if self.held.len() >= HOLD {
            self.flush(timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.flush(timeout)?;
        let wait = coarse(*timeout.after);
        if self.read_timeout != Some(wait) {
            self.stream.set_read_timeout(Some(wait))?;
            self.read_timeout = Some(wait);
        }
        let amount = loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
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
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
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
    fn flush(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let deadline = Instant::now() + *timeout.after;
        let mut sent = 0;
        while sent < self.held.len() && self.write_error.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            let wait = coarse(left);
            if self.write_timeout != Some(wait) {
                self.stream.set_write_timeout(Some(wait))?;
                self.write_timeout = Some(wait);
            }
            match (&*self.stream).write(&self.held[sent..]) {
                Ok(amount) => sent += amount,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(Error::Timeout(timeout.reason)),
                Err(error) => self.write_error = Some(error),
            }
        }
        self.written += sent as u64;
        self.held.clear();
        self.held.shrink_to(HOLD / 8);
        Ok(())
    }

    /// The service closed the connection instead of answering. Was it before it got the request?
    ///
    /// The segment that closes a connection acknowledges all that had arrived until then. So if nothing
    /// of the request is acknowledged now, nothing of it had arrived.
    fn closed_unheard(&mut self) -> Error {
        // The opening of the connection counts as one byte.
        let delivered =
            tcp_info::bytes_acked(&self.stream).is_none_or(|acked| acked > self.request_at + 1);
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
