//! The properties that stand for parts of a stanza in the JSON of both directions.

mod table;

use super::extension::{Shape, Spot};
use crate::stanza::{Envelope, Kind, Stanza};

pub use table::FIELDS;
use table::PLAIN;

/// A property.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What of the stanza it stands for.
    pub place: Place,
    /// What its value may be.
    pub value: Value,
    /// The one kind of stanza that has it in a request, if not all may.
    pub only_of: Option<Kind>,
    /// Which way it goes.
    pub way: Way,
    /// What it is, for the manual and the JSON Schema, and the XEPs that define it.
    pub about: (&'static str, &'static [u16]),
}

/// What of a stanza a property stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The name of its element.
    Kind,
    /// All of it, as XML.
    Whole,
    /// An attribute of that name.
    Attribute(&'static str),
    /// The text of the first child of that name, in the stanza's own namespace.
    Child(&'static str),
    /// Something of an extension.
    Extension(Spot),
    /// What the body has been freed of, see [`fallback`](super::extension::fallback).
    Fallback,
}

/// What the value of a property may be.
#[derive(Debug)]
pub enum Value {
    /// A string in both directions.
    String,
    /// A string in a request. In an answer it may be a number or a boolean, which becomes text.
    Text,
    /// A number in a request, and left out if the stanza has none there. In an answer as [`Value::Text`].
    Number,
    /// What looks like that, in both directions.
    Shaped(Shape),
}

/// What an item of an answer that comes bit by bit adds to the body of a message. No stanza has it.
pub const DELTA: &str = "delta";

/// Which way a property goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both.
    Both,
    /// To the service.
    Request,
    /// From the service, asked or not.
    Reply,
}

/// The names of the children, in the order of [`Texts`](crate::stanza::Texts).
pub const CHILDREN: [&str; crate::stanza::TEXTS] = {
    let mut names = [""; crate::stanza::TEXTS];
    let (mut next, mut found) = (0, 0);
    while next < PLAIN {
        if let Place::Child(name) = FIELDS[next].place {
            names[found] = name;
            found += 1;
        }
        next += 1;
    }
    assert!(found == names.len(), "stanza::TEXTS is another number");
    names
};

/// Those that are no extension.
pub fn plain() -> impl Iterator<Item = &'static Field> {
    FIELDS[..PLAIN].iter()
}

/// Those of extensions that are in requests.
pub fn extensions_of_requests() -> impl Iterator<Item = &'static Field> {
    let extensions = FIELDS[PLAIN..].iter();
    extensions.filter(|field| field.way != Way::Reply)
}

/// The property of that name that a service may use.
pub fn of_reply(name: &str) -> Option<&'static Field> {
    let field = FIELDS.iter().find(|field| field.name == name)?;
    (field.way != Way::Request).then_some(field)
}

/// The text that a captured stanza has in a child of that name.
pub fn child<'a>(stanza: &'a Stanza, name: &str) -> Option<&'a str> {
    let place = CHILDREN.iter().position(|child| *child == name)?;
    stanza.texts[place].as_deref()
}

/// What a captured stanza has for the properties that are no extension.
pub fn texts(stanza: &Stanza) -> impl Iterator<Item = (&'static Field, &str)> {
    let kind = stanza.envelope.kind;
    let mut texts = stanza.texts.iter();
    plain().filter_map(move |field| {
        let text = match field.place {
            Place::Kind => Some(kind.as_str()),
            Place::Whole => Some(&*stanza.xml),
            Place::Attribute("xml:lang") => stanza.lang.as_deref(),
            Place::Attribute(name) => attribute(&stanza.envelope, name),
            // They come in the order of the table.
            Place::Child(_) => texts.next()?.as_deref(),
            Place::Extension(_) | Place::Fallback => None,
        };
        let may_have_it = field.only_of.is_none_or(|only| only == kind);
        Some((field, text.filter(|_| may_have_it)?))
    })
}

fn attribute<'a>(envelope: &'a Envelope, name: &str) -> Option<&'a str> {
    match name {
        "to" => Some(&envelope.to),
        "from" => Some(&envelope.from),
        "type" => envelope.type_.as_deref(),
        "id" => envelope.id.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;

    #[test]
    fn each_has_a_name_and_a_place_of_its_own() {
        for (number, one) in FIELDS.iter().enumerate() {
            for other in &FIELDS[..number] {
                // Those that have rules of their own are given all of the stanza.
                let is_same = match (&one.value, &other.value) {
                    (Value::Shaped(Shape::Own(_)), _) => false,
                    _ => one.place == other.place,
                };
                assert!(one.name != other.name && !is_same, "{}", one.name);
            }
        }
    }

    #[test]
    fn each_is_found_in_a_stanza_that_has_it() {
        let mut stanza = message();
        stanza.lang = Some("en".into());
        stanza.texts = CHILDREN.map(|name| Some(format!("the {name}").into()));
        let found: Vec<_> = texts(&stanza).collect();
        assert_eq!(found.len(), PLAIN);
        for (field, text) in found {
            if let Place::Child(name) = field.place {
                assert_eq!(text, format!("the {name}"));
            }
        }
    }
}
