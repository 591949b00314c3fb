//! Debian's copyright files, where a machine can read them
//! (<https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>, and DEP-5, its draft).
//!
//! In come a file's bytes; out comes the licence of the package: all those that its parts are
//! under. Of the standard's short names those that surely mean one licence of SPDX's list become
//! that one's; every other stays as it is.

use imgfix_model::description::License;

/// The largest file that is read, in bytes: twice the largest that was seen (boost's).
pub const MAX_FILE: u64 = 4 << 20;

/// What a package's licence may be put together of.
const MAX_PARTS: usize = 1000;

/// Where the standard says that a file is in its form.
const FORMATS: [&str; 2] = ["copyright-format/1.0", "dep5"];

/// Short names of the standard that SPDX calls otherwise, in lower case.
const OTHER_NAMES: [(&str, &str); 3] =
    [("expat", "MIT"), ("cc0", "CC0-1.0"), ("zope-1.1", "ZPL-1.1")];

/// Licences of the GNU project, whose short names are a name, a version, and `+` for later ones.
const GNU: [(&str, &str); 5] = [
    ("gfdl-niv-", "GFDL-{}-no-invariants"),
    ("gfdl-", "GFDL-{}"),
    ("agpl-", "AGPL-{}"),
    ("lgpl-", "LGPL-{}"),
    ("gpl-", "GPL-{}"),
];

/// Exceptions that have one name only at SPDX's, in lower case, without `exception`.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
];

/// The licence that a copyright file declares; `None`: the file is free text, or names none.
#[must_use]
pub fn license(text: &[u8]) -> Option<License> {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    let mut paragraphs =
        lines.split(|line| line.trim().is_empty()).filter(|paragraph| !paragraph.is_empty());
    let header = paragraphs.next()?;
    let format = field(header, "format").or_else(|| field(header, "format-specification"))?;
    if !FORMATS.iter().any(|one| format.to_ascii_lowercase().contains(one)) {
        return None;
    }
    // What has no Files is the text of a licence that others name.
    let of_files = paragraphs.filter(|paragraph| field(paragraph, "files").is_some());
    let mut parts: Vec<&str> =
        [header].into_iter().chain(of_files).filter_map(|part| field(part, "license")).collect();
    parts.sort_unstable();
    parts.dedup();
    if parts.len() > MAX_PARTS {
        return None;
    }
    License::all(parts.into_iter().filter_map(synopsis).collect())
}

/// The first line of a field.
fn field<'a>(paragraph: &[&'a str], wanted: &str) -> Option<&'a str> {
    let mut fields = paragraph.iter().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

/// `GPL-2+ or Artistic, and BSD-3-clause`: `and` binds more than `or`, and a comma less than
/// both. What is put together otherwise stays as it is.
fn synopsis(text: &str) -> Option<License> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let text = words.join(" ");
    let whole = || License::text(&text);
    let mut clauses = text.split(", ");
    let mut license = clause(clauses.next()?)?;
    let mut joined: Option<&str> = None;
    for further in clauses {
        let Some((joint, rest)) = further.split_once(' ') else { return whole() };
        if !matches!(joint, "and" | "or") || joined.is_some_and(|before| before != joint) {
            return whole();
        }
        joined = Some(joint);
        let Some(further) = clause(rest) else { return whole() };
        license = match joint {
            "and" => License::All(vec![license, further]),
            _ => License::Any(vec![license, further]),
        };
    }
    Some(license)
}

/// A synopsis without commas.
fn clause(text: &str) -> Option<License> {
    let any: Option<Vec<License>> = text
        .split(" or ")
        .map(|one| {
            let all: Option<Vec<License>> = one.split(" and ").map(single).collect();
            all.map(|all| several(all, License::All))
        })
        .collect();
    any.map(|any| several(any, License::Any))
}

fn several(mut parts: Vec<License>, join: fn(Vec<License>) -> License) -> License {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

/// One name, with an exception or without. A name of SPDX's list is that.
fn single(text: &str) -> Option<License> {
    let (name, exception) = match text.split_once(" with ") {
        Some((name, exception)) => (name, Some(exception)),
        None => (text, None),
    };
    let known = match exception.map(|text| (text, exception_of(text))) {
        None => Some(spdx_name(name)),
        Some((_, Some(exception))) => Some(format!("{} WITH {exception}", spdx_name(name))),
        Some((_, None)) => None,
    };
    License::text(known.as_deref().unwrap_or(text))
}

/// `LLVM exception`, `LLVM-exception`.
fn exception_of(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix("exception").unwrap_or(&lower);
    let name = name.trim_end_matches([' ', '-']);
    EXCEPTIONS.iter().find(|(short, _)| *short == name).map(|(_, id)| *id)
}

/// `GPL-2+` is `GPL-2.0-or-later`. Names that are no such are given back.
fn spdx_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    if let Some((_, id)) = OTHER_NAMES.iter().find(|(short, _)| *short == lower) {
        return (*id).to_owned();
    }
    let gnu = GNU.iter().find_map(|(short, id)| Some((lower.strip_prefix(short)?, id)));
    let Some((version, id)) = gnu else { return name.to_owned() };
    let (version, which) = match version.strip_suffix('+') {
        Some(version) => (version, "or-later"),
        None => (version, "only"),
    };
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return name.to_owned();
    }
    let version = match version.contains('.') {
        true => version.to_owned(),
        false => format!("{version}.0"),
    };
    format!("{}-{which}", id.replace("{}", &version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(license: &License) -> String {
        let joined = |parts: &[License], joint: &str| {
            let parts: Vec<String> = parts.iter().map(shown).collect();
            format!("({})", parts.join(joint))
        };
        match license {
            License::Text(text) => text.clone(),
            License::All(parts) => joined(parts, " & "),
            License::Any(parts) => joined(parts, " | "),
        }
    }

    #[test]
    fn short_names_become_those_of_spdx_where_they_surely_are_one() {
        for (text, want) in [
            ("Expat", "MIT"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2", "GPL-2.0-only"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("lgpl-2.1", "LGPL-2.1-only"),
            ("AGPL-3+", "AGPL-3.0-or-later"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("GFDL-1.3", "GFDL-1.3-only"),
            ("GPL", "GPL"),
            ("GPL-2+-or-X11", "GPL-2+-or-X11"),
            ("LGPL-", "LGPL-"),
            ("Artistic", "Artistic"),
            ("BSD-3-clause", "BSD-3-clause"),
            ("public-domain", "public-domain"),
            ("GPL-1+ or Artistic", "(GPL-1.0-or-later | Artistic)"),
            ("A or B and C", "(A | (B & C))"),
            ("A or B, and C", "((A | B) & C)"),
            ("A, and B or C", "(A & (B | C))"),
            ("A, and B, and C", "((A & B) & C)"),
            ("A, and B, or C", "A, and B, or C"),
            ("A, B", "A, B"),
            ("Apache-2.0 with LLVM exception", "Apache-2.0 WITH LLVM-exception"),
            ("GPL-2 with Classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
            ("GPL-2+ with OpenSSL exception", "GPL-2+ with OpenSSL exception"),
            ("GPL-2+  with\tFont exception", "GPL-2.0-or-later WITH Font-exception-2.0"),
        ] {
            let got = synopsis(text).map(|license| shown(&license));
            assert_eq!(got.as_deref(), Some(want), "{text}");
        }
        assert_eq!(synopsis(""), None);
        assert_eq!(synopsis("a\x1b[2J"), None);
    }

    #[test]
    fn a_package_is_under_all_that_its_files_are_under() {
        const HEADER: &str =
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n";
        for (text, want) in [
            ("Files: *\nLicense: Expat\n\nFiles: debian/*\nLicense: GPL-2+\n text\n", {
                "(GPL-2.0-or-later & MIT)"
            }),
            ("Files: *\nLicense: Expat\n\nFiles: b\nLicense: Expat\n", "MIT"),
            ("Files: *\nLicense: Expat\n\nLicense: GPL-2+\n text\n .\n License: no\n", "MIT"),
            ("Files:\n a\n b\nCopyright: x\nLicense: ISC\n", "ISC"),
            ("Files: *\nLicense:\n text\n", ""),
            ("Files: *\nCopyright: x\n", ""),
        ] {
            let got = license(format!("{HEADER}\n{text}").as_bytes());
            assert_eq!(got.as_ref().map(shown).unwrap_or_default(), want, "{text}");
        }
        let header = format!("\n{HEADER}License: Zlib\n\nFiles: *\nLicense: Expat\n");
        assert_eq!(license(header.as_bytes()).as_ref().map(shown).unwrap(), "(MIT & Zlib)");
        for free in [
            "This package is under the GPL-2.\n\nFiles: *\nLicense: Expat\n",
            "Format: https://example.org/\n\nFiles: *\nLicense: Expat\n",
            "Files: *\nLicense: Expat\n",
            "",
        ] {
            assert_eq!(license(free.as_bytes()), None, "{free}");
        }
        let dep5 = "Format: http://dep.debian.net/deps/dep5\n\nFiles: *\nLicense: Expat\n";
        assert_eq!(license(dep5.as_bytes()), Some(License::Text("MIT".into())));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = license(&bytes);
        }

        #[test]
        fn near_synopses_never_panic(text in "(and|or|with|, |,| |GPL-2|\\+|exception|A){0,20}") {
            let _ = synopsis(&text);
        }
    }
}
