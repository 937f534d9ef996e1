//! From JSON to a stanza.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde_json::value::RawValue;

use super::shape::{Member, Part, Shape, Spot, TOO_LARGE, Tag, Text};
use crate::mapping::{Unusable, object};
use crate::stanza::{Allowance, Element, Node, chars, jid};

/// How many characters of a value are repeated to whoever wrote it.
const SHOWN: usize = 40;

/// Happens when a value does not look like what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongShape {
    /// The property.
    pub property: &'static str,
    /// The value: the property, and where in it.
    pub place: String,
    /// What should be there.
    pub expected: Cow<'static, str>,
    /// What is there, without what it says; nothing if nothing is.
    pub found: Option<&'static str>,
    /// The beginning of what is there, for nobody but whoever wrote it.
    pub shown: String,
}

impl fmt::Display for WrongShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WrongShape {
            place, expected, ..
        } = self;
        match self.found {
            Some(found) => write!(
                f,
                "the property '{place}' should be {expected}, and is {found}"
            ),
            None => write!(
                f,
                "the property '{place}' is missing: it should be {expected}"
            ),
        }
    }
}

/// Writes the values of one property, and knows how much there may still be.
pub struct Writer<'a> {
    property: &'static str,
    allowance: &'a mut Allowance,
    /// Where in the property the value at hand is.
    trail: Vec<Step>,
}

enum Step {
    Member(&'static str),
    Item(usize),
}

impl<'a> Writer<'a> {
    /// A writer of that property.
    pub fn new(property: &'static str, allowance: &'a mut Allowance) -> Self {
        Writer {
            property,
            allowance,
            trail: Vec::new(),
        }
    }

    /// Writes a value to a spot of an element.
    ///
    /// # Errors
    /// If it does not look like that, has a character that XML forbids, or is too much.
    pub fn write(
        &mut self,
        value: &RawValue,
        element: &mut Element,
        spot: Spot,
        shape: &Shape,
    ) -> Result<(), Unusable> {
        match shape {
            Shape::List(item) => self.items(value, &mut |writer, value| {
                let target = writer.open(element, spot.path, true)?;
                writer.part(value, target, spot.part, item)
            }),
            Shape::True => match value.get() {
                "true" => self.open(element, spot.path, true).map(drop),
                "false" => Ok(()),
                _ => Err(self.wrong(value, shape.expected())),
            },
            shape => {
                let target = self.open(element, spot.path, spot.part == Part::Element)?;
                self.part(value, target, spot.part, shape)
            }
        }
    }

    /// Writes what an object has into the element that it stands for.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn object(
        &mut self,
        value: &RawValue,
        element: &mut Element,
        members: &'static [Member],
    ) -> Result<(), Unusable> {
        if !value.get().starts_with('{') {
            return Err(self.wrong(value, Shape::Object(members).expected()));
        }
        let known = |name: &str| {
            let member = members.iter().find(|member| member.name == name)?;
            Some(member.name)
        };
        let object = object::read(value, &known)?;
        for member in members {
            self.trail.push(Step::Member(member.name));
            match object.raw(member.name) {
                Some(value) => self.write(value, element, member.spot, &member.shape)?,
                None if member.is_required => return Err(self.missing(member.shape.expected())),
                None => {}
            }
            self.trail.pop();
        }
        Ok(())
    }

    /// Calls `take` with each item of a list.
    ///
    /// # Errors
    /// If it is none, and the first error of `take`.
    pub fn items(
        &mut self,
        list: &RawValue,
        take: &mut dyn FnMut(&mut Self, &RawValue) -> Result<(), Unusable>,
    ) -> Result<(), Unusable> {
        if !list.get().starts_with('[') {
            return Err(self.wrong(list, "a list"));
        }
        let mut number = 0;
        object::items(list.get(), &mut |item| {
            self.trail.push(Step::Item(number));
            take(self, item)?;
            self.trail.pop();
            number += 1;
            Ok(())
        })
    }

    /// One of those strings, as it is written.
    ///
    /// # Errors
    /// If it is something else, or has a character that XML forbids.
    pub fn text(&self, value: &RawValue, allowed: Text) -> Result<String, Unusable> {
        let wrong = || self.wrong(value, allowed.expected());
        if !value.get().starts_with('"') {
            return Err(wrong());
        }
        let text = object::unquoted(value.get())?;
        if !chars::all_allowed(&text) {
            return Err(Unusable::ForbiddenCharacter(self.property));
        }
        match allowed {
            Text::Jid => jid::prepare(&text).map_err(|_| wrong()),
            allowed if allowed.fits(&text) => Ok(text),
            _ => Err(wrong()),
        }
    }

    /// Adds a child with a text to an element.
    ///
    /// # Errors
    /// If it is too much.
    pub fn add(&mut self, element: &mut Element, tag: &Tag, text: String) -> Result<(), Unusable> {
        let mut child = self.make(tag)?;
        child.children.push(Node::Text(text));
        element.children.push(Node::Element(child));
        Ok(())
    }

    /// What is wrong with a value that is not what it should be.
    pub fn wrong(&self, value: &RawValue, expected: impl Into<Cow<'static, str>>) -> Unusable {
        let value = value.get();
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Unusable::WrongShape(Box::new(WrongShape {
            property: self.property,
            place: self.place(),
            expected: expected.into(),
            found: Some(object::type_of(value)),
            shown,
        }))
    }

    fn missing(&self, expected: Cow<'static, str>) -> Unusable {
        Unusable::WrongShape(Box::new(WrongShape {
            property: self.property,
            place: self.place(),
            expected,
            found: None,
            shown: String::new(),
        }))
    }

    fn place(&self) -> String {
        let mut place = self.property.to_owned();
        for step in &self.trail {
            let written = match step {
                Step::Member(name) => write!(place, ".{name}"),
                Step::Item(number) => write!(place, "[{number}]"),
            };
            written.expect("a string takes everything");
        }
        place
    }

    fn part(
        &mut self,
        value: &RawValue,
        target: &mut Element,
        part: Part,
        shape: &Shape,
    ) -> Result<(), Unusable> {
        let text = match shape {
            Shape::Object(members) => return self.object(value, target, members),
            Shape::Own(own) => return (own.write)(value, target, self),
            Shape::Text(allowed) => self.text(value, *allowed)?,
            Shape::Number => self.number(value)?,
            Shape::List(_) | Shape::True => return Ok(()),
        };
        match part {
            Part::Attribute(name) | Part::FirstAttribute(&[name, ..]) => {
                self.allowance.take(1)?;
                target.set_attr(name, text);
            }
            Part::Name(xmlns) => {
                self.allowance.take(2)?;
                let child = Element::new(text).with_attr("xmlns", xmlns);
                target.children.push(Node::Element(child));
            }
            Part::Text | Part::Element | Part::FirstAttribute([]) => {
                target.children.push(Node::Text(text))
            }
        }
        Ok(())
    }

    fn number(&self, value: &RawValue) -> Result<String, Unusable> {
        let text = value.get();
        let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if is_whole && number < TOO_LARGE => Ok(text.to_owned()),
            _ => Err(self.wrong(value, Shape::Number.expected())),
        }
    }

    /// The element that a path leads to. What is missing of it is made, and the last of it in any case if
    /// there is to be another one.
    fn open<'e>(
        &mut self,
        element: &'e mut Element,
        path: &[Tag],
        another: bool,
    ) -> Result<&'e mut Element, Unusable> {
        let Some((tag, rest)) = path.split_first() else {
            return Ok(element);
        };
        let is_there = |node: &Node| matches!(node, Node::Element(child) if tag.fits(child));
        let children = &mut element.children;
        let found = match another && rest.is_empty() {
            true => None,
            false => children.iter().position(is_there),
        };
        if found.is_none() {
            children.push(Node::Element(self.make(tag)?));
        }
        let at = found.unwrap_or(children.len() - 1);
        let Node::Element(child) = &mut children[at] else {
            unreachable!();
        };
        self.open(child, rest, another)
    }

    fn make(&mut self, tag: &Tag) -> Result<Element, Unusable> {
        let child = Element::new(tag.name).with_attr("xmlns", tag.xmlns);
        let child = match tag.with {
            Some((name, value)) => child.with_attr(name, value),
            None => child,
        };
        self.allowance.take(1 + child.attrs.len())?;
        Ok(child)
    }
}
