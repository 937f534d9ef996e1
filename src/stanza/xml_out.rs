//! Writing XML (XML 1.0, Namespaces in XML 1.0), so that any parser reads back what was written.
//!
//! Takes bytes, since that is what Lua has; whoever needs a `String` checks the whole at the end.

use super::namespaces::XML_NS;

/// Writes one element tree into a buffer.
#[derive(Debug, Default)]
pub struct XmlWriter {
    xml: Vec<u8>,
    in_tag: bool,
    prefixes: usize,
    forbidden: bool,
}

impl XmlWriter {
    /// A writer whose buffer has room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        XmlWriter {
            xml: Vec::with_capacity(bytes),
            ..XmlWriter::default()
        }
    }

    /// Begins an element.
    pub fn open(&mut self, name: &[u8]) {
        self.end_tag();
        self.xml.push(b'<');
        self.xml.extend_from_slice(name);
        self.in_tag = true;
        self.prefixes = 0;
    }

    /// Adds an attribute to the element just begun. A key `namespace\u{1}name` declares a prefix for its
    /// namespace on the spot, but for the one that has a prefix without a declaration.
    pub fn attr(&mut self, key: &[u8], value: &[u8]) {
        match key.iter().position(|byte| *byte == 1) {
            None => {
                // No element can declare that it is in this one (Namespaces in XML 1.0 §3).
                self.forbidden |= key == b"xmlns" && value == XML_NS.as_bytes();
                self.plain_attr(key, value);
            }
            Some(at) if key[..at] == *XML_NS.as_bytes() => {
                self.plain_attr(&[b"xml:", &key[at + 1..]].concat(), value);
            }
            Some(at) => {
                self.prefixes += 1;
                let prefix = format!("ns{}:", self.prefixes).into_bytes();
                let declaration = [b"xmlns:", &prefix[..prefix.len() - 1]].concat();
                self.plain_attr(&declaration, &key[..at]);
                self.plain_attr(&[&prefix, &key[at + 1..]].concat(), value);
            }
        }
    }

    fn plain_attr(&mut self, key: &[u8], value: &[u8]) {
        self.xml.push(b' ');
        self.xml.extend_from_slice(key);
        self.xml.extend_from_slice(b"='");
        self.escaped(value, IN_ATTRIBUTE);
        self.xml.push(b'\'');
    }

    /// Adds character data to the element begun last and not yet closed.
    pub fn text(&mut self, text: &[u8]) {
        self.end_tag();
        self.escaped(text, IN_TEXT);
    }

    /// Closes the element begun last and not yet closed.
    pub fn close(&mut self, name: &[u8]) {
        if self.in_tag {
            self.in_tag = false;
            self.xml.extend_from_slice(b"/>");
        } else {
            self.xml.extend_from_slice(b"</");
            self.xml.extend_from_slice(name);
            self.xml.push(b'>');
        }
    }

    /// Whether something was written that XML forbids: a character, or an element in XML's own namespace.
    pub fn has_forbidden(&self) -> bool {
        self.forbidden
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.xml
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.in_tag = false;
            self.xml.push(b'>');
        }
    }

    fn escaped(&mut self, raw: &[u8], place: u8) {
        let mut clean = 0;
        for (at, byte) in raw.iter().enumerate() {
            let class = CLASS[*byte as usize];
            if class & (place | SUSPECT) == 0 {
                continue;
            }
            if class & SUSPECT != 0 {
                // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
                self.forbidden |=
                    *byte < 0x20 || matches!(raw.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF]));
                continue;
            }
            self.xml.extend_from_slice(&raw[clean..at]);
            self.xml.extend_from_slice(reference(*byte));
            clean = at + 1;
        }
        self.xml.extend_from_slice(&raw[clean..]);
    }
}

/// The reference that stands for a character. White space needs one where a parser would normalise it:
/// carriage returns everywhere (XML 1.0 §2.11), the rest in attributes (§3.3.3).
fn reference(byte: u8) -> &'static [u8] {
    match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'\'' => b"&apos;",
        b'"' => b"&quot;",
        b'\t' => b"&#9;",
        b'\n' => b"&#10;",
        _ => b"&#13;",
    }
}

const IN_TEXT: u8 = 1;
const IN_ATTRIBUTE: u8 = 2;
const SUSPECT: u8 = 4;

/// What each byte calls for, so that a byte that calls for nothing costs one look.
static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        class[byte] = SUSPECT;
        byte += 1;
    }
    class[0xEF] = SUSPECT;
    class[b'\t' as usize] = IN_ATTRIBUTE;
    class[b'\n' as usize] = IN_ATTRIBUTE;
    class[b'\'' as usize] = IN_ATTRIBUTE;
    class[b'"' as usize] = IN_ATTRIBUTE;
    class[b'\r' as usize] = IN_TEXT | IN_ATTRIBUTE;
    class[b'&' as usize] = IN_TEXT | IN_ATTRIBUTE;
    class[b'<' as usize] = IN_TEXT | IN_ATTRIBUTE;
    class[b'>' as usize] = IN_TEXT | IN_ATTRIBUTE;
    class
};

#[cfg(test)]
mod tests {
    use super::*;

    fn written(steps: impl FnOnce(&mut XmlWriter)) -> (String, bool) {
        let mut writer = XmlWriter::default();
        steps(&mut writer);
        let forbidden = writer.has_forbidden();
        (String::from_utf8(writer.into_bytes()).unwrap(), forbidden)
    }

    #[test]
    fn white_space_survives_a_parser() {
        let (xml, _) = written(|w| {
            w.open(b"a");
            w.attr(b"b", b"1\n2\t3\r4'\"");
            w.text(b"1\n2\t3\r4'\"");
            w.close(b"a");
        });
        assert_eq!(
            xml,
            "<a b='1&#10;2&#9;3&#13;4&apos;&quot;'>1\n2\t3&#13;4'\"</a>"
        );
    }

    #[test]
    fn each_namespaced_attribute_declares_its_own_prefix() {
        let (xml, _) = written(|w| {
            w.open(b"a");
            w.attr(b"urn:1\x01x", b"1");
            w.attr(b"urn:2\x01x", b"2");
            w.open(b"b");
            w.attr(b"urn:2\x01x", b"3");
            w.close(b"b");
            w.close(b"a");
        });
        assert_eq!(
            xml,
            "<a xmlns:ns1='urn:1' ns1:x='1' xmlns:ns2='urn:2' ns2:x='2'><b xmlns:ns1='urn:2' ns1:x='3'/></a>"
        );
    }

    #[test]
    fn the_namespace_of_xml_has_its_own_prefix_and_no_elements() {
        let (xml, forbidden) = written(|w| {
            w.open(b"a");
            w.attr(b"http://www.w3.org/XML/1998/namespace\x01x", b"1");
            w.attr(b"xml:lang", b"de");
            w.close(b"a");
        });
        assert_eq!(xml, "<a xml:x='1' xml:lang='de'/>");
        assert!(!forbidden);
        let (_, forbidden) = written(|w| {
            w.open(b"a");
            w.attr(b"xmlns", b"http://www.w3.org/XML/1998/namespace");
            w.close(b"a");
        });
        assert!(forbidden);
    }

    #[test]
    fn forbidden_characters_are_noticed() {
        for text in ["\u{1}", "\u{14}", "\u{FFFE}", "x\u{FFFF}y"] {
            let (_, forbidden) = written(|w| w.text(text.as_bytes()));
            assert!(forbidden, "{text:?}");
            assert!(!super::super::chars::all_allowed(text));
        }
        for text in ["\t\r\n", "\u{FFFD}", "\u{F000}\u{EFFF}", "é😀"] {
            let (_, forbidden) = written(|w| w.text(text.as_bytes()));
            assert!(!forbidden, "{text:?}");
        }
    }
}
