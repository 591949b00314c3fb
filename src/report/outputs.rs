//! The results of a repair for the steps of a pipeline that follow: a few `KEY=VALUE` lines.
//!
//! Source: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-output-parameter>
//! and <https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv>: one line a
//! value, no quotes.

use super::before_after::{RepairReport, Stage};
use super::gate::Gate;
use imgfix_terminal::clean;

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `repaired-image`
    Outputs,
    /// `IMGFIX_REPAIRED_IMAGE`
    Variables,
}

/// The lines. Without a published image, `repaired-image` and `digest` are the original's. Of a
/// plan there are none of these, and what would be fixed has a name of its own, so that nobody
/// takes it for done.
#[must_use]
pub fn render(report: &RepairReport, names: Names) -> String {
    let counted = &report.summary.vulnerabilities;
    let mut values = Vec::new();
    match report.stage {
        Stage::Repaired => {
            let image = report.standing_image();
            let reference = image.reference.strip_prefix("docker://").unwrap_or(&image.reference);
            let published = report.output.is_some();
            let (fixed, remaining) = report.standing();
            values.extend([
                ("repaired-image", clean(reference)),
                ("digest", image.digest.to_string()),
                ("fixed", fixed.to_string()),
                ("remaining", remaining.to_string()),
                ("published", published.to_string()),
            ]);
        }
        Stage::Planned => {
            values.push(("changes", (!report.summary.changed.is_nothing()).to_string()));
        }
    }
    if !report.is_done() {
        values.extend([
            ("would-be-fixed", counted.fixed.to_string()),
            ("would-remain", counted.not_fixed.to_string()),
        ]);
    }
    values.extend([
        ("vulnerabilities", counted.total.to_string()),
        ("source-packages", counted.source_packages.to_string()),
        ("gate", report.gate.as_ref().map_or("none", Gate::word).to_owned()),
    ]);
    if let Some(named) = report.summary.named_in_changelogs {
        values.push(("named-in-changelogs", named.vulnerabilities.to_string()));
    }
    let line = |(key, value): (&str, String)| {
        let key = match names {
            Names::Outputs => key.to_owned(),
            Names::Variables => format!("IMGFIX_{}", key.to_uppercase().replace('-', "_")),
        };
        format!("{key}={value}\n")
    };
    values.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;

    #[test]
    fn the_lines_are_as_pipelines_read_them() {
        let report = samples::report();
        let digest = report.output.as_ref().unwrap().digest;
        assert_eq!(
            render(&report, Names::Outputs),
            format!(
                "repaired-image=registry.example/app:1.0_fix\ndigest={digest}\nfixed=3\n\
                 remaining=5\npublished=true\nvulnerabilities=8\nsource-packages=6\ngate=none\n"
            )
        );
        assert!(render(&report, Names::Variables).starts_with(
            "IMGFIX_REPAIRED_IMAGE=registry.example/app:1.0_fix\nIMGFIX_DIGEST=sha256:"
        ));
    }

    #[test]
    fn what_changelogs_name_has_a_line_of_its_own() {
        let text = render(&samples::unreported(), Names::Outputs);
        assert!(text.contains("\nfixed=0\n"), "{text}");
        assert!(text.ends_with(
            "\nvulnerabilities=0\nsource-packages=0\ngate=none\nnamed-in-changelogs=3\n"
        ));
    }

    #[test]
    fn a_name_cannot_add_a_line() {
        let mut report = samples::report();
        report.output.as_mut().unwrap().reference = "oci:a\nfixed=999".into();
        assert_eq!(render(&report, Names::Outputs).lines().count(), 8);
    }

    #[test]
    fn a_plan_claims_nothing() {
        let text = render(&samples::planned(), Names::Outputs);
        assert_eq!(
            text,
            "changes=true\nwould-be-fixed=3\nwould-remain=5\nvulnerabilities=8\n\
             source-packages=6\ngate=failed\n"
        );
    }
}
