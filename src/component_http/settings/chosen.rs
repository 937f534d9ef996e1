//! What an admin has chosen in place of defaults, in the line that says what is on.

use std::time::Duration;

use super::{QUEUE_BYTES, RESPONSE_LIMIT, RETRY_FOR, Settings};

impl Settings {
    /// What is limited, tried again and left out otherwise than by default.
    pub(super) fn chosen(&self) -> String {
        let mut on = String::new();
        if self.forwarded.body_only {
            on.push_str(", messages with a body only");
        }
        if self.queue_bytes != QUEUE_BYTES {
            on.push_str(&format!(", {} bytes waiting", self.queue_bytes));
        }
        if self.response_limit != RESPONSE_LIMIT {
            on.push_str(&format!(", {} bytes of an answer", self.response_limit));
        }
        if self.retry.retry_for.is_zero() {
            on.push_str(", not tried again");
        } else if self.retry.retry_for != Duration::from_secs_f64(RETRY_FOR) {
            let seconds = self.retry.retry_for.as_secs_f64();
            on.push_str(&format!(", tried again for {seconds} s"));
        }
        if self.retry.at_least_once {
            on.push_str(", at least once");
        }
        on
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{settings, text};
    use crate::options::OptionValue::{Boolean, Number};

    #[test]
    fn what_is_as_by_default_needs_no_word() {
        assert_eq!(settings(&[]).chosen(), "");
        let chosen = settings(&[
            ("component_post_body_only", Boolean(true)),
            ("component_post_queue_bytes", Number(1000.0)),
            ("component_post_response_limit", Number(2000.0)),
            ("component_post_retry_for", Number(60.5)),
            ("component_post_delivery", text("at-least-once")),
        ]);
        assert_eq!(
            chosen.chosen(),
            ", messages with a body only, 1000 bytes waiting, 2000 bytes of an answer, tried again for 60.5 s, \
             at least once"
        );
        let once = settings(&[("component_post_retry_for", Number(0.0))]);
        assert_eq!(once.chosen(), ", not tried again");
        assert!(once.introduction()[0].text.ends_with(", not tried again"));
    }
}
