//! What the errors of ureq and of a connection mean for an exchange.

use std::io;

use ureq::{Error, Timeout};

use super::broken::Broken;
use crate::component_http::Failure;

/// Sorts ureq's errors into ours.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => Failure::NoConnection(
            "it took longer than component_post_connect_timeout allows".to_owned(),
        ),
        Error::Timeout(_) => Failure::TimedOut,
        Error::Protocol(error) => Failure::NotHttp(error.to_string()),
        error @ (Error::LargeResponseHeader(..) | Error::BodyStalled) => {
            Failure::NotHttp(error.to_string())
        }
        Error::Io(error) => match Broken::of(&error) {
            Some(broken) => broken_failure(broken),
            None => io_failure(&error),
        },
        other => Failure::NoConnection(other.to_string()),
    }
}

fn broken_failure(broken: &Broken) -> Failure {
    let reason = broken.to_string();
    match broken {
        Broken::Lost(_) | Broken::Unasked => Failure::ConnectionLost(reason),
        Broken::TooLong(_) | Broken::Chunks => Failure::NotHttp(reason),
        Broken::NeverDelivered
        | Broken::NotTls
        | Broken::NoHandshake
        | Broken::Handshake(_)
        | Broken::NoRoots(_) => Failure::NoConnection(reason),
    }
}

fn io_failure(error: &io::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof};
    match error.kind() {
        TimedOut => Failure::TimedOut,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => {
            Failure::ConnectionLost(error.to_string())
        }
        _ => Failure::NoConnection(error.to_string()),
    }
}
