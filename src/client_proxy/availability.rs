//! What available presence says (RFC 6121 §4.7.2).

/// How a client shows, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Show {
    /// Eager to talk.
    Chat,
    /// Available, without further ado.
    Available,
    /// Away.
    Away,
    /// Away for long.
    ExtendedAway,
    /// Not to be disturbed.
    DoNotDisturb,
}

impl Show {
    /// What the text of a presence's `show` means; one that nobody knows means nothing.
    pub fn from_text(text: Option<&str>) -> Show {
        match text.map(str::trim) {
            Some("chat") => Show::Chat,
            Some("away") => Show::Away,
            Some("xa") => Show::ExtendedAway,
            Some("dnd") => Show::DoNotDisturb,
            _ => Show::Available,
        }
    }

    /// The text for a presence's `show`, if it has one.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Show::Chat => Some("chat"),
            Show::Available => None,
            Show::Away => Some("away"),
            Show::ExtendedAway => Some("xa"),
            Show::DoNotDisturb => Some("dnd"),
        }
    }
}

/// What available presence says of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Availability {
    /// How it shows.
    pub show: Show,
    /// Whether it asks to be spared: do not disturb (RFC 6121 §4.7.2.1), or a negative priority (§4.7.2.3).
    pub reluctant: bool,
}

impl Availability {
    /// As the texts of a presence's `show` and `priority` have it.
    pub fn new(show: Option<&str>, priority: Option<&str>) -> Self {
        let negative = priority.is_some_and(|text| text.trim().starts_with('-'));
        let show = Show::from_text(show);
        Availability {
            show,
            reluctant: negative || show == Show::DoNotDisturb,
        }
    }
}
