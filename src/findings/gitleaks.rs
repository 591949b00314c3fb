//! gitleaks (`gitleaks dir --report-format json`): a list of secrets in files.
//!
//! Source: `report/finding.go` of <https://github.com/gitleaks/gitleaks>; measured with 8.30.1.
//! `Match` and `Secret` hold the value unless `--redact` was given; neither is read.

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::location::{FileLocation, Span};

const SCANNER: &str = "gitleaks";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Gitleaks,
    outlines: &[Outline {
        form: Form::List,
        needs: &["RuleID", "File", "StartLine"],
        any: &["Fingerprint", "Entropy", "Commit"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Leak {
    #[serde(rename = "RuleID")]
    rule_id: Option<String>,
    description: Option<String>,
    file: Option<String>,
    start_line: Option<u32>,
    end_line: Option<u32>,
    start_column: Option<u32>,
    end_column: Option<u32>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let leaks: Vec<Leak> = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, leak) in leaks.into_iter().enumerate() {
        let place = out.place(format!("[{at}]"));
        let id = place.required("RuleID", leak.rule_id)?;
        let path = place.required("File", leak.file)?;
        let lines = Span::of(leak.start_line, leak.end_line);
        let columns = lines.and_then(|lines| columns(lines, leak.start_column, leak.end_column));
        let file = FileLocation { lines, columns, ..risk::file(&path) };
        let title = non_empty(leak.description);
        out.findings.push(risk::secret(&id, risk::SECRET, title, Some(file.into())));
    }
    Ok(out.finish(ReportFormat::Gitleaks, ArtifactIdentity::default()))
}

/// The columns as gitleaks counts them: the line end before a line is a column of it, so that
/// all lines but the first have one too many (`detect/location.go`; measured).
pub(super) fn columns(lines: Span, start: Option<u32>, end: Option<u32>) -> Option<Span> {
    let own = |line: u32, column: u32| column.saturating_sub(u32::from(line > 1));
    let first = own(lines.first, start?);
    let last = own(lines.last, end?);
    let backwards = lines.first == lines.last && last < first;
    (first > 0 && last > 0 && !backwards).then_some(Span { first, last })
}
