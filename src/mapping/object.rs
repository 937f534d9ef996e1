//! The JSON of a service's answer, read value by value.
//!
//! No tree is built of it, which would be many times as large as the text: a value that nobody asks for is
//! passed over, and a number is kept as it was written.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Unusable;
use super::fields::{DELTA, Field, Value, of_reply};

/// An object of the answer, or one inside. A property that is null counts as absent.
#[derive(Default)]
pub(super) struct Object<'a> {
    known: Vec<(&'static str, &'a RawValue)>,
    has_unknown: bool,
}

impl<'a> Object<'a> {
    /// How many properties it has that say something.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Whether it is `{}`.
    fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.has_unknown
    }

    /// Whether it has that property.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A property that has to be a string.
    pub(super) fn string(&self, name: &'static str) -> Result<Option<String>, Unusable> {
        match self.value(name) {
            None => Ok(None),
            Some(value) if value.starts_with('"') => unquoted(value).map(Some),
            Some(_) => Err(Unusable::WrongType(name)),
        }
    }

    /// A property that is a text, whether the service wrote it as a string, a number or a boolean.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Unusable> {
        match self.value(name) {
            None => Ok(None),
            Some(value) if value.starts_with('"') => unquoted(value).map(Some),
            Some(value) if value.starts_with(['{', '[']) => Err(Unusable::WrongType(name)),
            Some(value) => Ok(Some(value.to_owned())),
        }
    }

    /// A property as the text that it stands for, if its value is one that it may have.
    pub(super) fn of(&self, field: &Field) -> Result<Option<String>, Unusable> {
        match field.value {
            Value::String => self.string(field.name),
            Value::Text | Value::Number => self.text(field.name),
            Value::Shaped(_) => Ok(None),
        }
    }

    /// A property as it was written.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.known.iter().find(|(known, _)| *known == name)?;
        Some(value)
    }

    /// All of them that say something, as they were written.
    pub(super) fn properties(&self) -> &[(&'static str, &'a RawValue)] {
        &self.known
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.raw(name).map(RawValue::get)
    }

    fn keep(&mut self, name: &'static str, value: &'a RawValue) {
        // Of two of one name the last counts, as with most parsers (RFC 8259 §4).
        self.known.retain(|(known, _)| *known != name);
        if value.get() != "null" {
            self.known.push((name, value));
        }
    }
}

/// The text that a string of JSON stands for.
pub(super) fn unquoted(value: &str) -> Result<String, Unusable> {
    serde_json::from_str(value).map_err(unusable)
}

fn unusable(error: serde_json::Error) -> Unusable {
    Unusable::Json(error.to_string())
}

/// The one object of a text, unless that says nothing.
///
/// # Errors
/// If it is anything else.
pub(super) fn one(json: &str) -> Result<Option<Object<'_>>, Unusable> {
    let value: &RawValue = serde_json::from_str(json).map_err(unusable)?;
    if value.get() == "null" {
        return Ok(None);
    }
    Ok(Some(object(value)?).filter(|object| !object.is_empty()))
}

/// The text of a body.
///
/// # Errors
/// If it is not UTF-8.
pub(super) fn text(body: &[u8]) -> Result<&str, Unusable> {
    // RFC 8259 §8.1 lets a parser ignore a byte order mark, and some frameworks write one.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    str::from_utf8(body).map_err(|error| Unusable::Json(error.to_string()))
}

/// Calls `take` with each object of the answer: the one that it is, unless that is empty, or those of its
/// array.
///
/// # Errors
/// [`Unusable`] if the answer is anything else, and the first one of `take`.
pub(super) fn for_each(
    body: &[u8],
    take: &mut dyn FnMut(Object) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let json = text(body)?;
    if json.trim_ascii().is_empty() {
        return Ok(());
    }
    if json.trim_ascii_start().starts_with('[') {
        return items(json, &mut |item| object(item).and_then(&mut *take));
    }
    one(json)?.map_or(Ok(()), take)
}

/// Calls `take` with each item of an array.
///
/// # Errors
/// [`Unusable`] if it is none, and the first one of `take`.
pub(super) fn items(
    array: &str,
    take: &mut dyn FnMut(&RawValue) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let mut items = Items {
        take,
        refused: None,
    };
    let mut parser = serde_json::Deserializer::from_str(array);
    let end = parser
        .deserialize_seq(&mut items)
        .and_then(|()| parser.end());
    match items.refused {
        Some(refused) => Err(refused),
        None => end.map_err(unusable),
    }
}

/// An object of the answer.
///
/// # Errors
/// [`Unusable`] if it is something else.
pub(super) fn object(value: &RawValue) -> Result<Object<'_>, Unusable> {
    if value.get().starts_with('{') {
        read(value, &|name| match of_reply(name) {
            Some(field) => Some(field.name),
            None => (name == DELTA).then_some(DELTA),
        })
    } else {
        Err(Unusable::NotAnObject)
    }
}

/// An object with those of its properties that are known.
///
/// # Errors
/// [`Unusable`] if it is none.
pub(super) fn read<'a>(
    value: &'a RawValue,
    known: &dyn Fn(&str) -> Option<&'static str>,
) -> Result<Object<'a>, Unusable> {
    let mut parser = serde_json::Deserializer::from_str(value.get());
    Properties { known }
        .deserialize(&mut parser)
        .map_err(unusable)
}

/// What a value is, in words.
pub(super) fn type_of(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Hands the items of an array over one by one, so that they are never there all at once.
struct Items<'t> {
    take: &'t mut dyn FnMut(&RawValue) -> Result<(), Unusable>,
    refused: Option<Unusable>,
}

impl<'a> Visitor<'a> for &mut Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            if let Err(refused) = (self.take)(item) {
                self.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// Reads an object, and passes over what is not known.
struct Properties<'k> {
    known: &'k dyn Fn(&str) -> Option<&'static str>,
}

impl<'a> DeserializeSeed<'a> for Properties<'_> {
    type Value = Object<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Object<'a>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Properties<'_> {
    type Value = Object<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
        let mut object = Object::default();
        while let Some(Name(name)) = map.next_key()? {
            match (self.known)(&name) {
                Some(name) => object.keep(name, map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                    object.has_unknown = true;
                }
            }
        }
        Ok(object)
    }
}

/// A name, which is a copy only if something in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    /// What `read` makes of the one object.
    fn of<T>(json: &str, read: impl Fn(&Object) -> T) -> T {
        let mut result = None;
        for_each(json.as_bytes(), &mut |object| {
            result = Some(read(&object));
            Ok(())
        })
        .unwrap();
        result.expect("one object")
    }

    #[test]
    fn a_number_is_the_text_that_was_written() {
        for number in [
            "0",
            "-0",
            "1.10",
            "1e400",
            "1E+2",
            "18446744073709551616",
            "0.1000000000000000055511151231257827",
        ] {
            let json = format!("{{\"body\": {number} }}");
            assert_eq!(
                of(&json, |object| object.text("body")),
                Ok(Some(number.to_owned()))
            );
        }
        for literal in ["true", "false"] {
            let json = format!("{{\"body\":{literal}}}");
            assert_eq!(
                of(&json, |object| object.text("body")),
                Ok(Some(literal.to_owned()))
            );
        }
    }

    #[test]
    fn names_and_texts_may_be_escaped() {
        let json = r#"{"b\u006fdy": "a\n\u00e9\ud83d\ude00"}"#;
        let body = of(json, |object| object.text("body"));
        assert_eq!(body, Ok(Some("a\né😀".to_owned())));
        let lone = of(r#"{"body": "\ud800"}"#, |object| object.text("body"));
        assert!(matches!(lone, Err(Unusable::Json(_))));
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let body = |json| of(json, |object| object.text("body").unwrap());
        assert_eq!(body(r#"{"body":"a","body":"b"}"#).as_deref(), Some("b"));
        assert_eq!(body(r#"{"body":"a","body":null,"to":"b"}"#), None);
    }

    #[test]
    fn what_is_unknown_or_null_is_passed_over() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let json = format!(r#"{{"future":{deep},"body":"hi","to":null}}"#);
        assert_eq!(of(&json, |object| object.count()), 1);
        assert_eq!(of(&json, |object| object.string("to")), Ok(None));
    }

    #[test]
    fn the_first_that_is_refused_ends_it() {
        let mut seen = 0;
        let end = for_each(
            br#"[{"id":"1"},{"id":"2"},{"id":"3"} and so on"#,
            &mut |_| {
                seen += 1;
                if seen == 2 {
                    Err(Unusable::UnknownKind)
                } else {
                    Ok(())
                }
            },
        );
        assert_eq!((seen, end), (2, Err(Unusable::UnknownKind)));
    }
}
