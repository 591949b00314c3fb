//! [`Changes`]: how the administrator changed what pam-auth-update had written: options added
//! to lines or taken away, profiles left out. Anything else is a local modification, which
//! is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bstr::{BStr, BString, ByteSlice as _};
use regex::bytes::Regex;

use super::{MarkersAt, TYPES, marker};
use crate::files::read_optional;
use imgfix_shell::{Process, Stop};

type Options = BTreeMap<BString, BTreeSet<BString>>;

/// What was added to and taken from the lines of one file, by control and module.
#[derive(Debug, Default, Clone)]
pub struct LineChanges {
    pub added: Options,
    pub removed: Options,
}

/// What the administrator changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// The profiles of the lines that are there, repeatedly.
    pub profiles: Vec<BString>,
    pub lines: BTreeMap<&'static str, LineChanges>,
}

/// The patterns are literals; should one not compile, nothing matches it, and its callers
/// find local modifications everywhere and change nothing.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static JUMP: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?-u)(\[[^0-9]*)[0-9]+(.*\])"));
static END: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(?-u)(\[.*)end(.*\])"));
static LINE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?-u)^((?:\[[^\]]+\]|[A-Za-z0-9_]+)\s+\S+)\s*(.*)"));

fn cut(pattern: &Option<Regex>, line: &[u8]) -> BString {
    match pattern {
        Some(pattern) => pattern.replace_all(line, &b"$1$2"[..]).into_owned().into(),
        None => line.into(),
    }
}

/// A line without the number of lines that a jump skips.
#[must_use]
pub fn without_jump(line: &[u8]) -> BString {
    cut(&JUMP, line)
}

/// Control and module of a line, and its options.
#[must_use]
pub fn split_line(line: &[u8]) -> Option<(&[u8], Vec<BString>)> {
    let found = LINE.as_ref()?.captures(line)?;
    let options = found.get(2)?.as_bytes();
    Some((found.get(1)?.as_bytes(), super::super::debconf::words(options)))
}

/// Compares the files in `/etc/pam.d` with what was saved when they were written. `None` when
/// they were modified in another way, or cannot be compared.
///
/// # Errors
/// pam-auth-update writes no line like a saved one.
pub fn compare(
    process: &mut Process<'_>,
    configuration: &str,
    saved: &str,
) -> Result<Option<Changes>, Stop> {
    let mut changes = Changes::default();
    for kind in TYPES {
        let saved = read_optional(process, format!("{saved}/{kind}").as_bytes())?;
        let current = read_optional(process, format!("{configuration}/common-{kind}").as_bytes())?;
        let (Some(saved), Some(current)) = (saved, current) else { return Ok(None) };
        let Some(lines) = compare_file(kind, &saved, &current, &mut changes.profiles)? else {
            return Ok(None);
        };
        changes.lines.insert(kind, lines);
    }
    Ok(Some(changes))
}

/// The saved lines, each with its profile.
fn saved_lines(saved: &[u8]) -> Vec<(BString, BString)> {
    let mut profile = BString::default();
    let mut lines = Vec::new();
    for line in saved.lines() {
        match line.strip_prefix(b"Module: ") {
            Some(name) => profile = name.into(),
            None => lines.push((profile.clone(), cut(&END, &without_jump(line)))),
        }
    }
    lines
}

fn compare_file(
    kind: &str,
    saved: &[u8],
    current: &[u8],
    profiles: &mut Vec<BString>,
) -> Result<Option<LineChanges>, Stop> {
    let mut saved = saved_lines(saved).into_iter();
    let mut changes = LineChanges::default();
    let mut at = MarkersAt::Start;
    let word = kind.trim_end_matches("-noninteractive");
    for line in current.lines() {
        if marker(at).is_some_and(|marker| line.starts_with(marker)) {
            at = at.next();
            if at == MarkersAt::End {
                break;
            }
            continue;
        }
        if !matches!(at, MarkersAt::Primary | MarkersAt::Additional) {
            continue;
        }
        let mut line = BString::from(without_word(line, word.as_bytes()));
        let mut options = None;
        for (profile, saved) in saved.by_ref() {
            let Some((module, before)) = split_line(&saved) else {
                return Err(Stop::new(format!("pam-auth-update saved the line '{saved}'")));
            };
            line = without_jump(&line);
            if let Some(rest) = line.strip_prefix(module) {
                options = Some((BString::from(module), before, super::super::debconf::words(rest)));
                profiles.push(profile);
                break;
            }
        }
        let Some((module, before, now)) = options else { return Ok(None) };
        changes.note(module.as_bstr(), before, now);
    }
    Ok(matches!(at, MarkersAt::Additional | MarkersAt::End).then_some(changes))
}

fn without_word<'a>(line: &'a [u8], word: &[u8]) -> &'a [u8] {
    match line.strip_prefix(word) {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_whitespace) => {
            rest.trim_start_with(|c| c.is_ascii_whitespace())
        }
        _ => line,
    }
}

impl LineChanges {
    fn note(&mut self, module: &BStr, mut before: Vec<BString>, now: Vec<BString>) {
        for option in now {
            let mut found = false;
            let mut at = 0;
            // (After an option that is taken out, the next one is not looked at.)
            while let Some(candidate) = before.get(at) {
                if *candidate == option {
                    found = true;
                    before.remove(at);
                }
                at += 1;
            }
            if !found {
                self.added.entry(module.into()).or_default().insert(option);
            }
        }
        if !before.is_empty() {
            self.removed.entry(module.into()).or_default().extend(before);
        }
    }
}
