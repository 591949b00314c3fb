//! What takes a problem out of use where no version helps: a class that is removed. It has the
//! same name in plain, nested and shaded archives, behind whatever folder it was moved to.

use std::collections::BTreeMap;

use bytes::Bytes;
use imgfix_model::component::{Library, Mitigated};
use imgfix_zip::{Archive, Change, Entry, Names, ZipError};

use crate::listing::LIMITS;

/// The problems that go with the class: it looks up names of strangers.
pub const IDS: [&str; 2] = ["CVE-2021-44228", "CVE-2021-45046"];

/// Whose class it is.
const LIBRARY: &str = "org.apache.logging.log4j:log4j-core";

/// How the class's path ends, wherever it was moved to.
const CLASS: &str = "lookup/JndiLookup.class";

/// Whether a class is taken out of a library for one of these problems.
#[must_use]
pub fn is_known(library: &Library, ids: &[String]) -> bool {
    library.name == LIBRARY && ids.iter().any(|id| IDS.contains(&id.as_str()))
}

fn is_class(entry: &Entry) -> bool {
    entry.name().ends_with(CLASS)
}

/// Whether an archive has the class.
#[must_use]
pub fn has_class(archive: &Archive) -> bool {
    archive.entries().iter().any(is_class)
}

/// An archive without the class.
///
/// # Errors
/// It is no archive, or does not have it.
pub fn applied(bytes: Bytes) -> Result<Bytes, ZipError> {
    let archive = Archive::read(bytes, LIMITS, Names::LookedInto)?;
    let with_class = archive.entries().iter().enumerate().filter(|(_, entry)| is_class(entry));
    let changes: BTreeMap<usize, Change> =
        with_class.map(|(at, _)| (at, Change::Removed)).collect();
    if changes.is_empty() {
        return Err(ZipError::NoEntry(CLASS.to_owned()));
    }
    archive.rewrite(&changes, &[])
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

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_zip::testing::Made;

    #[test]
    fn the_class_goes_wherever_it_is_and_nothing_else() {
        let plain = "org/apache/logging/log4j/core/lookup/JndiLookup.class";
        let moved = "shaded/org/apache/logging/log4j/core/lookup/JndiLookup.class";
        for class in [plain, moved] {
            let made = Made::of(&[(class, b"x"), ("a/Other.class", b"y")]);
            let without = applied(made.bytes().into()).unwrap();
            assert_eq!(without, Made::of(&[("a/Other.class", b"y")]).bytes(), "{class}");
            assert!(applied(without).is_err());
        }
        assert!(mitigated(LIBRARY, true).is_empty());
        assert!(mitigated("a:b", false).is_empty());
        assert_eq!(mitigated(LIBRARY, false)[0].ids, IDS);
    }
}
