//! Opening a connection so that another thread can interrupt it.
//!
//! The standard library opens one within a single call, which lasts until the peer answers or the time
//! is over, whatever happens meanwhile. Here the kernel opens it in the background, its socket is known
//! from the beginning to whoever shuts the service down, and this thread waits for either.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect as begin, socket,
};
use ureq::unversioned::transport::{ConnectionDetails, ShutdownHandle};
use ureq::{Error, Timeout};

/// Tries one address after the other until then, each with an equal share of the time that is left.
pub(super) fn connect(
    details: &ConnectionDetails,
    deadline: Instant,
    reason: Timeout,
) -> Result<TcpStream, Error> {
    let count = details.addrs.len() as u32;
    let mut last = Error::HostNotFound;
    for (tried, address) in (0..).zip(details.addrs.iter()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Timeout(reason));
        }
        let opening = Arc::new(Opening::new(address)?);
        let interrupt: Weak<dyn ShutdownHandle> = Arc::downgrade(&opening) as _;
        (details.register_shutdown)(interrupt)?;
        match opening.finish(address, left / (count - tried)) {
            Ok(()) => return Opening::into_stream(opening).map_err(Error::Io),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                last = Error::Timeout(reason);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// A connection that is being opened.
#[derive(Debug)]
struct Opening {
    stream: TcpStream,
    interrupted: AtomicBool,
}

impl ShutdownHandle for Opening {
    fn shutdown(&self) {
        // Tells a thread that has not begun yet; the kernel wakes one that waits already.
        self.interrupted.store(true, SeqCst);
        // Fails only if there is nothing to wake.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Opening {
    fn new(address: &SocketAddr) -> io::Result<Self> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, SockType::Stream, flags, None)?;
        Ok(Opening {
            stream: socket.into(),
            interrupted: AtomicBool::new(false),
        })
    }

    /// Waits until the connection is there.
    fn finish(&self, address: &SocketAddr, timeout: Duration) -> io::Result<()> {
        match begin(self.stream.as_raw_fd(), &SockaddrStorage::from(*address)) {
            Ok(()) => return Ok(()),
            Err(Errno::EINPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let deadline = Instant::now() + timeout;
        while !self.interrupted.load(SeqCst) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let mut set = [PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut set, poll_timeout(left)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return self.stream.take_error()?.map_or(Ok(()), Err),
                Err(error) => return Err(error.into()),
            }
        }
        Err(interrupted())
    }

    /// The stream, if nobody has interrupted it.
    fn into_stream(opening: Arc<Self>) -> io::Result<TcpStream> {
        // Whoever has another reference is about to shut it down.
        let opening = Arc::into_inner(opening).ok_or_else(interrupted)?;
        if opening.interrupted.into_inner() {
            return Err(interrupted());
        }
        opening.stream.set_nonblocking(false)?;
        Ok(opening.stream)
    }
}

fn interrupted() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the component is stopping")
}

/// Rounded up to a millisecond, or the longest that there is.
fn poll_timeout(left: Duration) -> PollTimeout {
    PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address at which the kernel drops whatever asks for a connection, and what makes it do so.
    #[cfg(target_os = "linux")]
    fn unanswering() -> (Vec<Opening>, TcpListener, SocketAddr) {
        let (listener, address) = listening();
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let mut fillers = Vec::new();
        loop {
            let filler = Opening::new(&address).unwrap();
            let full = filler
                .finish(&address, Duration::from_millis(100))
                .is_err_and(|error| error.kind() == io::ErrorKind::TimedOut);
            fillers.push(filler);
            if full {
                return (fillers, listener, address);
            }
        }
    }

    #[test]
    fn a_connection_is_opened_and_blocks() {
        let (listener, address) = listening();
        let opening = Arc::new(Opening::new(&address).unwrap());
        opening.finish(&address, LONG).unwrap();
        let mut stream = Opening::into_stream(opening).unwrap();
        let writer = thread::spawn(move || {
            io::Write::write_all(&mut listener.accept().unwrap().0, b"x").unwrap();
        });
        io::Read::read_exact(&mut stream, &mut [0]).unwrap();
        writer.join().unwrap();
    }

    #[test]
    fn a_closed_port_refuses() {
        let (listener, address) = listening();
        drop(listener);
        let error = Opening::new(&address).unwrap().finish(&address, LONG);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_address_that_does_not_answer_takes_the_time_or_is_interrupted() {
        let (_fillers, _listener, address) = unanswering();
        let opening = Arc::new(Opening::new(&address).unwrap());
        let waiting = thread::spawn({
            let opening = Arc::clone(&opening);
            move || opening.finish(&address, LONG).unwrap_err()
        });
        opening.shutdown();
        assert_ne!(waiting.join().unwrap().kind(), io::ErrorKind::TimedOut);
        assert!(Opening::into_stream(opening).is_err());
    }

    #[test]
    fn one_that_was_interrupted_in_time_is_not_used() {
        let (_listener, address) = listening();
        let opening = Arc::new(Opening::new(&address).unwrap());
        opening.shutdown();
        let _ = opening.finish(&address, LONG);
        assert!(Opening::into_stream(opening).is_err());
    }
}
