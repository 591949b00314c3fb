//! The user's own scanner, run on an image before or after a repair.

use time::OffsetDateTime;

use crate::scanner;
use crate::scanner::{ImageForm, Placeholders, ScannerCommand};
use imgfix_findings as findings;
use imgfix_findings::{FindingsError, MAX_REPORT, ScanReport};
use imgfix_host::scratch::{Purpose, Scratch};
use imgfix_model::finding::Finding;
use imgfix_oci::Reference;
use imgfix_report::scan_comparison::ScanComparison;

use super::export::{ExportForm, export};
use super::{Environment, NamedReport, RepairError, RepairOutcome, ScanInput};

/// How copies for scanners are called.
const COPY: &str = "imgfix-scan-";

/// Runs the scanner on an image; its report, which has been read once and is sound.
///
/// # Errors
/// The scanner fails or prints what is no report.
pub fn scan(
    command: &ScannerCommand,
    image: &Reference,
    environment: &Environment,
) -> Result<NamedReport, RepairError> {
    environment.edge.progress.message(&format!("scanning {image}"));
    let folder = Scratch::new(Purpose::plain(COPY), &environment.edge.unfinished)
        .map_err(RepairError::Temporary)?;
    let copy = |form| {
        let path = export(image, form, folder.path(), environment)?;
        Ok::<String, RepairError>(path.display().to_string())
    };
    let mut values = Placeholders::default();
    match command.image_form() {
        ImageForm::Name => values.image = name_for_scanners(image),
        ImageForm::Layout => values.layout = copy(ExportForm::Layout)?,
        ImageForm::Archive => values.archive = copy(ExportForm::Archive)?,
    }
    let words = command.words(&values);
    let bounds = scanner::Bounds { report: MAX_REPORT, time: command.timeout() };
    let scan = scanner::run(&words, bounds, &environment.edge.unfinished)?;
    let program = words.first().cloned().unwrap_or_default();
    let name = format!("the output of {program} for {image}");
    let parsed = findings::parse_report(&name, &scan.report);
    match (parsed, scan.complaint) {
        (Ok(_), None) => {}
        // Many scanners end so when a gate of their own is not passed.
        (Ok(_), Some((status, _))) => {
            environment
                .edge
                .progress
                .detail(&format!("{program} ended with {status} and a report"));
        }
        (Err(_), Some((status, stderr))) => {
            return Err(scanner::ScannerError::Failed { program, status, stderr }.into());
        }
        (Err(error), None) => return Err(error.into()),
    }
    Ok(NamedReport { name, bytes: scan.report })
}

/// Registries are named as scanners do, without the transport.
fn name_for_scanners(image: &Reference) -> String {
    let text = image.to_string();
    text.strip_prefix("docker://").unwrap_or(&text).to_owned()
}

/// Scans the published image and notes in the report what the scanner says of it.
///
/// # Errors
/// The scanner fails or prints what is no report.
pub fn compare(
    command: &ScannerCommand,
    outcome: &mut RepairOutcome,
    input: &ScanInput,
    environment: &Environment,
) -> Result<(), RepairError> {
    let Some(output) = &outcome.report.output else { return Ok(()) };
    let after = scan(command, &output.reference.parse()?, environment)?;
    let before = wanted(&input.reports, input, environment)?;
    let after = wanted(std::slice::from_ref(&after), input, environment)?;
    let comparison = ScanComparison::new(command.text(), &before, &after, &outcome.report);
    environment.edge.progress.message(&comparison.sentence());
    outcome.report.scan = Some(comparison);
    Ok(())
}

/// The findings of reports that the user's filter keeps.
fn wanted(
    reports: &[NamedReport],
    input: &ScanInput,
    environment: &Environment,
) -> Result<Vec<Finding>, FindingsError> {
    let parsed: Vec<ScanReport> =
        reports.iter().map(|report| input.parse(report)).collect::<Result<_, _>>()?;
    let today = OffsetDateTime::from_unix_timestamp(environment.edge.now)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .date();
    Ok(input.filter.apply(findings::merge(parsed), today).kept)
}
