//! What holds of the parsers of XML and JIDs, whatever they are given.

use super::xml_in::parse_stanza;
use super::{Allowance, Element, MAX_DEPTH, Node, chars, jid};

/// More than any text in here comes to.
const PLENTY: usize = 1 << 20;

/// What is accepted as a stanza is bounded, and is read back as the same stanza when it has been written.
pub fn xml(text: &str) {
    const AT_MOST: usize = 1000;
    let Ok((kind, element)) = parse_stanza(text, &mut Allowance::new(AT_MOST)) else {
        return;
    };
    assert!(element.count() <= AT_MOST);
    assert!(depth(&element) <= MAX_DEPTH);
    assert!(is_fit_to_be_written(&element), "{element:?}");
    let written = element.to_xml();
    // A prefix that stood on the root is declared on each attribute that has it.
    let read_back = parse_stanza(&written, &mut Allowance::new(PLENTY));
    assert_eq!(read_back, Ok((kind, joined(element))), "{written}");
}

/// What is accepted as a JID has one form, in which every part is there and none is too long.
pub fn jid(text: &str) {
    let Ok(prepared) = jid::prepare(text) else {
        return;
    };
    assert_eq!(jid::prepare(&prepared).as_deref(), Ok(prepared.as_str()));
    let (node, domain, resource) = (
        jid::node(&prepared),
        jid::domain(&prepared),
        jid::resource(&prepared),
    );
    for part in [node, Some(domain), resource].into_iter().flatten() {
        assert!((1..=1023).contains(&part.len()), "{prepared:?}");
    }
    assert!(!domain.ends_with('.'), "{prepared:?}");
    let node = node.map(|node| format!("{node}@")).unwrap_or_default();
    let resource = resource.map(|it| format!("/{it}")).unwrap_or_default();
    assert_eq!(format!("{node}{domain}{resource}"), prepared);
}

/// Whether any parser of XML 1.0 takes what is written of the element.
pub fn is_fit_to_be_written(element: &Element) -> bool {
    element
        .attrs
        .iter()
        .all(|(_, value)| chars::all_allowed(value))
        && element.children.iter().all(|node| match node {
            Node::Element(child) => is_fit_to_be_written(child),
            Node::Text(text) => chars::all_allowed(text),
        })
}

fn depth(element: &Element) -> usize {
    1 + element.elements().map(depth).max().unwrap_or_default()
}

/// The element with texts made one that nothing stands between.
fn joined(mut element: Element) -> Element {
    let mut children: Vec<Node> = Vec::new();
    for node in element.children {
        match (children.last_mut(), node) {
            (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&text),
            (_, Node::Text(text)) if text.is_empty() => {}
            (_, Node::Text(text)) => children.push(Node::Text(text)),
            (_, Node::Element(child)) => children.push(Node::Element(joined(child))),
        }
    }
    element.children = children;
    element
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    use super::*;

    /// Pieces of XML that mean something next to each other.
    const PIECES: &[&str] = &[
        "<message",
        "<iq ",
        "<presence>",
        "<a",
        "<p:a",
        "</a>",
        "</p:a>",
        "</message>",
        "/>",
        ">",
        " to='a@b'",
        " type=\"get\"",
        " xmlns='urn:x'",
        " xmlns=''",
        " xmlns='jabber:client'",
        " xmlns:p='urn:p'",
        " xmlns:q='urn:p'",
        " p:b='1'",
        " q:b='2'",
        " b='3'",
        " xml:lang='de'",
        " xmlns:xml='http://www.w3.org/XML/1998/namespace'",
        "&lt;",
        "&#13;",
        "&#xFFFF;",
        "&unknown;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?xml version='1.0'?>",
        "<!DOCTYPE message>",
        "\r\n",
        "\t",
        "\u{1}",
        "text",
        "é",
        "\u{1F916}",
    ];

    fn soup() -> impl Strategy<Value = String> {
        vec(select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
    }

    const ATTRIBUTES: &[&str] = &[
        " b='&#9;&apos;'",
        " c=\"'\"",
        " p:b='1'",
        " q:b='2'",
        " xml:lang='en'",
        " xmlns='urn:x'",
        " xmlns='jabber:client'",
        " xmlns=''",
        " xmlns:p='urn:r'",
    ];

    fn element(name: &str, attributes: &[&str], inside: &[String]) -> String {
        format!(
            "<{name}{}>{}</{name}>",
            attributes.concat(),
            inside.concat()
        )
    }

    /// A stanza whose elements have prefixes, and namespaces of all sorts.
    fn tree() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[ -~\u{a0}-\u{ff}]{0,8}".prop_map(|text| text.replace(['<', '&', '>'], "&amp;")),
            select(&["<![CDATA[<&\r\n]]>", "<!-- nothing -->", "&#13;"][..])
                .prop_map(str::to_owned),
        ];
        let nested = leaf.prop_recursive(6, 40, 5, |inner| {
            let name = select(&["a", "a", "p:a", "q:a", "message", "body"][..]);
            (name, subsequence(ATTRIBUTES, 0..3), vec(inner, 0..5))
                .prop_map(|(name, attributes, inside)| element(name, &attributes, &inside))
        });
        let name = select(&["message", "presence", "iq"][..]);
        (name, subsequence(ATTRIBUTES, 0..3), vec(nested, 0..4)).prop_map(
            |(name, mut attributes, inside)| {
                attributes.push(" xmlns:q='urn:q'");
                if !attributes.contains(&" xmlns:p='urn:r'") {
                    attributes.push(" xmlns:p='urn:p'");
                }
                element(name, &attributes, &inside)
            },
        )
    }

    /// What a JID is made of, and what is easily taken for it.
    fn address() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            select(
                &[
                    "@",
                    "/",
                    ".",
                    "..",
                    "a",
                    "A",
                    "ß",
                    "\u{AD}",
                    " ",
                    "☀",
                    "\u{1FAEA}",
                    "xn--",
                    "\u{3002}"
                ][..]
            )
            .prop_map(str::to_owned),
            "\\PC{0,3}",
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(1000)
        })]

        #[test]
        fn xml_is_read_back_as_it_was_read(text in prop_oneof![6 => tree(), 3 => soup(), 1 => any::<String>()]) {
            xml(&text);
        }

        #[test]
        fn a_jid_has_one_form(text in prop_oneof![address(), any::<String>()]) {
            jid(&text);
        }
    }
}
