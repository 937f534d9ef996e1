//! The error of a stanza as an object (RFC 6120 §8.3).

use serde::Serialize;

use super::MAX_ELEMENTS_AND_ATTRIBUTES;
use crate::stanza::error::STANZAS_NS;
use crate::stanza::{Allowance, Element, xml_in};

/// What an `<error/>` says.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ErrorObject {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    type_: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// That of a stanza of type error, if it says what was wrong.
pub(super) fn read(xml: &str) -> Option<ErrorObject> {
    let mut allowance = Allowance::new(MAX_ELEMENTS_AND_ATTRIBUTES);
    let (_, stanza) = xml_in::parse_stanza(xml, &mut allowance).ok()?;
    let error = stanza.child("error", None)?;
    let condition = error
        .elements()
        .find(|child| child.attr("xmlns") == Some(STANZAS_NS) && child.name != "text");
    let text = error.child("text", Some(STANZAS_NS)).map(Element::text);
    Some(ErrorObject {
        type_: error.attr("type").map(str::to_owned),
        condition: condition.map(|condition| condition.name.clone().into_owned()),
        text,
        by: error.attr("by").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_condition_text_and_who() {
        let xml = "<message type='error'><error type='cancel' by='b'>\
            <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>none</text>\
            <own xmlns='urn:x'/></error></message>";
        let json = serde_json::to_value(read(xml)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "cancel", "condition": "item-not-found", "text": "none", "by": "b"
            })
        );
        assert_eq!(read("<message type='error'/>"), None);
    }
}
