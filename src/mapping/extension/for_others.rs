//! What a message says once more for clients that do not know an extension.

use std::collections::HashSet;

use super::members::{FILE_SHARING, OOB_TAG, QUICK_RESPONSE, SOURCE};
use crate::mapping::Unusable;
use crate::stanza::{Allowance, Element, Node, ns};

/// Adds that to a message that is about to be sent.
///
/// # Errors
/// If buttons cannot be told apart, or it is too much.
pub fn add(message: &mut Element, allowance: &mut Allowance) -> Result<(), Unusable> {
    link_first_file(message, allowance)?;
    list_buttons(message, allowance)
}

/// XEP-0447 §4: the first file as a link (XEP-0066), and as the body if there is none. Clients show the file if
/// these two are the same.
fn link_first_file(message: &mut Element, allowance: &mut Allowance) -> Result<(), Unusable> {
    let source = message
        .elements()
        .find(|child| FILE_SHARING.fits(child))
        .and_then(|file| {
            SOURCE
                .iter()
                .try_fold(file, |element, tag| tag.find(element))
        })
        .and_then(|source| source.attr("target"));
    let Some(url) = source.map(str::to_owned) else {
        return Ok(());
    };
    if OOB_TAG.find(message).is_none() {
        allowance.take(4)?;
        let link = Element::new("url")
            .with_attr("xmlns", ns::OOB)
            .with_text(url.clone());
        let link = Element::new("x")
            .with_attr("xmlns", ns::OOB)
            .with_child(link);
        message.children.push(Node::Element(link));
    }
    if message.child("body", None).is_none() {
        allowance.take(6)?;
        let fallback = Element::new("fallback")
            .with_attr("xmlns", ns::FALLBACK)
            .with_attr("for", ns::FILE_SHARING)
            .with_child(Element::new("body").with_attr("xmlns", ns::FALLBACK));
        message
            .children
            .push(Node::Element(Element::new("body").with_text(url)));
        message.children.push(Node::Element(fallback));
    }
    Ok(())
}

/// XEP-0439 §4: the body should list what there is to choose from.
fn list_buttons(message: &mut Element, allowance: &mut Allowance) -> Result<(), Unusable> {
    let (mut values, mut labels) = (HashSet::new(), HashSet::new());
    let mut lines = Vec::new();
    for button in message
        .elements()
        .filter(|child| QUICK_RESPONSE.fits(child))
    {
        let value = button.attr("value").unwrap_or_default();
        let label = button.attr("label");
        if !values.insert(value) || label.is_some_and(|label| !labels.insert(label)) {
            return Err(Unusable::RepeatedButton);
        }
        lines.push(match label {
            Some(label) if label != value => format!("- {value}: {label}"),
            _ => format!("- {value}"),
        });
    }
    if lines.is_empty() {
        return Ok(());
    }
    let list = lines.join("\n");
    let body = message.children.iter_mut().find_map(|node| match node {
        Node::Element(child) if child.name == "body" && child.attr("xmlns").is_none() => {
            Some(child)
        }
        _ => None,
    });
    match body {
        Some(body) => body.children.push(Node::Text(format!("\n{list}"))),
        None => {
            allowance.take(1)?;
            let body = Element::new("body").with_text(list);
            message.children.push(Node::Element(body));
        }
    }
    Ok(())
}
