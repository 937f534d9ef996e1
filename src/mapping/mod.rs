//! JSON and stanzas, both ways, as they are POSTed and answered. Pure: no thread, clock, HTTP or options.
//!
//! What a property stands for is said once, in [`fields`], in the words of [`extension`]. A [`request`] tells of a stanza, an [`answer`] is
//! read `object` by `object`, each of which becomes a stanza in `reply`; and none leaves that does not pass
//! `check`. An answer that comes bit by bit is read [`item`] by item. What is wrong with one is an [`Unusable`].

pub mod answer;
mod check;
#[cfg(test)]
mod described;
pub mod extension;
#[cfg(test)]
mod extensions_of_answers;
#[cfg(test)]
mod extensions_of_requests;
pub mod fields;
pub mod item;
pub mod media_type;
mod object;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
pub mod push;
mod reply;
pub mod request;
#[cfg(test)]
mod round_trip;
mod unusable;
#[cfg(test)]
mod unusable_answers;

pub use check::{Rules, Scope, answers};
pub use reply::Speaker;
pub use unusable::{MAX_ELEMENTS_AND_ATTRIBUTES, Unusable};
