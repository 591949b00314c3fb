//! The findings of one platform: what is left and why, what is fixed, what was ignored. A row
//! gathers the findings of one package that share what became of them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::verdict::chip;
use super::{Scope, number, scrolling, shown};
use crate::before_after::{PlatformReport, SeverityCounts};
use crate::text::{assessed_by, became};
use imgfix_model::finding::{Finding, Severity};
use imgfix_model::verdict::Outcome;

/// Tables of more rows than this start folded.
const OPEN_UP_TO: usize = 40;
/// Groups of more findings than this list them folded.
const LIST_UP_TO: usize = 6;

/// Findings of one package that share what became of them: a row.
struct Group<'a> {
    /// Worst first.
    findings: Vec<&'a Finding>,
    outcome: String,
}

pub(super) fn sections(scope: &Scope, report: &PlatformReport) -> Markup {
    let (left, mitigated, fixed, ignored) = (
        groups(report, Outcome::Left),
        groups(report, Outcome::Mitigated),
        groups(report, Outcome::Fixed),
        groups(report, Outcome::Ignored),
    );
    let (not_affected, assessed) = (groups(report, Outcome::NotAffected), assessed(report));
    html! {
        @if !report.findings.is_empty() {
            (section(scope, "left", "Not fixed", "Why", &left))
            @if !mitigated.is_empty() {
                (section(scope, "mitigated", "Mitigated", "How", &mitigated))
            }
            (section(scope, "fixed", "Fixed", "Now at", &fixed))
            @if !ignored.is_empty() { (section(scope, "ignored", "Ignored", "By", &ignored)) }
        }
        @if !not_affected.is_empty() {
            (section(scope, "not-affected", "Not affected before the repair", "Why", &not_affected))
        }
        @if !assessed.is_empty() {
            (section(scope, "assessed", "Assessed as not affected", "Why", &assessed))
        }
    }
}

/// Findings are sorted, worst first, so the first of a group decides its place.
fn groups(report: &PlatformReport, outcome: Outcome) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = BTreeMap::new();
    for judged in report.findings.iter().filter(|one| one.verdict.outcome() == outcome) {
        let finding = &judged.finding;
        let outcome = became(&judged.verdict);
        let key = (
            finding.class,
            finding.package.as_str(),
            finding.architecture.as_deref(),
            finding.installed.as_str(),
            finding.path.as_deref(),
            outcome.clone(),
        );
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Group { findings: Vec::new(), outcome });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.findings.push(finding);
        }
    }
    groups
}

/// What somebody assessed as no problem, grouped alike.
fn assessed(report: &PlatformReport) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for one in &report.assessed {
        let outcome = assessed_by(one);
        let is_same = |group: &&mut Group<'_>| {
            group.outcome == outcome
                && group.findings.first().is_some_and(|first| {
                    (&first.package, &first.installed)
                        == (&one.finding.package, &one.finding.installed)
                })
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.findings.push(&one.finding),
            None => groups.push(Group { findings: vec![&one.finding], outcome }),
        }
    }
    groups
}

fn section(scope: &Scope, name: &str, title: &str, outcome: &str, groups: &[Group<'_>]) -> Markup {
    let total: usize = groups.iter().map(|group| group.findings.len()).sum();
    let table = html! {
        table.findings {
            thead { tr {
                th scope="col" { "Severity" }
                th scope="col" { "Package and findings" }
                th scope="col" { (outcome) }
            } }
            tbody { @for group in groups { (row(group)) } }
        }
    };
    let table = scrolling(&format!("{title}: findings by package"), &table);
    html! {
        section aria-labelledby=(scope.id(name)) {
            h2 id=(scope.id(name)) { (title) " " span.count { (number(total)) } }
            @if groups.is_empty() {
                p { "None." }
            } @else if groups.len() <= OPEN_UP_TO {
                (table)
            } @else {
                details { summary { "Show all " (number(groups.len())) " packages" } (table) }
            }
        }
    }
}

fn row(group: &Group<'_>) -> Markup {
    let Some(first) = group.findings.first() else { return html! {} };
    // What is about a file has its path for a package.
    let path = first.path.as_ref().filter(|path| **path != first.package);
    html! {
        tr {
            td { (chip(first.severity)) }
            td {
                b { (shown(&first.package)) }
                @if !first.installed.is_empty() { " " code { (shown(&first.installed)) } }
                @if let Some(path) = path { " in " code { (shown(path)) } }
                @if group.findings.len() <= LIST_UP_TO {
                    (list(&group.findings, first.severity))
                } @else {
                    details.ids {
                        summary { (summary(&group.findings)) }
                        (list(&group.findings, first.severity))
                    }
                }
            }
            td.outcome { (shown(&group.outcome)) }
        }
    }
}

/// `27 findings: 2 critical, 12 high`.
fn summary(findings: &[&Finding]) -> String {
    let mut counts = SeverityCounts::default();
    findings.iter().for_each(|finding| counts.add(finding.severity));
    format!("{} findings: {counts}", number(findings.len()))
}

/// What is as bad as the row says it does not say it again.
fn list(findings: &[&Finding], of_row: Severity) -> Markup {
    html! {
        ul.ids { @for finding in findings { li {
            (shown(&finding.id))
            @if finding.severity != of_row { " " (chip(finding.severity)) }
            @if let Some(title) = &finding.title { " " span.title { (shown(title)) } }
        } } }
    }
}
