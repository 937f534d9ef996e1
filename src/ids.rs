//! Stanza ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng, RngExt};

/// One that nobody can guess (RFC 6120 §8.1.3).
pub fn fresh() -> String {
    random(&mut rand::rng())
}

/// One that nobody can guess who cannot guess these numbers.
pub fn random(rng: &mut impl Rng) -> String {
    URL_SAFE_NO_PAD.encode(rng.random::<[u8; 12]>())
}
