//! Stanza ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One that nobody can guess (RFC 6120 §8.1.3).
pub fn fresh() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}
