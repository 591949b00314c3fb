//! The top of the page: which image, the verdict, and a picture of before and after.

use maud::{Markup, html};

use super::{number, shown};
use crate::before_after::{RepairReport, SeverityCounts};
use crate::review::Review;
use imgfix_model::finding::Severity;
use imgfix_model::verdict::Outcome;
use imgfix_terminal::{bytes, count};

/// The head of the page.
pub(super) fn header(review: &Review) -> Markup {
    let subject = if review.repair.is_some() { "Review of a repair" } else { "Comparison" };
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
                                None => em { "nothing was published" },
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
        Some(report) if report.output.is_none() && report.summary.findings > 0 => "bad",
        Some(report) if report.summary.not_fixed > 0 => "mixed",
        Some(_) => "good",
    };
    html! {
        section.verdict.(mood) aria-labelledby="verdict" {
            h2 #verdict { (review.verdict()) }
            p.lead { (lead(review)) }
            @if let Some(report) = &review.repair {
                @if let Some(scan) = &report.scan { p { (shown(&scan.sentence())) } }
                @for warning in &report.warnings {
                    p.warning { strong { "Warning: " } (shown(warning)) }
                }
                @if report.summary.before.total() > 0 { (picture(review, report)) }
            }
        }
    }
}

/// What is left, in words.
fn lead(review: &Review) -> String {
    let Some(report) = &review.repair else { return compared(review) };
    let summary = &report.summary;
    let mut parts = Vec::new();
    if summary.not_fixed > 0 {
        let mut left = SeverityCounts::default();
        remaining(report).for_each(|severity| left.add(severity));
        parts.push(format!("{} left: {left}.", number(summary.not_fixed)));
    }
    if summary.ignored > 0 {
        parts.push(format!("{} ignored by choice.", number(summary.ignored)));
    }
    let layers: u64 =
        report.platforms.iter().filter_map(|one| one.layer.as_ref()).map(|one| one.size).sum();
    if summary.packages > 0 {
        parts.push(format!(
            "{} upgraded in one added layer of {}.",
            count(summary.packages, "package"),
            bytes(layers)
        ));
    }
    parts.join(" ")
}

fn remaining(report: &RepairReport) -> impl Iterator<Item = Severity> {
    report
        .platforms
        .iter()
        .flat_map(|platform| &platform.findings)
        .filter(|judged| judged.verdict.outcome() == Outcome::Left)
        .map(|judged| judged.finding.severity)
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
    let (before, after) = (&report.summary.before, &report.summary.after);
    let whole = before.total().max(1);
    html! {
        div.picture {
            div.bars {
                (bar("Before", before, whole))
                (bar("After", after, whole))
            }
            div.counts {
                (by_severity(before, after))
                (by_class(review))
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
