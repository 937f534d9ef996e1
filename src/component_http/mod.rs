//! A component written as a web service: which stanzas are POSTed, as what, and what the answer means.
//!
//! What a stanza is as JSON, and which stanzas an answer stands for, says [`mapping`](crate::mapping); what
//! its status means, [`response`]. The [`attempt`], which a worker makes, puts it together and has it POSTed, and
//! goes on [`reading`] if the answer comes bit by bit, be it a message that grows ([`live`]);
//! the [`driver`] has attempts made, as [`delivery`](crate::delivery) decides.

mod attempt;
mod client;
mod disco;
mod driver;
mod face;
mod live;
pub(crate) mod local;
mod news;
mod reading;
mod reflections;
mod response;
mod retry_after;
pub(crate) mod settings;
#[cfg(test)]
mod testing;

pub(crate) use client::{check_tls_files, clients};
pub(crate) use driver::{Batch, Driver};
use reflections::Reflections;
pub use settings::Settings;

#[cfg(test)]
pub(crate) mod tests {
    use crate::mapping::fields::CHILDREN;
    use crate::stanza::{Envelope, Extensions, Kind, Stanza};

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
            texts: CHILDREN.map(|name| (name == "body").then(|| "hi".into())),
            extensions: Extensions::default(),
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
