//! What imgfix's own checks find, as a list for people. In comes the report of a repair that was
//! not done; out comes a table a platform: how bad, which recipe, where, and what a repair would
//! do.

use imgfix_model::verdict::{JudgedFinding, Verdict};
use imgfix_terminal::{Accent, Style, Table, clean, count};

use super::before_after::RepairReport;

/// The list, ending in a newline.
#[must_use]
pub fn table(report: &RepairReport, style: Style) -> String {
    let mut out = String::new();
    for platform in &report.platforms {
        let found = &platform.findings;
        let name = format!("{} {}", report.image.reference, platform.platform);
        let number = match found.len() {
            0 => "nothing found".to_owned(),
            number => count(number, "finding"),
        };
        let heading = format!("{}: {number}", clean(&name));
        out.push_str(&format!("{}\n", style.paint(Accent::Heading, &heading)));
        let mut table = Table::new(&["severity", "recipe", "finding", "a repair"], &[2, 3]);
        for JudgedFinding { finding, verdict } in found {
            let title = finding.title.as_deref().unwrap_or(&finding.package);
            let repair = match verdict {
                Verdict::Fixed { version } => format!("repairs it: {version}"),
                Verdict::Mitigated { how } => how.clone(),
                Verdict::NotAffected { .. } => "has nothing to do".to_owned(),
                Verdict::NotFixed { reason } => format!("leaves it: {reason}"),
            };
            table.row([&finding.severity.to_string(), &finding.id, title, &repair]);
        }
        if !table.is_empty() {
            out.push_str(&table.render(style));
        }
    }
    out
}
