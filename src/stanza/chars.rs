//! The characters that XML 1.0 allows (XML 1.0 §2.2, production 2).
//!
//! A character outside that set cannot be written in XML, not even escaped. Prosody lets some of them
//! through, and each breaks the stream of the client that receives it.

/// Whether XML 1.0 allows the character.
pub const fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether every character of the text is allowed.
pub fn all_allowed(text: &str) -> bool {
    text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_borders_of_the_production() {
        for allowed in [
            '\t',
            '\n',
            '\r',
            ' ',
            '\u{7F}',
            '\u{D7FF}',
            '\u{E000}',
            '\u{FFFD}',
            '\u{10FFFF}',
        ] {
            assert!(is_allowed(allowed), "{allowed:?}");
        }
        for forbidden in [
            '\0', '\u{8}', '\u{B}', '\u{14}', '\u{1F}', '\u{FFFE}', '\u{FFFF}',
        ] {
            assert!(!is_allowed(forbidden), "{forbidden:?}");
        }
    }
}
