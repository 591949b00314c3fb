//! Reading, changing, and reading again what was changed.

use std::collections::BTreeMap;

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use crate::Found;
use crate::error::SettingsError;
use crate::files::{Changed, Files};
use crate::format::Format;
use crate::grammar::{Grammar, Order, Place};
use crate::text::{Edit, apply};

/// What a program reads, and the key that is asked for.
pub(crate) struct Reading<'a> {
    files: Files<'a>,
    grammar: &'static dyn Grammar,
    places: Vec<Place>,
    key: String,
    asked: String,
}

impl<'a> Reading<'a> {
    pub fn new(
        fs: &'a dyn FileSystem,
        format: Format,
        file: &ImagePath,
        asked: &str,
    ) -> Result<Self, SettingsError> {
        if asked.is_empty() || asked.len() > 1024 || asked.contains(['\n', '\r', '\0']) {
            return Err(SettingsError::key(&asked.escape_debug().to_string(), "no key at all"));
        }
        let grammar = format.grammar();
        let key = grammar.key(asked)?;
        let mut files = Files::new(fs);
        let first = files.open(file)?;
        let places = grammar.read(&mut files, first)?;
        files.close();
        Ok(Self { files, grammar, places, key, asked: asked.to_owned() })
    }

    /// The places that are about the key.
    pub fn about(&self) -> Vec<&Place> {
        self.places.iter().filter(|place| self.grammar.is_about(place, &self.key)).collect()
    }

    /// Whether all places that are about the key are understood.
    pub fn clear(&self) -> Result<(), SettingsError> {
        for place in self.about() {
            if let Some(why) = &place.unclear {
                return Err(self.files.unclear(place.file, place.line, why.clone()));
            }
        }
        Ok(())
    }

    fn always(&self) -> Vec<&Place> {
        let mut places = self.about();
        places.retain(|place| !self.grammar.conditional(place, &self.key));
        places
    }

    /// The place that counts.
    pub fn effective(&self) -> Result<Option<&Place>, SettingsError> {
        self.clear()?;
        let places = self.always();
        Ok(match self.grammar.order(&self.key) {
            Order::First => places.first().copied(),
            Order::Last => places.last().copied(),
            Order::Same => {
                let first = places.first().copied();
                let differs = |place: &&&Place| first.is_some_and(|one| one.value != place.value);
                if let Some(other) = places.iter().find(differs) {
                    let why = format!("{} is said more than once, and not the same", self.asked);
                    return Err(self.files.unclear(other.file, other.line, why));
                }
                first
            }
        })
    }

    pub fn found(&self, place: &Place) -> Found {
        let condition = self.grammar.conditional(place, &self.key);
        Found {
            value: place.value.clone(),
            file: self.files.path(place.file),
            line: place.line,
            condition: place.condition.clone().filter(|_| condition),
        }
    }

    /// Everything that has to stay: where, when, what.
    fn others(&self) -> Vec<(ImagePath, Option<&str>, &str, &str)> {
        let others = self.places.iter().filter(|place| self.grammar.is_other(place, &self.key));
        others
            .map(|place| {
                let file = self.files.path(place.file);
                (file, place.condition.as_deref(), place.key.as_str(), place.value.as_str())
            })
            .collect()
    }

    fn contents(&self, edits: &[Edit]) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
        let mut by_file: BTreeMap<usize, Vec<&Edit>> = BTreeMap::new();
        for edit in edits {
            by_file.entry(edit.file).or_default().push(edit);
        }
        let mut out = Vec::new();
        for (file, edits) in by_file {
            let old = self.files.bytes(file);
            let new = apply(&old, edits)
                .ok_or_else(|| self.broken(file, "two edits are about the same bytes"))?;
            if new != old[..] {
                out.push((self.files.path(file), new));
            }
        }
        Ok(out)
    }

    fn broken(&self, file: usize, why: &str) -> SettingsError {
        let (file, key) = (self.files.path(file), self.asked.clone());
        SettingsError::Broken { file, key, why: why.to_owned() }
    }
}

pub(crate) fn set(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
    value: &str,
    everywhere: bool,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    if value.contains(['\0', char::REPLACEMENT_CHARACTER]) || value.len() > 64 << 10 {
        return Err(SettingsError::value(key, "no text that a file of settings can have"));
    }
    let reading = Reading::new(fs, format, file, key)?;
    let value = reading.grammar.value(&reading.key, value)?;
    let mut edits = Vec::new();
    let always = reading.always();
    reading.clear()?;
    match reading.grammar.order(&reading.key) {
        _ if reading.grammar.all_count(&reading.key) && !always.is_empty() => {
            for place in always.iter().filter(|place| place.value != value) {
                let put = reading.grammar.put(&reading.files, place, &reading.key, &value)?;
                edits.extend(put);
            }
        }
        _ if always.is_empty() && reading.grammar.leaves(&reading.key, &value) => {}
        // each of them counts
        Order::Same if !always.is_empty() => {
            // to make one of several different ones would take out what was added up
            reading.effective()?;
            for place in always.iter().filter(|place| place.value != value) {
                let put = reading.grammar.put(&reading.files, place, &reading.key, &value)?;
                edits.extend(put);
            }
        }
        _ => match reading.effective()? {
            Some(place) if place.value == value => {}
            Some(place) => {
                edits.extend(reading.grammar.put(&reading.files, place, &reading.key, &value)?);
            }
            None => {
                let (files, places) = (&reading.files, &reading.places);
                edits.extend(reading.grammar.add(files, places, &reading.key, &value)?);
            }
        },
    }
    if everywhere {
        for place in reading.about() {
            if reading.grammar.conditional(place, &reading.key) && place.value != value {
                let put = reading.grammar.put(&reading.files, place, &reading.key, &value)?;
                edits.extend(put);
            }
        }
    }
    let contents = reading.contents(&edits)?;
    let after = Changed::new(fs, &contents);
    let after = reread(&reading, &after, format, file)?;
    let first = edits.first().map_or(0, |edit| edit.file);
    if reading.grammar.leaves(&reading.key, &value) {
        return match after.about().first() {
            Some(place) => Err(reading.broken(place.file, "one is left as it was")),
            None => Ok(contents),
        };
    }
    if after.effective()?.is_none_or(|place| place.value != value) {
        return Err(reading.broken(first, "it has another value"));
    }
    let always = after.always();
    if after.grammar.all_count(&after.key) && always.iter().any(|place| place.value != value) {
        return Err(reading.broken(first, "one of its places has another value"));
    }
    if everywhere
        && after
            .about()
            .iter()
            .any(|place| after.grammar.conditional(place, &after.key) && place.value != value)
    {
        return Err(reading.broken(first, "a block says otherwise"));
    }
    Ok(contents)
}

pub(crate) fn remove(
    fs: &dyn FileSystem,
    format: Format,
    file: &ImagePath,
    key: &str,
    everywhere: bool,
) -> Result<Vec<(ImagePath, Vec<u8>)>, SettingsError> {
    let reading = Reading::new(fs, format, file, key)?;
    reading.clear()?;
    let mut edits = Vec::new();
    for place in if everywhere { reading.about() } else { reading.always() } {
        edits.extend(reading.grammar.take(&reading.files, place)?);
    }
    let contents = reading.contents(&edits)?;
    let after = Changed::new(fs, &contents);
    let after = reread(&reading, &after, format, file)?;
    let left = if everywhere { after.about() } else { after.always() };
    if !left.is_empty() {
        return Err(reading.broken(left.first().map_or(0, |place| place.file), "it is still there"));
    }
    Ok(contents)
}

/// Reads again, and compares everything that is not about the key.
fn reread<'b>(
    before: &Reading<'_>,
    fs: &'b dyn FileSystem,
    format: Format,
    file: &ImagePath,
) -> Result<Reading<'b>, SettingsError> {
    let after = Reading::new(fs, format, file, &before.asked)?;
    if before.others() != after.others() {
        return Err(before.broken(0, "another setting would not be as it was"));
    }
    Ok(after)
}
