//! [`World`]: `etc/apk/world`, what the image's maker asked for.
//!
//! In comes the file's bytes; out come dependencies, which write themselves as apk does when it
//! has installed something. Source: apk-tools 2.12 and 2.14, `src/database.c`
//! (`apk_db_read_state`, `apk_db_write_config`), `src/solver.c` (`cmp_pkgname`).

use super::dependency::{Comparison, Constraint, Dependency, DependencyError};
use super::installed::{RecordOrder, compare_names};
use super::record::Record;
use imgfix_model::package::PackageName;
use imgfix_versions::apk::generation::Generation;

/// Where the file is in the image.
pub const WORLD: &str = "/etc/apk/world";

/// The most it may ask for; a whole system asks for some hundreds. Every installed package is held
/// against all of it.
const MAX_ENTRIES: usize = 16_384;

/// Why the file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Bytes that are not UTF-8.
    #[error("it is not UTF-8 text")]
    Encoding,
    /// A malformed dependency.
    #[error("line {line}: {source}")]
    Dependency {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        source: DependencyError,
    },
    /// More than any system asks for.
    #[error("line {line}: more than {MAX_ENTRIES} entries")]
    TooMany {
        /// The line with which they are too many, from 1.
        line: usize,
    },
}

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// In the order of the file.
    pub dependencies: Vec<Dependency>,
}

impl World {
    /// Reads dependencies that are separated by spaces and line ends.
    ///
    /// # Errors
    /// The first that is malformed. (apk passes over it and all behind it, and then loses them.)
    pub fn parse(bytes: &[u8]) -> Result<Self, WorldError> {
        let text = std::str::from_utf8(bytes).map_err(|_| WorldError::Encoding)?;
        let mut dependencies = Vec::new();
        for (line, text) in (1..).zip(text.split('\n')) {
            // apk does not write white space of other kinds. It separates entries here, too, so
            // that what is written is read as the same.
            let text = text.replace(['\t', '\r', '\x0b', '\x0c'], " ");
            let list = Dependency::parse_list(text.trim_ascii());
            dependencies.extend(list.map_err(|source| WorldError::Dependency { line, source })?);
            if dependencies.len() > MAX_ENTRIES {
                return Err(WorldError::TooMany { line });
            }
        }
        Ok(Self { dependencies })
    }

    /// The file as apk writes it, one dependency a line. Before 2.14 upper case is before
    /// lower case; since then names are ordered regardless of it.
    #[must_use]
    pub fn write(&self, order: RecordOrder) -> Vec<u8> {
        let mut sorted: Vec<&Dependency> = self.dependencies.iter().collect();
        match order {
            RecordOrder::List => sorted.sort_by(|a, b| a.name.cmp(&b.name)),
            RecordOrder::Sorted => sorted.sort_by(|a, b| compare_names(&a.name, &b.name)),
        }
        let lines: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        format!("{}\n", lines.join("\n")).into_bytes()
    }

    /// What is asked of a name.
    pub fn of<'a>(&'a self, name: &'a PackageName) -> impl Iterator<Item = &'a Dependency> {
        self.dependencies.iter().filter(move |dependency| dependency.name == *name)
    }

    /// Whether something asked for forbids every version newer than the one installed.
    #[must_use]
    pub fn holds(&self, installed: &Record, by: Generation) -> bool {
        self.of(&installed.name).any(|dependency| forbids_newer(dependency, installed, by))
    }
}

fn forbids_newer(dependency: &Dependency, installed: &Record, by: Generation) -> bool {
    match (&dependency.constraint, dependency.conflict) {
        (Constraint::Any, conflict) => conflict,
        (Constraint::Identity(_), conflict) => !conflict,
        (Constraint::Version(comparison, wanted), conflict) => {
            let order = by.compare(&installed.version, wanted);
            match conflict {
                true => comparison.greater && order.is_ge(),
                false => order.is_ge() && is_ceiling(*comparison, wanted.as_str()),
            }
        }
    }
}

/// Whether nothing above the version itself will do. A prefix (`~1.2`) is continued by newer
/// versions; one that ends in a revision is not.
fn is_ceiling(comparison: Comparison, wanted: &str) -> bool {
    !comparison.greater && (!comparison.fuzzy || wanted.contains("-r"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use imgfix_versions::apk::Version;

    #[test]
    fn what_is_asked_for_is_written_sorted_a_line_each() {
        let text = b"  zlib busybox@edge>1.2\n!uclibc\nGraphicsMagick=1-r0\n\n";
        let world = World::parse(text).unwrap();
        assert_eq!(
            String::from_utf8(world.write(RecordOrder::Sorted)).unwrap(),
            "busybox@edge>1.2\nGraphicsMagick=1-r0\n!uclibc\nzlib\n"
        );
        assert_eq!(
            String::from_utf8(world.write(RecordOrder::List)).unwrap(),
            "GraphicsMagick=1-r0\nbusybox@edge>1.2\n!uclibc\nzlib\n"
        );
        assert_eq!(World::parse(b"").unwrap().write(RecordOrder::Sorted), b"\n");
        for text in [&b"b \ra\n"[..], b"b\ra\r\n", b"\tb\x0ca\n", b"b \x0b\ra"] {
            let written = World::parse(text).unwrap().write(RecordOrder::Sorted);
            assert_eq!(written, b"a\nb\n", "{text:?}");
        }
    }

    #[test]
    fn what_is_no_dependency_is_told_with_its_line() {
        let error = World::parse(b"busybox\nzlib foo=1,2\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: \"1,2\" in \"foo=1,2\" is not a version");
        assert_eq!(World::parse(b"\xff"), Err(WorldError::Encoding));
        let lines = |count| World::parse("a\n".repeat(count).as_bytes());
        assert_eq!(lines(MAX_ENTRIES).unwrap().dependencies.len(), MAX_ENTRIES);
        assert_eq!(lines(MAX_ENTRIES + 1), Err(WorldError::TooMany { line: MAX_ENTRIES + 1 }));
    }

    #[test]
    fn a_package_is_held_when_nothing_newer_may_come() {
        let record = |version| Record {
            name: "a".into(),
            version: Version::new(version),
            ..Record::default()
        };
        for (asked, want) in [
            ("a", false),
            ("b=1.2-r0", false),
            ("a=1.2-r0", true),
            ("a<=1.2-r0", true),
            ("a<1.3", false),
            ("a>1", false),
            ("a~1.2", false),
            ("a~1.2-r0", true),
            ("!a>1.2-r0", true),
            ("!a<1", false),
            ("a b a=1.2-r0", true),
            ("a><Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=", true),
        ] {
            let world = World::parse(asked.as_bytes()).unwrap();
            for by in Generation::ALL {
                assert_eq!(world.holds(&record("1.2-r0"), by), want, "{asked}");
            }
        }
        // 1.016 is above 1.04 for apk 2, below it for apk 3.
        let world = World::parse(b"a<=1.04-r0").unwrap();
        let held = Generation::ALL.map(|by| world.holds(&record("1.016-r0"), by));
        assert_eq!(held, [true, false]);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_written_the_same(bytes: Vec<u8>) {
            if let Ok(world) = World::parse(&bytes) {
                for order in [RecordOrder::List, RecordOrder::Sorted] {
                    let once = world.write(order);
                    prop_assert_eq!(World::parse(&once).unwrap().write(order), once);
                }
            }
        }
    }
}
