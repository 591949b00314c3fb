//! Files of settings as their programs read them: one key is read, set or removed, and every
//! other byte stays (comments, order, line ends, indentation, a missing last line end).
//!
//! In come a [`FileSystem`], a [`Format`], the file that the program starts with and a key; out
//! come what holds ([`effective`]), every place that says something of it ([`all`]), and new
//! contents of files ([`set`], [`remove`]). Includes are followed inside the image.
//!
//! What is not understood is an error that names file and line, never an edit. Each edit is read
//! again before it is handed out: the key has the value, and every other statement is as it was.
//!
//! Who checks a key looks at [`holding`], with the program's default where nothing always holds.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod apache;
mod change;
mod error;
mod files;
mod flat;
mod format;
mod glob;
mod grammar;
mod hadoop;
mod ini;
mod json;
mod markup;
mod mongod;
mod mysql;
mod nginx;
mod pg_hba;
mod postgresql;
mod properties;
#[cfg(test)]
mod real_programs;
mod redis;
mod shell_variables;
mod sshd;
mod sudoers;
#[cfg(test)]
mod testing;
mod text;
mod tomcat;
mod words;
mod yaml;

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

pub use error::SettingsError;
pub use format::{Format, UnknownFormat};

/// A place that says something of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The value, without the quotes and escapes of the format.
    pub value: String,
    /// The file, links followed.
    pub file: ImagePath,
    /// The line, from 1.
    pub line: u32,
    /// When it holds (`Match User backup`, `server`); `None`: always.
    pub condition: Option<String>,
}

/// What holds for `key` for the program that starts with `file`; `None`: nothing says it, and
/// the program has its default. Places that hold only sometimes do not count.
///
/// # Errors
/// A file cannot be read, the key is not one of the format, or what holds is not certain.
pub fn effective(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
) -> Result<Option<Found>, SettingsError> {
    let reading = change::Reading::new(fs, format, file, key)?;
    Ok(reading.effective()?.map(|place| reading.found(place)))
}

/// What holds for `key` always, as [`effective`] has it, and behind it what holds only sometimes.
///
/// # Errors
/// As [`effective`].
pub fn holding(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
) -> Result<(Option<Found>, Vec<Found>), SettingsError> {
    let reading = change::Reading::new(fs, format, file, key)?;
    let always = reading.effective()?.map(|place| reading.found(place));
    let places = reading.about().into_iter().map(|place| reading.found(place));
    Ok((always, places.filter(|place| place.condition.is_some()).collect()))
}

/// Every place that says something of the key, in the program's order, those that hold only
/// sometimes, too.
///
/// # Errors
/// As [`effective`].
pub fn all(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
) -> Result<Vec<Found>, SettingsError> {
    let reading = change::Reading::new(fs, format, file, key)?;
    reading.clear()?;
    Ok(reading.about().into_iter().map(|place| reading.found(place)).collect())
}

/// New contents of the files so that [`effective`] is `value`; empty when it is so already.
/// Places that hold only sometimes stay as they are.
///
/// # Errors
/// As [`effective`]; the value cannot be written; there is no place for it.
pub fn set(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
    value: &str,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    change::set(fs, format, file, key, value, false)
}

/// As [`set`]; and no place that holds only sometimes says otherwise.
///
/// # Errors
/// As [`set`].
pub fn set_everywhere(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
    value: &str,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    change::set(fs, format, file, key, value, true)
}

/// New contents of the files so that [`effective`] is `None`; empty when it is so already.
///
/// # Errors
/// As [`effective`].
pub fn remove(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    change::remove(fs, format, file, key, false)
}

/// As [`remove`]; and no place that holds only sometimes is left: [`all`] is empty.
///
/// # Errors
/// As [`remove`].
pub fn remove_everywhere(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    change::remove(fs, format, file, key, true)
}
