//! A message that grows while its text comes bit by bit.
//!
//! Its first version is sent when there has been time to say something, and corrected from then on (XEP-0308),
//! as seldom as clients can keep up with and archives are spared of: all versions but the last are hinted
//! not to be stored (XEP-0334). A room is told once, by the whole of it.

use std::time::{Duration, Instant};

use crate::stanza::Element;
use crate::stanza::ns::{CORRECTION, HINTS};

/// From the beginning of the text to the first version.
const FIRST: Duration = Duration::from_millis(700);

/// From one version to the next.
const PACE: Duration = Duration::from_secs(1);

/// What is behind the text of a message that is not to be whole any more.
const BROKEN_OFF: &str = " …";

/// Happens when a text is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The message of an exchange that grows at the moment, if one does.
#[derive(Debug)]
pub struct Live {
    /// Bytes of a text at most.
    limit: usize,
    growing: Option<Growing>,
}

#[derive(Debug)]
struct Growing {
    /// All of it but its body, with the id of the first version.
    message: Element,
    text: String,
    is_sent: bool,
    /// Whether there is some text that no version has.
    is_stale: bool,
    /// When the next version may be sent, once there is a text.
    next: Option<Instant>,
}

impl Live {
    /// None.
    pub fn new(limit: usize) -> Self {
        Live {
            limit,
            growing: None,
        }
    }

    /// A message begins to grow.
    pub fn begin(&mut self, message: Element) {
        self.growing = Some(Growing {
            message,
            text: String::new(),
            is_sent: false,
            is_stale: false,
            next: None,
        });
    }

    /// It grows.
    ///
    /// # Errors
    /// If it would be too long.
    pub fn grow(&mut self, text: &str, now: Instant) -> Result<(), TooLong> {
        let Some(growing) = self.growing.as_mut().filter(|_| !text.is_empty()) else {
            return Ok(());
        };
        if growing.text.len() + text.len() > self.limit {
            return Err(TooLong);
        }
        growing.text.push_str(text);
        growing.is_stale = true;
        growing.next.get_or_insert(now + FIRST);
        Ok(())
    }

    /// When there is a [`version`](Self::version) to send.
    pub fn due(&self) -> Option<Instant> {
        let growing = self.growing.as_ref()?;
        growing
            .next
            .filter(|_| growing.is_stale && !growing.is_for_room())
    }

    /// The next version, if it is due.
    pub fn version(
        &mut self,
        now: Instant,
        fresh_id: &mut dyn FnMut() -> String,
    ) -> Option<Element> {
        self.due().filter(|due| *due <= now)?;
        let growing = self.growing.as_mut()?;
        let version = growing.with_text(&growing.text, fresh_id);
        growing.is_stale = false;
        growing.is_sent = true;
        growing.next = Some(now + PACE);
        Some(with_empty(version, "no-store", HINTS))
    }

    /// It grows no more: its last version, which is whole.
    pub fn complete(&mut self, fresh_id: &mut dyn FnMut() -> String) -> Option<Element> {
        let growing = self.take()?;
        Some(growing.with_text(&growing.text, fresh_id))
    }

    /// It grows no more, though it is not whole: its last version, which says so.
    pub fn break_off(&mut self, fresh_id: &mut dyn FnMut() -> String) -> Option<Element> {
        let growing = self.take()?;
        let text = format!("{}{BROKEN_OFF}", growing.text);
        Some(growing.with_text(&text, fresh_id))
    }

    fn take(&mut self) -> Option<Growing> {
        self.growing
            .take()
            .filter(|growing| !growing.text.is_empty())
    }
}

impl Growing {
    fn is_for_room(&self) -> bool {
        self.message.attr("type") == Some("groupchat")
    }

    /// The message with that text: the first version, or a correction of it.
    fn with_text(&self, text: &str, fresh_id: &mut dyn FnMut() -> String) -> Element {
        let mut version = self.message.clone().with_text_child("body", text);
        if self.is_sent
            && let Some(first) = self.message.attr("id")
        {
            version.set_attr("id", fresh_id());
            // It may be a correction itself. Then all of its versions are those of what it corrects.
            if version.child("replace", Some(CORRECTION)).is_none() {
                let replace = Element::new("replace").with_attr("id", first);
                version = version.with_child(replace.with_attr("xmlns", CORRECTION));
            }
        }
        version
    }
}

/// The element with an empty child of that name, if it has none.
fn with_empty(element: Element, name: &'static str, xmlns: &'static str) -> Element {
    match element.child(name, Some(xmlns)) {
        Some(_) => element,
        None => element.with_child(Element::new(name).with_attr("xmlns", xmlns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 20;
    const HINT: &str = "<no-store xmlns='urn:xmpp:hints'/>";
    const REPLACE: &str = "<replace id='first' xmlns='urn:xmpp:message-correct:0'/>";

    struct Chat {
        live: Live,
        now: Instant,
        ids: u32,
    }

    impl Chat {
        fn begin(message: Element) -> Self {
            let mut live = Live::new(LIMIT);
            live.begin(message.with_attr("id", "first"));
            Chat {
                live,
                now: Instant::now(),
                ids: 1,
            }
        }

        fn new() -> Self {
            Chat::begin(Element::new("message"))
        }

        fn grow(&mut self, text: &str) {
            self.live.grow(text, self.now).unwrap();
        }

        /// What there is when time has passed.
        fn after(&mut self, millis: u64) -> Option<String> {
            self.now += Duration::from_millis(millis);
            let (ids, now) = (&mut self.ids, self.now);
            let version = self.live.version(now, &mut || next(ids));
            version.map(|version| version.to_xml())
        }

        fn complete(&mut self) -> Option<String> {
            let ids = &mut self.ids;
            let last = self.live.complete(&mut || next(ids));
            last.map(|last| last.to_xml())
        }

        fn break_off(&mut self) -> Option<String> {
            let ids = &mut self.ids;
            let last = self.live.break_off(&mut || next(ids));
            last.map(|last| last.to_xml())
        }
    }

    fn next(ids: &mut u32) -> String {
        *ids += 1;
        format!("v{ids}")
    }

    fn message(id: &str, text: &str, rest: &str) -> Option<String> {
        Some(format!(
            "<message id='{id}'><body>{text}</body>{rest}</message>"
        ))
    }

    #[test]
    fn a_first_version_corrections_of_it_and_a_last_one() {
        let mut chat = Chat::new();
        assert_eq!(chat.live.due(), None);
        chat.grow("a");
        assert_eq!(chat.after(699), None);
        chat.grow("b");
        assert_eq!(chat.after(1), message("first", "ab", HINT));
        assert_eq!(chat.live.due(), None);
        chat.grow("c");
        assert_eq!(chat.live.due(), Some(chat.now + PACE));
        assert_eq!(chat.after(999), None);
        let rest = format!("{REPLACE}{HINT}");
        assert_eq!(chat.after(1), message("v2", "abc", &rest));
        assert_eq!(chat.after(60_000), None, "it has not grown");
        chat.grow("d");
        assert_eq!(chat.after(0), message("v3", "abcd", &rest));
        assert_eq!(chat.complete(), message("v4", "abcd", REPLACE));
        assert_eq!((chat.complete(), chat.break_off()), (None, None));
    }

    #[test]
    fn what_is_whole_soon_is_sent_once() {
        let mut chat = Chat::new();
        chat.grow("a");
        chat.grow("b");
        assert_eq!(chat.complete(), message("first", "ab", ""));
    }

    #[test]
    fn without_a_text_there_is_no_message() {
        let mut chat = Chat::new();
        chat.grow("");
        assert_eq!(chat.after(60_000), None);
        assert_eq!(chat.complete(), None);
        chat.live.begin(Element::new("message"));
        assert_eq!(chat.break_off(), None);
        chat.grow("nobody grows");
        assert_eq!(chat.complete(), None);
    }

    #[test]
    fn a_room_gets_it_whole() {
        let to_room = || Element::new("message").with_attr("type", "groupchat");
        let mut room = Chat::begin(to_room());
        room.grow("a");
        assert_eq!((room.live.due(), room.after(60_000)), (None, None));
        let expected = "<message type='groupchat' id='first'><body>a</body></message>";
        assert_eq!(room.complete().as_deref(), Some(expected));
        room.live.begin(to_room());
        room.grow("a");
        assert!(room.break_off().unwrap().contains("<body>a …</body>"));
    }

    #[test]
    fn one_that_breaks_off_says_so() {
        let mut chat = Chat::new();
        chat.grow("a");
        chat.after(700);
        assert_eq!(chat.break_off(), message("v2", "a …", REPLACE));
        assert_eq!(chat.complete(), None);
    }

    #[test]
    fn a_correction_that_grows_corrects_what_it_corrects() {
        let replace = Element::new("replace").with_attr("id", "old");
        let replace = replace.with_attr("xmlns", CORRECTION);
        let mut chat = Chat::begin(Element::new("message").with_child(replace));
        chat.grow("a");
        for id in ["first", "v2"] {
            chat.grow("b");
            let version = chat.after(1000).unwrap();
            assert!(version.contains(&format!("id='{id}'")) && version.contains("id='old'"));
            assert_eq!(version.matches("<replace").count(), 1);
        }
    }

    #[test]
    fn a_text_has_its_limit() {
        let mut chat = Chat::new();
        chat.grow(&"x".repeat(LIMIT - 1));
        assert_eq!(chat.live.grow("xx", chat.now), Err(TooLong));
        chat.grow("x");
        assert_eq!(chat.live.grow("x", chat.now), Err(TooLong));
    }
}
