//! What upgraded rpm packages say of themselves: what their changelogs have before the newest entry
//! of the installed package's.
//!
//! In come a plan's steps and what is installed; out come [`Changelogs`]. Packages carry them in
//! their headers.

use std::collections::BTreeMap;
use std::path::Path;

use super::inventory::id;
use imgfix_model::changelog::{
    Changelog, ChangelogEntry, ChangelogPart, Changelogs, MAX_ENTRIES, MAX_IDS, MAX_TEXT,
    vulnerability_ids,
};
use imgfix_model::plan::Step;
use imgfix_repair::apply::open_archive;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_rpm::Package;
use imgfix_rpm::archive::inspect;
use imgfix_rpm::install::Installed;

/// The changelogs of upgraded packages.
///
/// # Errors
/// An archive cannot be fetched or read.
pub fn gather(
    steps: &[Step],
    installed: &[Installed],
    fetcher: &Fetcher,
) -> Result<Changelogs, RepairerError> {
    let (mut parts, mut named) = (Vec::new(), BTreeMap::new());
    for step in steps.iter().filter(|step| step.from.is_some()) {
        let old = installed.iter().rev().map(|one| &one.package);
        let Some(old) = old.into_iter().find(|old| id(old) == step.package) else { continue };
        let paths = fetcher.archives(&[&step.archive])?;
        let Some(path) = paths.first() else { continue };
        let new = package(step, path)?;
        let entries = newer(&new, old);
        let ids = entries.iter().flat_map(|entry| vulnerability_ids(&entry.text));
        named.insert(step.package.clone(), ids.take(MAX_IDS).collect());
        parts.push((step.package.to_string(), part(entries)));
    }
    Ok(Changelogs { entries: Changelog::gather(parts), named })
}

fn package(step: &Step, path: &Path) -> Result<Package, RepairerError> {
    let archive = &step.archive.url;
    let headers = inspect(open_archive(archive, path)?, &Limits::default()).map_err(|source| {
        RepairerError::Archive { archive: archive.clone(), source: source.into() }
    })?;
    Ok(headers.package)
}

/// The entries that the installed package's changelog does not begin with.
fn newer(new: &Package, old: &Package) -> Vec<ChangelogEntry> {
    let known = old.changelog().next();
    let is_new = |entry: &imgfix_rpm::package::ChangelogEntry<'_>| {
        known.is_none_or(|known| *entry != known && entry.time >= known.time)
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let entries = new.changelog().take_while(is_new).map(|entry| {
        let author = text(entry.author);
        // `Name <mail> - version`, by habit
        let (trailer, version) = match author.rsplit_once("> ") {
            Some((name, version)) => (format!("{name}>"), version.trim_start_matches("- ")),
            None => (author.clone(), ""),
        };
        ChangelogEntry {
            version: version.trim().to_owned(),
            target: String::new(),
            trailer: format!("{trailer} {}", date(entry.time)).trim().to_owned(),
            text: text(entry.text),
        }
    });
    entries.collect()
}

/// A day, as changelogs have it.
fn date(time: u32) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(time.into());
    date.map_or_else(|_| String::new(), |at| at.date().to_string())
}

/// As many entries as are shown.
fn part(entries: Vec<ChangelogEntry>) -> ChangelogPart {
    let (mut part, mut size) = (ChangelogPart::default(), 0);
    for entry in entries {
        size += entry.text.len();
        if part.entries.len() >= MAX_ENTRIES || size > MAX_TEXT {
            part.cut = true;
            break;
        }
        part.entries.push(entry);
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_rpm::header::{NewHeader, tag};

    fn with(entries: &[(u32, &str, &str)]) -> Package {
        let mut header = NewHeader::default();
        for (tag, text) in [(tag::NAME, "a"), (tag::VERSION, "1"), (tag::RELEASE, "1")] {
            header.string(tag, text.as_bytes());
        }
        let times: Vec<u32> = entries.iter().map(|one| one.0).collect();
        let authors: Vec<&[u8]> = entries.iter().map(|one| one.1.as_bytes()).collect();
        let texts: Vec<&[u8]> = entries.iter().map(|one| one.2.as_bytes()).collect();
        if !entries.is_empty() {
            header.numbers(tag::CHANGELOGTIME, &times);
            header.strings(tag::CHANGELOGNAME, &authors);
            header.strings(tag::CHANGELOGTEXT, &texts);
        }
        Package::new(header.plain().unwrap()).unwrap()
    }

    #[test]
    fn what_is_before_the_installed_packages_newest_entry_is_new() {
        let old = [(1_700_000_000, "A <a@b> - 1-1", "- first")];
        let new = [
            (1_700_090_000, "B C <b@c> 1:2-1", "- fix CVE-2024-1234"),
            (1_700_090_000, "somebody", "- more"),
            old[0],
        ];
        let got = newer(&with(&new), &with(&old));
        let lines: Vec<_> =
            got.iter().map(|one| format!("{}|{}|{}", one.version, one.trailer, one.text)).collect();
        assert_eq!(
            lines,
            ["1:2-1|B C <b@c> 2023-11-15|- fix CVE-2024-1234", "|somebody 2023-11-15|- more"]
        );
        assert_eq!(newer(&with(&new), &with(&[])).len(), 3);
        // an older history of other words is not told again
        let other = [(1_700_095_000, "Z", "- other")];
        assert!(newer(&with(&new), &with(&other)).is_empty());
    }
}
