//! Where an image's rpm database is, and in which format: as rpm decides it.
//!
//! rpm has one directory from its settings (`%_dbpath`) and takes the format whose file is there;
//! the one of its settings (`%_db_backend`) first, then SQLite, ndb, Berkeley DB (`lib/backend/dbi.cc`).
//! Distributions moved the directory and left symbolic links, so that several names lead to one.

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use super::DatabaseError;
use crate::settings::Settings;

/// Directories that distributions use: rpm's own, that of SUSE and Fedora since 36, ostree's.
pub const DIRECTORIES: [&str; 3] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"];

/// A format of rpm's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `rpmdb.sqlite`.
    Sqlite,
    /// `Packages.db` and `Index.db`.
    Ndb,
    /// `Packages` and a file an index.
    BerkeleyDb,
}

impl Format {
    /// In the order in which rpm looks for them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Ndb, Self::BerkeleyDb];

    /// The file with the packages.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Sqlite => "rpmdb.sqlite",
            Self::Ndb => "Packages.db",
            Self::BerkeleyDb => "Packages",
        }
    }

    pub(crate) fn from_setting(name: &str) -> Option<Self> {
        match name {
            "sqlite" => Some(Self::Sqlite),
            "ndb" => Some(Self::Ndb),
            "bdb" => Some(Self::BerkeleyDb),
            _ => None,
        }
    }
}

/// A database in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its directory, all links followed.
    pub directory: ImagePath,
    /// Its format.
    pub format: Format,
}

impl Location {
    /// The image's database; none where no directory has one.
    ///
    /// # Errors
    /// Several directories have one, and rpm's settings do not say which is used.
    pub fn find(fs: &dyn FileSystem) -> Result<Option<Self>, DatabaseError> {
        let settings = Settings::read(fs)?;
        let mut found: Vec<Self> = Vec::new();
        let set = settings.directory.as_ref();
        let usual = DIRECTORIES.iter().copied().map(ImagePath::literal);
        for directory in set.cloned().into_iter().chain(usual) {
            let directory = fs.resolve(&directory)?;
            if found.iter().any(|other| other.directory == directory) {
                continue;
            }
            if let Some(format) = format_in(&settings, fs, &directory)? {
                found.push(Self { directory, format });
            }
        }
        let mut found = found.into_iter();
        let (first, second) = (found.next(), found.next());
        match (first, second) {
            (Some(first), Some(second)) => {
                let set = set.map(|path| fs.resolve(path)).transpose()?;
                if set.as_ref() == Some(&first.directory) {
                    return Ok(Some(first));
                }
                Err(DatabaseError::Ambiguous { first: first.directory, second: second.directory })
            }
            (first, _) => Ok(first),
        }
    }

    /// A file of the database.
    ///
    /// # Errors
    /// The path would be too long.
    pub fn file(&self, name: &str) -> Result<ImagePath, DatabaseError> {
        Ok(self.directory.join(name)?)
    }
}

/// The format whose file is in `directory`.
fn format_in(
    settings: &Settings,
    fs: &dyn FileSystem,
    directory: &ImagePath,
) -> Result<Option<Format>, DatabaseError> {
    for format in settings.format.into_iter().chain(Format::ALL) {
        if fs.stat(&directory.join(format.file_name())?).is_some() {
            return Ok(Some(format));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgfix_vfs::{Entry, NoLayers, Tree};

    use super::*;

    const SYSIMAGE: &str = "/usr/lib/sysimage/rpm";

    fn found(files: &[(&'static str, &'static str)]) -> Result<Option<(String, Format)>, String> {
        let entry = |(path, text): &(&'static str, &'static str)| {
            let entry = match text.strip_prefix("-> ") {
                Some(target) => Entry::symlink(target, 0),
                None => Entry::file(*text, 0o644, 0),
            };
            (ImagePath::literal(path), entry)
        };
        let tree = Tree::from_entries(files.iter().map(entry), Arc::new(NoLayers));
        match Location::find(&tree) {
            Ok(found) => Ok(found.map(|at| (at.directory.to_string(), at.format))),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_file_that_is_there_says_the_format() {
        let at = |directory: &str, format| Ok(Some((directory.to_owned(), format)));
        let (sqlite, bdb) = ("/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages");
        assert_eq!(found(&[("/etc/passwd", "")]), Ok(None));
        assert_eq!(found(&[(bdb, "")]), at("/var/lib/rpm", Format::BerkeleyDb));
        assert_eq!(found(&[(bdb, ""), (sqlite, "")]), at("/var/lib/rpm", Format::Sqlite));
        let macros = ("/usr/lib/rpm/macros", "%_db_backend bdb\n");
        assert_eq!(
            found(&[(bdb, ""), (sqlite, ""), macros]),
            at("/var/lib/rpm", Format::BerkeleyDb)
        );
        let ndb = "/usr/lib/sysimage/rpm/Packages.db";
        assert_eq!(
            found(&[(ndb, ""), ("/var/lib/rpm", "-> ../../usr/lib/sysimage/rpm")]),
            at(SYSIMAGE, Format::Ndb)
        );
    }

    #[test]
    fn settings_choose_between_two_databases() {
        let files = [("/var/lib/rpm/Packages", ""), ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "")];
        assert!(found(&files).unwrap_err().contains("both have an rpm database"));
        let with = |text| found(&[files[0], files[1], ("/usr/lib/rpm/macros", text)]);
        let directory = |text| with(text).map(|found| found.map(|(directory, _)| directory));
        let old = "%_dbpath\t\t%{_var}/lib/rpm\n";
        assert_eq!(directory(old), Ok(Some("/var/lib/rpm".to_owned())));
        let new = "%_dbpath %{_usr}/lib/sysimage/rpm\n";
        assert_eq!(directory(new), Ok(Some(SYSIMAGE.to_owned())));
        assert!(directory("%_dbpath %{something}/rpm\n").is_err());
    }
}
