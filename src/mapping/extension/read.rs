//! From a stanza to JSON.

use serde_json::{Map, Value};

use super::shape::{Member, Part, Shape, Spot, TOO_LARGE, Tag};
use crate::stanza::Element;

/// What an element has at a spot, if it looks like that.
pub fn read(element: &Element, spot: Spot, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::List(item) => {
            let items = all(element, spot.path)
                .flat_map(|found| parts(found, spot.part, item))
                .collect::<Vec<_>>();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        shape => {
            let found = all(element, spot.path).next()?;
            parts(found, spot.part, shape).into_iter().next()
        }
    }
}

/// The elements that a path leads to: through the first of each tag, and then all of the last.
fn all<'a>(
    element: &'a Element,
    path: &'static [Tag],
) -> Box<dyn Iterator<Item = &'a Element> + 'a> {
    match path {
        [] => Box::new(std::iter::once(element)),
        [last] => Box::new(element.elements().filter(|child| last.fits(child))),
        [first, rest @ ..] => match first.find(element) {
            Some(child) => all(child, rest),
            None => Box::new(std::iter::empty()),
        },
    }
}

/// What an element has as that part: one value as a rule, and one for each name.
fn parts(element: &Element, part: Part, shape: &Shape) -> Vec<Value> {
    let text = |text: &str| value_of(text, shape);
    match part {
        Part::Element => whole(element, shape).into_iter().collect(),
        Part::Attribute(name) => element.attr(name).and_then(text).into_iter().collect(),
        Part::FirstAttribute(names) => {
            let value = names.iter().find_map(|name| element.attr(name));
            value.and_then(text).into_iter().collect()
        }
        Part::Text => text(&element.text()).into_iter().collect(),
        Part::Name(xmlns) => element
            .elements()
            .filter(|child| child.attr("xmlns") == Some(xmlns))
            .filter_map(|child| text(&child.name))
            .collect(),
    }
}

fn whole(element: &Element, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::True => Some(Value::Bool(true)),
        Shape::Object(members) => object(element, members),
        Shape::Own(own) => (own.read)(element),
        Shape::Text(_) | Shape::Number | Shape::List(_) => None,
    }
}

fn value_of(text: &str, shape: &Shape) -> Option<Value> {
    match shape {
        Shape::Text(allowed) => allowed.fits(text).then(|| Value::from(text)),
        Shape::Number => {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number: u64 = text.parse().ok().filter(|_| is_plain)?;
            (number < TOO_LARGE).then(|| Value::from(number))
        }
        Shape::True | Shape::Object(_) | Shape::List(_) | Shape::Own(_) => None,
    }
}

fn object(element: &Element, members: &[Member]) -> Option<Value> {
    let mut object = Map::new();
    for member in members {
        let value = read(element, member.spot, &member.shape);
        let value = match (value, &member.shape) {
            (None, Shape::List(_)) if member.is_required => Some(Value::Array(Vec::new())),
            (None, _) if member.is_required => return None,
            (value, _) => value,
        };
        if let Some(value) = value {
            object.insert(member.name.to_owned(), value);
        }
    }
    Some(Value::Object(object))
}
