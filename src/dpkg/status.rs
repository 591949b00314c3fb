//! The package database's `status` file: what is installed, in dpkg's own words.
//!
//! In comes the file's text; out come [`StatusEntry`]s, and the text again with some of them
//! replaced. Stanzas that do not change keep their bytes. The order is that of dpkg's
//! `lib/dpkg/dump.c`: by name and architecture since 1.19.1, before that as it was found.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::control::{ControlError, Stanza, parse_stanzas};

/// Why the status file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// The file is not deb822.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A field without which a stanza means nothing.
    #[error("line {line}: the stanza has no {field} field")]
    Missing {
        /// Where the stanza begins, from 1.
        line: usize,
        /// The field's name.
        field: &'static str,
    },
    /// Two stanzas are about the same thing.
    #[error(
        "line {line}: package {package} is recorded more than once, and not as Multi-Arch: same; \
         dpkg refuses this database, too: take out the stanza that is wrong"
    )]
    Twice {
        /// Where the second stanza begins, from 1.
        line: usize,
        /// As in `Package:`.
        package: String,
    },
    /// A `Status:` of another form than dpkg's three words.
    #[error("line {line}: {status:?} is not \"WANT FLAG STATE\"")]
    Status {
        /// Where the stanza begins, from 1.
        line: usize,
        /// The field's value.
        status: String,
    },
}

/// The third word of a `Status` field, as far as it matters to an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is there; dpkg remembers what somebody selected.
    NotInstalled,
    /// Removed, its configuration is still there.
    ConfigFiles,
    /// Unpacked and configured.
    Installed,
    /// Anything between: a run of dpkg that did not finish.
    Unfinished,
}

/// One stanza of the status file.
#[derive(Debug, Clone)]
pub struct StatusEntry {
    /// With all fields, those that nobody understands included.
    pub stanza: Stanza,
    /// As in `Package:`, in lower case.
    pub name: String,
    /// Empty in selections without an architecture.
    pub architecture: String,
    /// From the field `Status:`.
    pub state: State,
    /// `Multi-Arch: same`: instances of several architectures may be there at once.
    pub multi_arch_same: bool,
}

/// How the image's dpkg orders the stanzas it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StanzaOrder {
    /// dpkg 1.19.1 and later.
    ByName,
    /// Earlier versions: by the place in their hash table, which nobody can know.
    AsFound,
}

/// The whole file.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// In the order of the file; new ones at the end.
    pub entries: Vec<StatusEntry>,
    /// Places of entries that dpkg has forgotten: they are not written.
    forgotten: BTreeSet<usize>,
}

impl StatusEntry {
    /// Reads the identity and the state of a stanza.
    ///
    /// # Errors
    /// A missing `Package` or `Status` field, or one that is not understood.
    pub fn new(stanza: Stanza) -> Result<Self, StatusError> {
        let missing = |field| StatusError::Missing { line: stanza.line(), field };
        let name = stanza.get("Package").ok_or_else(|| missing("Package"))?.to_ascii_lowercase();
        let status = stanza.get("Status").ok_or_else(|| missing("Status"))?;
        let words: Vec<&str> = status.split_ascii_whitespace().collect();
        let state = match words.as_slice() {
            [_, "ok", "installed"] => State::Installed,
            [_, "ok", "not-installed"] => State::NotInstalled,
            [_, "ok", "config-files"] => State::ConfigFiles,
            [_, _, _] => State::Unfinished,
            _ => {
                let status = status.to_owned();
                return Err(StatusError::Status { line: stanza.line(), status });
            }
        };
        let architecture = stanza.get("Architecture").unwrap_or_default().to_owned();
        let multi_arch_same =
            stanza.get("Multi-Arch").is_some_and(|value| value.eq_ignore_ascii_case("same"));
        Ok(Self { stanza, name, architecture, state, multi_arch_same })
    }

    /// The installed (or, for what was removed, the last) version.
    #[must_use]
    pub fn version(&self) -> &str {
        self.stanza.get("Version").unwrap_or_default()
    }
}

impl Status {
    /// Reads the file.
    ///
    /// # Errors
    /// The first stanza that is not understood.
    ///
    /// Of two stanzas for one package and architecture the last counts, as for dpkg; section
    /// and priority stay when it has none. dpkg refuses packages that are there more than once
    /// without being `Multi-Arch: same`, and so do we.
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, StatusError> {
        let mut status = Self::default();
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for stanza in parse_stanzas(text)? {
            let entry = StatusEntry::new(stanza)?;
            let known = places.entry(entry.name.clone()).or_default();
            let instances = known.iter().filter_map(|at| status.entries.get(*at)).chain([&entry]);
            let there = instances.filter(|one| one.state != State::NotInstalled);
            let (multi, single): (Vec<_>, Vec<_>) = there.partition(|one| one.multi_arch_same);
            if single.len() > 1 || (!single.is_empty() && !multi.is_empty()) {
                let (line, package) = (entry.stanza.line(), entry.name.clone());
                return Err(StatusError::Twice { line, package });
            }
            let same = |at: &&usize| {
                let one = status.entries.get(**at);
                one.is_some_and(|one| one.architecture == entry.architecture)
            };
            match known.iter().find(same).and_then(|at| status.entries.get_mut(*at)) {
                Some(former) => {
                    let stanza = inherit(&former.stanza, &entry.stanza);
                    *former = StatusEntry { stanza, ..entry };
                }
                None => {
                    known.push(status.entries.len());
                    status.entries.push(entry);
                }
            }
        }
        Ok(status)
    }

    /// Forgets an entry: what it is about is not installed, and it is not written any more.
    pub fn forget(&mut self, place: usize) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let mut text = format!("Package: {}\nStatus: unknown ok not-installed\n", entry.name);
        // Section and priority stay, for a version of the package that comes later.
        for field in ["Priority", "Section", "Architecture"] {
            if let Some(value) = entry.stanza.get(field) {
                text.push_str(&format!("{field}: {value}\n"));
            }
        }
        if let Some(stanza) = parse_stanzas(text).ok().and_then(|mut all| all.pop()) {
            entry.stanza = stanza;
        }
        entry.state = State::NotInstalled;
        entry.multi_arch_same = false;
        self.forgotten.insert(place);
    }

    /// Makes the entry at a place another one.
    pub fn replace(&mut self, place: usize, entry: StatusEntry) {
        if let Some(slot) = self.entries.get_mut(place) {
            *slot = entry;
            self.forgotten.remove(&place);
        }
    }

    /// The entry that an archive of this name and architecture would replace: that of the
    /// same architecture, or the only installed instance when the two cannot be there
    /// together (a package that became `Architecture: all`). As dpkg's `parse_find_pkg_slot`.
    #[must_use]
    pub fn slot(&self, name: &str, architecture: &str, multi_arch_same: bool) -> Option<usize> {
        let mut installed = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.name == name && entry.state != State::NotInstalled);
        if let (Some((at, only)), None) = (installed.next(), installed.next())
            && !(only.multi_arch_same && multi_arch_same)
        {
            return Some(at);
        }
        self.entries
            .iter()
            .position(|entry| entry.name == name && entry.architecture == architecture)
    }

    /// The file as dpkg writes it. `instead` may give another text for the stanza of an
    /// entry, by its place.
    #[must_use]
    pub fn render(
        &self,
        order: StanzaOrder,
        instead: impl Fn(usize, &Stanza) -> Option<Bytes>,
    ) -> Vec<u8> {
        let mut entries: Vec<(usize, &StatusEntry)> = self.entries.iter().enumerate().collect();
        if order == StanzaOrder::ByName {
            entries.sort_by_key(|(_, entry)| (&entry.name, &entry.architecture));
        }
        let size = self.entries.iter().map(|entry| entry.stanza.text().len() + 2).sum();
        let mut out = Vec::with_capacity(size);
        entries.retain(|(place, _)| !self.forgotten.contains(place));
        for (place, entry) in entries {
            match instead(place, &entry.stanza) {
                Some(text) => out.extend_from_slice(&text),
                None => out.extend_from_slice(entry.stanza.text()),
            }
            if !out.ends_with(b"\n") {
                out.push(b'\n');
            }
            out.push(b'\n');
        }
        out
    }
}

/// The later of two stanzas, with the section and priority of the former where it has none.
fn inherit(former: &Stanza, later: &Stanza) -> Stanza {
    let missing: Vec<&str> = ["Priority", "Section"]
        .into_iter()
        .filter(|name| later.get_bytes(name).is_none_or(<[u8]>::is_empty))
        .filter(|name| former.get_bytes(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if missing.is_empty() {
        return later.clone();
    }
    let mut text = later.text().to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for name in missing {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(former.get_bytes(name).unwrap_or_default());
        text.push(b'\n');
    }
    // Two stanzas' own fields make a stanza.
    parse_stanzas(text).ok().and_then(|mut all| all.pop()).unwrap_or_else(|| later.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "Package: a\nStatus: install ok installed\nArchitecture: amd64\n\
                        Multi-Arch: same\nVersion: 1\n\nPackage: a\nStatus: install ok installed\n\
                        Architecture: i386\nMulti-Arch: same\n\nPackage: b\n\
                        Status: hold ok installed\nArchitecture: amd64\n\nPackage: c\n\
                        Status: deinstall ok config-files\nArchitecture: all\n\n";

    #[test]
    fn an_untouched_file_is_written_byte_for_byte() {
        let status = Status::parse(TEXT).unwrap();
        assert_eq!(status.render(StanzaOrder::ByName, |_, _| None), TEXT.as_bytes());
        assert_eq!(status.entries[3].state, State::ConfigFiles);
    }

    #[test]
    fn stanzas_are_sorted_when_the_images_dpkg_does() {
        let text = "Package: b\nStatus: install ok installed\n\n\
                    Package: a-b\nStatus: install ok installed\n\n\
                    Package: a\nStatus: install ok installed\n\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status.render(StanzaOrder::AsFound, |_, _| None), text.as_bytes());
        let sorted = status.render(StanzaOrder::ByName, |_, _| None);
        assert!(sorted.starts_with(b"Package: a\n"));
        assert!(sorted.ends_with(b"Package: b\nStatus: install ok installed\n\n"));
    }

    #[test]
    fn archives_find_the_instance_they_replace() {
        let status = Status::parse(TEXT).unwrap();
        for (name, architecture, same, want) in [
            ("a", "i386", true, Some(1)),
            ("a", "arm64", true, None),
            ("b", "amd64", false, Some(2)),
            ("b", "all", false, Some(2)),
            ("c", "amd64", false, Some(3)),
            ("d", "amd64", false, None),
        ] {
            assert_eq!(status.slot(name, architecture, same), want, "{name}:{architecture}");
        }
    }

    /// What `dpkg --admindir` (1.21.22) says of each.
    #[test]
    fn of_two_stanzas_the_last_counts_and_what_dpkg_refuses_is_refused() {
        let stanza = |version: u8, status: &str, more: &str| {
            format!("Package: a\nStatus: install ok {status}\nVersion: {version}\n{more}\n")
        };
        let (amd64, i386, all) =
            ("Architecture: amd64\n", "Architecture: i386\n", "Architecture: all\n");
        let same = |arch: &str| format!("{arch}Multi-Arch: same\n");
        for (first, second, want) in [
            (stanza(1, "installed", amd64), stanza(2, "installed", amd64), None),
            (stanza(1, "installed", amd64), stanza(2, "installed", all), None),
            (stanza(1, "installed", amd64), stanza(2, "config-files", all), None),
            (stanza(1, "installed", &same(amd64)), stanza(2, "installed", i386), None),
            (stanza(1, "installed", &same(amd64)), stanza(2, "installed", &same(amd64)), Some("2")),
            (
                stanza(1, "installed", &same(amd64)),
                stanza(2, "installed", &same(i386)),
                Some("1 2"),
            ),
            (stanza(1, "not-installed", amd64), stanza(2, "installed", amd64), Some("2")),
            (stanza(1, "installed", amd64), stanza(2, "not-installed", amd64), Some("2")),
            (stanza(1, "installed", amd64), stanza(2, "not-installed", i386), Some("1 2")),
        ] {
            let text = format!("{first}{second}");
            let parsed = Status::parse(text.clone());
            match (want, parsed) {
                (None, Err(error)) => {
                    let wanted = StatusError::Twice { line: 6, package: "a".into() };
                    let line = first.lines().count() + 2 - 1;
                    assert_eq!(
                        error.to_string().replace(&format!("line {line}"), "line 6"),
                        wanted.to_string(),
                        "{text}"
                    );
                }
                (Some(want), Ok(status)) => {
                    let have: Vec<&str> = status.entries.iter().map(StatusEntry::version).collect();
                    assert_eq!(have.join(" "), want, "{text}");
                }
                (want, parsed) => panic!("{text}: {want:?} {parsed:?}"),
            }
        }
        let first = stanza(1, "installed", &(same(amd64) + "Section: libs\nPriority: optional\n"));
        let second = stanza(2, "installed", &(same(amd64) + "Section: net\n"));
        let status = Status::parse(first + &second).unwrap();
        let get = |field| status.entries[0].stanza.get(field).unwrap_or_default();
        assert_eq!((get("Version"), get("Section"), get("Priority")), ("2", "net", "optional"));
    }

    #[test]
    fn what_is_forgotten_is_not_written_until_it_comes_back() {
        let mut status = Status::parse(TEXT).unwrap();
        status.forget(3);
        let text = status.render(StanzaOrder::ByName, |_, _| None);
        assert!(!String::from_utf8(text).unwrap().contains("Package: c"));
        assert_eq!(status.entries[3].state, State::NotInstalled);
        let again = Status::parse(TEXT).unwrap().entries.remove(3);
        status.replace(3, again);
        assert_eq!(status.render(StanzaOrder::ByName, |_, _| None), TEXT.as_bytes());
    }

    #[test]
    fn stanzas_without_identity_are_refused_with_their_line() {
        let error = Status::parse("Package: a\nStatus: install ok installed\n\nVersion: 1\n");
        assert_eq!(error.unwrap_err(), StatusError::Missing { line: 4, field: "Package" });
        assert!(matches!(
            Status::parse("Package: a\nStatus: fine\n").unwrap_err(),
            StatusError::Status { line: 1, .. }
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Ok(status) = Status::parse(bytes) {
                let _ = status.render(StanzaOrder::ByName, |_, _| None);
            }
        }
    }
}
