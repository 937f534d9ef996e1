"""A received stanza, and comparing XML for what it means instead of how it is written."""

import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape, quoteattr

CLIENT = "jabber:client"
COMPONENT = "jabber:component:accept"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _client_tag(tag):
    namespace, _, name = tag.rpartition("}")
    return f"{{{CLIENT}}}{name}" if namespace[1:] in ("", COMPONENT) else tag


def canonical(element):
    """The element as nested tuples; no namespace and that of component streams are read as jabber:client."""
    text = element.text or ""
    children = []
    for child in element:
        children += [canonical(child), child.tail or ""]
    return (_client_tag(element.tag), tuple(sorted(element.attrib.items())), text, tuple(children))


def parse(xml):
    return ElementTree.fromstring(xml)


class Stanza:
    """A message, presence or iq as it came from a stream; child names mean jabber:client unless qualified."""

    def __init__(self, element):
        self.element = element
        self.kind = element.tag.rpartition("}")[2]
        self.namespace = element.tag.rpartition("}")[0][1:]
        self.to, self.sender = element.get("to"), element.get("from")
        self.id, self.type, self.lang = element.get("id"), element.get("type"), element.get(XML_LANG)

    def child(self, name):
        qualified = name if name.startswith("{") else f"{{{self.namespace}}}{name}"
        return self.element.find(qualified)

    def text(self, name):
        """The text of a child: None without the child, "" when it is empty."""
        child = self.child(name)
        return None if child is None else child.text or ""

    @property
    def body(self):
        return self.text("body")

    @property
    def error(self):
        """`type/condition`, or None when this is not an error."""
        error = self.child("error")
        if self.type != "error" or error is None:
            return None
        for child in error:
            namespace, _, name = child.tag.rpartition("}")
            if namespace[1:] == STANZA_ERRORS and name != "text":
                return f"{error.get('type')}/{name}"
        return f"{error.get('type')}/"

    @property
    def error_text(self):
        error = self.child("error")
        return None if error is None else error.findtext(f"{{{STANZA_ERRORS}}}text")

    def __repr__(self):
        return ElementTree.tostring(self.element, encoding="unicode")


def build(kind, content="", **attributes):
    """The XML of a stanza; `content` is XML, `from_` stands for `from`, `lang` for `xml:lang`, None leaves out."""
    names = {"from_": "from", "lang": "xml:lang"}
    written = "".join(
        f" {names.get(name, name)}={quoteattr(str(value))}"
        for name, value in attributes.items() if value is not None)
    return f"<{kind}{written}>{content}</{kind}>"


def body(text):
    return f"<body>{escape(text)}</body>"
