//! The key with which a component makes the addresses of its requesters, as text in Prosody's storage.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mlua::{BString, Function, Lua, Value};
use rand::RngExt;

use crate::client_proxy::translation::KEY_LEN;

/// `client_proxy_key()`: a random key, as text.
///
/// # Errors
/// None.
pub fn generate(_: &Lua, (): ()) -> mlua::Result<String> {
    Ok(BASE64.encode(rand::rng().random::<[u8; KEY_LEN]>()))
}

/// The key that `stored_key` returns, or what is wrong with it: the store may have been edited, be of another
/// program, or not be there.
///
/// # Errors
/// The rest of a line for the log.
pub fn read(stored_key: &Function) -> Result<[u8; KEY_LEN], String> {
    let unreadable = |error: String| {
        let reason = error.lines().next().unwrap_or_default();
        format!("the store 'client_proxy', which has the key, cannot be read: {reason}")
    };
    let (stored, error) = stored_key
        .call::<(Value, Option<BString>)>(())
        .map_err(|error| unreadable(error.to_string()))?;
    if let Some(error) = error {
        return Err(unreadable(error.to_string()));
    }
    let text = stored.as_string().and_then(|text| text.to_str().ok());
    text.and_then(|text| BASE64.decode(text.as_bytes()).ok()?.try_into().ok())
        .ok_or_else(|| {
            "the key in the store 'client_proxy' is damaged: restore it, or remove it for a new one"
                .to_owned()
        })
}
