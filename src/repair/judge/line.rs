//! Lines of releases: `2.31-13+deb11u9` and `2.36-9+deb12u7` fix one problem in two releases of
//! a distribution, `1.26.19` and `2.2.2` in two of a library, while `2.36-9+deb12u7` and
//! `2.36-9+deb12u9` are two answers to one question.

/// How near two fixed versions must be to be of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Versions that one report names together: it lists a line once.
    OneReport,
    /// Versions of reports that may disagree about one line.
    Reports,
}

/// Whether two versions are of one line. A mark of the distribution's release decides; without
/// marks the upstream version's first number does, and of one report's versions the second, too.
pub(super) fn is_same(a: &str, b: &str, within: Within) -> bool {
    match (mark(a), mark(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => {
            let ((first_a, second_a), (first_b, second_b)) = (numbers(a), numbers(b));
            first_a == first_b && (within == Within::Reports || second_a == second_b)
        }
    }
}

/// The release that a version names: `deb12`, `el8`, `22.04`.
fn mark(version: &str) -> Option<String> {
    const WORDS: [&str; 9] = ["deb", "bpo", "el", "fc", "amzn", "cm", "azl", "ph", "oe"];
    let lower = version.to_ascii_lowercase();
    for (at, _) in lower.char_indices() {
        let before = lower.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        let rest = lower.get(at..)?;
        for word in WORDS {
            let number: String = rest
                .strip_prefix(word)
                .into_iter()
                .flat_map(str::chars)
                .take_while(char::is_ascii_digit)
                .collect();
            if !number.is_empty() {
                // backports are made for a release
                let word = if word == "bpo" { "deb" } else { word };
                return Some(format!("{word}{number}"));
            }
        }
    }
    ubuntu_release(&lower)
}

/// `22.04` of `1.21.1ubuntu0.22.04.3` and of `5.15~22.04.1`.
fn ubuntu_release(version: &str) -> Option<String> {
    let parts: Vec<&str> = version.split(|c: char| !c.is_ascii_digit()).collect();
    let is_release = |pair: &[&str]| {
        let [year, month] = pair else { return false };
        year.len() == 2 && matches!(*month, "04" | "10")
    };
    let marked = version.contains("ubuntu") || version.contains('~');
    let found = parts.windows(2).rev().find(|pair| is_release(pair)).filter(|_| marked)?;
    Some(found.join("."))
}

/// The first two numbers of the upstream version.
fn numbers(version: &str) -> (&str, &str) {
    let upstream = super::epoch::without(version);
    let upstream = upstream.split('-').next().unwrap_or(upstream);
    let mut numbers =
        upstream.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_s_mark_is_found() {
        for (version, want) in [
            ("2.36-9+deb12u7", Some("deb12")),
            ("3.0.11-1~deb12u2", Some("deb12")),
            ("1.2-3~bpo12+1", Some("deb12")),
            ("4.14.3-28.el8_9", Some("el8")),
            ("1.1.1k-12.el8_9", Some("el8")),
            ("2.39-2.fc38", Some("fc38")),
            ("7.61.1-12.amzn2.0.1", Some("amzn2")),
            ("1.7.1-2.cm2", Some("cm2")),
            ("8.11.0-1.azl3", Some("azl3")),
            ("2.38.1-5ubuntu0.22.04.1", Some("22.04")),
            ("5.15.0~22.04.1", Some("22.04")),
            ("1.1.1f-1ubuntu2.19", None),
            ("1.36.1-r5", None),
            ("2024.04-1", None),
            ("1.2.debug3", None),
            ("modeldeb12", None),
        ] {
            assert_eq!(mark(version).as_deref(), want, "{version}");
        }
    }

    #[test]
    fn lines() {
        use Within::{OneReport, Reports};
        for (a, b, within, want) in [
            ("2.36-9+deb12u7", "2.36-9+deb12u9", OneReport, true),
            ("2.36-9+deb12u7", "2.31-13+deb11u9", Reports, false),
            ("2.5.0-1+deb12u1", "2.6.1-2", Reports, false),
            ("1.26.19", "2.2.2", Reports, false),
            ("2.3.1", "2.12.2", OneReport, false),
            ("2.3.1", "2.12.2", Reports, true),
            ("8.5.0-r0", "8.9.0-r0", Reports, true),
            ("1:9.0.30-1", "9.0.35-1", OneReport, true),
        ] {
            assert_eq!(is_same(a, b, within), want, "{a} {b} {within:?}");
            assert_eq!(is_same(b, a, within), want, "{b} {a} {within:?}");
        }
    }
}
