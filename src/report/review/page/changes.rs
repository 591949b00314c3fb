//! What was changed beside files: packages with their changelogs, the text of configuration
//! files, the image's config, and what scripts did.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::{Scope, number, scrolling, shown, shown_line};
use crate::before_after::{PackageChange, PlatformReport, ScriptNote, SeverityCounts};
use crate::diff::{ImageDiff, TextChange};
use imgfix_model::changelog::Changelog;
use imgfix_model::package::PackageId;
use imgfix_model::path::ImagePath;
use imgfix_model::verdict::Outcome;

/// The packages of a repair.
pub(super) fn packages(scope: &Scope, report: &PlatformReport, logs: &[Changelog]) -> Markup {
    let mut fixes: BTreeMap<&str, SeverityCounts> = BTreeMap::new();
    for judged in report.findings.iter().filter(|one| one.verdict.outcome() == Outcome::Fixed) {
        fixes.entry(&judged.finding.package).or_default().add(judged.finding.severity);
    }
    let table = html! {
        table.packages {
            thead { tr {
                th scope="col" { "Package" } th scope="col" { "Version" } th scope="col" { "Fixes" }
            } }
            tbody { @for change in &report.packages {
                (package_row(change, fixes.get(change.package.name.as_ref())))
            } }
        }
    };
    html! {
        @if !report.packages.is_empty() {
            section aria-labelledby=(scope.id("packages")) {
                h2 id=(scope.id("packages")) { "Packages " span.count { (number(report.packages.len())) } }
                (scrolling("Upgraded packages", &table))
                (changelogs(logs))
            }
        }
        @if !report.kept_back.is_empty() {
            section aria-labelledby=(scope.id("kept")) {
                h2 id=(scope.id("kept")) { "Left at their versions " span.count { (number(report.kept_back.len())) } }
                ul.plain { @for kept in &report.kept_back {
                    li { b { (shown(&kept.package.to_string())) } " could be "
                        code { (shown(kept.version.as_ref())) } ": " (shown(&kept.reason.to_string())) }
                } }
            }
        }
    }
}

fn package_row(change: &PackageChange, fixes: Option<&SeverityCounts>) -> Markup {
    let from = change.from.as_ref().map(AsRef::as_ref);
    html! {
        tr {
            th scope="row" { (package_name(&change.package)) }
            td { (versions(from, Some(change.to.as_ref()))) }
            td {
                @match fixes { Some(counts) => (counts.to_string()), None => { "" } }
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

fn changelogs(logs: &[Changelog]) -> Markup {
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
pub(super) fn compared_packages(scope: &Scope, diff: &ImageDiff) -> Markup {
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
                h2 id=(scope.id("packages")) { "Packages" }
                (scrolling("Packages that differ", &table))
            }
        }
    }
}

/// Bytes of text diffs shown at most, so that the page stays light; configuration comes first.
const MAX_TEXT: usize = 400_000;

/// Text differences: configuration open, the rest folded.
pub(super) fn texts(scope: &Scope, diff: &ImageDiff) -> Markup {
    let is_config = |text: &&TextChange| text.path.as_bytes().starts_with(b"/etc/");
    let mut ordered: Vec<&TextChange> = diff.texts.iter().filter(is_config).collect();
    let config = ordered.len();
    ordered.extend(diff.texts.iter().filter(|text| !is_config(text)));
    let mut room = MAX_TEXT;
    let fitting = ordered
        .iter()
        .take_while(|text| {
            let fits = text.unified.len() <= room;
            room = room.saturating_sub(text.unified.len());
            fits
        })
        .count();
    let hidden = ordered.len() - fitting;
    html! {
        @if !ordered.is_empty() {
            section aria-labelledby=(scope.id("texts")) {
                h2 id=(scope.id("texts")) { "Text changes " span.count { (number(ordered.len())) } }
                @if config > 0 { p { "Configuration first: " (number(config)) " below " code { "/etc" } "." } }
                @for text in ordered.iter().take(fitting) {
                    details open[is_config(text) && text.unified.len() < 20_000] {
                        summary { code { (shown(&text.path.to_str_lossy())) } }
                        pre.diff tabindex="0" { (unified(&text.unified)) }
                    }
                }
                @if hidden > 0 {
                    p { em { (number(hidden)) " more changed text files are not shown here; "
                        code { "imgfix diff" } " shows them." } }
                }
            }
        }
    }
}

fn unified(text: &str) -> Markup {
    html! {
        @for line in text.lines() {
            @match line.as_bytes().first() {
                Some(b'+') => ins { (shown_line(line)) },
                Some(b'-') => del { (shown_line(line)) },
                Some(b'@') => i { (shown_line(line)) },
                _ => (shown_line(line)),
            }
            "\n"
        }
    }
}

/// The image's config.
pub(super) fn config(scope: &Scope, diff: &ImageDiff) -> Markup {
    let text = |value: &Option<Value>| match value {
        None => "—".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let table = html! {
        table.config {
            thead { tr { th scope="col" { "Place" } th scope="col" { "Before" } th scope="col" { "After" } } }
            tbody { @for change in &diff.config { tr {
                th scope="row" { code { (shown(&change.path)) } }
                td { (shown(&text(&change.before))) }
                td { (shown(&text(&change.after))) }
            } } }
        }
    };
    html! {
        @if !diff.config.is_empty() {
            section aria-labelledby=(scope.id("config")) {
                h2 id=(scope.id("config")) { "Image config " span.count { (number(diff.config.len())) } }
                details { summary { "Show the changes" } (scrolling("Changes of the image's config", &table)) }
            }
        }
    }
}

/// One script that was evaluated, and what it changed.
fn script_sentence(one: &ScriptNote) -> String {
    let called = format!("{} {}", one.script, one.arguments.join(" "));
    if one.changed.is_empty() {
        return format!("{called}: evaluated, no file changed");
    }
    let paths: Vec<_> = one.changed.iter().map(ImagePath::to_str_lossy).collect();
    format!("{called}: changed {}", paths.join(", "))
}

/// What scripts and conffiles did, and what the planner noted.
pub(super) fn notes(scope: &Scope, report: &PlatformReport) -> Markup {
    let count =
        report.scripts.len() + report.stale.len() + report.effects.len() + report.notes.len();
    let list = html! {
        ul.plain {
            @for one in &report.scripts {
                li { b { (shown(&one.package)) } " " (shown(&script_sentence(one))) }
            }
            @for file in &report.stale {
                li { code { (shown(&file.path.to_str_lossy())) } " removed: " (shown(&file.reason)) }
            }
            @for effect in &report.effects {
                li { b { (shown(&effect.package)) } " " (shown(&effect.text)) }
            }
            @for note in &report.notes { li { (shown(note)) } }
        }
    };
    html! {
        @if count > 0 {
            section aria-labelledby=(scope.id("notes")) {
                h2 id=(scope.id("notes")) { "Scripts and notes " span.count { (number(count)) } }
                @if count <= 12 { (list) } @else { details { summary { "Show all " (number(count)) } (list) } }
            }
        }
    }
}
