//! The headers of METADATA and PKG-INFO
//! (<https://packaging.python.org/en/latest/specifications/core-metadata/>): lines as in an
//! e-mail, before a description of any length.
//!
//! In come bytes of a stranger; out come Name and Version and what is said of supplier and
//! licence, or what is wrong. Lines end and are
//! continued as in Python's `email.parser`, with which pip and `importlib.metadata` read them: a
//! lone carriage return ends a line, a line that begins with a blank continues the one before,
//! and the first line that is no header ends the headers.

use imgfix_model::description::{License, Party};
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
    let mut said = Said::default();
    for (count, header) in Headers(record).enumerate() {
        if count == MAX_HEADERS {
            return Err(format!("it has more than {MAX_HEADERS} headers"));
        }
        let slot = match header.name {
            key if key.eq_ignore_ascii_case(b"name") => &mut name,
            key if key.eq_ignore_ascii_case(b"version") => &mut version,
            _ => {
                said.take(&header);
                continue;
            }
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
    Ok(Identity::new(name, version)?.described(said.supplier(), said.license()))
}

/// What a distribution wants: of others, and of the interpreter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Values of `Requires-Dist`, as written.
    pub requirements: Vec<String>,
    /// `Requires-Python`, as written.
    pub python: Option<String>,
}

/// What a record says that its distribution wants.
///
/// # Errors
/// A header is no text, or there are too many: half a sentence.
pub fn needs(record: &[u8]) -> Result<Needs, String> {
    let requirements = values(record, "Requires-Dist")?;
    let python = values(record, "Requires-Python")?.into_iter().next();
    Ok(Needs { requirements, python })
}

/// The values of a header, in order, those of several lines as one.
///
/// # Errors
/// One is no text, or there are too many headers: half a sentence.
pub fn values(record: &[u8], name: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (count, header) in Headers(record).enumerate() {
        if count == MAX_HEADERS {
            return Err(format!("it has more than {MAX_HEADERS} headers"));
        }
        if !header.name.eq_ignore_ascii_case(name.as_bytes()) {
            continue;
        }
        let text =
            std::str::from_utf8(header.whole).map_err(|_| format!("its {name} is not UTF-8"))?;
        found.push(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    }
    Ok(found)
}

/// Headers that describe a distribution, the first of each.
const DESCRIBING: [&str; 6] =
    ["maintainer", "maintainer-email", "author", "author-email", "license-expression", "license"];

/// What the classifiers of licences begin with.
const LICENSE_CLASSIFIER: &str = "License :: ";

/// What headers say beside: texts of one line each.
#[derive(Default)]
struct Said<'a> {
    /// In the order of [`DESCRIBING`].
    values: [Option<&'a str>; DESCRIBING.len()],
    /// The licences among the classifiers.
    classified: Vec<&'a str>,
}

impl<'a> Said<'a> {
    fn take(&mut self, header: &Header<'a>) {
        let value = std::str::from_utf8(header.value.trim_ascii()).ok();
        let Some(value) = value.filter(|value| !header.is_continued && !value.is_empty()) else {
            return;
        };
        let is = |name: &&str| header.name.eq_ignore_ascii_case(name.as_bytes());
        if let Some(slot) = DESCRIBING.iter().position(is) {
            self.values.get_mut(slot).map(|slot| slot.get_or_insert(value));
        } else if is(&"classifier") {
            let name = value.strip_prefix(LICENSE_CLASSIFIER);
            let name = name.and_then(|path| path.rsplit(" :: ").next());
            self.classified.extend(name.filter(|name| *name != "OSI Approved"));
        }
    }

    /// Who maintains it, or made it. Tools write `Name <mail>` to the header of addresses.
    fn supplier(&self) -> Option<Party> {
        let [maintainer, maintainer_mail, author, author_mail, ..] = self.values;
        let of = |name: Option<&str>, mail: Option<&str>| {
            // Of several addresses the first.
            let mail = mail.and_then(|mail| mail.split(',').next());
            match (name.and_then(Party::parse), mail.and_then(Party::parse)) {
                (Some(Party { name, email }), Some(mail)) => {
                    let address =
                        mail.email.or_else(|| Some(mail.name).filter(|one| one.contains('@')));
                    Some(Party { name, email: email.or(address) })
                }
                (name, mail) => name.or(mail),
            }
        };
        of(maintainer, maintainer_mail).or_else(|| of(author, author_mail))
    }

    /// What it declares; of classifiers only one alone says what applies.
    fn license(&self) -> Option<License> {
        let [.., expression, license] = self.values;
        let declared = expression.or(license).filter(|text| *text != "UNKNOWN");
        let classified = match self.classified.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        declared.and_then(License::text).or_else(|| classified.and_then(License::text))
    }
}

struct Header<'a> {
    name: &'a [u8],
    /// What follows the colon on its line.
    value: &'a [u8],
    /// The same with the lines that continue it.
    whole: &'a [u8],
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
        let text = self.0;
        let line = self.line()?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        // A header without a name is a defect, and goes on.
        if !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let is_continued = self.continuation();
        let whole = text.get(colon + 1..text.len() - self.0.len()).unwrap_or_default();
        Some(Header { name, value: value.get(1..).unwrap_or_default(), whole, is_continued })
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
    fn suppliers_and_licences_are_headers_too() {
        for (text, want) in [
            ("Author: Armin Ronacher\nAuthor-email: a@b.example\nLicense: BSD-3-Clause", {
                "Armin Ronacher|a@b.example|BSD-3-Clause"
            }),
            ("Author: A\nMaintainer: Pallets\nMaintainer-email: contact@b.example", {
                "Pallets|contact@b.example|"
            }),
            (
                "Author-email: \"A\" <a@b.example>, B <b@b.example>\nLicense-Expression: MIT OR 0BSD\nLicense: x",
                { "A|a@b.example|MIT OR 0BSD" },
            ),
            ("Author: A\nAuthor-email: B <a@b.example>", "A|a@b.example|"),
            ("Author: A\nAuthor: B\nLicense: UNKNOWN", "A||"),
            ("License: Permission is hereby granted\n to all", "||"),
            (
                "License: \nClassifier: License :: OSI Approved :: MIT License\nClassifier: X :: Y",
                { "||MIT License" },
            ),
            ("Classifier: License :: OSI Approved\nClassifier: License :: Public Domain", {
                "||Public Domain"
            }),
            ("Classifier: License :: A\nClassifier: License :: B", "||"),
        ] {
            let text = format!("Name: a\nVersion: 1\n{text}\n\nLicense: no\n");
            let identity = identity(text.as_bytes()).unwrap();
            let description = identity.description().clone();
            let (name, email) = match description.supplier {
                Some(Party { name, email }) => (name, email.unwrap_or_default()),
                None => Default::default(),
            };
            let license = match description.license {
                Some(License::Text(text)) => text,
                None => String::new(),
                other => format!("{other:?}"),
            };
            assert_eq!(format!("{name}|{email}|{license}"), want, "{text}");
        }
    }

    #[test]
    fn what_is_wanted_is_headers_of_their_own() {
        let text = b"Name: a\nRequires-Dist: b (>=1)\nrequires-dist: c;\n  os_name == 'nt'\r\n\
                     Requires-Python: >=3.8\n\nRequires-Dist: no\n";
        let found = needs(text).unwrap();
        assert_eq!(found.requirements, ["b (>=1)", "c; os_name == 'nt'"]);
        assert_eq!(found.python.as_deref(), Some(">=3.8"));
        assert!(needs(b"Requires-Dist: \xff\n").is_err());
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
