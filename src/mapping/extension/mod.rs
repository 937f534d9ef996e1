//! Extensions of XMPP as values in JSON, both ways.
//!
//! A [`Shape`] says what a value looks like, and a [`Spot`] where in a stanza it stands. From these two a
//! stanza is [`read()`], and one is [written](Writer); they are the JSON Schema and the manual as well.

pub mod error;
pub mod fallback;
pub mod for_others;
pub mod form;
pub mod invitation;
pub mod members;
mod read;
mod shape;
mod write;

pub use read::read;
pub use shape::{Member, Own, Part, Shape, Spot, Tag, Text};
pub use write::{Writer, WrongShape};
