//! What is outstanding, and who waits for whom: all of it on the main thread.
//!
//! The [`Dispatcher`] hands each [`Attempt`](crate::component_http::Attempt) to a worker of the
//! [`engine`](crate::engine) when its lane is free, and concludes its exchange when that is done.

mod dispatcher;
mod lanes;
#[cfg(test)]
mod testing;
mod timers;

pub use dispatcher::{Batch, Dispatcher};
pub use timers::Timers;
