//! Whether two requests are the same.

use ring::digest::{Context, SHA256};

use super::request::{Body, Request};

/// The digest of all of a request that says what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of a request.
    pub fn of(request: &Request) -> Self {
        let mut context = Context::new(&SHA256);
        let optional = [&request.query, &request.content_type];
        let optional = optional.map(|part| part.as_deref().unwrap_or_default());
        for part in [request.path.as_str()].into_iter().chain(optional) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        if let Body::Whole(body) = &request.body {
            context.update(body);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        Fingerprint(fingerprint)
    }

    /// One for tests.
    #[cfg(test)]
    pub const fn of_test(number: u8) -> Self {
        Fingerprint([number; 32])
    }
}
