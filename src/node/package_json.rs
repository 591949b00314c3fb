//! `package.json`, as far as it says which package it is of
//! (<https://docs.npmjs.com/cli/configuring-npm/package-json>).
//!
//! In come bytes of a stranger; out come name and version and what is said of author and licence,
//! or what is wrong. A file that has a
//! key twice is refused: one reader would take the first, another the last.

use imgfix_model::description::{License, Party};
use imgfix_repair::library_records::Identity;

#[derive(serde::Deserialize)]
#[serde(expecting = "an object")]
struct Package {
    name: Option<String>,
    version: Option<String>,
    author: Option<Said>,
    license: Option<Said>,
}

/// What a package says of its author or its licence, in any of the forms that there were.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    Author { name: String, email: Option<String> },
    License { r#type: String },
    Other(serde::de::IgnoredAny),
}

impl Said {
    /// `Name <mail> (URL)`, or an object.
    fn party(self) -> Option<Party> {
        match self {
            Self::Text(text) => Party::parse(text.split(" (").next()?),
            Self::Author { name, email } => {
                let email = email.map(|email| format!(" <{email}>")).unwrap_or_default();
                Party::parse(&(name.replace('<', "") + &email))
            }
            Self::License { .. } | Self::Other(_) => None,
        }
    }

    /// An expression, or an object as packages had it before there were expressions.
    fn license(self) -> Option<License> {
        match self {
            Self::Text(text) | Self::License { r#type: text } => License::text(&text),
            Self::Author { .. } | Self::Other(_) => None,
        }
    }
}

/// What a record says that it is about.
///
/// # Errors
/// It is not JSON of this form, has a key twice, or lacks a name or version that can be shown.
/// Half a sentence.
pub fn identity(record: &[u8]) -> Result<Identity, String> {
    // npm takes a byte order mark away, too.
    let record = record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record);
    let Package { name, version, author, license } =
        imgfix_json::read(record).map_err(|error| error.to_string())?;
    let name = name.ok_or("it has no name")?;
    let version = version.ok_or("it has no version")?;
    let identity = Identity::new(&name, &version)?;
    Ok(identity.described(author.and_then(Said::party), license.and_then(Said::license)))
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
    fn name_and_version_are_keys() {
        for (text, want) in [
            (r#"{"name": "@babel/core", "version": "7.0.0", "x": [{}]}"#, "@babel/core 7.0.0"),
            ("\u{feff}{\"name\": \"a\", \"version\": \"1.0.0\"}", "a 1.0.0"),
            (r#"{"name": "a", "version": "1.0.0", "x": {"name": "b"}}"#, "a 1.0.0"),
            (r#"{"version": "1.0.0"}"#, "it has no name"),
            (r#"{"name": "a"}"#, "it has no version"),
            (r#"{"name": null, "version": "1"}"#, "it has no name"),
            (r#"{"name": "", "version": "1"}"#, "it has an empty name"),
            (r#"{"name": "a\u001b[2J", "version": "1"}"#, "its name has control characters"),
        ] {
            assert_eq!(read(text), want, "{text}");
        }
        for (text, part) in [
            (r#"{"name": "a", "version": "1.0.0", "version": "2.0.0"}"#, "\"version\" twice"),
            (r#"{"name": "a", "version": "1", "x": {"y": 1, "y": 2}}"#, "\"y\" twice"),
            (r#"{"name": "a", "version": 1}"#, "expected a string"),
            (r#"{"name": "a", "version": "1""#, "EOF"),
            (r#"{"name": "a", "version": "1"} x"#, "trailing"),
            ("[]", "object"),
            ("", "EOF"),
        ] {
            let why = identity(text.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
        assert!(identity(b"{\"name\": \"\xff\"}").is_err());
        let deep = format!("{{\"x\": {}", "[".repeat(100_000));
        assert!(identity(deep.as_bytes()).is_err());
    }

    #[test]
    fn author_and_licence_have_many_forms() {
        for (text, want) in [
            (r#""author": "Isaac <i@izs.example> (http://blog.example/)", "license": "ISC""#, {
                "Isaac|i@izs.example|ISC"
            }),
            (r#""author": "GitHub Inc. (https://x.example)", "license": "(MIT OR CC0-1.0)""#, {
                "GitHub Inc.||(MIT OR CC0-1.0)"
            }),
            (r#""author": {"name": "A", "email": "a@b.example", "url": 1}"#, "A|a@b.example|"),
            (r#""author": {"name": "A <x", "email": null}"#, "A x||"),
            (r#""author": {"name": 1}, "license": {"type": "MIT", "url": "x"}"#, "||MIT"),
            (r#""author": ["A"], "license": ["MIT"]"#, "||"),
            (r#""author": null, "license": true"#, "||"),
        ] {
            let text = format!(r#"{{"name": "a", "version": "1.0.0", {text}}}"#);
            let description = identity(text.as_bytes()).unwrap().description().clone();
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

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = identity(&bytes);
        }

        #[test]
        fn near_json_never_panics(text in r#"(\{|\}|"name"|"version"|:|,|"a"|1|\[|\]| ){0,20}"#) {
            let _ = identity(text.as_bytes());
        }

        #[test]
        fn what_a_record_is_about_stays_whatever_is_around(
            name in "(@[a-z]{1,4}/)?[a-z][a-z0-9._-]{0,8}",
            version in "[0-9][.][0-9][.][0-9](-[a-z]{1,4})?",
            before in "(\"x[a-z]{1,3}\": (1|null|\\{\\}|\\[\"a\"\\]), )?",
            blanks in "[ \t\r\n]{0,3}",
        ) {
            let text = format!(
                "{{{before}\"version\":{blanks}\"{version}\",{blanks}\"name\": \"{name}\"}}"
            );
            prop_assert_eq!(identity(text.as_bytes()), Identity::new(&name, &version));
        }
    }
}
