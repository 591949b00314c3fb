//! Versions as apk orders them: `1.2.3a_rc1-r4`.
//!
//! In comes a version as written in a package, an index or a dependency. A version is a row of
//! tokens: numbers, at most one letter, suffixes that come before the plain version (`_alpha`,
//! `_beta`, `_pre`, `_rc`) or after it (`_cvs`, `_svn`, `_git`, `_hg`, `_p`), and a revision. What
//! a version is and which is the higher, apk 2 ([`apk2`]) and apk 3 ([`apk3`]) see differently:
//! see [`Generation`].

mod apk2;
mod apk3;
pub mod generation;

pub use generation::Generation;

/// A version, kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

/// How much of two versions must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Whole,
    Prefix,
}

impl Version {
    /// Keeps the text; whether an apk takes it for a version is asked later.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The version as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether any apk takes the text for a version; the one in the image need not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        Generation::ALL.iter().any(|generation| generation.is_valid(&self.0))
    }

    /// Of a release of apk itself: whether it came before another.
    #[must_use]
    pub fn is_before(&self, release: &str) -> bool {
        Generation::Apk3.compare(self, &Self::new(release)).is_lt()
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const APK_2: Generation = Generation::Apk2;
    const APK_3: Generation = Generation::Apk3;

    fn order(by: Generation, a: &str, b: &str) -> Ordering {
        by.compare(&Version::new(a), &Version::new(b))
    }

    fn wanted(sign: &str) -> Ordering {
        match sign {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            ">" => Ordering::Greater,
            _ => panic!("{sign} is not <, = or >"),
        }
    }

    #[test]
    fn versions_are_ordered_as_apk_orders_them() {
        for (a, by_apk_2, by_apk_3, b) in [
            ("1.0", "<", "<", "1.1"),
            ("1.10", ">", ">", "1.9"),
            ("1.0-r1", "<", "<", "1.0-r10"),
            ("1.0", "<", "<", "1.0-r0"),
            ("1.0_rc1", "<", "<", "1.0"),
            ("1.0_alpha", "<", "<", "1.0_beta"),
            ("1.0_p1", ">", ">", "1.0"),
            ("1.0a", ">", ">", "1.0"),
            ("1.0.0", ">", ">", "1.0"),
            ("1.01", "<", "<", "1.1"),
            ("1.001", "<", "<", "1.01"),
            ("1.2_git20200101", "<", "<", "1.2_git20200102"),
            ("3.0.14-r0", "=", "=", "3.0.14-r0"),
            // A leading zero.
            ("1.016-r0", ">", "<", "1.04-r0"),
            ("6.037", ">", "<", "6.04"),
            ("1.00", "<", ">", "1.0_rc1"),
            ("0.1.010", "<", "<", "0.1.1"),
            // A commit.
            ("1.0~abc123", ">", "<", "1.0_p1"),
            ("1.0~abc123-r1", "=", ">", "1.0~abc123"),
            // More than 18 digits, and more than 64 bits.
            ("20240101123456789012", "=", "<", "20240101123456789013"),
            ("18446744073709551617", "=", "=", "18446744073709551617"),
        ] {
            for (by, sign) in [(APK_2, by_apk_2), (APK_3, by_apk_3)] {
                assert_eq!(order(by, a, b), wanted(sign), "{by:?} {a} {b}");
                assert_eq!(order(by, b, a), wanted(sign).reverse(), "{by:?} {b} {a}");
            }
        }
    }

    /// What the real apks say of pairs that they order differently: a file of lines
    /// `A B 2.14:SIGN 3.0:SIGN`.
    #[test]
    fn pairs_that_the_generations_order_differently_are_ordered_as_by_the_real_apks() {
        let pairs = include_str!("../../../fixtures/apk/apk-3.0.6/version-pairs.txt");
        let mut checked = 0;
        for line in pairs.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let [a, b, by_apk_2, by_apk_3] = words[..] else { panic!("{line}") };
            let sign = |text: &str, apk: &str| wanted(text.strip_prefix(apk).expect(apk));
            assert_eq!(order(APK_2, a, b), sign(by_apk_2, "2.14:"), "{line}");
            assert_eq!(order(APK_3, a, b), sign(by_apk_3, "3.0:"), "{line}");
            checked += 1;
        }
        assert_eq!(checked, 298);
    }

    #[test]
    fn what_is_a_version_is_what_the_generation_says() {
        for (text, by_apk_2, by_apk_3) in [
            ("1", true, true),
            ("1.2.3a_rc1_p2-r4", true, true),
            ("1.2.3a_git20240101-r0", true, true),
            ("1.0~abc123-r1", false, true),
            ("1.0~ABC", false, false),
            ("1.0~-r1", false, false),
            ("1.0a1", true, false),
            ("1.0-r1-r2", true, false),
            ("1.", true, false),
            ("1..2", true, false),
            ("1.0_px", false, false),
            ("1.0_foo", false, false),
            ("a", true, false),
            ("", true, false),
            ("1.0-", false, false),
            ("1.0-r", true, false),
            ("1.0-p1", false, false),
            ("1,2", false, false),
            ("1.2345678901234567890", false, true),
        ] {
            let known = [APK_2, APK_3].map(|by| by.is_valid(text));
            assert_eq!(known, [by_apk_2, by_apk_3], "{text:?}");
            assert_eq!(Version::new(text).is_known(), by_apk_2 || by_apk_3);
        }
    }

    #[test]
    fn a_prefix_is_continued() {
        for (whole, prefix, by_apk_2, by_apk_3) in [
            ("1.2.3-r0", "1.2", true, true),
            ("1.20", "1.2", false, false),
            ("1.2", "1.2.3", true, false),
            ("1.02", "1.0", false, false),
            ("1.2~abc-r0", "1.2", true, true),
            ("1.2_rc1", "1.2", true, true),
            ("1.2", "1.2", true, true),
        ] {
            let continues =
                |by: Generation| by.continues(&Version::new(whole), &Version::new(prefix));
            assert_eq!([APK_2, APK_3].map(continues), [by_apk_2, by_apk_3], "{whole} {prefix}");
        }
    }

    fn any_version() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}[a-c]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]{0,3}){0,2}(~[0-9a-f]{1,4})?(-r[0-9]{1,2})?",
            1 => "[0-9a-c._~-]{1,10}",
        ]
    }

    fn any_generation() -> impl Strategy<Value = Generation> {
        proptest::sample::select(&Generation::ALL)
    }

    proptest! {
        #[test]
        fn the_order_of_valid_versions_is_antisymmetric(
            by in any_generation(), a in any_version(), b in any_version(),
        ) {
            if by.is_valid(&a) && by.is_valid(&b) {
                prop_assert_eq!(order(by, &a, &b), order(by, &b, &a).reverse());
            }
            prop_assert_eq!(order(by, &a, &a), Ordering::Equal);
        }

        #[test]
        fn arbitrary_text_never_panics(by in any_generation(), a: String, b: String) {
            let _ = order(by, &a, &b);
            let _ = by.is_valid(&a);
            let _ = by.continues(&Version::new(a), &Version::new(b));
        }
    }

    /// Asks the apk of a real root file system, unpacked under `$IMGFIX_ALPINE_ROOT`.
    #[test]
    #[ignore = "needs root and an Alpine root file system in IMGFIX_ALPINE_ROOT"]
    fn the_real_apk_agrees() {
        let root = std::env::var("IMGFIX_ALPINE_ROOT").expect("IMGFIX_ALPINE_ROOT");
        let installed = std::fs::read(Path::new(&root).join("lib/apk/db/installed")).unwrap();
        let generation = Generation::of(&installed, || false);
        let mut runner = proptest::test_runner::TestRunner::default();
        let pair = (any_version(), any_version());
        for _ in 0..2000 {
            let (a, b) =
                proptest::strategy::ValueTree::current(&pair.new_tree(&mut runner).unwrap());
            let output = Command::new("chroot")
                .args([Path::new(&root).as_os_str()])
                .args(["/sbin/apk", "version", "-t", "--", &a, &b])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let ours = match order(generation, &a, &b) {
                Ordering::Less => "<",
                Ordering::Equal => "=",
                Ordering::Greater => ">",
            };
            assert_eq!(ours, said, "{a} {b}");
        }
    }
}
