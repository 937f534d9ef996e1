//! What an admin can set for one component, checked.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::notes::Note;
use crate::options::{OptionError, Options};
use crate::stanza::{Kind, Stanza, jid};

const STANZAS_OPTION: &str = "component_post_stanzas";

/// The name that the pure-Lua module read in its place.
pub const DEPRECATED_STANZAS_OPTION: &str = "post_stanza_types";

/// Bytes that a URL may have, without credentials and encoded. RFC 9110 §4.1 asks for 8,000 at least.
pub const MAX_URL: usize = 8192;

/// Bytes that user and password may have together.
pub const MAX_CREDENTIALS: usize = 8192;

/// Whose stanzas a component takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A host of its own: every JID at it.
    Component,
    /// A host with accounts: only what is addressed to the host itself.
    VirtualHost,
}

/// Where to POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL without credentials and fragment.
    pub url: String,
    /// The `Authorization` header that the URL's credentials make (RFC 7617).
    pub authorization: Option<String>,
    /// Scheme, host and port: what may be logged. Path and query may hold a secret.
    pub origin: String,
}

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
            self.endpoint.origin,
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

    /// Whether stanzas of that kind are POSTed.
    pub fn forwards(&self, kind: Kind) -> bool {
        self.forwarded.contains(&kind)
    }

    /// Whether a stanza of a kind that is POSTed is POSTed too.
    pub fn wants(&self, stanza: &Stanza) -> bool {
        !self.body_only || stanza.envelope.kind != Kind::Message || stanza.texts.body.is_some()
    }

    /// Whether a prepared address is one that this component answers for: at a host of its own any
    /// there, at a host with accounts only the host's.
    pub fn is_own(&self, address: &str) -> bool {
        jid::domain(address) == self.host
            && (self.scope == Scope::Component || jid::node(address).is_none())
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
    const OPTION: &str = "component_post_url";
    let problem = |text: String| OptionError::new(OPTION, text);
    let text = options.text(OPTION)?.ok_or_else(|| {
        problem("is missing: set it to the http or https URL of the service".into())
    })?;
    if !names_a_host(&text) {
        let right = "must be an http or https URL, such as \"https://example.com/bot\"";
        return Err(problem(right.into()));
    }
    let mut url = Url::parse(&text)
        .map_err(|error| problem(format!("is not a URL that can be used: {error}")))?;
    let authorization = authorization(&url).map_err(|()| {
        problem(format!(
            "has a user and password of more than {MAX_CREDENTIALS} bytes"
        ))
    })?;
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    debug_assert!(
        cleared.is_ok(),
        "an http URL with a host can lose its credentials"
    );
    url.set_fragment(None);
    if url.as_str().len() > MAX_URL {
        return Err(problem(format!("is longer than {MAX_URL} bytes")));
    }
    Ok(Endpoint {
        origin: url.origin().ascii_serialization(),
        url: url.into(),
        authorization,
    })
}

/// Whether a host stands where it has to (RFC 9110 §4.2). A parser for browsers would look for it further
/// on, and take `http:///path` for a host.
fn names_a_host(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str())
        && !rest.is_empty()
        && !rest.starts_with(['/', '\\', '?', '#'])
}

/// The `Authorization` header, or an error if it would be too long.
fn authorization(url: &Url) -> Result<Option<String>, ()> {
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return Ok(None);
    }
    let mut credentials: Vec<u8> = percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(password));
    if credentials.len() > MAX_CREDENTIALS {
        return Err(());
    }
    Ok(Some(format!("Basic {}", BASE64.encode(credentials))))
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
    fn credentials_leave_the_url() {
        let url = "https://me%40x:p%3Aw@example.com:8443/a?b=c#d";
        let endpoint = settings(&[("component_post_url", text(url))]).endpoint;
        assert_eq!(endpoint.url, "https://example.com:8443/a?b=c");
        assert_eq!(endpoint.origin, "https://example.com:8443");
        let expected = format!("Basic {}", BASE64.encode("me@x:p:w"));
        assert_eq!(endpoint.authorization.as_deref(), Some(expected.as_str()));
        assert_eq!(settings(&[]).endpoint.authorization, None);
    }

    #[test]
    fn the_url_is_http_or_https_and_never_repeated() {
        for url in [
            "",
            "secret",
            "ftp://secret/",
            "http://",
            "mailto:secret@x",
            "https://secret:x/",
            "http:///secret",
            "https:secret",
            "http:/secret/",
            "https://?secret",
        ] {
            let error = read(Scope::Component, &[("component_post_url", text(url))]).unwrap_err();
            assert_eq!(error.option, "component_post_url");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(!error.to_string().contains("relative"), "{error}");
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
    fn what_is_too_long_to_send_is_refused() {
        let at_most = "x".repeat(MAX_URL - "http://h/".len());
        let password = "p".repeat(MAX_CREDENTIALS - "u:".len());
        let endpoint = |credentials: &str, path: &str| {
            let url = text(&format!("http://{credentials}h/{path}"));
            read(Scope::Component, &[("component_post_url", url)])
        };
        assert!(endpoint(&format!("u:{password}@"), &at_most).is_ok());
        let error = endpoint("", &format!("{at_most}x")).unwrap_err();
        assert!(error.to_string().contains("8192 bytes"), "{error}");
        let error = endpoint(&format!("u:{password}p@"), "").unwrap_err();
        assert!(error.to_string().contains("password"), "{error}");
        assert!(!error.to_string().contains("ppp"), "{error}");
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
            assert!(component.is_own(own), "{own}");
        }
        assert!(!component.is_own("x@example"));

        let host = read(Scope::VirtualHost, &[]).unwrap();
        assert_eq!(host.events(), ["message/host"]);
        assert!(host.is_own("bot.example/r"));
        assert!(!host.is_own("x@bot.example"));
    }
}
