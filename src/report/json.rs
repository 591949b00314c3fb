//! JSON renderings. The forms are documented in `docs/report-schema.md`, with JSON Schemas
//! beside it that the tests hold the output against.

use super::before_after::RepairReport;
use imgfix_json::pretty;

/// The report as JSON text, indented, ending in a newline.
#[must_use]
pub fn render(report: &RepairReport) -> String {
    pretty(report)
}

#[cfg(test)]
mod tests {
    use super::super::before_after::{IdenticalFiles, samples};
    use super::super::schema_check;
    use super::*;
    use imgfix_model::upgrade::UpgradeLevel;

    #[test]
    fn the_json_is_as_it_was() {
        insta::assert_snapshot!("report", render(&samples::report()));
        insta::assert_snapshot!("untouched", render(&samples::untouched()));
    }

    #[test]
    fn the_json_keeps_to_its_schema() {
        let schema = include_str!("../../docs/report.schema.json");
        let mut held = samples::index();
        held.hold_against(imgfix_model::finding::Severity::Low);
        held.platforms[0].files.differing = Some(3);
        held.platforms[0].files.left_out = Some(IdenticalFiles { files: 2, bytes: 9 });
        let others = [samples::untouched(), samples::scanned(), samples::planned(), held];
        let others = others.into_iter().chain([samples::unreported()]);
        for report in [samples::report()].into_iter().chain(others) {
            schema_check::assert_valid(schema, &render(&report));
        }
    }

    #[test]
    fn every_reason_keeps_to_the_schema() {
        use imgfix_model::reason::Reason;
        use imgfix_model::reason::UnknownFix;
        let text = || "x".to_owned();
        let reasons = [
            Reason::NoFixedVersion,
            Reason::WillNotFix,
            Reason::Deferred,
            Reason::EndOfLife,
            Reason::UnderInvestigation,
            Reason::FixUnknown { because: UnknownFix::NotSaid, installed: text() },
            Reason::Unproven { upgraded_to: text(), because: UnknownFix::Word { word: text() } },
            Reason::OtherRelease { release: text() },
            Reason::ReportsDisagree {
                installed: text(),
                fixed_for: vec![text()],
                affected_for: vec![text()],
            },
            Reason::EpochUnclear { seen: text(), fixed: text() },
            Reason::OtherArchitecture { wanted: text(), installed: vec![text()] },
            Reason::NotInRepositories { wanted: text(), newest: None },
            Reason::BeyondRepositories { wanted: text(), newest: Some(text()), why: text() },
            Reason::RepositoryUnreadable { source: text(), why: text() },
            Reason::OldVersionGone { package: text(), installed: text() },
            Reason::NoRepository { advice: text() },
            Reason::Held { package: text(), by: text() },
            Reason::Conflict { package: text(), detail: text() },
            Reason::Untrusted { package: text(), detail: text() },
            Reason::NotOwned,
            Reason::NeedsScripts { package: text(), script: text(), line: None, detail: text() },
            Reason::NoRecipe { class: text() },
            Reason::BuiltSo,
            Reason::BeyondUpgrades {
                component: text(),
                installed: text(),
                wanted: text(),
                level: UpgradeLevel::Minor,
            },
            Reason::Constrained { component: text(), by: text(), relation: text() },
            Reason::Unlinkable { component: text(), by: text(), member: text() },
            Reason::NotRepairable { component: text(), detail: text() },
            Reason::Worse { component: text(), finding: text() },
            Reason::Unattested { component: text(), detail: text() },
            Reason::NeedsRebuild { component: text(), file: text(), advice: text() },
            Reason::StoreNotRepaired { store: text(), component: text(), installed: text() },
            Reason::OwnedByPackage { component: text(), package: text() },
            Reason::Ignored { by: text() },
            Reason::UnsupportedImage { detail: text() },
            Reason::StillPresent { installed: text() },
        ];
        let schema = include_str!("../../docs/report.schema.json");
        for reason in reasons {
            let mut report = samples::report();
            report.platforms[0].findings[0].verdict =
                imgfix_model::verdict::Verdict::NotFixed { reason: reason.clone() };
            schema_check::assert_valid(schema, &render(&report));
        }
    }
}
