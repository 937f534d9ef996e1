//! The key with which a component makes the addresses of its requesters, as text in Prosody's storage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{BString, Function, Value};
use rand::RngExt;

use crate::client_proxy::translation::KEY_LEN;

/// The key of a component.
pub type Key = [u8; KEY_LEN];

/// The key that `read_key` returns. If there is none yet, a random one, which `store_key` is given as text.
///
/// # Errors
/// The rest of a line for the log.
pub fn obtain(read_key: &Function, store_key: &Function) -> Result<Key, String> {
    if let Some(key) = read(read_key)? {
        return Ok(key);
    }
    let key = rand::rng().random::<Key>();
    store_key.call::<()>(BASE64.encode(key)).map_err(|error| {
        format!(
            "the key cannot be stored: {}",
            first_line(&error.to_string())
        )
    })?;
    Ok(key)
}

/// The key that `read_key` returns, if there is one, or what is wrong with it: the store may have been edited,
/// be of another program, or not be there.
///
/// # Errors
/// The rest of a line for the log.
pub fn read(read_key: &Function) -> Result<Option<Key>, String> {
    let unreadable = |error: String| {
        let reason = first_line(&error);
        format!("the store 'client_proxy', which has the key, cannot be read: {reason}")
    };
    let (stored, error) = read_key
        .call::<(Value, Option<BString>)>(())
        .map_err(|error| unreadable(error.to_string()))?;
    if let Some(error) = error {
        return Err(unreadable(error.to_string()));
    }
    if stored.is_nil() {
        return Ok(None);
    }
    let text = stored.as_string().and_then(|text| text.to_str().ok());
    let key = text.and_then(|text| BASE64.decode(text.as_bytes()).ok()?.try_into().ok());
    key.map(Some).ok_or_else(|| {
        "the key in the store 'client_proxy' is damaged: restore it, or remove it for a new one"
            .to_owned()
    })
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
