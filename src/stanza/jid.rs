//! Addresses (RFC 6122, whose preparation Prosody applies).
//!
//! The cuts below are for addresses that Prosody has prepared already; [`prepare`] is for everything that
//! comes from elsewhere.

use std::fmt;

use super::stringprep::{self, Profile, Prohibited};

/// Happens when a text is no JID: an empty or overlong part, or characters that may not be in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJid;

impl fmt::Display for InvalidJid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid JID")
    }
}

impl std::error::Error for InvalidJid {}

/// How many bytes a part of a JID may have (RFC 6122 §2.1).
const MAX_PART: usize = 1023;

/// The JID in the one form in which it can be compared and routed: what Prosody's own `util.jid` makes of
/// it, so that an address that Prosody lets in can always be answered.
///
/// # Errors
/// [`InvalidJid`] if there is no such form.
pub fn prepare(jid: &str) -> Result<String, InvalidJid> {
    let (bare, resource) = match jid.split_once('/') {
        Some((bare, resource)) => (bare, Some(resource)),
        None => (jid, None),
    };
    let (node, domain) = match bare.split_once('@') {
        Some((node, domain)) => (Some(node), domain),
        None => (None, bare),
    };
    let mut prepared = String::with_capacity(jid.len());
    if let Some(node) = node {
        prepared += &prepare_node(node)?;
        prepared.push('@');
    }
    // A final dot is that of a fully qualified name.
    let domain = stringprep::prepare(domain, Profile::Name)?;
    prepared += bounded(domain.trim_end_matches('.'))?;
    if let Some(resource) = resource {
        prepared.push('/');
        prepared += bounded(&stringprep::prepare(resource, Profile::Resource)?)?;
    }
    Ok(prepared)
}

/// The same for a localpart alone.
///
/// # Errors
/// [`InvalidJid`] if there is no such form.
pub fn prepare_node(node: &str) -> Result<String, InvalidJid> {
    let prepared = stringprep::prepare(node, Profile::Node)?;
    bounded(&prepared).map(str::to_owned)
}

fn bounded(part: &str) -> Result<&str, InvalidJid> {
    if part.is_empty() || part.len() > MAX_PART {
        return Err(InvalidJid);
    }
    Ok(part)
}

impl From<Prohibited> for InvalidJid {
    fn from(_: Prohibited) -> Self {
        InvalidJid
    }
}

/// The JID without its resource.
pub fn bare(jid: &str) -> &str {
    jid.split_once('/').map_or(jid, |(bare, _)| bare)
}

/// The resource, if there is one.
pub fn resource(jid: &str) -> Option<&str> {
    jid.split_once('/').map(|(_, resource)| resource)
}

/// The node, if there is one.
pub fn node(jid: &str) -> Option<&str> {
    bare(jid).split_once('@').map(|(node, _)| node)
}

/// The domain.
pub fn domain(jid: &str) -> &str {
    let bare = bare(jid);
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        let full = "node@domain/a/b@c";
        assert_eq!(
            (node(full), domain(full), resource(full)),
            (Some("node"), "domain", Some("a/b@c"))
        );
        assert_eq!(bare(full), "node@domain");
        let host = "domain/x@y";
        assert_eq!(
            (node(host), domain(host), resource(host)),
            (None, "domain", Some("x@y"))
        );
        assert_eq!(bare("domain"), "domain");
    }

    #[test]
    fn preparation() {
        assert_eq!(
            prepare("Romeo@Example.COM/Home").as_deref(),
            Ok("romeo@example.com/Home")
        );
        for invalid in [
            "",
            "@b",
            "a@",
            "a@b/",
            "a@@b//",
            "a b@c",
            "a@b/\u{1}",
            "a@b@c",
            "a@.",
            ".",
            "a@b c",
            "a@b\u{1}",
            "a\u{FFFE}@b",
            "a<@b",
            "\u{AD}@b",
            "a@\u{AD}",
            "a@b\u{FF0F}",
            "a@b\u{FF0F}c",
            "b\u{FF20}c",
            "a@b\u{A0}c",
            "a@\u{FF0E}",
            "a@..",
        ] {
            assert_eq!(prepare(invalid), Err(InvalidJid), "{invalid:?}");
        }
        assert!(prepare(&format!("{}@b", "x".repeat(1024))).is_err());
    }

    #[test]
    fn what_prosody_lets_in() {
        for (jid, prepared) in [
            ("🤖@bot.example/📱 👩🏽", "🤖@bot.example/📱 👩🏽"),
            ("\u{378}X@b/\u{1FAEA}", "\u{378}x@b/\u{1FAEA}"),
            ("☀🤖☁A@b", "☀🤖☁a@b"),
            ("x@ab--cd.x", "x@ab--cd.x"),
            ("x@a_b.x", "x@a_b.x"),
            ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
            ("x@BÜCHER.example", "x@bücher.example"),
            ("x@[::1]", "x@[::1]"),
            ("a@b/c/d@e", "a@b/c/d@e"),
            ("b/x@y", "b/x@y"),
            ("\u{8A0}😀-\u{627}@b", "\u{8A0}😀-\u{627}@b"),
        ] {
            assert_eq!(prepare(jid).as_deref(), Ok(prepared), "{jid:?}");
            assert_eq!(prepare(prepared).as_deref(), Ok(prepared), "{jid:?}");
        }
    }

    #[test]
    fn a_final_dot_is_taken_off() {
        assert_eq!(
            prepare("x@Host.Example./r.").as_deref(),
            Ok("x@host.example/r.")
        );
        for host in ["host.example.", "host.example..", "host.example\u{FF0E}"] {
            assert_eq!(prepare(host).as_deref(), Ok("host.example"), "{host:?}");
        }
    }
}
