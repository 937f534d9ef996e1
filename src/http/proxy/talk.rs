//! What is said to a proxy before the connection is the service's.

use std::fmt;
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

use super::super::broken::Broken;
use super::super::timeout::until;
use super::super::wire::{Received, Wire};

/// Why a proxy does not lead to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum TunnelError {
    /// Happens when the proxy closes the connection before it has answered.
    Closed,
    /// Happens when what it says is not of the protocol, by that protocol's name.
    Garbled(&'static str),
    /// Happens when it says more than was asked. Whatever that is, it is not the service's.
    Surplus,
    /// Happens when it does not take user and password, or misses them.
    Credentials,
    /// Happens when a SOCKS proxy takes neither a user with a password nor nobody.
    Authentication,
    /// Happens when an HTTP proxy answers with that status.
    Status(u16),
    /// Happens when a SOCKS proxy answers with that reply (RFC 1928 §6).
    Reply(u8),
    /// Happens when SOCKS has no room for the service's name, which is 255 bytes.
    LongName,
}

impl From<TunnelError> for Error {
    fn from(error: TunnelError) -> Self {
        Broken::Tunnel(error).into()
    }
}

/// A conversation with a proxy.
pub(super) struct Talk<'a, W> {
    wire: &'a mut W,
    deadline: Instant,
    timeout: NextTimeout,
    /// What came, and was not taken.
    input: Vec<u8>,
}

impl<'a, W: Wire> Talk<'a, W> {
    pub(super) fn new(wire: &'a mut W, deadline: Instant, timeout: NextTimeout) -> Self {
        Talk {
            wire,
            deadline,
            timeout,
            input: Vec::new(),
        }
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.wire.send(bytes, until(self.deadline, self.timeout)?)
    }

    /// What came, once there is more of it than that.
    pub(super) fn hear_beyond(&mut self, length: usize) -> Result<&[u8], Error> {
        while self.input.len() <= length {
            let timeout = until(self.deadline, self.timeout)?;
            let input = &mut self.input;
            match self
                .wire
                .receive(timeout, &mut |bytes| input.extend_from_slice(bytes))
            {
                Ok(Received::Bytes) => {}
                Ok(Received::End | Received::Cut) | Err(Error::Io(_)) => {
                    return Err(TunnelError::Closed.into());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(&self.input)
    }

    /// Takes the next bytes, as many as that.
    pub(super) fn hear<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Error> {
        if LENGTH > 0 {
            self.hear_beyond(LENGTH - 1)?;
        }
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(&self.input[..LENGTH]);
        self.skip(LENGTH)?;
        Ok(bytes)
    }

    /// Leaves out the next bytes.
    pub(super) fn skip(&mut self, length: usize) -> Result<(), Error> {
        if length > 0 {
            self.hear_beyond(length - 1)?;
        }
        self.input.drain(..length);
        Ok(())
    }

    /// The rest of the connection is the service's, who has not been asked for anything.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.input.is_empty() {
            Ok(())
        } else {
            Err(TunnelError::Surplus.into())
        }
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelError::Closed => f.write_str("the proxy closed the connection"),
            TunnelError::Garbled(protocol) => write!(f, "the proxy does not speak {protocol}"),
            TunnelError::Surplus => f.write_str("the proxy sent more than its answer"),
            TunnelError::Credentials => {
                f.write_str("the proxy does not take its user and password")
            }
            TunnelError::Authentication => f.write_str("the proxy asks for another authentication"),
            TunnelError::Status(status) => write!(
                f,
                "the proxy does not lead to the service: HTTP status {status}"
            ),
            TunnelError::Reply(reply) => {
                f.write_str("the proxy does not lead to the service: ")?;
                match reason(*reply) {
                    Some(reason) => f.write_str(reason),
                    None => write!(f, "SOCKS reply {reply}"),
                }
            }
            TunnelError::LongName => {
                f.write_str("the proxy cannot be told a name of more than 255 bytes by SOCKS 5")
            }
        }
    }
}

/// RFC 1928 §6.
fn reason(reply: u8) -> Option<&'static str> {
    Some(match reply {
        1 => "general failure",
        2 => "its rules do not allow it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return None,
    })
}
