//! [`Generation`]: which apk an image is of, by whose rules its versions are compared.
//!
//! In comes the text of the installed database, and whether the archive of scripts names packages
//! as apk 3 does; out comes the generation, which orders versions. That is the apk in the image's;
//! an image without one (apko builds them) is apk 3's when only apk 3 can have written its
//! database. Source: apk-tools 2.14 and 3.0, `src/version.c`.

use std::cmp::Ordering;

use super::{Match, Version, apk2, apk3};
use crate::VersionOrder;

/// The package that apk itself is of.
pub const APK_TOOLS: &str = "apk-tools";

/// The first version of the apk that orders versions anew. Releases to be count as it.
const APK_3_SINCE: &str = "3";

/// Whose rules hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Generation {
    /// apk-tools 2 (Alpine 3.22 and before, Wolfi, Chainguard).
    #[default]
    Apk2,
    /// apk-tools 3 (Alpine 3.23 and later).
    Apk3,
}

impl Generation {
    /// Both, the older first.
    pub const ALL: [Self; 2] = [Self::Apk2, Self::Apk3];

    /// That of an image with this database. `scripts_of_apk3` is asked only if the database does
    /// not say it.
    #[must_use]
    pub fn of(installed: &[u8], scripts_of_apk3: impl FnOnce() -> bool) -> Self {
        let is_of_apk3 = match apk_tools(installed) {
            Some(version) => release(version) >= release(APK_3_SINCE.as_bytes()),
            None => has_hashes_of_apk3(installed) || scripts_of_apk3(),
        };
        if is_of_apk3 { Self::Apk3 } else { Self::Apk2 }
    }

    /// Whether this apk takes the text for a version.
    #[must_use]
    pub fn is_valid(self, version: &str) -> bool {
        match self {
            Self::Apk2 => apk2::is_valid(version),
            Self::Apk3 => apk3::is_valid(version),
        }
    }

    /// Compares as `apk version -t` does.
    #[must_use]
    pub fn compare(self, a: &Version, b: &Version) -> Ordering {
        self.compare_as(a, b, Match::Whole)
    }

    /// Whether `version` is `prefix` or continues it, as a dependency `name~prefix` asks.
    #[must_use]
    pub fn continues(self, version: &Version, prefix: &Version) -> bool {
        self.compare_as(version, prefix, Match::Prefix) == Ordering::Equal
    }

    fn compare_as(self, a: &Version, b: &Version, matching: Match) -> Ordering {
        match self {
            Self::Apk2 => apk2::compare(a.as_str(), b.as_str(), matching),
            Self::Apk3 => apk3::compare(a.as_str(), b.as_str(), matching),
        }
    }
}

impl From<Generation> for VersionOrder {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::Apk2 => Self::APK2,
            Generation::Apk3 => Self::APK3,
        }
    }
}

/// The number before the first dot; 0 when there is none.
fn release(version: &[u8]) -> u64 {
    let digits: Vec<u8> = version.iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The version of the apk that a database has.
fn apk_tools(installed: &[u8]) -> Option<&[u8]> {
    let mut is_apk = false;
    let mut version = None;
    for line in installed.split(|&byte| byte == b'\n') {
        match line {
            [b'P', b':', name @ ..] => is_apk = name == APK_TOOLS.as_bytes(),
            [b'V', b':', value @ ..] => version = Some(value),
            [] | [_] => (is_apk, version) = (false, None),
            _ => {}
        }
        if is_apk && version.is_some() {
            return version;
        }
    }
    None
}

/// Whether a package has the mark for checksums that are SHA-256 cut to 160 bits, which only
/// packages of version 3 have.
fn has_hashes_of_apk3(installed: &[u8]) -> bool {
    let mut lines = installed.split(|&byte| byte == b'\n');
    lines.any(|line| line.starts_with(b"f:") && line.contains(&b'S'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_is_that_of_the_images_apk_or_of_what_wrote_its_database() {
        let (two, three) = (Generation::Apk2, Generation::Apk3);
        for (installed, scripts_of_apk3, want) in [
            ("P:apk-tools\nV:2.14.10-r0\n\n", true, two),
            ("P:apk-tools\nV:2.14.10-r0\nf:S\n\n", true, two),
            ("P:apk-tools\nV:3.0.6-r0\n\n", false, three),
            ("P:apk-tools\nV:3.0.0_pre1_git20240101-r0\n\n", false, three),
            ("C:x\nV:3.0.6-r0\nP:apk-tools\n\n", false, three),
            ("P:a\nV:3.0.6-r0\n\nP:apk-tools\nV:2.12.7-r0\n\n", false, two),
            ("P:apk-tools-doc\nV:3.0.6-r0\n\n", false, two),
            ("P:a\nV:1\n\n", false, two),
            ("P:a\nV:1\n\n", true, three),
            ("P:a\nV:1\nf:S\nF:etc\n\n", false, three),
            ("P:a\nV:1\nf:sS\nF:etc\n\n", false, three),
            ("P:a\nV:1\nf:s\nF:etc\n\n", false, two),
            ("", false, two),
        ] {
            assert_eq!(
                Generation::of(installed.as_bytes(), || scripts_of_apk3),
                want,
                "{installed}"
            );
        }
    }
}
