//! The seam between what all formats share and each of them: a [`Grammar`] reads a program's
//! files to [`Place`]s in the order in which the program reads them, and says how a place is
//! written anew and where a new one goes.

use std::ops::Range;

use crate::error::SettingsError;
use crate::files::Files;
use crate::text::Edit;

/// More statements than any settings have, in all files.
pub(crate) const MAX_PLACES: usize = 200_000;

/// One statement: some key is some value there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub file: usize,
    pub line: u32,
    /// As the program compares it.
    pub key: String,
    pub value: String,
    /// When it holds; `None`: always.
    pub condition: Option<String>,
    /// The bytes that say the value.
    pub at: Range<usize>,
    /// The bytes to take out for the statement to be gone.
    pub whole: Range<usize>,
    /// Why it cannot be read or changed with certainty; an error only where its key is asked for.
    pub unclear: Option<String>,
    /// What its grammar knows of it beyond that; never compared.
    pub detail: String,
}

/// Which of several places for one key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    First,
    Last,
    /// All have to say the same, or nothing is said: the program adds them up, or refuses two.
    Same,
}

/// A format.
pub(crate) trait Grammar: Sync {
    /// Every statement, in the program's order, from the file that was opened.
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError>;

    /// The key as places have it.
    fn key(&self, key: &str) -> Result<String, SettingsError>;

    /// Whether a place is about a key (in the form of [`Grammar::key`]).
    fn is_about(&self, place: &Place, key: &str) -> bool {
        place.key == key
    }

    /// Whether a place that is about the key holds only sometimes.
    fn conditional(&self, place: &Place, _key: &str) -> bool {
        place.condition.is_some()
    }

    /// Which place counts: the last, as nearly every program has it.
    fn order(&self, _key: &str) -> Order {
        Order::Last
    }

    /// Whether every place of the key counts, so that a change is one of all of them.
    fn all_count(&self, _key: &str) -> bool {
        false
    }

    /// Whether no place is about the key any more when it has the value: the key asks for places
    /// with another one.
    fn leaves(&self, _key: &str, _value: &str) -> bool {
        false
    }

    /// What a program that reads `wanted` for a key holds it for: the form in which places have it.
    fn value(&self, _key: &str, wanted: &str) -> Result<String, SettingsError> {
        Ok(wanted.to_owned())
    }

    /// The edits that make a place say a value.
    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError>;

    /// The edits that make a place out of nothing; no unconditional one is about the key.
    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError>;

    /// The edits that take a place out.
    fn take(&self, _files: &Files<'_>, place: &Place) -> Result<Vec<Edit>, SettingsError> {
        Ok(vec![Edit::new(place.file, place.whole.clone(), "")])
    }

    /// Whether a place has to be the same after a change of the key.
    fn is_other(&self, place: &Place, key: &str) -> bool {
        !self.is_about(place, key)
    }
}

/// The places so far, bounded.
pub(crate) fn push(
    files: &Files<'_>,
    places: &mut Vec<Place>,
    place: Place,
) -> Result<(), SettingsError> {
    if places.len() >= MAX_PLACES {
        let why = "more statements than any settings have".to_owned();
        return Err(SettingsError::TooMuch { file: files.path(place.file), why });
    }
    places.push(place);
    Ok(())
}
