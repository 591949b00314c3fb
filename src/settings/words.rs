//! Words of a line with their places: as OpenSSH's `argv_split` and as Redis' `sdssplitargs` take
//! them.

use std::ops::Range;

use crate::text::text;

/// A word, without its quotes, and where it stands with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub text: String,
    pub at: Range<usize>,
}

/// One value of several words.
pub(crate) fn joined(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// From the first word to the last; `at` when there is none.
pub(crate) fn span(words: &[Word], at: usize) -> Range<usize> {
    match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.at.start..last.at.end,
        _ => at..at,
    }
}

/// OpenSSH's (misc.c): blanks separate; `"` and `'` quote, also inside of a word; `\` before a
/// quote, a `\` or (outside of quotes) a space; `#` at the start of a word begins a comment.
pub(crate) fn openssh(bytes: &[u8], line: Range<usize>) -> Result<Vec<Word>, &'static str> {
    let mut words = Vec::new();
    let mut at = line.start;
    let get = |at: usize| bytes.get(at).copied().filter(|_| at < line.end);
    while let Some(c) = get(at) {
        if matches!(c, b' ' | b'\t') {
            at += 1;
            continue;
        }
        if c == b'#' {
            break;
        }
        let start = at;
        let (mut out, mut quote) = (Vec::new(), None);
        while let Some(c) = get(at) {
            at += 1;
            match (quote, c) {
                (_, b'\\') => match get(at) {
                    Some(next @ (b'\'' | b'"' | b'\\')) => {
                        out.push(next);
                        at += 1;
                    }
                    Some(b' ') if quote.is_none() => {
                        out.push(b' ');
                        at += 1;
                    }
                    _ => out.push(c),
                },
                (None, b' ' | b'\t') => {
                    at -= 1;
                    break;
                }
                (None, b'"' | b'\'') => quote = Some(c),
                (Some(open), close) if open == close => quote = None,
                _ => out.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote that does not end");
        }
        words.push(Word { text: text(&out), at: start..at });
    }
    Ok(words)
}

/// Redis' (sds.c): blanks separate; `"` quotes with escapes, `'` with `\'` alone; a blank or the
/// end follows the closing quote.
pub(crate) fn redis(bytes: &[u8], line: Range<usize>) -> Result<Vec<Word>, &'static str> {
    const BLANK: &[u8] = b" \t\n\r\x0b\x0c";
    let mut words = Vec::new();
    let mut at = line.start;
    let get = |at: usize| bytes.get(at).copied().filter(|_| at < line.end);
    while let Some(c) = get(at) {
        if BLANK.contains(&c) {
            at += 1;
            continue;
        }
        let start = at;
        let (mut out, mut quote) = (Vec::new(), None);
        while let Some(c) = get(at) {
            at += 1;
            match (quote, c) {
                (Some(b'"'), b'\\') => {
                    let hex = |at| get(at).and_then(|c| char::from(c).to_digit(16));
                    if let (Some(b'x'), Some(high), Some(low)) = (get(at), hex(at + 1), hex(at + 2))
                    {
                        out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                        at += 3;
                    } else if let Some(next) = get(at) {
                        out.push(match next {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b't' => b'\t',
                            b'b' => 8,
                            b'a' => 7,
                            other => other,
                        });
                        at += 1;
                    } else {
                        return Err("a quote that does not end");
                    }
                }
                (Some(b'\''), b'\\') if get(at) == Some(b'\'') => {
                    out.push(b'\'');
                    at += 1;
                }
                (Some(open), close) if open == close => {
                    if get(at).is_some_and(|next| !BLANK.contains(&next)) {
                        return Err("something follows a closing quote");
                    }
                    quote = None;
                    break;
                }
                (Some(_), _) => out.push(c),
                (None, b'"' | b'\'') => quote = Some(c),
                (None, _) if BLANK.contains(&c) => {
                    at -= 1;
                    break;
                }
                (None, _) => out.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote that does not end");
        }
        words.push(Word { text: text(&out), at: start..at });
    }
    Ok(words)
}
