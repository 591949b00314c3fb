//! What the image's macro files tell rpm: where its database is, and which files it leaves out.
//!
//! In come the files of macros; out come [`Settings`]. Only plain values are read: what is made of
//! other macros, or by programs, is left at rpm's default. Source: rpm(8) "FILES", `macros.in` of
//! rpm.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

use crate::database::Format;

/// Files with rpm's settings, a later one wins (`macrofiles` of rpmrc, without the per-machine ones).
const MACRO_FILES: [&str; 2] = ["/usr/lib/rpm/macros", "/etc/rpm/macros"];
const MACRO_DIRECTORIES: [&str; 2] = ["/usr/lib/rpm/macros.d", "/etc/rpm"];
/// Far more than any macro file has, in bytes.
const MAX_MACROS: u64 = 1 << 20;

/// The settings of an image's rpm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `%_dbpath`: the database's directory.
    pub directory: Option<ImagePath>,
    /// `%_db_backend`: its format.
    pub format: Option<Format>,
    /// `%_install_langs`: files for other languages are left out; `None`: none is.
    pub languages: Option<Vec<String>>,
    /// `%_netsharedpath`: paths that are left as they are, and all below them.
    pub shared: Vec<String>,
    /// `%_excludedocs`: documentation is left out.
    pub no_documentation: bool,
    /// `%__systemd_sysusers`: the program that makes users and groups of packages.
    pub sysusers: Option<String>,
}

impl Settings {
    /// Those of an image.
    ///
    /// # Errors
    /// A file cannot be read from its layer, or a link leads nowhere.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, RootfsError> {
        let mut settings = Self::default();
        let mut files: Vec<ImagePath> = MACRO_FILES.map(ImagePath::literal).into();
        for directory in MACRO_DIRECTORIES.map(ImagePath::literal) {
            let directory = fs.resolve(&directory)?;
            let listed = fs.read_dir(&directory).into_iter();
            files.extend(listed.filter(|path| path.file_name().starts_with(b"macros.")));
        }
        for path in files {
            if fs.stat(&path).is_none_or(|entry| entry.size() > MAX_MACROS) {
                continue;
            }
            if let Some(bytes) = fs.read_if_readable(&path)? {
                settings.read_macros(&String::from_utf8_lossy(&bytes));
            }
        }
        Ok(settings)
    }

    fn read_macros(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("%_dbpath"), Some(value)) => self.directory = directory(value),
                (Some("%_db_backend"), Some(value)) => self.format = Format::from_setting(value),
                (Some("%_install_langs"), Some(value)) => self.languages = languages(value),
                (Some("%_netsharedpath"), Some(value)) if !value.contains('%') => {
                    let paths = value.split(':').filter(|path| path.starts_with('/'));
                    self.shared = paths.map(str::to_owned).collect();
                }
                (Some("%_excludedocs"), Some(value)) => self.no_documentation = value != "0",
                (Some("%__systemd_sysusers"), value) => self.sysusers = value.and_then(program),
                _ => {}
            }
        }
    }
}

/// A program as macro files write it; none where it is made of other macros.
fn program(value: &str) -> Option<String> {
    let value = value.replace("%{_rpmconfigdir}", "/usr/lib/rpm").replace("%{_bindir}", "/usr/bin");
    (value.starts_with('/') && !value.contains('%')).then_some(value)
}

/// `C.utf8:de`; `all` among them, and what other macros make, leaves nothing out.
fn languages(value: &str) -> Option<Vec<String>> {
    let all = value.contains('%') || value.split(':').any(|one| one == "all");
    (!all).then(|| value.split(':').map(str::to_owned).collect())
}

/// A directory as macro files write it, with the two macros that they use; none with others in it.
fn directory(value: &str) -> Option<ImagePath> {
    let value = value.replace("%{_var}", "/var").replace("%{_usr}", "/usr");
    let value = value.replace("%{_prefix}", "/usr").replace("%{_localstatedir}", "/var");
    if value.contains('%') || !value.starts_with('/') {
        return None;
    }
    ImagePath::new(value).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use imgfix_vfs::{Entry, NoLayers, Tree};

    use super::*;

    #[test]
    fn later_files_win_and_macros_of_macros_say_nothing() {
        let file =
            |path, text: &'static str| (ImagePath::literal(path), Entry::file(text, 0o644, 0));
        let tree = Tree::from_entries(
            [
                file(
                    "/usr/lib/rpm/macros",
                    "%_dbpath %{_var}/lib/rpm\n%_install_langs all\n\
                     #%__systemd_sysusers /usr/bin/x\n\
                     %__systemd_sysusers\t%{_rpmconfigdir}/sysusers.sh\n",
                ),
                file("/usr/lib/rpm/macros.d/macros.x", "%_excludedocs 1\n%_db_backend %{x}\n"),
                file("/etc/rpm/macros.image-language-conf", "%_install_langs C.utf8:de\n"),
            ],
            Arc::new(NoLayers),
        );
        let settings = Settings::read(&tree).unwrap();
        assert_eq!(settings.directory, Some(ImagePath::literal("/var/lib/rpm")));
        assert_eq!(settings.languages, Some(vec!["C.utf8".to_owned(), "de".to_owned()]));
        assert!(settings.no_documentation && settings.format.is_none());
        assert_eq!(settings.sysusers.as_deref(), Some("/usr/lib/rpm/sysusers.sh"));
        assert!(settings.shared.is_empty());
    }

    #[test]
    fn all_among_languages_are_all_and_what_is_shared_is_a_path() {
        let read = |text: &str| {
            let mut settings = Settings::default();
            settings.read_macros(text);
            settings
        };
        assert_eq!(read("%_install_langs de:all").languages, None);
        assert_eq!(read("%_install_langs en").languages, Some(vec!["en".to_owned()]));
        assert_eq!(read("%_netsharedpath /sys:/proc:x").shared, ["/sys", "/proc"]);
        assert!(read("%_netsharedpath %{nil}").shared.is_empty());
    }
}
