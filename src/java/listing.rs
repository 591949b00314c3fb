//! An archive of Java and the archives inside of it, each looked into: which libraries they are.

use bytes::Bytes;
use imgfix_zip::{Archive, Limits, Names, ZipError};

use crate::identity::{Artifact, identities};
use crate::mitigation::Mark;

/// The largest file that is looked into, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// How deep archives lie in each other: an ear has wars, which have jars, which may have jars.
const MAX_DEPTH: usize = 4;

/// How many archives one file may have inside.
const MAX_NESTED: usize = 20_000;

/// What archives inside of one file may have together, inflated, in bytes.
const MAX_INFLATED: u64 = 2 << 30;

/// How names of archives of Java end.
const EXTENSIONS: [&str; 8] = ["jar", "war", "ear", "par", "sar", "kar", "jpi", "hpi"];

/// What there may be in one file: everything is read into memory, one archive a depth.
pub const LIMITS: Limits = Limits { entry: MAX_FILE, ..Limits::PACKAGE };

/// An archive that was looked into.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Its way inside the file: empty for the file itself, `WEB-INF/lib/a.jar`,
    /// `app.war/WEB-INF/lib/a.jar`.
    pub at: String,
    /// What it is and has.
    pub artifacts: Vec<Artifact>,
    /// Half a sentence: why it could not be read.
    pub unread: Option<String>,
    /// Whether it has archives itself.
    pub has_nested: bool,
    /// What it has that recipes are about.
    pub marks: Vec<Mark>,
    /// Whether somebody signed it: a changed one would not be taken any more.
    pub is_signed: bool,
}

/// Whether a name is one of an archive of Java.
#[must_use]
pub fn is_archive(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    EXTENSIONS.iter().any(|one| name[dot + 1..].eq_ignore_ascii_case(one.as_bytes()))
}

/// Looks into a file, whose own name is `file`.
#[must_use]
pub fn look_into(bytes: Bytes, file: &str) -> Vec<Found> {
    let mut look = Look { found: Vec::new(), left: MAX_INFLATED };
    look.archive(Archive::read(bytes, LIMITS, Names::LookedInto), file, "", 0);
    look.found
}

struct Look {
    found: Vec<Found>,
    /// Bytes of archives in archives that may still be inflated.
    left: u64,
}

impl Look {
    fn archive(&mut self, archive: Result<Archive, ZipError>, file: &str, at: &str, depth: usize) {
        let unread = |at: &str, why: String| {
            let (at, artifacts) = (at.to_owned(), Vec::new());
            Found {
                at,
                artifacts,
                unread: Some(why),
                has_nested: false,
                is_signed: false,
                marks: Vec::new(),
            }
        };
        let archive = match archive {
            Ok(archive) => archive,
            Err(error) => return self.found.push(unread(at, error.to_string())),
        };
        let nested = archive.entries().iter().filter(|entry| {
            !entry.is_folder() && is_archive(entry.name().as_bytes()) && entry.size() > 0
        });
        let mut nested = nested.peekable();
        self.found.push(Found {
            at: at.to_owned(),
            artifacts: identities(&archive, file),
            unread: None,
            has_nested: nested.peek().is_some(),
            marks: crate::mitigation::marks(&archive),
            is_signed: archive.entries().iter().any(|entry| is_signature(entry.name())),
        });
        for entry in nested {
            let inside = match at {
                "" => entry.name().to_owned(),
                at => format!("{at}/{}", entry.name()),
            };
            let left = self.left.checked_sub(if entry.is_stored() { 0 } else { entry.size() });
            self.left = left.unwrap_or(0);
            if depth == MAX_DEPTH || self.found.len() >= MAX_NESTED || left.is_none() {
                self.found.push(unread(
                    &inside,
                    "it lies too deep in archives, or behind too many".into(),
                ));
                return;
            }
            let file = entry.name().rsplit('/').next().unwrap_or_default();
            let content = archive.content(entry);
            let archive = content.and_then(|bytes| Archive::read(bytes, LIMITS, Names::LookedInto));
            self.archive(archive, file, &inside, depth + 1);
        }
    }
}

/// Whether a name is one of a signature file (`META-INF/NAME.SF`).
fn is_signature(name: &str) -> bool {
    let file = name.strip_prefix("META-INF/").filter(|file| !file.contains('/'));
    file.is_some_and(|file| file.to_ascii_uppercase().ends_with(".SF"))
}
