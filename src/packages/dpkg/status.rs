//! The package database's `status` file: what is installed, in dpkg's own words.
//!
//! In comes the file's text; out come [`StatusEntry`]s, and the text again with some of them
//! replaced. Stanzas that do not change keep their bytes. The order is that of dpkg's
//! `lib/dpkg/dump.c`: by name and architecture since 1.19.1, before that as it was found.

use bytes::Bytes;

use super::control::{ControlError, Stanza, parse_stanzas};

/// Why the status file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("line {line}: the stanza has no {field} field")]
    Missing { line: usize, field: &'static str },
    #[error("line {line}: {status:?} is not \"WANT FLAG STATE\"")]
    Status { line: usize, status: String },
}

/// The third word of a `Status` field, as far as it matters to an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    NotInstalled,
    /// Removed, its configuration is still there.
    ConfigFiles,
    Installed,
    /// Anything between: a run of dpkg that did not finish.
    Unfinished,
}

/// One stanza of the status file.
#[derive(Debug, Clone)]
pub struct StatusEntry {
    pub stanza: Stanza,
    pub name: String,
    /// Empty in selections without an architecture.
    pub architecture: String,
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
    pub entries: Vec<StatusEntry>,
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
    pub fn parse(text: impl Into<Bytes>) -> Result<Self, StatusError> {
        let entries =
            parse_stanzas(text)?.into_iter().map(StatusEntry::new).collect::<Result<_, _>>()?;
        Ok(Self { entries })
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
