//! Which copies of libraries have problems, and which versions free them.
//!
//! In come the store's components and the requests; out come [`Target`]s, one for each copy that can
//! be changed, and reasons for the findings of others. Of the versions that a registry has
//! [`Target::candidates`] are those that free most, the smallest first.

use std::cmp::Ordering;

use imgfix_model::component::{Component, Library};
use imgfix_model::finding::Finding;
use imgfix_model::plan::Unfixed;
use imgfix_model::reason::{Reason, UnknownFix};
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_versions::VersionText;

use crate::judge::{At, Claims, Components, Demand, State};

/// A copy of a library with problems that a version may fix.
pub struct Target<'a> {
    /// The copy.
    pub library: &'a Library,
    /// What is wrong with it, with the versions that fix it.
    pub problems: Vec<(&'a Finding, Claims)>,
}

/// Versions for a target.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidates {
    /// Each frees the same number of problems, the most that any does; the smallest first.
    pub versions: Vec<VersionText>,
    /// Problems that none of them fixes, by position, each with its reason.
    pub left: Vec<(usize, Reason)>,
}

/// What there is to do about `finding` for one copy.
pub enum Affected {
    /// Nothing: it does not have the problem.
    Free,
    /// A version may fix it.
    By(Claims),
    /// Nothing can.
    Left(Reason),
}

/// Whether a copy has a finding's problem.
#[must_use]
pub fn affected(finding: &Finding, component: &Component<'_>, of: &Components<'_>) -> Affected {
    match of.demand(finding) {
        Demand::Versions(claims) => match of.state(&claims, finding, component, of) {
            State::Free => Affected::Free,
            State::Affected => Affected::By(claims),
            other => {
                let reason = crate::judge::reason(finding, &claims, other, component.version);
                Affected::Left(reason.unwrap_or(Reason::NoFixedVersion))
            }
        },
        Demand::NeverAffected => Affected::Free,
        Demand::OtherRelease(release) => Affected::Left(Reason::OtherRelease { release }),
        Demand::NoFix(status) => Affected::Left(Reason::no_fix(status)),
        Demand::Unknown(because) => Affected::Left(Reason::NotRepairable {
            component: component.name.to_owned(),
            detail: match because {
                UnknownFix::NotSaid => "the report names no version that fixes it".to_owned(),
                word @ UnknownFix::Word { .. } => word.to_string(),
            },
        }),
    }
}

impl Target<'_> {
    /// The versions of `offered` that free most of its problems, within `most`.
    #[must_use]
    pub fn candidates(
        &self,
        offered: &[VersionText],
        most: UpgradeLevel,
        of: &Components<'_>,
    ) -> Candidates {
        let own = self.library.version.as_ref();
        let compare = |a: &VersionText, b: &VersionText| {
            of.order.compare(a.as_ref(), b.as_ref()).unwrap_or_else(|| a.0.cmp(&b.0))
        };
        let newer =
            |one: &&VersionText| of.order.compare(one.as_ref(), own) == Some(Ordering::Greater);
        let mut newer: Vec<&VersionText> = offered.iter().filter(newer).collect();
        newer.sort_by(|a, b| compare(a, b));
        newer.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
        let is_free = |at: usize, version: &VersionText| {
            self.problems.get(at).is_some_and(|(finding, claims)| {
                let at = |version| At { version, source_version: version };
                claims.state(finding, Some(at(own)), at(version.as_ref()), of.order) == State::Free
            })
        };
        let all = 0..self.problems.len();
        let freed = |version: &VersionText| all.clone().filter(|at| is_free(*at, version)).count();
        let within = |one: &VersionText| UpgradeLevel::between(own, one.as_ref()) <= most;
        let allowed: Vec<(&VersionText, usize)> =
            newer.iter().filter(|one| within(one)).map(|one| (*one, freed(one))).collect();
        let best = allowed.iter().map(|(_, freed)| *freed).max().unwrap_or_default();
        let versions: Vec<VersionText> = match best {
            0 => Vec::new(),
            _ => allowed.iter().filter(|one| one.1 == best).map(|one| one.0.clone()).collect(),
        };
        let left = all.filter_map(|at| {
            if versions.first().is_some_and(|first| is_free(at, first)) {
                return None;
            }
            let wanted = newer.iter().find(|one| is_free(at, one));
            Some((at, self.left(at, wanted.copied(), newer.last().copied(), most)))
        });
        let left = left.collect();
        Candidates { versions, left }
    }

    /// Why a problem stays: `wanted` is the first version that fixes it, `newest` the last of all.
    fn left(
        &self,
        at: usize,
        wanted: Option<&VersionText>,
        newest: Option<&VersionText>,
        most: UpgradeLevel,
    ) -> Reason {
        let Library { name, version, .. } = self.library;
        match wanted {
            Some(wanted) => {
                let level = UpgradeLevel::between(version.as_ref(), wanted.as_ref());
                match level > most {
                    true => Reason::BeyondUpgrades {
                        component: name.clone(),
                        installed: version.to_string(),
                        wanted: wanted.to_string(),
                        level,
                    },
                    // another one fixes more of its problems
                    false => Reason::NotRepairable {
                        component: name.clone(),
                        detail: format!(
                            "no one version fixes this and its other problems ({wanted} fixes this)"
                        ),
                    },
                }
            }
            None => {
                let claims = self.problems.get(at).map(|(_, claims)| claims);
                let fixed: Vec<&str> = claims.into_iter().flat_map(Claims::versions).collect();
                Reason::NotInRepositories {
                    wanted: fixed.join(" or "),
                    newest: Some(newest.unwrap_or(version).to_string()),
                }
            }
        }
    }
}

/// Its problems, each left for `reason`; nothing without one.
pub fn all_left<'a>(
    target: &'a Target<'_>,
    reason: Option<&'a Reason>,
) -> impl Iterator<Item = Unfixed> + 'a {
    let left = move |finding: &Finding| {
        Some(Unfixed { finding: finding.clone(), reason: reason?.clone() })
    };
    target.problems.iter().filter_map(move |(finding, _)| left(finding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::description::Description;
    use imgfix_model::finding::Class;
    use imgfix_model::path::ImagePath;
    use imgfix_versions::VersionOrder;

    /// What `installed` may go to, when each of `fixed` is a problem's fixed versions.
    fn candidates(installed: &str, fixed: &[&str], offered: &str, most: UpgradeLevel) -> String {
        let library = Library {
            name: "urllib3".into(),
            version: installed.into(),
            path: ImagePath::literal("/venv/urllib3/METADATA"),
            owner: None,
            description: Description::default(),
            mitigated: Vec::new(),
        };
        let findings: Vec<Finding> = fixed
            .iter()
            .enumerate()
            .map(|(at, fixed)| Finding {
                class: Class::Library,
                fixed: Some((*fixed).to_owned()),
                ..Finding::system(&format!("CVE-{at}"), "urllib3", installed)
            })
            .collect();
        let components = Components {
            all: vec![Component::from(&library)],
            order: VersionOrder::DPKG,
            same_name: |a, b| a == b,
        };
        let problems = findings.iter().map(|finding| {
            match affected(finding, &components.all[0], &components) {
                Affected::By(claims) => (finding, claims),
                _ => panic!("{finding:?}"),
            }
        });
        let target = Target { library: &library, problems: problems.collect() };
        let offered: Vec<VersionText> = offered.split(' ').map(VersionText::from).collect();
        let found = target.candidates(&offered, most, &components);
        let versions: Vec<&str> = found.versions.iter().map(AsRef::as_ref).collect();
        let left = found.left.iter().map(|(at, reason)| format!("; {at}: {reason}"));
        format!("{}{}", versions.join(" "), left.collect::<String>())
    }

    #[test]
    fn the_smallest_versions_that_fix_most_within_the_level() {
        use UpgradeLevel::{Major, Minor, Patch};
        const OFFERED: &str = "2.2.2 1.26.4 1.26.5 1.26.19 1.27.0 1.25.1 1.26.20";
        for (fixed, most, want) in [
            (&["1.26.5"][..], Patch, "1.26.5 1.26.19 1.26.20"),
            (&["1.26.5", "1.26.19"], Patch, "1.26.19 1.26.20"),
            (&["1.27"], Minor, "1.27.0"),
            (
                &["1.26.5", "1.27"],
                Patch,
                "1.26.5 1.26.19 1.26.20; 1: urllib3 1.26.4 is fixed in 1.27.0, a minor upgrade: \
                 allow it with --library-upgrades minor",
            ),
            (
                &["2.2"],
                Minor,
                "; 0: urllib3 1.26.4 is fixed in 2.2.2, a major upgrade: allow it with \
                 --library-upgrades major",
            ),
            (&["2.2"], Major, "2.2.2"),
            (&["3.0"], Major, "; 0: the repositories have 2.2.2, not yet 3.0"),
        ] {
            let found = candidates("1.26.4", fixed, OFFERED, most);
            assert_eq!(found, want, "{fixed:?} {most}");
        }
        // nothing goes back
        let back = candidates("3.0", &["3.1"], "2.0 3.0", Major);
        assert_eq!(back, "; 0: the repositories have 3.0, not yet 3.1");
    }
}
