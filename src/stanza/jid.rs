//! Addresses (RFC 6122, whose preparation Prosody applies).
//!
//! The cuts below are for addresses that Prosody has prepared already; [`prepare`] is for everything that
//! comes from elsewhere.

use std::borrow::Cow;
use std::fmt;

use stringprep::tables::unassigned_code_point;

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
        prepared += &part(node, stringprep::nodeprep)?;
        prepared.push('@');
    }
    prepared += &prepare_domain(domain)?;
    if let Some(resource) = resource {
        prepared.push('/');
        prepared += &part(resource, stringprep::resourceprep)?;
    }
    Ok(prepared)
}

/// Without the final dot of a fully qualified name. Nameprep (RFC 3491) leaves to others what no name of a
/// host can have.
fn prepare_domain(domain: &str) -> Result<Cow<'_, str>, InvalidJid> {
    let never = |byte: u8| byte.is_ascii_control() || byte == b' ' || byte == b'@';
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.bytes().any(never) {
        return Err(InvalidJid);
    }
    part(domain, stringprep::nameprep)
}

/// A profile of stringprep (RFC 3454).
type Profile = fn(&str) -> Result<Cow<'_, str>, stringprep::Error>;

fn part(text: &str, profile: Profile) -> Result<Cow<'_, str>, InvalidJid> {
    let prepared = if text.is_ascii() || !text.contains(unassigned_code_point) {
        profile(text).map_err(|_| InvalidJid)?
    } else {
        Cow::Owned(with_unassigned(text, profile)?)
    };
    if prepared.is_empty() || prepared.len() > MAX_PART {
        return Err(InvalidJid);
    }
    Ok(prepared)
}

/// Applies a profile as to a query, which may have characters that Unicode 3.2 does not know (RFC 3454
/// §7), emoji among them: they stay as they are. The crate's profiles are those for stored strings, so that
/// a character stands in for each that they would refuse.
fn with_unassigned(text: &str, profile: Profile) -> Result<String, InvalidJid> {
    // No profile changes or minds these symbols.
    let stand_in = ('\u{2600}'..='\u{2613}')
        .find(|symbol| !text.contains(*symbol))
        .ok_or(InvalidJid)?;
    let mut unassigned = text.chars().filter(|c| unassigned_code_point(*c));
    let replaced = text.replace(unassigned_code_point, stand_in.encode_utf8(&mut [0; 4]));
    let prepared = profile(&replaced).map_err(|_| InvalidJid)?;
    Ok(prepared
        .chars()
        .map(|c| match c {
            c if c == stand_in => unassigned.next().unwrap_or(c),
            c => c,
        })
        .collect())
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
        assert_eq!(prepare("host.example.").as_deref(), Ok("host.example"));
    }
}
