//! Why a setting is neither read nor changed.

use imgfix_model::path::ImagePath;
use imgfix_vfs::RootfsError;

/// Why nothing was changed, and nothing is said of the key. Values never stand in it: they may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that the program starts with, or one that it has to include, cannot be read.
    #[error("not changed: {file}: {source}")]
    Unreadable {
        /// The file.
        file: ImagePath,
        /// What the image says.
        source: RootfsError,
    },
    /// A construct that is not understood, or that the program itself would refuse.
    #[error("not changed: {file}:{line}: {why}")]
    Unclear {
        /// The file.
        file: ImagePath,
        /// The line, from 1.
        line: u32,
        /// What it is.
        why: String,
    },
    /// More than is read: size, count or depth; or files that include each other.
    #[error("not changed: {file}: {why}")]
    TooMuch {
        /// The file at which it was found.
        file: ImagePath,
        /// What is too much.
        why: String,
    },
    /// The key is not of the form that the format has, or has no place to stand.
    #[error("not changed: the key {key}: {why}")]
    Key {
        /// The key, as it was asked for.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// The value cannot be written in this format.
    #[error("not changed: the value for {key}: {why}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong with its value.
        why: String,
    },
    /// What would be written does not read back as it should.
    #[error("not changed: {file}: the edit of {key} does not read back: {why}")]
    Broken {
        /// The file.
        file: ImagePath,
        /// The key.
        key: String,
        /// What is different.
        why: String,
    },
}

impl SettingsError {
    pub(crate) fn key(key: &str, why: impl Into<String>) -> Self {
        Self::Key { key: key.to_owned(), why: why.into() }
    }

    pub(crate) fn value(key: &str, why: impl Into<String>) -> Self {
        Self::Value { key: key.to_owned(), why: why.into() }
    }
}
