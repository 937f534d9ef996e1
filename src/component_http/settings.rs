//! What an admin can set for one component, checked.

use std::time::Duration;

use crate::delivery::{Limits, Load, RetryPolicy};
use crate::engine::Budget;
use crate::http::Endpoint;
use crate::mapping::{Rules, Scope, fields};
use crate::notes::Note;
use crate::options::{OptionError, Options};
use crate::stanza::{Kind, Stanza};

const URL_OPTION: &str = "component_post_url";
const DELIVERY_OPTION: &str = "component_post_delivery";
const STANZAS_OPTION: &str = "component_post_stanzas";

/// The name that the pure-Lua module read in its place.
pub const DEPRECATED_STANZAS_OPTION: &str = "post_stanza_types";

/// The settings of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host that the component serves, prepared.
    pub host: String,
    /// Whose stanzas it takes.
    pub scope: Scope,
    /// Its name for service discovery.
    pub name: Option<String>,
    /// Where to POST.
    pub endpoint: Endpoint,
    /// The kinds of stanza that are POSTed.
    pub forwarded: Vec<Kind>,
    /// Whether those came under [`DEPRECATED_STANZAS_OPTION`].
    pub used_deprecated_name: bool,
    /// For one whole exchange.
    pub timeout: Duration,
    /// For opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// Exchanges in flight at most.
    pub concurrency: usize,
    /// Stanzas waiting at most.
    pub queue_size: usize,
    /// Bytes of XML waiting at most.
    pub queue_bytes: usize,
    /// What is tried again.
    pub retry: RetryPolicy,
    /// Bytes of a response at most.
    pub response_limit: usize,
    /// Whether the stanzas of one conversation are POSTed one after the other.
    pub ordered: bool,
    /// Whether messages without a body are left out.
    pub body_only: bool,
    /// A PEM file with the certificate authorities to trust in place of the system's.
    pub ca_file: Option<String>,
    /// Whether a reply has to come from this host.
    pub validate_from: bool,
}

/// A day: more than any sensible time-out, and far from where arithmetic ends.
const DAY: f64 = 86_400.0;

impl Settings {
    /// Reads the options of the component at that host.
    ///
    /// # Errors
    /// The first option that is missing or unusable.
    pub fn read(host: &str, scope: Scope, options: &Options) -> Result<Settings, OptionError> {
        let (forwarded, used_deprecated_name) = forwarded(options)?;
        Ok(Settings {
            host: host.to_owned(),
            scope,
            name: options.text("name")?,
            endpoint: endpoint(options)?,
            forwarded,
            used_deprecated_name,
            timeout: options.seconds("component_post_timeout", 30.0, 0.01..=DAY)?,
            connect_timeout: options.seconds("component_post_connect_timeout", 10.0, 0.01..=DAY)?,
            concurrency: options.integer("component_post_concurrency", 256, 1..=10_000)?,
            queue_size: options.integer("component_post_queue_size", 10_000, 0..=100_000_000)?,
            queue_bytes: options.integer(
                "component_post_queue_bytes",
                67_108_864,
                1..=1_099_511_627_776,
            )?,
            retry: RetryPolicy {
                retry_for: options.seconds("component_post_retry_for", 30.0, 0.0..=DAY)?,
                at_least_once: at_least_once(options)?,
            },
            response_limit: options.integer(
                "component_post_response_limit",
                1_048_576,
                1..=1_073_741_824,
            )?,
            ordered: options.boolean("component_post_ordered", true)?,
            body_only: options.boolean("component_post_body_only", false)?,
            ca_file: options.text("component_post_ca_file")?,
            validate_from: options.boolean("validate_from_addresses", true)?,
        })
    }

    /// What an admin is told when the component has come up with these settings: what is on, and nothing
    /// that may be a secret.
    pub fn introduction(&self) -> Vec<Note> {
        let mut notes = Vec::new();
        if self.used_deprecated_name {
            notes.push(Note::warn(format!(
                "the option '{DEPRECATED_STANZAS_OPTION}' is deprecated: rename it to '{STANZAS_OPTION}'"
            )));
        }
        let kinds: Vec<&str> = self.forwarded.iter().map(|kind| kind.as_str()).collect();
        notes.push(Note::info(format!(
            "POSTs {} to {}: up to {} at a time and {} waiting, {} s for each{}{}",
            kinds.join(", "),
            self.endpoint.origin(),
            self.concurrency,
            self.queue_size,
            self.timeout.as_secs_f64(),
            if self.ordered { "" } else { ", in no order" },
            if self.validate_from {
                ""
            } else {
                ", with replies from any address"
            },
        )));
        notes
    }

    /// What an admin has to know if the process may not open as many files as these settings ask for.
    pub fn shortage(&self, budget: Budget) -> Option<Note> {
        if self.concurrency <= budget.most() {
            return None;
        }
        Some(Note::warn(format!(
            "component_post_concurrency is {}, but of the files that Prosody may have open no more than {} \
             can be connections of this component: raise the limit with LimitNOFILE={} in Prosody's systemd \
             unit, elsewhere with ulimit -n",
            self.concurrency,
            budget.most(),
            budget.limit_for(self.concurrency),
        )))
    }

    /// What they say of the exchanges.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            concurrency: self.concurrency,
            queue: Load {
                stanzas: self.queue_size,
                bytes: self.queue_bytes,
            },
            timeout: self.timeout,
            ordered: self.ordered,
            retry: self.retry,
        }
    }

    /// Whether stanzas of that kind are POSTed.
    pub fn forwards(&self, kind: Kind) -> bool {
        self.forwarded.contains(&kind)
    }

    /// Whether a stanza of a kind that is POSTed is POSTed too.
    pub fn wants(&self, stanza: &Stanza) -> bool {
        !self.body_only
            || stanza.envelope.kind != Kind::Message
            || fields::child(stanza, "body").is_some()
    }

    /// What they say of the stanzas that the component sends.
    pub fn rules(&self) -> Rules<'_> {
        Rules {
            host: &self.host,
            scope: self.scope,
            validate_from: self.validate_from,
        }
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

fn at_least_once(options: &Options) -> Result<bool, OptionError> {
    match options.text(DELIVERY_OPTION)?.as_deref() {
        None | Some("at-most-once") => Ok(false),
        Some("at-least-once") => Ok(true),
        Some(_) => Err(OptionError::new(
            DELIVERY_OPTION,
            "must be \"at-most-once\" or \"at-least-once\"",
        )),
    }
}

fn forwarded(options: &Options) -> Result<(Vec<Kind>, bool), OptionError> {
    let (option, names, deprecated) = match options.list(STANZAS_OPTION)? {
        Some(names) => (STANZAS_OPTION, names, false),
        None => match options.list(DEPRECATED_STANZAS_OPTION)? {
            Some(names) => (DEPRECATED_STANZAS_OPTION, names, true),
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

fn endpoint(options: &Options) -> Result<Endpoint, OptionError> {
    let text = options.text(URL_OPTION)?.ok_or_else(|| {
        let problem = "is missing: set it to the http or https URL of the service";
        OptionError::new(URL_OPTION, problem)
    })?;
    Endpoint::parse(&text).map_err(|error| OptionError::new(URL_OPTION, error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::options::OptionValue;

    /// Settings for tests: defaults, but for the options given.
    pub(crate) fn settings(options: &[(&'static str, OptionValue)]) -> Settings {
        read(Scope::Component, options).unwrap()
    }

    fn read(
        scope: Scope,
        options: &[(&'static str, OptionValue)],
    ) -> Result<Settings, OptionError> {
        let look_up = |name: &'static str| {
            let set = options.iter().find(|(option, _)| *option == name);
            match (set, name) {
                (Some((_, value)), _) => value.clone(),
                (None, "component_post_url") => text("http://127.0.0.1:1/"),
                (None, _) => OptionValue::Absent,
            }
        };
        Settings::read("bot.example", scope, &Options::new(&look_up))
    }

    pub(crate) fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    #[test]
    fn what_is_wrong_with_the_url_is_said_of_its_option() {
        for url in ["", "ftp://secret/", "http:///secret"] {
            let error = read(Scope::Component, &[("component_post_url", text(url))]).unwrap_err();
            assert_eq!(error.option, "component_post_url");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_counts_where_nothing_is_set() {
        let defaults = settings(&[]);
        assert_eq!(defaults.forwarded, [Kind::Message]);
        assert_eq!(defaults.timeout, Duration::from_secs(30));
        assert_eq!(defaults.connect_timeout, Duration::from_secs(10));
        assert_eq!(defaults.concurrency, 256);
        assert_eq!(defaults.queue_size, 10_000);
        assert_eq!(defaults.queue_bytes, 64 << 20);
        assert_eq!(defaults.retry.retry_for, Duration::from_secs(30));
        assert!(!defaults.retry.at_least_once);
        assert_eq!(defaults.response_limit, 1 << 20);
        assert!(defaults.ordered && defaults.validate_from && !defaults.body_only);
        assert_eq!(defaults.ca_file, None);
    }

    #[test]
    fn an_unusable_value_is_told_by_its_option() {
        let word = || text("maybe");
        let list =
            |items: &[&str]| OptionValue::List(items.iter().map(|item| text(item)).collect());
        let number = OptionValue::Number;
        for (option, values) in [
            (
                "component_post_url",
                vec![OptionValue::Absent, number(17.0), list(&["http://h/"])],
            ),
            (
                "component_post_url",
                vec![word(), text("example.com/api"), text("http://h:99999/")],
            ),
            (
                "component_post_url",
                vec![text("how do I do this?"), text("http:///api")],
            ),
            (
                "component_post_stanzas",
                vec![number(5.0), list(&["message", "letter"]), list(&[])],
            ),
            ("post_stanza_types", vec![list(&["letter"])]),
            (
                "component_post_timeout",
                vec![number(0.0), number(-1.0), number(f64::NAN), word()],
            ),
            (
                "component_post_connect_timeout",
                vec![number(0.0), number(86_401.0), word()],
            ),
            (
                "component_post_concurrency",
                vec![number(0.0), number(-3.0), number(1.5), word()],
            ),
            (
                "component_post_queue_size",
                vec![number(-1.0), number(f64::INFINITY), word()],
            ),
            (
                "component_post_queue_bytes",
                vec![number(0.0), number(0.5), text("64 MB")],
            ),
            (
                "component_post_retry_for",
                vec![number(-1.0), number(86_401.0), text("2 years"), word()],
            ),
            (
                "component_post_delivery",
                vec![
                    word(),
                    text("exactly-once"),
                    text(""),
                    number(1.0),
                    OptionValue::Boolean(true),
                ],
            ),
            (
                "component_post_response_limit",
                vec![number(0.0), number(-1.0), text("1 MB")],
            ),
            ("component_post_ordered", vec![word(), number(1.0)]),
            ("component_post_body_only", vec![word(), number(3.0)]),
            ("component_post_ca_file", vec![number(1.0), text("")]),
            (
                "validate_from_addresses",
                vec![word(), OptionValue::Other("a function")],
            ),
        ] {
            for value in values {
                let error = read(Scope::Component, &[(option, value.clone())]).unwrap_err();
                assert_eq!(error.option, option, "{value:?}");
                let told = ["is ", "must "]
                    .iter()
                    .any(|verb| error.problem.starts_with(verb));
                assert!(told && error.problem.len() > 10, "{error}");
            }
        }
    }

    #[test]
    fn the_old_name_of_the_stanza_option_works() {
        let list = OptionValue::List(vec![text("iq"), text("presence")]);
        let old = settings(&[(DEPRECATED_STANZAS_OPTION, list.clone())]);
        assert!(old.used_deprecated_name);
        assert!(
            old.forwards(Kind::Iq) && old.forwards(Kind::Presence) && !old.forwards(Kind::Message)
        );
        let both = settings(&[
            (DEPRECATED_STANZAS_OPTION, list),
            ("component_post_stanzas", text("message")),
        ]);
        assert!(!both.used_deprecated_name);
        assert_eq!(both.forwarded, [Kind::Message]);
        let wrong = OptionValue::List(vec![text("messages")]);
        let error = read(Scope::Component, &[("component_post_stanzas", wrong)]).unwrap_err();
        assert_eq!(error.option, "component_post_stanzas");
    }

    #[test]
    fn beside_accounts_only_the_host_is_served() {
        let component = settings(&[]);
        assert_eq!(component.events().len(), 9);
        for own in [
            "bot.example",
            "bot.example/r",
            "x@bot.example",
            "x@bot.example/r",
        ] {
            assert!(component.rules().is_own(own), "{own}");
        }
        assert!(!component.rules().is_own("x@example"));

        let host = read(Scope::VirtualHost, &[]).unwrap();
        assert_eq!(host.events(), ["message/host"]);
        assert!(host.rules().is_own("bot.example/r"));
        assert!(!host.rules().is_own("x@bot.example"));
    }
}
