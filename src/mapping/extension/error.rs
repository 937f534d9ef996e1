//! The error of a stanza as an object (RFC 6120 §8.3).

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Member, Own, Part, Shape, Spot, Tag, Text, Writer};
use crate::mapping::Unusable;
use crate::stanza::error::STANZAS_NS;
use crate::stanza::{Element, Node};

/// What a stanza of type error says.
pub const ERROR: Own = Own {
    read,
    write,
    like: &[Shape::Object(MEMBERS)],
};

const TYPES: &[&str] = &["cancel", "continue", "modify", "auth", "wait"];

/// RFC 6120 §8.3.3, each with the type that is meant for it there.
const CONDITIONS: [(&str, &str); 22] = [
    ("bad-request", "modify"),
    ("conflict", "cancel"),
    ("feature-not-implemented", "cancel"),
    ("forbidden", "auth"),
    ("gone", "cancel"),
    ("internal-server-error", "cancel"),
    ("item-not-found", "cancel"),
    ("jid-malformed", "modify"),
    ("not-acceptable", "modify"),
    ("not-allowed", "cancel"),
    ("not-authorized", "auth"),
    ("policy-violation", "modify"),
    ("recipient-unavailable", "wait"),
    ("redirect", "modify"),
    ("registration-required", "auth"),
    ("remote-server-not-found", "cancel"),
    ("remote-server-timeout", "wait"),
    ("resource-constraint", "wait"),
    ("service-unavailable", "cancel"),
    ("subscription-required", "auth"),
    ("undefined-condition", "cancel"),
    ("unexpected-request", "wait"),
];

const NAMES: [&str; CONDITIONS.len()] = {
    let mut names = [""; CONDITIONS.len()];
    let mut next = 0;
    while next < names.len() {
        names[next] = CONDITIONS[next].0;
        next += 1;
    }
    names
};

const MEMBERS: &[Member] = &[
    member("type", &[], Part::Attribute("type"), Text::OneOf(TYPES)),
    Member {
        is_required: true,
        ..member(
            "condition",
            &[],
            Part::Name(STANZAS_NS),
            Text::OneOf(&NAMES),
        )
    },
    member(
        "text",
        &[Tag::new(STANZAS_NS, "text")],
        Part::Text,
        Text::Any,
    ),
    member("by", &[], Part::Attribute("by"), Text::Some),
];

const fn member(name: &'static str, path: &'static [Tag], part: Part, text: Text) -> Member {
    Member {
        name,
        spot: Spot::new(path, part),
        shape: Shape::Text(text),
        is_required: false,
    }
}

/// Whatever is there: other servers have conditions of their own.
fn read(stanza: &Element) -> Option<Value> {
    let error = stanza
        .child("error", None)
        .filter(|_| stanza.attr("type") == Some("error"))?;
    let condition = error
        .elements()
        .find(|child| child.attr("xmlns") == Some(STANZAS_NS) && child.name != "text");
    let text = error.child("text", Some(STANZAS_NS)).map(Element::text);
    let members = [
        ("type", error.attr("type").map(str::to_owned)),
        (
            "condition",
            condition.map(|it| it.name.clone().into_owned()),
        ),
        ("text", text),
        ("by", error.attr("by").map(str::to_owned)),
    ];
    let said = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    Some(Value::Object(said.collect::<Map<_, _>>()))
}

fn write(value: &RawValue, stanza: &mut Element, writer: &mut Writer) -> Result<(), Unusable> {
    let mut error = Element::new("error");
    writer.object(value, &mut error, MEMBERS)?;
    if error.attr("type").is_none() {
        let condition = CONDITIONS
            .iter()
            .find(|(name, _)| error.child(name, Some(STANZAS_NS)).is_some());
        error.set_attr("type", condition.map_or("cancel", |(_, type_)| type_));
    }
    stanza.children.push(Node::Element(error));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mapping::MAX_ELEMENTS_AND_ATTRIBUTES;
    use crate::stanza::{Allowance, xml_in};

    fn read_xml(xml: &str) -> Option<Value> {
        let mut allowance = Allowance::new(MAX_ELEMENTS_AND_ATTRIBUTES);
        let (_, stanza) = xml_in::parse_stanza(xml, &mut allowance).unwrap();
        read(&stanza)
    }

    #[test]
    fn type_condition_text_and_who() {
        let xml = "<message type='error'><error type='cancel' by='b'>\
            <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>none</text>\
            <own xmlns='urn:x'/></error></message>";
        assert_eq!(
            read_xml(xml),
            Some(json!({
                "type": "cancel", "condition": "item-not-found", "text": "none", "by": "b"
            }))
        );
        assert_eq!(read_xml("<message type='error'/>"), None);
        assert_eq!(read_xml("<message><error type='cancel'/></message>"), None);
    }
}
