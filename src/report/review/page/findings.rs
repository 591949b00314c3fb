//! The problems: what is left and why, what is out of use, and, further down, what was ignored
//! or is none. A row gathers what one source package has with one reason.

use maud::{Markup, html};

use super::verdict::chip;
use super::{number, scrolling, shown};
use crate::before_after::RepairReport;
use crate::by_source::by_severity;
use crate::exploitation;
use crate::problems::{self, Named, Problem, Row, rows};
use imgfix_model::finding::Severity;
use imgfix_model::verdict::Outcome;

/// Tables of more rows than this start folded.
const OPEN_UP_TO: usize = 40;
/// Rows of more ids than this list them folded.
const LIST_UP_TO: usize = 6;

/// What the repaired image still has.
pub(super) fn open(report: &RepairReport, problems: &[Problem<'_>]) -> Markup {
    let (left, mitigated) = (rows(problems, Outcome::Left), rows(problems, Outcome::Mitigated));
    let title = report.title_of_left();
    html! {
        @if !problems.is_empty() { (section("left", title, "Why", &left, "of-left")) }
        @if !mitigated.is_empty() {
            (section("mitigated", "Mitigated", "How", &mitigated, "of-left"))
        }
    }
}

/// What nobody has to do anything about.
pub(super) fn settled(report: &RepairReport, problems: &[Problem<'_>]) -> Markup {
    let ignored = rows(problems, Outcome::Ignored);
    let not_affected = rows(problems, Outcome::NotAffected);
    let assessed = problems::assessed(&report.platforms);
    html! {
        @if !ignored.is_empty() { (folded("ignored", "Ignored", "By", &ignored)) }
        @if !not_affected.is_empty() {
            (folded("not-affected", "Not affected before the repair", "Why", &not_affected))
        }
        @if !assessed.is_empty() {
            (folded("assessed", "Assessed as not affected", "Why", &assessed))
        }
    }
}

fn table(title: &str, outcome: &str, rows: &[Row<'_>]) -> Markup {
    let table = html! {
        table.findings {
            thead { tr {
                th scope="col" { "Severity" }
                th scope="col" { "Source package and findings" }
                th scope="col" { (outcome) }
            } }
            tbody { @for one in rows { (row(one)) } }
        }
    };
    scrolling(&format!("{title}: findings by source package"), &table)
}

fn heading(name: &str, title: &str, rows: &[Row<'_>]) -> Markup {
    let total: usize = rows.iter().map(|row| row.ids.len()).sum();
    html! { h2 id=(name) { (title) " " span.count { (number(total)) } } }
}

fn section(name: &str, title: &str, outcome: &str, rows: &[Row<'_>], class: &str) -> Markup {
    html! {
        section class=(class) aria-labelledby=(name) {
            (heading(name, title, rows))
            @if rows.is_empty() {
                p { "None." }
            } @else if rows.len() <= OPEN_UP_TO {
                (table(title, outcome, rows))
            } @else {
                details { summary { "Show all " (number(rows.len())) " rows" } (table(title, outcome, rows)) }
            }
        }
    }
}

fn folded(name: &str, title: &str, outcome: &str, rows: &[Row<'_>]) -> Markup {
    html! {
        section.rest aria-labelledby=(name) {
            (heading(name, title, rows))
            details { summary { "Show them" } (table(title, outcome, rows)) }
        }
    }
}

fn row(row: &Row<'_>) -> Markup {
    let worst = row.severity();
    let folded = row.folded();
    let installed = row.installed();
    html! {
        tr class=(format!("w w-{worst}")) {
            td { (chip(worst)) }
            td {
                b { (shown(row.source)) }
                @if !installed.is_empty() { " " code { (shown(&installed)) } }
                @if !folded.is_empty() { small.binaries { (shown(&folded.join(", "))) } }
                @for place in &row.places { small.binaries { "in " code { (shown(place)) } } }
                (ids(&row.ids, Some(worst)))
            }
            td.outcome { (shown(&row.outcome)) }
        }
    }
}

/// A list of ids, folded when it is long. What is as bad as the row says does not say it again.
pub(super) fn ids(ids: &[Named<'_>], of_row: Option<Severity>) -> Markup {
    let list = html! {
        ul.ids { @for one in ids { li {
            (linked(one))
            @if Some(one.severity) != of_row { " " (chip(one.severity)) }
            @let exploited = exploitation::words(one.known_exploited, one.epss);
            @if !exploited.is_empty() { " " b { (exploited) } }
            @if let Some(title) = one.title { " " span.title { (shown(title)) } }
        } } }
    };
    html! {
        @if ids.is_empty() {
        } @else if ids.len() <= LIST_UP_TO {
            (list)
        } @else {
            details.ids { summary { (number(ids.len())) ": " (by_severity(ids)) } (list) }
        }
    }
}

/// The id, as a link where a report has one.
fn linked(named: &Named<'_>) -> Markup {
    html! {
        @match named.link {
            Some(link) => a href=(link) rel="noopener noreferrer" { (shown(named.id)) },
            None => (shown(named.id)),
        }
    }
}
