//! Starting threads inside a process that is not ours.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

/// The stack of a worker, in bytes: TLS and a tree of 100 levels fit in with room to spare.
const STACK_SIZE: usize = 512 * 1024;

/// Starts a detached thread that no signal is ever delivered to.
///
/// Prosody's signal handlers touch its Lua state, so they must run on its own thread. A new thread
/// inherits the mask of its creator, hence the mask around the start.
///
/// # Errors
/// If the system has no thread to give.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut before = SigSet::empty();
    pthread_sigmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut before),
    )?;
    let started = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_SIZE)
        .spawn(body);
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    started.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn signals_are_blocked_in_the_thread_and_only_there() {
        let (tell, told) = mpsc::channel();
        spawn("test", move || {
            tell.send(SigSet::thread_get_mask().unwrap()).unwrap()
        })
        .unwrap();
        let inside = told.recv().unwrap();
        let outside = SigSet::thread_get_mask().unwrap();
        for signal in [nix::sys::signal::SIGTERM, nix::sys::signal::SIGHUP] {
            assert!(inside.contains(signal));
            assert!(!outside.contains(signal));
        }
    }
}
