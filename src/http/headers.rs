//! Header fields that an admin adds to each request.

use std::fmt;

use ureq::http::{HeaderName, HeaderValue};

/// Bytes that name and value of one field may have together. Servers take about as much.
const MAX_FIELD: usize = 8192;

/// Fields that cannot be set: they say what the request itself is (its target, its content, who has signed
/// it), or how it comes (RFC 9110 §7.6.1, §10.1.1).
const RESERVED: [&str; 11] = [
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The like, by how their names begin.
const RESERVED_PREFIXES: [&str; 2] = ["content-", "webhook-"];

/// Names and values for the head of a request.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

/// Why a field cannot be sent. Says so as the rest of a sentence, with the field's name and never with its
/// value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Happens when a name is not one (RFC 9110 §5.1).
    Name,
    /// Happens when the field is not the admin's to set.
    Reserved(String),
    /// Happens when two names differ in nothing but case.
    Twice(String),
    /// Happens when there is a control character in the value, a tab or the end of a line for instance.
    Control(String),
    /// Happens when name and value have more than 8,192 bytes together.
    TooLong(String),
}

impl Headers {
    /// Checks names and values.
    ///
    /// # Errors
    /// The first field that cannot be sent.
    pub fn new<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeaderError> {
        let mut headers = Headers::default();
        for (name, value) in fields {
            let field = field(name, value)?;
            if headers.contains(field.0.as_str()) {
                return Err(HeaderError::Twice(name.to_owned()));
            }
            headers.0.push(field);
        }
        Ok(headers)
    }

    /// Whether there is a field of that name, in small letters.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderError> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name)?;
    let name = name.to_owned();
    let lower = parsed.as_str();
    if RESERVED.contains(&lower)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| lower.starts_with(prefix))
    {
        return Err(HeaderError::Reserved(name));
    }
    if name.len() + value.len() > MAX_FIELD {
        return Err(HeaderError::TooLong(name));
    }
    if value.chars().any(char::is_control) {
        return Err(HeaderError::Control(name));
    }
    let Ok(mut value) = HeaderValue::from_bytes(value.as_bytes()) else {
        return Err(HeaderError::Control(name));
    };
    value.set_sensitive(true);
    Ok((parsed, value))
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Name => {
                f.write_str("has a name that is none of a header, such as \"X-Api-Key\"")
            }
            HeaderError::Reserved(name) => write!(
                f,
                "must not set {name}: that is what the module itself has to say"
            ),
            HeaderError::Twice(name) => write!(f, "sets {name} twice, in other letters"),
            HeaderError::Control(name) => {
                write!(f, "must not have control characters in {name}")
            }
            HeaderError::TooLong(name) => {
                write!(f, "has more than {MAX_FIELD} bytes in {name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_says_of_itself_is_not_the_admin_s() {
        for name in [
            "Host",
            "Content-Type",
            "content-length",
            "Content-Encoding",
            "Webhook-Id",
            "webhook-anything",
            "Connection",
            "Transfer-Encoding",
            "TE",
            "Expect",
            "Idempotency-Key",
            "Accept-Encoding",
        ] {
            let error = Headers::new([(name, "secret")]).unwrap_err();
            assert_eq!(error, HeaderError::Reserved(name.to_owned()));
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn names_and_values_are_such_as_can_be_sent() {
        let long = "x".repeat(MAX_FIELD - 1);
        let name = || "X".to_owned();
        for (fields, expected) in [
            (vec![("", "v")], HeaderError::Name),
            (vec![("a b", "v")], HeaderError::Name),
            (vec![("Ä", "v")], HeaderError::Name),
            (vec![("X", "a\r\nb: c")], HeaderError::Control(name())),
            (vec![("X", "a\tb")], HeaderError::Control(name())),
            (vec![("X", "\u{7f}")], HeaderError::Control(name())),
            (vec![("X", "\u{85}")], HeaderError::Control(name())),
            (vec![("x", "a"), ("X", "b")], HeaderError::Twice(name())),
            (
                vec![("X", &format!("{long}x"))],
                HeaderError::TooLong(name()),
            ),
        ] {
            assert_eq!(Headers::new(fields).unwrap_err(), expected);
        }
        let headers = Headers::new([("X", &*long), ("Authorization", "Bearer grüße")]).unwrap();
        assert!(headers.contains("authorization") && !headers.contains("host"));
        assert!(!format!("{headers:?}").contains("Bearer"));
    }
}
