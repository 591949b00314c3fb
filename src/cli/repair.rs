//! `imgfix repair`: repair an image, publish it, report.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::findings::Severity;
use crate::image::Reference;
use crate::layer::{Compression, LayerOptions};
use crate::pipeline::{self, PlanRequest, RepairError, RepairRequest, second_opinion};
use crate::plan::Plan;
use crate::report::{self, RepairReport};
use crate::scanner::ScannerCommand;

use super::exit::Failure;
use super::options::{
    self, FindingOptions, Format, ImageOptions, OtherReports, RepositoryOptions, parse_reference,
    parse_severity,
};
use super::output::Output;
use super::report_files::ReportFiles;
use super::{CommandResult, exit};

/// The largest plan file read, in bytes.
const MAX_PLAN: u64 = 64 << 20;

#[derive(Debug, Args)]
pub struct RepairArguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF],
    /// docker://HOST/REPO:TAG or HOST/REPO:TAG
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// Write the repaired image here [default: beside the original, tag + suffix]
    #[arg(short, long, value_name = "REF", value_parser = parse_reference)]
    output: Option<Reference>,
    /// What the repaired image's tag adds to the original's
    #[arg(
        long,
        value_name = "SUFFIX",
        default_value = pipeline::DEFAULT_SUFFIX,
        conflicts_with = "output",
        allow_hyphen_values = true
    )]
    tag_suffix: String,
    /// Do exactly this plan, as `imgfix plan --save` wrote it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["min_severity", "only", "repository"])]
    plan: Option<PathBuf>,
    /// Run this scanner on the image before (without -r) and on the repaired image after, and
    /// compare: a command that prints a report, with {image} (the name), {layout} (an OCI
    /// layout directory) or {archive} (a tar file), as in 'trivy image --format json --input
    /// {archive}'
    #[arg(long, value_name = "COMMAND", conflicts_with = "plan")]
    scan_with: Option<String>,
    /// Compression of the patch layer
    #[arg(long, value_enum, default_value = "gzip")]
    compression: CompressionName,
    /// Compression level: gzip 0 to 9 [default: 3], zstd 1 to 19 [default: 3]
    #[arg(long, value_name = "N")]
    compression_level: Option<u32>,
    /// How the report on stdout is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Exit with 3 when findings of this severity or worse remain
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    fail_on: Option<Severity>,
    #[command(flatten)]
    files: ReportFiles,
    #[command(flatten)]
    findings: FindingOptions,
    #[command(flatten)]
    repositories: RepositoryOptions,
    #[command(flatten)]
    images: ImageOptions,
}

/// Names of `--compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionName {
    Gzip,
    Zstd,
    None,
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Gzip => Compression::Gzip,
            CompressionName::Zstd => Compression::Zstd,
            CompressionName::None => Compression::None,
        }
    }
}

/// Runs `imgfix repair`.
///
/// # Errors
/// Usage, or the repair failed; nothing was published then.
pub fn run(arguments: RepairArguments, output: &Output) -> CommandResult {
    let layer = LayerOptions {
        compression: arguments.compression.into(),
        level: arguments.compression_level,
    };
    layer.check().map_err(|error| Failure::Usage(format!("--compression-level: {error}")))?;
    let files = arguments.files.open(output)?;
    let environment = options::environment(&arguments.images, &arguments.repositories, output)?;
    let command = arguments.scan_with.as_deref().map(ScannerCommand::parse).transpose();
    let command = command.map_err(|error| Failure::Usage(error.to_string()))?;
    let others = if command.is_some() { OtherReports::Scanned } else { OtherReports::None };
    let mut scan = options::scan(&arguments.findings, others)?;
    if let Some(command) = command.as_ref().filter(|_| scan.reports.is_empty()) {
        scan.reports.push(second_opinion::scan(command, &arguments.image, &environment)?);
    }
    let request = RepairRequest {
        plan: PlanRequest {
            image: arguments.image,
            platforms: arguments.images.platform.clone(),
            scan,
        },
        saved: arguments.plan.as_deref().map(saved_plan).transpose()?,
        output: arguments.output,
        suffix: arguments.tag_suffix,
        layer,
        evidence: files.evidence(),
    };
    let mut outcome = pipeline::repair(&request, &environment)?;
    if let Some(command) = &command {
        let input = &request.plan.scan;
        second_opinion::compare(command, &mut outcome, input, &environment)
            .map_err(|error| but_not_scanned(&outcome.report, &error))?;
    }
    let report = &outcome.report;
    let created = environment.source_date_epoch.unwrap_or(environment.now);
    files
        .write(&outcome, created)
        .and_then(|()| tell(report, arguments.format, output))
        .map_err(|failure| but_published(report, &failure))?;
    let remaining = arguments.fail_on.map_or(0, |least| report.remaining_at_or_above(least));
    Ok(if remaining > 0 { exit::REMAINING } else { exit::DONE })
}

fn saved_plan(path: &Path) -> Result<Plan, Failure> {
    let bytes = options::read_file("--plan", path, MAX_PLAN)?;
    Plan::load(&bytes)
        .map_err(|error| Failure::Usage(format!("--plan {}: {error}", path.display())))
}

/// Writes the report to standard output.
fn tell(report: &RepairReport, format: Format, output: &Output) -> Result<(), Failure> {
    output.result(&match format {
        Format::Json => report::json::render(report),
        Format::Text => report::text::render(report, output.style()),
    })
}

/// A scanner that fails after the repair is a failure, but what was published stays.
fn but_not_scanned(report: &RepairReport, error: &RepairError) -> Failure {
    let what = report.output.as_ref().map_or_else(String::new, |output| {
        format!("{} ({}) was published, but scanning it failed: ", output.reference, output.digest)
    });
    Failure::Work(format!("{what}{error}").into())
}

/// A report that nobody gets is a failure, but what was published stays.
fn but_published(report: &RepairReport, failure: &Failure) -> Failure {
    let what = report.output.as_ref().map_or("the image", |output| output.reference.as_str());
    Failure::Work(format!("{what} was published, but not its report: {failure}").into())
}
