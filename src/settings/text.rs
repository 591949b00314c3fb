//! Lines of a file with their places in it, and edits of bytes.

use std::ops::Range;

/// One line: where its content is, and where the next begins. `\n` and `\r\n` end lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub number: u32,
    pub start: usize,
    /// After the content, before the line end.
    pub end: usize,
    /// After the line end.
    pub next: usize,
}

/// The lines of a file, in order.
pub(crate) fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut number = 0_u32;
    while start < bytes.len() {
        let rest = bytes.get(start..).unwrap_or_default();
        let (length, ended) = match rest.iter().position(|&b| b == b'\n') {
            Some(at) => (at, 1),
            None => (rest.len(), 0),
        };
        let content = rest.get(..length).unwrap_or_default();
        let carriage = usize::from(ended == 1 && content.last() == Some(&b'\r'));
        number = number.saturating_add(1);
        let next = start + length + ended;
        out.push(Line { number, start, end: start + length - carriage, next });
        start = next;
    }
    out
}

/// The part of the bytes; empty when it is not there.
pub(crate) fn part(bytes: &[u8], at: Range<usize>) -> &[u8] {
    bytes.get(at).unwrap_or_default()
}

/// As text; what is no UTF-8 becomes U+FFFD, which no value to write may have.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The range without these bytes at both ends.
pub(crate) fn trimmed(bytes: &[u8], at: Range<usize>, blank: &[u8]) -> Range<usize> {
    let Range { mut start, mut end } = at;
    while start < end && bytes.get(start).is_some_and(|b| blank.contains(b)) {
        start += 1;
    }
    while end > start && bytes.get(end - 1).is_some_and(|b| blank.contains(b)) {
        end -= 1;
    }
    start..end
}

/// How many lines end before this place, and one: the line's number.
pub(crate) fn line_of(bytes: &[u8], at: usize) -> u32 {
    let ends = part(bytes, 0..at.min(bytes.len())).iter().filter(|&&b| b == b'\n').count();
    u32::try_from(ends).unwrap_or(u32::MAX).saturating_add(1)
}

/// The line end that the file has: that of its first line.
pub(crate) fn line_end(bytes: &[u8]) -> &'static str {
    match bytes.iter().position(|&b| b == b'\n') {
        Some(at) if at > 0 && bytes.get(at - 1) == Some(&b'\r') => "\r\n",
        _ => "\n",
    }
}

/// The blanks that the line with this place begins with.
pub(crate) fn indent_at(bytes: &[u8], at: usize) -> &[u8] {
    let start = line_start(bytes, at);
    let rest = part(bytes, start..bytes.len());
    let width = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    part(rest, 0..width)
}

/// Where the line with this place begins.
pub(crate) fn line_start(bytes: &[u8], at: usize) -> usize {
    part(bytes, 0..at).iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1)
}

/// Where the line with this place ends, its line end included.
pub(crate) fn line_next(bytes: &[u8], at: usize) -> usize {
    let rest = part(bytes, at..bytes.len());
    rest.iter().position(|&b| b == b'\n').map_or(bytes.len(), |end| at + end + 1)
}

/// Other bytes in the place of some.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edit {
    pub file: usize,
    pub start: usize,
    pub end: usize,
    pub bytes: Vec<u8>,
}

impl Edit {
    pub fn new(file: usize, at: Range<usize>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { file, start: at.start, end: at.end, bytes: bytes.into() }
    }

    /// A line of its own before the line that begins at `at`; at the end, a file without a last
    /// line end keeps to that.
    pub fn line(file: usize, content: &[u8], at: usize, line: &str) -> Self {
        let end = line_end(content);
        let unended = at >= content.len() && content.last().is_some_and(|&b| b != b'\n');
        let line = line.replace('\n', end);
        let bytes = if unended { format!("{end}{line}") } else { format!("{line}{end}") };
        Self::new(file, at..at, bytes)
    }

    /// A line at the end, where `\` before a line end makes the next line go on with it: behind an
    /// empty one when the last line would go on with this.
    pub fn last_line(file: usize, content: &[u8], line: &str) -> Self {
        let ended =
            content.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest));
        let last = ended.unwrap_or(content);
        let goes_on = last.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1;
        let line = if goes_on { format!("\n{line}") } else { line.to_owned() };
        Self::line(file, content, content.len(), &line)
    }
}

/// The file after its edits; `None` when two are about the same bytes.
pub(crate) fn apply(bytes: &[u8], mut edits: Vec<&Edit>) -> Option<Vec<u8>> {
    edits.sort();
    edits.dedup();
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut done = 0;
    for edit in edits {
        if edit.start < done || edit.end < edit.start {
            return None;
        }
        out.extend_from_slice(bytes.get(done..edit.start)?);
        out.extend_from_slice(&edit.bytes);
        done = edit.end;
    }
    out.extend_from_slice(bytes.get(done..)?);
    Some(out)
}
