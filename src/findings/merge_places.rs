//! Secrets and malicious files of several reports: one place is one finding, whatever each
//! scanner calls it.
//!
//! In come all entries about them; out go groups that are one finding each, with one id (the
//! other ones are aliases) and one place. Two reports mean one secret when their ranges in a file
//! overlap. One that names a line alone means all that others found in that line; one that names
//! the file alone, all that others found in it. A report without a layer means every layer that
//! another one names.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::digest::Digest;
use imgfix_model::finding::{Class, Finding, Subject};
use imgfix_model::location::{FileLocation, Location, Span};

/// Whether findings like this one are told apart by their place, and not by their id.
pub(super) fn is_placed(finding: &Finding) -> bool {
    let by_place = finding.class == Class::Malicious || finding.subject == Some(Subject::Secret);
    by_place && finding.location.is_some()
}

/// What entries of one group share at least.
type Anchor = (Class, Option<Subject>, Option<String>, Location);

/// The groups of entries that are [`is_placed`].
pub(super) fn groups(entries: Vec<Finding>) -> Vec<Vec<Finding>> {
    let mut anchored: BTreeMap<Anchor, Vec<Finding>> = BTreeMap::new();
    for entry in entries {
        let Some(location) = &entry.location else { continue };
        let release = entry.other_release.clone();
        let anchor = (entry.class, entry.subject, release, location.roughly());
        anchored.entry(anchor).or_default().push(entry);
    }
    anchored.into_values().flat_map(of_anchor).collect()
}

/// From where to where, in lines and columns.
type Range = ((u32, u32), (u32, u32));

fn file(finding: &Finding) -> Option<&FileLocation> {
    finding.location.as_ref()?.file()
}

/// The range of an entry that has lines and columns, or lines alone.
fn range(finding: &Finding, exact: bool) -> Option<Range> {
    let file = file(finding)?;
    let lines = file.lines?;
    match (file.columns, exact) {
        (Some(columns), true) => Some(((lines.first, columns.first), (lines.last, columns.last))),
        (None, false) => Some(((lines.first, 0), (lines.last, u32::MAX))),
        _ => None,
    }
}

fn of_anchor(entries: Vec<Finding>) -> Vec<Vec<Finding>> {
    let mut exact = swept(entries.iter().filter_map(|one| Some((range(one, true)?, one))));
    let mut lined = Vec::new();
    for entry in &entries {
        let Some(own) = range(entry, false) else { continue };
        let mut alone = true;
        for (range, group) in &mut exact {
            if own.0.0 <= range.1.0 && range.0.0 <= own.1.0 {
                group.push(entry);
                alone = false;
            }
        }
        if alone {
            lined.push((own, entry));
        }
    }
    let mut groups = exact;
    groups.append(&mut swept(lined.into_iter()));
    let whole: Vec<&Finding> =
        entries.iter().filter(|one| file(one).is_none_or(|file| file.lines.is_none())).collect();
    if groups.is_empty() && !whole.is_empty() {
        return by_layer(&whole, &[], None);
    }
    groups.iter().flat_map(|(range, group)| by_layer(group, &whole, Some(*range))).collect()
}

/// Groups of entries whose ranges overlap, each with the range of all.
fn swept<'a>(
    entries: impl Iterator<Item = (Range, &'a Finding)>,
) -> Vec<(Range, Vec<&'a Finding>)> {
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    let mut groups: Vec<(Range, Vec<&Finding>)> = Vec::new();
    for (range, entry) in entries {
        match groups.last_mut() {
            Some((known, group)) if range.0 <= known.1 => {
                known.1 = known.1.max(range.1);
                group.push(entry);
            }
            _ => groups.push((range, vec![entry])),
        }
    }
    groups
}

/// A group once for each layer that it names. `whole` are entries about the whole file: what they
/// say counts, and their ids are no names of what is in one line.
fn by_layer(group: &[&Finding], whole: &[&Finding], range: Option<Range>) -> Vec<Vec<Finding>> {
    let layer = |finding: &Finding| file(finding).and_then(|file| file.layer);
    let layers: BTreeSet<Digest> = group.iter().chain(whole).filter_map(|one| layer(one)).collect();
    let layers: Vec<Option<Digest>> = match layers.is_empty() {
        true => vec![None],
        false => layers.into_iter().map(Some).collect(),
    };
    let of_layer = |wanted: Option<Digest>| {
        let about = |one: &&&Finding| layer(one).is_none() || layer(one) == wanted;
        let named: Vec<&Finding> = group.iter().filter(about).copied().collect();
        let others = whole.iter().filter(about).copied();
        let id = named.iter().map(|one| one.id.as_str()).min()?.to_owned();
        let package = named.iter().map(|one| one.package.as_str()).min()?.to_owned();
        let all: Vec<&Finding> = named.iter().copied().chain(others).collect();
        let location = location(&all, range, wanted);
        let ids: BTreeSet<String> = named.iter().map(|one| one.id.clone()).collect();
        let one = |entry: &Finding| {
            let is_named = ids.contains(&entry.id);
            let aliases = entry.aliases.iter().chain([&entry.id].into_iter().filter(|_| is_named));
            Finding {
                aliases: aliases.filter(|alias| **alias != id).cloned().collect(),
                id: id.clone(),
                package: package.clone(),
                location: location.clone(),
                ..entry.clone()
            }
        };
        Some(all.into_iter().map(one).collect::<Vec<_>>())
    };
    layers.into_iter().filter_map(of_layer).collect()
}

/// The one place of a group.
fn location(all: &[&Finding], range: Option<Range>, layer: Option<Digest>) -> Option<Location> {
    let files = || all.iter().filter_map(|one| file(one));
    let Some(path) = files().map(|file| file.path.clone()).next() else {
        return all.iter().filter_map(|one| one.location.clone()).min();
    };
    let span = |(first, last): (u32, u32)| Span { first, last };
    let columns = range.map(|(start, end)| (start.1, end.1));
    let known = |columns: &(u32, u32)| columns.0 > 0 && columns.1 < u32::MAX;
    let location = FileLocation {
        path,
        lines: range.map(|(start, end)| span((start.0, end.0))),
        columns: columns.filter(known).map(span),
        layer,
        sha256: files().filter_map(|file| file.sha256).min(),
        md5: files().filter_map(|file| file.md5).min(),
    };
    Some(location.into())
}
