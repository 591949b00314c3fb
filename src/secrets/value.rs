//! Where the value of `NAME=value` ends, in the many notations that have such.
//!
//! Text may be a line of a shell, of a file of settings, of JSON or YAML, also JSON in a string
//! of JSON. A value is rather taken too long than too short, but never over what ends a string or
//! an element of the document that it may lie in.

use std::ops::Range;

/// The longest value, in bytes.
pub(crate) const MAX_VALUE: usize = 8 << 10;

/// What stands between a name and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// `=` and the like.
    Equals,
    /// `:`
    Colon,
}

/// The value behind `head`, a name with its sign; nothing when this is no assignment.
pub(crate) fn value(text: &[u8], head: Range<usize>, name: &Range<usize>) -> Option<Range<usize>> {
    let sign = match text.get(head.clone())?.last()? {
        b':' => Sign::Colon,
        _ => Sign::Equals,
    };
    let at = |index: usize| text.get(index).copied();
    let mut from = head.end;
    while from < head.end + 8 && matches!(at(from), Some(b' ' | b'\t')) {
        from += 1;
    }
    let spaced = from > head.end;
    let limit = text.len().min(from + MAX_VALUE);
    let escaped = at(from) == Some(b'\\') && matches!(at(from + 1), Some(b'"' | b'\''));
    if escaped {
        return quoted(text, from + 2, limit, at(from + 1)?, true);
    }
    if let Some(quote @ (b'"' | b'\'' | b'`')) = at(from) {
        return quoted(text, from + 1, limit, quote, false);
    }
    let quoted_name = matches!(at(name.end), Some(b'"' | b'\'' | b'\\'));
    // The name may be the end of a longer one, as of a file's in prose: `"/etc/passwd": it ...`.
    let closing = if at(name.end) == Some(b'\\') { at(name.end + 1) } else { at(name.end) };
    let is_whole = name.start.checked_sub(1).and_then(at) == closing;
    let is_number = at(from).is_some_and(|byte| byte.is_ascii_digit() || byte == b'-');
    let before = before_in_line(text, name.start);
    let first = before.is_some();
    // A header between quotes: `-H 'X-Api-Key: value'`.
    let ends_line = Ends::Line(before.flatten());
    match sign {
        // `"key": value` of JSON, or `key: value` of YAML; else a colon of prose.
        Sign::Colon if quoted_name && (is_whole || is_number) => {
            bare(text, from, limit, Ends::Comma)
        }
        Sign::Colon if spaced && first => bare(text, from, limit, ends_line),
        Sign::Colon => None,
        // Files of settings have spaces, or names with dots; there the line is the value.
        Sign::Equals if first && (spaced || is_dotted(text, name)) => {
            bare(text, from, limit, ends_line)
        }
        Sign::Equals => bare(text, from, limit, Ends::Space),
    }
}

/// Whether only signs of a list, of a difference or of quoting are before this place in its line,
/// and the quote that is.
fn before_in_line(text: &[u8], at: usize) -> Option<Option<u8>> {
    let before = text.get(at.saturating_sub(64)..at).unwrap_or_default();
    for (index, byte) in before.iter().enumerate().rev() {
        match byte {
            b'"' | b'\'' => return Some(Some(*byte)),
            b'\n' | b'\r' => return Some(None),
            // A line break in a string of JSON.
            b'n' if index > 0 && before.get(index - 1) == Some(&b'\\') => return Some(None),
            b' ' | b'\t' | b'+' | b'-' | b'|' => {}
            _ => return None,
        }
    }
    (at < 64).then_some(None)
}

fn is_dotted(text: &[u8], name: &Range<usize>) -> bool {
    text.get(name.clone()).is_some_and(|name| name.contains(&b'.'))
}

/// Up to the quote that ends it, or the line's end.
fn quoted(
    text: &[u8],
    from: usize,
    limit: usize,
    quote: u8,
    escaped: bool,
) -> Option<Range<usize>> {
    let mut at = from;
    while at < limit {
        match *text.get(at)? {
            b'\\' if escaped && text.get(at + 1) == Some(&quote) => break,
            b'\\' if escaped && starts(text, at, br"\\") => at += 2,
            b'\\' if !escaped => at += 1,
            b'\n' | b'\r' => break,
            byte if byte == quote => break,
            _ => {}
        }
        at += 1;
    }
    let end = at.min(limit);
    (end > from).then_some(from..end)
}

/// What ends a value without quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Space,
    Comma,
    /// The line's end, or this quote.
    Line(Option<u8>),
}

fn bare(text: &[u8], from: usize, limit: usize, ends: Ends) -> Option<Range<usize>> {
    let in_line = matches!(ends, Ends::Line(_));
    let mut at = from;
    while at < limit {
        match *text.get(at)? {
            b'\n' | b'\r' | b'"' | b'<' | b'>' | b'`' | 0 => break,
            // An end of a line, or of a string, in a string of JSON.
            b'\\' if matches!(text.get(at + 1), Some(b'n' | b'r' | b't' | b'"') | None) => break,
            b'\\' => at += 1,
            b' ' | b'\t' | b';' | b'&' | b'|' if !in_line => break,
            // HTML's quotes.
            b'&' if starts(text, at, b"&quot;") || starts(text, at, b"&#") => break,
            b',' | b'}' | b']' if ends == Ends::Comma => break,
            b'#' if at > from && text.get(at - 1).is_some_and(u8::is_ascii_whitespace) => break,
            b'\'' if ends == Ends::Line(Some(b'\'')) => break,
            b'\'' if !in_line && ends_word(text.get(at + 1)) => break,
            _ => {}
        }
        at += 1;
    }
    let mut end = at.min(limit);
    while end > from && matches!(text.get(end - 1), Some(b' ' | b'\t' | b'\'')) {
        end -= 1;
    }
    (end > from).then_some(from..end)
}

fn ends_word(next: Option<&u8>) -> bool {
    matches!(next, None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b';' | b']' | b')' | b'}'))
}

fn starts(text: &[u8], at: usize, with: &[u8]) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(with))
}
