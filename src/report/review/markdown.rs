//! The review as Markdown for a comment on a pull request or a job's summary: the verdict
//! first, long parts folded, and never longer than a comment may be.
//!
//! Source of the bound: GitHub refuses a comment of more than 65,536 characters
//! (<https://github.com/orgs/community/discussions/27190>). Every text of others stands in a
//! code span, where neither HTML nor `@name` nor a link means anything.

use std::fmt::Write as _;

use super::{Review, layer};
use crate::before_after::PlatformReport;
use crate::diff::ImageDiff;
use crate::text::{assessed_by, became};
use imgfix_model::finding::Finding;
use imgfix_model::finding::Severity;
use imgfix_model::verdict::{JudgedFinding, Outcome};
use imgfix_terminal::{bytes, clean, count};

/// Characters of a comment, with some room for what the tool that posts it adds.
pub const MAX_COMMENT: usize = 65_000;

/// Rows shown unfolded.
const OPEN_UP_TO: usize = 12;

/// The comment, at most [`MAX_COMMENT`] characters, ending in a newline.
#[must_use]
pub fn render(review: &Review) -> String {
    let mut page = Page { text: String::new(), used: 0 };
    page.add(&format!("## imgfix: {}\n\n", review.verdict()));
    page.add(&images(review));
    if let Some(report) = &review.repair {
        for warning in &report.warnings {
            page.add(&format!("> ⚠️ {}\n\n", code(warning)));
        }
        page.add(&counts(review));
        if let Some(scan) = &report.scan {
            page.add(&format!("{}\n\n", clean(&scan.sentence())));
        }
    }
    let several = review.platforms.len() > 1;
    for (platform, report) in review.pairs() {
        if several {
            page.add(&format!("### {}\n\n", code(&platform.platform.to_string())));
        }
        if let Some(report) = report {
            findings(&mut page, report);
            packages(&mut page, report);
        }
        match &platform.diff {
            Some(diff) => {
                if report.is_none() {
                    compared_packages(&mut page, diff);
                }
                files(&mut page, diff);
            }
            None if report.is_some() => page.add("This platform's image is as it was.\n\n"),
            None => {}
        }
        if let Some(layer) = layer(report) {
            page.add(&format!(
                "Added layer `{}`, {} stored, {} unpacked.\n\n",
                layer.digest,
                bytes(layer.size),
                bytes(layer.unpacked_size)
            ));
        }
    }
    if let Some(command) = &review.reproduce {
        page.add(&format!("To make the same again: {}\n", code(command)));
    }
    page.text
}

/// Text that stops growing at the bound.
struct Page {
    text: String,
    /// Characters.
    used: usize,
}

impl Page {
    /// Room for rows: what is kept back is for the lines that close folds and for the end.
    const RESERVE: usize = 4000;

    fn fits(&self, text: &str) -> bool {
        self.used + text.chars().count() + Self::RESERVE <= MAX_COMMENT
    }

    /// Adds a whole; left out when it does not fit.
    fn add(&mut self, text: &str) {
        let length = text.chars().count();
        if self.used + length <= MAX_COMMENT {
            self.text.push_str(text);
            self.used += length;
        }
    }

    /// A table, folded when it is long, cut when it does not fit.
    fn table(&mut self, title: &str, head: &[&str], rows: &[String]) {
        if rows.is_empty() {
            return;
        }
        let folded = rows.len() > OPEN_UP_TO;
        let title = format!("{title} ({})", rows.len());
        let rule = "|---".repeat(head.len());
        let head = format!("| {} |\n{rule}|\n", head.join(" | "));
        let top = if folded {
            format!("<details><summary>{title}</summary>\n\n{head}")
        } else {
            format!("**{title}**\n\n{head}")
        };
        if !self.fits(&top) {
            self.add(&format!("**{title}** are in the full report.\n\n"));
            return;
        }
        self.add(&top);
        let mut shown = 0;
        for row in rows {
            if !self.fits(row) {
                break;
            }
            self.add(row);
            shown += 1;
        }
        if shown < rows.len() {
            self.add(&format!("\n{} more are in the full report.\n", rows.len() - shown));
        }
        self.add(if folded { "\n</details>\n\n" } else { "\n" });
    }
}

/// Text of others as a code span that also stands in a table.
fn code(text: &str) -> String {
    let text = clean(text).replace('|', "\\|");
    if text.is_empty() {
        return String::new();
    }
    // A fence longer than any run of backticks inside (CommonMark, section 6.1).
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest > 0 { format!("{fence} {text} {fence}") } else { format!("{fence}{text}{fence}") }
}

/// The longest a cell may be, in characters.
const MAX_CELL: usize = 300;

fn cell(text: &str) -> String {
    match text.char_indices().nth(MAX_CELL) {
        Some((at, _)) => code(&format!("{}...", text.get(..at).unwrap_or_default())),
        None => code(text),
    }
}

fn images(review: &Review) -> String {
    let mut out = String::new();
    let named = |name: &str, image: &super::ReviewedImage| {
        let digest = image.digest.map(|digest| format!(" `{digest}`")).unwrap_or_default();
        format!("- {name} {}{digest}\n", cell(&image.reference))
    };
    out.push_str(&named("before", &review.before));
    match &review.after {
        Some(after) => out.push_str(&named("after", after)),
        None => out.push_str("- after: nothing was published\n"),
    }
    out.push('\n');
    out
}

fn counts(review: &Review) -> String {
    let Some(report) = &review.repair else { return String::new() };
    let (before, after) = (&report.summary.before, &report.summary.after);
    if before.total() == 0 {
        return String::new();
    }
    let mut out = "| severity | before | after |\n|---|---:|---:|\n".to_owned();
    for severity in Severity::WORST_FIRST.into_iter().filter(|one| before.of(*one) > 0) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {severity} | {} | {} |", before.of(severity), after.of(severity));
    }
    let classes = review.classes();
    if classes.len() > 1 {
        let words: Vec<String> = classes
            .iter()
            .map(|(class, counts)| {
                format!("{class} {} → {}", counts.before.total(), counts.after.total())
            })
            .collect();
        let _ = writeln!(out, "\nBy class: {}.", words.join(", "));
    }
    out.push('\n');
    out
}

fn findings(page: &mut Page, report: &PlatformReport) {
    let of = |outcome: Outcome| -> Vec<String> {
        let all = report.findings.iter();
        all.filter(|one| one.verdict.outcome() == outcome).map(row).collect()
    };
    page.table("Not fixed", &["severity", "finding", "package", "why"], &of(Outcome::Left));
    page.table("Mitigated", &["severity", "finding", "package", "how"], &of(Outcome::Mitigated));
    page.table("Fixed", &["severity", "finding", "package", "now at"], &of(Outcome::Fixed));
    page.table("Ignored", &["severity", "finding", "package", "by"], &of(Outcome::Ignored));
    let columns = ["severity", "finding", "package", "why"];
    page.table("Not affected before the repair", &columns, &of(Outcome::NotAffected));
    let assessed = report.assessed.iter();
    let assessed = assessed.map(|one| finding_row(&one.finding, &assessed_by(one)));
    page.table("Assessed as not affected", &columns, &assessed.collect::<Vec<_>>());
}

fn row(judged: &JudgedFinding) -> String {
    finding_row(&judged.finding, &became(&judged.verdict))
}

fn finding_row(finding: &Finding, outcome: &str) -> String {
    let package = format!("{} {}", finding.package, finding.installed);
    format!(
        "| {} | {} | {} | {} |\n",
        finding.severity,
        cell(&finding.id),
        cell(package.trim_end()),
        cell(outcome)
    )
}

fn packages(page: &mut Page, report: &PlatformReport) {
    let rows: Vec<String> = report
        .packages
        .iter()
        .map(|change| {
            let from = change.from.as_ref().map_or("(new)".to_owned(), |from| cell(from.as_ref()));
            let to = cell(change.to.as_ref());
            format!("| {} | {from} | {to} |\n", cell(&change.package.to_string()))
        })
        .collect();
    page.table("Packages", &["package", "from", "to"], &rows);
}

fn compared_packages(page: &mut Page, diff: &ImageDiff) {
    let Some(packages) = &diff.packages else { return };
    let mut rows = Vec::new();
    for one in packages.upgraded.iter().chain(&packages.downgraded).chain(&packages.changed) {
        let (from, to) = (cell(one.from.as_ref()), cell(one.to.as_ref()));
        rows.push(format!("| {} | {from} | {to} |\n", cell(&one.package.to_string())));
    }
    for one in &packages.added {
        let to = cell(one.version.as_ref());
        rows.push(format!("| {} | (new) | {to} |\n", cell(&one.package.to_string())));
    }
    for one in &packages.removed {
        let from = cell(one.version.as_ref());
        rows.push(format!("| {} | {from} | (removed) |\n", cell(&one.package.to_string())));
    }
    page.table("Packages", &["package", "from", "to"], &rows);
}

fn files(page: &mut Page, diff: &ImageDiff) {
    let files = &diff.files;
    if files.is_empty() {
        return;
    }
    page.add(&format!(
        "{} added, {} changed, {} removed.\n\n",
        count(files.added.len(), "file"),
        files.changed.len(),
        files.removed.len()
    ));
    let rows: Vec<String> = diff
        .texts
        .iter()
        .filter(|text| text.path.as_bytes().starts_with(b"/etc/"))
        .map(|text| {
            let lines = text.unified.lines();
            let changed = lines.filter(|line| line.starts_with(['+', '-'])).count();
            format!("| {} | {changed} |\n", cell(&text.path.to_str_lossy()))
        })
        .collect();
    page.table("Configuration files", &["file", "changed lines"], &rows);
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_comment_reads_as_it_did() {
        insta::assert_snapshot!("repair", render(&samples::repair()));
        insta::assert_snapshot!("comparison", render(&samples::comparison()));
        insta::assert_snapshot!("untouched", render(&samples::untouched()));
    }

    #[test]
    fn a_large_review_stays_below_the_bound_and_its_folds_are_closed() {
        let text = render(&samples::large());
        assert!(text.chars().count() <= MAX_COMMENT, "{}", text.chars().count());
        assert!(text.chars().count() > 50_000);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.contains("more are in the full report"));
        assert!(text.contains("To make the same again"));
    }

    #[test]
    fn text_of_others_is_only_text() {
        for (text, want) in [
            ("plain", "`plain`"),
            ("<script>@team [x](y)", "`<script>@team [x](y)`"),
            ("a`b``c", "``` a`b``c ```"),
            ("a|b", "`a\\|b`"),
            ("a\nb\x1b[31m", "`a\\nb\\u{1b}[31m`"),
            ("", ""),
        ] {
            assert_eq!(code(text), want);
        }
        let text = render(&samples::hostile());
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
        use pulldown_cmark::{Event, Options, Parser, Tag};
        let mut spans = 0;
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Html(html) | Event::InlineHtml(html) => {
                    let own = ["<details>", "</details>", "<summary>", "</summary>"];
                    let rest = own.iter().fold(html.to_string(), |rest, tag| rest.replace(tag, ""));
                    assert!(!rest.contains('<'), "{html}");
                }
                Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link:\n{text}"),
                Event::Code(code) => spans += usize::from(code.contains("<script>")),
                Event::Text(plain) => assert!(!plain.contains("@team"), "{plain}"),
                _ => {}
            }
        }
        assert!(spans > 20, "only {spans} of the hostile texts are shown");
    }
}
