//! What a body says once more for clients without an extension (XEP-0428), told apart from the rest.

use std::ops::Range;

use crate::stanza::{Element, ns};

/// Parts of a text, in code points (XEP-0426 §4): in order, apart from each other, and none of them empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
struct Part {
    at: Range<usize>,
    /// How long those before it are together.
    before: usize,
}

/// The parts of the body that stand for another message that is replied to (XEP-0461 §3.1). None if there is no
/// such reply.
pub fn of_reply(message: &Element, body: &str) -> Option<Parts> {
    message.child("reply", Some(ns::REPLIES))?;
    let length = body.chars().count();
    let mut found: Vec<Range<usize>> = message
        .elements()
        .filter(|child| child.name == "fallback" && child.attr("xmlns") == Some(ns::FALLBACK))
        .filter(|fallback| fallback.attr("for") == Some(ns::REPLIES))
        .flat_map(|fallback| in_body(fallback, length))
        .filter(|part| !part.is_empty())
        .collect();
    found.sort_unstable_by_key(|part| part.start);
    let mut parts: Vec<Part> = Vec::new();
    for at in found {
        match parts.last_mut() {
            Some(last) if at.start <= last.at.end => last.at.end = last.at.end.max(at.end),
            last => {
                let before = last.map_or(0, |last| last.before + last.at.len());
                parts.push(Part { at, before });
            }
        }
    }
    (!parts.is_empty()).then_some(Parts(parts))
}

/// Those that a fallback names, or the whole body if it names none. What it names that is not there is none.
fn in_body(fallback: &Element, length: usize) -> impl Iterator<Item = Range<usize>> {
    let whole = fallback.elements().next().is_none().then_some(0..length);
    let named = fallback
        .elements()
        .filter(|child| child.name == "body")
        .filter_map(move |body| {
            let position = |name, default| match body.attr(name) {
                None => Some(default),
                Some(text) => text.parse().ok(),
            };
            let (start, end): (usize, usize) = (position("start", 0)?, position("end", length)?);
            Some(start.min(length)..end.min(length))
        });
    whole.into_iter().chain(named)
}

impl Parts {
    /// What of the text is in none of the parts, and what is in them.
    pub fn divide(&self, text: &str) -> (String, String) {
        let (mut rest, mut inside) = (String::new(), String::new());
        let mut parts = self.0.iter().map(|part| &part.at).peekable();
        for (at, c) in text.chars().enumerate() {
            while parts.next_if(|part| part.end <= at).is_some() {}
            if parts.peek().is_some_and(|part| part.start <= at) {
                inside.push(c);
            } else {
                rest.push(c);
            }
        }
        (rest, inside)
    }

    /// Where a position in the text is in what is left of it, if it is there.
    pub fn shift(&self, position: u64) -> Option<u64> {
        let passed = self
            .0
            .partition_point(|part| part.at.end as u64 <= position);
        let removed = match passed.checked_sub(1).map(|last| &self.0[last]) {
            Some(last) => last.before + last.at.len(),
            None => 0,
        };
        let is_inside = self
            .0
            .get(passed)
            .is_some_and(|part| (part.at.start as u64) < position);
        (!is_inside).then(|| position - removed as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::{Allowance, xml_in};

    const BODY: &str = "> Żółw 🐢\nYes!";

    fn parts(fallbacks: &str) -> Option<Parts> {
        let xml = format!(
            "<message><reply xmlns='urn:xmpp:reply:0' id='1'/>{}</message>",
            fallbacks.replace("<fallback", "<fallback xmlns='urn:xmpp:fallback:0'")
        );
        let (_, message) = xml_in::parse_stanza(&xml, &mut Allowance::new(100_000)).unwrap();
        of_reply(&message, BODY)
    }

    fn divided(fallbacks: &str) -> Option<(String, String)> {
        parts(fallbacks).map(|parts| parts.divide(BODY))
    }

    fn some(rest: &str, inside: &str) -> Option<(String, String)> {
        Some((rest.to_owned(), inside.to_owned()))
    }

    #[test]
    fn code_points_are_counted() {
        let quotation = "<fallback for='urn:xmpp:reply:0'><body start='0' end='9'/></fallback>";
        assert_eq!(divided(quotation), some("Yes!", "> Żółw 🐢\n"));
        let whole = "<fallback for='urn:xmpp:reply:0'/>";
        assert_eq!(divided(whole), some("", BODY));
        let whole_body = "<fallback for='urn:xmpp:reply:0'><body/></fallback>";
        assert_eq!(divided(whole_body), some("", BODY));
        let from = "<fallback for='urn:xmpp:reply:0'><body start='9'/></fallback>";
        assert_eq!(divided(from), some("> Żółw 🐢\n", "Yes!"));
    }

    #[test]
    fn what_is_none_of_the_body_is_passed_over() {
        for none in [
            "",
            "<fallback/>",
            "<fallback for='urn:xmpp:sfs:0'><body start='0' end='9'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><subject start='0' end='9'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='9' end='9'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='9' end='2'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='-1' end='2'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='x' end='2'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='100' end='200'/></fallback>",
            "<fallback for='urn:xmpp:reply:0'><body start='0' end='99999999999999999999'/></fallback>",
        ] {
            assert_eq!(parts(none), None, "{none}");
        }
        let (_, message) = xml_in::parse_stanza(
            "<message><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'/></message>",
            &mut Allowance::new(100),
        )
        .unwrap();
        assert_eq!(of_reply(&message, BODY), None, "no reply");
    }

    #[test]
    fn parts_may_overlap_and_be_many() {
        let fallbacks = "<fallback for='urn:xmpp:reply:0'><body start='4' end='9'/>\
            <body start='0' end='5'/><body start='2' end='3'/></fallback>\
            <fallback for='urn:xmpp:reply:0'><body start='12' end='4000000000'/></fallback>";
        assert_eq!(divided(fallbacks), some("Yes", "> Żółw 🐢\n!"));
        let many = "<body start='0' end='1'/><body start='2' end='3'/>".repeat(9000);
        let many = format!("<fallback for='urn:xmpp:reply:0'>{many}</fallback>");
        assert_eq!(
            divided(&many),
            some(" Żółw 🐢\nYes!".replacen('Ż', "", 1).as_str(), ">Ż")
        );
    }

    #[test]
    fn positions_move_with_what_is_left() {
        let parts = parts("<fallback for='urn:xmpp:reply:0'><body start='0' end='9'/></fallback>");
        let parts = parts.unwrap();
        for (position, left) in [(0, Some(0)), (5, None), (9, Some(0)), (13, Some(4))] {
            assert_eq!(parts.shift(position), left, "{position}");
        }
        assert_eq!(parts.shift(u64::MAX), Some(u64::MAX - 9));
    }
}
