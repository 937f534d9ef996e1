//! What an admin can set for pushes, checked.

use std::time::Duration;

use super::tokens::{Grant, TokenId, Tokens};
use crate::mapping::Rules;
use crate::notes::Note;
use crate::options::{OptionError, OptionValue, Options};
use crate::stanza::jid;

const TOKENS_OPTION: &str = "component_push_tokens";

/// How many characters a token has to have.
const MIN_TOKEN: usize = 20;

/// A day.
const DAY: f64 = 86_400.0;

/// The settings for the pushes of one component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who may push.
    pub tokens: Tokens,
    /// Bytes of a body at most.
    pub limit: usize,
    /// Stanzas a second of a token at most.
    pub rate: usize,
    /// For the answer to an iq.
    pub iq_timeout: Duration,
    /// Iqs at most whose answers are waited for.
    pub waiting: usize,
}

impl Settings {
    /// Reads the options, if there are to be pushes at all. What is sent has to keep to those rules.
    ///
    /// # Errors
    /// The first option that is unusable.
    pub fn read(rules: &Rules, options: &Options) -> Result<Option<Settings>, OptionError> {
        let Some(tokens) = tokens(rules, options)? else {
            return Ok(None);
        };
        Ok(Some(Settings {
            tokens,
            limit: options.integer("component_push_limit", 262_144, 1..=67_108_864)?,
            rate: options.integer("component_push_rate", 1000, 1..=1_000_000)?,
            iq_timeout: options.seconds("component_push_iq_timeout", 30.0, 0.01..=DAY)?,
            waiting: options.integer("component_push_waiting", 1000, 0..=100_000)?,
        }))
    }

    /// What an admin is told when the component has come up with these settings.
    pub fn introduction(&self) -> Note {
        Note::info(format!(
            "takes pushes from {} token(s): up to {} bytes each and {} stanzas a second, {} s for the answer \
             to an iq",
            self.tokens.count(),
            self.limit,
            self.rate,
            self.iq_timeout.as_secs_f64(),
        ))
    }
}

fn tokens(rules: &Rules, options: &Options) -> Result<Option<Tokens>, OptionError> {
    let grants = match options.value(TOKENS_OPTION) {
        OptionValue::Absent => return Ok(None),
        OptionValue::Text(token) => vec![unbound(&token)?],
        OptionValue::List(items) if !items.is_empty() => {
            items.iter().map(item).collect::<Result<_, _>>()?
        }
        OptionValue::Table(pairs) if !pairs.is_empty() => pairs
            .iter()
            .map(|(token, from)| bound(rules, token, from))
            .collect::<Result<_, _>>()?,
        _ => {
            return Err(problem(
                "must be a list of tokens, or a table from tokens to JIDs",
            ));
        }
    };
    Ok(Some(Tokens::new(grants)))
}

fn item(item: &OptionValue) -> Result<Grant, OptionError> {
    match item {
        OptionValue::Text(token) => unbound(token),
        _ => Err(problem(
            "must be a list of strings, or a table from tokens to JIDs",
        )),
    }
}

fn unbound(token: &str) -> Result<Grant, OptionError> {
    Ok(Grant {
        token: checked(token)?,
        from: None,
    })
}

fn bound(rules: &Rules, token: &str, from: &OptionValue) -> Result<Grant, OptionError> {
    let token = checked(token)?;
    let prepared = match from {
        OptionValue::Text(from) => jid::prepare(from).ok(),
        _ => None,
    };
    let from = prepared
        .filter(|from| jid::resource(from).is_none())
        .ok_or_else(|| {
            problem("must give each token a bare JID, such as \"news@bot.example.com\"")
        })?;
    if rules.validate_from && !rules.is_own(&from) {
        return Err(problem(
            "gives a token a JID that is not one of this component's (validate_from_addresses)",
        ));
    }
    Ok(Grant {
        token,
        from: Some(from),
    })
}

fn checked(token: &str) -> Result<TokenId, OptionError> {
    // RFC 6750 §2.1.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    if token.len() < MIN_TOKEN || !token.chars().all(allowed) {
        return Err(problem(
            "must have tokens of at least 20 characters, letters, digits and -._~+/= only: \
             'openssl rand -hex 20' makes one",
        ));
    }
    Ok(TokenId::of(token))
}

fn problem(problem: &str) -> OptionError {
    OptionError::new(TOKENS_OPTION, problem)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mapping::Scope;

    pub(in crate::push) const RULES: Rules = Rules {
        host: "bot.example",
        scope: Scope::Component,
        validate_from: true,
    };
    pub(in crate::push) const TOKEN: &str = "a-token-of-many-characters";

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    fn read(tokens: &OptionValue) -> Result<Option<Settings>, OptionError> {
        let look_up = |name: &'static str| match name {
            TOKENS_OPTION => tokens.clone(),
            _ => OptionValue::Absent,
        };
        Settings::read(&RULES, &Options::new(&look_up))
    }

    /// Settings with one token.
    pub(in crate::push) fn settings() -> Settings {
        read(&text(TOKEN)).unwrap().unwrap()
    }

    #[test]
    fn without_tokens_there_are_no_pushes() {
        assert_eq!(read(&OptionValue::Absent), Ok(None));
        let settings = settings();
        assert_eq!(
            (settings.limit, settings.rate, settings.waiting),
            (262_144, 1000, 1000)
        );
        assert_eq!(settings.iq_timeout, Duration::from_secs(30));
    }

    #[test]
    fn a_token_may_be_bound_to_a_jid() {
        let map = OptionValue::Table(vec![(TOKEN.to_owned(), text("News@bot.example"))]);
        let settings = read(&map).unwrap().unwrap();
        let authorization = format!("Bearer {TOKEN}");
        let grant = settings.tokens.find(Some(&authorization)).unwrap();
        assert_eq!(grant.from.as_deref(), Some("news@bot.example"));
    }

    #[test]
    fn what_is_no_list_of_tokens_is_told_without_them() {
        let map = |from| OptionValue::Table(vec![(TOKEN.to_owned(), from)]);
        for value in [
            OptionValue::Boolean(true),
            OptionValue::List(vec![]),
            OptionValue::List(vec![text(TOKEN), OptionValue::Number(1.0)]),
            text("s3cret-too-short"),
            text("s3cret with spaces in between them"),
            map(text("a@bot.example/r")),
            map(text("a@elsewhere")),
            map(OptionValue::Boolean(true)),
            map(text("@")),
        ] {
            let error = read(&value).unwrap_err().to_string();
            assert!(
                error.starts_with("the option 'component_push_tokens' "),
                "{error}"
            );
            assert!(
                !error.contains("s3cret") && !error.contains(TOKEN),
                "{error}"
            );
        }
    }
}
