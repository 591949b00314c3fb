//! The headers of METADATA and PKG-INFO
//! (<https://packaging.python.org/en/latest/specifications/core-metadata/>): lines as in an
//! e-mail, before a description of any length.
//!
//! In come bytes of a stranger; out come Name and Version, or what is wrong. Lines end and are
//! continued as in Python's `email.parser`, with which pip and `importlib.metadata` read them: a
//! lone carriage return ends a line, a line that begins with a blank continues the one before,
//! and the first line that is no header ends the headers.

use imgfix_repair::library_records::Identity;

/// The most headers that are read. A distribution with a thousand dependencies has some two
/// thousand.
const MAX_HEADERS: usize = 20_000;

/// What a record says that it is about.
///
/// # Errors
/// It has no Name or Version, or several that differ, which not all readers would take for the
/// same; one is not text, or nothing that can be shown. Half a sentence.
pub fn identity(record: &[u8]) -> Result<Identity, String> {
    let (mut name, mut version) = (None, None);
    for (count, header) in Headers(record).enumerate() {
        if count == MAX_HEADERS {
            return Err(format!("it has more than {MAX_HEADERS} headers"));
        }
        let slot = match header.name {
            key if key.eq_ignore_ascii_case(b"name") => &mut name,
            key if key.eq_ignore_ascii_case(b"version") => &mut version,
            _ => continue,
        };
        let what = String::from_utf8_lossy(header.name);
        if header.is_continued {
            return Err(format!("its {what} has several lines"));
        }
        let value = header.value.trim_ascii();
        let value = std::str::from_utf8(value).map_err(|_| format!("its {what} is not UTF-8"))?;
        match slot {
            Some(first) if *first != value => return Err(format!("it has {what} twice")),
            _ => *slot = Some(value),
        }
    }
    let name = name.ok_or("it has no Name")?;
    let version = version.ok_or("it has no Version")?;
    Identity::new(name, version)
}

struct Header<'a> {
    name: &'a [u8],
    /// What follows the colon on its line.
    value: &'a [u8],
    /// There are more lines of it, with more than blanks.
    is_continued: bool,
}

/// The headers that are left.
struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Takes the next line, without its end; `None` at the end of the text.
    fn line(&mut self) -> Option<&'a [u8]> {
        let text = self.0;
        let end = match text.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            Some(end) => end,
            None if text.is_empty() => return None,
            None => text.len(),
        };
        let (line, rest) = text.split_at(end);
        self.0 = rest.strip_prefix(b"\r\n").or(rest.get(1..)).unwrap_or_default();
        Some(line)
    }

    /// Takes the lines that continue the one before; whether they have more than blanks.
    fn continuation(&mut self) -> bool {
        let mut has_text = false;
        while self.0.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            has_text |= self.line().is_some_and(|more| !more.trim_ascii().is_empty());
        }
        has_text
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        // A text that begins with a continuation continues nothing.
        self.continuation();
        let line = self.line()?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        // A header without a name is a defect, and goes on.
        if !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let is_continued = self.continuation();
        Some(Header { name, value: value.get(1..).unwrap_or_default(), is_continued })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: impl AsRef<[u8]>) -> String {
        match identity(text.as_ref()) {
            Ok(identity) => format!("{} {}", identity.name(), identity.version()),
            Err(why) => why,
        }
    }

    #[test]
    fn name_and_version_are_headers() {
        for (text, want) in [
            ("Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1.2\n", "Jinja2 3.1.2"),
            ("Name: a\r\nVersion: 1\r\n\r\nName: b\r\n", "a 1"),
            ("Name: a\rVersion: 1\r\rVersion: 2", "a 1"),
            ("NAME:a\nversion:  1\t \n", "a 1"),
            ("Name: a\nDescription: x\n Version: 9\n\t|Name: z\nVersion: 1", "a 1"),
            ("Name: a\nLicense: x\n  \nVersion: 1\n", "a 1"),
            ("Name: a\n \nVersion: 1\n", "a 1"),
            ("Name: a\nName: a\nVersion: 1\n", "a 1"),
            (" x\nName: a\n: nameless\n more\nVersion: 1\n", "a 1"),
            ("Name: a\n\nVersion: 1\n", "it has no Version"),
            ("Name: a\nnot a header\nVersion: 1\n", "it has no Version"),
            ("Name: a\nno header: x\nVersion: 1\n", "it has no Version"),
            ("\u{feff}Name: a\nVersion: 1\n", "it has no Name"),
            ("", "it has no Name"),
            ("Version: 1\n", "it has no Name"),
            ("Name: a\nName: b\nVersion: 1\n", "it has Name twice"),
            ("Name: a\nVersion: 1\nversion: 2\n", "it has version twice"),
            ("Name: a\n b\nVersion: 1\n", "its Name has several lines"),
            ("Name:\n a\nVersion: 1\n", "its Name has several lines"),
            ("Name:\nVersion: 1\n", "it has an empty name"),
            ("Name: a\x1b[2J\nVersion: 1\n", "its name has control characters"),
        ] {
            assert_eq!(read(text), want, "{text:?}");
        }
        assert_eq!(read(b"Name: a\nVersion: 1\nDescription: \xff\n"), "a 1");
        assert_eq!(read(b"Name: \xff\nVersion: 1\n"), "its Name is not UTF-8");
    }

    #[test]
    fn headers_are_counted() {
        let headers = |count: usize| format!("{}Version: 1\n", "Name: a\n".repeat(count - 1));
        assert_eq!(read(headers(MAX_HEADERS)), "a 1");
        assert_eq!(read(headers(MAX_HEADERS + 1)), "it has more than 20000 headers");
        let classified = format!("Name: a\nVersion: 1\n{}", "C: x\n".repeat(MAX_HEADERS));
        assert_eq!(read(classified), "it has more than 20000 headers");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = identity(&bytes);
        }

        #[test]
        fn what_a_record_is_about_stays_whatever_is_around(
            name in "[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?",
            version in "[0-9][0-9a-z.+!]{0,8}",
            before in "(X-[a-z]{1,4}: [^\r\n]{0,8}(\n [^\r\n]{0,5})?\n){0,3}",
            between in "(Classifier: [ -~]{0,8}\r?\n){0,3}",
            after in "(\n\\PC{0,20})?",
        ) {
            let text = format!("{before}Name: {name}\n{between}Version: {version}\n{after}");
            prop_assert_eq!(identity(text.as_bytes()), Identity::new(&name, &version));
        }
    }
}
