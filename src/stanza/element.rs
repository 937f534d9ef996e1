//! An XML element in the conventions of Prosody's `util.stanza`.

use std::borrow::Cow;

use super::xml_out::XmlWriter;

/// A name that is mostly known at compile time.
pub type Name = Cow<'static, str>;

/// An element as Prosody keeps one.
///
/// The namespace is the attribute `xmlns`, absent on everything in the stream's default namespace whose
/// parent is in it too. A namespaced attribute is keyed `namespace\u{1}name`; `xml:lang` is literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub name: Name,
    /// Attributes in the order in which they are written.
    pub attrs: Vec<(Name, String)>,
    /// Child elements and text, in order.
    pub children: Vec<Node>,
}

/// What an element contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data, unescaped.
    Text(String),
}

impl Element {
    /// An element without attributes and children.
    pub fn new(name: impl Into<Name>) -> Self {
        Element {
            name: name.into(),
            attrs: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Adds an attribute; the caller sees to it that there is none of that name.
    pub fn with_attr(mut self, name: impl Into<Name>, value: impl Into<String>) -> Self {
        self.attrs.push((name.into(), value.into()));
        self
    }

    /// Adds an attribute if there is a value.
    pub fn with_opt_attr(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with_attr(name, value),
            None => self,
        }
    }

    /// Adds a child element.
    pub fn with_child(mut self, child: Element) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// Adds a text.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    /// Adds a child element that holds a text.
    pub fn with_text_child(self, name: &'static str, text: impl Into<String>) -> Self {
        self.with_child(Element::new(name).with_text(text))
    }

    /// The value of an attribute.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Sets an attribute, in place of one that is there.
    pub fn set_attr(&mut self, name: &'static str, value: impl Into<String>) {
        match self.attrs.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value.into(),
            None => self.attrs.push((name.into(), value.into())),
        }
    }

    /// The child elements.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child element of that name and `xmlns` attribute.
    pub fn child(&self, name: &str, xmlns: Option<&str>) -> Option<&Element> {
        self.elements()
            .find(|child| child.name == name && child.attr("xmlns") == xmlns)
    }

    /// How many elements there are: this one and all inside.
    pub fn count(&self) -> usize {
        1 + self.elements().map(Element::count).sum::<usize>()
    }

    /// The character data directly inside.
    pub fn text(&self) -> String {
        self.children
            .iter()
            .filter_map(|node| match node {
                Node::Text(text) => Some(text.as_str()),
                Node::Element(_) => None,
            })
            .collect()
    }

    /// The element as XML. Characters that XML forbids are the caller's business.
    pub fn to_xml(&self) -> String {
        let mut writer = XmlWriter::default();
        self.write(&mut writer);
        String::from_utf8(writer.into_bytes()).expect("only whole strings were written")
    }

    fn write(&self, writer: &mut XmlWriter) {
        writer.open(self.name.as_bytes());
        for (name, value) in &self.attrs {
            writer.attr(name.as_bytes(), value.as_bytes());
        }
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(writer),
                Node::Text(text) => writer.text(text.as_bytes()),
            }
        }
        writer.close(self.name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_was_built() {
        let mut element = Element::new("message")
            .with_attr("to", "a@b")
            .with_opt_attr("id", None)
            .with_text_child("body", "2 < 3")
            .with_child(Element::new("x").with_attr("xmlns", "urn:x"));
        element.set_attr("to", "c@d");
        element.set_attr("type", "chat");
        assert_eq!(
            element.to_xml(),
            "<message to='c@d' type='chat'><body>2 &lt; 3</body><x xmlns='urn:x'/></message>"
        );
        assert_eq!(element.child("body", None).unwrap().text(), "2 < 3");
        assert!(element.child("x", None).is_none());
        assert!(element.child("x", Some("urn:x")).is_some());
    }
}
