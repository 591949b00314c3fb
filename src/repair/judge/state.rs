//! Whether a version has what a finding demands.

use std::cmp::Ordering;

use super::demand::Claims;
use super::epoch::{self, Reading};
use super::line::{self, Within};
use imgfix_model::component::Component;
use imgfix_model::finding::{Claim, Finding, Naming};
use imgfix_model::reason::Reason;
use imgfix_versions::VersionOrder;

/// A version of an installed package, and that of the source package it was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The package's own.
    pub version: &'a str,
    /// The source package's; the same where there is none.
    pub source_version: &'a str,
}

impl<'a> At<'a> {
    /// The versions of a component.
    #[must_use]
    pub fn of(component: &Component<'a>) -> Self {
        Self { version: component.version, source_version: component.source_version }
    }
}

/// Whether a package at some version has a finding's problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does not.
    Free,
    /// It has, or nothing proves that it has not.
    Affected,
    /// Reports disagree: these hold it free, those affected.
    Disputed {
        /// Names of reports, in the order of the claims.
        free: Vec<String>,
        /// Names of reports, in the order of the claims.
        affected: Vec<String>,
    },
    /// It depends on an epoch that the report has lost.
    EpochUnclear,
}

/// Whether the report saw this version, its epoch apart.
#[must_use]
pub fn saw(finding: &Finding, at: At<'_>, order: VersionOrder) -> bool {
    [at.version, at.source_version].into_iter().any(|own| {
        own == finding.installed
            || order.compare(own, &finding.installed) == Some(Ordering::Equal)
            || (epoch::of(&finding.installed) == "0" && epoch::without(own) == finding.installed)
    })
}

impl Claims {
    /// Whether the package, which was at `before` when the report was made (`None`: it was not
    /// there), is free of the problem at `at`.
    #[must_use]
    pub fn state(
        &self,
        finding: &Finding,
        before: Option<At<'_>>,
        at: At<'_>,
        order: VersionOrder,
    ) -> State {
        let question = Question { finding, before, order };
        let one =
            |claim: &Claim, within| question.state(&fixes(std::slice::from_ref(claim)), at, within);
        let claims = self.claims.as_slice();
        if let [only] = claims {
            return one(only, Within::OneReport);
        }
        let of_all = question.state(&fixes(claims), at, Within::Reports);
        let mut free = Vec::new();
        let mut affected = Vec::new();
        for claim in claims {
            match one(claim, Within::OneReport) {
                State::Free => free.push(claim.report.clone()),
                State::EpochUnclear => return State::EpochUnclear,
                _ => affected.push(claim.report.clone()),
            }
        }
        match (of_all, free.is_empty(), affected.is_empty()) {
            (State::Free, ..) => State::Free,
            (_, false, false) => State::Disputed { free, affected },
            (other, ..) => other,
        }
    }
}

/// The reason of a state that is neither free nor plainly affected, at `version`.
#[must_use]
pub fn reason(finding: &Finding, claims: &Claims, state: State, version: &str) -> Option<Reason> {
    match state {
        State::Free | State::Affected => None,
        State::Disputed { free, affected } => Some(Reason::ReportsDisagree {
            installed: version.to_owned(),
            fixed_for: free,
            affected_for: affected,
        }),
        State::EpochUnclear => Some(Reason::EpochUnclear {
            seen: finding.installed.clone(),
            fixed: claims.versions().collect::<Vec<_>>().join(", "),
        }),
    }
}

fn fixes(claims: &[Claim]) -> Vec<&str> {
    claims.iter().flat_map(|claim| &claim.fixed).map(String::as_str).collect()
}

/// One finding, about one package.
struct Question<'a> {
    finding: &'a Finding,
    before: Option<At<'a>>,
    order: VersionOrder,
}

impl Question<'_> {
    /// Whether `at` is free when the problem is fixed in each of `fixes`, one a line.
    fn state(&self, fixes: &[&str], at: At<'_>, within: Within) -> State {
        let mut reached: Vec<&str> = Vec::new();
        let mut above: Vec<&str> = Vec::new();
        for fix in fixes {
            match self.reaches(at, fix) {
                Some(true) => reached.push(fix),
                Some(false) => above.push(fix),
                None => return State::EpochUnclear,
            }
        }
        let newest =
            reached.into_iter().max_by(|a, b| self.order.compare(a, b).unwrap_or_else(|| a.cmp(b)));
        let Some(newest) = newest else { return State::Affected };
        // In the line of a fix that is not reached, or in none that is known.
        let own = |fix: &str| {
            line::is_same(at.source_version, fix, within) || line::is_same(at.version, fix, within)
        };
        let strict = above.iter().any(|fix| line::is_same(newest, fix, within) || own(fix));
        match strict || (!above.is_empty() && !own(newest)) {
            true => State::Affected,
            false => State::Free,
        }
    }

    /// Whether `at` is the fixed version or a newer one; `None`: it depends on a lost epoch.
    fn reaches(&self, at: At<'_>, fixed: &str) -> Option<bool> {
        let installed: Vec<&str> =
            self.before.iter().flat_map(|one| [one.version, one.source_version]).collect();
        let as_written = || self.is_at_least(at, fixed);
        let without = || {
            let at = At {
                version: epoch::without(at.version),
                source_version: epoch::without(at.source_version),
            };
            self.is_at_least(at, epoch::without(fixed))
        };
        match epoch::reading(&self.finding.installed, &installed, fixed) {
            Reading::AsWritten => Some(as_written()),
            Reading::WithoutEpoch => Some(without()),
            Reading::Both => (as_written() == without()).then(without),
        }
    }

    /// Fixed versions in security data count the source package; some reports name the binary
    /// package's.
    fn is_at_least(&self, at: At<'_>, fixed: &str) -> bool {
        let reaches = |own: &str| self.order.compare(own, fixed).is_some_and(Ordering::is_ge);
        if self.finding.naming == Naming::Source {
            return reaches(at.source_version);
        }
        let is_own = self.order.compare(at.version, fixed) == Some(Ordering::Equal);
        let fixed_epoch = epoch::of(fixed);
        let counts_binaries = epoch::of(at.source_version) != epoch::of(at.version)
            && fixed_epoch == epoch::of(at.version);
        is_own || reaches(if counts_binaries { at.version } else { at.source_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Demand;

    fn state(finding: &Finding, before: &str, at: &str) -> State {
        let order = VersionOrder::DPKG;
        /// `binary source`, or both in one.
        fn both(text: &str) -> At<'_> {
            let (version, source_version) = text.split_once(' ').unwrap_or((text, text));
            At { version, source_version }
        }
        match Demand::of(finding, order) {
            Demand::Versions(claims) => claims.state(finding, Some(both(before)), both(at), order),
            other => panic!("{other:?}"),
        }
    }

    fn finding(installed: &str, fixed: &[&str]) -> Finding {
        Finding {
            fixed: fixed.first().map(|text| (*text).to_owned()),
            also_fixed_in: fixed.iter().skip(1).map(|text| (*text).to_owned()).collect(),
            ..Finding::system("CVE-1", "a", installed)
        }
    }

    fn claims(claims: &[(&str, &[&str])]) -> Finding {
        let claim = |(report, fixed): &(&str, &[&str])| Claim {
            report: (*report).to_owned(),
            fixed: fixed.iter().map(|text| (*text).to_owned()).collect(),
        };
        Finding { claims: claims.iter().map(claim).collect(), ..finding("", &[]) }
    }

    #[test]
    fn a_version_is_held_against_the_fix() {
        use State::{Affected, EpochUnclear, Free};
        for (installed, before, fixed, at, want) in [
            ("1", "1", &["2"][..], "2", Free),
            ("1", "1", &["2"], "1.9", Affected),
            // binNMU: the binary's version is the fix
            ("1", "1", &["2-1+b1"], "2-1+b1 2-1", Free),
            // the binary's version is larger than the source's, and does not count
            ("4:12.2.0-3", "4:12.2.0-3 1.203", &["1.204"], "4:12.2.0-3 1.203", Affected),
            ("4:12.2.0-3", "4:12.2.0-3 1.203", &["1.203"], "4:12.2.0-3 1.203", Free),
            // a fix that counts binaries
            ("4:12.2.0-3", "4:12.2.0-3 1.203", &["4:12.2.0-4"], "4:12.2.0-5 1.210", Free),
            ("1.2", "1.2 5:1.2", &["1.3"], "1.2 5:1.2", Affected),
            // epochs lost on the way
            ("4.13-2", "1:4.13-2", &["4.13-9"], "1:4.13-2", Affected),
            ("4.13-2", "1:4.13-2", &["4.13-9"], "1:4.13-9", Free),
            ("1:4.13-2", "1:4.13-2", &["4.13-9"], "1:4.13-2", EpochUnclear),
            ("1:4.13-2", "1:4.13-2", &["4.13-9"], "1:4.13-9", Free),
            ("4.13-2", "4.13-2", &["1:4.13-9"], "4.13-9", EpochUnclear),
            // lines of releases, in any order
            ("", "2.30-1", &["2.31-13+deb11u9", "2.36-9+deb12u7"], "2.31-13+deb11u9", Free),
            ("", "2.30-1", &["2.36-9+deb12u7", "2.31-13+deb11u9"], "2.36-9+deb12u3", Affected),
            ("", "2.30-1", &["2.36-9+deb12u7", "2.31-13+deb11u9"], "2.36-9+deb12u7", Free),
            ("", "1.26.4", &["2.2.2", "1.26.19"], "1.26.20", Free),
            ("", "1.26.4", &["2.2.2", "1.26.19"], "2.0.7", Affected),
            ("", "2.0", &["2.15.0", "2.12.2", "2.3.1"], "2.10.0", Affected),
            ("", "2.0", &["2.15.0", "2.12.2", "2.3.1"], "2.3.2", Free),
            // one line, named twice: the strictest counts
            ("", "2.36-9", &["2.36-9+deb12u7", "2.36-9+deb12u9"], "2.36-9+deb12u7", Affected),
            ("", "2.36-9", &["2.36-9+deb12u9", "2.36-9+deb12u7"], "2.36-9+deb12u9", Free),
        ] {
            let finding = finding(installed, fixed);
            assert_eq!(state(&finding, before, at), want, "{installed} {before} {fixed:?} {at}");
        }
    }

    #[test]
    fn reports_that_disagree_are_named() {
        let two = claims(&[("a.json", &["2.36-9+deb12u7"]), ("b.json", &["2.36-9+deb12u9"])]);
        let disputed =
            State::Disputed { free: vec!["a.json".into()], affected: vec!["b.json".into()] };
        for (finding, at, want) in [
            (&two, "2.36-9+deb12u6", State::Affected),
            (&two, "2.36-9+deb12u7", disputed.clone()),
            (&two, "2.36-9+deb12u9", State::Free),
            // different releases' versions are no disagreement
            (
                &claims(&[("a.json", &["2.36-9+deb12u7"]), ("b.json", &["2.41-2"])]),
                "2.36-9+deb12u7",
                State::Free,
            ),
            // without a mark of the release it is one
            (&claims(&[("a.json", &["8.5.0-1"]), ("b.json", &["8.9.0-1"])]), "8.5.0-1", disputed),
        ] {
            assert_eq!(state(finding, "2.36-9", at), want, "{at}");
        }
    }

    #[test]
    fn a_source_s_finding_counts_source_versions() {
        let of_source = Finding { naming: Naming::Source, ..finding("1.203", &["1.204"]) };
        assert_eq!(state(&of_source, "4:12 1.203", "4:12 1.203"), State::Affected);
        assert_eq!(state(&of_source, "4:12 1.203", "4:13 1.204"), State::Free);
    }
}
