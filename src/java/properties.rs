//! Java's files of properties, as `java.util.Properties` reads them: the last word of a key counts.

use bytes::Bytes;

/// The value of a property; `None`: it has none, or it stands in an escape or a continued line,
/// which are not followed.
#[must_use]
pub fn value(text: &[u8], key: &str) -> Option<Vec<u8>> {
    let mut found = None;
    for line in lines(text) {
        if is_of(line, key) {
            found = Some(parts(line).1.to_vec());
        }
    }
    // what a backslash does could be anything
    found.filter(|_| !text.contains(&b'\\'))
}

/// The text with a property set: lines of the key go, and one comes at the end.
#[must_use]
pub fn with(text: &[u8], key: &str, value: &str) -> Bytes {
    let mut out = Vec::with_capacity(text.len() + key.len() + value.len() + 3);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !is_of(line.trim_ascii(), key) {
            out.extend_from_slice(line);
        }
    }
    if out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
    out.extend_from_slice(format!("{key}={value}\n").as_bytes());
    out.into()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii_start)
}

/// Key and value of a line. Blanks behind a value are its own.
fn parts(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| matches!(byte, b'=' | b':' | b' ' | b'\t' | b'\x0c'));
    let Some(end) = end else { return (line, b"") };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_ascii_start();
    let rest = match rest.first() {
        Some(b'=' | b':') => rest[1..].trim_ascii_start(),
        _ => rest,
    };
    (key, rest)
}

fn is_of(line: &[u8], key: &str) -> bool {
    !matches!(line.first(), Some(b'#' | b'!')) && parts(line).0 == key.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        for (text, want) in [
            ("k=true", Some("true")),
            (" k : true\n", Some("true")),
            ("k true\r\n", Some("true")),
            ("k=true \n", Some("true ")),
            ("k=true\nk=false\n", Some("false")),
            ("k", Some("")),
            ("#k=true\n!k=true", None),
            ("key=true\n", None),
            ("a=\\\nk=true\n", None),
        ] {
            assert_eq!(value(text.as_bytes(), "k").as_deref(), want.map(str::as_bytes), "{text}");
        }
        assert_eq!(with(b"# x\r\nk: no\na=b", "k", "yes"), "# x\r\na=b\nk=yes\n");
    }
}
