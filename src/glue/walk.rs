//! From one of Prosody's stanza tables to owned data, in one walk.
//!
//! This is what each stanza costs on Prosody's thread, so it uses Lua's C API directly: mlua's safe API
//! makes a protected call of its own for each look at a table, which is four times as slow.
//!
//! An error of Lua (memory is the only one here, when [`string`] makes text of a number) jumps over
//! whatever is between it and the protected call, and no destructor runs. So all that is kept goes
//! straight into the [`Walk`], which lies beyond the call; a function that may raise owns nothing when it
//! calls another one that may.
#![allow(
    unsafe_code,
    reason = "Lua's C API: mlua's own makes a protected call for each look at a table"
)]

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use mlua::{Lua, Table};

use crate::component_http::local::Payload;
use crate::delivery::Refusal;
use crate::mapping::fields::CHILDREN;
use crate::stanza::signal::is_signal;
use crate::stanza::xml_out::XmlWriter;
use crate::stanza::{Envelope, Extensions, Kind, MAX_DEPTH, Stanza, ns};

/// What a table turned out to be.
pub enum Captured {
    /// No message, presence or iq, or one without a sender: nobody to answer.
    NotAStanza,
    /// A stanza of a kind that is not wanted whole.
    Head {
        /// Who, to whom, what.
        envelope: Envelope,
        /// Its first child.
        payload: Option<Payload>,
    },
    /// A stanza of a kind that is wanted whole.
    Whole(Stanza),
    /// A stanza of a kind that is wanted whole, which cannot be forwarded.
    Unfit(Envelope, Refusal),
}

/// Captures a stanza: whole, if `wanted` says so of its kind.
///
/// # Errors
/// If Lua runs out of memory.
pub fn capture(lua: &Lua, stanza: &Table, wanted: impl Fn(Kind) -> bool) -> mlua::Result<Captured> {
    let mut walk = Walk::default();
    // SAFETY: the walk leaves the stack as it found it, but for the results, of which there are none.
    // What an error of Lua jumps over owns nothing.
    unsafe { lua.exec_raw::<()>(stanza, |state| walk.run(state, &wanted))? };
    Ok(walk.finish())
}

/// Where the keys that every element is asked for stand on the stack, above the stanza.
const STANZA: c_int = 1;
const NAME_KEY: c_int = 2;
const ATTR_KEY: c_int = 3;
const XMLNS_KEY: c_int = 4;

#[derive(Default)]
struct Walk {
    kind: Option<Kind>,
    whole: bool,
    head: Head,
    payload: Option<RawPayload>,
    lang: Option<Vec<u8>>,
    texts: [Option<Vec<u8>>; CHILDREN.len()],
    writer: XmlWriter,
    too_deep: bool,
    extensions: Extensions,
    /// Whether a child of the stanza was found that is no signal.
    says_something: bool,
    /// That of the child that was looked at last. It stands here since Lua may raise meanwhile.
    namespace: Vec<u8>,
}

/// A child that the server's own thread has to know of.
enum Sign {
    Receipt,
    ChatStates,
}

#[derive(Default)]
struct Head {
    to: Option<Vec<u8>>,
    from: Option<Vec<u8>>,
    type_: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
}

/// The name and namespace of the stanza's first child, and the `node` that it is about.
#[derive(Default)]
struct RawPayload {
    name: Vec<u8>,
    xmlns: Vec<u8>,
    node: Option<Vec<u8>>,
}

impl Walk {
    /// # Safety
    /// `state` is valid, runs in protected mode, and has the stanza's table alone on its stack.
    unsafe fn run(&mut self, state: *mut lua_State, wanted: &dyn Fn(Kind) -> bool) {
        // SAFETY: as promised by the caller. A C function has 20 free slots at least to begin with.
        unsafe {
            for key in ["name", "attr", "xmlns"] {
                ffi::lua_pushlstring(state, key.as_ptr().cast(), key.len());
            }
            self.kind = field(state, STANZA, NAME_KEY, |name| {
                str::from_utf8(name).ok().and_then(Kind::from_name)
            })
            .flatten();
            if let Some(kind) = self.kind {
                self.whole = wanted(kind);
                if self.whole {
                    self.writer = XmlWriter::with_capacity(512);
                    self.element(state, STANZA, 1);
                } else {
                    self.attributes(state, STANZA, 1);
                    self.look_at_children(state);
                }
            }
            ffi::lua_settop(state, 0);
        }
    }

    /// Writes an element, and keeps what a request repeats of it.
    ///
    /// # Safety
    /// As for [`run`](Self::run), with the keys and the element's table on the stack.
    unsafe fn element(&mut self, state: *mut lua_State, element: c_int, depth: usize) {
        if depth > MAX_DEPTH {
            self.too_deep = true;
            return;
        }
        // SAFETY: as promised by the caller; every slot pushed is popped again. A level takes two, and
        // four more while something is looked up. They are asked for level by level: a stack that was
        // grown for the deepest stanza is shrunk by each cycle of the collector, and growing it again
        // counts as garbage.
        unsafe {
            if ffi::lua_checkstack(state, 8) == 0 {
                self.too_deep = true;
                return;
            }
            ffi::lua_pushvalue(state, NAME_KEY);
            ffi::lua_rawget(state, element);
            let name = ffi::lua_gettop(state);
            let Some(bytes) = string(state, name) else {
                ffi::lua_settop(state, name - 1);
                return;
            };
            self.writer.open(bytes);
            self.attributes(state, element, depth);
            for index in 1..=ffi::lua_rawlen(state, element) {
                ffi::lua_rawgeti(state, element, index as _);
                let child = ffi::lua_gettop(state);
                if ffi::lua_type(state, child) == ffi::LUA_TTABLE {
                    if depth == 1 {
                        self.keep(state, child);
                    }
                    self.element(state, child, depth + 1);
                } else if let Some(text) = string(state, child) {
                    self.writer.text(text);
                }
                ffi::lua_settop(state, child - 1);
            }
            if let Some(bytes) = string(state, name) {
                self.writer.close(bytes);
            }
            ffi::lua_settop(state, name - 1);
        }
    }

    /// Writes the attributes of an element, and keeps those of the stanza.
    ///
    /// # Safety
    /// As for [`element`](Self::element).
    unsafe fn attributes(&mut self, state: *mut lua_State, element: c_int, depth: usize) {
        // SAFETY: as promised by the caller. `lua_next` raises only for a key that is not in the table.
        unsafe {
            ffi::lua_pushvalue(state, ATTR_KEY);
            ffi::lua_rawget(state, element);
            let attributes = ffi::lua_gettop(state);
            if ffi::lua_type(state, attributes) == ffi::LUA_TTABLE {
                ffi::lua_pushnil(state);
                while ffi::lua_next(state, attributes) != 0 {
                    // A number as a key must not be asked for its text: that would change it.
                    let is_name = ffi::lua_type(state, -2) == ffi::LUA_TSTRING;
                    if is_name
                        && let Some(key) = string(state, attributes + 1)
                        && let Some(value) = string(state, attributes + 2)
                    {
                        if self.whole {
                            self.writer.attr(key, value);
                        }
                        if depth == 1 {
                            self.keep_attribute(key, value);
                        }
                    }
                    ffi::lua_settop(state, attributes + 1);
                }
            }
            ffi::lua_settop(state, attributes - 1);
        }
    }

    fn keep_attribute(&mut self, key: &[u8], value: &[u8]) {
        let slot = match key {
            b"to" => &mut self.head.to,
            b"from" => &mut self.head.from,
            b"type" => &mut self.head.type_,
            b"id" => &mut self.head.id,
            b"xml:lang" => &mut self.lang,
            _ => return,
        };
        *slot = Some(value.to_vec());
    }

    /// Keeps the text of a child of the stanza, if it is the first of a name that a request repeats.
    ///
    /// # Safety
    /// As for [`element`](Self::element).
    unsafe fn keep(&mut self, state: *mut lua_State, child: c_int) {
        // SAFETY: as promised by the caller; every slot pushed is popped again.
        unsafe {
            let place = field(state, child, NAME_KEY, |name| {
                CHILDREN.iter().position(|child| child.as_bytes() == name)
            });
            self.listen(state, child);
            let Some(place) = place.flatten() else {
                return self.notice(state, child);
            };
            if self.texts[place].is_some() {
                return;
            }
            // A child in another namespace than the stanza's says so.
            if xmlns(state, child).is_some_and(|xmlns| xmlns != b"jabber:client") {
                return;
            }
            let text = self.texts[place].insert(Vec::new());
            for index in 1..=ffi::lua_rawlen(state, child) {
                ffi::lua_rawgeti(state, child, index as _);
                if ffi::lua_type(state, -1) != ffi::LUA_TTABLE {
                    text.extend_from_slice(
                        string(state, ffi::lua_gettop(state)).unwrap_or_default(),
                    );
                }
                ffi::lua_settop(state, -2);
            }
        }
    }

    /// Notices a child that is none of the texts, and what has to be known of it before a worker reads it.
    ///
    /// # Safety
    /// As for [`field`], with the keys on the stack and two free slots.
    unsafe fn notice(&mut self, state: *mut lua_State, child: c_int) {
        self.extensions.any = true;
        // SAFETY: as promised by the caller.
        unsafe {
            let sign = field(state, child, NAME_KEY, |name| match name {
                b"request" => Some((ns::RECEIPTS, Sign::Receipt)),
                b"active" => Some((ns::CHAT_STATES, Sign::ChatStates)),
                _ => None,
            });
            let Some((namespace, sign)) = sign.flatten() else {
                return;
            };
            let slot = match sign {
                Sign::Receipt => &mut self.extensions.asks_for_receipt,
                Sign::ChatStates => &mut self.extensions.knows_chat_states,
            };
            if !*slot {
                self.namespace = xmlns(state, child).unwrap_or_default();
                *slot = self.namespace == namespace.as_bytes();
            }
        }
    }

    /// Looks whether a child of the stanza says something, until one has.
    ///
    /// # Safety
    /// As for [`field`], with the keys on the stack and two free slots.
    unsafe fn listen(&mut self, state: *mut lua_State, child: c_int) {
        if self.says_something {
            return;
        }
        // SAFETY: as promised by the caller.
        unsafe {
            self.namespace = xmlns(state, child).unwrap_or_default();
            let is_signal = field(state, child, NAME_KEY, |name| {
                is_signal(name, &self.namespace)
            });
            self.says_something = is_signal == Some(false);
        }
    }

    /// Keeps the name and namespace of the first child, and looks whether any says something.
    ///
    /// # Safety
    /// As for [`run`](Self::run), with the keys on the stack.
    unsafe fn look_at_children(&mut self, state: *mut lua_State) {
        // SAFETY: as promised by the caller; every slot pushed is popped again.
        unsafe {
            for index in 1..=ffi::lua_rawlen(state, STANZA) {
                ffi::lua_rawgeti(state, STANZA, index as _);
                let child = ffi::lua_gettop(state);
                if ffi::lua_type(state, child) == ffi::LUA_TTABLE {
                    if self.payload.is_none() {
                        ffi::lua_pushlstring(state, c"node".as_ptr(), 4);
                        let payload = self.payload.insert(RawPayload::default());
                        payload.name =
                            field(state, child, NAME_KEY, <[u8]>::to_vec).unwrap_or_default();
                        payload.xmlns = xmlns(state, child).unwrap_or_default();
                        payload.node = attribute(state, child, child + 1);
                        if payload.node.is_none() && payload.name == b"pubsub" {
                            ffi::lua_rawgeti(state, child, 1);
                            if ffi::lua_type(state, child + 2) == ffi::LUA_TTABLE {
                                payload.node = attribute(state, child + 2, child + 1);
                            }
                        }
                        ffi::lua_settop(state, child);
                    }
                    self.listen(state, child);
                }
                ffi::lua_settop(state, child - 1);
            }
        }
    }

    fn finish(self) -> Captured {
        let forbidden = self.writer.has_forbidden();
        let (Some(kind), Some(from)) = (self.kind, self.head.from) else {
            return Captured::NotAStanza;
        };
        let envelope = Envelope {
            kind,
            to: lossy(self.head.to.unwrap_or_default()),
            from: lossy(from),
            type_: self.head.type_.map(lossy),
            id: self.head.id.map(lossy),
            says_nothing: kind == Kind::Message && !self.says_something,
        };
        if !self.whole {
            let payload = self
                .payload
                .map(|RawPayload { name, xmlns, node }| Payload {
                    name: lossy(name),
                    xmlns: lossy(xmlns),
                    node: node.map(lossy),
                });
            return Captured::Head { envelope, payload };
        }
        if self.too_deep {
            return Captured::Unfit(envelope, Refusal::TooDeep);
        }
        // All texts are in the XML too, so that one look at it is enough.
        match String::from_utf8(self.writer.into_bytes()) {
            Ok(xml) if !forbidden => Captured::Whole(Stanza {
                envelope,
                lang: self.lang.map(lossy).map(Into::into),
                texts: self.texts.map(|text| text.map(lossy).map(Into::into)),
                extensions: self.extensions,
                xml: xml.into(),
            }),
            _ => Captured::Unfit(envelope, Refusal::ForbiddenXml),
        }
    }
}

/// The text that the bytes are, or something that looks like it where they are none.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Calls `read` with the string that a table has under the key at that place of the stack.
///
/// # Safety
/// `state` is valid, `table` is a table, and there is a free slot.
unsafe fn field<T>(
    state: *mut lua_State,
    table: c_int,
    key: c_int,
    read: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    // SAFETY: as promised by the caller; the slot pushed is popped again.
    unsafe {
        ffi::lua_pushvalue(state, key);
        ffi::lua_rawget(state, table);
        let result = string(state, ffi::lua_gettop(state)).map(read);
        ffi::lua_settop(state, -2);
        result
    }
}

/// The `xmlns` attribute of an element.
///
/// # Safety
/// As for [`attribute`].
unsafe fn xmlns(state: *mut lua_State, element: c_int) -> Option<Vec<u8>> {
    // SAFETY: as promised by the caller.
    unsafe { attribute(state, element, XMLNS_KEY) }
}

/// The attribute of an element whose name is at that place of the stack.
///
/// # Safety
/// As for [`field`], with the keys on the stack and two free slots.
unsafe fn attribute(state: *mut lua_State, element: c_int, name: c_int) -> Option<Vec<u8>> {
    // SAFETY: as promised by the caller; the slot pushed is popped again.
    unsafe {
        ffi::lua_pushvalue(state, ATTR_KEY);
        ffi::lua_rawget(state, element);
        let attributes = ffi::lua_gettop(state);
        let value = if ffi::lua_type(state, attributes) == ffi::LUA_TTABLE {
            field(state, attributes, name, <[u8]>::to_vec)
        } else {
            None
        };
        ffi::lua_settop(state, attributes - 1);
        value
    }
}

/// The bytes of the string, or of the number, at that place of the stack.
///
/// # Safety
/// `state` is valid, and whoever takes the bytes lets go of them before the value leaves the stack.
unsafe fn string<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    // SAFETY: as promised by the caller; Lua gives a pointer to so many bytes, or null.
    unsafe {
        if !matches!(
            ffi::lua_type(state, index),
            ffi::LUA_TSTRING | ffi::LUA_TNUMBER
        ) {
            return None;
        }
        let mut length = 0;
        let bytes = ffi::lua_tolstring(state, index, &raw mut length);
        (!bytes.is_null()).then(|| std::slice::from_raw_parts(bytes.cast(), length))
    }
}
