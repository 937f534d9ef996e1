//! Which stanzas are POSTed.

use super::Settings;
use crate::mapping::{Scope, fields};
use crate::options::{OptionError, Options};
use crate::stanza::{Kind, Stanza};

pub(super) const OPTION: &str = "component_post_stanzas";

/// The name that the pure-Lua module read in its place.
pub(super) const DEPRECATED_OPTION: &str = "post_stanza_types";

/// What is POSTed of what comes.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The kinds of stanza.
    pub kinds: Vec<Kind>,
    /// Whether those came under the option that is deprecated.
    pub used_deprecated_name: bool,
    /// Whether messages without a body are left out.
    pub body_only: bool,
}

impl Forwarded {
    /// Reads the options.
    ///
    /// # Errors
    /// The first one that is unusable.
    pub fn read(options: &Options) -> Result<Self, OptionError> {
        let (kinds, used_deprecated_name) = kinds(options)?;
        Ok(Forwarded {
            kinds,
            used_deprecated_name,
            body_only: options.boolean("component_post_body_only", false)?,
        })
    }
}

impl Settings {
    /// Whether stanzas of that kind are POSTed.
    pub fn forwards(&self, kind: Kind) -> bool {
        self.forwarded.kinds.contains(&kind)
    }

    /// Whether a stanza of a kind that is POSTed is POSTed too.
    pub fn wants(&self, stanza: &Stanza) -> bool {
        !self.forwarded.body_only
            || stanza.envelope.kind != Kind::Message
            || fields::child(stanza, "body").is_some()
    }

    /// Prosody's events for the stanzas that the component takes. Beside accounts it takes no kind that
    /// it does not forward: the host's own modules answer for those.
    pub fn events(&self) -> Vec<String> {
        let places: &[&str] = match self.scope {
            Scope::Component => &["bare", "full", "host"],
            Scope::VirtualHost => &["host"],
        };
        [Kind::Message, Kind::Presence, Kind::Iq]
            .into_iter()
            .filter(|kind| self.scope == Scope::Component || self.forwards(*kind))
            .flat_map(|kind| {
                places
                    .iter()
                    .map(move |place| format!("{}/{place}", kind.as_str()))
            })
            .collect()
    }
}

fn kinds(options: &Options) -> Result<(Vec<Kind>, bool), OptionError> {
    let (option, names, deprecated) = match options.list(OPTION)? {
        Some(names) => (OPTION, names, false),
        None => match options.list(DEPRECATED_OPTION)? {
            Some(names) => (DEPRECATED_OPTION, names, true),
            None => return Ok((vec![Kind::Message], false)),
        },
    };
    let kinds = names
        .iter()
        .map(|name| Kind::from_name(name))
        .collect::<Option<Vec<_>>>()
        .filter(|kinds| !kinds.is_empty());
    match kinds {
        Some(kinds) => Ok((kinds, deprecated)),
        None => {
            let problem = "must hold one or more of \"message\", \"presence\" and \"iq\"";
            Err(OptionError::new(option, problem))
        }
    }
}
