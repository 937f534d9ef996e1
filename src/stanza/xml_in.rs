//! Reading the XML of one stanza that somebody else wrote (RFC 6120 §11: restricted XML).
//!
//! What is accepted here goes to clients and servers of all kinds, which close the stream over what their
//! parsers do not take. So it has to suit the strictest of them; and it has to be bounded before it is in
//! memory: in depth, in number, and in what each element and attribute costs.

use std::collections::HashSet;
use std::fmt;

use minidom::tree_builder::TreeBuilder;
use rxml::error::EndOrError;
use rxml::parser::{CommentMode, Options, WithOptions};
use rxml::{NcName, Parse, RawEvent, RawParser, RawQName};

use super::namespaces::{CLIENT_NS, MAX_NAMESPACE, XML_NS, check_declaration};
use super::{Allowance, Element, Kind, MAX_DEPTH, Node, names};

/// Namespaces in which a stanza may come, none at all among them: that of a client's stream (RFC 6120
/// §4.8.3) and that of a component's (XEP-0114).
const STANZA_NS: [&str; 3] = [CLIENT_NS, "jabber:component:accept", ""];

/// Why a text is not the XML of a stanza. None of it repeats the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// Happens when the text is not well-formed, uses what XMPP forbids (a DTD, processing
    /// instructions, entities of its own) or a character that XML forbids. Holds what the parser said.
    NotWellFormed(String),
    /// Happens when an element or attribute has a name that not every parser takes.
    UncommonName,
    /// Happens when an element has the same attribute twice.
    DuplicateAttribute,
    /// Happens when a prefix is used that nothing declares.
    UndeclaredPrefix,
    /// Happens when a prefix is declared to stand for no namespace, which Namespaces in XML 1.0 forbids.
    EmptyPrefix,
    /// Happens when `xml`, `xmlns` or the namespace of one is declared as Namespaces in XML 1.0 §3
    /// forbids, and when an element is in one of these.
    ReservedNamespace,
    /// Happens when a namespace has a character that is in no URI.
    NotAUri,
    /// Happens when a namespace has more than [`MAX_NAMESPACE`] bytes.
    LongNamespace,
    /// Happens when there are more than [`MAX_DEPTH`] levels of elements.
    TooDeep,
    /// Happens when there are more elements and attributes than the allowance has left.
    TooMany,
    /// Happens when the root is not message, presence or iq in a namespace for stanzas.
    NotAStanza,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            XmlError::NotWellFormed(reason) => write!(f, "not well-formed XML: {reason}"),
            XmlError::UncommonName => {
                f.write_str("a name with a character that many parsers do not take in names")
            }
            XmlError::DuplicateAttribute => f.write_str("the same attribute twice on one element"),
            XmlError::UndeclaredPrefix => f.write_str("an undeclared namespace prefix"),
            XmlError::EmptyPrefix => f.write_str("a namespace prefix that stands for nothing"),
            XmlError::ReservedNamespace => {
                f.write_str("a namespace or prefix that XML reserves for itself")
            }
            XmlError::NotAUri => f.write_str("a namespace that is not a URI"),
            XmlError::LongNamespace => {
                write!(f, "a namespace of more than {MAX_NAMESPACE} bytes")
            }
            XmlError::TooDeep => write!(f, "more than {MAX_DEPTH} levels of elements"),
            XmlError::TooMany => f.write_str("too many elements and attributes"),
            XmlError::NotAStanza => {
                f.write_str("the root is not message, presence or iq in a namespace for stanzas")
            }
        }
    }
}

impl std::error::Error for XmlError {}

impl From<EndOrError> for XmlError {
    fn from(error: EndOrError) -> Self {
        match error {
            EndOrError::NeedMoreData => XmlError::NotWellFormed("it ends too early".to_owned()),
            EndOrError::Error(
                rxml::Error::ReservedNamespacePrefix | rxml::Error::ReservedNamespaceName,
            ) => XmlError::ReservedNamespace,
            EndOrError::Error(rxml::Error::EmptyNamespaceUri) => XmlError::EmptyPrefix,
            EndOrError::Error(error) => XmlError::NotWellFormed(error.to_string()),
        }
    }
}

/// The stanza that a text holds, in Prosody's conventions, and its kind. Its elements and attributes,
/// declarations of namespaces among them, are taken off the allowance as they are read.
///
/// # Errors
/// [`XmlError`] if the text is anything but one stanza.
pub fn parse_stanza(xml: &str, allowance: &mut Allowance) -> Result<(Kind, Element), XmlError> {
    let mut parser = RawParser::with_options(Options {
        max_token_length: xml.len().max(1),
        comments: CommentMode::Discard,
        ..Options::default()
    });
    let in_a_stream = vec![CLIENT_NS.to_owned().into()];
    let mut builder = TreeBuilder::new().with_prefixes_stack(in_a_stream);
    let mut guard = Guard::new(allowance);
    // The parser takes no white space before the root, where it may be (XML 1.0 §2.8).
    let mut rest = xml.trim_start().as_bytes();
    while let Some(event) = parser.parse(&mut rest, true)? {
        guard.admit(&event)?;
        let head_closed = matches!(event, RawEvent::ElementHeadClose(_));
        builder
            .process_event(event)
            .map_err(|_| XmlError::UndeclaredPrefix)?;
        if head_closed {
            guard.check_attributes(builder.top())?;
        }
    }
    let root = builder
        .root
        .ok_or_else(|| XmlError::NotWellFormed("no element".to_owned()))?;
    let kind = Kind::from_name(root.name())
        .filter(|_| STANZA_NS.contains(&root.ns().as_str()))
        .ok_or(XmlError::NotAStanza)?;
    Ok((kind, convert(&root, true)))
}

/// Watches over what the parser and the tree builder leave to others, before the tree grows.
struct Guard<'a> {
    allowance: &'a mut Allowance,
    depth: usize,
    /// Those of the element that is being read, and how many of them are no declarations.
    attributes: HashSet<RawQName>,
    plain: usize,
}

impl<'a> Guard<'a> {
    fn new(allowance: &'a mut Allowance) -> Self {
        Guard {
            allowance,
            depth: 0,
            attributes: HashSet::new(),
            plain: 0,
        }
    }

    fn admit(&mut self, event: &RawEvent) -> Result<(), XmlError> {
        match event {
            RawEvent::ElementHeadOpen(_, name) => {
                self.count()?;
                self.admit_element(name)
            }
            RawEvent::Attribute(_, name, value) => {
                self.count()?;
                self.admit_attribute(name, value)
            }
            RawEvent::ElementFoot(_) => {
                self.depth -= 1;
                Ok(())
            }
            RawEvent::XmlDeclaration(..) | RawEvent::ElementHeadClose(_) | RawEvent::Text(..) => {
                Ok(())
            }
        }
    }

    fn admit_element(&mut self, (prefix, name): &RawQName) -> Result<(), XmlError> {
        self.attributes.clear();
        self.plain = 0;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        // An element of XML's own namespace can be written with the prefix `xml` alone, which none that
        // has gone through Prosody is.
        if matches!(prefix.as_ref().map(NcName::as_str), Some("xml" | "xmlns")) {
            return Err(XmlError::ReservedNamespace);
        }
        check_name(name)
    }

    fn admit_attribute(&mut self, attribute: &RawQName, value: &str) -> Result<(), XmlError> {
        if !self.attributes.insert(attribute.clone()) {
            return Err(XmlError::DuplicateAttribute);
        }
        let (prefix, name) = attribute;
        match (prefix.as_ref().map(NcName::as_str), name.as_str()) {
            (None, "xmlns") => check_declaration(None, value),
            (Some("xmlns"), prefix) => check_declaration(Some(prefix), value),
            _ => {
                self.plain += 1;
                check_name(name)
            }
        }
    }

    /// Two prefixes for one namespace can make two names the same (Namespaces in XML 1.0 §6.3): the
    /// element then has fewer attributes than its tag.
    fn check_attributes(&self, element: Option<&minidom::Element>) -> Result<(), XmlError> {
        match element {
            Some(element) if element.attrs().len() < self.plain => {
                Err(XmlError::DuplicateAttribute)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self) -> Result<(), XmlError> {
        self.allowance.take(1).map_err(|_| XmlError::TooMany)
    }
}

fn check_name(name: &NcName) -> Result<(), XmlError> {
    if names::is_known_to_all(name.as_str()) {
        Ok(())
    } else {
        Err(XmlError::UncommonName)
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
    use super::super::allowance::Exhausted;
    use super::*;

    fn parse(xml: &str) -> Result<Element, XmlError> {
        parse_stanza(xml, &mut Allowance::new(1000)).map(|(_, element)| element)
    }

    fn read(xml: &str) -> String {
        parse(xml).unwrap().to_xml()
    }

    fn refused(xml: &str) -> XmlError {
        parse(xml).unwrap_err()
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
    fn what_xml_reserves() {
        const XML: &str = "http://www.w3.org/XML/1998/namespace";
        const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
        for xml in [
            "<message xmlns:xml='urn:x'/>".to_owned(),
            format!("<message xmlns:p='{XML}' p:lang='de'/>"),
            format!("<message><x xmlns='{XML}'/></message>"),
            format!("<message xmlns:xmlns='{XMLNS}'/>"),
            format!("<message><p:x xmlns:p='{XMLNS}'/></message>"),
            format!("<message><x xmlns='{XMLNS}'/></message>"),
            "<message><xml:x/></message>".to_owned(),
            "<message><xmlns:x/></message>".to_owned(),
        ] {
            assert_eq!(refused(&xml), XmlError::ReservedNamespace, "{xml}");
        }
        assert_eq!(
            refused("<message><x xmlns:a='urn:x'><y xmlns:a=''/></x></message>"),
            XmlError::EmptyPrefix
        );
        assert_eq!(
            read(&format!(
                "<message xmlns:xml='{XML}' xml:space='preserve'/>"
            )),
            "<message xml:space='preserve'/>"
        );
    }

    #[test]
    fn what_some_parsers_do_not_take() {
        for xml in [
            "<message><\u{2C00}/></message>",
            "<message \u{2C00}='1'/>",
            "<message xmlns:p='urn:p' p:\u{2C00}='1'/>",
        ] {
            assert_eq!(refused(xml), XmlError::UncommonName, "{xml}");
        }
        assert_eq!(
            refused("<message><x xmlns='urn:a}b'/></message>"),
            XmlError::NotAUri
        );
        read("<message><größe xmlns='urn:größe'/></message>");
    }

    #[test]
    fn elements_attributes_and_declarations_are_counted() {
        let xml = "<message a='1'><x xmlns='urn:x' xmlns:p='urn:p' p:b='2'/></message>";
        let mut allowance = Allowance::new(6);
        assert!(parse_stanza(xml, &mut allowance).is_ok());
        assert_eq!(allowance.take(1), Err(Exhausted));
        for count in 0..6 {
            let error = parse_stanza(xml, &mut Allowance::new(count)).unwrap_err();
            assert_eq!(error, XmlError::TooMany);
        }
    }

    #[test]
    fn what_comes_after_the_last_that_is_allowed_is_not_read() {
        let broken = format!("<message{}", " a".repeat(100));
        let xml = format!("<message xmlns:a='urn:a' b='2' c='3'>{broken}");
        let error = parse_stanza(&xml, &mut Allowance::new(3)).unwrap_err();
        assert_eq!(error, XmlError::TooMany);
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
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refused(&nested(MAX_DEPTH + 1)), XmlError::TooDeep);
        assert_eq!(refused(&nested(1_000_000)), XmlError::TooDeep);
    }

    #[test]
    fn attributes_of_any_length() {
        let long = "x".repeat(100_000);
        let message = parse(&format!("<message a='{long}'/>")).unwrap();
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
        let read = parse(&element.to_xml()).unwrap();
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
