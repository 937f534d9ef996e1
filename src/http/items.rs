//! The items of a body that comes bit by bit: lines of JSON, or server-sent events.
//!
//! The former is NDJSON or JSON Lines, the latter §9.2 of the HTML standard, as far as a service that is
//! asked once has use for it: names of events, ids and times to reconnect are passed over.

use std::collections::VecDeque;

/// How items are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemFormat {
    /// Each line is one, unless it is blank.
    Lines,
    /// The data of each event is one, up to the event `[DONE]`.
    Events,
}

/// What an event's data begins with, which is no part of it.
const FIELD: &str = "data: ";

/// The data of the event that ends a stream, where services have agreed on one.
const DONE: &[u8] = b"[DONE]";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Takes the items out of a body, in whatever pieces that comes.
#[derive(Debug)]
pub(super) struct Items {
    format: ItemFormat,
    /// Bytes of an item.
    limit: usize,
    /// As much of a line as has come.
    line: Vec<u8>,
    is_first_line: bool,
    /// Whether an LF that comes next belongs to the line before.
    after_cr: bool,
    /// As much of an event's data as has come, if it has any.
    data: Option<Vec<u8>>,
    whole: VecDeque<Vec<u8>>,
    is_too_long: bool,
    is_done: bool,
}

impl Items {
    pub(super) fn new(format: ItemFormat, limit: usize) -> Self {
        Items {
            format,
            limit,
            line: Vec::new(),
            is_first_line: true,
            after_cr: false,
            data: None,
            whole: VecDeque::new(),
            is_too_long: false,
            is_done: false,
        }
    }

    /// Takes in what comes next.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !self.is_done && !self.is_too_long && !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let ends_here = |byte: &u8| self.format.ends_line(*byte);
            let length = bytes.iter().position(ends_here).unwrap_or(bytes.len());
            let (part, rest) = bytes.split_at(length);
            self.extend_line(part);
            let Some((end, rest)) = rest.split_first().filter(|_| !self.is_too_long) else {
                return;
            };
            self.after_cr = *end == b'\r';
            self.end_line();
            bytes = rest;
        }
    }

    /// The body has ended.
    pub(super) fn end(&mut self) {
        // The last line of a text may lack its end.
        if self.format == ItemFormat::Lines && !self.is_too_long {
            self.end_line();
        }
    }

    /// The next item that is whole.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.whole.pop_front()
    }

    /// Whether an item is longer than it may be: none follows those before it.
    pub(super) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Whether the service has said that there are no more.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether an event has begun and not ended. If the body ends there, it counts for nothing (§9.2.6).
    pub(super) fn is_inside(&self) -> bool {
        let has_line = self.line.first().is_some_and(|first| *first != b':');
        !self.is_done && !self.is_too_long && (self.data.is_some() || has_line)
    }

    fn extend_line(&mut self, part: &[u8]) {
        let begun = self.line.first().or(part.first());
        if self.format == ItemFormat::Events && begun == Some(&b':') {
            // Of a comment no more is kept than that it is one, however long it is.
            self.line = vec![b':'];
            return;
        }
        let so_far = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        self.is_too_long |= so_far + part.len() > self.limit + FIELD.len();
        if !self.is_too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let is_first = std::mem::take(&mut self.is_first_line);
        let mut text = &line[..];
        if is_first {
            text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        }
        match self.format {
            ItemFormat::Lines => {
                let text = text.trim_ascii();
                if !text.is_empty() {
                    self.complete(text.to_vec());
                }
            }
            ItemFormat::Events if text.is_empty() => self.end_event(),
            ItemFormat::Events => self.end_field(text),
        }
    }

    /// A line of an event: its name ends with the colon that comments begin with.
    fn end_field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        if name != b"data" {
            return;
        }
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
    }

    fn end_event(&mut self) {
        match self.data.take() {
            Some(data) if data == DONE => self.is_done = true,
            Some(data) if !data.is_empty() => self.complete(data),
            _ => {}
        }
    }

    fn complete(&mut self, item: Vec<u8>) {
        if item.len() > self.limit {
            self.is_too_long = true;
        } else {
            self.whole.push_back(item);
        }
    }
}

impl ItemFormat {
    fn ends_line(self, byte: u8) -> bool {
        byte == b'\n' || byte == b'\r' && self == ItemFormat::Events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 20;

    fn items(format: ItemFormat, body: &str) -> (Vec<String>, Items) {
        let mut items = Items::new(format, LIMIT);
        items.push(body.as_bytes());
        items.end();
        let whole = std::iter::from_fn(|| items.pop())
            .map(|item| String::from_utf8(item).unwrap())
            .collect();
        (whole, items)
    }

    fn lines(body: &str) -> Vec<String> {
        items(ItemFormat::Lines, body).0
    }

    fn events(body: &str) -> Vec<String> {
        items(ItemFormat::Events, body).0
    }

    #[test]
    fn each_line_is_an_item_unless_it_is_blank() {
        assert_eq!(lines("{1}\n{2}\r\n\n \t\n{3}"), ["{1}", "{2}", "{3}"]);
        assert_eq!(lines("\u{FEFF}{1}\n"), ["{1}"]);
        assert_eq!(lines("{\r}\n"), ["{\r}"]);
        assert!(lines("").is_empty() && lines("\n\n").is_empty());
    }

    #[test]
    fn the_data_of_each_event_is_an_item() {
        for end in ["\n", "\r\n", "\r"] {
            let body = "\u{FEFF}data: 1\n\ndata:2\n\n: comment\n\nevent: x\nid: 7\ndata:  3\ndata\ndata:a:b\n\
                        retry: 9\n\nevent: y\n\ndata\n\n";
            assert_eq!(events(&body.replace('\n', end)), ["1", "2", " 3\n\na:b"]);
        }
    }

    #[test]
    fn done_ends_it() {
        let (whole, items) = items(
            ItemFormat::Events,
            "data: 1\n\ndata: [DONE]\n\ndata: 2\n\ndata",
        );
        assert_eq!(whole, ["1"]);
        assert!(items.is_done() && !items.is_inside());
        assert_eq!(lines("1\n[DONE]\n2"), ["1", "[DONE]", "2"]);
    }

    #[test]
    fn an_event_that_has_not_ended_is_none() {
        for (rest, is_inside) in [
            ("data: 2", true),
            ("data: 2\n", true),
            ("dat", true),
            (": comment", false),
            ("event: x\n", false),
            ("", false),
        ] {
            let (whole, items) = items(ItemFormat::Events, &format!("data: 1\n\n{rest}"));
            assert_eq!(whole, ["1"]);
            assert_eq!(items.is_inside(), is_inside, "{rest:?}");
        }
    }

    #[test]
    fn each_has_its_limit_and_all_together_have_none() {
        let longest = "x".repeat(LIMIT);
        let half = &longest[LIMIT / 2 + 1..];
        for (format, item) in [
            (ItemFormat::Lines, format!("{longest}\n")),
            (ItemFormat::Events, format!("data: {longest}\n\n")),
            (
                ItemFormat::Events,
                format!("data: {half}x\ndata: {half}\n:{longest}\n\n"),
            ),
        ] {
            let (whole, all) = items(format, &item.repeat(100));
            assert_eq!((whole.len(), all.is_too_long()), (100, false), "{item}");
            let (whole, longer) = items(format, &(item.clone() + &item.replacen('x', "xx", 1)));
            assert_eq!((whole.len(), longer.is_too_long()), (1, true), "{item}");
        }
        let endless = format!("data: x\n{}", "data\n".repeat(2 * LIMIT));
        assert!(items(ItemFormat::Events, &endless).1.is_too_long());
    }
}
