//! The values of a field in a form (XEP-0004 §3.2).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Own, Shape, Tag, Text, Writer};
use crate::mapping::Unusable;
use crate::stanza::{Element, ns};

/// XEP-0004 §3.3.
pub const FIELD_TYPES: &[&str] = &[
    "boolean",
    "fixed",
    "hidden",
    "jid-multi",
    "jid-single",
    "list-multi",
    "list-single",
    "text-multi",
    "text-private",
    "text-single",
];

/// Those that hold a list, whatever is in it.
const LISTS: [&str; 2] = ["jid-multi", "list-multi"];

/// The type whose values are the lines of one text.
const LINES: &str = "text-multi";

/// What a value stands in.
pub const VALUE_TAG: Tag = Tag::new(ns::DATA_FORMS, "value");

/// The value or the values of a field: a string; or a list, if its type is one of a list, or if it has no type
/// and there are several.
pub const VALUE: Own = Own {
    read,
    write,
    like: &[Shape::Text(Text::Any), Shape::List(&Shape::Text(Text::Any))],
};

fn read(field: &Element) -> Option<Value> {
    let values = || field.elements().filter(|child| VALUE_TAG.fits(child));
    let mut texts = values().map(Element::text).peekable();
    texts.peek()?;
    Some(match field.attr("type") {
        Some(LINES) => Value::String(texts.collect::<Vec<_>>().join("\n")),
        Some(type_) if LISTS.contains(&type_) => texts.collect(),
        None if values().count() > 1 => texts.collect(),
        _ => Value::String(texts.next()?),
    })
}

fn write(value: &RawValue, field: &mut Element, writer: &mut Writer) -> Result<(), Unusable> {
    match value.get().as_bytes().first() {
        Some(b'"') => {
            let text = writer.text(value, Text::Any)?;
            if field.attr("type") == Some(LINES) {
                text.split('\n')
                    .try_for_each(|line| writer.add(field, &VALUE_TAG, line.to_owned()))
            } else {
                writer.add(field, &VALUE_TAG, text)
            }
        }
        Some(b'[') => writer.items(value, &mut |writer, value| {
            let text = writer.text(value, Text::Any)?;
            writer.add(field, &VALUE_TAG, text)
        }),
        _ => Err(writer.wrong(value, Shape::Own(&VALUE).expected())),
    }
}
