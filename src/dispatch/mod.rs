//! From the main thread to the web service and back.
//!
//! The [`Dispatcher`] lives on the main thread and knows what is outstanding. It hands each
//! [`Exchange`](exchange::Exchange) to a worker of the [`pool`] when its lane is free; the worker POSTs it by
//! [`http`] and leaves the outcome in [`completions`], whose file descriptor wakes the main thread.

pub mod alarms;
pub mod completions;
pub mod descriptors;
pub mod dispatcher;
pub mod exchange;
pub mod http;
pub mod lanes;
pub mod permits;
pub mod pool;
pub mod queue;
mod tcp;
#[cfg(test)]
mod testing;
pub mod threads;

pub use dispatcher::{Batch, Dispatcher};
pub use http::Service;
