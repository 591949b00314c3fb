//! Words, lists and escapes as debconf's protocol and files have them. Blanks are those of
//! Perl's `\s` on bytes.

use bstr::{BString, ByteSlice as _};

/// Space, tab, newline, vertical tab, form feed, carriage return.
pub fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub fn skip_one_space(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(first) if is_space(first) => text.get(1..).unwrap_or_default(),
        _ => text,
    }
}

pub fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

pub fn replace(text: &[u8], from: &[u8], to: &[u8]) -> BString {
    text.replace(from, to).into()
}

/// The words between blanks.
pub fn words(line: &[u8]) -> Vec<BString> {
    line.split(is_space).filter(|word| !word.is_empty()).map(BString::from).collect()
}

/// What stands between commas that one space follows: the value of a multiselect question.
pub fn list(value: &[u8]) -> Vec<BString> {
    value.split_str(", ").filter(|name| !name.is_empty()).map(BString::from).collect()
}

/// What stands between commas that a blank follows.
pub fn split_list(text: &[u8]) -> impl Iterator<Item = BString> {
    pieces(text, &[]).into_iter()
}

/// The choices of a question, or a value of several: between commas that a blank follows; a
/// backslash makes the comma or space after it part of a choice.
pub fn split_choices(text: &[u8]) -> Vec<BString> {
    pieces(text, b", ")
}

fn pieces(text: &[u8], escapable: &[u8]) -> Vec<BString> {
    let mut pieces = Vec::new();
    let mut piece = BString::default();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'\\', Some(next)) if escapable.contains(next) => {
                piece.push(*next);
                rest = after.get(1..).unwrap_or_default();
            }
            (b',', Some(next)) if is_space(next) => {
                let blanks = after.iter().take_while(|byte| is_space(byte)).count();
                rest = after.get(blanks..).unwrap_or_default();
                pieces.push(std::mem::take(&mut piece));
            }
            _ => piece.push(byte),
        }
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

/// The words of a line from a client with the capability `escape`: `\n` is a newline, and a
/// backslash takes any other character as it is. Blanks before the first word make it empty.
pub fn unescaped_words(line: &[u8]) -> Vec<BString> {
    let mut words = Vec::new();
    let mut word = BString::default();
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'\\', Some(&next)) => {
                word.push(if next == b'n' { b'\n' } else { next });
                rest = after.get(1..).unwrap_or_default();
            }
            _ if is_space(&byte) => {
                let blanks = after.iter().take_while(|byte| is_space(byte)).count();
                rest = after.get(blanks..).unwrap_or_default();
                words.push(std::mem::take(&mut word));
            }
            _ => word.push(byte),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A value as it is sent to a client with the capability `escape`.
pub fn escape(text: &[u8]) -> BString {
    replace(&replace(text, b"\\", b"\\\\"), b"\n", b"\\n")
}

/// Undoes [`escape`].
pub fn unescape(text: &[u8]) -> BString {
    let mut plain = BString::default();
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = byte == b'\\' && bytes.peek().is_some_and(|&next| next != b'\n');
        match (escaped, escaped.then(|| bytes.next()).flatten()) {
            (true, Some(b'n')) => plain.push(b'\n'),
            (true, Some(next)) => plain.push(next),
            _ => plain.push(byte),
        }
    }
    plain
}

/// Puts variables in: `${NAME}`, and nothing for one without a value; `\${NAME}` stays, less
/// its backslash.
pub fn expand<'a>(text: &[u8], value: impl Fn(&[u8]) -> Option<&'a [u8]>) -> BString {
    let mut expanded = BString::default();
    let mut rest = text;
    while let Some((before, name, after)) = next_variable(rest) {
        match before.strip_suffix(b"\\") {
            Some(before) => {
                expanded.extend_from_slice(&[before, b"${", name, b"}"].concat());
            }
            None => {
                expanded.extend_from_slice(before);
                expanded.extend_from_slice(value(name).unwrap_or_default());
            }
        }
        rest = after;
    }
    expanded.extend_from_slice(rest);
    expanded
}

/// The text before the first `${NAME}`, the name, and the text after it.
fn next_variable(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    for at in text.find_iter(b"${") {
        let inside = text.get(at + 2..)?;
        let end = inside.find_byteset(b"{}")?;
        if end > 0 && inside.get(end) == Some(&b'}') {
            return Some((text.get(..at)?, inside.get(..end)?, inside.get(end + 1..)?));
        }
    }
    None
}

/// Breaks lines at blanks so that none is longer than `width` bytes (as perl's `Text::Wrap`).
pub fn wrap(text: &[u8], width: usize) -> Vec<u8> {
    let mut wrapped = Vec::new();
    for line in text.lines_with_terminator() {
        let mut rest = line.strip_suffix(b"\n").unwrap_or(line);
        while rest.len() > width {
            let at = rest.iter().take(width + 1).rposition(is_space);
            let (end, next) = at.map_or((width, width), |at| (at, at + 1));
            wrapped.extend_from_slice(rest.get(..end).unwrap_or_default());
            wrapped.push(b'\n');
            rest = rest.get(next..).unwrap_or_default();
        }
        wrapped.extend_from_slice(rest);
        wrapped.extend(line.ends_with(b"\n").then_some(b'\n'));
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[BString]) -> Vec<String> {
        list.iter().map(|word| word.to_string()).collect()
    }

    #[test]
    fn choices_are_split_at_commas_with_blanks() {
        for (text, choices) in [
            ("a, b,c,  d", vec!["a", "b,c", "d"]),
            (r"a\, b, c\ d", vec!["a, b", "c d"]),
            (", a, ", vec!["", "a"]),
            ("", vec![]),
        ] {
            assert_eq!(strings(&split_choices(text.as_bytes())), choices, "{text}");
        }
    }

    #[test]
    fn words_of_an_escaping_client_are_unescaped() {
        assert_eq!(strings(&unescaped_words(br"SET a b\ c\nd \\")), ["SET", "a", "b c\nd", "\\"]);
        assert_eq!(strings(&unescaped_words(b" GO ")), ["", "GO"]);
        assert_eq!(unescape(&escape(b"a\\n\nb")), "a\\n\nb");
    }

    #[test]
    fn long_lines_are_broken_at_blanks() {
        let text = b"one two three\n\nfour\n abcdefghij k";
        assert_eq!(wrap(text, 8).as_bstr(), "one two\nthree\n\nfour\n\nabcdefgh\nij k");
    }

    #[test]
    fn variables_are_put_in() {
        let value = |name: &[u8]| (name == b"x").then_some(&b"1"[..]);
        for (text, expanded) in [
            ("a ${x} b ${y}.", "a 1 b ."),
            (r"\${x}${x}", "${x}1"),
            ("${${x}}", "${1}"),
            ("${} ${x", "${} ${x"),
        ] {
            assert_eq!(expand(text.as_bytes(), value), expanded, "{text}");
        }
    }
}
