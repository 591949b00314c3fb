//! Text without secrets: values are replaced by [`MASKED`]. Of a token whose kind is told by how
//! it begins, the rule may leave these first characters, which no secret is in.

use std::borrow::Cow;
use std::ops::Range;

use super::Secrets;

/// What stands for a value.
pub const MASKED: &str = "[masked]";

/// Whether a masked text keeps its line breaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Gone,
    Kept,
}

impl Secrets {
    /// `text` without what looks like a secret in it.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(text, &self.stretches(text), Breaks::Gone)
    }

    /// The same with as many lines as before: of a value of several lines each is masked.
    #[must_use]
    pub fn mask_lines<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(text, &self.stretches(text), Breaks::Kept)
    }

    /// A document of ours (JSON, HTML, XML, Markdown, lines) without what looks like a secret in
    /// it: nothing that a string or an element ends with is masked, so it keeps its form. What is
    /// known of its parts was masked before; this is for what was not thought of.
    #[must_use]
    pub fn mask_document<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut stretches = self.stretches(text);
        let is_json = text.trim_start().starts_with(['{', '[']);
        if is_json {
            keep_in_strings(text, &mut stretches);
        }
        for (range, _) in &mut stretches {
            let value = text.get(range.clone()).unwrap_or_default();
            let value = if is_json { value } else { within_element(value) };
            range.end = range.start + without_half_an_escape(value).len();
        }
        stretches.retain(|(range, _)| !range.is_empty());
        replace(text, &stretches, Breaks::Kept)
    }

    /// `NAME=value`, as variables of an image's config are: the whole value is masked when the
    /// name says that it is a secret, else what looks like one in it.
    #[must_use]
    pub fn mask_variable<'t>(&self, variable: &'t str) -> Cow<'t, str> {
        match variable.split_once('=') {
            Some((name, value)) if self.names_a_secret(name) && self.is_value(value) => {
                Cow::Owned(format!("{name}={MASKED}"))
            }
            _ => self.mask(variable),
        }
    }

    /// Whether a value behind a secret's name is one: not nothing, nor a reference.
    pub(crate) fn is_value(&self, value: &str) -> bool {
        !self.names.is_no_value(value.as_bytes())
    }

    /// What is to be masked in `text`, in its order and without overlaps: bytes, and how many of
    /// the first may be shown.
    pub(crate) fn stretches(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let mut out: Vec<(Range<usize>, usize)> = Vec::new();
        for (rule, range) in self.places(text.as_bytes()) {
            let range = whole_characters(text, range);
            match out.last_mut() {
                Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
                _ => out.push((range, rule.show)),
            }
        }
        out
    }
}

/// Leaves of each stretch what is in the string of JSON that it begins in, and nothing of one
/// that begins elsewhere.
fn keep_in_strings(json: &str, stretches: &mut [(Range<usize>, usize)]) {
    let bytes = json.as_bytes();
    // None begins in the middle of `\n`.
    for (range, _) in stretches.iter_mut() {
        let before = bytes.get(..range.start).unwrap_or_default();
        let escapes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
        range.start = (range.start + escapes % 2).min(range.end);
    }
    let (mut at, mut string) = (0, None);
    let mut stretches = stretches.iter_mut().map(|(range, _)| range).peekable();
    while let (Some(byte), true) = (bytes.get(at), stretches.peek().is_some()) {
        match (byte, string) {
            (b'\\', Some(_)) => at += 1,
            (b'"', None) => string = Some(at + 1),
            (b'"', Some(start)) => {
                while let Some(range) = stretches.next_if(|range| range.start <= at) {
                    let end = if range.start < start { range.start } else { range.end.min(at) };
                    range.end = end.max(range.start);
                }
                string = None;
            }
            _ => {}
        }
        at += 1;
    }
    stretches.for_each(|range| range.end = range.start);
}

/// The first part of a value, which is in one attribute and one element for sure.
fn within_element(value: &str) -> &str {
    value.split(['"', '<', '>']).next().unwrap_or_default()
}

/// A value without a backslash at its end that belongs to what follows.
fn without_half_an_escape(value: &str) -> &str {
    let escapes = value.len() - value.trim_end_matches('\\').len();
    value.get(..value.len() - escapes % 2).unwrap_or_default()
}

/// Widened to the characters that it has parts of.
fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let (mut start, mut end) = (range.start, range.end.min(text.len()));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

fn replace<'t>(text: &'t str, stretches: &[(Range<usize>, usize)], breaks: Breaks) -> Cow<'t, str> {
    if stretches.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, show) in stretches {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(&masked(text.get(range.clone()).unwrap_or_default(), *show, breaks));
        done = range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// What is shown of a value.
fn masked(value: &str, show: usize, breaks: Breaks) -> String {
    match breaks {
        Breaks::Gone => format!("{}{MASKED}", value.get(..show).unwrap_or_default()),
        Breaks::Kept => {
            let mut out = String::new();
            for (index, piece) in value.split_inclusive(['\n', '\r']).enumerate() {
                let line = piece.trim_end_matches(['\n', '\r']);
                match (line.is_empty(), index) {
                    (true, _) => {}
                    (false, 0) => out.push_str(&masked(line, show, Breaks::Gone)),
                    (false, _) => out.push_str(MASKED),
                }
                out.push_str(piece.get(line.len()..).unwrap_or_default());
            }
            out
        }
    }
}

/// The part of each text that is in `stretches` of all of them, joined by one character, masked.
pub(crate) fn mask_parts(parts: &mut [&mut String], stretches: &[(Range<usize>, usize)]) {
    let mut start = 0;
    for part in parts {
        let end = start + part.len();
        let mut own = Vec::new();
        for (range, show) in stretches {
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let show = if range.start >= start { *show } else { 0 };
                own.push((from - start..to - start, show));
            }
        }
        if let Cow::Owned(text) = replace(part.as_str(), &own, Breaks::Gone) {
            **part = text;
        }
        start = end + 1;
    }
}
