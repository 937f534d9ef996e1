//! The JSON object that tells a web service of one stanza.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fields::{self, FIELDS, Value};
use super::stanza_error;
use crate::stanza::Stanza;

struct Request<'a>(&'a Stanza);

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for field in &FIELDS {
            let Some(text) = fields::text(self.0, field) else {
                continue;
            };
            match field.value {
                Value::String | Value::Text => object.serialize_entry(field.name, text)?,
                Value::Number => {
                    if let Ok(number) = text.trim().parse::<i64>() {
                        object.serialize_entry(field.name, &number)?;
                    }
                }
            }
        }
        if self.0.envelope.has_type("error")
            && let Some(error) = stanza_error::read(&self.0.xml)
        {
            object.serialize_entry("error", &error)?;
        }
        object.end()
    }
}

/// The body of the HTTP request for a stanza.
pub fn encode(stanza: &Stanza) -> Vec<u8> {
    // Twice the XML: the texts repeat a part of it, and quotes are escaped.
    let mut json = Vec::with_capacity(2 * stanza.xml.len() + 256);
    serde_json::to_writer(&mut json, &Request(stanza)).expect("strings and numbers go into memory");
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::tests::message;
    use crate::mapping::fields::CHILDREN;
    use crate::stanza::Kind;
    use serde_json::{Value, json};

    #[test]
    fn has_what_the_stanza_has_and_nothing_else() {
        let mut stanza = message();
        stanza.lang = Some("en".into());
        stanza.texts[CHILDREN.len() - 1] = Some(" -5 ".into());
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(
            value,
            json!({
                "to": "bot.example", "from": "romeo@example/orchard", "kind": "message",
                "stanza": "<message><body>hi</body></message>", "body": "hi", "type": "chat",
                "id": "m1", "lang": "en", "priority": -5,
            })
        );
    }

    #[test]
    fn an_error_says_what_was_wrong() {
        let mut stanza = message();
        stanza.envelope.type_ = Some("error".into());
        stanza.xml = "<message type='error'><error type='cancel'>\
            <item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
            .into();
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(
            value["error"],
            json!({"type": "cancel", "condition": "item-not-found"})
        );
    }

    #[test]
    fn only_a_message_has_a_body() {
        let mut stanza = message();
        stanza.envelope.kind = Kind::Presence;
        let value: Value = serde_json::from_slice(&encode(&stanza)).unwrap();
        assert_eq!(value.get("body"), None);
    }
}
