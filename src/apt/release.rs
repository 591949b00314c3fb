//! Release files: what a repository has, by digest
//! (deb822; <https://wiki.debian.org/DebianRepository/Format#A.22Release.22_files>).
//!
//! In comes the text whose signature was verified; out goes which index files exist with size
//! and SHA-256. MD5 and SHA-1 sections are not read: a repository without SHA256 is refused.

use std::collections::BTreeMap;

use imgfix_dpkg::control::parse_stanzas;
use imgfix_model::digest::Digest;

/// The most files that a Release file may list.
const MAX_FILES: usize = 1_000_000;

/// Why a Release file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct ReleaseError {
    /// URL of the file.
    pub name: String,
    /// What is wrong with it, for people.
    pub why: String,
}

/// A parsed Release file. Texts are empty where the field is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// `Origin`: who made the repository (`Debian`).
    pub origin: String,
    /// `Label`: which of the maker's repositories it is (`Debian-Security`).
    pub label: String,
    /// `Suite`, a name that moves to the next release (`stable`); apt's pins call it archive.
    pub suite: String,
    /// `Codename`, a name that stays with the release (`bookworm`).
    pub codename: String,
    /// `Version` of the distribution's release (`12.5`).
    pub version: String,
    /// `NotAutomatic: yes`: apt installs nothing from it unless told to.
    pub not_automatic: bool,
    /// `ButAutomaticUpgrades: yes`: what was installed from it is upgraded from it.
    pub but_automatic_upgrades: bool,
    /// `Date`, when it was made, as written there.
    pub date: Option<String>,
    /// `Valid-Until`, as written there.
    pub valid_until: Option<String>,
    /// `Acquire-By-Hash: yes`: index files are there by their digest, too.
    pub by_hash: bool,
    /// `Architectures` that it has packages for; `all` is one of them.
    pub architectures: Vec<String>,
    /// `Architecture: all` packages are in the index of every architecture, and an own index
    /// for `all` need not be read (`No-Support-for-Architecture-all: Packages`).
    pub all_is_everywhere: bool,
    /// `Components`, in the order of the field.
    pub components: Vec<String>,
    files: BTreeMap<String, (u64, Digest)>,
}

impl ReleaseFile {
    /// Reads the text of a Release file whose signature holds. `name` is its URL, for errors.
    ///
    /// # Errors
    /// It is not one stanza; it has no SHA256 section, or a malformed line in it; a path there
    /// leads out of the repository; it lists too many files.
    pub fn parse(name: &str, text: &str) -> Result<Self, ReleaseError> {
        let fail = |why: String| ReleaseError { name: name.to_owned(), why };
        let stanzas = parse_stanzas(text.to_owned()).map_err(|error| fail(error.to_string()))?;
        let [stanza] = stanzas.as_slice() else {
            return Err(fail(format!("{} stanzas instead of one", stanzas.len())));
        };
        let get = |field: &str| stanza.get(field).unwrap_or_default().trim().to_owned();
        let yes = |field: &str| get(field).eq_ignore_ascii_case("yes");
        let list = |field: &str| get(field).split_whitespace().map(str::to_owned).collect();
        let some = |field: &str| Some(get(field)).filter(|value| !value.is_empty());
        let section = stanza.get("SHA256").ok_or_else(|| {
            fail("it has no SHA256 digests, and weaker ones are not accepted".to_owned())
        })?;
        let mut files = BTreeMap::new();
        for line in section.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let wrong = || fail(format!("SHA256 line {:?} is not 'digest size path'", clip(line)));
            let mut words = line.split_whitespace();
            let (Some(hex), Some(size), Some(path)) = (words.next(), words.next(), words.next())
            else {
                return Err(wrong());
            };
            let digest = Digest::from_hex(&hex.to_ascii_lowercase()).map_err(|_| wrong())?;
            let size = size.parse().map_err(|_| wrong())?;
            if path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err(fail(format!("path {:?} leaves the repository", clip(path))));
            }
            files.insert(path.to_owned(), (size, digest));
            if files.len() > MAX_FILES {
                return Err(fail(format!("more than {MAX_FILES} files")));
            }
        }
        Ok(Self {
            origin: get("Origin"),
            label: get("Label"),
            suite: get("Suite"),
            codename: get("Codename"),
            version: get("Version"),
            not_automatic: yes("NotAutomatic"),
            but_automatic_upgrades: yes("ButAutomaticUpgrades"),
            date: some("Date"),
            valid_until: some("Valid-Until"),
            by_hash: yes("Acquire-By-Hash"),
            architectures: list("Architectures"),
            all_is_everywhere: get("No-Support-for-Architecture-all")
                .split_whitespace()
                .any(|word| word == "Packages"),
            components: list("Components"),
            files,
        })
    }

    /// Size and digest of an index file by its path below the Release file.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<(u64, Digest)> {
        self.files.get(path).copied()
    }

    /// Whether `binary-all` has packages that the indexes of the architectures have not.
    #[must_use]
    pub fn has_all(&self) -> bool {
        !self.all_is_everywhere && self.architectures.iter().any(|name| name == "all")
    }

    /// Whether this is the suite that a source asked for: by suite, codename, or as Debian's
    /// security repository is named (`bookworm/updates`).
    #[must_use]
    pub fn answers_to(&self, wanted: &str) -> bool {
        if wanted.ends_with('/') {
            return true;
        }
        let short = wanted.trim_end_matches("/updates");
        // a name ahead of the suite, as in "debian/bookworm", is part of the path only
        let last = wanted.rsplit('/').next().unwrap_or(wanted);
        [wanted, short, last].iter().any(|name| *name == self.suite || *name == self.codename)
    }
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn files_are_found_by_path() {
        let text = format!(
            "Suite: s\nCodename: c\nAcquire-By-Hash: yes\nSHA256:\n {HEX} 0 main/binary-amd64/Packages\n"
        );
        let release = ReleaseFile::parse("r", &text).unwrap();
        assert_eq!(release.file("main/binary-amd64/Packages"), Some((0, Digest::of(b""))));
        assert!(release.by_hash && release.answers_to("c") && release.answers_to("s"));
        assert!(!release.answers_to("other"));
    }

    #[test]
    fn weak_or_escaping_releases_are_refused() {
        for text in [
            "Suite: s\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 x\n".to_owned(),
            format!("SHA256:\n {HEX} 0 ../x\n"),
            "SHA256:\n zz 0 x\n".to_owned(),
            String::new(),
        ] {
            assert!(ReleaseFile::parse("r", &text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_suite_is_known_by_each_of_its_names() {
        let release = |suite: &str, codename: &str| {
            ReleaseFile::parse("r", &format!("Suite: {suite}\nCodename: {codename}\nSHA256:\n"))
                .unwrap()
        };
        let security = release("oldstable-security", "bookworm-security");
        for (wanted, want) in [
            ("bookworm-security", true),
            ("oldstable-security", true),
            ("bookworm", false),
            ("bookworm/", true),
        ] {
            assert_eq!(security.answers_to(wanted), want, "{wanted}");
        }
        assert!(release("oldoldstable", "buster").answers_to("buster/updates"));
    }

    #[test]
    fn packages_for_all_architectures_are_read_once() {
        let release = |text: &str| ReleaseFile::parse("r", &format!("{text}SHA256:\n")).unwrap();
        for (text, want) in [
            ("Architectures: all amd64\n", true),
            ("Architectures: amd64\n", false),
            ("Architectures: all amd64\nNo-Support-for-Architecture-all: Packages\n", false),
        ] {
            assert_eq!(release(text).has_all(), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _ = ReleaseFile::parse("r", &text);
            let _ = ReleaseFile::parse("r", &format!("SHA256:\n {text}\n"));
        }

        #[test]
        fn near_releases_never_panic(text in "((SHA256|Suite|Date|x)?[: ]{0,2}[0-9a-f./]{0,9}\n){0,20}") {
            let _ = ReleaseFile::parse("r", &text);
        }
    }
}
