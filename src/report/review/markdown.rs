//! The review as Markdown for a comment on a pull request or a job's summary: verdict and gate
//! first, long parts folded, and never longer than a comment may be. What is too long is cut
//! where it is longest: first lists of ids, then the tables of what nobody has to act on, and
//! packages and configuration last; what was left out is counted.
//!
//! Source of the bound: GitHub refuses a comment of more than 65,536 characters
//! (<https://github.com/orgs/community/discussions/27190>). Every text of others stands in a
//! code span, where neither HTML nor `@name` nor a link means anything.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::attention::{Look, looks};
use super::{Review, config, layer};
use crate::before_after::{FileCounts, RepairReport, Stage};
use crate::by_source::{self, VersionStep};
use crate::changelogs;
use crate::diff::ImageDiff;
use crate::exploitation;
use crate::gate::LISTED;
use crate::problems::{self, Named, Row, problems, rows};
use crate::summary::thousands;
use imgfix_model::finding::Severity;
use imgfix_model::verdict::Outcome;
use imgfix_terminal::clean;

/// Characters of a comment, with some room for what the tool that posts it adds.
pub const MAX_COMMENT: usize = 65_000;

/// Rows shown unfolded.
const OPEN_UP_TO: usize = 12;

/// The comment, at most [`MAX_COMMENT`] characters, ending in a newline.
#[must_use]
pub fn render(review: &Review) -> String {
    let blocks = blocks(review);
    for limits in Limits::from_generous_to_strict() {
        let parts: Vec<String> = blocks.iter().map(|block| block.text(limits)).collect();
        let length: usize = parts.iter().map(|part| part.chars().count()).sum();
        if length <= MAX_COMMENT {
            return parts.concat();
        }
    }
    // So many tables that not even their first rows fit: whole ones, as far as it goes.
    let mut out = String::new();
    let rest = "\nThe rest is in the full report.\n";
    let mut room = MAX_COMMENT - rest.chars().count();
    for part in blocks.iter().map(|block| block.text(Limits::STRICTEST)) {
        let length = part.chars().count();
        if length > room {
            out.push_str(rest);
            break;
        }
        room -= length;
        out.push_str(&part);
    }
    out
}

/// How much of each list is shown.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Ids or packages in a cell.
    items: usize,
    /// Rows of tables that nobody has to act on.
    light: usize,
    /// Rows of what is left, of which the worst come first.
    findings: usize,
    /// Rows of what a reviewer decides on: packages, configuration.
    essential: usize,
    /// Characters of a cell.
    cell: usize,
}

impl Limits {
    const NONE: Self = Self {
        items: usize::MAX,
        light: usize::MAX,
        findings: usize::MAX,
        essential: usize::MAX,
        cell: 300,
    };
    const STRICTEST: Self = Self { items: 1, light: 1, findings: 1, essential: 1, cell: 60 };

    fn from_generous_to_strict() -> impl Iterator<Item = Self> {
        let items = [100, 40, 20, 10, 5, 3].map(|items| Self { items, ..Self::NONE });
        let short = Self { items: 3, ..Self::NONE };
        let light = [200, 100, 50, 20, 10, 5].map(|light| Self { light, ..short });
        let few = Self { items: 2, light: 5, cell: 120, ..Self::NONE };
        let findings = [200, 150, 100, 50, 30].map(|findings| Self { findings, ..few });
        let fewer = Self { items: 1, findings: 30, ..few };
        let essential = [usize::MAX, 800, 400, 300, 200, 150, 100, 50, 20, 5];
        let essential = essential.map(|essential| Self { essential, ..fewer });
        let all = [Self::NONE].into_iter().chain(items).chain(light).chain(findings);
        all.chain(essential).chain([Self::STRICTEST])
    }
}

/// A part of the comment.
enum Block {
    /// Written as it is.
    Text(String),
    Table(Table),
}

struct Table {
    title: String,
    /// What the title counts: problems, or rows.
    number: usize,
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    weight: Weight,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Cut last.
    Essential,
    Findings,
    /// Cut first.
    Light,
}

enum Cell {
    /// Our own words.
    Own(String),
    /// A text of others.
    Other(String),
    /// Texts of others: the first few, and how many more.
    List(Vec<String>),
    /// Ids, each with what is said of its exploitation and its link: the first few, and how many
    /// more.
    Ids(Vec<(String, String, Option<String>)>),
    /// A version, and the one that follows.
    Versions(Option<String>, Option<String>),
}

/// Longest link of a table, in characters: many have to fit in a comment.
const MAX_LINK: usize = 200;

/// The first few of a list, and how many more there are.
fn first_of<T>(items: &[T], limit: usize, text: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = items.iter().take(limit).map(text).collect();
    match items.len().saturating_sub(limit) {
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), thousands(more)),
    }
}

impl Cell {
    fn text(&self, limits: Limits) -> String {
        let cell = |text: &str| cell(text, limits.cell);
        match self {
            Cell::Own(text) => text.clone(),
            Cell::Other(text) => cell(text),
            Cell::List(items) => first_of(items, limits.items, |item| cell(item)),
            Cell::Ids(items) => first_of(items, limits.items, |(id, words, link)| {
                let id = cell(id);
                // A link has no blanks and nothing that ends this form (CommonMark, section 6.3).
                let id = match link.as_ref().filter(|link| link.len() <= MAX_LINK) {
                    Some(link) => format!("[{id}](<{link}>)"),
                    None => id,
                };
                if words.is_empty() { id } else { format!("{id} ({words})") }
            }),
            Cell::Versions(from, to) => {
                let from = from.as_ref().map_or("(new)".to_owned(), |from| cell(from));
                let to = to.as_ref().map_or("(removed)".to_owned(), |to| cell(to));
                format!("{from} → {to}")
            }
        }
    }
}

impl Block {
    fn text(&self, limits: Limits) -> String {
        match self {
            Block::Text(text) => text.clone(),
            Block::Table(table) => table.text(limits),
        }
    }
}

impl Table {
    /// Folded when it is long, cut when it is longer than the limits.
    fn text(&self, limits: Limits) -> String {
        let Self { title, number, head, rows, weight } = self;
        let folded = rows.len() > OPEN_UP_TO;
        let title = format!("{title} ({})", thousands(*number));
        let rule = "|---".repeat(head.len());
        let mut out = match folded {
            true => format!("<details><summary>{title}</summary>\n\n"),
            false => format!("**{title}**\n\n"),
        };
        out.push_str(&format!("| {} |\n{rule}|\n", head.join(" | ")));
        let most = match weight {
            Weight::Essential => limits.essential,
            Weight::Findings => limits.findings,
            Weight::Light => limits.light,
        };
        for row in rows.iter().take(most) {
            let cells: Vec<String> = row.iter().map(|cell| cell.text(limits)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        if rows.len() > most {
            let more = thousands(rows.len() - most);
            out.push_str(&format!("\n{more} more are in the full report.\n"));
        }
        out.push_str(if folded { "\n</details>\n\n" } else { "\n" });
        out
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

/// A text of others of at most so many characters.
fn cell(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => code(&format!("{}...", text.get(..at).unwrap_or_default())),
        None => code(text),
    }
}

/// How long names of images and the like may be.
const MAX_NAME: usize = 300;
/// How long the command may be that makes the same again.
const MAX_COMMAND: usize = 2000;
/// Warnings that are shown.
const MAX_WARNINGS: usize = 20;

fn blocks(review: &Review) -> Vec<Block> {
    let mut out = vec![Block::Text(format!("## imgfix: {}\n\n", review.verdict()))];
    if let Some(report) = &review.repair {
        out.push(Block::Text(gate(report)));
    }
    out.push(Block::Text(images(review)));
    if let Some(report) = &review.repair {
        out.push(Block::Text(counted(review, report)));
    }
    out.extend(looks(review).into_iter().map(look));
    match &review.repair {
        Some(report) => repair(&mut out, report),
        None => {
            let diffs = review.platforms.iter().filter_map(|one| one.diff.as_ref());
            diffs.for_each(|diff| out.extend(compared(diff)));
        }
    }
    if let Some(sentence) = config::sentence(review) {
        out.push(Block::Text(format!("Image config: {sentence}\n\n")));
    }
    out.push(Block::Text(platforms(review)));
    if let Some(report) = &review.repair {
        settled(&mut out, report);
    }
    if let Some(command) = &review.reproduce {
        out.push(Block::Text(format!("To make the same again: {}\n", cell(command, MAX_COMMAND))));
    }
    out
}

fn gate(report: &RepairReport) -> String {
    let Some(gate) = &report.gate else { return String::new() };
    let sentence = gate.sentence();
    let sentence = sentence.strip_prefix("passed: ").unwrap_or(&sentence);
    let mut out = format!("**Gate {}**: {sentence}.\n\n", gate.word());
    for one in gate.held_by.iter().take(LISTED) {
        let (id, place, why) =
            (cell(&one.id, MAX_NAME), cell(one.place(), MAX_NAME), cell(&one.why, MAX_NAME));
        out.push_str(&format!("- {} {id} {place}: {why}\n", one.severity));
    }
    if gate.held_by.len() > LISTED {
        out.push_str(&format!("- and {} more\n", thousands(gate.held_by.len() - LISTED)));
    }
    if !gate.held_by.is_empty() {
        out.push('\n');
    }
    out
}

fn images(review: &Review) -> String {
    let named = |name: &str, image: &super::ReviewedImage| {
        let digest = image.digest.map(|digest| format!(" `{digest}`")).unwrap_or_default();
        format!("- {name}: {}{digest}\n", cell(&image.reference, MAX_NAME))
    };
    let mut out = named("before", &review.before);
    let stage = review.repair.as_ref().map(|report| report.stage);
    match (&review.after, stage) {
        (Some(after), _) => out.push_str(&named("after", after)),
        (None, Some(Stage::Planned)) => {
            out.push_str("- after: nothing is written; this is a plan\n")
        }
        (None, _) => out.push_str("- after: nothing was published\n"),
    }
    out.push('\n');
    out
}

/// Warnings, counts by severity and by class, the scanner's word.
fn counted(review: &Review, report: &RepairReport) -> String {
    let counted = &report.summary.vulnerabilities;
    let mut out = String::new();
    for warning in report.warnings.iter().take(MAX_WARNINGS) {
        out.push_str(&format!("> ⚠️ {}\n\n", cell(warning, MAX_NAME)));
    }
    let apart = counted.apart().map(|apart| format!("Apart from these {apart}."));
    let named =
        report.summary.named_in_changelogs.map(|named| format!("No report: {}.", named.sentence()));
    let sentences = [counted.sentence().map(|text| format!("{text}.")), apart, named];
    let sentences: Vec<String> = sentences.into_iter().flatten().collect();
    if !sentences.is_empty() {
        out.push_str(&format!("{}\n\n", sentences.join(" ")));
    }
    let (before, after) = (&counted.before, &counted.after);
    if before.total() > 0 {
        out.push_str("| severity | before | after |\n|---|---:|---:|\n");
        for severity in Severity::WORST_FIRST.into_iter().filter(|one| before.of(*one) > 0) {
            let (before, after) = (thousands(before.of(severity)), thousands(after.of(severity)));
            // Writing to a String cannot fail.
            let _ = writeln!(out, "| {severity} | {before} | {after} |");
        }
        let classes = review.classes();
        if classes.len() > 1 {
            let words: Vec<String> = classes
                .iter()
                .map(|(class, counts)| {
                    let (before, after) = (counts.before.total(), counts.after.total());
                    format!("{class} {} → {}", thousands(before), thousands(after))
                })
                .collect();
            let _ = writeln!(out, "\nBy class: {}.", words.join(", "));
        }
        out.push('\n');
    }
    if let Some(scan) = &report.scan {
        out.push_str(&format!("{}\n\n", clean(&scan.sentence())));
    }
    out
}

fn look(look: Look) -> Block {
    let weight = match look.name {
        "removed" => Weight::Light,
        _ => Weight::Essential,
    };
    let number = look.items.len();
    let rows = look.items.into_iter().map(|one| {
        let why = match one.platforms.as_slice() {
            [] => one.why,
            on => format!("{} (on {})", one.why, on.join(", ")).trim_start().to_owned(),
        };
        vec![Cell::Other(one.what), Cell::Other(why)]
    });
    let head = &["to look at", "what"];
    Block::Table(Table { title: look.title.to_owned(), number, head, rows: rows.collect(), weight })
}

/// What is left, what was changed.
fn repair(out: &mut Vec<Block>, report: &RepairReport) {
    let all = problems(&report.platforms);
    let (left, fixes) = match report.is_done() {
        true => ("Not fixed", &["source package", "packages", "version", "fixes"]),
        false => ("Would not be fixed", &["source package", "packages", "version", "would fix"]),
    };
    out.extend(of_rows(left, WHY, &rows(&all, Outcome::Left), Weight::Findings));
    let mitigated = rows(&all, Outcome::Mitigated);
    out.extend(of_rows("Mitigated", HOW, &mitigated, Weight::Findings));
    let mut packages = Vec::new();
    for change in by_source::packages(&report.platforms, &all) {
        let mut fixed = Some(Cell::Own(by_source::by_severity(&change.fixed)));
        let mut add = |names: Vec<String>, versions: Cell| {
            let fixed = fixed.take().unwrap_or(Cell::Own(String::new()));
            let source = Cell::Other(change.source.to_owned());
            packages.push(vec![source, Cell::List(names), versions, fixed]);
        };
        if change.steps.is_empty() {
            add(Vec::new(), Cell::Own("unchanged".to_owned()));
        }
        for step in &change.steps {
            let text = |version: Option<&str>| version.map(str::to_owned);
            add(names(change.source, step), Cell::Versions(text(step.from), text(step.to)));
        }
    }
    out.extend(table("Packages", fixes, packages, Weight::Essential));
    let list = |all: BTreeSet<&str>| Cell::List(all.into_iter().map(str::to_owned).collect());
    let named = changelogs::rows(&report.platforms).into_iter();
    let named = named.map(|(packages, ids)| vec![list(packages), list(ids)]).collect();
    out.extend(table(changelogs::TITLE, &["packages", "named"], named, Weight::Light));
    let components = by_source::components(&report.platforms, &all).into_iter().map(|change| {
        let text = |version: Option<&str>| version.map(str::to_owned);
        let versions = Cell::Versions(text(change.from), text(change.to));
        let (name, store) = (change.component.to_owned(), change.store.to_owned());
        let fixes = Cell::Own(by_source::by_severity(&change.fixed));
        let archive = change.archive.map(|archive| {
            // the registry, and enough of the checksum to tell archives apart
            let checksum: String = archive.checksum.to_string().chars().take(19).collect();
            let by = archive.attested_by.iter().map(|by| format!(", published by {by}"));
            format!("{} {checksum}{}", archive.repository, by.collect::<String>())
        });
        let archive = Cell::Other(archive.unwrap_or_default());
        vec![Cell::Other(name), versions, fixes, Cell::Other(store), archive]
    });
    let head = &["component", "version", "fixes", "where", "from"];
    out.extend(table(
        "Libraries and other components",
        head,
        components.collect(),
        Weight::Essential,
    ));
    let kept: BTreeSet<(String, String, String)> = report
        .platforms
        .iter()
        .flat_map(|platform| &platform.kept_back)
        .map(|kept| (kept.package.to_string(), kept.version.to_string(), kept.reason.to_string()))
        .collect();
    let kept = kept.into_iter().map(|(package, version, why)| {
        vec![Cell::Other(package), Cell::Other(version), Cell::Other(why)]
    });
    let head = &["package", "newer version", "why not"];
    out.extend(table("Left at their versions", head, kept.collect(), Weight::Light));
}

/// The names of binary packages and where, when they say more than the source package's.
fn names(source: &str, step: &VersionStep<'_>) -> Vec<String> {
    let names: Vec<String> = step.packages.iter().map(|name| (*name).to_owned()).collect();
    if names == [source] { Vec::new() } else { names }
}

/// What nobody has to act on.
fn settled(out: &mut Vec<Block>, report: &RepairReport) {
    let all = problems(&report.platforms);
    let (fixed, head) = match report.is_done() {
        true => ("Fixed", NOW),
        false => ("Would be fixed", THEN),
    };
    out.extend(of_rows(fixed, head, &rows(&all, Outcome::Fixed), Weight::Light));
    out.extend(of_rows("Ignored", BY, &rows(&all, Outcome::Ignored), Weight::Light));
    let not_affected = rows(&all, Outcome::NotAffected);
    out.extend(of_rows("Not affected before the repair", WHY, &not_affected, Weight::Light));
    let assessed = problems::assessed(&report.platforms);
    out.extend(of_rows("Assessed as not affected", WHY, &assessed, Weight::Light));
}

const WHY: &[&str] = &["severity", "source package", "packages", "findings", "why"];
const HOW: &[&str] = &["severity", "source package", "packages", "findings", "how"];
const NOW: &[&str] = &["severity", "source package", "packages", "findings", "now at"];
const THEN: &[&str] = &["severity", "source package", "packages", "findings", "then at"];
const BY: &[&str] = &["severity", "source package", "packages", "findings", "by"];

fn ids(named: &[Named<'_>]) -> Cell {
    let one = |one: &Named<'_>| {
        let words = exploitation::words(one.known_exploited, one.epss);
        (one.id.to_owned(), words, one.link.map(str::to_owned))
    };
    Cell::Ids(named.iter().map(one).collect())
}

fn of_rows(
    title: &str,
    head: &'static [&'static str],
    all: &[Row<'_>],
    weight: Weight,
) -> Option<Block> {
    let rows = all.iter().map(|row| {
        let mut source = row.source.to_owned();
        let installed = row.installed();
        if !installed.is_empty() {
            source = format!("{source} {installed}");
        }
        let places = row.places.iter().map(|place| format!("in {place}"));
        let packages: Vec<String> =
            row.folded().into_iter().map(str::to_owned).chain(places).collect();
        let severity = Cell::Own(row.severity().to_string());
        let (packages, why) = (Cell::List(packages), Cell::Other(row.outcome.clone()));
        vec![severity, Cell::Other(source), packages, ids(&row.ids), why]
    });
    let number = all.iter().map(|row| row.ids.len()).sum();
    let (title, rows) = (title.to_owned(), rows.collect());
    (number > 0).then_some(Block::Table(Table { title, number, head, rows, weight }))
}

fn table(
    title: &str,
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    weight: Weight,
) -> Option<Block> {
    let title = title.to_owned();
    let number = rows.len();
    (number > 0).then_some(Block::Table(Table { title, number, head, rows, weight }))
}

fn compared(diff: &ImageDiff) -> Option<Block> {
    let packages = diff.packages.as_ref()?;
    let row = |package: String, from: Option<&str>, to: Option<&str>| {
        let text = |version: Option<&str>| version.map(str::to_owned);
        vec![Cell::Other(package), Cell::Versions(text(from), text(to))]
    };
    let mut rows = Vec::new();
    for one in packages.upgraded.iter().chain(&packages.downgraded).chain(&packages.changed) {
        rows.push(row(one.package.to_string(), Some(one.from.as_ref()), Some(one.to.as_ref())));
    }
    for one in &packages.added {
        rows.push(row(one.package.to_string(), None, Some(one.version.as_ref())));
    }
    for one in &packages.removed {
        rows.push(row(one.package.to_string(), Some(one.version.as_ref()), None));
    }
    table("Packages", &["package", "version"], rows, Weight::Essential)
}

/// Most platforms that get a line of their own; an index has a handful.
const MAX_PLATFORMS: usize = 20;

/// A line for each platform: size, layer, files.
fn platforms(review: &Review) -> String {
    let several = review.platforms.len() > 1;
    let mut out = String::new();
    for (platform, report) in review.pairs().take(MAX_PLATFORMS) {
        let name = match several {
            true => format!("{}: ", code(&platform.platform.to_string())),
            false => String::new(),
        };
        match (report, &platform.diff) {
            (Some(one), _) => {
                let digest = layer(report).map(|layer| format!("; added layer `{}`", layer.digest));
                let digest = digest.unwrap_or_default();
                out.push_str(&format!("- {name}{}{digest}\n", one.sentence()));
            }
            (None, Some(diff)) if !diff.files.is_empty() => {
                let files = FileCounts::default().compared(&diff.files).sentence();
                out.push_str(&format!("- {name}files: {files}\n"));
            }
            (None, _) => {}
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
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
        insta::assert_snapshot!("index", render(&samples::index()));
        insta::assert_snapshot!("planned", render(&samples::planned()));
    }

    #[test]
    fn a_large_review_stays_below_the_bound_and_its_folds_are_closed() {
        let text = render(&samples::large());
        assert!(text.chars().count() <= MAX_COMMENT, "{}", text.chars().count());
        assert!(text.chars().count() > 50_000);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        assert!(text.contains(" more |"), "lists are cut, and say so");
        assert!(text.contains("To make the same again"));
        // what a reviewer decides on is all there
        for number in 0..400 {
            assert!(text.contains(&format!("`lib-package-{number}`")), "package {number}");
        }
        for number in 0..200 {
            assert!(text.contains(&format!("`/etc/conf.d/{number}.conf`")), "file {number}");
        }
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
        let (mut spans, mut links) = (0, 0);
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            match event {
                Event::Html(html) | Event::InlineHtml(html) => {
                    let own = ["<details>", "</details>", "<summary>", "</summary>"];
                    let rest = own.iter().fold(html.to_string(), |rest, tag| rest.replace(tag, ""));
                    assert!(!rest.contains('<'), "{html}");
                }
                Event::Start(Tag::Image { .. }) => panic!("an image:\n{text}"),
                // The report's own link, and no text of others.
                Event::Start(Tag::Link { dest_url, .. }) => {
                    assert_eq!(&*dest_url, "https://a.example/(x)[y]&z=1", "{text}");
                    links += 1;
                }
                Event::Code(code) => spans += usize::from(code.contains("<script>")),
                Event::Text(plain) => assert!(!plain.contains("@team"), "{plain}"),
                _ => {}
            }
        }
        assert!(spans > 20, "only {spans} of the hostile texts are shown");
        assert!(links > 0, "no finding is linked");
    }
}
