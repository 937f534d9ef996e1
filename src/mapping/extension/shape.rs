//! What a value in JSON looks like, and which part of a stanza it stands for: said once, for both ways.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::write::Writer;
use crate::mapping::Unusable;
use crate::stanza::Element;

/// More than any parser of JSON takes exactly (RFC 8259 §6).
pub const TOO_LARGE: u64 = 1 << 53;

/// What a value looks like.
#[derive(Debug)]
pub enum Shape {
    /// `true`: the element is there.
    True,
    /// A string.
    Text(Text),
    /// A whole number that is not negative, and that every parser of JSON takes exactly.
    Number,
    /// An object. What it has beside these is passed over.
    Object(&'static [Member]),
    /// A list of whatever is at the spot.
    List(&'static Shape),
    /// Something that has rules of its own. Its spot is the element that they are given.
    Own(&'static Own),
}

/// Which strings there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Any.
    Any,
    /// Any but the empty one.
    Some,
    /// A JID.
    Jid,
    /// A time as XEP-0082 writes it.
    Time,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// What an object may have under a name.
#[derive(Debug)]
pub struct Member {
    /// Its name in JSON.
    pub name: &'static str,
    /// What of the object's own element it stands for.
    pub spot: Spot,
    /// What it looks like.
    pub shape: Shape,
    /// Whether there is no object without it.
    pub is_required: bool,
}

/// Where in an element something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Children of children, from the element on.
    pub path: &'static [Tag],
    /// What of the last of them it is.
    pub part: Part,
}

/// Which child of an element is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: &'static str,
    /// Its namespace.
    pub xmlns: &'static str,
    /// The attribute that it has to have, if there are other such elements.
    pub with: Option<(&'static str, &'static str)>,
}

/// What of an element something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The whole element.
    Element,
    /// The value of that attribute.
    Attribute(&'static str),
    /// The value of the first of these attributes that is there.
    FirstAttribute(&'static [&'static str]),
    /// Its text.
    Text,
    /// The name of a child of that namespace.
    Name(&'static str),
}

/// The rules of something that [`Shape`] has no words for.
#[derive(Debug)]
pub struct Own {
    /// What the element has of it.
    pub read: fn(&Element) -> Option<Value>,
    /// Writes the value into the element.
    pub write: fn(&RawValue, &mut Element, &mut Writer) -> Result<(), Unusable>,
    /// What it looks like: like one of these.
    pub like: &'static [Shape],
}

impl Spot {
    /// That part of the element that the path leads to.
    pub const fn new(path: &'static [Tag], part: Part) -> Self {
        Spot { path, part }
    }
}

impl Tag {
    /// The child of that namespace and name.
    pub const fn new(xmlns: &'static str, name: &'static str) -> Self {
        Tag {
            name,
            xmlns,
            with: None,
        }
    }

    /// The first such child of an element.
    pub fn find<'a>(&self, element: &'a Element) -> Option<&'a Element> {
        element.elements().find(|child| self.fits(child))
    }

    /// Whether an element is meant.
    pub fn fits(&self, element: &Element) -> bool {
        element.name == self.name
            && element.attr("xmlns") == Some(self.xmlns)
            && self
                .with
                .is_none_or(|(name, value)| element.attr(name) == Some(value))
    }
}

impl Shape {
    /// What should be there, in words.
    pub fn expected(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Shape::True => "true",
            Shape::Text(text) => return text.expected(),
            Shape::Number => "a whole number from 0 on",
            Shape::Object(_) => "an object",
            Shape::List(_) => "a list",
            Shape::Own(own) => {
                let like: Vec<_> = own.like.iter().map(Shape::expected).collect();
                return Cow::Owned(like.join(" or "));
            }
        })
    }
}

impl Text {
    /// What should be there, in words.
    pub fn expected(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Text::Any => "a string",
            Text::Some => "a string that is not empty",
            Text::Jid => "a JID",
            Text::Time => "a time as in XEP-0082",
            Text::OneOf(texts) => {
                return Cow::Owned(format!("one of \"{}\"", texts.join("\", \"")));
            }
        })
    }

    /// Whether this is one of the strings.
    pub fn fits(self, text: &str) -> bool {
        match self {
            Text::Any => true,
            Text::Some => !text.is_empty(),
            Text::Jid => crate::stanza::jid::prepare(text).is_ok(),
            Text::Time => is_time(text),
            Text::OneOf(texts) => texts.contains(&text),
        }
    }
}

/// Whether a text is a time as XEP-0082 §3.2 has it, such as `1969-07-21T02:56:15.5Z`.
fn is_time(text: &str) -> bool {
    /// The digits of a number stand for themselves and for each other.
    fn has_form(text: &str, form: &str) -> bool {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(byte, like)| match like {
                    b'0' => byte.is_ascii_digit(),
                    like => byte == like,
                })
    }
    const UP_TO_SECONDS: &str = "0000-00-00T00:00:00";
    let Some((seconds, rest)) = text.split_at_checked(UP_TO_SECONDS.len()) else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(rest) => match rest.trim_start_matches(|c: char| c.is_ascii_digit()) {
            zone if zone.len() < rest.len() => zone,
            _ => return false,
        },
    };
    has_form(seconds, UP_TO_SECONDS)
        && (zone == "Z" || has_form(zone, "+00:00") || has_form(zone, "-00:00"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for time in [
            "1969-07-21T02:56:15Z",
            "1969-07-21T02:56:15.123456Z",
            "1969-07-20T21:56:15-05:00",
            "2026-01-01T00:00:00.0+01:00",
        ] {
            assert!(Text::Time.fits(time), "{time}");
        }
        for other in [
            "",
            "1969-07-21",
            "1969-07-21T02:56:15",
            "1969-07-21T02:56:15.Z",
            "1969-07-21 02:56:15Z",
            "1969-07-21T02:56:15z",
            "1969-07-21T02:56:15é",
            "19690721T02:56:15",
            "1969-07-21T02:56:15+1:00",
        ] {
            assert!(!Text::Time.fits(other), "{other}");
        }
    }
}
