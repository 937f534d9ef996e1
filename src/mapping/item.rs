//! An answer that comes bit by bit, read item by item: each is an object of a reply, or a part of a text.

use super::check::Rules;
use super::fields::DELTA;
use super::reply::{self, Context, Origin};
use super::unusable::MAX_ELEMENTS_AND_ATTRIBUTES;
use super::{Unusable, answer, answers, object};
use crate::stanza::{Allowance, Element, Envelope, chars};

/// What an item stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// Nothing.
    Nothing,
    /// A stanza; none that is sent if it is one for the component itself.
    Stanza(Option<Element>),
    /// A message that grows begins: all of it but its body, which begins with that text.
    Begin(Element, String),
    /// The text with which the body of the message goes on.
    Delta(String),
}

/// What has been read of an answer. An item that is none ends it.
#[derive(Debug)]
pub struct ItemReader<'a> {
    request: &'a Envelope,
    rules: Rules<'a>,
    /// Whether there was an answer to the iq that was POSTed.
    has_answered: bool,
    /// The message that the last item was a part of, if it was of one.
    growing: Option<Element>,
}

impl<'a> ItemReader<'a> {
    /// Nothing yet.
    pub fn new(request: &'a Envelope, rules: Rules<'a>) -> Self {
        ItemReader {
            request,
            rules,
            has_answered: false,
            growing: None,
        }
    }

    /// Reads the next item.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn read(
        &mut self,
        item: &[u8],
        fresh_id: &mut dyn FnMut() -> String,
    ) -> Result<Item, Unusable> {
        let Some(object) = object::one(object::text(item)?)? else {
            return Ok(Item::Nothing);
        };
        let delta = object.text(DELTA)?;
        // Of the same message all deltas have the same id.
        let growing = self.growing.take().filter(|_| delta.is_some());
        let known_id = growing.as_ref().and_then(|message| message.attr("id"));
        let mut context = Context {
            origin: Origin::Answer(self.request),
            rules: &self.rules,
            fresh_id: &mut || known_id.map_or_else(&mut *fresh_id, str::to_owned),
            allowance: Allowance::new(MAX_ELEMENTS_AND_ATTRIBUTES),
        };
        let Some(text) = delta else {
            let stanza = reply::build(&object, &mut context)?;
            return self.stanza(stanza);
        };
        if !chars::all_allowed(&text) {
            return Err(Unusable::ForbiddenCharacter(DELTA));
        }
        let message = match &growing {
            Some(message) if object.count() == 1 => message.clone(),
            _ => reply::build_growing(&object, &mut context)?,
        };
        let item = match &growing {
            Some(known) if *known != message => return Err(Unusable::MixedDelta),
            _ if self.rules.is_for_itself(&message) => Item::Nothing,
            Some(_) => Item::Delta(text),
            None => Item::Begin(message.clone(), text),
        };
        self.growing = Some(message);
        Ok(item)
    }

    /// What remains to be sent when all items have been read: an iq has to be answered.
    pub fn end(&self) -> Vec<Element> {
        if self.has_answered {
            Vec::new()
        } else {
            answer::acknowledge(self.request)
        }
    }

    fn stanza(&mut self, stanza: Element) -> Result<Item, Unusable> {
        if answers(&stanza, self.request) && std::mem::replace(&mut self.has_answered, true) {
            return Err(Unusable::SecondAnswer);
        }
        let stanza = Some(stanza).filter(|stanza| !self.rules.is_for_itself(stanza));
        Ok(Item::Stanza(stanza))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component_http::settings::tests::settings;
    use crate::component_http::tests::{iq, message};

    /// What is made of the items up to the first that is none, each as XML.
    fn read(request: &Envelope, items: &[&str]) -> (Vec<String>, Option<Unusable>) {
        let settings = settings(&[]);
        let mut reader = ItemReader::new(request, settings.rules());
        let (mut read, mut count) = (Vec::new(), 0);
        let mut fresh_id = || {
            count += 1;
            format!("f{count}")
        };
        for item in items {
            read.push(match reader.read(item.as_bytes(), &mut fresh_id) {
                Ok(Item::Nothing) => "nothing".to_owned(),
                Ok(Item::Stanza(None)) => "not sent".to_owned(),
                Ok(Item::Stanza(Some(stanza))) => stanza.to_xml(),
                Ok(Item::Begin(message, text)) => format!("{} {text}", message.to_xml()),
                Ok(Item::Delta(text)) => text,
                Err(unusable) => return (read, Some(unusable)),
            });
        }
        read.extend(reader.end().iter().map(Element::to_xml));
        (read, None)
    }

    fn all(items: &[&str]) -> Vec<String> {
        let (read, unusable) = read(&message().envelope, items);
        assert_eq!(unusable, None);
        read
    }

    fn unusable(items: &[&str]) -> Unusable {
        let (read, unusable) = read(&message().envelope, items);
        assert_eq!(read.len(), items.len() - 1);
        unusable.unwrap()
    }

    const TO: &str = "to='romeo@example/orchard' from='bot.example'";

    #[test]
    fn an_object_is_a_stanza() {
        let [first, second] = all(&[r#"{"body":1}"#, r#"{"body":2,"to":"a@b"}"#])
            .try_into()
            .unwrap();
        let expected = format!("<message type='chat' {TO} id='f1'><body>1</body></message>");
        assert_eq!(first, expected);
        assert!(second.contains("to='a@b'") && second.contains("id='f2'"));
    }

    #[test]
    fn what_says_nothing_or_is_for_the_component_itself_is_not_sent() {
        for item in ["{}", "null", r#"{"delta":null}"#, r#"{"body":null}"#] {
            assert_eq!(all(&[item]), ["nothing"], "{item}");
        }
        assert_eq!(all(&[r#"{"to":"x@bot.example"}"#]), ["not sent"]);
        let deltas = [r#"{"delta":"a","to":"x@bot.example"}"#, r#"{"delta":"b"}"#];
        assert_eq!(all(&deltas), ["nothing", "nothing"]);
    }

    #[test]
    fn deltas_in_a_row_are_one_message() {
        let read = all(&[
            r#"{"delta":"Hel"}"#,
            r#"{"delta":""}"#,
            "{}",
            r#"{"delta":42}"#,
            r#"{"body":"x","id":"y"}"#,
            r#"{"delta":"z"}"#,
        ]);
        let begin = |id: &str, text: &str| format!("<message type='chat' {TO} id='{id}'/> {text}");
        assert_eq!(read[0], begin("f1", "Hel"));
        assert_eq!(read[1..4], ["", "nothing", "42"]);
        assert!(read[4].contains("<body>x</body>"));
        assert_eq!(read[5], begin("f2", "z"));
    }

    #[test]
    fn what_is_said_of_a_message_may_be_said_again_but_not_changed() {
        let first = r#"{"delta":"a","thread":"t","lang":"de"}"#;
        for next in [
            first,
            r#"{"delta":"b"}"#,
            r#"{"delta":"b","lang":"de","thread":"t","kind":"message"}"#,
        ] {
            assert!(all(&[first, next])[0].contains("<thread>t</thread>"));
        }
        for next in [
            r#"{"delta":"b","thread":"u","lang":"de"}"#,
            r#"{"delta":"b","thread":"t"}"#,
            r#"{"delta":"b","to":"a@b","thread":"t","lang":"de"}"#,
            r#"{"delta":"b","id":"other","thread":"t","lang":"de"}"#,
        ] {
            assert_eq!(unusable(&[first, next]), Unusable::MixedDelta, "{next}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (item, expected) in [
            (r#"{"delta":"a","body":"b"}"#, Unusable::MixedDelta),
            (
                r#"{"delta":"a","stanza":"<message/>"}"#,
                Unusable::MixedDelta,
            ),
            (r#"{"delta":"a","kind":"presence"}"#, Unusable::MixedDelta),
            (r#"{"delta":["a"]}"#, Unusable::WrongType("delta")),
            (
                "{\"delta\":\"\\u0001\"}",
                Unusable::ForbiddenCharacter("delta"),
            ),
            (r#"{"delta":"a","to":"@"}"#, Unusable::InvalidJid("to")),
            (r#"[{"body":"a"}]"#, Unusable::NotAnObject),
            (r#"{"text":"a"}"#, Unusable::NoProperty),
            (r#"{"kind":"iq"}"#, Unusable::UnrequestedIq),
        ] {
            assert_eq!(
                unusable(&[r#"{"body":"before"}"#, item]),
                expected,
                "{item}"
            );
        }
        assert!(matches!(unusable(&["[DONE]"]), Unusable::Json(_)));
    }

    #[test]
    fn an_iq_is_answered_once() {
        let answer = r#"{"kind":"iq"}"#;
        let (items, _) = read(&iq().envelope, &[r#"{"body":"wait"}"#, answer]);
        assert!(items.len() == 2 && items[1].starts_with("<iq type='result'"));
        let (items, _) = read(&iq().envelope, &[r#"{"body":"wait"}"#]);
        assert!(items.len() == 2 && items[1].starts_with("<iq "));
        let (items, unusable) = read(&iq().envelope, &[answer, answer]);
        assert_eq!((items.len(), unusable), (1, Some(Unusable::SecondAnswer)));
    }
}
