//! The repair report for people: the verdict first, then counts, packages, and what is not
//! fixed with the reason, worst first.

use std::collections::BTreeMap;

use super::before_after::{PackageChange, PlatformReport, RepairReport};
use imgfix_model::finding::{Assessed, Severity};
use imgfix_model::verdict::{JudgedFinding, Outcome, Verdict, not_affected};
use imgfix_terminal::{Accent, Detail, Style, Table, bytes, clean, count};

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
    let mut out = verdict(report, style);
    for warning in &report.warnings {
        let word = style.paint(Accent::Note, "warning:");
        out.push_str(&format!("{word} {}\n", clean(warning)));
    }
    out.push_str(&counts(report, style));
    if let Some(scan) = &report.scan {
        out.push_str(&format!("\n{}\n", clean(&scan.sentence())));
    }
    let several = report.platforms.len() > 1;
    for platform in &report.platforms {
        if several || platform.layer.is_some() {
            out.push('\n');
            out.push_str(&platform_line(platform, style));
        }
        out.push_str(&packages(platform, style));
        out.push_str(&removed(platform, style));
        out.push_str(&components(platform, style));
        out.push_str(&kept_back(platform, style));
        out.push_str(&findings(platform, style));
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

fn verdict(report: &RepairReport, style: Style) -> String {
    let summary = &report.summary;
    let name = clean(report.output.as_ref().map_or(&report.image.reference, |o| &o.reference));
    let accent = if summary.not_fixed == 0 { Accent::Good } else { Accent::Note };
    let upgraded = count(summary.packages, "package");
    let mut line = match (&report.output, summary.findings) {
        (Some(_), 0) => format!("{upgraded} upgraded in {name}"),
        (Some(_), all) => format!("{} of {} fixed in {name}", summary.fixed, count(all, "finding")),
        (None, 0) => format!("nothing to repair in {name}"),
        (None, all) => {
            format!("nothing published: none of {} can be fixed in {name}", count(all, "finding"))
        }
    };
    let apart: Vec<String> = [
        (summary.mitigated, "mitigated"),
        (summary.ignored, "ignored"),
        (summary.not_affected, "not affected before the repair"),
        (summary.assessed, "assessed as not affected"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} more {what}"))
    .collect();
    if !apart.is_empty() {
        line.push_str(&format!(" ({})", apart.join(", ")));
    }
    let mut out = format!("{}\n", style.paint(accent, &line));
    out.push_str(&format!("  original {}\n", report.image.digest));
    if let Some(output) = &report.output {
        out.push_str(&format!("  repaired {}\n", output.digest));
    }
    out
}

fn counts(report: &RepairReport, style: Style) -> String {
    let mut table = Table::new(&["severity", "before", "after"], &[]);
    for severity in Severity::WORST_FIRST {
        let (before, after) =
            (report.summary.before.of(severity), report.summary.after.of(severity));
        if before > 0 {
            table.row([&severity.to_string(), &before.to_string(), &after.to_string()]);
        }
    }
    section("", table, style)
}

fn platform_line(platform: &PlatformReport, style: Style) -> String {
    let name = style.paint(Accent::Heading, &clean(&platform.platform.to_string()));
    match &platform.layer {
        None => format!("{name}: as it was\n"),
        Some(layer) => format!(
            "{name}: one layer of {} ({} unpacked); files: {} added, {} changed, {} removed\n",
            bytes(layer.size),
            bytes(layer.unpacked_size),
            platform.files.added,
            platform.files.changed,
            platform.files.removed
        ),
    }
}

fn packages(platform: &PlatformReport, style: Style) -> String {
    let mut fixes: BTreeMap<&str, Vec<&JudgedFinding>> = BTreeMap::new();
    for judged in of_outcome(platform, Outcome::Fixed) {
        fixes.entry(&judged.finding.package).or_default().push(judged);
    }
    let mut changes: Vec<(&PackageChange, &[&JudgedFinding])> = platform
        .packages
        .iter()
        .map(|change| {
            let fixes = fixes.get(change.package.name.as_ref()).map_or(&[][..], Vec::as_slice);
            (change, fixes)
        })
        .collect();
    // What fixes the worst finding first; findings are sorted already.
    let worst = |fixes: &[&JudgedFinding]| fixes.first().map(|judged| judged.finding.severity);
    changes.sort_by(|(a, a_fixes), (b, b_fixes)| {
        worst(b_fixes).cmp(&worst(a_fixes)).then_with(|| a.package.cmp(&b.package))
    });
    let mut table = Table::new(&["package", "from", "to", "fixes"], &[3]);
    for (change, fixes) in changes {
        let from = change.from.as_ref().map_or("(new)", |version| version.as_ref());
        let fixes = match style.detail {
            Detail::Normal => by_severity(fixes),
            Detail::Full => ids(fixes),
        };
        table.row([&change.package.to_string(), from, change.to.as_ref(), &fixes]);
    }
    section("Upgraded", table, style)
}

fn removed(platform: &PlatformReport, style: Style) -> String {
    let mut table = Table::new(&["package", "version", "why"], &[2]);
    for gone in &platform.removed {
        table.row([&gone.package.to_string(), gone.version.as_ref(), &gone.explanation]);
    }
    section("Taken away", table, style)
}

fn components(platform: &PlatformReport, style: Style) -> String {
    let mut table = Table::new(&["component", "from", "to", "where"], &[3]);
    for change in &platform.components {
        let from = change.from.as_ref().map_or("", |version| version.as_ref());
        let to = change.to.as_ref().map_or("", |version| version.as_ref());
        table.row([&change.component, from, to, &change.store]);
    }
    section("Changed", table, style)
}

fn kept_back(platform: &PlatformReport, style: Style) -> String {
    let mut table = Table::new(&["package", "newer version", "why not"], &[2]);
    for kept in &platform.kept_back {
        let package = kept.package.to_string();
        table.row([&package, kept.version.as_ref(), &kept.reason.to_string()]);
    }
    section("Left at their versions", table, style)
}

/// `2 critical, 1 high`.
fn by_severity(findings: &[&JudgedFinding]) -> String {
    let parts: Vec<String> = Severity::WORST_FIRST
        .into_iter()
        .filter_map(|severity| {
            let number = findings.iter().filter(|j| j.finding.severity == severity).count();
            (number > 0).then(|| format!("{number} {severity}"))
        })
        .collect();
    parts.join(", ")
}

fn ids(findings: &[&JudgedFinding]) -> String {
    findings.iter().map(|judged| judged.finding.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// What is not fixed and what is ignored. A row gathers the findings of one package with one
/// reason and is as bad as the worst of them.
fn findings(platform: &PlatformReport, style: Style) -> String {
    let mut out = left_table("Not fixed", platform, Outcome::Left, style);
    out.push_str(&left_table("Mitigated", platform, Outcome::Mitigated, style));
    let ignored = of_outcome(platform, Outcome::Ignored).count();
    if ignored > 0 && style.detail == Detail::Full {
        out.push_str(&left_table("Ignored", platform, Outcome::Ignored, style));
    }
    if style.detail == Detail::Full {
        out.push_str(&left_table("Not affected", platform, Outcome::NotAffected, style));
        out.push_str(&assessed(platform, style));
    }
    out
}

fn assessed(platform: &PlatformReport, style: Style) -> String {
    let mut table = Table::new(&["severity", "package", "installed", "finding", "why"], &[4]);
    for one in &platform.assessed {
        let finding = &one.finding;
        let severity = finding.severity.to_string();
        let why = assessed_by(one);
        table.row([&severity, &finding.package, &finding.installed, &finding.id, &why]);
    }
    section("Assessed as not affected", table, style)
}

fn left_table(
    title: &'static str,
    platform: &PlatformReport,
    outcome: Outcome,
    style: Style,
) -> String {
    // Findings are sorted, worst first: the first of a group decides the group's place.
    let mut rows: Vec<(Vec<&JudgedFinding>, String)> = Vec::new();
    let mut places = BTreeMap::new();
    for judged in of_outcome(platform, outcome) {
        let why = became(&judged.verdict);
        let finding = &judged.finding;
        let key = (
            finding.package.as_str(),
            finding.architecture.as_deref(),
            finding.installed.as_str(),
            finding.path.as_deref(),
            why.clone(),
        );
        let place = *places.entry(key).or_insert_with(|| {
            rows.push((Vec::new(), why));
            rows.len() - 1
        });
        if let Some((findings, _)) = rows.get_mut(place) {
            findings.push(judged);
        }
    }
    let mut table = Table::new(&["severity", "package", "installed", "findings", "why"], &[3, 4]);
    for (judged, why) in rows {
        let Some(first) = judged.first().map(|judged| &judged.finding) else { continue };
        let package = match &first.path {
            Some(path) => format!("{} in {path}", first.package),
            None => first.package.clone(),
        };
        table.row([&first.severity.to_string(), &package, &first.installed, &ids(&judged), &why]);
    }
    section(title, table, style)
}

fn of_outcome(platform: &PlatformReport, outcome: Outcome) -> impl Iterator<Item = &JudgedFinding> {
    platform.findings.iter().filter(move |judged| judged.verdict.outcome() == outcome)
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
    }

    #[test]
    fn without_findings_the_packages_are_the_verdict() {
        let mut all = samples::report();
        let mut platform = all.platforms.remove(0);
        platform.findings.clear();
        platform.assessed.clear();
        let report = RepairReport::new(all.image, all.output, vec![platform], Vec::new());
        let text = render(&report, Style::default());
        assert!(
            text.starts_with("3 packages upgraded in docker://registry.example/app:1.0_fix\n"),
            "{text}"
        );
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
