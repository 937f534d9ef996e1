//! What is outstanding, and who waits for whom: all of it on the main thread.
//!
//! The [`Dispatcher`] hands each [`Attempt`](crate::component_http::Attempt) to a worker of the
//! [`engine`](crate::engine) when its lane is free, and concludes its exchange when that is done.

pub mod alarms;
pub mod dispatcher;
pub mod lanes;
#[cfg(test)]
mod testing;

pub use dispatcher::{Batch, Dispatcher};
