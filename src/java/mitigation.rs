//! What takes a problem out of use where no version helps: classes that are removed. Which, for
//! what, is data: `repair-recipes/java-classes.toml` says the same to people.

use std::collections::BTreeMap;

use bytes::Bytes;
use imgfix_model::component::{Library, Mitigated};
use imgfix_zip::{Archive, Change, Names, ZipError};

use crate::listing::LIMITS;

/// The problems that go with the class: it looks up names of strangers.
pub const IDS: [&str; 2] = ["CVE-2021-44228", "CVE-2021-45046"];

/// Whose class it is.
const LIBRARY: &str = "org.apache.logging.log4j:log4j-core";

/// The class, below whatever folder a shaded jar moved it to.
const CLASS: &str = "org/apache/logging/log4j/core/lookup/JndiLookup.class";

/// Whether a class is taken out of a library for one of these problems.
#[must_use]
pub fn is_known(library: &Library, ids: &[String]) -> bool {
    library.name == LIBRARY && ids.iter().any(|id| IDS.contains(&id.as_str()))
}

/// Whether an archive has the class.
#[must_use]
pub fn has_class(archive: &Archive) -> bool {
    archive.entries().iter().any(|entry| entry.name() == CLASS)
}

/// An archive without the class.
///
/// # Errors
/// It is no archive, or does not have it.
pub fn applied(bytes: Bytes) -> Result<Bytes, ZipError> {
    let archive = Archive::read(bytes, LIMITS, Names::LookedInto)?;
    let at = archive.find(CLASS)?.ok_or_else(|| ZipError::NoEntry(CLASS.to_owned()))?;
    archive.rewrite(&BTreeMap::from([(at, Change::Removed)]), &[])
}

/// What a library is free of, when its archive does not have the class.
#[must_use]
pub fn mitigated(name: &str, has_class: bool) -> Vec<Mitigated> {
    if name != LIBRARY || has_class {
        return Vec::new();
    }
    let ids = IDS.map(str::to_owned).to_vec();
    vec![Mitigated { ids, how: "JndiLookup.class is not in it".to_owned() }]
}
