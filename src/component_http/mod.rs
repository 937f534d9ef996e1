//! A component written as a web service: which stanzas are POSTed, as what, and what the answer means.
//!
//! A stanza that is taken becomes a [`request`]; what comes back is judged by [`response`], read by
//! `object`, turned into stanzas by `reply`. All of that is pure: no Lua, no thread, no clock, no HTTP.
//! Only the [`attempt`], which a worker makes, puts it together and has it POSTed; the [`driver`] has
//! attempts made, as [`delivery`](crate::delivery) decides.

mod attempt;
mod client;
mod driver;
pub(crate) mod local;
mod object;
mod observer;
mod outage;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod reflections;
mod reply;
pub mod request;
pub mod response;
pub(crate) mod settings;
#[cfg(test)]
mod testing;
mod timers;
#[cfg(test)]
mod unusable_answers;

pub(crate) use client::client;
pub(crate) use driver::{Batch, Driver};
use observer::Observer;
use outage::Outage;
use reflections::Reflections;
pub use response::Unusable;
pub use settings::{Scope, Settings};
pub(crate) use timers::Timers;

#[cfg(test)]
pub(crate) mod tests {
    use crate::stanza::{Envelope, Kind, Stanza, Texts};

    /// A chat message to the component.
    pub(crate) fn message() -> Stanza {
        Stanza {
            envelope: Envelope {
                kind: Kind::Message,
                to: "bot.example".into(),
                from: "romeo@example/orchard".into(),
                type_: Some("chat".into()),
                id: Some("m1".into()),
                says_nothing: false,
            },
            lang: None,
            texts: Texts {
                body: Some("hi".into()),
                ..Texts::default()
            },
            xml: "<message><body>hi</body></message>".into(),
        }
    }

    /// An iq request to the component.
    pub(crate) fn iq() -> Stanza {
        let mut iq = message();
        iq.envelope.kind = Kind::Iq;
        iq.envelope.type_ = Some("get".into());
        iq.envelope.id = Some("i1".into());
        iq
    }
}
