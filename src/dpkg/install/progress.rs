//! How far each package of a run has come, and the database as it stands between two steps.
//!
//! dpkg notes every step in its database before it runs a script, and scripts ask for it
//! (`dpkg-query -W -f '${Status}'`). In comes the progress of the packages of a run; out goes
//! the status file with their `Status`, `Config-Version` and `Triggers-Pending` fields of
//! that moment (dpkg's `lib/dpkg/dump.c`). What dpkg keeps in its journal (`updates/`) in the
//! meantime is written to `status` here: readers see both as one.

use std::collections::HashSet;

use bytes::Bytes;

use super::super::control::Stanza;
use super::database::file;
use super::{InstallError, Run};
use imgfix_vfs::{Entry, FileSystem};

/// A state between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    HalfConfigured,
    Unpacked,
    /// Being unpacked, `reinstreq` until that is done.
    HalfInstalled,
    TriggersPending,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Self::HalfConfigured => "ok half-configured",
            Self::Unpacked => "ok unpacked",
            Self::HalfInstalled => "reinstreq half-installed",
            Self::TriggersPending => "ok triggers-pending",
        }
    }
}

/// Where a package is.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    /// The version that was configured last.
    pub(super) config_version: Option<String>,
    pub(super) pending: Pending,
}

/// The activated triggers of a package, each once.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    /// In the order of their activation.
    names: Vec<String>,
    known: HashSet<String>,
}

impl Pending {
    pub(super) fn activate(&mut self, trigger: &str) {
        if self.known.insert(trigger.to_owned()) {
            self.names.push(trigger.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// As dpkg has them in a line: the last one first.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<&str> = self.names.iter().map(String::as_str).collect();
        words.reverse();
        words.join(" ")
    }
}

impl Run<'_> {
    /// Notes that a package has come to a phase; pending triggers are forgotten, as by dpkg.
    pub(super) fn note(&mut self, place: usize, phase: Phase, config_version: Option<&String>) {
        let config_version = config_version.cloned();
        self.progress
            .insert(place, Progress { phase, config_version, pending: Pending::default() });
    }

    /// Notes that a package is installed.
    pub(super) fn note_installed(&mut self, place: usize) {
        self.progress.remove(&place);
    }

    /// Writes `status` as it is now, for scripts to read.
    pub(super) fn flush_status(&mut self) -> Result<(), InstallError> {
        let text = self.database.render(|place, stanza| {
            self.progress.get(&place).map(|progress| in_progress(stanza, progress))
        });
        self.write(&file("status"), text)
    }

    /// Writes `status` for good, and keeps the image's as `status-old`.
    pub(super) fn write_status(&mut self) -> Result<(), InstallError> {
        let former = self.overlay.tree().read_if_readable(&file("status"))?;
        if let Some(former) = former {
            let old = self.overlay.resolve_parent(&file("status-old"))?;
            let entry = self.overlay.tree().stat(&file("status")).cloned();
            let entry = entry.unwrap_or_else(|| Entry::file(former, 0o644, self.options.timestamp));
            self.overlay.set(old, entry)?;
        }
        let text = self.database.render(|_, _| None);
        self.write(&file("status"), text)
    }
}

/// The stanza of a package that is being worked on.
fn in_progress(stanza: &Stanza, progress: &Progress) -> Bytes {
    let mut out = Vec::with_capacity(stanza.text().len() + 64);
    let mut push = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        if !value.starts_with(b"\n") {
            out.push(b' ');
        }
        out.extend_from_slice(value);
        out.push(b'\n');
    };
    for field in stanza.fields() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("Config-Version") || is("Triggers-Pending") {
            continue;
        }
        if is("Status") {
            let want = field.value.split(|&b| b == b' ').next().unwrap_or_default();
            push(field.name, &[want, b" ", progress.phase.words().as_bytes()].concat());
            continue;
        }
        push(field.name, field.value);
        if is("Version")
            && progress.phase != Phase::TriggersPending
            && let Some(version) = &progress.config_version
        {
            push("Config-Version", version.as_bytes());
        }
        if is("Description") && !progress.pending.is_empty() {
            push("Triggers-Pending", progress.pending.words().as_bytes());
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::super::super::control::parse_stanzas;
    use super::*;

    #[test]
    fn a_stanza_shows_how_far_its_package_is() {
        let text = "Package: a\nStatus: install ok installed\nVersion: 2\nConffiles:\n /etc/a 1\n\
                    Description: d\nHomepage: h\n";
        let stanza = parse_stanzas(text).unwrap().remove(0);
        let progress = |phase, pending: &[&str]| Progress {
            phase,
            config_version: Some("1".into()),
            pending: pending.iter().rev().fold(Pending::default(), |mut all, name| {
                all.activate(name);
                all
            }),
        };
        let shown = in_progress(&stanza, &progress(Phase::HalfInstalled, &[]));
        assert_eq!(
            shown,
            "Package: a\nStatus: install reinstreq half-installed\nVersion: 2\n\
             Config-Version: 1\nConffiles:\n /etc/a 1\nDescription: d\nHomepage: h\n"
        );
        let shown = in_progress(&stanza, &progress(Phase::TriggersPending, &["/b", "c"]));
        assert_eq!(
            shown,
            "Package: a\nStatus: install ok triggers-pending\nVersion: 2\n\
             Conffiles:\n /etc/a 1\nDescription: d\nTriggers-Pending: /b c\nHomepage: h\n"
        );
    }
}
