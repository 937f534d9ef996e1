//! What a request asks for, as far as its head says.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::Problem;
use crate::mapping::media_type;

/// An HTTP request, all of it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// What follows the path of the component, as it was sent: [`below`].
    pub path: String,
    /// The query, as it was sent.
    pub query: Option<String>,
    /// The header of that name.
    pub authorization: Option<String>,
    /// The header of that name.
    pub content_type: Option<String>,
    /// The header of that name.
    pub idempotency_key: Option<String>,
    /// The header of that name (RFC 7240).
    pub prefer: Option<String>,
    /// The header of that name.
    pub transfer_encoding: Option<String>,
    /// The body; `None` for one that Prosody did not take since it is too long.
    pub body: Body,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// It is longer than Prosody takes.
    TooLong,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The description of all there is.
    Description,
    /// Stanzas are sent.
    Stanzas,
    /// A message is sent to that address.
    Message(String),
}

/// What a body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Objects of properties.
    Json,
    /// A stanza.
    Xml,
    /// The text of a message to that address, and the type of it.
    Text(String, &'static str),
}

/// How long an `Idempotency-Key` may be.
const MAX_KEY: usize = 255;

const XML: &str = "application/xmpp+xml";
const TEXT: &str = "text/plain";

impl Request {
    /// What is at its path, if its method is one for it.
    ///
    /// # Errors
    /// If there is nothing, or it has no such method.
    pub fn resource(&self) -> Result<Resource, Problem> {
        let path = self.path.trim_end_matches('/');
        let (resource, methods) = match self.path.split_once('/') {
            _ if path.is_empty() => (Resource::Stanzas, "POST"),
            _ if path == "openapi.json" => (Resource::Description, "GET, HEAD"),
            Some(("to", jid)) if !jid.is_empty() => {
                let jid = percent_decode_str(jid).decode_utf8();
                let jid = jid.map_err(|_| Problem::Malformed("the address is not UTF-8".into()))?;
                (Resource::Message(jid.into_owned()), "POST")
            }
            _ => return Err(Problem::NotFound),
        };
        if methods.split(", ").any(|method| method == self.method) {
            Ok(resource)
        } else {
            Err(Problem::MethodNotAllowed(methods))
        }
    }

    /// What its body holds, for that resource.
    ///
    /// # Errors
    /// If the resource does not take that.
    pub fn content(&self, resource: Resource) -> Result<Content, Problem> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let accepted = match resource {
            Resource::Message(to) => {
                if media_type::essence(content_type) == TEXT && media_type::is_utf8(content_type) {
                    return Ok(Content::Text(to, self.message_type()?));
                }
                TEXT
            }
            Resource::Stanzas | Resource::Description => {
                if media_type::is_json(content_type) {
                    return Ok(Content::Json);
                }
                if media_type::essence(content_type) == XML && media_type::is_utf8(content_type) {
                    return Ok(Content::Xml);
                }
                "application/json or application/xmpp+xml"
            }
        };
        Err(Problem::UnsupportedMediaType(accepted))
    }

    fn message_type(&self) -> Result<&'static str, Problem> {
        let query = self.query.as_deref().unwrap_or_default();
        let given = url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "type")
            .map(|(_, type_)| type_.into_owned());
        match given.as_deref() {
            None | Some("chat") => Ok("chat"),
            Some("groupchat") => Ok("groupchat"),
            Some("normal") => Ok("normal"),
            Some("headline") => Ok("headline"),
            Some(_) => Err(Problem::Malformed(
                "the query's 'type' is not chat, groupchat, normal or headline".into(),
            )),
        }
    }

    /// Its `Idempotency-Key`. The draft of the IETF has it as a string in quotes, most who send one do not.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub fn key(&self) -> Result<Option<&str>, Problem> {
        match self
            .idempotency_key
            .as_deref()
            .map(|key| key.trim().trim_matches('"'))
        {
            Some(key) if key.is_empty() || key.len() > MAX_KEY => Err(Problem::Malformed(format!(
                "the Idempotency-Key has to have 1 to {MAX_KEY} characters"
            ))),
            key => Ok(key),
        }
    }

    /// How long whoever asks waits, if it is not as long as we do (RFC 7240 §4.3).
    pub fn wait(&self, most: Duration) -> Duration {
        let preferences = self.prefer.as_deref().unwrap_or_default().split(',');
        let wait = preferences
            .filter_map(|preference| preference.split(';').next()?.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
            .and_then(|(_, value)| value.trim().trim_matches('"').parse().ok());
        wait.map_or(most, |seconds| Duration::from_secs(seconds).min(most))
    }

    /// Its body.
    ///
    /// # Errors
    /// If it is longer than the limit, or in a form that Prosody's server does not read.
    pub fn body(&self, limit: usize) -> Result<&[u8], Problem> {
        match &self.body {
            _ if self.transfer_encoding.is_some() => Err(Problem::LengthRequired),
            Body::Whole(body) if body.len() <= limit => Ok(body),
            Body::Whole(_) | Body::TooLong => Err(Problem::TooLong(limit)),
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Body::Whole(Vec::new())
    }
}

/// What follows the component's path in the path of a request as it was sent. Prosody matches the two after
/// it has decoded this one and taken slashes together, which an address in it would not survive.
pub fn below<'a>(sent: &'a str, base: &str) -> &'a str {
    let mut rest = sent.trim_start_matches('/');
    for _ in base.split('/').filter(|segment| !segment.is_empty()) {
        rest = match rest.split_once('/') {
            Some((_, rest)) => rest.trim_start_matches('/'),
            None => "",
        };
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> Request {
        Request {
            method: method.into(),
            path: path.into(),
            ..Request::default()
        }
    }

    #[test]
    fn an_address_in_a_path_stays_as_it_was_sent() {
        for (sent, base, rest) in [
            ("/component_http", "/component_http", ""),
            ("/component_http/", "/component_http", ""),
            (
                "/component_http/to/a@b/c//d",
                "/component_http",
                "to/a@b/c//d",
            ),
            (
                "//component%5Fhttp//to/a%2Fb",
                "/component_http",
                "to/a%2Fb",
            ),
            ("/push/v1/openapi.json", "/push/v1", "openapi.json"),
            ("/to/a@b", "/", "to/a@b"),
        ] {
            assert_eq!(below(sent, base), rest, "{sent}");
        }
    }

    #[test]
    fn what_is_where_and_by_which_method() {
        let resource = |method, path| request(method, path).resource();
        assert_eq!(resource("POST", ""), Ok(Resource::Stanzas));
        assert_eq!(resource("GET", "openapi.json"), Ok(Resource::Description));
        let address = Resource::Message("é@b/c//d".into());
        assert_eq!(resource("POST", "to/%C3%A9@b/c%2f/d"), Ok(address));
        assert_eq!(resource("GET", ""), Err(Problem::MethodNotAllowed("POST")));
        assert_eq!(
            resource("POST", "openapi.json"),
            Err(Problem::MethodNotAllowed("GET, HEAD"))
        );
        for nothing in ["to", "to/", "x", "to%2Fa@b", "openapi.json/x"] {
            assert_eq!(
                resource("POST", nothing),
                Err(Problem::NotFound),
                "{nothing}"
            );
        }
        assert!(matches!(
            resource("POST", "to/%FF"),
            Err(Problem::Malformed(_))
        ));
    }

    #[test]
    fn media_types() {
        let content = |resource, content_type: Option<&str>, query: Option<&str>| {
            let mut request = request("POST", "");
            request.content_type = content_type.map(str::to_owned);
            request.query = query.map(str::to_owned);
            request.content(resource)
        };
        let of_stanzas = |content_type| content(Resource::Stanzas, content_type, None);
        assert_eq!(
            of_stanzas(Some("application/json; charset=utf-8")),
            Ok(Content::Json)
        );
        assert_eq!(of_stanzas(Some("Application/XMPP+XML")), Ok(Content::Xml));
        for other in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
        ] {
            assert!(matches!(
                of_stanzas(other),
                Err(Problem::UnsupportedMediaType(_))
            ));
        }
        let text =
            |content_type, query| content(Resource::Message("a@b".into()), content_type, query);
        let chat = |type_| Ok(Content::Text("a@b".into(), type_));
        assert_eq!(text(Some("text/plain"), None), chat("chat"));
        assert_eq!(
            text(Some("text/plain"), Some("x=y&type=groupchat")),
            chat("groupchat")
        );
        assert!(matches!(
            text(Some("text/plain"), Some("type=x")),
            Err(Problem::Malformed(_))
        ));
        assert!(text(Some("text/plain; charset=latin1"), None).is_err());
    }

    #[test]
    fn headers() {
        let most = Duration::from_secs(30);
        for (prefer, seconds) in [
            (None, 30),
            (Some("wait=5"), 5),
            (Some("respond-async, Wait=\"7\"; x=y"), 7),
            (Some("wait=100"), 30),
            (Some("wait=soon"), 30),
            (Some("wait=0"), 0),
        ] {
            let mut request = request("POST", "");
            request.prefer = prefer.map(str::to_owned);
            assert_eq!(request.wait(most).as_secs(), seconds, "{prefer:?}");
        }
        let key = |key: &str| {
            let mut request = request("POST", "");
            request.idempotency_key = Some(key.to_owned());
            request.key().map(|key| key.map(str::to_owned))
        };
        assert_eq!(key("\"a b\""), Ok(Some("a b".into())));
        assert_eq!(request("POST", "").key(), Ok(None));
        for wrong in ["", "\"\"", &"x".repeat(256)] {
            assert!(key(wrong).is_err());
        }
    }

    #[test]
    fn bodies_have_a_bound() {
        let mut request = request("POST", "");
        request.body = Body::Whole(b"12345".to_vec());
        assert_eq!(request.body(5), Ok(b"12345".as_slice()));
        assert_eq!(request.body(4), Err(Problem::TooLong(4)));
        request.transfer_encoding = Some("chunked".into());
        assert_eq!(request.body(5), Err(Problem::LengthRequired));
        request.transfer_encoding = None;
        request.body = Body::TooLong;
        assert_eq!(request.body(5), Err(Problem::TooLong(5)));
    }
}
