//! How people see the component in their clients: a name, a picture, some words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::stanza::Element;

/// XEP-0054: vcard-temp.
pub const VCARD_TEMP_NS: &str = "vcard-temp";
/// XEP-0153: vCard-Based Avatars.
const VCARD_UPDATE_NS: &str = "vcard-temp:x:update";
/// RFC 6351, and the node at which XEP-0292 has it.
const VCARD4_NS: &str = "urn:ietf:params:xml:ns:vcard-4.0";
pub const VCARD4_NODE: &str = "urn:xmpp:vcard4";
/// XEP-0060: Publish-Subscribe.
pub const PUBSUB_NS: &str = "http://jabber.org/protocol/pubsub";

/// How many bytes a picture may have: XEP-0153 §4 speaks of 8 KiB, and clients take this much.
pub const MAX_AVATAR: usize = 65_536;

/// What is said of the component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Face {
    /// Its name.
    pub name: Option<String>,
    /// What it is there for.
    pub description: Option<String>,
    /// Where there is more.
    pub url: Option<String>,
    /// What it looks like.
    pub avatar: Option<Avatar>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    media_type: &'static str,
    base64: String,
    /// SHA-1 in hexadecimal digits (XEP-0153 §3.1).
    hash: String,
}

impl Avatar {
    /// The picture that a file holds, if it is one that clients know.
    pub fn new(image: Vec<u8>) -> Option<Self> {
        let media_type = match image.as_slice() {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => "image/png",
            [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => "image/webp",
            _ => return None,
        };
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &image);
        let hash = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Some(Avatar {
            media_type,
            base64: STANDARD.encode(&image),
            hash: hash.collect(),
        })
    }
}

impl Face {
    /// Whether nothing is said.
    pub fn is_blank(&self) -> bool {
        *self == Face::default()
    }

    /// XEP-0054.
    pub fn vcard_temp(&self) -> Element {
        let child = |name, text: &str| {
            Element::new(name)
                .with_attr("xmlns", VCARD_TEMP_NS)
                .with_text(text)
        };
        let photo = self.avatar.as_ref().map(|avatar| {
            Element::new("PHOTO")
                .with_attr("xmlns", VCARD_TEMP_NS)
                .with_child(child("TYPE", avatar.media_type))
                .with_child(child("BINVAL", &avatar.base64))
        });
        let children = [
            self.name.as_deref().map(|name| child("FN", name)),
            self.url.as_deref().map(|url| child("URL", url)),
            self.description.as_deref().map(|desc| child("DESC", desc)),
            photo,
        ];
        let card = Element::new("vCard").with_attr("xmlns", VCARD_TEMP_NS);
        children
            .into_iter()
            .flatten()
            .fold(card, Element::with_child)
    }

    /// XEP-0292 §4.1: the one item of the node. A vCard has to have a name (RFC 6350 §6.2.1).
    pub fn vcard4(&self, host: &str) -> Element {
        let element = |name: &'static str| Element::new(name).with_attr("xmlns", VCARD4_NS);
        let property =
            |name, type_, value: &str| element(name).with_child(element(type_).with_text(value));
        let name = self.name.as_deref().unwrap_or(host);
        let photo = self.avatar.as_ref().map(
            |Avatar {
                 media_type, base64, ..
             }| {
                property(
                    "photo",
                    "uri",
                    &format!("data:{media_type};base64,{base64}"),
                )
            },
        );
        let children = [
            Some(property("fn", "text", name)),
            self.url.as_deref().map(|url| property("url", "uri", url)),
            self.description
                .as_deref()
                .map(|note| property("note", "text", note)),
            photo,
        ];
        let card = children
            .into_iter()
            .flatten()
            .fold(element("vcard"), Element::with_child);
        let of_pubsub = |name: &'static str| Element::new(name).with_attr("xmlns", PUBSUB_NS);
        let item = of_pubsub("item")
            .with_attr("id", "current")
            .with_child(card);
        let items = of_pubsub("items").with_attr("node", VCARD4_NODE);
        of_pubsub("pubsub").with_child(items.with_child(item))
    }

    /// XEP-0153 §3.1: which picture there is, for presences.
    pub fn update(&self) -> Element {
        let photo = Element::new("photo").with_attr("xmlns", VCARD_UPDATE_NS);
        let photo = match &self.avatar {
            Some(avatar) => photo.with_text(&*avatar.hash),
            None => photo,
        };
        Element::new("x")
            .with_attr("xmlns", VCARD_UPDATE_NS)
            .with_child(photo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_beginning() {
        for (image, media_type) in [
            (&b"\x89PNG\r\n\x1A\nrest"[..], Some("image/png")),
            (b"\xFF\xD8\xFF\xE0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"GIF87a...", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"<svg/>", None),
            (b"", None),
        ] {
            let avatar = Avatar::new(image.to_vec());
            assert_eq!(avatar.map(|it| it.media_type), media_type, "{image:?}");
        }
    }

    #[test]
    fn each_form_has_all_that_is_said() {
        let face = Face {
            name: Some("Echo".into()),
            description: Some("Says it again".into()),
            url: Some("https://example.com/".into()),
            avatar: Avatar::new(b"GIF89a".to_vec()),
        };
        assert_eq!(
            face.vcard_temp().to_xml(),
            "<vCard xmlns='vcard-temp'><FN xmlns='vcard-temp'>Echo</FN>\
             <URL xmlns='vcard-temp'>https://example.com/</URL>\
             <DESC xmlns='vcard-temp'>Says it again</DESC><PHOTO xmlns='vcard-temp'>\
             <TYPE xmlns='vcard-temp'>image/gif</TYPE><BINVAL xmlns='vcard-temp'>R0lGODlh</BINVAL></PHOTO></vCard>"
        );
        let card = face.vcard4("bot.example").to_xml();
        for part in [
            "<items xmlns='http://jabber.org/protocol/pubsub' node='urn:xmpp:vcard4'><item ",
            "<text xmlns='urn:ietf:params:xml:ns:vcard-4.0'>Echo</text>",
            "<uri xmlns='urn:ietf:params:xml:ns:vcard-4.0'>data:image/gif;base64,R0lGODlh</uri>",
        ] {
            assert!(card.contains(part), "{card}");
        }
        assert_eq!(
            face.update().to_xml(),
            "<x xmlns='vcard-temp:x:update'><photo xmlns='vcard-temp:x:update'>\
             25c9b37ae36a0a08318d4dca7ca57ea98d776821</photo></x>"
        );
    }

    #[test]
    fn who_has_no_picture_says_so() {
        let face = Face {
            description: Some("d".into()),
            ..Face::default()
        };
        assert!(!face.is_blank() && Face::default().is_blank());
        assert!(
            face.update()
                .to_xml()
                .contains("<photo xmlns='vcard-temp:x:update'/>")
        );
        assert!(
            face.vcard4("bot.example")
                .to_xml()
                .contains(">bot.example</text>")
        );
    }
}
