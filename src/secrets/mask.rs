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

    /// The same with as many lines as before: a value of several lines is masked line by line.
    #[must_use]
    pub fn mask_lines<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(text, &self.stretches(text), Breaks::Kept)
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
            let lines = value.split('\n').enumerate().map(|(index, line)| match index {
                0 => masked(line, show, Breaks::Gone),
                _ => MASKED.to_owned(),
            });
            lines.collect::<Vec<_>>().join("\n")
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
