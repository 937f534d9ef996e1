//! The beginning of a TLS session.

use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

use super::socket::TlsSocket;
use crate::http::broken::Broken;
use crate::http::timeout::until;
use crate::http::wire::{Received, Wire};

impl TlsSocket {
    /// Agrees on keys and looks at the service's certificate.
    ///
    /// # Errors
    /// If the service does not speak TLS, or is not to be trusted.
    pub(super) fn handshake(
        &mut self,
        deadline: Instant,
        timeout: NextTimeout,
    ) -> Result<(), Error> {
        while self.session.is_handshaking() {
            self.send_records(until(deadline, timeout)?)?;
            let read = self.receive_records(until(deadline, timeout)?, &mut |_| {});
            if self.records.are_of_something_else() {
                return Err(Broken::NotTls.into());
            }
            match read {
                Ok(Received::Bytes) => {}
                Ok(Received::End | Received::Cut) => return Err(Broken::NoHandshake.into()),
                Err(error) => {
                    // The service may log why. It makes no difference whether it gets to know.
                    let _ = self.send_records(timeout);
                    return Err(in_handshake(error));
                }
            }
        }
        self.send_records(until(deadline, timeout)?)?;
        self.begin_request();
        Ok(())
    }
}

/// What went wrong, when it was during the handshake.
fn in_handshake(error: Error) -> Error {
    let Error::Io(error) = error else {
        return error;
    };
    let cause = match Broken::of(&error) {
        Some(Broken::ClientCertificate(_)) => return Error::Io(error),
        Some(Broken::Lost(lost)) => lost.get_ref(),
        _ => None,
    };
    match cause.and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(cause) => Broken::Handshake(cause.clone()).into(),
        None => Broken::NoHandshake.into(),
    }
}
