//! What stands in for `src/engine/sync.rs`.

use std::time::Duration;

pub use std::sync::PoisonError;

pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Like that of crossbeam.
pub struct Parker(Unparker);

/// Like that of crossbeam.
#[derive(Clone)]
pub struct Unparker(Arc<Flag>);

impl Default for Parker {
    fn default() -> Self {
        Parker(Unparker(Arc::new(Flag::default())))
    }
}

impl Parker {
    /// Waits for a wake-up, unless one has come already.
    pub fn park(&self) {
        self.0.0.wait();
        self.0.0.lower();
    }

    /// Nothing here takes so long.
    pub fn park_timeout(&self, _: Duration) {
        self.park();
    }

    pub fn unparker(&self) -> &Unparker {
        &self.0
    }
}

impl Unparker {
    pub fn unpark(&self) {
        self.0.raise();
    }
}

/// Raised or not, and somebody waits for it.
pub struct Flag {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Default for Flag {
    fn default() -> Self {
        Flag {
            raised: Mutex::new(false),
            changed: Condvar::new(),
        }
    }
}

impl Flag {
    pub fn raise(&self) {
        *self.raised.lock().unwrap() = true;
        self.changed.notify_all();
    }

    pub fn lower(&self) {
        *self.raised.lock().unwrap() = false;
    }

    /// Waits until it is raised.
    pub fn wait(&self) {
        let mut raised = self.raised.lock().unwrap();
        while !*raised {
            raised = self.changed.wait(raised).unwrap();
        }
    }
}
