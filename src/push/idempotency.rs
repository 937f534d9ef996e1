//! What was answered to which `Idempotency-Key`, so that who asks again is told the same.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::fingerprint::Fingerprint;
use super::response::Response;
use super::tokens::TokenId;
use crate::ages::Ages;

/// How long an answer is kept.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How many are kept; beyond that the oldest is forgotten.
const CAPACITY: usize = 100_000;

/// How many bytes of answers are kept. Only those to iqs are of any size.
const MAX_BYTES: usize = 64 << 20;

/// A key, which is its token's own.
type Name = Rc<(TokenId, String)>;

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It was not used of late.
    Nothing,
    /// Its first request is still under way.
    InUse,
    /// Its first request was answered.
    Answered,
}

/// What to answer to a request whose key was used before.
#[derive(Debug, PartialEq, Eq)]
pub enum Again {
    /// What was answered then.
    Same(Response),
    /// It is another request.
    Other,
    /// The answer has been forgotten meanwhile.
    Forgotten,
}

/// The keys that were used of late.
#[derive(Debug, Default)]
pub struct Keys {
    known: HashMap<Name, State>,
    /// Those that were answered.
    by_age: Ages<Name>,
    bytes: usize,
}

#[derive(Debug)]
enum State {
    InUse,
    Answered(Fingerprint, Response),
}

impl Keys {
    /// What is known of a key.
    pub fn look(&mut self, token: TokenId, key: &str, now: Instant) -> Known {
        self.forget_old(now);
        match self.known.get(&(token, key.to_owned())) {
            None => Known::Nothing,
            Some(State::InUse) => Known::InUse,
            Some(State::Answered(..)) => Known::Answered,
        }
    }

    /// A first request has that key.
    pub fn begin(&mut self, token: TokenId, key: &str) {
        let name = Rc::new((token, key.to_owned()));
        self.known.insert(name, State::InUse);
    }

    /// Nothing came of its first request: the next one is the first.
    pub fn release(&mut self, token: TokenId, key: &str) {
        self.known.remove(&(token, key.to_owned()));
    }

    /// What its first request was answered.
    pub fn keep(
        &mut self,
        token: TokenId,
        key: &str,
        fingerprint: Fingerprint,
        response: Response,
        now: Instant,
    ) {
        let name = Rc::new((token, key.to_owned()));
        self.bytes += size(&name, &response);
        self.known
            .insert(Rc::clone(&name), State::Answered(fingerprint, response));
        self.by_age.push(name, now);
        while (self.by_age.len() > CAPACITY || self.bytes > MAX_BYTES)
            && let Some(oldest) = self.by_age.pop()
        {
            self.forget(&oldest);
        }
    }

    /// What to answer to a later request.
    pub fn again(&self, token: TokenId, key: &str, fingerprint: Fingerprint) -> Again {
        match self.known.get(&(token, key.to_owned())) {
            Some(State::Answered(first, response)) if *first == fingerprint => {
                Again::Same(response.clone())
            }
            Some(State::Answered(..)) => Again::Other,
            Some(State::InUse) | None => Again::Forgotten,
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(old) = self.by_age.pop_older_than(LIFETIME, now) {
            self.forget(&old);
        }
    }

    fn forget(&mut self, name: &Name) {
        if let Some(State::Answered(_, response)) = self.known.remove(name) {
            self.bytes -= size(name, &response);
        }
    }
}

fn size(name: &(TokenId, String), response: &Response) -> usize {
    name.1.len() + response.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Fingerprint = Fingerprint::of_test(1);

    fn token() -> TokenId {
        TokenId::of("a token of twenty characters")
    }

    fn response(text: &str) -> Response {
        Response::json(202, text.into())
    }

    #[test]
    fn the_first_answer_is_given_again_for_a_day() {
        let (mut keys, start) = (Keys::default(), Instant::now());
        assert_eq!(keys.look(token(), "k", start), Known::Nothing);
        keys.begin(token(), "k");
        assert_eq!(keys.look(token(), "k", start), Known::InUse);
        keys.keep(token(), "k", BODY, response("1"), start);
        assert_eq!(keys.look(token(), "k", start + LIFETIME), Known::Answered);
        assert_eq!(keys.again(token(), "k", BODY), Again::Same(response("1")));
        let other = Fingerprint::of_test(2);
        assert_eq!(keys.again(token(), "k", other), Again::Other);
        let later = start + LIFETIME + Duration::from_secs(1);
        assert_eq!(keys.look(token(), "k", later), Known::Nothing);
        assert_eq!(keys.again(token(), "k", BODY), Again::Forgotten);
        assert_eq!(keys.bytes, 0);
    }

    #[test]
    fn a_key_is_its_tokens_own() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        keys.begin(token(), "k");
        assert_eq!(keys.look(TokenId::of("another"), "k", now), Known::Nothing);
        keys.release(token(), "k");
        assert_eq!(keys.look(token(), "k", now), Known::Nothing);
    }

    #[test]
    fn the_oldest_goes_first() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        for number in 0..=CAPACITY {
            keys.keep(token(), &number.to_string(), BODY, response(""), now);
        }
        assert_eq!(keys.look(token(), "0", now), Known::Nothing);
        assert_eq!(keys.look(token(), "1", now), Known::Answered);
        let large = Response::json(200, vec![b' '; MAX_BYTES]);
        keys.keep(token(), "large", BODY, large, now);
        assert_eq!(keys.look(token(), "1", now), Known::Nothing);
    }
}
