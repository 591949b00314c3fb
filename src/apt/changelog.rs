//! Debian changelogs: the entries between two versions, for people who review an upgrade.
//!
//! Source: deb-changelog(5). An entry is a line `package (version) suites; urgency=...`,
//! indented lines, and a line ` -- maintainer <address>  date`.

use std::collections::BTreeSet;

use imgfix_model::changelog::{
    ChangelogEntry, ChangelogPart, MAX_ENTRIES, MAX_IDS, MAX_TEXT, vulnerability_ids,
};
use imgfix_versions::dpkg::Version;

/// The entries of `text` that are newer than `from`. Lines that are no part of an entry are
/// skipped, as dpkg-parsechangelog does with a warning.
#[must_use]
pub fn newer_than(text: &str, from: &Version) -> ChangelogPart {
    let mut part = ChangelogPart::default();
    let mut size = 0;
    for line in text.lines() {
        if let Some((version, target)) = header(line) {
            let newer = Version::parse(version).is_ok_and(|version| version > *from);
            if !newer {
                break;
            }
            if part.entries.len() >= MAX_ENTRIES || size >= MAX_TEXT {
                part.cut = true;
                break;
            }
            part.entries.push(ChangelogEntry {
                version: version.to_owned(),
                target: target.trim().to_owned(),
                trailer: String::new(),
                text: String::new(),
            });
            continue;
        }
        let Some(entry) = part.entries.last_mut() else { continue };
        if let Some(trailer) = line.strip_prefix(" -- ") {
            trailer.trim().clone_into(&mut entry.trailer);
        } else if size < MAX_TEXT {
            size += line.len() + 1;
            entry.text.push_str(line.strip_prefix("  ").unwrap_or(line));
            entry.text.push('\n');
        } else {
            part.cut = true;
        }
    }
    for entry in &mut part.entries {
        entry.text = entry.text.trim_matches('\n').to_owned();
    }
    part
}

/// The CVE ids that the entries of `text` newer than `from` name, in capitals. It is the whole
/// text that counts, not only what [`newer_than`] shows.
#[must_use]
pub fn named_newer_than(text: &str, from: &Version) -> BTreeSet<String> {
    let is_old = |line: &&str| {
        let header = header(line);
        header.is_some_and(|(version, _)| Version::parse(version).is_ok_and(|one| one <= *from))
    };
    let newer = text.lines().take_while(|line| !is_old(line));
    newer.flat_map(vulnerability_ids).take(MAX_IDS).collect()
}

/// Version and target of an entry's first line.
fn header(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let (_, rest) = line.split_once(" (")?;
    let (version, target) = rest.split_once(')')?;
    (target.contains(';') && !version.contains(' ')).then_some((version, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
glibc (2.36-9+deb12u9) bookworm; urgency=medium

  [ Aurelien Jarno ]
  * debian/patches/any/git-x.diff: fix (CVE-2024-33599)
    - and more

 -- Aurelien Jarno <a@b>  Sat, 19 Oct 2024 18:06:47 +0200

glibc (2.36-9+deb12u8) bookworm-security; urgency=high

  * second

 -- A <a@b>  Tue, 20 Aug 2024 22:32:23 +0200

glibc (2.36-9+deb12u7) bookworm; urgency=medium

  * old
";

    fn versions(from: &str) -> Vec<String> {
        let part = newer_than(TEXT, &Version::parse(from).unwrap());
        part.entries.into_iter().map(|entry| entry.version).collect()
    }

    #[test]
    fn only_what_is_newer_is_told() {
        assert_eq!(versions("2.36-9+deb12u7"), ["2.36-9+deb12u9", "2.36-9+deb12u8"]);
        assert_eq!(versions("2.36-9+deb12u8"), ["2.36-9+deb12u9"]);
        assert_eq!(versions("2.36-9+deb12u9"), [""; 0]);
        assert_eq!(versions("1").len(), 3);
    }

    #[test]
    fn ids_of_newer_entries_are_found_in_whatever_form() {
        let text = "a (3) x; urgency=low\n\n  * Fix CVE-2024-33599, cve-2024-1234.\n  * \
                    (CVE-2023-12345678)/CVE-2024-1234\n\n -- x <y>  z\n\n\
                    a (2) x; urgency=low\n  * XCVE-2024-9999 CVE-24-1234 CVE-2024-123 CVE-2024- \
                    CVE-20240-1234 \u{e9}CVE-2022-0001 CVE-2024-12345678901234567890\n\
                    a (1) x; urgency=low\n  * CVE-2020-1111\n";
        let named = |from: &str| -> Vec<String> {
            named_newer_than(text, &Version::parse(from).unwrap()).into_iter().collect()
        };
        let newest = ["CVE-2023-12345678", "CVE-2024-1234", "CVE-2024-33599"];
        assert_eq!(named("2"), newest);
        assert_eq!(named("1"), [&["CVE-2022-0001"], &newest[..]].concat());
        assert_eq!(named("3"), [""; 0]);
        assert!(named("0").contains(&"CVE-2020-1111".to_owned()));
        // also below what is shown of a long changelog
        let long: String = (0..1000)
            .rev()
            .map(|n| format!("a (1.{n}) x; urgency=low\n\n  * CVE-2024-{:05}\n\n", n))
            .collect();
        assert_eq!(named_newer_than(&long, &Version::parse("1.0").unwrap()).len(), 999);
    }

    #[test]
    fn an_entry_is_read_whole() {
        let part = newer_than(TEXT, &Version::parse("2.36-9+deb12u8").unwrap());
        assert!(!part.cut);
        assert_eq!(
            part.entries,
            [ChangelogEntry {
                version: "2.36-9+deb12u9".into(),
                target: "bookworm; urgency=medium".into(),
                trailer: "Aurelien Jarno <a@b>  Sat, 19 Oct 2024 18:06:47 +0200".into(),
                text:
                    "[ Aurelien Jarno ]\n* debian/patches/any/git-x.diff: fix (CVE-2024-33599)\n  \
                       - and more"
                        .into(),
            }]
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_said() {
        let many: String = (0..1000)
            .rev()
            .map(|n| {
                format!("a (1.{n}) x; urgency=low\n\n  * {}\n\n -- x <y>  z\n\n", "w".repeat(100))
            })
            .collect();
        let part = newer_than(&many, &Version::parse("0").unwrap());
        assert!(part.cut);
        assert_eq!(part.entries.len(), MAX_ENTRIES);
        let one = format!("a (2) x; urgency=low\n{}", "  * long line\n".repeat(100_000));
        let part = newer_than(&one, &Version::parse("1").unwrap());
        assert!(part.cut && part.entries[0].text.len() <= MAX_TEXT + 100);
    }

    #[test]
    fn other_text_has_no_entries() {
        for text in ["", "\n\n", "not a changelog\n", "a (1\n", "  * x\n", "é (1) x; u\n"] {
            assert_eq!(newer_than(text, &Version::parse("0").unwrap()).entries, [], "{text:?}");
        }
    }
}
