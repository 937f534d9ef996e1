//! Option values as an admin writes them into `prosody.cfg.lua`, and what is wrong with them.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A value from the configuration, which is Lua.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// The option is not set.
    Absent,
    /// `true` or `false`.
    Boolean(bool),
    /// Any number.
    Number(f64),
    /// A string.
    Text(String),
    /// A table's array part, or the items of a set.
    List(Vec<OptionValue>),
    /// A table with names alone, sorted by them.
    Table(Vec<(String, OptionValue)>),
    /// Something else, by the name of its Lua type.
    Other(&'static str),
}

impl OptionValue {
    /// What kind of value it is.
    pub fn describe(&self) -> &'static str {
        match self {
            OptionValue::Absent => "nothing",
            OptionValue::Boolean(_) => "a boolean",
            OptionValue::Number(_) => "a number",
            OptionValue::Text(_) => "a string",
            OptionValue::List(_) | OptionValue::Table(_) => "a table",
            OptionValue::Other(type_) => type_,
        }
    }
}

/// Happens when an option is missing or its value cannot be used. Names the option and the remedy, and
/// never repeats the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError {
    /// The option's name.
    pub option: &'static str,
    /// What is wrong and what would be right, as the rest of a sentence.
    pub problem: String,
}

impl OptionError {
    /// An error about that option.
    pub fn new(option: &'static str, problem: impl Into<String>) -> Self {
        OptionError {
            option,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the option '{}' {}", self.option, self.problem)
    }
}

impl std::error::Error for OptionError {}

/// Looks options up and checks them. What Prosody's own `get_option_*` would convert is converted.
pub struct Options<'a>(&'a dyn Fn(&'static str) -> OptionValue);

impl<'a> Options<'a> {
    /// Options that come from this look-up.
    pub fn new(look_up: &'a dyn Fn(&'static str) -> OptionValue) -> Self {
        Options(look_up)
    }

    /// The value as it is.
    pub fn value(&self, option: &'static str) -> OptionValue {
        (self.0)(option)
    }

    /// A string, if the option is set.
    ///
    /// # Errors
    /// If the value is something else, or empty.
    pub fn text(&self, option: &'static str) -> Result<Option<String>, OptionError> {
        match (self.0)(option) {
            OptionValue::Absent => Ok(None),
            OptionValue::Text(text) if !text.is_empty() => Ok(Some(text)),
            OptionValue::Text(_) => Err(OptionError::new(option, "must not be empty")),
            other => Err(wrong(option, "a string", &other)),
        }
    }

    /// A boolean, or the default.
    ///
    /// # Errors
    /// If the value is neither a boolean nor a word for one.
    pub fn boolean(&self, option: &'static str, default: bool) -> Result<bool, OptionError> {
        match (self.0)(option) {
            OptionValue::Absent => Ok(default),
            OptionValue::Boolean(value) => Ok(value),
            OptionValue::Text(text) => match text.as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" => Ok(false),
                _ => Err(OptionError::new(
                    option,
                    "must be true or false, not a string",
                )),
            },
            other => Err(wrong(option, "true or false", &other)),
        }
    }

    /// A whole number within bounds, or the default.
    ///
    /// # Errors
    /// If the value is no whole number, or outside the bounds.
    pub fn integer(
        &self,
        option: &'static str,
        default: usize,
        bounds: RangeInclusive<usize>,
    ) -> Result<usize, OptionError> {
        let wanted = || format!("a whole number from {} to {}", bounds.start(), bounds.end());
        match self.number(option, wanted)? {
            None => Ok(default),
            Some(value)
                if value.fract() == 0.0
                    && value >= *bounds.start() as f64
                    && value <= *bounds.end() as f64 =>
            {
                Ok(value as usize)
            }
            Some(_) => Err(OptionError::new(option, format!("must be {}", wanted()))),
        }
    }

    /// A time within bounds, or the default: a number of seconds, or one of Prosody's periods, such as
    /// `"5m"`.
    ///
    /// # Errors
    /// If the value is neither, or outside the bounds.
    pub fn seconds(
        &self,
        option: &'static str,
        default: f64,
        bounds: RangeInclusive<f64>,
    ) -> Result<Duration, OptionError> {
        let wanted = || {
            format!(
                "a number of seconds from {} to {}",
                bounds.start(),
                bounds.end()
            )
        };
        let seconds = match (self.0)(option) {
            OptionValue::Text(text) if period(&text).is_some() => period(&text),
            _ => self.number(option, wanted)?,
        };
        match seconds {
            None => Ok(Duration::from_secs_f64(default)),
            Some(value) if bounds.contains(&value) => Ok(Duration::from_secs_f64(value)),
            Some(_) => Err(OptionError::new(option, format!("must be {}", wanted()))),
        }
    }

    /// The strings of a list or set; one string alone counts as a list of one.
    ///
    /// # Errors
    /// If the value is something else, or has something else in it.
    pub fn list(&self, option: &'static str) -> Result<Option<Vec<String>>, OptionError> {
        let items = match (self.0)(option) {
            OptionValue::Absent => return Ok(None),
            OptionValue::List(items) => items,
            one @ OptionValue::Text(_) => vec![one],
            other => return Err(wrong(option, "a list of strings", &other)),
        };
        items
            .into_iter()
            .map(|item| match item {
                OptionValue::Text(text) => Ok(text),
                other => {
                    let problem = format!("must hold strings only, not {}", other.describe());
                    Err(OptionError::new(option, problem))
                }
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The names and strings of a table, which may be empty.
    ///
    /// # Errors
    /// If the value is something else, or has something else in it.
    pub fn table(&self, option: &'static str) -> Result<Vec<(String, String)>, OptionError> {
        let fields = match (self.0)(option) {
            OptionValue::Absent => return Ok(Vec::new()),
            OptionValue::List(items) if items.is_empty() => return Ok(Vec::new()),
            OptionValue::Table(fields) => fields,
            OptionValue::List(_) => {
                let problem = "must be a table of names and strings, not a list";
                return Err(OptionError::new(option, problem));
            }
            other => return Err(wrong(option, "a table of names and strings", &other)),
        };
        fields
            .into_iter()
            .map(|(name, value)| match value {
                OptionValue::Text(text) => Ok((name, text)),
                other => {
                    let problem = format!("must hold strings only, not {}", other.describe());
                    Err(OptionError::new(option, problem))
                }
            })
            .collect()
    }

    fn number(
        &self,
        option: &'static str,
        wanted: impl Fn() -> String,
    ) -> Result<Option<f64>, OptionError> {
        match (self.0)(option) {
            OptionValue::Absent => Ok(None),
            OptionValue::Number(value) => Ok(Some(value)),
            OptionValue::Text(text) => match text.trim().parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(wrong(option, &wanted(), &OptionValue::Text(text))),
            },
            other => Err(wrong(option, &wanted(), &other)),
        }
    }
}

/// The seconds of a period as Prosody's `module:get_option_period` reads it from 0.12 on: a whole number and
/// a unit. `m` is minutes here, since no option here holds for months.
fn period(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let unit_at = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim_ascii_start().to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    };
    Some(number * seconds)
}

fn wrong(option: &'static str, wanted: &str, value: &OptionValue) -> OptionError {
    OptionError::new(
        option,
        format!("must be {wanted}, not {}", value.describe()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(value: OptionValue, read: impl Fn(&Options) -> T) -> T {
        read(&Options::new(&|_| value.clone()))
    }

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.to_owned())
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        let read = |value| with(value, |options| options.integer("n", 7, 1..=10));
        assert_eq!(read(OptionValue::Absent), Ok(7));
        assert_eq!(read(OptionValue::Number(10.0)), Ok(10));
        assert_eq!(read(text("3")), Ok(3));
        for bad in [0.0, 11.0, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(
                read(OptionValue::Number(bad)).unwrap_err().to_string(),
                "the option 'n' must be a whole number from 1 to 10"
            );
        }
        assert!(read(text("three")).is_err());
        assert!(read(OptionValue::Boolean(true)).is_err());
    }

    #[test]
    fn seconds_may_be_fractions() {
        let read = |value| with(value, |options| options.seconds("t", 30.0, 0.1..=60.0));
        assert_eq!(read(OptionValue::Absent), Ok(Duration::from_secs(30)));
        assert_eq!(
            read(OptionValue::Number(0.5)),
            Ok(Duration::from_millis(500))
        );
        assert!(read(OptionValue::Number(f64::NAN)).is_err());
        assert!(read(OptionValue::Number(-1.0)).is_err());
    }

    #[test]
    fn seconds_may_be_a_period() {
        let read = |value| {
            with(text(value), |options| {
                options.seconds("t", 30.0, 0.0..=86_400.0)
            })
        };
        for (value, expected) in [
            ("30s", 30),
            ("0 seconds", 0),
            ("5m", 300),
            ("2 min", 120),
            (" 1 Hour", 3600),
            ("1d", 86_400),
        ] {
            assert_eq!(read(value), Ok(Duration::from_secs(expected)), "{value}");
        }
        for value in ["m", "-5m", "5 y", "soon", "2d", "1 week", "5m30s"] {
            assert!(read(value).is_err(), "{value}");
        }
    }

    #[test]
    fn lists_of_strings() {
        let read = |value| with(value, |options| options.list("l"));
        assert_eq!(read(OptionValue::Absent), Ok(None));
        assert_eq!(read(text("a")), Ok(Some(vec!["a".to_owned()])));
        assert_eq!(
            read(OptionValue::List(vec![text("a"), text("b")]))
                .unwrap()
                .unwrap()
                .len(),
            2
        );
        assert!(read(OptionValue::List(vec![OptionValue::Number(1.0)])).is_err());
        assert!(read(OptionValue::Other("a function")).is_err());
    }

    #[test]
    fn tables_of_strings() {
        let read = |value| with(value, |options| options.table("t"));
        let table = |value| OptionValue::Table(vec![("a".to_owned(), value)]);
        assert_eq!(read(OptionValue::Absent), Ok(Vec::new()));
        assert_eq!(read(OptionValue::List(Vec::new())), Ok(Vec::new()));
        let expected = vec![("a".to_owned(), "b".to_owned())];
        assert_eq!(read(table(text("b"))), Ok(expected));
        for bad in [
            table(OptionValue::Number(1.0)),
            OptionValue::List(vec![text("a")]),
            text("a"),
        ] {
            assert!(read(bad).is_err());
        }
    }

    #[test]
    fn a_value_of_another_type_is_called_by_its_type() {
        let error = with(OptionValue::Number(5.0), |options| options.text("s")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the option 's' must be a string, not a number"
        );
        let error = with(OptionValue::Number(5.0), |options| {
            options.boolean("b", true)
        });
        assert!(error.unwrap_err().problem.ends_with("not a number"));
    }

    #[test]
    fn booleans_and_words_for_them() {
        let read = |value| with(value, |options| options.boolean("b", true));
        assert_eq!(read(OptionValue::Absent), Ok(true));
        assert_eq!(read(OptionValue::Boolean(false)), Ok(false));
        assert_eq!(read(text("no")), Ok(false));
        assert!(read(text("perhaps")).is_err());
        assert!(read(OptionValue::Number(1.0)).is_err());
    }
}
