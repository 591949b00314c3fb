//! Version ranges as CycloneDX has them: `vers:deb/>=1.0|<2.0`.
//!
//! Source: <https://github.com/package-url/vers-spec/blob/main/VERSION-RANGE-SPEC.rst>. Only
//! ranges of distributions whose order of versions is known are decided.

use std::cmp::Ordering;

use imgfix_versions::VersionOrder;

/// Constraints of one range; more is no range that somebody wrote.
const MAX_CONSTRAINTS: usize = 1000;

/// The orders of versions by the range's scheme: a package URL's type, or the specification's
/// own word for it. Where several orders stand, they differ in some versions, and which one the
/// image follows is not known here: such a range is not decided. Families are no help: they know
/// their type, and this room knows no family.
const ORDERS: &[(&[&str], &[VersionOrder])] = &[
    (&["deb", "debian"], &[VersionOrder::DPKG]),
    (&["apk", "alpine"], &[VersionOrder::APK2, VersionOrder::APK3]),
    (&["rpm"], &[VersionOrder::RPM]),
];

/// Whether a range holds a version; `None` when that cannot be told.
pub(super) fn contains(range: &str, version: &str) -> Option<bool> {
    let (scheme, constraints) = range.trim().strip_prefix("vers:")?.split_once('/')?;
    if constraints.trim() == "*" {
        return Some(true);
    }
    let (_, orders) = ORDERS.iter().find(|(schemes, _)| schemes.contains(&scheme))?;
    let compare = |bound: &str| {
        let mut answers = orders.iter().map(|order| order.compare(version, bound));
        let first = answers.next()??;
        answers.all(|other| other == Some(first)).then_some(first)
    };
    let mut all = Vec::new();
    for text in constraints.split('|') {
        let text = text.trim();
        let at = text.find(|c: char| !"<>=!".contains(c))?;
        let (operator, bound) = text.split_at_checked(at)?;
        all.push((operator, compare(bound)?));
    }
    if all.len() > MAX_CONSTRAINTS {
        return None;
    }
    let equal = |operators: &[&str]| {
        all.iter().any(|(operator, order)| operators.contains(operator) && order.is_eq())
    };
    if equal(&["", "=", "<=", ">="]) {
        return Some(true);
    }
    if equal(&["!=", "<", ">"]) {
        return Some(false);
    }
    // What is left are half-lines and the spans between them, in the versions' order.
    let mut bounds: Vec<(bool, Ordering)> = all
        .iter()
        .filter(|(operator, _)| operator.starts_with(['<', '>']))
        .map(|(operator, order)| (operator.starts_with('>'), *order))
        .collect();
    // Bounds below the version first: the version is greater than them.
    bounds.sort_by_key(|(_, order)| order.reverse());
    let below = bounds.iter().rev().find(|(_, order)| order.is_gt());
    let above = bounds.iter().find(|(_, order)| order.is_lt());
    Some(match (below, above) {
        (Some((opens, _)), Some((goes_on, _))) => *opens && !*goes_on,
        (Some((opens, _)), None) => *opens,
        (None, Some((goes_on, _))) => !*goes_on,
        (None, None) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_they_say() {
        for (range, version, want) in [
            ("vers:deb/<2.36-9+deb12u7", "2.36-9+deb12u4", Some(true)),
            ("vers:deb/<2.36-9+deb12u7", "2.36-9+deb12u7", Some(false)),
            ("vers:deb/<=2.36", "2.36", Some(true)),
            ("vers:deb/>=1.0|<2.0", "1.5", Some(true)),
            ("vers:deb/>=1.0|<2.0", "2.0", Some(false)),
            ("vers:deb/>=1.0|<2.0", "0.9", Some(false)),
            ("vers:deb/>=1.0|<2.0|>=3.0|<4.0", "2.5", Some(false)),
            ("vers:deb/>=1.0|<2.0|>=3.0|<4.0", "3.1", Some(true)),
            ("vers:deb/>=1.0|<2.0|>=3.0", "9", Some(true)),
            ("vers:deb/<1.0|>=2.0", "0.1", Some(true)),
            ("vers:deb/1.0|1.2", "1.2", Some(true)),
            ("vers:deb/=1.0", "1.1", Some(false)),
            ("vers:deb/!=1.0", "1.0", Some(false)),
            ("vers:deb/>1.0~rc1", "1.0", Some(true)),
            ("vers:alpine/>=1.2.3-r0|<1.2.3-r4", "1.2.3-r1", Some(true)),
            ("vers:alpine/<1.016-r0", "1.04-r0", None),
            ("vers:rpm/<1:3.0.7-27.el9", "1:3.0.7-25.el9_3", Some(true)),
            ("vers:rpm/<1:3.0.7-27.el9", "1:3.0.7-27.el9", Some(false)),
            ("vers:deb/*", "1", Some(true)),
            ("vers:npm/<1", "0", None),
            ("vers:deb/<", "1", None),
            ("<1", "0", None),
        ] {
            assert_eq!(contains(range, version), want, "{range} {version}");
        }
    }
}
