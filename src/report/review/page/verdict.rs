//! The top of the page: which image, the verdict and the gate, and a picture of before and
//! after.

use maud::{Markup, html};

use super::{number, shown};
use crate::before_after::{RepairReport, Stage};
use crate::gate::{Gate, LISTED};
use crate::review::Review;
use crate::review::config::capital;
use crate::summary::SeverityCounts;
use imgfix_model::finding::Severity;

/// The head of the page.
pub(super) fn header(review: &Review) -> Markup {
    let stage = review.repair.as_ref().map(|report| report.stage);
    let (subject, nothing) = match stage {
        None => ("Comparison", ""),
        Some(Stage::Repaired) => ("Review of a repair", "nothing was published"),
        Some(Stage::Planned) => ("Review of a plan", "nothing is written: this is a plan"),
    };
    html! {
        header.top {
            p.eyebrow { (subject) }
            h1 { (shown(&review.before.reference)) }
            dl.images {
                @for (name, image) in [("before", Some(&review.before)), ("after", review.after.as_ref())] {
                    div {
                        dt { (name) }
                        dd {
                            @match image {
                                Some(image) => {
                                    span.ref { (shown(&image.reference)) }
                                    @if let Some(digest) = &image.digest { " " code { (digest.to_string()) } }
                                }
                                None => em { (nothing) },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The verdict and its picture.
pub(super) fn section(review: &Review) -> Markup {
    let mood = match &review.repair {
        None => "neutral",
        Some(report) if report.is_held() => "bad",
        Some(report) if report.summary.vulnerabilities.not_fixed == 0 => "good",
        Some(report) if report.summary.vulnerabilities.fixed == 0 && report.gate.is_none() => "bad",
        Some(_) => "mixed",
    };
    html! {
        section.verdict.(mood) aria-labelledby="verdict" {
            h2 #verdict { (review.verdict()) }
            @match &review.repair {
                None => p.lead { (compared(review)) },
                Some(report) => {
                    @for sentence in lead(report) { p.lead { (sentence) } }
                    @if let Some(gate) = &report.gate { (of_gate(gate)) }
                    (platforms(report))
                    @if let Some(scan) = &report.scan { p { (shown(&scan.sentence())) } }
                    @for warning in &report.warnings {
                        p.warning { strong { "Warning: " } (shown(warning)) }
                    }
                    @if report.summary.vulnerabilities.total > 0 { (picture(review, report)) }
                }
            }
        }
    }
}

/// What was counted, and what is left, in words.
fn lead(report: &RepairReport) -> Vec<String> {
    let counted = &report.summary.vulnerabilities;
    let mut out = Vec::new();
    out.extend(counted.sentence().map(|text| format!("{text}.")));
    let named = report.summary.named_in_changelogs;
    out.extend(named.map(|named| format!("{}.", capital(&named.sentence()))));
    let mut rest = Vec::new();
    if counted.after.total() > 0 {
        let left = if report.is_done() { "left" } else { "would be left" };
        rest.push(format!("{} {left}: {}.", number(counted.after.total()), counted.after));
    }
    rest.extend(counted.apart().map(|apart| format!("Apart from these {apart}.")));
    if !rest.is_empty() {
        out.push(rest.join(" "));
    }
    out
}

fn of_gate(gate: &Gate) -> Markup {
    let word = if gate.passed { "Gate passed" } else { "Gate failed" };
    let sentence = gate.sentence();
    let sentence = sentence.strip_prefix("passed: ").unwrap_or(&sentence);
    html! {
        p.gate.(gate.word()) { strong { (word) ":" } " " (sentence) "." }
        @if !gate.passed {
            ul.plain.held {
                @for one in gate.held_by.iter().take(LISTED) {
                    li { (chip(one.severity)) " " b { (shown(&one.id)) } " " code { (shown(one.place())) } " " (shown(&one.why)) }
                }
                @if gate.held_by.len() > LISTED {
                    li { "and " (number(gate.held_by.len() - LISTED)) " more" }
                }
            }
        }
    }
}

/// What was done to each platform, a line each.
fn platforms(report: &RepairReport) -> Markup {
    let several = report.platforms.len() > 1;
    html! {
        ul.plain.sizes { @for one in &report.platforms {
            li {
                @if several { b { (shown(&one.platform.to_string())) } ": " }
                (capital(&one.sentence())) "."
            }
        } }
    }
}

fn compared(review: &Review) -> String {
    let mut parts = Vec::new();
    for diff in review.platforms.iter().filter_map(|one| one.diff.as_ref()) {
        if let Some(packages) = &diff.packages {
            let all = [
                (packages.upgraded.len(), "upgraded"),
                (packages.downgraded.len(), "downgraded"),
                (packages.changed.len(), "changed"),
                (packages.added.len(), "added"),
                (packages.removed.len(), "removed"),
            ];
            let words: Vec<String> = all
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, word)| format!("{number} {word}"))
                .collect();
            if !words.is_empty() {
                parts.push(format!("Packages: {}.", words.join(", ")));
            }
        }
        let files = &diff.files;
        parts.push(format!(
            "Files: {} added, {} changed, {} removed.",
            number(files.added.len()),
            number(files.changed.len()),
            number(files.removed.len())
        ));
    }
    parts.join(" ")
}

/// Two bars and, for everyone who reads numbers, the tables behind them.
fn picture(review: &Review, report: &RepairReport) -> Markup {
    let counted = &report.summary.vulnerabilities;
    let (before, after) = (&counted.before, &counted.after);
    let whole = before.total().max(1);
    html! {
        div.picture {
            div.bars {
                (bar("Before", before, whole))
                (bar("After", after, whole))
            }
            div.counts {
                (by_severity(before, after))
                @if review.classes().len() > 1 { (by_class(review)) }
            }
        }
    }
}

/// One bar, a part for each severity, as wide as its share of all findings before.
fn bar(name: &str, counts: &SeverityCounts, whole: usize) -> Markup {
    let total = counts.total();
    let words = if total == 0 { "no findings".to_owned() } else { counts.to_string() };
    let mut at = 0.0;
    let parts: Vec<(Severity, f64, f64)> = Severity::WORST_FIRST
        .into_iter()
        .filter(|severity| counts.of(*severity) > 0)
        .map(|severity| {
            let (from, width) = (at, share(counts.of(severity), whole));
            at += width;
            (severity, from, width)
        })
        .collect();
    html! {
        figure.bar {
            figcaption { (name) " " b { (number(total)) } }
            svg viewBox="0 0 1000 24" preserveAspectRatio="none" role="img"
                aria-label=(format!("{name}: {words}")) {
                rect.track width="1000" height="24" {}
                @for (severity, from, width) in parts {
                    rect class=(severity.to_string()) x=(format!("{from:.1}"))
                        width=(format!("{:.1}", (width - 2.0).max(1.0))) height="24" {}
                }
            }
        }
    }
}

/// Thousandths; counts are far below what a float holds exactly.
fn share(part: usize, whole: usize) -> f64 {
    let float = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    float(part) * 1000.0 / float(whole)
}

fn by_severity(before: &SeverityCounts, after: &SeverityCounts) -> Markup {
    html! {
        table.small {
            caption { "By severity" }
            thead { tr { th scope="col" { "Severity" } th.num scope="col" { "Before" }
                th.num scope="col" { "After" } } }
            tbody {
                @for severity in Severity::WORST_FIRST {
                    @if before.of(severity) > 0 {
                        tr {
                            th scope="row" { (chip(severity)) }
                            td.num { (number(before.of(severity))) }
                            td.num { (number(after.of(severity))) }
                        }
                    }
                }
            }
        }
    }
}

fn by_class(review: &Review) -> Markup {
    html! {
        table.small {
            caption { "By class" }
            thead { tr { th scope="col" { "Class" } th.num scope="col" { "Before" }
                th.num scope="col" { "After" } } }
            tbody {
                @for (class, counts) in review.classes() {
                    tr {
                        th scope="row" { (class.to_string()) }
                        td.num { (number(counts.before.total())) }
                        td.num { (number(counts.after.total())) }
                    }
                }
            }
        }
    }
}

/// A severity's word in its colour; the word is what counts.
pub(super) fn chip(severity: Severity) -> Markup {
    let word = severity.to_string();
    html! { span class=(format!("chip {word}")) { (word) } }
}
