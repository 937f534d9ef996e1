//! Jobs for tests, which wait for the test.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::{Completions, Idle, Job};

/// Longer than anything takes.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// What has nothing to close.
pub(super) struct NoConnections;

impl Idle for NoConnections {
    fn close(&self) {}
}

/// A gate that is shut until the test opens it.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<Passage>,
    changed: Condvar,
}

#[derive(Default)]
struct Passage {
    waiting: usize,
    is_open: bool,
}

impl Gate {
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        while !state.is_open {
            state = self.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
    }

    /// Waits until so many wait in front of it.
    pub(super) fn wait_for(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let (_state, timeout) = self
            .changed
            .wait_timeout_while(state, DEADLINE, |state| state.waiting < count)
            .unwrap();
        assert!(!timeout.timed_out(), "fewer than {count} jobs at a time");
    }

    pub(super) fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }
}

/// A job that waits at the gate.
pub(super) struct Waiting {
    pub(super) id: u32,
    pub(super) gate: Arc<Gate>,
}

impl Job for Waiting {
    type Done = u32;

    fn run(self, _: &Completions<u32>) -> u32 {
        self.gate.pass();
        self.id
    }
}
