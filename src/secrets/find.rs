//! Hits in a text: keywords first, then each rule's pattern around its own.

use std::ops::Range;

use super::rule::{Kind, MAX_BLOCK, Rule};
use super::{Secrets, value};

/// A place that looks like a secret.
#[derive(Debug, Clone)]
pub struct Hit<'a> {
    /// The rule that found it.
    pub rule: &'a Rule,
    /// The value's bytes.
    pub range: Range<usize>,
    /// The line that the value begins in, from 1.
    pub line: usize,
}

impl Secrets {
    /// What looks like a secret in `text`, in its order. Where a rule knows a value by its form,
    /// what says the same by the value's name alone is left out.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<Hit<'_>> {
        let all = self.places(text);
        let mut out: Vec<Hit<'_>> = Vec::new();
        let (mut line, mut counted) = (1, 0);
        for (rule, range) in &all {
            let meets = |other: &Range<usize>| other.start < range.end && range.start < other.end;
            let known = |(other, at): &&(&Rule, Range<usize>)| !other.generic && meets(at);
            if rule.generic && near(&all, range).iter().find(known).is_some()
                || out.last().is_some_and(|last| rule.generic && meets(&last.range))
            {
                continue;
            }
            let passed = text.get(counted..range.start).unwrap_or_default();
            line += passed.iter().filter(|&&byte| byte == b'\n').count();
            counted = range.start.max(counted);
            out.push(Hit { rule, range: range.clone(), line });
        }
        out
    }

    /// Every value that a rule finds, sorted by where it begins; those known by their form first.
    pub(crate) fn places(&self, text: &[u8]) -> Vec<(&Rule, Range<usize>)> {
        let Some(keywords) = &self.keywords else { return Vec::new() };
        // Of each rule, the stretch around its last keywords that its pattern has not seen yet.
        let mut waiting: Vec<Option<Range<usize>>> = vec![None; self.rules.len()];
        let mut out = Vec::new();
        for keyword in keywords.find_overlapping_iter(text) {
            let rules = self.rules_of.get(keyword.pattern().as_usize());
            for &index in rules.into_iter().flatten() {
                let (Some(rule), Some(stretch)) = (self.rules.get(index), waiting.get_mut(index))
                else {
                    continue;
                };
                let from = keyword.start().saturating_sub(rule.longest);
                let to = text.len().min(keyword.end() + rule.longest);
                match stretch {
                    Some(stretch) if from <= stretch.end => stretch.end = to,
                    Some(seen) => {
                        self.search(rule, text, seen.clone(), &mut out);
                        *stretch = Some(from..to);
                    }
                    None => *stretch = Some(from..to),
                }
            }
        }
        for (rule, stretch) in self.rules.iter().zip(waiting) {
            if let Some(stretch) = stretch {
                self.search(rule, text, stretch, &mut out);
            }
        }
        out.sort_by_key(|(rule, range)| (range.start, rule.generic, std::cmp::Reverse(range.end)));
        out
    }

    /// Tries one rule over a stretch of the text.
    fn search<'a>(
        &'a self,
        rule: &'a Rule,
        text: &[u8],
        stretch: Range<usize>,
        out: &mut Vec<(&'a Rule, Range<usize>)>,
    ) {
        let Some(pattern) = rule.pattern.ready() else { return };
        let seen = text.get(..stretch.end).unwrap_or(text);
        let mut from = stretch.start;
        while from < seen.len() {
            let Some(groups) = pattern.regex.captures_at(seen, from) else { return };
            let Some(whole) = groups.get(0) else { return };
            let group = |number: Option<usize>| number.and_then(|number| groups.get(number));
            // A match that is none may hide one that begins inside it.
            let again = group(pattern.name).map_or(whole.end(), |name| name.end());
            from = again.max(whole.start() + 1);
            if let Some(name) = group(pattern.name) {
                let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
                if !self.names.tells_of_a_secret(name) {
                    continue;
                }
            }
            let range = match &rule.kind {
                Kind::Within => group(pattern.secret).unwrap_or(whole).range(),
                Kind::Block(end) => block(text, whole.end(), end),
                Kind::Assigned => {
                    let name = group(pattern.name).unwrap_or(whole).range();
                    match value::value(text, whole.range(), &name) {
                        Some(range) => range,
                        None => continue,
                    }
                }
            };
            if self.is_secret(rule, text.get(range.clone()).unwrap_or_default()) {
                from = from.max(range.end);
                out.push((rule, range));
            }
        }
    }

    fn is_secret(&self, rule: &Rule, value: &[u8]) -> bool {
        let is_none = value.is_empty()
            || (rule.values && self.names.is_no_value(value))
            || rule.allow.iter().any(|form| form.is_match(value));
        !is_none && rule.entropy.is_none_or(|least| entropy(value) >= least)
    }
}

/// Those of `all`, which is sorted by where they begin, that may meet `range`.
fn near<'a, 'b>(
    all: &'b [(&'a Rule, Range<usize>)],
    range: &Range<usize>,
) -> &'b [(&'a Rule, Range<usize>)] {
    let reach = range.start.saturating_sub(MAX_BLOCK);
    let first = all.partition_point(|(_, other)| other.start < reach);
    let last = all.partition_point(|(_, other)| other.start < range.end);
    all.get(first..last).unwrap_or_default()
}

/// From `from` to where `end` stands; without it, as far as a key's lines go.
fn block(text: &[u8], from: usize, end: &str) -> Range<usize> {
    let rest = text.get(from..text.len().min(from + MAX_BLOCK)).unwrap_or_default();
    let is_of_key = |byte: &u8| {
        byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b"+/=:,-\\._()".contains(byte)
    };
    let lines = rest.iter().position(|byte| !is_of_key(byte)).unwrap_or(rest.len());
    let lines = rest.get(..lines).unwrap_or_default();
    let ends = lines.windows(end.len()).position(|window| window == end.as_bytes());
    let mut first = lines.get(..ends.unwrap_or(lines.len())).unwrap_or_default();
    let whole = first.len();
    // Line breaks around the key, also those of a string of JSON.
    while let Some(rest) = [&b"\n"[..], b"\r", b" ", b"\\n", b"\\r"]
        .into_iter()
        .find_map(|break_| first.strip_prefix(break_))
    {
        first = rest;
    }
    let start = from + whole - first.len();
    while let Some(rest) = [&b"\n"[..], b"\r", b" ", b"\\n", b"\\r", b"\\"]
        .into_iter()
        .find_map(|break_| first.strip_suffix(break_))
    {
        first = rest;
    }
    start..start + first.len()
}

/// How many bits a character of `value` carries, going by how often each occurs (Shannon).
fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let all = value.len() as f64;
    let share = |count: &u32| f64::from(*count) / all;
    let parts = counts.iter().filter(|count| **count > 0).map(share);
    parts.map(|share| -share * share.log2()).sum()
}
