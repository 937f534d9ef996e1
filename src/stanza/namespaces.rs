//! What Namespaces in XML 1.0 forbids (§3), and what else in a namespace breaks some recipient's parser.

use super::xml_in::XmlError;

/// The namespace of a client's stream (RFC 6120 §4.8.3), which also stands for the default namespace of a
/// stream inside another namespace (§4.8.2).
pub const CLIENT_NS: &str = "jabber:client";

/// What the prefix `xml` is bound to, as in `xml:lang`.
pub const XML_NS: &str = "http://www.w3.org/XML/1998/namespace";

/// What the prefix `xmlns` is bound to.
const XMLNS_NS: &str = "http://www.w3.org/2000/xmlns/";

/// How many bytes a namespace may have.
///
/// An element and an attribute carry it whole where the XML has a prefix, so that a long one would grow
/// into many times the size of the answer. Those in use have less than a hundred.
pub const MAX_NAMESPACE: usize = 256;

/// Checks one declaration, `xmlns='…'` for no prefix or `xmlns:prefix='…'`.
///
/// # Errors
/// The [`XmlError`] that says what is wrong with it.
pub fn check_declaration(prefix: Option<&str>, namespace: &str) -> Result<(), XmlError> {
    match (prefix, namespace) {
        (Some("xml"), XML_NS) => Ok(()),
        (Some("xml" | "xmlns"), _) | (_, XML_NS | XMLNS_NS) => Err(XmlError::ReservedNamespace),
        (Some(_), "") => Err(XmlError::EmptyPrefix),
        _ if namespace.len() > MAX_NAMESPACE => Err(XmlError::LongNamespace),
        _ if !namespace.chars().all(may_be_in_uri) => Err(XmlError::NotAUri),
        _ => Ok(()),
    }
}

/// The characters of a URI reference (RFC 3986 §2), and all beyond ASCII, which an IRI may have. Parsers
/// keep namespace and name apart by one of the rest, and refuse a namespace that has it.
fn may_be_in_uri(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || "-._~:/?#[]@!$&'()*+,;=%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations() {
        let long = "x".repeat(MAX_NAMESPACE + 1);
        for (prefix, namespace, expected) in [
            (None, "", Ok(())),
            (None, "urn:x", Ok(())),
            (None, &long[1..], Ok(())),
            (Some("a"), "http://example.com/?a=1#b%20c", Ok(())),
            (Some("a"), "urn:größe", Ok(())),
            (Some("xml"), XML_NS, Ok(())),
            (Some("xml"), "urn:x", Err(XmlError::ReservedNamespace)),
            (Some("xml"), "", Err(XmlError::ReservedNamespace)),
            (Some("a"), XML_NS, Err(XmlError::ReservedNamespace)),
            (None, XML_NS, Err(XmlError::ReservedNamespace)),
            (Some("xmlns"), "urn:x", Err(XmlError::ReservedNamespace)),
            (Some("xmlns"), XMLNS_NS, Err(XmlError::ReservedNamespace)),
            (Some("a"), XMLNS_NS, Err(XmlError::ReservedNamespace)),
            (None, XMLNS_NS, Err(XmlError::ReservedNamespace)),
            (Some("a"), "", Err(XmlError::EmptyPrefix)),
            (None, &long, Err(XmlError::LongNamespace)),
            (Some("a"), "urn:a}b", Err(XmlError::NotAUri)),
            (None, "urn:a b", Err(XmlError::NotAUri)),
            (None, "\n", Err(XmlError::NotAUri)),
        ] {
            let found = check_declaration(prefix, namespace);
            assert_eq!(found, expected, "{prefix:?} {namespace:?}");
        }
    }
}
