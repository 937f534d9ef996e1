//! Why a push is not carried out, as an answer (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::response::Response;
use crate::mapping::Unusable;
use crate::mapping::push::Wrong;

/// Why a push is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Happens when something of the request other than its body cannot be read. Holds what, as a sentence.
    Malformed(String),
    /// Happens when a part of the body cannot be sent.
    Wrong(Wrong),
    /// Happens when there is no token, or none that is known.
    Unauthorized,
    /// Happens when there is nothing at the path.
    NotFound,
    /// Happens when what is at the path has other methods, which it holds.
    MethodNotAllowed(&'static str),
    /// Happens when a request with that key is under way.
    KeyInUse,
    /// Happens when an iq of the same sender, recipient and id is waiting for its answer.
    IqInUse,
    /// Happens when the body has no length, as Prosody's server reads no chunks.
    LengthRequired,
    /// Happens when the body is longer than that many bytes.
    TooLong(usize),
    /// Happens when the body is of another media type than those that it holds.
    UnsupportedMediaType(&'static str),
    /// Happens when the key was used before with another request.
    OtherBody,
    /// Happens when the token pushes faster than it may. Holds when it may again.
    TooFast(Duration),
    /// Happens when as many iqs wait for their answer as may.
    TooManyWaiting,
    /// Happens when the component is ending.
    Ending,
    /// Happens when an iq is not answered in time.
    NoAnswer,
    /// Happens when there is a bug in this library. Holds the place for the log.
    Fault(String),
}

/// RFC 9457 §3.1. The type is the one of no other meaning than the status has, whose title is the status's
/// (§4.2.1).
#[derive(Serialize)]
struct Object<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property: Option<&'static str>,
}

impl Problem {
    /// Whether it is the library's own, which an admin should know of.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Problem::Fault(place) => Some(place),
            _ => None,
        }
    }

    /// The answer that says so.
    pub fn to_response(&self) -> Response {
        let (status, title) = self.status();
        let detail = self.detail();
        let (item, property) = match self {
            Problem::Wrong(wrong) => (wrong.item, wrong.unusable.property()),
            _ => (None, None),
        };
        let object = Object {
            r#type: "about:blank",
            title,
            status,
            detail: &detail,
            item,
            property,
        };
        Response {
            status,
            content_type: "application/problem+json",
            header: self.header(),
            body: serde_json::to_vec(&object).expect("strings and numbers go into memory"),
        }
    }

    fn status(&self) -> (u16, &'static str) {
        match self {
            Problem::Wrong(wrong) if wrong.unusable == Unusable::ForeignFrom => (403, "Forbidden"),
            Problem::Malformed(_) | Problem::Wrong(_) => (400, "Bad Request"),
            Problem::Unauthorized => (401, "Unauthorized"),
            Problem::NotFound => (404, "Not Found"),
            Problem::MethodNotAllowed(_) => (405, "Method Not Allowed"),
            Problem::KeyInUse | Problem::IqInUse => (409, "Conflict"),
            Problem::LengthRequired => (411, "Length Required"),
            Problem::TooLong(_) => (413, "Content Too Large"),
            Problem::UnsupportedMediaType(_) => (415, "Unsupported Media Type"),
            Problem::OtherBody => (422, "Unprocessable Content"),
            Problem::TooFast(_) => (429, "Too Many Requests"),
            Problem::Fault(_) => (500, "Internal Server Error"),
            Problem::TooManyWaiting | Problem::Ending => (503, "Service Unavailable"),
            Problem::NoAnswer => (504, "Gateway Timeout"),
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Problem::Malformed(detail) => return Cow::Owned(detail.clone()),
            Problem::Wrong(wrong) => return Cow::Owned(wrong.to_string()),
            Problem::Unauthorized => {
                "send 'Authorization: Bearer TOKEN' with a token of component_push_tokens"
            }
            Problem::NotFound => {
                "there is nothing here: POST to the path of the component, or to 'to/JID' below it; \
                 'openapi.json' there describes it all"
            }
            Problem::MethodNotAllowed(methods) => {
                return Cow::Owned(format!("this takes {methods} only"));
            }
            Problem::KeyInUse => {
                "a request with this Idempotency-Key is under way: ask again when it has been answered"
            }
            Problem::IqInUse => "an iq with these addresses and this id is waiting for its answer",
            Problem::LengthRequired => "send the body with a Content-Length, not in chunks",
            Problem::TooLong(limit) => {
                return Cow::Owned(format!(
                    "the body has more than {limit} bytes (component_push_limit)"
                ));
            }
            Problem::UnsupportedMediaType(accepted) => {
                return Cow::Owned(format!(
                    "the Content-Type has to be {accepted}, and the body in UTF-8"
                ));
            }
            Problem::OtherBody => {
                "this Idempotency-Key was used before, with another request: use a new one for each"
            }
            Problem::TooFast(_) => {
                "this token sends more stanzas a second than component_push_rate allows"
            }
            Problem::TooManyWaiting => {
                "more iqs are waiting for their answers than component_push_waiting allows"
            }
            Problem::Ending => "the component is ending",
            Problem::NoAnswer => "the iq was sent, and was not answered in time",
            Problem::Fault(_) => "this is a bug of the module: the log has more",
        })
    }

    fn header(&self) -> Option<(&'static str, String)> {
        match self {
            Problem::Unauthorized => Some(("WWW-Authenticate", "Bearer".to_owned())),
            Problem::MethodNotAllowed(methods) => Some(("Allow", (*methods).to_owned())),
            Problem::TooFast(wait) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                Some(("Retry-After", format!("{seconds}")))
            }
            Problem::TooManyWaiting => Some(("Retry-After", "1".to_owned())),
            Problem::Ending => Some(("Retry-After", "10".to_owned())),
            _ => None,
        }
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Problem::Wrong(wrong)
    }
}

impl From<Unusable> for Problem {
    fn from(unusable: Unusable) -> Self {
        Problem::Wrong(unusable.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_place() {
        let wrong = Wrong {
            item: Some(2),
            unusable: Unusable::InvalidJid("to"),
        };
        let response = Problem::from(wrong).to_response();
        assert_eq!(response.status, 400);
        assert_eq!(response.content_type, "application/problem+json");
        let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "about:blank", "title": "Bad Request", "status": 400, "item": 2,
                "property": "to", "detail": "item 2: the address in 'to' is not a valid JID",
            })
        );
    }

    #[test]
    fn what_a_client_needs_to_go_on_is_in_a_header() {
        for (problem, status, name, value) in [
            (Problem::Unauthorized, 401, "WWW-Authenticate", "Bearer"),
            (Problem::MethodNotAllowed("POST"), 405, "Allow", "POST"),
            (
                Problem::TooFast(Duration::from_millis(1)),
                429,
                "Retry-After",
                "1",
            ),
            (
                Problem::TooFast(Duration::from_millis(1001)),
                429,
                "Retry-After",
                "2",
            ),
            (Problem::TooManyWaiting, 503, "Retry-After", "1"),
            (Problem::Ending, 503, "Retry-After", "10"),
        ] {
            let response = problem.to_response();
            assert_eq!(response.status, status);
            assert_eq!(response.header, Some((name, value.to_owned())));
        }
        let foreign = Problem::from(Unusable::ForeignFrom).to_response();
        assert_eq!(foreign.status, 403);
    }
}
