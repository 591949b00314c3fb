//! The package database as a program that a script calls reads it: files under
//! `/var/lib/dpkg`.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;

use super::files::read_optional;
use imgfix_dpkg::control::parse_stanzas;
use imgfix_dpkg::diversions::Diversions;
use imgfix_dpkg::status::{State, Status, StatusEntry};
use imgfix_shell::{Process, Stop};
use imgfix_versions::dpkg::Version;

/// Fields whose values name other packages.
const RELATIONS: &[&str] = &[
    "Depends",
    "Pre-Depends",
    "Recommends",
    "Suggests",
    "Breaks",
    "Conflicts",
    "Replaces",
    "Provides",
    "Enhances",
];

/// The directory of the database: dpkg's `--admindir`.
#[derive(Debug, Clone)]
pub struct AdminDir(Vec<u8>);

impl AdminDir {
    /// The one that a program uses without being told: `$DPKG_ADMINDIR`, `/var/lib/dpkg`.
    ///
    /// # Errors
    /// `$DPKG_ROOT` names another root.
    pub fn of(process: &Process<'_>) -> Result<Self, Stop> {
        match process.variable("DPKG_ROOT") {
            None | Some(b"" | b"/") => {}
            Some(_) => return Err(process.unsupported("another DPKG_ROOT")),
        }
        Ok(Self(process.variable("DPKG_ADMINDIR").unwrap_or(b"/var/lib/dpkg").to_vec()))
    }

    /// The directory that an option names.
    #[must_use]
    pub fn named(directory: Vec<u8>) -> Self {
        Self(directory)
    }

    /// A file of the database.
    #[must_use]
    pub fn file(&self, name: &str) -> Vec<u8> {
        [&self.0, &b"/"[..], name.as_bytes()].concat()
    }
}

/// The recorded packages.
pub struct Database {
    pub admindir: AdminDir,
    pub entries: Vec<StatusEntry>,
    native: String,
    /// Whether `char` is signed there: it decides where names go in dpkg's hash table.
    signed_char: bool,
}

/// What a package specifier means.
pub enum Found {
    Entry(usize),
    /// Nothing is recorded; the name as dpkg would print it.
    Nothing(String),
    /// The text is no specifier; why not, in dpkg's words.
    Bad(String),
}

impl Database {
    /// Reads the status file.
    ///
    /// # Errors
    /// It is damaged.
    pub fn load(process: &mut Process<'_>, admindir: AdminDir) -> Result<Self, Stop> {
        let path = admindir.file("status");
        let text = read_optional(process, &path)?.unwrap_or_default();
        let status = Status::parse(text).map_err(|error| {
            process.unsupported(format!("{}: {error}", String::from_utf8_lossy(&path)))
        })?;
        let native = process.machine.settings.architecture.clone();
        let signed_char = matches!(native.as_str(), "amd64" | "i386");
        let mut database = Self { admindir, entries: status.entries, native, signed_char };
        database.sort();
        Ok(database)
    }

    /// By name; of one name those first that need no architecture behind it.
    fn sort(&mut self) {
        let native = self.native.clone();
        self.entries.sort_by(|a, b| {
            let qualifier = |entry: &StatusEntry| {
                needs_architecture(entry, &native).then(|| entry.architecture.clone())
            };
            match a.name.cmp(&b.name) {
                Ordering::Equal => qualifier(a).cmp(&qualifier(b)),
                other => other,
            }
        });
    }

    /// The entries, and one that is not installed for every other package that relations
    /// name: dpkg knows those too, and says so when it is asked for them by a pattern.
    ///
    /// # Errors
    /// Data limits.
    pub fn with_mentioned(&self, process: &mut Process<'_>) -> Result<Vec<StatusEntry>, Stop> {
        let known: HashSet<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut mentioned = BTreeSet::new();
        for entry in &self.entries {
            process.machine.spend(1)?;
            for value in RELATIONS.iter().filter_map(|field| entry.stanza.get(field)) {
                let names = value.split([',', '|']).map(|relation| {
                    let relation = relation.trim_ascii_start();
                    let end = relation.find([' ', '(', ':', '\n', '[']).unwrap_or(relation.len());
                    relation.get(..end).unwrap_or_default().to_ascii_lowercase()
                });
                mentioned.extend(names.filter(|name| !name.is_empty()));
            }
        }
        let mut all = self.entries.clone();
        for name in mentioned.iter().filter(|name| !known.contains(name.as_str())) {
            let text = format!("Package: {name}\nStatus: unknown ok not-installed\n");
            let stanza = parse_stanzas(text).ok().and_then(|mut stanzas| stanzas.pop());
            let entry = stanza.and_then(|stanza| StatusEntry::new(stanza).ok());
            all.extend(entry);
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Whether the image's own dpkg, which these commands stand for, is older than a version.
    #[must_use]
    pub fn dpkg_is_before(&self, version: &str) -> bool {
        let own = self.entries.iter().find(|entry| entry.name == "dpkg");
        let own = own.and_then(|entry| Version::parse_recorded(entry.version()).ok());
        own.zip(Version::parse(version).ok()).is_some_and(|(own, bound)| own < bound)
    }

    /// What the image's own dpkg prints of its version: the numbers of its package's version.
    #[must_use]
    pub fn dpkg_version(&self) -> Option<&str> {
        let own = self.entries.iter().find(|entry| entry.name == "dpkg")?.version();
        let end = own.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(own.len());
        own.get(..end).filter(|version| !version.is_empty())
    }

    #[must_use]
    pub fn get(&self, at: usize) -> Option<&StatusEntry> {
        self.entries.get(at)
    }

    /// The name, with the architecture where it would be ambiguous otherwise.
    #[must_use]
    pub fn label(&self, entry: &StatusEntry) -> String {
        match needs_architecture(entry, &self.native) {
            true => format!("{}:{}", entry.name, entry.architecture),
            false => entry.name.clone(),
        }
    }

    /// The one package that `NAME` or `NAME:ARCHITECTURE` means.
    #[must_use]
    pub fn find(&self, specifier: &str) -> Found {
        let (name, architecture) = match specifier.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (specifier, None),
        };
        if let Some(problem) = bad_package_name(name) {
            return Found::Bad(format!(
                "illegal package name in specifier '{specifier}': {problem}"
            ));
        }
        let name = name.to_ascii_lowercase();
        let mut present = (0..self.entries.len()).filter(|&at| {
            self.get(at).is_some_and(|entry| {
                entry.name == name
                    && entry.state != State::NotInstalled
                    && architecture.is_none_or(|wanted| wanted == entry.architecture)
            })
        });
        match (present.next(), present.next()) {
            (Some(_), Some(_)) => Found::Bad(format!(
                "ambiguous package name '{name}' with more than one installed instance"
            )),
            (Some(at), None) => Found::Entry(at),
            _ => self.selection(&name, architecture),
        }
    }

    /// An entry that is not installed, if one is recorded.
    fn selection(&self, name: &str, architecture: Option<&str>) -> Found {
        let same = |entry: &StatusEntry| {
            entry.name == name && architecture.is_none_or(|wanted| wanted == entry.architecture)
        };
        match self.entries.iter().position(same) {
            Some(at) => Found::Entry(at),
            None => Found::Nothing(match architecture {
                Some(foreign) if foreign != self.native && foreign != "all" => {
                    format!("{name}:{foreign}")
                }
                _ => name.to_owned(),
            }),
        }
    }

    /// The path of a file of the package under `info`.
    ///
    /// # Errors
    /// The path belongs to a running system.
    pub fn info_file(
        &self,
        process: &Process<'_>,
        entry: &StatusEntry,
        kind: &str,
    ) -> Result<Vec<u8>, Stop> {
        let format = super::files::exists(process, &self.admindir.file("info/format"))?;
        let stem = match entry.multi_arch_same && format {
            true => format!("{}:{}", entry.name, entry.architecture),
            false => entry.name.clone(),
        };
        Ok(self.admindir.file(&format!("info/{stem}.{kind}")))
    }

    /// The paths in the file list of a package; empty when it has no list.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn files(
        &self,
        process: &mut Process<'_>,
        entry: &StatusEntry,
    ) -> Result<Vec<Bytes>, Stop> {
        if entry.state == State::NotInstalled {
            return Ok(Vec::new());
        }
        let path = self.info_file(process, entry, "list")?;
        let text = read_optional(process, &path)?.unwrap_or_default();
        let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        Ok(lines
            .map(|line| match line {
                [start @ .., b'/'] if !start.is_empty() => text.slice_ref(start),
                whole => text.slice_ref(whole),
            })
            .collect())
    }

    /// Reads the diversions.
    ///
    /// # Errors
    /// They are damaged.
    pub fn diversions(&self, process: &mut Process<'_>) -> Result<Diversions, Stop> {
        let path = self.admindir.file("diversions");
        let text = read_optional(process, &path)?.unwrap_or_default();
        Diversions::parse(&text).map_err(|error| {
            process.unsupported(format!("{}: {error}", String::from_utf8_lossy(&path)))
        })
    }

    /// The slot of a path in dpkg's hash table of names. Listings come in the order of slots.
    #[must_use]
    pub fn hash_slot(&self, path: &[u8]) -> u32 {
        hash_slot(path, self.signed_char)
    }
}

/// The slot of a path, by FNV-1a over it without leading slashes (dpkg's `lib/dpkg/fsys-hash.c`).
#[must_use]
pub fn hash_slot(path: &[u8], signed_char: bool) -> u32 {
    const SLOTS: u32 = 262_139;
    let mut name = path;
    while let [b'/', rest @ ..] | [b'.', b'/', rest @ ..] = name {
        name = rest;
    }
    let hash = name.iter().fold(2_166_136_261_u32, |hash, &byte| {
        let byte = match signed_char {
            true => i32::from(byte.cast_signed()).cast_unsigned(),
            false => u32::from(byte),
        };
        (hash ^ byte).wrapping_mul(16_777_619)
    });
    hash % SLOTS
}

fn needs_architecture(entry: &StatusEntry, native: &str) -> bool {
    entry.multi_arch_same
        || !(entry.architecture == native
            || entry.architecture == "all"
            || entry.architecture.is_empty())
}

/// Why a text is not a package name, in dpkg's words.
#[must_use]
pub fn bad_package_name(name: &str) -> Option<String> {
    let Some(first) = name.bytes().next() else { return Some("may not be empty string".into()) };
    if !first.is_ascii_alphanumeric() {
        return Some("must start with an alphanumeric character".into());
    }
    let odd = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-+._".contains(*c))?;
    Some(format!("character '{odd}' not allowed (only letters, digits and characters '-+._')"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_names_is_dpkgs() {
        // The order in which bookworm's dpkg-query lists them.
        assert_eq!(hash_slot(b"/", true), 2_166_136_261 % 262_139);
        assert_eq!(hash_slot(b"/a", true), hash_slot(b"./a", true));
        assert_ne!(hash_slot(b"/\xe9", true), hash_slot(b"/\xe9", false));
    }

    #[test]
    fn package_names_are_checked_as_by_dpkg() {
        assert_eq!(bad_package_name("libstdc++6"), None);
        assert!(bad_package_name("").is_some());
        assert!(bad_package_name("-x").is_some());
        assert!(bad_package_name("a/b").unwrap().contains("'/'"));
    }
}
