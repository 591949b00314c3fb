//! What is told: one message from what happened, as data, as lines for people, and in a user's
//! template. The forms of receivers are in [`super::chat`] and [`super::events`].

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::When;
use imgfix_model::finding::Severity;
use imgfix_report::RepairReport;
use imgfix_report::gate::Gate;
use imgfix_report::summary::SeverityCounts;
use imgfix_terminal::clean;

/// How many packages a message for people names.
const LISTED: usize = 10;

/// How many packages the message as data names.
const MAX_PACKAGES: usize = 1000;

/// The longest address of a run's page.
const MAX_LINK: usize = 1000;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A repair came to its end; whether it was published stands in the report.
    Repaired(&'a RepairReport),
    /// The repair failed, and nothing was published unless `why` says so.
    Failed {
        /// As the user named it.
        image: &'a str,
        /// A sentence.
        why: &'a str,
    },
}

/// What is told of it. Every text is clean for terminals and logs, and images are named as people
/// paste them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) image: String,
    /// The repaired image; the original when nothing was published, empty when the repair failed.
    pub(super) repaired: String,
    pub(super) digest: String,
    pub(super) published: bool,
    pub(super) vulnerabilities: usize,
    pub(super) source_packages: usize,
    /// Of `repaired`.
    pub(super) fixed: usize,
    /// Of `repaired`.
    pub(super) remaining: usize,
    /// By severity, before the repair.
    pub(super) before: SeverityCounts,
    /// By severity, in `repaired`.
    pub(super) after: SeverityCounts,
    /// `libc6 2.36-9 → 2.36-10`, each once.
    pub(super) packages: Vec<String>,
    /// One sentence.
    pub(super) verdict: String,
    /// What was counted, in one sentence; empty when there was nothing.
    pub(super) counted: String,
    pub(super) gate: Option<ToldGate>,
    pub(super) failed: bool,
    /// The page of the run; empty when nobody knows it.
    pub(super) link: String,
}

/// What a gate says, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToldGate {
    /// `passed` or `failed`.
    pub(super) word: &'static str,
    threshold: Severity,
    /// The first line, then one for each of what holds it, up to a bound.
    pub(super) lines: Vec<String>,
    held_by: usize,
}

impl From<&Gate> for ToldGate {
    fn from(gate: &Gate) -> Self {
        let (threshold, held_by) = (gate.threshold, gate.held_by.len());
        Self { word: gate.word(), threshold, lines: gate.lines(), held_by }
    }
}

/// How well it went, for colours and severities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Nothing remains.
    Good,
    /// Findings remain.
    Left,
    /// The gate is not passed, or the repair failed.
    Bad,
}

impl Message {
    /// The message about an event.
    #[must_use]
    pub fn of(event: Event<'_>) -> Self {
        match event {
            Event::Repaired(report) => {
                let counted = &report.summary.vulnerabilities;
                let output = report.output.as_ref().unwrap_or(&report.image);
                let (fixed, remaining) = report.standing();
                Self {
                    image: as_pasted(&report.image.reference),
                    repaired: as_pasted(&output.reference),
                    digest: output.digest.to_string(),
                    published: report.output.is_some(),
                    vulnerabilities: counted.total,
                    source_packages: counted.source_packages,
                    fixed,
                    remaining,
                    before: counted.before,
                    after: if report.is_done() { counted.after } else { counted.before },
                    packages: packages(report),
                    verdict: report.verdict(),
                    counted: counted.sentence().unwrap_or_default(),
                    gate: report.gate.as_ref().map(ToldGate::from),
                    failed: false,
                    link: String::new(),
                }
            }
            Event::Failed { image, why } => Self {
                image: as_pasted(image),
                repaired: String::new(),
                digest: String::new(),
                published: false,
                vulnerabilities: 0,
                source_packages: 0,
                fixed: 0,
                remaining: 0,
                before: SeverityCounts::default(),
                after: SeverityCounts::default(),
                packages: Vec::new(),
                verdict: format!("the repair failed: {}", clean(why)),
                counted: String::new(),
                gate: None,
                failed: true,
                link: String::new(),
            },
        }
    }

    /// The message with the page of the run, when it is an address that a browser takes.
    #[must_use]
    pub fn linked(mut self, page: Option<&str>) -> Self {
        let is_page = |text: &&str| {
            let http = text.starts_with("https://") || text.starts_with("http://");
            let plain = |c: char| c.is_ascii_graphic() && !"\"<>\\|`()[]{}".contains(c);
            http && text.len() <= MAX_LINK && text.chars().all(plain)
        };
        self.link = page.filter(is_page).unwrap_or_default().to_owned();
        self
    }

    /// Whether a target wants to know.
    #[must_use]
    pub fn concerns(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Remaining => self.failed || self.remaining > 0,
            When::Failed => self.failed,
        }
    }

    /// How well it went.
    pub(super) fn mood(&self) -> Mood {
        let held = self.gate.as_ref().is_some_and(|gate| gate.held_by > 0);
        match (self.failed || held, self.remaining) {
            (true, _) => Mood::Bad,
            (false, 0) => Mood::Good,
            (false, _) => Mood::Left,
        }
    }

    /// The first line.
    pub(super) fn title(&self) -> String {
        format!("imgfix: {}", self.verdict)
    }

    /// What there is to say, a fact a line, under its title; the page of the run is not among it.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("image", self.image.clone())];
        if self.failed {
            return facts;
        }
        facts.push(("repaired", format!("{} ({})", self.repaired, self.digest)));
        if !self.counted.is_empty() {
            facts.push(("counted", self.counted.clone()));
        }
        facts.push(("fixed", self.fixed.to_string()));
        let severities = self.after.to_string();
        facts.push(match (self.remaining, severities.is_empty()) {
            (0, _) | (_, true) => ("remaining", self.remaining.to_string()),
            (remaining, false) => ("remaining", format!("{remaining} ({severities})")),
        });
        if !self.packages.is_empty() {
            facts.push(("packages", self.listed()));
        }
        facts
    }

    /// The first packages, and how many more there are.
    fn listed(&self) -> String {
        let first: Vec<&str> = self.packages.iter().take(LISTED).map(String::as_str).collect();
        let more = self.packages.len().saturating_sub(LISTED);
        match more {
            0 => first.join(", "),
            more => format!("{}, and {more} more", first.join(", ")),
        }
    }

    /// What the gate says.
    pub(super) fn gate_lines(&self) -> impl Iterator<Item = &str> {
        self.gate.iter().flat_map(|gate| gate.lines.iter().map(String::as_str))
    }

    /// Facts, gate and page of the run as lines of plain text.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        lines.extend(self.gate_lines().map(str::to_owned));
        if !self.link.is_empty() {
            lines.push(format!("run: {}", self.link));
        }
        lines
    }

    /// The message as data.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": "imgfix/notification/v1",
            "event": if self.failed { "failed" } else { "repaired" },
            "image": self.image,
            "repaired": self.repaired,
            "digest": self.digest,
            "published": self.published,
            "vulnerabilities": self.vulnerabilities,
            "source_packages": self.source_packages,
            "fixed": self.fixed,
            "remaining": self.remaining,
            "severities": {"before": self.before, "after": self.after},
            "packages": self.packages,
            "verdict": self.verdict,
            "counted": self.counted,
            "gate": self.gate.as_ref().map(|gate| json!({
                "threshold": gate.threshold,
                "passed": gate.held_by == 0,
                "held_by": gate.held_by,
                "lines": gate.lines,
            })),
            "link": if self.link.is_empty() { Value::Null } else { self.link.clone().into() },
        })
    }

    /// A template with its placeholders filled. In a template that is JSON (it begins with `{`
    /// or `[`) values are escaped for a JSON string.
    #[must_use]
    pub fn fill(&self, template: &str) -> String {
        let is_json = template.trim_start().starts_with(['{', '[']);
        let value = |text: &str| {
            if !is_json {
                return text.to_owned();
            }
            let quoted = Value::from(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let of = |name: &str| match name {
            "image" => value(&self.image),
            "repaired" => value(&self.repaired),
            "digest" => value(&self.digest),
            "fixed" => self.fixed.to_string(),
            "remaining" => self.remaining.to_string(),
            "verdict" => value(&self.verdict),
            "vulnerabilities" => self.vulnerabilities.to_string(),
            "counted" => value(&self.counted),
            "gate" => self.gate.as_ref().map_or("none", |gate| gate.word).to_owned(),
            "severities" => value(&self.after.to_string()),
            "packages" => value(&self.listed()),
            "link" => value(&self.link),
            _ => String::new(),
        };
        // One pass, so that a value that looks like a placeholder stays what it is.
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            rest = match placeholder(from) {
                Some((name, tail)) if PLACEHOLDERS.contains(&name) => {
                    out.push_str(&of(name));
                    tail
                }
                _ => {
                    out.push('{');
                    from.get(1..).unwrap_or_default()
                }
            };
        }
        out.push_str(rest);
        out
    }
}

/// What stands in braces in a template.
const PLACEHOLDERS: [&str; 12] = [
    "image",
    "repaired",
    "digest",
    "fixed",
    "remaining",
    "verdict",
    "vulnerabilities",
    "counted",
    "gate",
    "severities",
    "packages",
    "link",
];

/// The word in braces at the beginning of a text, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, tail) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(is_word)).then_some((name, tail))
}

/// The first word in braces of a template that stands for nothing.
pub(super) fn unknown_placeholder(template: &str) -> Option<&str> {
    let starts = template.match_indices('{').map(|(at, _)| at);
    let names = starts.filter_map(|at| Some(placeholder(template.get(at..)?)?.0));
    names.into_iter().find(|name| !PLACEHOLDERS.contains(name))
}

/// The name of an image as people paste it.
fn as_pasted(reference: &str) -> String {
    clean(reference.strip_prefix("docker://").unwrap_or(reference))
}

/// What was upgraded and installed on any platform, each once, in the order of installation.
fn packages(report: &RepairReport) -> Vec<String> {
    let all = report.platforms.iter().flat_map(|platform| &platform.packages);
    let told = all.map(|change| {
        let name = clean(change.package.name.as_ref());
        let to = clean(change.to.as_ref());
        match &change.from {
            Some(from) => format!("{name} {} → {to}", clean(from.as_ref())),
            None => format!("{name} {to} (new)"),
        }
    });
    let mut known = BTreeSet::new();
    told.filter(|text| known.insert(text.clone())).take(MAX_PACKAGES).collect()
}

/// The beginning of a text, with what tells that something is missing.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => text.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
    }
}
