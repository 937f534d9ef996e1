//! The way to a service and back, plain or over TLS.

use std::fmt::Debug;

use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

/// What came when something was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Bytes.
    Bytes,
    /// The end, as the service meant it.
    End,
    /// The end, and nobody knows who made it: that of a TCP connection without that of the TLS in it.
    Cut,
}

/// A way to the service and back.
pub(super) trait Wire: Debug + Send + Sync + 'static {
    /// Whether nobody can listen.
    const IS_SECRET: bool;

    /// What is sent from now on belongs to another request.
    fn begin_request(&mut self);

    /// Sends all of it, unless the service reads no more, which [`Wire::receive`] tells. An answer may
    /// have come before that.
    fn send(&mut self, bytes: &[u8], timeout: NextTimeout) -> Result<(), Error>;

    /// Waits, and hands over what came.
    fn receive(
        &mut self,
        timeout: NextTimeout,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<Received, Error>;

    /// Whether the connection is open and there is nothing to receive. Does not wait. What it finds is
    /// lost.
    fn is_quiet(&mut self) -> bool;

    /// Whether nobody else waits for its descriptor.
    fn may_be_kept(&self) -> bool;

    /// Whether anything of the request has arrived, or nobody knows.
    fn has_arrived(&self) -> bool;

    /// The error for a connection that ends before anything of an answer.
    fn closed_unheard(&mut self) -> Error;
}
