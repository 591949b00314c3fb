//! What a package must reach for a finding to be fixed: the versions that reports name, or the
//! reason that there is none to reach.

use super::is_version;
use imgfix_model::finding::{Claim, Finding, FixStatus};
use imgfix_model::reason::UnknownFix;
use imgfix_versions::{VersionOrder, ZeroFix};

/// What a finding demands of the packages that it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// A version must reach what is claimed.
    Versions(Claims),
    /// No version was ever affected.
    NeverAffected,
    /// The report names no version that counts: an upgrade may help, and cannot be proven to.
    Unknown(UnknownFix),
    /// The report is about this release (`ubuntu 22.04`), not the image's: its versions say
    /// nothing here.
    OtherRelease(String),
    /// Who maintains the package says that there is no fixed version: its status, one of those
    /// that mean so.
    NoFix(FixStatus),
}

/// The fixed versions, by who names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Never empty, and no claim is; versions only.
    pub(super) claims: Vec<Claim>,
}

impl Claims {
    /// Every fixed version, in the order of the text, each once.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        let all: std::collections::BTreeSet<&str> =
            self.claims.iter().flat_map(|claim| &claim.fixed).map(String::as_str).collect();
        all.into_iter()
    }
}

impl Demand {
    /// What `finding` demands.
    #[must_use]
    pub fn of(finding: &Finding, order: VersionOrder) -> Self {
        if let Some(release) = &finding.other_release {
            return Demand::OtherRelease(release.clone());
        }
        let named: Vec<&String> = finding.fixed.iter().chain(&finding.also_fixed_in).collect();
        let all = match finding.claims.is_empty() {
            true => vec![Claim {
                report: String::new(),
                fixed: named.iter().map(|version| (*version).clone()).collect(),
            }],
            false => finding.claims.clone(),
        };
        let mut claims: Vec<Claim> = Vec::new();
        for mut claim in all {
            claim.fixed.retain(|text| is_version(text, order) && !is_zero(text));
            if !claim.fixed.is_empty() {
                claims.push(claim);
            }
        }
        if !claims.is_empty() {
            return Demand::Versions(Claims { claims });
        }
        if order.zero() == ZeroFix::NeverAffected && named.iter().any(|text| is_zero(text)) {
            return Demand::NeverAffected;
        }
        if let Some(status) = finding.status.filter(|status| means_no_fix(*status)) {
            return Demand::NoFix(status);
        }
        let word = named.iter().find(|text| !is_zero(text) && !text.trim().is_empty());
        Demand::Unknown(match word {
            Some(word) => UnknownFix::Word { word: (*word).clone() },
            None => UnknownFix::NotSaid,
        })
    }
}

/// `0` in its forms: `0`, `0:0`, `0-0`, `0.0`.
fn is_zero(text: &str) -> bool {
    let text = text.trim();
    text.contains('0') && text.chars().all(|c| matches!(c, '0' | ':' | '-' | '.' | '~'))
}

/// Whether a status without a fixed version says that there is none.
fn means_no_fix(status: FixStatus) -> bool {
    match status {
        FixStatus::Affected
        | FixStatus::WillNotFix
        | FixStatus::Deferred
        | FixStatus::EndOfLife
        | FixStatus::UnderInvestigation => true,
        FixStatus::Fixed | FixStatus::NotAffected => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(fixed: &[&str], status: Option<FixStatus>, zero: ZeroFix) -> String {
        let order = VersionOrder::new("bytes", |a, b| Some(a.cmp(b)), zero);
        let finding = Finding {
            fixed: fixed.first().map(|text| (*text).to_owned()),
            also_fixed_in: fixed.iter().skip(1).map(|text| (*text).to_owned()).collect(),
            status,
            ..Finding::system("CVE-1", "a", "1")
        };
        match Demand::of(&finding, order) {
            Demand::Versions(claims) => claims.versions().collect::<Vec<_>>().join(" "),
            Demand::NeverAffected => "never affected".to_owned(),
            Demand::Unknown(why) => why.to_string(),
            Demand::NoFix(status) => format!("{status:?}"),
            Demand::OtherRelease(release) => release,
        }
    }

    #[test]
    fn words_and_zeros_are_no_versions() {
        use FixStatus::{Affected, Deferred, EndOfLife, Fixed, UnderInvestigation, WillNotFix};
        use ZeroFix::{NeverAffected, Unknown};
        const NOT_SAID: &str = "the report names no fixed version";
        for (fixed, status, zero, want) in [
            (&["2"][..], None, Unknown, "2"),
            (&["2", "Pending", "0"], None, Unknown, "2"),
            (&[], None, Unknown, NOT_SAID),
            (&[], Some(Fixed), Unknown, NOT_SAID),
            (&["0"], None, Unknown, NOT_SAID),
            (&["0:0"], None, Unknown, NOT_SAID),
            (&["0.0-0"], Some(Affected), Unknown, "Affected"),
            (&["0"], None, NeverAffected, "never affected"),
            (&["0", "1"], None, NeverAffected, "1"),
            (&["Pending"], None, Unknown, "the report has \"Pending\" in place of a fixed version"),
            (
                &["See advisory"],
                None,
                NeverAffected,
                "the report has \"See advisory\" in place of a fixed version",
            ),
            (&[], Some(Affected), Unknown, "Affected"),
            (&["Pending"], Some(WillNotFix), Unknown, "WillNotFix"),
            (&[], Some(Deferred), Unknown, "Deferred"),
            (&[], Some(EndOfLife), Unknown, "EndOfLife"),
            (&[], Some(UnderInvestigation), Unknown, "UnderInvestigation"),
            (&["3"], Some(WillNotFix), Unknown, "3"),
        ] {
            assert_eq!(demand(fixed, status, zero), want, "{fixed:?} {status:?} {zero:?}");
        }
    }

    #[test]
    fn another_release_s_versions_do_not_count() {
        let finding = Finding {
            fixed: Some("2".to_owned()),
            other_release: Some("ubuntu 22.04".to_owned()),
            ..Finding::system("CVE-1", "a", "1")
        };
        let want = Demand::OtherRelease("ubuntu 22.04".to_owned());
        assert_eq!(Demand::of(&finding, VersionOrder::DPKG), want);
    }
}
