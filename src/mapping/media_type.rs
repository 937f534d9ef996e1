//! Media types, as far as bodies are told apart by them.

/// The type without parameters, in lower case (RFC 9110 §8.3.1).
pub fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// `application/json` and `application/*+json` (RFC 6839 §3.1), with any parameters.
pub fn is_json(content_type: &str) -> bool {
    match essence(content_type).strip_prefix("application/") {
        Some(subtype) => subtype == "json" || subtype.len() > 5 && subtype.ends_with("+json"),
        None => false,
    }
}

/// Whether a text of that type may be in UTF-8: it says so, or says nothing of it.
pub fn is_utf8(content_type: &str) -> bool {
    content_type.split(';').skip(1).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset")
            || ["utf-8", "us-ascii"]
                .iter()
                .any(|known| value.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_one_that_utf_8_reads() {
        for fine in [
            "text/plain",
            "text/plain; charset=UTF-8",
            "text/plain;charset=\"utf-8\"; a=b",
        ] {
            assert!(is_utf8(fine), "{fine}");
        }
        assert!(!is_utf8("text/plain; Charset=latin1"));
    }
}
