//! The order of versions of everything that is listed here: numbers between dots, then what stands
//! before a release.
//!
//! Go's (<https://go.dev/ref/mod#versions>), Cargo's and NuGet's are Semantic Versioning, of NuGet
//! with a fourth number; of RubyGems a part with letters, of Composer one behind a dash is before
//! the release. One reading fits them all.

use std::cmp::Ordering;

use imgfix_versions::{VersionOrder, ZeroFix};

/// The order, as the judge asks it.
pub const ORDER: VersionOrder = VersionOrder::new("listed", compare, ZeroFix::Unknown);

/// Compares two versions; `None`: one is none (`(devel)`, `dev-master`).
fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    Some(a.compare(&b))
}

struct Version<'a> {
    numbers: Vec<&'a str>,
    /// What is before the release; none: the release.
    before: Vec<&'a str>,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("go").unwrap_or(text);
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        // what is behind a plus says how it was built
        let text = text.split('+').next()?;
        let (release, mut before): (&str, Vec<&str>) = match text.split_once('-') {
            Some((release, before)) => (release, before.split('.').collect()),
            None => (text, Vec::new()),
        };
        let mut numbers = Vec::new();
        let mut parts = release.split('.');
        for part in parts.by_ref() {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            if !number.is_empty() {
                numbers.push(number.trim_start_matches('0'));
            }
            if !rest.is_empty() {
                // `1.21rc2`, `1.0.0.beta.3`
                let own = std::iter::once(rest).chain(parts);
                before = own.chain(std::mem::take(&mut before)).collect();
                break;
            }
            if number.is_empty() {
                return None;
            }
        }
        let is_version = release.starts_with(|c: char| c.is_ascii_digit());
        is_version.then_some(Self { numbers, before })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let at = |one: &Self, at: usize| -> (usize, String) {
            let number = one.numbers.get(at).copied().unwrap_or_default();
            (number.len(), number.to_owned())
        };
        let numbers = (0..length).map(|index| at(self, index).cmp(&at(other, index)));
        let first = numbers.into_iter().find(|order| order.is_ne());
        first.unwrap_or_else(|| match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => before(&self.before, &other.before),
        })
    }
}

/// The order of what is before a release (<https://semver.org/#spec-item-11>): numbers as such and
/// below texts; the longer one is above.
fn before(a: &[&str], b: &[&str]) -> Ordering {
    let one = |(a, b): (&&str, &&str)| {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let plain = |text: &str| text.trim_start_matches('0').to_owned();
        match (is_number(a), is_number(b)) {
            (true, true) => (plain(a).len(), plain(a)).cmp(&(plain(b).len(), plain(b))),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()),
        }
    };
    let first = a.iter().zip(b).map(one).find(|order| order.is_ne());
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_ordered() {
        // each is below the next
        for line in [
            "v0.0.0-20190308221718-c2843e01d9a2 v0.0.0-20220906165146-f3363e06e74c v0.1.0",
            "v1.9.9 v1.10.0-rc.1 v1.10.0-rc.2 v1.10.0-rc.10 v1.10.0",
            "go1.20.14 go1.21rc2 go1.21 1.21.8 v1.22.1",
            "1.0.0.beta 1.0.0.beta.2 1.0.0.rc1 1.0.0 1.0.0.1 1.0.1",
            "12.0.3 13.0.1-beta2 13.0.1 13.0.1.1",
            "2.2.3 2.2.3.1 2.2.6.4",
        ] {
            let all: Vec<&str> = line.split(' ').collect();
            for pair in all.windows(2) {
                assert_eq!(compare(pair[0], pair[1]), Some(Ordering::Less), "{pair:?}");
                assert_eq!(compare(pair[1], pair[0]), Some(Ordering::Greater), "{pair:?}");
            }
        }
        for (a, b) in [("v1.2", "1.2.0"), ("1.2.3+build", "1.2.3"), ("1.0-RC1", "1.0-rc1")] {
            assert_eq!(compare(a, b), Some(Ordering::Equal), "{a} {b}");
        }
        for text in ["(devel)", "dev-master", "", "x", "-1", "1..2"] {
            assert_eq!(compare(text, "1"), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[0-9a-c.+-]{0,8}", b in "[0-9a-c.+-]{0,8}", c in "[0-9a-c.+-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).map(Ordering::reverse));
            if compare(&a, &b) == Some(Ordering::Less) && compare(&b, &c) == Some(Ordering::Less) {
                prop_assert_eq!(compare(&a, &c), Some(Ordering::Less));
            }
        }
    }
}
