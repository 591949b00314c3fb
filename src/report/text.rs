//! The repair report for people: the verdict and the gate first, then counts, what is not fixed
//! with the reason, packages, and what each platform needed, worst first.

use std::collections::{BTreeMap, BTreeSet};

use super::before_after::{PlatformReport, RepairReport, Stage};
use super::by_source::{self, by_severity, some_of};
use super::changelogs::{self, NamedInChangelogs};
use super::problems::{self, Named, Problem, Row};
use super::summary::{count, thousands};
use imgfix_model::finding::{Assessed, Severity};
use imgfix_model::verdict::{Outcome, Verdict, not_affected};
use imgfix_terminal::{Accent, Detail, Style, Table, clean};

/// How many ids or packages a cell has unless everything is asked for.
const SHOWN: usize = 6;

/// What became of a finding, as half a sentence.
#[must_use]
pub fn became(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Fixed { version } => version.clone(),
        Verdict::NotAffected { version } => not_affected(version),
        Verdict::Mitigated { how } => how.clone(),
        Verdict::NotFixed { reason } => reason.to_string(),
    }
}

/// Who assessed something as no problem, and how.
#[must_use]
pub fn assessed_by(one: &Assessed) -> String {
    format!("{} by {}", one.assessment, one.by)
}

/// The whole report as text, ending in a newline.
#[must_use]
pub fn render(report: &RepairReport, style: Style) -> String {
    let problems = problems::problems(&report.platforms);
    let mut out = verdict(report, &problems, style);
    for warning in &report.warnings {
        let word = style.paint(Accent::Note, "warning:");
        out.push_str(&format!("{word} {}\n", clean(warning)));
    }
    out.push_str(&counts(report, style));
    if let Some(scan) = &report.scan {
        out.push_str(&format!("\n{}\n", clean(&scan.sentence())));
    }
    out.push_str(&packages(report, &problems, style));
    out.push_str(&named_in_changelogs(report, style));
    out.push_str(&removed(report, style));
    out.push_str(&components(report, &problems, style));
    out.push_str(&kept_back(report, style));
    out.push_str(&findings(report, &problems, style));
    let several = report.platforms.len() > 1;
    for platform in &report.platforms {
        if several || platform.is_changed() {
            out.push('\n');
            out.push_str(&platform_line(platform, style));
        }
        out.push_str(&scripts(platform, style));
        out.push_str(&stale(platform, style));
        out.push_str(&notes(platform, style));
    }
    out
}

/// How many stale files each recipe removed.
fn stale(platform: &PlatformReport, style: Style) -> String {
    let mut counts: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for file in &platform.stale {
        let (number, _) = counts.entry(&file.recipe).or_insert((0, &file.title));
        *number += 1;
    }
    if counts.is_empty() {
        return String::new();
    }
    let lines = counts
        .values()
        .map(|(number, title)| format!("  {}: {} removed\n", clean(title), count(*number, "file")));
    let heading = style.paint(Accent::Heading, "Stale caches");
    format!("\n{heading}\n{}", lines.collect::<String>())
}

/// How many scripts were evaluated, and those that changed something.
fn scripts(platform: &PlatformReport, style: Style) -> String {
    if platform.scripts.is_empty() {
        return String::new();
    }
    let changing: Vec<_> = platform.scripts.iter().filter(|one| !one.changed.is_empty()).collect();
    let heading = style.paint(Accent::Heading, "Maintainer scripts");
    let mut out = format!("\n{heading}\n  {} evaluated", count(platform.scripts.len(), "script"));
    out.push_str(if changing.is_empty() {
        "; none changed a file\n"
    } else {
        "; these changed files:\n"
    });
    for one in changing {
        let paths: Vec<String> =
            one.changed.iter().take(MAX_PATHS).map(|path| clean(&path.to_str_lossy())).collect();
        let more = match one.changed.len().saturating_sub(MAX_PATHS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let called = clean(&format!("{} {} {}", one.package, one.script, one.arguments.join(" ")));
        out.push_str(&format!("  {called}: {}{more}\n", paths.join(", ")));
    }
    out
}

/// How many paths of one script are listed.
const MAX_PATHS: usize = 6;

fn notes(platform: &PlatformReport, style: Style) -> String {
    let effects = platform
        .effects
        .iter()
        .map(|effect| format!("  {}: {}\n", clean(&effect.package), clean(&effect.text)));
    let notes = platform.notes.iter().map(|note| format!("  {}\n", clean(note)));
    let lines: String = effects.chain(notes).collect();
    if lines.is_empty() {
        return lines;
    }
    format!("\n{}\n{lines}", style.paint(Accent::Heading, "Notes"))
}

fn verdict(report: &RepairReport, problems: &[Problem<'_>], style: Style) -> String {
    let counted = &report.summary.vulnerabilities;
    let accent = match (counted.not_fixed, report.is_held()) {
        (0, false) => Accent::Good,
        _ => Accent::Note,
    };
    let mut out = format!("{}\n", style.paint(accent, &clean(&report.verdict())));
    let apart = counted.apart().map(|apart| format!("apart from these {apart}"));
    let named = report.summary.named_in_changelogs.map(NamedInChangelogs::sentence);
    let lines = [counted.sentence(), apart, named];
    for line in lines.into_iter().flatten().chain(exploited(report, problems, style)) {
        out.push_str(&format!("  {line}\n"));
    }
    if let Some(gate) = &report.gate {
        let accent = if gate.passed { Accent::Good } else { Accent::Bad };
        for line in gate.lines() {
            out.push_str(&format!("  {}\n", style.paint(accent, &line)));
        }
    }
    let image = |word: &str, image: &super::before_after::NamedImage| {
        format!("  {word} {} {}\n", clean(&image.reference), image.digest)
    };
    out.push_str(&image("original", &report.image));
    if let Some(output) = &report.output {
        out.push_str(&image("repaired", output));
    }
    out
}

/// What is known to be exploited, by what became of it: `known exploited and not fixed:
/// CVE-2021-44228 liblog4j2-java`.
fn exploited(report: &RepairReport, problems: &[Problem<'_>], style: Style) -> Vec<String> {
    let words = match report.is_done() {
        true => [(Outcome::Left, "not fixed"), (Outcome::Fixed, "fixed")],
        false => [(Outcome::Left, "would not be fixed"), (Outcome::Fixed, "would be fixed")],
    };
    let others = [(Outcome::Mitigated, "mitigated"), (Outcome::Ignored, "ignored")];
    let line = |(outcome, became): (Outcome, &str)| {
        let of = problems.iter().filter(|one| one.known_exploited && one.outcome == outcome);
        let named: Vec<String> = of.map(|one| format!("{} {}", one.id, one.place())).collect();
        let named = some_of(named.iter().map(String::as_str), shown(style));
        (!named.is_empty()).then(|| clean(&format!("known exploited and {became}: {named}")))
    };
    words.into_iter().chain(others).filter_map(line).collect()
}

fn counts(report: &RepairReport, style: Style) -> String {
    let counted = &report.summary.vulnerabilities;
    let mut table = Table::new(&["severity", "before", "after"], &[]);
    for severity in Severity::WORST_FIRST {
        let (before, after) = (counted.before.of(severity), counted.after.of(severity));
        if before > 0 {
            table.row([&severity.to_string(), &thousands(before), &thousands(after)]);
        }
    }
    section("", table, style)
}

fn platform_line(platform: &PlatformReport, style: Style) -> String {
    let name = style.paint(Accent::Heading, &clean(&platform.platform.to_string()));
    format!("{name}: {}\n", platform.sentence())
}

/// How many items of a list a cell shows.
fn shown(style: Style) -> usize {
    match style.detail {
        Detail::Normal => SHOWN,
        Detail::Full => usize::MAX,
    }
}

fn packages(report: &RepairReport, problems: &[Problem<'_>], style: Style) -> String {
    let columns = ["source package", "packages", "from", "to", "fixes"];
    let mut table = Table::new(&columns, &[1, 4]).stacking(2, 3, "→ ");
    for change in by_source::packages(&report.platforms, problems) {
        let fixes = match style.detail {
            Detail::Normal => by_severity(&change.fixed),
            Detail::Full => ids(&change.fixed, style),
        };
        // What was taken away is told apart, with the reason.
        let mut steps = change.steps.iter().filter(|step| step.to.is_some()).peekable();
        if steps.peek().is_none() && !change.fixed.is_empty() {
            table.row([change.source, "", "", "", &fixes]);
        }
        for (at, step) in steps.enumerate() {
            let folded = step.packages.iter().copied().filter(|name| *name != change.source);
            let folded: Vec<&str> = folded.collect();
            let packages = match folded.as_slice() {
                [] => String::new(),
                _ => some_of(step.packages.iter().copied(), shown(style)),
            };
            let fixes = if at == 0 { fixes.as_str() } else { "" };
            let from = step.from.unwrap_or("(new)");
            table.row([change.source, &packages, from, step.to.unwrap_or_default(), fixes]);
        }
    }
    let title = match report.stage {
        Stage::Repaired => "Upgraded",
        Stage::Planned => "To upgrade",
    };
    section(title, table, style)
}

/// Without a report: what the changelogs of the packages name.
fn named_in_changelogs(report: &RepairReport, style: Style) -> String {
    let mut table = Table::new(&["packages", "named"], &[0, 1]);
    for (packages, ids) in changelogs::rows(&report.platforms) {
        let of = |all: BTreeSet<&str>| some_of(all, shown(style));
        table.row([&of(packages), &of(ids)]);
    }
    section(changelogs::TITLE, table, style)
}

fn removed(report: &RepairReport, style: Style) -> String {
    let mut table = Table::new(&["package", "version", "why"], &[2]);
    let all = report.platforms.iter().flat_map(|platform| &platform.removed);
    let rows: BTreeSet<(String, &str, &str)> = all
        .map(|gone| (gone.package.to_string(), gone.version.as_ref(), gone.explanation.as_str()))
        .collect();
    for (package, version, why) in rows {
        table.row([&package, version, why]);
    }
    section("Taken away", table, style)
}

fn components(report: &RepairReport, problems: &[Problem<'_>], style: Style) -> String {
    let mut table =
        Table::new(&["component", "from", "to", "fixes", "where"], &[3, 4]).stacking(1, 2, "→ ");
    for change in by_source::components(&report.platforms, problems) {
        let (from, to) = (change.from.unwrap_or_default(), change.to.unwrap_or_default());
        table.row([change.component, from, to, &by_severity(&change.fixed), change.store]);
    }
    section("Changed", table, style)
}

fn kept_back(report: &RepairReport, style: Style) -> String {
    let mut table = Table::new(&["package", "newer version", "why not"], &[2]);
    let all = report.platforms.iter().flat_map(|platform| &platform.kept_back);
    let rows: BTreeSet<(String, &str, String)> = all
        .map(|kept| (kept.package.to_string(), kept.version.as_ref(), kept.reason.to_string()))
        .collect();
    for (package, version, why) in rows {
        table.row([&package, version, &why]);
    }
    section("Left at their versions", table, style)
}

fn ids(problems: &[Named<'_>], style: Style) -> String {
    some_of(problems.iter().map(|named| named.id), shown(style))
}

/// What is not fixed and what is ignored. A row gathers what a source package has with one
/// reason, and is as bad as the worst of it.
fn findings(report: &RepairReport, problems: &[Problem<'_>], style: Style) -> String {
    let of = |outcome| problems::rows(problems, outcome);
    let left = report.title_of_left();
    let mut out = rows_table(left, &of(Outcome::Left), style);
    out.push_str(&rows_table("Mitigated", &of(Outcome::Mitigated), style));
    if style.detail == Detail::Full {
        out.push_str(&rows_table("Ignored", &of(Outcome::Ignored), style));
        out.push_str(&rows_table("Not affected", &of(Outcome::NotAffected), style));
        let assessed = problems::assessed(&report.platforms);
        out.push_str(&rows_table("Assessed as not affected", &assessed, style));
    }
    out
}

fn rows_table(title: &'static str, rows: &[Row<'_>], style: Style) -> String {
    let columns = ["severity", "source package", "packages", "installed", "findings", "why"];
    let mut table = Table::new(&columns, &[2, 4, 5]).stacking(1, 3, "");
    for row in rows {
        let source = match row.places.first() {
            Some(place) if row.places.len() == 1 => format!("{} in {place}", row.source),
            Some(place) => {
                format!("{} in {place} and {} more", row.source, row.places.len() - 1)
            }
            None => row.source.to_owned(),
        };
        let packages = some_of(row.folded(), shown(style));
        let (severity, ids) = (row.severity().to_string(), ids(&row.ids, style));
        table.row([&severity, &source, &packages, &row.installed(), &ids, &row.outcome]);
    }
    section(title, table, style)
}

/// A titled table after a blank line; nothing when the table is empty.
pub(super) fn section(title: &str, table: Table, style: Style) -> String {
    if table.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() {
        String::new()
    } else {
        format!("{}\n", style.paint(Accent::Heading, title))
    };
    format!("\n{title}{}", table.render(style))
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;
    use imgfix_terminal::Colour;

    #[test]
    fn the_text_is_as_it_was() {
        let at = |width| Style { width: Some(width), ..Style::default() };
        insta::assert_snapshot!("pipe", render(&samples::report(), Style::default()));
        insta::assert_snapshot!("terminal_100", render(&samples::report(), at(100)));
        insta::assert_snapshot!("terminal_60", render(&samples::report(), at(60)));
        insta::assert_snapshot!(
            "full",
            render(&samples::report(), Style { detail: Detail::Full, ..Style::default() })
        );
        insta::assert_snapshot!("scanned_text", render(&samples::scanned(), at(100)));
        insta::assert_snapshot!("untouched_text", render(&samples::untouched(), at(100)));
        insta::assert_snapshot!("index_text", render(&samples::index(), at(100)));
        insta::assert_snapshot!("planned_text", render(&samples::planned(), at(100)));
        let unreported = render(&samples::unreported(), at(100));
        assert!(unreported.contains("\n  changelogs of 3 packages name 3 vulnerabilities ("));
        assert!(unreported.contains("\nNamed in changelogs, not judged by a scanner\n"));
    }

    #[test]
    fn what_is_known_to_be_exploited_is_said_with_what_became_of_it() {
        let mut report = samples::report();
        let said = |report: &RepairReport| {
            let text = render(report, Style::default());
            let lines = text.lines().filter(|line| line.contains("known exploited"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(said(&report), ["  known exploited and not fixed: CVE-2023-4911 perl-base"]);
        for judged in &mut report.platforms[0].findings {
            judged.finding.known_exploited = judged.verdict.outcome() == Outcome::Fixed;
        }
        let fixed = said(&report);
        let [line] = &fixed[..] else { panic!("{fixed:?}") };
        assert!(line.starts_with("  known exploited and fixed: CVE-"), "{line}");
        for judged in &mut report.platforms[0].findings {
            judged.finding.known_exploited = false;
        }
        assert!(said(&report).is_empty());
    }

    #[test]
    fn without_findings_the_packages_are_the_verdict() {
        let mut all = samples::report();
        let mut platform = all.platforms.remove(0);
        platform.findings.clear();
        platform.assessed.clear();
        let report = RepairReport::new(all.image, all.output, vec![platform], Vec::new());
        let text = render(&report, Style::default());
        assert!(text.starts_with("3 packages upgraded\n"), "{text}");
    }

    #[test]
    fn no_escape_of_others_reaches_the_terminal() {
        let style = Style { colour: Colour::Always, width: Some(80), detail: Detail::Full };
        let text = render(&samples::report(), style);
        for part in text.split('\x1b').skip(1) {
            let ours = ["[0m", "[1m", "[31m", "[32m", "[33m"];
            assert!(ours.iter().any(|code| part.starts_with(code)), "{part:?}");
        }
        assert!(!render(&samples::report(), Style::default()).contains('\x1b'));
    }
}
