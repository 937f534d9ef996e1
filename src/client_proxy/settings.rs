//! What an admin can set for one component, checked.

use std::time::Duration;

use super::choice::Strategy;
use crate::notes::Note;
use crate::options::{OptionError, Options};
use crate::stanza::{Kind, jid};

/// The settings of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host that the component serves, prepared.
    pub host: String,
    /// The bare JID of the account whose clients serve the requests, prepared.
    pub target: String,
    /// How long a request may take.
    pub timeout: Duration,
    /// After how long without an answer a get goes to another resource too.
    pub try_timeout: Option<Duration>,
    /// How a resource is chosen.
    pub strategy: Strategy,
    /// Whether messages are carried too (`proxy_stanzas`).
    pub messages: bool,
    /// Whether presence is shown to whoever subscribes to it (`proxy_stanzas`).
    pub presence: bool,
}

/// A day: more than any sensible time-out, and far from where arithmetic ends.
const DAY: f64 = 86_400.0;

/// Less than any sensible time-out, and more than what would keep the server busy.
const SHORTEST: f64 = 0.1;

impl Settings {
    /// Reads the options of the component at that host.
    ///
    /// # Errors
    /// The first option that is missing or unusable.
    pub fn read(host: &str, options: &Options) -> Result<Settings, OptionError> {
        let stanzas = stanzas(options)?;
        Ok(Settings {
            host: host.to_owned(),
            target: target(host, options)?,
            timeout: options.seconds("proxy_iq_timeout", 120.0, SHORTEST..=DAY)?,
            try_timeout: try_timeout(options)?,
            strategy: strategy(options)?,
            messages: stanzas.contains(&Kind::Message),
            presence: stanzas.contains(&Kind::Presence),
        })
    }

    /// What an admin is told when the component has come up with these settings.
    pub fn introduction(&self) -> Note {
        let again = self.try_timeout.map_or_else(
            || "to one client only".to_owned(),
            |after| {
                format!(
                    "a get to another client too after {} s",
                    after.as_secs_f64()
                )
            },
        );
        Note::info(format!(
            "Serves with the clients of {}: chosen by {}, {} s for each request, {again}{}{}",
            self.target,
            self.strategy.as_str(),
            self.timeout.as_secs_f64(),
            if self.messages {
                "; carries messages"
            } else {
                ""
            },
            if self.presence {
                "; shows presence"
            } else {
                ""
            },
        ))
    }
}

fn target(host: &str, options: &Options) -> Result<String, OptionError> {
    const OPTION: &str = "target_address";
    let problem = |text: &str| OptionError::new(OPTION, text);
    let text = options.text(OPTION)?.ok_or_else(|| {
        problem(
            "is missing: set it to the bare JID of the account whose clients serve the requests, \
             for instance \"service@example.com\"",
        )
    })?;
    let target = jid::prepare(&text)
        .map_err(|_| problem("is not a JID: it must look like \"service@example.com\""))?;
    if jid::resource(&target).is_some() {
        return Err(problem(
            "must be a bare JID: leave out the slash and what follows it",
        ));
    }
    if jid::node(&target).is_none() {
        return Err(problem(
            "must be an account's JID, with a user name before an @",
        ));
    }
    if jid::domain(&target) == host {
        return Err(problem(
            "must not be at the component itself: set it to an account on another host",
        ));
    }
    Ok(target)
}

fn try_timeout(options: &Options) -> Result<Option<Duration>, OptionError> {
    const OPTION: &str = "proxy_try_timeout";
    let after = options.seconds(OPTION, 15.0, 0.0..=DAY)?;
    if after.is_zero() {
        return Ok(None);
    }
    if after < Duration::from_secs_f64(SHORTEST) {
        let problem = format!("must be 0, or a number of seconds from {SHORTEST} to {DAY}");
        return Err(OptionError::new(OPTION, problem));
    }
    Ok(Some(after))
}

fn stanzas(options: &Options) -> Result<Vec<Kind>, OptionError> {
    const OPTION: &str = "proxy_stanzas";
    let names = options
        .list(OPTION)?
        .unwrap_or_else(|| vec!["iq".to_owned()]);
    let kinds: Option<Vec<Kind>> = names.iter().map(|name| Kind::from_name(name)).collect();
    kinds.filter(|kinds| !kinds.is_empty()).ok_or_else(|| {
        let problem = "must hold one or more of \"iq\", \"message\" and \"presence\"";
        OptionError::new(OPTION, problem)
    })
}

fn strategy(options: &Options) -> Result<Strategy, OptionError> {
    const OPTION: &str = "proxy_strategy";
    let Some(text) = options.text(OPTION)? else {
        return Ok(Strategy::Random);
    };
    let named = |strategy: &Strategy| strategy.as_str() == text;
    Strategy::ALL.into_iter().find(named).ok_or_else(|| {
        let names = Strategy::ALL.map(|strategy| format!("\"{}\"", strategy.as_str()));
        OptionError::new(OPTION, format!("must be one of {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OptionValue;

    fn read(option: &'static str, value: OptionValue) -> Result<Settings, OptionError> {
        let look_up = |name: &'static str| match name {
            _ if name == option => value.clone(),
            "target_address" => text("service@example.com"),
            _ => OptionValue::Absent,
        };
        Settings::read("proxy.example.com", &Options::new(&look_up))
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    #[test]
    fn the_target_is_prepared() {
        let target = |value| read("target_address", text(value)).unwrap().target;
        assert_eq!(target("Service@EXAMPLE.com"), "service@example.com");
        assert_eq!(target("ЖУК@Example.com"), "жук@example.com");
    }

    #[test]
    fn a_target_that_cannot_be_one_is_told_apart() {
        for (value, problem) in [
            (OptionValue::Absent, "is missing"),
            (text(""), "must not be empty"),
            (OptionValue::Number(1.0), "must be a string"),
            (
                OptionValue::List(vec![text("service@example.com")]),
                "must be a string",
            ),
            (text("a@@b//"), "is not a JID"),
            (text("a b@example.com"), "is not a JID"),
            (
                text(&format!("{}@example.com", "x".repeat(1024))),
                "is not a JID",
            ),
            (text("service@example.com/x"), "must be a bare JID"),
            (text("example.com"), "must be an account's JID"),
            (
                text("x@Proxy.example.com"),
                "must not be at the component itself",
            ),
        ] {
            let error = read("target_address", value).unwrap_err().to_string();
            let expected = format!("the option 'target_address' {problem}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn an_admin_is_told_what_is_on() {
        let told = |after| {
            let settings = read("proxy_try_timeout", OptionValue::Number(after)).unwrap();
            settings.introduction().text
        };
        let line = "Serves with the clients of service@example.com: chosen by random, 120 s for each request, ";
        assert_eq!(
            told(1.5),
            format!("{line}a get to another client too after 1.5 s")
        );
        assert_eq!(told(0.0), format!("{line}to one client only"));
    }

    #[test]
    fn what_is_carried() {
        let carried = |names: &[&str]| {
            let names = names.iter().map(|name| text(name)).collect();
            let settings = read("proxy_stanzas", OptionValue::List(names));
            settings.map(|settings| (settings.messages, settings.presence))
        };
        let defaults = read("", OptionValue::Absent).unwrap();
        assert_eq!((defaults.messages, defaults.presence), (false, false));
        assert_eq!(carried(&["iq"]), Ok((false, false)));
        assert_eq!(carried(&["iq", "message"]), Ok((true, false)));
        assert_eq!(carried(&["presence", "message"]), Ok((true, true)));
        for unusable in [&["messages"][..], &[]] {
            let error = carried(unusable).unwrap_err().to_string();
            assert!(error.starts_with("the option 'proxy_stanzas' must hold"));
        }
        let both = read(
            "proxy_stanzas",
            OptionValue::List(vec![text("message"), text("presence")]),
        );
        let told = both.unwrap().introduction().text;
        assert!(told.ends_with("; carries messages; shows presence"));
    }

    #[test]
    fn time_outs_and_strategy() {
        let defaults = read("", OptionValue::Absent).unwrap();
        assert_eq!(defaults.timeout, Duration::from_secs(120));
        assert_eq!(defaults.strategy, Strategy::Random);
        for strategy in Strategy::ALL {
            let settings = read("proxy_strategy", text(strategy.as_str())).unwrap();
            assert_eq!(settings.strategy, strategy);
        }
        assert_eq!(
            read("proxy_strategy", text("fastest"))
                .unwrap_err()
                .to_string(),
            "the option 'proxy_strategy' must be one of \"random\", \"round-robin\", \
             \"least-outstanding\", \"sticky\""
        );
        for (option, value) in [
            ("proxy_iq_timeout", OptionValue::Number(0.0)),
            ("proxy_iq_timeout", OptionValue::Number(-1.0)),
            ("proxy_iq_timeout", text("soon")),
            (
                "proxy_iq_timeout",
                OptionValue::List(vec![OptionValue::Number(1.0)]),
            ),
            ("proxy_try_timeout", text("never")),
            ("proxy_strategy", OptionValue::Number(1.0)),
        ] {
            assert_eq!(read(option, value).unwrap_err().option, option);
        }

        let try_timeout = |seconds| {
            read("proxy_try_timeout", OptionValue::Number(seconds)).map(|read| read.try_timeout)
        };
        assert_eq!(defaults.try_timeout, Some(Duration::from_secs(15)));
        assert_eq!(try_timeout(0.0), Ok(None));
        assert_eq!(try_timeout(0.5), Ok(Some(Duration::from_millis(500))));
        for unusable in [-1.0, 0.05, 86_401.0, f64::NAN] {
            assert!(try_timeout(unusable).is_err(), "{unusable}");
        }
    }
}
