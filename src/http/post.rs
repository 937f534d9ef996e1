//! One request, and what its head says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::http::{self, HeaderMap, HeaderValue};

use super::endpoint::Endpoint;
use super::headers::Headers;
use super::sign::Signer;

/// One request.
#[derive(Debug)]
pub struct Post<'a> {
    /// The same for whatever is one request to the service, however often it is sent: `webhook-id` and
    /// `Idempotency-Key`.
    pub id: &'a str,
    /// The JSON.
    pub body: &'a [u8],
    /// For the whole of it, the response's body included unless that is a stream.
    pub timeout: Duration,
}

/// Who is calling: what is said in the head of each request.
#[derive(Debug)]
pub(super) struct Caller {
    headers: Headers,
    authorization: Option<String>,
    signer: Option<Signer>,
}

impl Caller {
    pub(super) fn new(endpoint: &Endpoint, headers: Headers, signer: Option<Signer>) -> Self {
        Caller {
            headers,
            authorization: endpoint.authorization.clone(),
            signer,
        }
    }

    /// The head of a request that is made now.
    ///
    /// # Errors
    /// If the id cannot stand in one.
    pub(super) fn head(&self, post: &Post, now: SystemTime) -> Result<HeaderMap, http::Error> {
        // No service takes a request of 1970, which is what a clock that is behind it is left with.
        let timestamp = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let id = HeaderValue::from_str(post.id)?;
        let mut head: HeaderMap = self.headers.iter().cloned().collect();
        head.insert("content-type", HeaderValue::from_static("application/json"));
        head.insert("idempotency-key", id.clone());
        head.insert("webhook-id", id);
        head.insert("webhook-timestamp", timestamp.into());
        if let Some(signer) = &self.signer {
            let signature = signer.sign(post.id, timestamp, post.body);
            head.insert("webhook-signature", signature.try_into()?);
        }
        if let Some(authorization) = &self.authorization {
            let mut authorization = HeaderValue::from_str(authorization)?;
            authorization.set_sensitive(true);
            head.insert("authorization", authorization);
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(url: &str, signer: Option<Signer>) -> Vec<(String, String)> {
        let endpoint = Endpoint::parse(url).unwrap();
        let headers = Headers::new([("X-Key", "käse")]).unwrap();
        let post = Post {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            body: br#"{"test": 2432232314}"#,
            timeout: Duration::from_secs(60),
        };
        let now = UNIX_EPOCH + Duration::from_millis(1_614_265_330_999);
        let head = Caller::new(&endpoint, headers, signer).head(&post, now);
        let mut lines: Vec<_> = head
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn says_what_is_sent_which_it_is_when_and_by_whom() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned();
        let signer = Signer::new(&[secret]).unwrap();
        let expected = [
            ("authorization", "Basic bWU6c2VjcmV0"),
            ("content-type", "application/json"),
            ("idempotency-key", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            (
                "webhook-signature",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            ("webhook-timestamp", "1614265330"),
            ("x-key", "käse"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(head("http://me:secret@h/", Some(signer)), expected);
    }

    #[test]
    fn without_secrets_there_are_neither_signature_nor_authorization() {
        let names: Vec<_> = head("http://h/", None)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let expected = [
            "content-type",
            "idempotency-key",
            "webhook-id",
            "webhook-timestamp",
            "x-key",
        ];
        assert_eq!(names, expected);
    }
}
