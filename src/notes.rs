//! What is told to the admin, and how often.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The same trouble is told once in that time, and counted meanwhile.
const QUIET: Duration = Duration::from_secs(60);

/// Different troubles that are kept apart. There are few, unless somebody makes them up.
const CAPACITY: usize = 100;

/// How important a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for something.
    Debug,
    /// What an admin may like to know.
    Info,
    /// What an admin should look after.
    Warn,
    /// A warning that holds until the next change: Prosody's shell shows it as the module's status.
    Down,
    /// The end of that.
    Up,
}

impl Level {
    /// The name for the shims: one of Prosody's log levels, `down` or `up`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Down => "down",
            Level::Up => "up",
        }
    }
}

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How important it is.
    pub level: Level,
    /// What it says.
    pub text: String,
}

impl Note {
    /// A note for whoever looks for something.
    pub fn debug(text: impl Into<String>) -> Self {
        Note {
            level: Level::Debug,
            text: text.into(),
        }
    }

    /// A note that an admin may like to read.
    pub fn info(text: impl Into<String>) -> Self {
        Note {
            level: Level::Info,
            text: text.into(),
        }
    }

    /// A note that an admin should read.
    pub fn warn(text: impl Into<String>) -> Self {
        Note {
            level: Level::Warn,
            text: text.into(),
        }
    }
}

/// Remembers what was told of late, so that a service that is down, or a stranger who wants it to be
/// noticed, does not fill the disk.
#[derive(Debug, Default)]
pub struct Complaints {
    told: HashMap<String, Told>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    more: u64,
}

impl Complaints {
    /// A note on a trouble: of that level if it was not told within the last minute, else for debugging.
    /// `about` says what it happened to.
    pub fn note(&mut self, level: Level, about: &str, trouble: String, now: Instant) -> Note {
        let text = format!("{about}: {trouble}");
        if self.told.len() >= CAPACITY {
            self.told
                .retain(|_, told| now.duration_since(told.at) < QUIET);
        }
        let full = self.told.len() >= CAPACITY;
        match self.told.get_mut(&trouble) {
            Some(told) if now.duration_since(told.at) < QUIET => {
                told.more += 1;
                Note::debug(text)
            }
            Some(told) => {
                let more = std::mem::take(&mut told.more);
                told.at = now;
                let since = if more > 0 {
                    format!(" ({more} more times since last told)")
                } else {
                    String::new()
                };
                Note {
                    level,
                    text: text + &since,
                }
            }
            None if full => Note::debug(text),
            None => {
                self.told.insert(trouble, Told { at: now, more: 0 });
                Note { level, text }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_a_minute() {
        let start = Instant::now();
        let mut complaints = Complaints::default();
        let mut tell = |trouble: &str, seconds| {
            complaints.note(
                Level::Warn,
                "m",
                trouble.to_owned(),
                start + Duration::from_secs(seconds),
            )
        };
        assert_eq!(
            tell("down", 0),
            Note {
                level: Level::Warn,
                text: "m: down".into()
            }
        );
        assert_eq!(tell("down", 1), Note::debug("m: down"));
        assert_eq!(tell("other", 1).level, Level::Warn);
        assert_eq!(tell("down", 59).level, Level::Debug);
        let again = tell("down", 60);
        assert_eq!(again.level, Level::Warn);
        assert_eq!(again.text, "m: down (2 more times since last told)");
    }

    #[test]
    fn made_up_troubles_do_not_flood_the_log() {
        let start = Instant::now();
        let mut complaints = Complaints::default();
        let warnings = (0..1000)
            .filter(|n| {
                complaints
                    .note(Level::Warn, "m", n.to_string(), start)
                    .level
                    == Level::Warn
            })
            .count();
        assert_eq!(warnings, CAPACITY);
        assert_eq!(
            complaints
                .note(Level::Warn, "m", "new".into(), start + QUIET)
                .level,
            Level::Warn
        );
        assert_eq!(complaints.told.len(), 1);
    }
}
