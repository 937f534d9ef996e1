//! What an admin says of the component for people to see, and the picture of it.

use std::fs::File;
use std::io::{self, Read};

use url::Url;

use crate::component_http::face::{Avatar, Face, MAX_AVATAR};
use crate::options::{OptionError, Options};
use crate::stanza::chars;

const AVATAR_OPTION: &str = "component_avatar";
const DESCRIPTION_OPTION: &str = "component_description";
const URL_OPTION: &str = "component_url";
const NAME_OPTION: &str = "name";

/// Reads the options, and the file.
///
/// # Errors
/// The first option that is unusable.
pub fn read(options: &Options) -> Result<Face, OptionError> {
    Ok(Face {
        name: text(options, NAME_OPTION)?,
        description: text(options, DESCRIPTION_OPTION)?,
        url: url(options)?,
        avatar: avatar(options)?,
    })
}

fn text(options: &Options, option: &'static str) -> Result<Option<String>, OptionError> {
    let text = options.text(option)?;
    if text
        .as_deref()
        .is_some_and(|text| !chars::all_allowed(text))
    {
        let problem = "has a character that is forbidden in XML";
        return Err(OptionError::new(option, problem));
    }
    Ok(text)
}

fn url(options: &Options) -> Result<Option<String>, OptionError> {
    let Some(text) = text(options, URL_OPTION)? else {
        return Ok(None);
    };
    match Url::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => {
            let problem =
                format!("must be a whole URL, such as \"https://example.com/bot\": {error}");
            Err(OptionError::new(URL_OPTION, problem))
        }
    }
}

fn avatar(options: &Options) -> Result<Option<Avatar>, OptionError> {
    let Some(path) = options.text(AVATAR_OPTION)? else {
        return Ok(None);
    };
    let wrong = |problem: String| OptionError::new(AVATAR_OPTION, problem);
    let image = read_file(&path)
        .map_err(|error| wrong(format!("names a file that cannot be read, {path}: {error}")))?;
    if image.len() > MAX_AVATAR {
        let problem = format!(
            "names a file of more than {MAX_AVATAR} bytes, {path}: make the picture smaller"
        );
        return Err(wrong(problem));
    }
    let avatar = Avatar::new(image).ok_or_else(|| {
        wrong(format!(
            "names a file that is no PNG, JPEG, GIF or WebP, {path}"
        ))
    })?;
    Ok(Some(avatar))
}

/// One byte more than a picture may have, at most. What is no file might never end.
fn read_file(path: &str) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut image = Vec::new();
    File::open(path)?
        .take(MAX_AVATAR as u64 + 1)
        .read_to_end(&mut image)?;
    Ok(image)
}
