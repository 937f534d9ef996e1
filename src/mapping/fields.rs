//! The properties that stand for parts of a stanza in the JSON of both directions: the one table of them.

use crate::stanza::{Envelope, Kind, Stanza};

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
}

/// What the value of a property may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string in both directions.
    String,
    /// A string in a request. In an answer it may be a number or a boolean, which becomes text.
    Text,
    /// A number in a request, and left out if the stanza has none there. In an answer as [`Value::Text`].
    Number,
}

/// What an item of an answer that comes bit by bit adds to the body of a message. No stanza has it.
pub const DELTA: &str = "delta";

const fn field(name: &'static str, place: Place, value: Value) -> Field {
    Field {
        name,
        place,
        value,
        only_of: None,
    }
}

/// All of them, attributes and children in the order in which a stanza has them.
pub const FIELDS: [Field; 13] = {
    use Place::{Attribute, Child, Whole};
    use Value::{Number, String, Text};
    [
        field("to", Attribute("to"), String),
        field("from", Attribute("from"), String),
        field("id", Attribute("id"), String),
        field("type", Attribute("type"), String),
        field("lang", Attribute("xml:lang"), Text),
        field("kind", Place::Kind, String),
        field("stanza", Whole, String),
        field("subject", Child("subject"), Text),
        Field {
            only_of: Some(Kind::Message),
            ..field("body", Child("body"), Text)
        },
        field("thread", Child("thread"), Text),
        field("show", Child("show"), Text),
        field("status", Child("status"), Text),
        field("priority", Child("priority"), Number),
    ]
};

/// The names of the children, in the order of [`Texts`](crate::stanza::Texts).
pub const CHILDREN: [&str; crate::stanza::TEXTS] = {
    let mut names = [""; crate::stanza::TEXTS];
    let (mut next, mut found) = (0, 0);
    while next < FIELDS.len() {
        if let Place::Child(name) = FIELDS[next].place {
            names[found] = name;
            found += 1;
        }
        next += 1;
    }
    assert!(found == names.len(), "stanza::TEXTS is another number");
    names
};

/// The text that a captured stanza has in a child of that name.
pub fn child<'a>(stanza: &'a Stanza, name: &str) -> Option<&'a str> {
    let place = CHILDREN.iter().position(|child| *child == name)?;
    stanza.texts[place].as_deref()
}

/// What a captured stanza has for a property.
pub fn text<'a>(stanza: &'a Stanza, field: &Field) -> Option<&'a str> {
    if field
        .only_of
        .is_some_and(|kind| kind != stanza.envelope.kind)
    {
        return None;
    }
    match field.place {
        Place::Kind => Some(stanza.envelope.kind.as_str()),
        Place::Whole => Some(&stanza.xml),
        Place::Attribute("xml:lang") => stanza.lang.as_deref(),
        Place::Attribute(name) => attribute(&stanza.envelope, name),
        Place::Child(name) => child(stanza, name),
    }
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
                assert!(one.name != other.name && one.place != other.place);
            }
        }
    }

    #[test]
    fn each_is_found_in_a_stanza_that_has_it() {
        let mut stanza = message();
        stanza.lang = Some("en".into());
        stanza.texts = CHILDREN.map(|name| Some(format!("the {name}")));
        for field in &FIELDS {
            let found = text(&stanza, field);
            assert!(found.is_some(), "{}", field.name);
            if let Place::Child(name) = field.place {
                assert_eq!(found, Some(format!("the {name}").as_str()));
            }
        }
    }
}
