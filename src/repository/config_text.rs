//! Configuration files as people keep them: [`plain`] takes away what editors and checkouts of
//! Windows leave in them.
//!
//! In comes the text of a file; out comes the same with line feeds only and without a byte
//! order mark. apt, apk and dpkg take a carriage return before a line feed for a space; a byte
//! order mark makes apt refuse the file, which helps nobody who wants the image repaired.

use std::borrow::Cow;

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// `text` without a byte order mark, and with line feeds only.
#[must_use]
pub fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    if !text.contains(&b'\r') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&b| b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    // the last line may have no line feed
    if out.last() == Some(&b'\r') {
        out.pop();
    }
    Cow::Owned(out)
}

/// Whether apt reads a file of this name in a `.d` folder: apt.conf(5), apt_preferences(5).
#[must_use]
pub fn is_part(name: &[u8], extension: &str) -> bool {
    let plain = name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    let own = name.iter().rposition(|&b| b == b'.').and_then(|dot| name.get(dot + 1..));
    plain && !name.starts_with(b".") && own.is_none_or(|own| own == extension.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_windows_go_and_all_else_stays() {
        for (text, want) in [
            (&b"a\nb\n"[..], &b"a\nb\n"[..]),
            (b"a\r\n\r\nb", b"a\n\nb"),
            (b"a\r\nb\r", b"a\nb"),
            (b"a\rb\n", b"a\rb\n"),
            (b"\xef\xbb\xbfa\xef\xbb\xbf\r\n", b"a\xef\xbb\xbf\n"),
            (b"", b""),
        ] {
            assert_eq!(&*plain(text), want, "{text:?}");
        }
    }
}
