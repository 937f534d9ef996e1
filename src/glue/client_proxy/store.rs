//! What a component keeps in Prosody's storage: its key, and who has subscribed to its presence.
//!
//! Each is read and written by a function of the shim: `read(store, record)` returns what is there, `nil` if
//! that is nothing, or `nil` and why nothing can be read; `write(store, record, value)` returns whether it is
//! written, and if not why. A record of `nil` is the store itself.

use mlua::{BString, Function, IntoLua, Lua, Table, Value};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rand::RngExt;

use crate::client_proxy::translation::KEY_LEN;

const KEY_STORE: &str = "client_proxy";
const SUBSCRIBERS_STORE: &str = "client_proxy_subscribers";

/// The key with which a component makes the addresses of its requesters.
pub type Key = [u8; KEY_LEN];

/// The storage of one component.
pub struct Store {
    /// The shim's function that reads.
    pub read: Function,
    /// The shim's function that writes.
    pub write: Function,
}

/// Why something cannot be read or written, as the rest of a line for the log.
type Problem = String;

impl Store {
    /// The key that is stored. If there is none yet, a random one, and why that cannot be stored, if so.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn obtain_key(&self, lua: &Lua) -> Result<(Key, Option<Problem>), Problem> {
        if let Some(key) = read_key(&self.read)? {
            return Ok((key, None));
        }
        let key = rand::rng().random::<Key>();
        let record = lua.create_table_from([("key", BASE64.encode(key))]);
        let stored = record
            .map_err(|error| error.to_string())
            .and_then(|record| self.write(KEY_STORE, None, record));
        Ok((key, stored.err()))
    }

    /// A part of the subscribers: who has subscribed to what.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn read_subscribers(&self, part: u8) -> Result<Vec<(String, String)>, Problem> {
        let stored = read(&self.read, SUBSCRIBERS_STORE, Some(&record(part)))?;
        let damaged = || format!("the record {} is damaged", record(part));
        let of_part = match stored {
            Value::Nil => return Ok(Vec::new()),
            Value::Table(of_part) => of_part,
            _ => return Err(damaged()),
        };
        let mut subscriptions = Vec::new();
        for entry in of_part.pairs::<String, Vec<String>>() {
            let (subscriber, jids) = entry.map_err(|_| damaged())?;
            subscriptions.extend(jids.into_iter().map(|jid| (subscriber.clone(), jid)));
        }
        Ok(subscriptions)
    }

    /// Writes a part of the subscribers, those of one subscriber in a row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_subscribers(
        &self,
        lua: &Lua,
        part: u8,
        subscriptions: Vec<(String, String)>,
    ) -> Result<(), Problem> {
        let of_part = if subscriptions.is_empty() {
            Ok(Value::Nil)
        } else {
            by_subscriber(lua, subscriptions).map(Value::Table)
        };
        let of_part = of_part.map_err(|error| error.to_string())?;
        self.write(SUBSCRIBERS_STORE, Some(&record(part)), of_part)
    }

    fn write(&self, store: &str, record: Option<&str>, value: impl IntoLua) -> Result<(), Problem> {
        let written = self
            .write
            .call::<(Value, Option<BString>)>((store, record, value));
        match written {
            Ok((Value::Nil | Value::Boolean(false), error)) => {
                Err(error.unwrap_or_default().to_string())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(first_line(&error.to_string())),
        }
    }
}

/// The key that is stored, if there is one.
///
/// # Errors
/// If it cannot be read, or is damaged: the store may have been edited, be of another program, or not be there.
pub fn read_key(read: &Function) -> Result<Option<Key>, Problem> {
    let stored = self::read(read, KEY_STORE, None).map_err(|reason| {
        format!("the store '{KEY_STORE}', which has the key, cannot be read: {reason}")
    })?;
    if stored.is_nil() {
        return Ok(None);
    }
    let text = stored
        .as_table()
        .and_then(|record| record.raw_get::<BString>("key").ok());
    let key = text.and_then(|text| BASE64.decode(&**text).ok()?.try_into().ok());
    key.map(Some).ok_or_else(|| {
        format!(
            "the key in the store '{KEY_STORE}' is damaged: restore it, or remove it for a new one"
        )
    })
}

fn read(read: &Function, store: &str, record: Option<&str>) -> Result<Value, Problem> {
    match read.call::<(Value, Option<BString>)>((store, record)) {
        Ok((Value::Nil, Some(error))) => Err(first_line(&error.to_string())),
        Ok((stored, _)) => Ok(stored),
        Err(error) => Err(first_line(&error.to_string())),
    }
}

fn by_subscriber(lua: &Lua, subscriptions: Vec<(String, String)>) -> mlua::Result<Table> {
    let of_part = lua.create_table()?;
    let rows = subscriptions.chunk_by(|(one, _), (next, _)| one == next);
    for row in rows {
        let jids = row.iter().map(|(_, jid)| jid.as_str());
        of_part.raw_set(row[0].0.as_str(), lua.create_sequence_from(jids)?)?;
    }
    Ok(of_part)
}

/// The name of a part's record.
fn record(part: u8) -> String {
    format!("{part:02x}")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
