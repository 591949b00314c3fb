//! The results of a repair for the steps of a pipeline that follow: a few `KEY=VALUE` lines.
//!
//! Source: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-output-parameter>
//! and <https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv>: one line a
//! value, no quotes.

use super::before_after::RepairReport;
use imgfix_terminal::clean;

/// How keys are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `repaired-image`
    Outputs,
    /// `IMGFIX_REPAIRED_IMAGE`
    Variables,
}

/// The lines. Without a published image, `repaired-image` and `digest` are the original's.
#[must_use]
pub fn render(report: &RepairReport, names: Names) -> String {
    let image = report.output.as_ref().unwrap_or(&report.image);
    let reference = image.reference.strip_prefix("docker://").unwrap_or(&image.reference);
    let values = [
        ("repaired-image", clean(reference)),
        ("digest", image.digest.to_string()),
        ("fixed", report.summary.fixed.to_string()),
        ("remaining", report.summary.not_fixed.to_string()),
    ];
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
                "repaired-image=registry.example/app:1.0_fix\ndigest={digest}\nfixed=3\nremaining=5\n"
            )
        );
        assert!(render(&report, Names::Variables).starts_with(
            "IMGFIX_REPAIRED_IMAGE=registry.example/app:1.0_fix\nIMGFIX_DIGEST=sha256:"
        ));
    }

    #[test]
    fn a_name_cannot_add_a_line() {
        let mut report = samples::report();
        report.output.as_mut().unwrap().reference = "oci:a\nfixed=999".into();
        assert_eq!(render(&report, Names::Outputs).lines().count(), 4);
    }
}
