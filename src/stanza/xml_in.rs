//! Reading the XML of one stanza that somebody else wrote (RFC 6120 §11: restricted XML).
//!
//! minidom builds the tree, from the events of the parser that it uses itself, so that depth and
//! duplicate attributes are caught before there is a tree: minidom alone has no limit on the one and
//! lets the last of the other win.

use std::fmt;

use minidom::tree_builder::TreeBuilder;
use rxml::error::EndOrError;
use rxml::parser::{CommentMode, Options, WithOptions};
use rxml::{Parse, RawEvent, RawParser, RawQName};

use super::{Element, Kind, MAX_DEPTH, Node};

/// What stands for the default namespace of a stream inside another namespace (RFC 6120 §4.8.2).
const CLIENT_NS: &str = "jabber:client";

/// Namespaces in which a stanza may come, none at all among them: that of a client's stream (RFC 6120
/// §4.8.3) and that of a component's (XEP-0114).
const STANZA_NS: [&str; 3] = [CLIENT_NS, "jabber:component:accept", ""];

/// The namespace of `xml:lang` (Namespaces in XML 1.0 §3).
const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";

/// Why a text is not the XML of a stanza. None of it repeats the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// Happens when the text is not well-formed, uses what XMPP forbids (a DTD, processing
    /// instructions, entities of its own) or a character that XML forbids. Holds what the parser said.
    NotWellFormed(String),
    /// Happens when an element has the same attribute twice.
    DuplicateAttribute,
    /// Happens when a prefix is used that nothing declares.
    UndeclaredPrefix,
    /// Happens when there are more than [`MAX_DEPTH`] levels of elements.
    TooDeep,
    /// Happens when the root is not message, presence or iq in a namespace for stanzas.
    NotAStanza,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XmlError::NotWellFormed(reason) => write!(f, "not well-formed XML: {reason}"),
            XmlError::DuplicateAttribute => f.write_str("the same attribute twice on one element"),
            XmlError::UndeclaredPrefix => f.write_str("an undeclared namespace prefix"),
            XmlError::TooDeep => write!(f, "more than {MAX_DEPTH} levels of elements"),
            XmlError::NotAStanza => {
                f.write_str("the root is not message, presence or iq in a namespace for stanzas")
            }
        }
    }
}

impl std::error::Error for XmlError {}

/// The stanza that a text holds, in Prosody's conventions, and its kind.
///
/// # Errors
/// [`XmlError`] if the text is anything but one stanza.
pub fn parse_stanza(xml: &str) -> Result<(Kind, Element), XmlError> {
    let root = parse(xml)?;
    let kind = Kind::from_name(root.name())
        .filter(|_| STANZA_NS.contains(&root.ns().as_str()))
        .ok_or(XmlError::NotAStanza)?;
    Ok((kind, convert(&root, true)))
}

fn parse(xml: &str) -> Result<minidom::Element, XmlError> {
    let mut parser = RawParser::with_options(Options {
        max_token_length: xml.len().max(1),
        comments: CommentMode::Discard,
        ..Options::default()
    });
    let prefixes = vec![CLIENT_NS.to_owned().into()];
    let mut builder = TreeBuilder::new().with_prefixes_stack(prefixes);
    let mut guard = Guard::default();
    // The parser takes no white space before the root, where it may be (XML 1.0 §2.8).
    let mut rest = xml.trim_start().as_bytes();
    loop {
        match parser.parse(&mut rest, true) {
            Ok(Some(event)) => {
                guard.admit(&event)?;
                let head_closed = matches!(event, RawEvent::ElementHeadClose(_));
                builder
                    .process_event(event)
                    .map_err(|_| XmlError::UndeclaredPrefix)?;
                if head_closed {
                    guard.check_attributes(builder.top())?;
                }
            }
            Ok(None) => break,
            Err(EndOrError::Error(error)) => {
                return Err(XmlError::NotWellFormed(error.to_string()));
            }
            Err(EndOrError::NeedMoreData) => {
                return Err(XmlError::NotWellFormed("it ends too early".to_owned()));
            }
        }
    }
    builder
        .root
        .ok_or_else(|| XmlError::NotWellFormed("no element".to_owned()))
}

/// Watches over what the parser and the tree builder leave to others.
#[derive(Default)]
struct Guard {
    depth: usize,
    attributes: Vec<RawQName>,
}

impl Guard {
    fn admit(&mut self, event: &RawEvent) -> Result<(), XmlError> {
        match event {
            RawEvent::ElementHeadOpen(..) => {
                self.attributes.clear();
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(XmlError::TooDeep);
                }
            }
            RawEvent::ElementFoot(_) => self.depth -= 1,
            RawEvent::Attribute(_, name, _) => {
                if self.attributes.contains(name) {
                    return Err(XmlError::DuplicateAttribute);
                }
                self.attributes.push(name.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// Two prefixes for one namespace can make two names the same (Namespaces in XML 1.0 §6.3): the
    /// element then has fewer attributes than its tag.
    fn check_attributes(&self, element: Option<&minidom::Element>) -> Result<(), XmlError> {
        let written = self
            .attributes
            .iter()
            .filter(|name| !declares_namespace(name))
            .count();
        match element {
            Some(element) if element.attrs().len() < written => Err(XmlError::DuplicateAttribute),
            _ => Ok(()),
        }
    }
}

fn declares_namespace((prefix, name): &RawQName) -> bool {
    match prefix {
        Some(prefix) => prefix.as_str() == "xmlns",
        None => name.as_str() == "xmlns",
    }
}

/// Turns namespaces into what Prosody's own stream parser makes of them: nothing on elements of the
/// stream's namespace all of whose ancestors are in it, else the attribute `xmlns`.
fn convert(source: &minidom::Element, parent_in_stream_ns: bool) -> Element {
    let ns = source.ns();
    let in_stream_ns = parent_in_stream_ns && STANZA_NS.contains(&ns.as_str());
    let mut element = Element::new(source.name().to_owned());
    if !in_stream_ns {
        element = element.with_attr("xmlns", ns);
    }
    for ((ns, name), value) in source.attrs() {
        let key = match ns.as_str() {
            "" => name.to_string(),
            XML_NS => format!("xml:{name}"),
            ns => format!("{ns}\u{1}{name}"),
        };
        element = element.with_attr(key, value.clone());
    }
    element.children = source
        .nodes()
        .map(|node| match node {
            minidom::Node::Element(child) => Node::Element(convert(child, in_stream_ns)),
            minidom::Node::Text(text) => Node::Text(text.clone()),
        })
        .collect();
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str) -> String {
        parse_stanza(xml).unwrap().1.to_xml()
    }

    fn refused(xml: &str) -> XmlError {
        parse_stanza(xml).unwrap_err()
    }

    #[test]
    fn the_default_namespace_is_dropped_at_every_level() {
        let plain = "<message to='a@b'><body>hi</body></message>";
        assert_eq!(read(plain), plain);
        for ns in ["jabber:client", "jabber:component:accept", ""] {
            assert_eq!(
                read(&format!(
                    "<message xmlns='{ns}' to='a@b'><body>hi</body></message>"
                )),
                plain
            );
        }
        assert_eq!(
            read("<c:message xmlns:c='jabber:client' to='a@b'><c:body>hi</c:body></c:message>"),
            plain
        );
        assert_eq!(
            read("<message to='a@b'><body xmlns='jabber:client'>hi</body></message>"),
            plain
        );
    }

    #[test]
    fn other_namespaces_stay_at_every_level() {
        assert_eq!(
            read("<iq><x xmlns='urn:x' xmlns:y='urn:y' y:a='1' b='2'><z/><y:z/></x></iq>"),
            "<iq><x xmlns='urn:x' b='2' xmlns:ns1='urn:y' ns1:a='1'><z xmlns='urn:x'/><z xmlns='urn:y'/></x></iq>"
        );
    }

    #[test]
    fn a_forwarded_stanza_keeps_its_namespace() {
        let xml = "<message><f xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>\
                   <body xmlns='jabber:client'>hi</body></message></f></message>";
        assert_eq!(read(xml), xml);
    }

    #[test]
    fn language_entities_cdata_and_comments() {
        assert_eq!(
            read(
                "<?xml version='1.0'?>\n<message xml:lang='de'>&lt;<!-- no -->&#x20AC;<![CDATA[<&]]></message>\n"
            ),
            "<message xml:lang='de'>&lt;€&lt;&amp;</message>"
        );
    }

    #[test]
    fn white_space_around_the_stanza() {
        assert_eq!(read("\n\t <message/> \r\n"), "<message/>");
    }

    #[test]
    fn only_stanzas() {
        assert_eq!(refused("<body/>"), XmlError::NotAStanza);
        assert_eq!(refused("<message xmlns='urn:x'/>"), XmlError::NotAStanza);
        assert_eq!(
            refused("<message xmlns='http://etherx.jabber.org/streams'/>"),
            XmlError::NotAStanza
        );
    }

    #[test]
    fn what_is_not_well_formed() {
        for xml in [
            "",
            "hello",
            "<message>",
            "<message></iq>",
            "<message/><message/>",
            "<message/>garbage",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><message>&b;</message>",
            "<?php echo 1 ?><message/>",
            "<message>&nbsp;</message>",
            "<message>\u{14}</message>",
            "<message>&#0;</message>",
            "<message>&#x14;</message>",
            "<message>\u{FFFF}</message>",
            "<message>&#xFFFE;</message>",
            "<message a='\u{1}'/>",
        ] {
            assert!(
                matches!(refused(xml), XmlError::NotWellFormed(_)),
                "{xml:?}"
            );
        }
        assert_eq!(refused("<a:message/>"), XmlError::UndeclaredPrefix);
        assert_eq!(refused("<message a:b='1'/>"), XmlError::UndeclaredPrefix);
    }

    #[test]
    fn an_attribute_stands_once() {
        for xml in [
            "<message to='a' to='b'/>",
            "<message xmlns='jabber:client' xmlns='jabber:client'/>",
            "<message xmlns:a='urn:x' xmlns:b='urn:x' a:c='1' b:c='2'/>",
        ] {
            assert_eq!(refused(xml), XmlError::DuplicateAttribute, "{xml}");
        }
        read("<message xmlns:a='urn:x' a:to='1' to='2'/>");
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |levels: usize| {
            let inner = levels - 1;
            format!(
                "<message>{}{}</message>",
                "<a>".repeat(inner),
                "</a>".repeat(inner)
            )
        };
        assert!(parse_stanza(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)), XmlError::TooDeep);
        assert_eq!(refused(&nested(1_000_000)), XmlError::TooDeep);
    }

    #[test]
    fn attributes_of_any_length() {
        let long = "x".repeat(100_000);
        let (_, message) = parse_stanza(&format!("<message a='{long}'/>")).unwrap();
        assert_eq!(message.attr("a"), Some(long.as_str()));
    }

    #[test]
    fn what_we_write_reads_back_to_the_same() {
        let element = Element::new("message")
            .with_attr("a", "1\n2\t3\r4'\"&<>")
            .with_attr("xml:lang", "en")
            .with_text_child("body", "1\n2\t3\r4'\"&<>]]>é😀")
            .with_child(
                Element::new("x")
                    .with_attr("xmlns", "urn:x")
                    .with_attr("urn:y\u{1}b", "c"),
            );
        let (_, read) = parse_stanza(&element.to_xml()).unwrap();
        let text = |e: &Element| e.child("body", None).unwrap().text();
        assert_eq!(
            (read.attr("a"), text(&read)),
            (element.attr("a"), text(&element))
        );
        assert_eq!(read.attr("xml:lang"), Some("en"));
        assert_eq!(
            read.child("x", Some("urn:x")).unwrap().attr("urn:y\u{1}b"),
            Some("c")
        );
    }
}
