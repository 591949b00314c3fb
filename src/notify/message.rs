//! What is told: one message from what happened, as data, as lines for people, and in a user's
//! template. The forms of receivers are in [`super::chat`] and [`super::events`].

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::When;
use imgfix_host::unfinished::Published;
use imgfix_model::finding::Severity;
use imgfix_report::RepairReport;
use imgfix_report::gate::Gate;
use imgfix_report::image_name;
use imgfix_report::summary::SeverityCounts;
use imgfix_secrets::Secrets;
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
    /// The repair failed.
    Failed {
        /// As the user named it.
        image: &'a str,
        /// A sentence.
        why: &'a str,
        /// What was published before.
        published: &'a Published,
    },
}

/// What is told of it. Every text is clean for terminals and logs, and images are named as people
/// paste them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) image: String,
    /// The repaired image; the original when nothing was published. Empty when the repair failed,
    /// unless it is known that this was published before.
    pub(super) repaired: String,
    pub(super) digest: String,
    /// `None`: nobody knows.
    published: Option<bool>,
    /// `None` when the repair failed: nobody has counted.
    pub(super) counts: Option<Counts>,
    /// `libc6 2.36-9 → 2.36-10`, each once.
    pub(super) packages: Vec<String>,
    /// One sentence.
    pub(super) verdict: String,
    /// What was counted, in one sentence; empty when there was nothing.
    pub(super) counted: String,
    pub(super) gate: Option<ToldGate>,
    /// Why the repair failed, and what was published before.
    failure: Option<ToldFailure>,
    /// The page of the run; empty when nobody knows it.
    pub(super) link: String,
}

/// How many there were, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    vulnerabilities: usize,
    source_packages: usize,
    /// Of the repaired image.
    fixed: usize,
    /// Of the repaired image.
    remaining: usize,
    /// By severity, before the repair.
    before: SeverityCounts,
    /// By severity, in the repaired image.
    after: SeverityCounts,
}

/// Why a repair failed, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ToldFailure {
    why: String,
    /// What was published: a name, or a word.
    published: String,
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
    /// The message about an event, without what looks like a secret.
    #[must_use]
    pub fn of(event: Event<'_>) -> Self {
        let mut message = Self::whole(event);
        let mask = |text: &mut String| *text = Secrets::shipped().mask(text).into_owned();
        mask(&mut message.verdict);
        mask(&mut message.counted);
        message.packages.iter_mut().for_each(mask);
        message.gate.iter_mut().flat_map(|gate| &mut gate.lines).for_each(mask);
        message.failure.iter_mut().map(|failure| &mut failure.why).for_each(mask);
        message
    }

    fn whole(event: Event<'_>) -> Self {
        match event {
            Event::Repaired(report) => {
                let counted = &report.summary.vulnerabilities;
                let output = report.standing_image();
                let (fixed, remaining) = report.standing();
                Self {
                    image: as_pasted(&report.image.reference),
                    repaired: as_pasted(&output.reference),
                    digest: output.digest.to_string(),
                    published: Some(report.output.is_some()),
                    counts: Some(Counts {
                        vulnerabilities: counted.total,
                        source_packages: counted.source_packages,
                        fixed,
                        remaining,
                        before: counted.before,
                        after: if report.is_done() { counted.after } else { counted.before },
                    }),
                    packages: packages(report),
                    verdict: report.verdict(),
                    counted: counted.sentence().unwrap_or_default(),
                    gate: report.gate.as_ref().map(ToldGate::from),
                    failure: None,
                    link: String::new(),
                }
            }
            Event::Failed { image, why, published } => {
                let why = clean(why);
                let (known, repaired, told) = match published {
                    Published::Nothing => (Some(false), String::new(), "nothing".to_owned()),
                    Published::Perhaps(tag) => {
                        (None, String::new(), format!("perhaps {}", as_pasted(tag)))
                    }
                    Published::Tag(tag) => (Some(true), as_pasted(tag), as_pasted(tag)),
                };
                Self {
                    image: as_pasted(image),
                    repaired,
                    digest: String::new(),
                    published: known,
                    counts: None,
                    packages: Vec::new(),
                    // What failed after publishing says so itself.
                    verdict: match known {
                        Some(true) => why.clone(),
                        _ => format!("the repair failed: {why}"),
                    },
                    counted: String::new(),
                    gate: None,
                    failure: Some(ToldFailure { why, published: told }),
                    link: String::new(),
                }
            }
        }
    }

    /// Whether the repair failed.
    pub(super) fn is_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether the gate is not passed.
    fn is_held(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.held_by > 0)
    }

    fn remaining(&self) -> usize {
        self.counts.as_ref().map_or(0, |counts| counts.remaining)
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
            When::Remaining => self.is_failed() || self.remaining() > 0,
            When::Failed => self.is_failed(),
        }
    }

    /// How well it went.
    pub(super) fn mood(&self) -> Mood {
        match (self.is_failed() || self.is_held(), self.remaining()) {
            (true, _) => Mood::Bad,
            (false, 0) => Mood::Good,
            (false, _) => Mood::Left,
        }
    }

    /// The first line. A run that failed, one whose gate is not passed, and one that is good begin
    /// with other words; why it failed is a fact of its own, which may be long.
    pub(super) fn title(&self) -> String {
        match (self.is_failed(), self.published) {
            (true, Some(true)) => "imgfix: published, but a later step failed".to_owned(),
            (true, _) => "imgfix: the repair failed".to_owned(),
            (false, _) if self.is_held() => format!("imgfix: gate not passed: {}", self.verdict),
            (false, _) => format!("imgfix: {}", self.verdict),
        }
    }

    /// What there is to say, a fact a line, under its title; the page of the run is not among it.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("image", self.image.clone())];
        if let Some(failure) = &self.failure {
            facts.push(("reason", failure.why.clone()));
            facts.push(("published", failure.published.clone()));
        }
        let Some(counts) = &self.counts else { return facts };
        facts.push(("repaired", format!("{} ({})", self.repaired, self.digest)));
        if !self.counted.is_empty() {
            facts.push(("counted", self.counted.clone()));
        }
        facts.push(("fixed", counts.fixed.to_string()));
        let severities = counts.after.to_string();
        facts.push(match (counts.remaining, severities.is_empty()) {
            (0, _) | (_, true) => ("remaining", counts.remaining.to_string()),
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

    /// The message as data. What nobody knows is `null`.
    #[must_use]
    pub fn json(&self) -> Value {
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let counts = self.counts.as_ref();
        json!({
            "schema": "imgfix/notification/v1",
            "event": if self.is_failed() { "failed" } else { "repaired" },
            "image": self.image,
            "repaired": text(&self.repaired),
            "digest": text(&self.digest),
            "published": self.published,
            "vulnerabilities": counts.map(|it| it.vulnerabilities),
            "source_packages": counts.map(|it| it.source_packages),
            "fixed": counts.map(|it| it.fixed),
            "remaining": counts.map(|it| it.remaining),
            "severities": counts.map(|it| json!({"before": it.before, "after": it.after})),
            "packages": self.packages,
            "verdict": self.verdict,
            "counted": self.counted,
            "gate": self.gate.as_ref().map(|gate| json!({
                "threshold": gate.threshold,
                "passed": gate.held_by == 0,
                "held_by": gate.held_by,
                "lines": gate.lines,
            })),
            "link": text(&self.link),
        })
    }

    /// A template with its placeholders filled. In a template that is JSON ([`is_json`]) values
    /// are escaped for a JSON string. A number that nobody knows is `unknown`, in JSON `null`.
    #[must_use]
    pub fn fill(&self, template: &str) -> String {
        self.filled(template, is_json(template))
    }

    /// A template with its placeholders filled, whatever it looks like.
    pub(super) fn fill_text(&self, template: &str) -> String {
        self.filled(template, false)
    }

    fn filled(&self, template: &str, is_json: bool) -> String {
        let value = |text: &str| {
            if !is_json {
                return text.to_owned();
            }
            let quoted = Value::from(text).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        };
        let counts = self.counts.as_ref();
        let number = |of: fn(&Counts) -> usize| match counts {
            Some(counts) => of(counts).to_string(),
            None if is_json => "null".to_owned(),
            None => "unknown".to_owned(),
        };
        let of = |name: &str| match name {
            "image" => value(&self.image),
            "repaired" => value(&self.repaired),
            "digest" => value(&self.digest),
            "fixed" => number(|counts| counts.fixed),
            "remaining" => number(|counts| counts.remaining),
            "verdict" => value(&self.verdict),
            "vulnerabilities" => number(|counts| counts.vulnerabilities),
            "counted" => value(&self.counted),
            "gate" => self.gate.as_ref().map_or("none", |gate| gate.word).to_owned(),
            "severities" => {
                value(&counts.map(|counts| counts.after.to_string()).unwrap_or_default())
            }
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

/// Whether a template is JSON: it begins with `{` that opens no placeholder, or with `[`.
pub(super) fn is_json(template: &str) -> bool {
    let text = template.trim_start();
    let is_word = placeholder(text).is_some_and(|(name, _)| PLACEHOLDERS.contains(&name));
    text.starts_with(['{', '[']) && !is_word
}

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
    clean(image_name::pasted(reference))
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
