//! What the head of a web service's answer means.

use crate::http::ItemFormat;
use crate::mapping::media_type::{essence, is_json};

/// What the head of a response says about its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The stanza is accepted, whatever the body is.
    Accepted,
    /// The body may hold replies.
    Replies,
    /// The stanza is accepted, and replies come item by item.
    Stream(ItemFormat),
    /// The stanza is not accepted.
    Failed,
}

/// Judges a response by its status and media type.
pub fn judge(status: u16, content_type: Option<&str>) -> Verdict {
    match status {
        200 if content_type.is_some_and(is_json) => Verdict::Replies,
        200 if let Some(format) = content_type.and_then(item_format) => Verdict::Stream(format),
        200..=299 => Verdict::Accepted,
        _ => Verdict::Failed,
    }
}

/// How the items of a body of that media type are told apart, if it is one that has items. The first two names
/// are in use for the same thing, and registered is neither.
fn item_format(content_type: &str) -> Option<ItemFormat> {
    match essence(content_type).as_str() {
        "application/x-ndjson" | "application/jsonl" => Some(ItemFormat::Lines),
        "text/event-stream" => Some(ItemFormat::Events),
        _ => None,
    }
}

/// What to tell of a body that came with status 200 and was not taken for replies, given its media type.
pub fn not_taken(content_type: Option<&str>) -> String {
    const SHOWN: usize = 100;
    match content_type {
        Some(given) => {
            let shown: String = given.chars().take(SHOWN).collect();
            format!(
                "the answer was not taken for a reply: its Content-Type is {shown:?}, not \"application/json\""
            )
        }
        None => "the answer was not taken for a reply: it has no Content-Type, and should say \
                 \"application/json\""
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_and_statuses() {
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            " application/json ;x=y",
            "application/problem+json",
            "APPLICATION/JSON",
            "application/json;charset=UTF-8",
            "application/json ; charset=\"utf-8\"; odd=1",
            "application/json; title=\"Grüße\"",
            "application/xmpp+json",
            "application/vnd.example.v2+json",
            "application/Problem+JSON; charset=utf-8",
        ] {
            assert_eq!(judge(200, Some(json)), Verdict::Replies, "{json}");
            assert_eq!(judge(201, Some(json)), Verdict::Accepted);
            assert_eq!(judge(404, Some(json)), Verdict::Failed);
        }
        for (stream, format) in [
            ("application/x-ndjson", ItemFormat::Lines),
            ("Application/JSONL; charset=utf-8", ItemFormat::Lines),
            ("text/event-stream;charset=utf-8", ItemFormat::Events),
        ] {
            assert_eq!(judge(200, Some(stream)), Verdict::Stream(format));
            assert_eq!(judge(201, Some(stream)), Verdict::Accepted);
            assert_eq!(judge(500, Some(stream)), Verdict::Failed);
        }
        for other in [
            "text/json",
            "application/jsonp",
            "application/json-seq",
            "application/+json",
            "x-application/json",
            "application/xmpp+xml",
            "application/octet-stream",
            "text/html; charset=utf-8",
            "text/plain",
            ";",
            "",
        ] {
            assert_eq!(judge(200, Some(other)), Verdict::Accepted, "{other}");
        }
        assert_eq!(judge(200, None), Verdict::Accepted);
        for accepted in 201..=299 {
            let verdict = judge(accepted, Some("application/json"));
            assert_eq!(verdict, Verdict::Accepted, "{accepted}");
        }
        assert_eq!(judge(302, None), Verdict::Failed);
        assert_eq!(judge(100, None), Verdict::Failed);
    }
}
