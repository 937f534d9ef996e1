//! Preparation of the parts of a JID (RFC 3454), as servers do it for what is asked of them.
//!
//! A query may have characters that Unicode 3.2 does not know (§7), emoji among them. The crate, whose
//! tables these are, has profiles for stored strings alone, which may not.

use std::borrow::Cow;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

/// What may be in a part of a JID, and how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Nameprep (RFC 3491) for a domain, without the ASCII that no host can have.
    Name,
    /// Nodeprep (RFC 6122, appendix A).
    Node,
    /// Resourceprep (RFC 6122, appendix B).
    Resource,
}

/// Happens when a text has a character that its profile prohibits, or mixes directions of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prohibited;

/// The text in the form in which it is compared.
///
/// # Errors
/// [`Prohibited`].
pub fn prepare(text: &str, profile: Profile) -> Result<Cow<'_, str>, Prohibited> {
    let stays = |byte| match profile {
        Profile::Name | Profile::Node => {
            matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_')
        }
        Profile::Resource => matches!(byte, b' '..=b'~'),
    };
    if text.bytes().all(stays) {
        return Ok(Cow::Borrowed(text));
    }
    let prepared = normalize(&map(text, profile));
    if prepared.contains(|c| is_prohibited(c, profile)) || mixes_directions(&prepared) {
        return Err(Prohibited);
    }
    Ok(Cow::Owned(prepared))
}

/// §3, with tables B.1 and B.2.
fn map(text: &str, profile: Profile) -> String {
    let kept = text
        .chars()
        .filter(|c| !tables::commonly_mapped_to_nothing(*c));
    match profile {
        Profile::Name | Profile::Node => kept.flat_map(tables::case_fold_for_nfkc).collect(),
        Profile::Resource => kept.collect(),
    }
}

/// §4, with form KC of Unicode 3.2: what came later has no other form.
fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    for span in text.split_inclusive(tables::unassigned_code_point) {
        let known = span.trim_end_matches(tables::unassigned_code_point);
        normalized.extend(known.nfkc());
        normalized.push_str(&span[known.len()..]);
    }
    normalized
}

/// §5, with tables C.1.1 to C.9.
fn is_prohibited(c: char, profile: Profile) -> bool {
    let here = match profile {
        Profile::Name => c.is_ascii_control() || matches!(c, ' ' | '@' | '/'),
        Profile::Node => c.is_ascii_control() || " \"&'/:<>@".contains(c),
        Profile::Resource => c.is_ascii_control(),
    };
    here || tables::non_ascii_space_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

/// §6. What came after Unicode 3.2 has the direction that it has by now with some libraries and none with
/// others; either way will do.
fn mixes_directions(text: &str) -> bool {
    let mixes = |counts: fn(char) -> bool| {
        let to_the_left = |c| counts(c) && tables::bidi_r_or_al(c);
        text.contains(to_the_left)
            && (text.contains(|c| counts(c) && tables::bidi_l(c))
                || !text.starts_with(to_the_left)
                || !text.ends_with(to_the_left))
    };
    mixes(|_| true) && mixes(|c| !tables::unassigned_code_point(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_profile_makes_of_a_text() {
        for (text, name, node, resource) in [
            ("aZ-9_.", Some("az-9_."), Some("az-9_."), Some("aZ-9_.")),
            ("a b", None, None, Some("a b")),
            ("<@/>", None, None, Some("<@/>")),
            ("＠", None, None, Some("@")),
            ("／", None, None, Some("/")),
            ("℀", None, None, Some("a/c")),
            ("Straße", Some("strasse"), Some("strasse"), Some("Straße")),
            ("e\u{301}", Some("é"), Some("é"), Some("é")),
            ("a\u{AD}\u{FE0F}b", Some("ab"), Some("ab"), Some("ab")),
            ("\u{AD}", Some(""), Some(""), Some("")),
            ("a\u{1}", None, None, None),
            ("\u{7F}", None, None, None),
            ("\u{A0}", None, None, Some(" ")),
            ("\u{E000}", None, None, None),
            ("\u{FFFD}", None, None, None),
            ("\u{202E}", None, None, None),
        ] {
            for (profile, expected) in [
                (Profile::Name, name),
                (Profile::Node, node),
                (Profile::Resource, resource),
            ] {
                let prepared = prepare(text, profile).ok();
                assert_eq!(prepared.as_deref(), expected, "{text:?} {profile:?}");
            }
        }
    }

    #[test]
    fn what_unicode_3_2_does_not_know_stays() {
        for text in ["🤖", "\u{378}", "\u{1FAEA}", "\u{1F100}", "x\u{A64A}x"] {
            for profile in [Profile::Name, Profile::Node, Profile::Resource] {
                assert_eq!(prepare(text, profile).as_deref(), Ok(text));
            }
        }
        assert_eq!(
            prepare("Ａ🤖e\u{301}\u{378}Ｂ", Profile::Node).as_deref(),
            Ok("a🤖é\u{378}b")
        );
    }

    #[test]
    fn one_direction_of_writing() {
        for (text, is_allowed) in [
            ("אב", true),
            ("א1ב", true),
            ("aא", false),
            ("א1", false),
            ("1א", false),
            // Letters of Unicode 6.1 and 9.0: they count, or they do not.
            ("\u{8A0}-\u{627}", true),
            ("א\u{1E900}א", true),
            ("א\u{1C80}א", true),
            ("\u{8A0}a", true),
            ("א🤖", false),
        ] {
            let prepared = prepare(text, Profile::Resource);
            assert_eq!(prepared.is_ok(), is_allowed, "{text:?}");
        }
    }
}
