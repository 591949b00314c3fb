//! The packages: one table by source package, with what each fixes, its binary packages and its
//! changelog folded; then libraries that were changed, and what was left at its version.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::findings::ids;
use super::{Scope, number, scrolling, shown, shown_line};
use crate::before_after::RepairReport;
use crate::by_source::{self, ComponentStep, SourceChange, VersionStep};
use crate::changelogs;
use crate::diff::ImageDiff;
use crate::problems::Problem;
use crate::review::Review;
use imgfix_model::changelog::Changelog;
use imgfix_model::package::PackageId;

/// Up to this many names of binary packages are listed unfolded.
const LIST_UP_TO: usize = 3;

/// The packages of a repair.
pub(super) fn section(review: &Review, report: &RepairReport, problems: &[Problem<'_>]) -> Markup {
    let changes = by_source::packages(&report.platforms, problems);
    let logs = logs(review);
    let several = report.platforms.len();
    let table = html! {
        table.packages {
            thead { tr {
                th scope="col" { "Source package" } th scope="col" { "Version" }
                th scope="col" { @if report.is_done() { "Fixes" } @else { "Would fix" } }
            } }
            @for change in &changes {
                (body(change, logs.get(change.source).map_or(&[][..], Vec::as_slice), several))
            }
        }
    };
    let verb = match report.is_done() {
        true => "upgraded",
        false => "would be upgraded",
    };
    html! {
        @if !changes.is_empty() {
            section.of-fixed aria-labelledby="packages" {
                h2 #packages { "Packages " span.count { (number(changes.len())) } }
                @if let Some(things) = report.summary.changed.things() { p { (things) " " (verb) "." } }
                (scrolling("Packages by source package", &table))
            }
        }
        (named_in_changelogs(report))
        (components(report, problems))
        (kept(report))
    }
}

/// The changelogs of each source package; those that platforms share once.
fn logs(review: &Review) -> BTreeMap<&str, Vec<&Changelog>> {
    let mut all: BTreeMap<&str, Vec<&Changelog>> = BTreeMap::new();
    for (platform, report) in review.pairs() {
        let Some(report) = report else { continue };
        for log in &platform.changelogs {
            let names = log.packages.iter().filter_map(|id| id.split(':').next());
            let sources: BTreeSet<&str> =
                names.map(|name| report.sources.of_package(name)).collect();
            for source in sources {
                let own = all.entry(source).or_default();
                if !own.iter().any(|other| other.part == log.part) {
                    own.push(log);
                }
            }
        }
    }
    all
}

fn body(change: &SourceChange<'_>, logs: &[&Changelog], platforms: usize) -> Markup {
    let worst = change.fixed.first().map(|named| named.severity.to_string());
    let class = format!("w w-{}", worst.as_deref().unwrap_or("none"));
    html! {
        tbody class=(class) {
            @if change.steps.is_empty() {
                tr.logged[!logs.is_empty()] {
                    th scope="row" { (shown(change.source)) }
                    td { "unchanged" }
                    td { (ids(&change.fixed, None)) }
                }
            }
            @for (at, step) in change.steps.iter().enumerate() {
                tr.logged[!logs.is_empty() && at + 1 == change.steps.len()] {
                    th scope="row" {
                        (shown(change.source))
                        (binaries(change.source, step))
                    }
                    td {
                        (versions(step.from, step.to))
                        @if step.platforms.len() < platforms {
                            small { " on " (shown(&listed(step))) }
                        }
                    }
                    td { @if at == 0 { (ids(&change.fixed, None)) } }
                }
            }
            @if !logs.is_empty() { tr.log { td colspan="3" { (changelogs(logs)) } } }
        }
    }
}

fn listed(step: &VersionStep<'_>) -> String {
    step.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The names of binary packages, when they say more than the source package's.
fn binaries(source: &str, step: &VersionStep<'_>) -> Markup {
    let names: Vec<&str> = step.packages.iter().copied().collect();
    if names == [source] {
        return html! {};
    }
    let list = html! { (shown(&names.join(", "))) };
    html! {
        @if names.len() <= LIST_UP_TO {
            small.binaries { (list) }
        } @else {
            details.ids { summary { (names.len()) " packages" } small.binaries { (list) } }
        }
    }
}

/// Libraries and others that repairers beside the package manager changed.
fn components(report: &RepairReport, problems: &[Problem<'_>]) -> Markup {
    let changes = by_source::components(&report.platforms, problems);
    let row = |change: &ComponentStep<'_>| {
        html! {
            tr {
                th scope="row" { (shown(change.component)) small.binaries { (shown(change.store)) } }
                td {
                    (versions(change.from, change.to))
                    @if let Some(archive) = change.archive {
                        small.binaries {
                            "from " (shown(&archive.repository)) ", " (shown(&archive.checksum.to_string()))
                            @if let Some(by) = &archive.attested_by { ", published by " (shown(by)) }
                        }
                    }
                }
                td { (ids(&change.fixed, None)) }
            }
        }
    };
    let table = html! {
        table.packages {
            thead { tr {
                th scope="col" { "Component" } th scope="col" { "Version" } th scope="col" { "Fixes" }
            } }
            tbody { @for change in &changes { (row(change)) } }
        }
    };
    html! {
        @if !changes.is_empty() {
            section.of-fixed aria-labelledby="components" {
                h2 #components { "Libraries and other components " span.count { (number(changes.len())) } }
                (scrolling("Changed components", &table))
            }
        }
    }
}

/// Without a report: what the changelogs of the packages name.
fn named_in_changelogs(report: &RepairReport) -> Markup {
    let rows = changelogs::rows(&report.platforms);
    let list = |all: &BTreeSet<&str>| all.iter().copied().collect::<Vec<_>>().join(", ");
    html! {
        @if let (Some(named), false) = (report.summary.named_in_changelogs, rows.is_empty()) {
            section.rest aria-labelledby="named" {
                h2 #named { (changelogs::TITLE) " " span.count { (number(named.vulnerabilities)) } }
                ul.plain { @for (packages, ids) in &rows {
                    li { b { (shown(&list(packages))) } " " (shown(&list(ids))) }
                } }
            }
        }
    }
}

/// Without a report: what the repositories have newer and was left.
fn kept(report: &RepairReport) -> Markup {
    let all = report.platforms.iter().flat_map(|platform| &platform.kept_back);
    let rows: BTreeSet<(String, &str, String)> = all
        .map(|kept| (kept.package.to_string(), kept.version.as_ref(), kept.reason.to_string()))
        .collect();
    html! {
        @if !rows.is_empty() {
            section.of-left aria-labelledby="kept" {
                h2 #kept { "Left at their versions " span.count { (number(rows.len())) } }
                ul.plain { @for (package, version, why) in &rows {
                    li { b { (shown(package)) } " could be " code { (shown(version)) } ": " (shown(why)) }
                } }
            }
        }
    }
}

fn package_name(id: &PackageId) -> Markup {
    html! { (shown(id.name.as_ref())) small { " " (shown(id.architecture.as_ref())) } }
}

fn versions(from: Option<&str>, to: Option<&str>) -> Markup {
    html! {
        @match from { Some(from) => { del { (shown(from)) } }, None => em { "new" } }
        " → "
        @match to { Some(to) => ins { (shown(to)) }, None => em { "removed" } }
    }
}

fn changelogs(logs: &[&Changelog]) -> Markup {
    html! {
        @for log in logs {
            details.changelog {
                summary {
                    "Changelog of " (shown(&log.packages.join(", ")))
                    span.count { (number(log.part.entries.len())) }
                }
                @for entry in &log.part.entries {
                    article {
                        h3 { (shown(&entry.version)) small { " " (shown(&entry.target)) } }
                        pre tabindex="0" { (lines(&entry.text)) }
                        @if !entry.trailer.is_empty() { p.trailer { (shown(&entry.trailer)) } }
                    }
                }
                @if log.part.cut { p { em { "Older entries between the two versions are not shown." } } }
            }
        }
    }
}

fn lines(text: &str) -> String {
    text.lines().map(shown_line).collect::<Vec<_>>().join("\n")
}

/// The packages of two images that are only compared.
pub(super) fn compared(scope: &Scope, diff: &ImageDiff) -> Markup {
    let Some(packages) = &diff.packages else { return html! {} };
    let changed = [
        ("upgraded", &packages.upgraded),
        ("downgraded", &packages.downgraded),
        ("changed", &packages.changed),
    ];
    let table = html! {
        table.packages {
            thead { tr {
                th scope="col" { "Package" } th scope="col" { "Version" } th scope="col" { "What" }
            } }
            tbody {
                @for (word, list) in changed { @for one in list { tr {
                    th scope="row" { (package_name(&one.package)) }
                    td { (versions(Some(one.from.as_ref()), Some(one.to.as_ref()))) }
                    td { (word) }
                } } }
                @for one in &packages.added { tr {
                    th scope="row" { (package_name(&one.package)) }
                    td { (versions(None, Some(one.version.as_ref()))) }
                    td { "added" }
                } }
                @for one in &packages.removed { tr {
                    th scope="row" { (package_name(&one.package)) }
                    td { (versions(Some(one.version.as_ref()), None)) }
                    td { "removed" }
                } }
            }
        }
    };
    html! {
        @if !packages.is_empty() {
            section aria-labelledby=(scope.id("packages")) {
                h2 id=(scope.id("packages")) { "Packages" (scope.of_platform()) }
                (scrolling(&scope.label("Packages that differ"), &table))
            }
        }
    }
}
