//! The little of a stanza that a benchmark needs, read from and written to a stream.

use std::io;

use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use tokio::io::AsyncBufRead;

/// A top-level element of the stream and the text of its payload.
#[derive(Debug, Default)]
pub struct Stanza {
    pub name: String,
    pub kind: Option<String>,
    pub id: String,
    pub from: String,
    pub to: String,
    /// Name of the first child element.
    pub payload: String,
    /// Text inside the first child element, or of the stanza itself if it has no children.
    pub text: String,
}

impl Stanza {
    fn open(start: &BytesStart) -> io::Result<Self> {
        let mut stanza = Self {
            name: name(start)?,
            ..Self::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(io::Error::other)?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(io::Error::other)?
                .into_owned();
            match attribute.key.as_ref() {
                "type" => stanza.kind = Some(value),
                "id" => stanza.id = value,
                "from" => stanza.from = value,
                "to" => stanza.to = value,
                _ => {}
            }
        }
        Ok(stanza)
    }

    /// Whether this is an error stanza.
    pub fn is_error(&self) -> bool {
        self.kind.as_deref() == Some("error")
    }
}

/// A message of type chat as XML.
pub fn message(from: &str, to: &str, id: &str, body: &str) -> String {
    format!(
        "<message from='{}' to='{}' id='{}' type='chat'><body>{}</body></message>",
        escape(from),
        escape(to),
        escape(id),
        escape(body)
    )
}

/// An iq as XML; `payload` is XML already.
pub fn iq(kind: &str, from: &str, to: &str, id: &str, payload: &str) -> String {
    format!(
        "<iq from='{}' to='{}' id='{}' type='{kind}'>{payload}</iq>",
        escape(from),
        escape(to),
        escape(id)
    )
}

/// The payload of the iqs that the benchmark sends, holding `text`.
pub fn query(text: &str) -> String {
    format!("<query xmlns='urn:example:bench'>{}</query>", escape(text))
}

/// Reads the next stanza; `None` at the end of the stream.
pub async fn read<R: AsyncBufRead + Unpin>(
    reader: &mut Reader<R>,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Stanza>> {
    let mut stanza: Option<Stanza> = None;
    let mut depth = 0;
    let mut children = 0;
    loop {
        buffer.clear();
        let event = reader
            .read_event_into_async(buffer)
            .await
            .map_err(io::Error::other)?;
        match event {
            Event::Start(start) => {
                match &mut stanza {
                    None => stanza = Some(Stanza::open(&start)?),
                    Some(stanza) if depth == 1 => children = child(stanza, &start, children)?,
                    Some(_) => {}
                }
                depth += 1;
            }
            Event::Empty(start) => match &mut stanza {
                None => return Stanza::open(&start).map(Some),
                Some(stanza) if depth == 1 => children = child(stanza, &start, children)?,
                Some(_) => {}
            },
            Event::End(_) if depth == 0 => return Ok(None),
            Event::End(_) => {
                depth -= 1;
                if depth == 0 {
                    return Ok(stanza);
                }
            }
            Event::Text(text) if depth > 0 && children <= 1 => {
                append(&mut stanza, &text.xml_content(XmlVersion::Implicit1_0))
            }
            Event::GeneralRef(reference) if depth > 0 && children <= 1 => {
                append(&mut stanza, &resolve(&reference)?)
            }
            Event::Eof => return Ok(None),
            _ => {}
        }
    }
}

fn child(stanza: &mut Stanza, start: &BytesStart, before: usize) -> io::Result<usize> {
    if before == 0 {
        stanza.payload = name(start)?;
    }
    Ok(before + 1)
}

fn append(stanza: &mut Option<Stanza>, text: &str) {
    if let Some(stanza) = stanza {
        stanza.text.push_str(text);
    }
}

fn name(start: &BytesStart) -> io::Result<String> {
    Ok(start.name().as_ref().to_owned())
}

fn resolve(reference: &BytesRef) -> io::Result<String> {
    if let Some(character) = reference.resolve_char_ref().map_err(io::Error::other)? {
        return Ok(character.to_string());
    }
    resolve_predefined_entity(reference)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("an entity that XML does not predefine"))
}
