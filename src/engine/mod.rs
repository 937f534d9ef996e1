//! Threads beside Prosody's own, and the way there and back: what is done on them does not matter here.
//!
//! A [`Job`] goes to one of the [`Workers`], which are a [`Pool`] once there is work, through the `queue`. What comes
//! of it comes back through [`Completions`], whose file descriptor wakes Prosody's event loop. A [`Lead`] keeps a
//! job from making more than that loop takes. A [`Share`] says how many connections the jobs for a service may have
//! open.

mod budget;
mod completions;
mod event;
mod lead;
mod ledger;
mod permits;
mod pool;
mod queue;
mod scaler;
mod sync;
#[cfg(test)]
mod testing;
pub mod threads;
mod workers;

pub use self::budget::Budget;
pub use self::event::Event;
pub use self::lead::{Lead, Weight};
pub use self::permits::{Idle, Permit, Share};
pub use self::pool::Pool;
pub use self::workers::Workers;

/// What comes of jobs, on its way to Prosody's thread.
pub type Completions<T> = completions::Completions<T, Event>;

/// Something that takes its time.
pub trait Job: Send + 'static {
    /// What comes of it.
    type Done: Send + 'static;

    /// Does it, on a worker, and returns what comes of it last; what comes of it before goes straight to
    /// `done`. Must not panic: the worker would be lost.
    fn run(self, done: &Completions<Self::Done>) -> Self::Done;
}
