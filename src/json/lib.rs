//! The one reader of JSON that others wrote.
//!
//! An object that has a key twice is two documents: one reader takes the first, another the
//! last, and Go's readers also take `USER` for `User`. An image, report or plan that means one
//! thing to imgfix and another to who runs or reviews it is refused here, with the key and its
//! place, before anything is made of it.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod duplicates;

use serde::Deserialize;

pub use duplicates::{DuplicateKey, Names, check};

/// Why bytes are not the document that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// A key is there twice.
    #[error(transparent)]
    Duplicate(#[from] DuplicateKey),
    /// It is not JSON, or not of the form that was wanted.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
}

/// Reads a document whose keys are told apart as they are written.
///
/// # Errors
/// A key is there twice, or it is not JSON of this form.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    check(bytes, Names::AsWritten)?;
    parse(bytes)
}

/// Reads a document of an image: programs written in Go read it, too, and these do not tell
/// `user` from `User`.
///
/// # Errors
/// A key is there twice, in any case of its letters, or it is not JSON of this form.
pub fn read_of_image<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    check(bytes, Names::AnyCase)?;
    parse(bytes)
}

/// Indented JSON with a final newline.
#[must_use]
pub fn pretty<T: serde::Serialize>(value: &T) -> String {
    // Our own types have only string keys and finite numbers, so this cannot fail; an
    // empty document would be noticed by every reader.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[allow(clippy::disallowed_methods, reason = "this is where documents are read")]
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Why bytes are not the document that was wanted, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {place}: {why}")]
pub struct Misplaced {
    /// A JSON path.
    pub place: String,
    /// What is wrong there, as the reader says it.
    pub why: String,
}

/// As [`read`]; an error of form names its place as a JSON path.
///
/// # Errors
/// As [`read`].
#[allow(clippy::disallowed_methods, reason = "this is where documents are read")]
pub fn read_with_paths<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Misplaced> {
    let whole = |why: String| Misplaced { place: ".".to_owned(), why };
    check(bytes, Names::AsWritten).map_err(|error| whole(error.to_string()))?;
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| Misplaced {
        place: error.path().to_string(),
        why: error.inner().to_string(),
    })?;
    json.end().map_err(|error| whole(error.to_string()))?;
    Ok(value)
}
