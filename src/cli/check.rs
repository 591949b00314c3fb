//! `imgfix check`: what imgfix's own rules find in an image's configuration, and what a repair
//! would do about it. The same way as that of a plan, without reports and repositories.

use std::path::PathBuf;

use clap::Args;

use crate::pipeline;
use crate::pipeline::{PlanRequest, View};
use imgfix_model::finding::Severity;
use imgfix_oci::Reference;
use imgfix_report::checked;
use imgfix_vfs::layer_reader::Digests;

use super::CommandResult;
use super::confine::{self, Start};
use super::image_argument::parse_reference;
use super::options::{
    self, FindingOptions, Format, ImageOptions, OtherReports, RepositoryOptions, parse_severity,
};
use super::policy::{self, PolicyOptions};
use super::previewed::Previewed;
use super::report_files::PlanFiles;

/// Arguments of `imgfix check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The image, as for 'imgfix repair'
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// How the list on stdout is written; JSON is the report of a repair that was not done
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Exit with 3 when a repair would leave something of this severity or worse
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    fail_on: Option<Severity>,
    /// Exit with 5 when there is something that a repair would do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show nothing below this severity
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity, help_heading = "Finding options")]
    min_severity: Option<Severity>,
    /// Only this recipe (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Finding options")]
    only: Vec<String>,
    /// Not this recipe (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Finding options")]
    ignore: Vec<String>,
    /// Rules of what to ignore, as for 'imgfix repair' (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "Finding options")]
    ignore_file: Vec<PathBuf>,
    #[command(flatten)]
    files: PlanFiles,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    images: ImageOptions,
}

/// Runs `imgfix check`.
///
/// # Errors
/// Usage, or the image cannot be read.
pub fn run(mut arguments: CheckArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let (image, registry) = (&arguments.image, &arguments.images.registry);
    let policy = arguments.policy.load(Some(image), registry, output)?;
    policy::under_images(&policy, &mut arguments.images);
    // nothing is fetched but the image
    let repositories = RepositoryOptions { no_cache: true, ..RepositoryOptions::default() };
    let findings = FindingOptions {
        min_severity: arguments.min_severity,
        only: std::mem::take(&mut arguments.only),
        ignore: std::mem::take(&mut arguments.ignore),
        ignore_file: std::mem::take(&mut arguments.ignore_file),
        checks: true,
        ..FindingOptions::default()
    };
    let mut needs = confine::of_images(&arguments.images, &[&arguments.image]);
    confine::checking(&mut needs, &findings);
    arguments.files.paths().for_each(|path| needs.report(path));
    let mut files = None;
    let confine = || {
        files = Some(arguments.files.open(None, start.command_line(), output)?);
        Ok(start.confined(&needs))
    };
    let rules = arguments.policy.rules(&policy);
    let environment =
        options::checking_environment(&arguments.images, &repositories, rules, output, confine)?;
    let mut scan = options::scan(&findings, OtherReports::None)?;
    policy::under_findings(&policy, &findings, &mut scan);
    let request = PlanRequest {
        image: arguments.image,
        platforms: arguments.images.platform.clone(),
        scan,
        packages: arguments.policy.packages(&policy),
        digests: Digests::Left,
        view: View::AsIs,
    };
    let files = files.unwrap_or_default();
    let planned = pipeline::plan(&request, None, &environment)?;
    let fail_on = arguments.fail_on.or(policy.fail_on);
    let previewed = Previewed::of(&planned, &files, fail_on, &environment)?;
    output.result(&match arguments.format {
        Format::Json => imgfix_report::json::render(previewed.report()),
        Format::Text => checked::table(previewed.report(), output.style()),
    })?;
    previewed.tell(files, &environment, output)?;
    Ok(previewed.exit_code(&planned, arguments.detailed_exitcode))
}
