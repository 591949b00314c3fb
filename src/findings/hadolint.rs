//! hadolint (`hadolint --format json Dockerfile`): advice about a Dockerfile. It says how the image
//! was built, and nothing in the image can be mended for it.
//!
//! Source: `src/Hadolint/Formatter/Json.hs` of <https://github.com/hadolint/hadolint>; measured with
//! 2.15.1.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::{Finding, Severity, Subject};
use imgfix_model::location::{Location, Span};

const SCANNER: &str = "hadolint";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Hadolint,
    outlines: &[Outline {
        form: Form::List,
        needs: &["code", "level", "line", "message"],
        any: &["file", "column"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Advice {
    code: Option<String>,
    level: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    message: Option<String>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let all: Vec<Advice> = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, advice) in all.into_iter().enumerate() {
        let place = out.place(format!("[{at}]"));
        let id = place.required("code", advice.code)?;
        let severity = match advice.level.as_deref() {
            Some("error") => Severity::High,
            Some("warning") => Severity::Medium,
            Some("info") => Severity::Low,
            Some("style" | "ignore") => Severity::Negligible,
            word => out.severity(&place, word),
        };
        let location =
            Location::Build { file: non_empty(advice.file), lines: Span::of(advice.line, None) };
        let finding = risk::baseline(&id, "dockerfile", severity, advice.message);
        let finding = Finding { subject: Some(Subject::Build), ..finding };
        out.findings.push(finding.located(location));
    }
    Ok(out.finish(ReportFormat::Hadolint, ArtifactIdentity::default()))
}
