//! The counts of a report, defined once: every rendering, notification and output takes its
//! numbers from the [`Summary`] and its sentences from here.
//!
//! People count [problems](super::problems): a vulnerability of one source package is one,
//! whatever the number of its binary packages and of the platforms of an index. The counts of
//! single findings, added up over platforms, are there for programs that read them.

use std::collections::{BTreeMap, BTreeSet};

use super::before_after::{
    FileCounts, IdenticalFiles, NamedImage, PlatformReport, RepairReport, Stage,
};
use super::changelogs::NamedInChangelogs;
use super::diff::FilesDiff;
use super::problems::{Problem, problems};
use imgfix_model::finding::{Class, Severity};
use imgfix_model::verdict::Outcome;
use imgfix_terminal::bytes;

/// Findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct SeverityCounts {
    /// With severity critical.
    pub critical: usize,
    /// With severity high.
    pub high: usize,
    /// With severity medium.
    pub medium: usize,
    /// With severity low.
    pub low: usize,
    /// With severity negligible.
    pub negligible: usize,
    /// With severity unknown.
    pub unknown: usize,
}

impl std::fmt::Display for SeverityCounts {
    /// `2 critical, 1 high`; nothing for no findings.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = Severity::WORST_FIRST
            .into_iter()
            .filter(|severity| self.of(*severity) > 0)
            .map(|severity| format!("{} {severity}", self.of(severity)))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl SeverityCounts {
    /// Counts one finding more.
    pub fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Critical => self.critical += 1,
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
            Severity::Negligible => self.negligible += 1,
            Severity::Unknown => self.unknown += 1,
        }
    }

    /// How many have this severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> usize {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Negligible => self.negligible,
            Severity::Unknown => self.unknown,
        }
    }

    /// All severities together.
    #[must_use]
    pub fn total(&self) -> usize {
        Severity::WORST_FIRST.into_iter().map(|severity| self.of(severity)).sum()
    }
}

/// What people count: each vulnerability of a source package once, over all platforms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Vulnerabilities {
    /// `fixed`, `mitigated` and `not_fixed` together.
    pub total: usize,
    /// Source packages (for other classes: libraries, files) that have them.
    pub source_packages: usize,
    /// Findings that they were reported as: one for each binary package. Of the platforms of
    /// an index the one with the most counts.
    pub findings: usize,
    /// Packages, by name, that those findings are about.
    pub packages: usize,
    /// All findings of it are fixed.
    pub fixed: usize,
    /// Still there, and out of use.
    pub mitigated: usize,
    /// A finding of it is left.
    pub not_fixed: usize,
    /// Left alone because the user said so; in no other number.
    pub ignored: usize,
    /// Not there before the repair; in no other number.
    pub not_affected: usize,
    /// Assessed as no problem of the image by a report; in no other number.
    pub assessed: usize,
    /// `total` by severity.
    pub before: SeverityCounts,
    /// `mitigated` and `not_fixed` together, by severity.
    pub after: SeverityCounts,
    /// What they are called.
    #[serde(skip)]
    nouns: Nouns,
}

/// What is counted, which decides what it is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Nouns {
    /// Vulnerabilities in source packages.
    #[default]
    Packages,
    /// Libraries are among them.
    Components,
    /// Configuration or files are among them.
    Problems,
}

/// What was changed, each thing once over all platforms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// Source packages that packages were upgraded or installed of.
    pub source_packages: usize,
    /// Packages upgraded or newly installed.
    pub packages: usize,
    /// Those of them that were not there before.
    pub new: usize,
    /// Packages that were taken away.
    pub removed: usize,
    /// Components of stores that are no package manager.
    pub components: usize,
}

/// The counts of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// What every rendering for people shows.
    pub vulnerabilities: Vulnerabilities,
    /// What every rendering for people shows.
    pub changed: Changed,
    /// Single findings, added up over platforms: all but the ignored ones and those that were
    /// not there.
    pub findings: usize,
    /// Of `findings`.
    pub fixed: usize,
    /// Of `findings`: still there, and out of use.
    #[serde(skip_serializing_if = "is_zero")]
    pub mitigated: usize,
    /// Of `findings`.
    pub not_fixed: usize,
    /// Findings that were left alone because the user said so.
    pub ignored: usize,
    /// Findings that were not there before the repair: the installed version was not affected.
    pub not_affected: usize,
    /// Findings assessed as no problem of the image by a report or a statement in it.
    pub assessed: usize,
    /// All findings, the ignored ones included, those that were not there left out.
    pub before: SeverityCounts,
    /// The findings that are left, the mitigated and the ignored ones included: a scanner still
    /// finds them.
    pub after: SeverityCounts,
    /// Packages upgraded or installed, added up over platforms.
    pub packages: usize,
    /// Without a report: what changelogs name, which is in no other number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named_in_changelogs: Option<NamedInChangelogs>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Summary {
    /// Counts what the platforms' reports say.
    #[must_use]
    pub fn of(platforms: &[PlatformReport]) -> Self {
        let mut summary = Self {
            vulnerabilities: Vulnerabilities::of(platforms),
            changed: Changed::of(platforms),
            ..Self::default()
        };
        for judged in platforms.iter().flat_map(|platform| &platform.findings) {
            let severity = judged.finding.severity;
            if judged.verdict.outcome() != Outcome::NotAffected {
                summary.before.add(severity);
            }
            match judged.verdict.outcome() {
                Outcome::NotAffected => summary.not_affected += 1,
                Outcome::Fixed => summary.fixed += 1,
                Outcome::Mitigated => {
                    summary.mitigated += 1;
                    summary.after.add(severity);
                }
                Outcome::Left => {
                    summary.not_fixed += 1;
                    summary.after.add(severity);
                }
                Outcome::Ignored => {
                    summary.ignored += 1;
                    summary.after.add(severity);
                }
            }
        }
        summary.findings = summary.fixed + summary.mitigated + summary.not_fixed;
        summary.assessed = platforms.iter().map(|platform| platform.assessed.len()).sum();
        summary.packages = platforms.iter().map(|platform| platform.packages.len()).sum();
        summary.named_in_changelogs = NamedInChangelogs::of(platforms);
        summary
    }
}

/// Whether a problem with this outcome counts: it was there, and the user wants to know of it.
fn counts(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Fixed | Outcome::Mitigated | Outcome::Left)
}

impl Vulnerabilities {
    fn of(platforms: &[PlatformReport]) -> Self {
        let mut out = Self::default();
        let all = problems(platforms);
        for problem in &all {
            let severity = problem.severity;
            match problem.outcome {
                Outcome::NotAffected => out.not_affected += 1,
                Outcome::Ignored => out.ignored += 1,
                Outcome::Fixed => out.fixed += 1,
                Outcome::Mitigated => {
                    out.mitigated += 1;
                    out.after.add(severity);
                }
                Outcome::Left => {
                    out.not_fixed += 1;
                    out.after.add(severity);
                }
            }
            if counts(problem.outcome) {
                out.before.add(severity);
                out.nouns = out.nouns.max(match problem.class {
                    Class::System => Nouns::Packages,
                    Class::Library => Nouns::Components,
                    Class::Baseline | Class::Malicious => Nouns::Problems,
                });
            }
        }
        let counted: Vec<&Problem<'_>> =
            all.iter().filter(|problem| counts(problem.outcome)).collect();
        let sources: BTreeSet<(Class, &str)> =
            counted.iter().map(|problem| (problem.class, problem.source)).collect();
        let findings = platforms.iter().map(|platform| &platform.findings);
        let all_packages: BTreeSet<(Class, &str)> = findings
            .clone()
            .flatten()
            .filter(|one| counts(one.verdict.outcome()))
            .map(|one| (one.finding.class, one.finding.package.as_str()))
            .collect();
        out.total = out.fixed + out.mitigated + out.not_fixed;
        out.source_packages = sources.len();
        out.packages = all_packages.len();
        out.findings = most(findings.map(|all| {
            all.iter().filter(|one| counts(one.verdict.outcome())).map(|one| {
                let finding = &one.finding;
                (finding.class, &finding.id, &finding.package, finding.place())
            })
        }));
        out.assessed = super::problems::assessed(platforms).iter().map(|row| row.ids.len()).sum();
        out
    }

    /// `3 vulnerabilities`; `problems` when configuration or files are among them.
    #[must_use]
    pub fn noun(&self, number: usize) -> String {
        match (self.nouns, number) {
            (Nouns::Problems, _) => count(number, "problem"),
            (_, 1) => "1 vulnerability".to_owned(),
            (_, _) => format!("{} vulnerabilities", thousands(number)),
        }
    }

    /// `258 vulnerabilities in 15 source packages (894 findings of 34 packages)`; `None` when
    /// there is none.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        if self.total == 0 {
            return None;
        }
        let (unit, single) = match self.nouns {
            Nouns::Packages => ("source package", "package"),
            Nouns::Components | Nouns::Problems => ("component", "component"),
        };
        let mut text =
            format!("{} in {}", self.noun(self.total), count(self.source_packages, unit));
        if (self.findings, self.packages) != (self.total, self.source_packages) {
            let (findings, packages) =
                (count(self.findings, "finding"), count(self.packages, single));
            text.push_str(&format!(" ({findings} of {packages})"));
        }
        Some(text)
    }

    /// What is in no other number: `1 ignored, 2 not affected before the repair`; `None` when
    /// there is nothing.
    #[must_use]
    pub fn apart(&self) -> Option<String> {
        let parts: Vec<String> = [
            (self.ignored, "ignored"),
            (self.not_affected, "not affected before the repair"),
            (self.assessed, "assessed as not affected"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", thousands(number)))
        .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// How many things there are when platforms are not added up: of each key the platform with the
/// most counts.
fn most<K: Ord, A: IntoIterator<Item = K>>(platforms: impl Iterator<Item = A>) -> usize {
    let mut all: BTreeMap<K, usize> = BTreeMap::new();
    for platform in platforms {
        let mut own: BTreeMap<K, usize> = BTreeMap::new();
        for key in platform {
            *own.entry(key).or_default() += 1;
        }
        for (key, number) in own {
            let so_far = all.entry(key).or_default();
            *so_far = number.max(*so_far);
        }
    }
    all.into_values().sum()
}

impl Changed {
    fn of(platforms: &[PlatformReport]) -> Self {
        let sources: BTreeSet<&str> = platforms
            .iter()
            .flat_map(|one| {
                let name = |name| one.sources.of_package(name);
                one.packages.iter().map(move |change| name(change.package.name.as_ref()))
            })
            .collect();
        let names = |new: bool| {
            most(platforms.iter().map(move |one| {
                let wanted =
                    one.packages.iter().filter(move |change| !new || change.from.is_none());
                wanted.map(|change| &change.package.name)
            }))
        };
        Self {
            source_packages: sources.len(),
            packages: names(false),
            new: names(true),
            removed: most(
                platforms.iter().map(|one| one.removed.iter().map(|gone| &gone.package.name)),
            ),
            components: most(
                platforms.iter().map(|one| {
                    one.components.iter().map(|change| (&change.store, &change.component))
                }),
            ),
        }
    }

    /// Whether nothing was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// `34 packages of 15 source packages`, `2 components`; `None` when nothing was changed.
    #[must_use]
    pub fn things(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.packages > 0 {
            let mut text = count(self.packages, "package");
            if self.source_packages != self.packages {
                text.push_str(&format!(" of {}", count(self.source_packages, "source package")));
            }
            parts.push(text);
        }
        if self.components > 0 {
            parts.push(count(self.components, "component"));
        }
        if parts.is_empty() && self.removed > 0 {
            parts.push(count(self.removed, "package"));
        }
        (!parts.is_empty()).then(|| parts.join(" and "))
    }
}

impl FileCounts {
    /// With what a comparison of the two images found.
    #[must_use]
    pub fn compared(self, files: &FilesDiff) -> Self {
        let number = |list: usize| u64::try_from(list).unwrap_or(u64::MAX);
        let differing = number(files.changed.len());
        Self {
            added: number(files.added.len()),
            changed: self.changed.max(differing),
            removed: number(files.removed.len()),
            differing: Some(differing),
            ..self
        }
    }

    /// `5 added, 2,056 changed, 2 removed; 4,215 more are written anew as they were`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { added, changed, removed, differing, .. } = *self;
        let number = |value: u64| thousands(usize::try_from(value).unwrap_or(usize::MAX));
        let mut text = format!("{} added, ", number(added));
        match differing {
            Some(differing) => text.push_str(&format!("{} changed", number(differing))),
            None => text.push_str(&format!("{} written anew", number(changed))),
        }
        text.push_str(&format!(", {} removed", number(removed)));
        match changed.saturating_sub(differing.unwrap_or(changed)) {
            0 => {}
            1 => text.push_str("; 1 more is written anew as it was"),
            more => {
                text.push_str(&format!("; {} more are written anew as they were", number(more)));
            }
        }
        text
    }
}

impl IdenticalFiles {
    /// `4,059 files left out, identical but for their time: 80.1 MB`; `None` when there is none.
    fn sentence(self) -> Option<String> {
        let (whose, files) = match self.files {
            0 => return None,
            1 => ("its", "1 file".to_owned()),
            many => ("their", count(usize::try_from(many).unwrap_or(usize::MAX), "file")),
        };
        Some(format!("{files} left out, identical but for {whose} time: {}", bytes(self.bytes)))
    }
}

impl PlatformReport {
    /// What was done to the platform's image: `48.1 MB → 50.4 MB: one layer of 2.3 MB (8.1 MB
    /// unpacked). Files: 5 added, ...`
    #[must_use]
    pub fn sentence(&self) -> String {
        let (before, after) = (bytes(self.size.before), bytes(self.size.after));
        let left_out = self.files.left_out.and_then(IdenticalFiles::sentence);
        let left_out = left_out.map(|sentence| format!("; {sentence}")).unwrap_or_default();
        let files = format!("{}{left_out}", self.files.sentence());
        match &self.layer {
            None if !self.is_changed() => format!("image size {before}, as it was"),
            None => format!("image size {before} now; files: {files}"),
            Some(layer) => format!(
                "image size {before} → {after}: one layer of {} ({} unpacked); files: {files}",
                bytes(layer.size),
                bytes(layer.unpacked_size),
            ),
        }
    }
}

/// `1 file`, `2,056 files`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `12,345`.
#[must_use]
pub fn thousands(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl RepairReport {
    /// The verdict in one sentence without a full stop: the same in every rendering.
    #[must_use]
    pub fn verdict(&self) -> String {
        let counted = &self.summary.vulnerabilities;
        let things = self.summary.changed.things();
        let (fixed, all) = (counted.fixed, counted.total);
        let (is, are, upgraded) = match self.is_done() {
            true => ("is fixed", "are fixed", "upgraded"),
            false => ("would be fixed", "would be fixed", "would be upgraded"),
        };
        let did = match (all, &things) {
            (0, None) => "Nothing to repair".to_owned(),
            (0, Some(things)) => format!("{things} {upgraded}"),
            (1, None) if fixed == 0 => {
                let noun = counted.noun(1);
                format!("The only {} cannot be fixed", noun.trim_start_matches("1 "))
            }
            (all, None) if fixed == 0 => format!("None of {} can be fixed", counted.noun(all)),
            (1, _) if fixed == 1 => {
                format!("The only {} {is}", counted.noun(1).trim_start_matches("1 "))
            }
            (all, _) if fixed == all => format!("All {} {are}", counted.noun(all)),
            (all, _) => {
                let verb = if fixed == 1 { is } else { are };
                format!("{} of {} {verb}", thousands(fixed), counted.noun(all))
            }
        };
        match (self.stage, &self.output, &things) {
            (Stage::Planned, ..) | (Stage::Repaired, Some(_), Some(_)) => did,
            (Stage::Repaired, Some(_), None) => format!("{did}; the image was published as it was"),
            (Stage::Repaired, None, Some(_)) => {
                format!("{did}; nothing was published, because the gate is not passed")
            }
            (Stage::Repaired, None, None) => format!("{did}; nothing was published"),
        }
    }

    /// How many problems the image that users get now has no more, and how many it still has:
    /// the original has them all.
    #[must_use]
    pub fn standing(&self) -> (usize, usize) {
        let counted = &self.summary.vulnerabilities;
        match self.is_done() {
            true => (counted.fixed, counted.not_fixed),
            false => (0, counted.total),
        }
    }

    /// The image that users get now: the repaired one, or the original when nothing was published.
    #[must_use]
    pub fn standing_image(&self) -> &NamedImage {
        self.output.as_ref().unwrap_or(&self.image)
    }

    /// The title of what is left.
    #[must_use]
    pub fn title_of_left(&self) -> &'static str {
        if self.is_done() { "Not fixed" } else { "Would not be fixed" }
    }

    /// Whether verdicts are of an image that is there: of a plan, and of what a gate kept from
    /// being published, they say what would be.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let stopped = self.output.is_none() && !self.summary.changed.is_nothing();
        self.stage == Stage::Repaired && !stopped
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn counts_agree_with_the_verdicts() {
        let summary = samples::report().summary;
        assert_eq!((summary.findings, summary.fixed, summary.not_fixed), (8, 3, 5));
        assert_eq!((summary.ignored, summary.packages), (1, 3));
        assert_eq!((summary.before.total(), summary.after.total()), (9, 6));
        assert_eq!((summary.before.critical, summary.after.critical), (2, 1));
        assert_eq!((summary.before.low, summary.after.low), (2, 2));
    }

    #[test]
    fn platforms_of_an_index_are_not_added_up() {
        let report = samples::index();
        let (raw, counted) = (report.summary, report.summary.vulnerabilities);
        assert_eq!((counted.total, counted.fixed, counted.not_fixed), (3, 1, 2));
        assert_eq!((counted.source_packages, counted.findings, counted.packages), (2, 5, 4));
        assert_eq!(raw.findings, 10);
        assert_eq!((raw.packages, raw.changed.packages, raw.changed.source_packages), (4, 2, 1));
        assert_eq!(
            counted.sentence().unwrap(),
            "3 vulnerabilities in 2 source packages (5 findings of 4 packages)"
        );
        assert_eq!(report.verdict(), "1 of 3 vulnerabilities is fixed");
    }

    #[test]
    fn what_is_ignored_is_in_no_other_number() {
        let counted = samples::report().summary.vulnerabilities;
        assert_eq!((counted.total, counted.ignored), (8, 1));
        assert_eq!((counted.before.total(), counted.after.total()), (8, 5));
        assert_eq!(
            counted.apart().unwrap(),
            "1 ignored, 1 not affected before the repair, 1 assessed as not affected"
        );
    }

    #[test]
    fn files_are_told_in_one_way() {
        let files = FileCounts { added: 5, changed: 6271, removed: 2, ..FileCounts::default() };
        assert_eq!(files.sentence(), "5 added, 6,271 written anew, 2 removed");
        let compared = FileCounts { differing: Some(2056), ..files };
        assert_eq!(
            compared.sentence(),
            "5 added, 2,056 changed, 2 removed; 4,215 more are written anew as they were"
        );
    }

    #[test]
    fn what_is_left_out_is_told_where_the_size_of_the_layer_is() {
        let mut platform = samples::report().platforms.remove(0);
        let mut told = |left_out| {
            platform.files.left_out = left_out;
            platform.sentence()
        };
        let plain = told(None);
        assert_eq!(told(Some(IdenticalFiles::default())), plain);
        for (files, bytes, want) in [
            (1, 0, "; 1 file left out, identical but for its time: 0 B"),
            (4059, 80_123_456, "; 4,059 files left out, identical but for their time: 80.1 MB"),
        ] {
            let left_out = Some(IdenticalFiles { files, bytes });
            assert_eq!(told(left_out), format!("{plain}{want}"));
        }
    }

    #[test]
    fn numbers_read_well() {
        for (value, want) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(value), want);
        }
    }
}
