//! A component written as a web service: which stanzas are POSTed, as what, and what the answer means.
//!
//! A stanza that is taken becomes a [`request`]; what comes back is judged by [`response`], read by
//! `object`, turned into stanzas by `reply`; whatever goes wrong is a [`Failure`]. All of that is pure: no
//! Lua, no thread, no clock, no HTTP. Only the [`attempt`], which a worker makes, puts it together and has
//! it POSTed.

pub(crate) mod attempt;
mod client;
mod failure;
pub(crate) mod local;
mod object;
mod outage;
mod reflections;
mod reply;
pub mod request;
pub mod response;
pub(crate) mod settings;

pub(crate) use attempt::Attempt;
pub(crate) use client::client;
pub use failure::Failure;
pub(crate) use outage::Outage;
pub(crate) use reflections::Reflections;
pub use response::Unusable;
pub use settings::{Scope, Settings};

use crate::stanza::Element;

/// How an exchange ends: accepted by the service, with the stanzas to send for it, or not.
pub(crate) type Outcome = Result<Vec<Element>, Failure>;

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
