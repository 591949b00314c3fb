//! `imgfix plan`: what a repair would do, and why.

use std::path::PathBuf;

use clap::Args;

use crate::pipeline;
use crate::pipeline::{PlanRequest, View};
use imgfix_model::finding::Severity;
use imgfix_oci::Reference;
use imgfix_report::plan as explain;
use imgfix_secrets::Secrets;
use imgfix_vfs::layer_reader::Digests;

use super::CommandResult;
use super::confine::{self, Start};
use super::image_argument::parse_reference;
use super::options::{
    self, FindingOptions, Format, ImageOptions, RepositoryOptions, parse_severity,
};
use super::output_file::OutputFile;
use super::policy::{self, PolicyOptions};
use super::previewed::Previewed;
use super::report_files::PlanFiles;

/// Arguments of `imgfix plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The image, as for 'imgfix repair'
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// Save the plan for 'imgfix repair --plan'
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// How the plan on stdout is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Exit with 3 when findings of this severity or worse would remain
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    fail_on: Option<Severity>,
    /// Exit with 5 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    files: PlanFiles,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    findings: FindingOptions,
    #[command(flatten)]
    repositories: RepositoryOptions,
    #[command(flatten)]
    images: ImageOptions,
}

/// Runs `imgfix plan`.
///
/// # Errors
/// Usage, or no plan could be made.
pub fn run(mut arguments: PlanArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let (image, registry) = (&arguments.image, &arguments.images.registry);
    let policy = arguments.policy.load(Some(image), registry, output)?;
    policy::under_images(&policy, &mut arguments.images);
    arguments.findings.strict |= policy.strict;
    arguments.findings.checks |= policy.checks;
    policy::under_repositories(&policy, &mut arguments.repositories);
    let open = |path: &PathBuf| OutputFile::open("--save", path, output.unfinished());
    let mut needs = confine::of_images(&arguments.images, &[&arguments.image]);
    confine::planning(&mut needs, &arguments.findings, &arguments.repositories, &policy);
    arguments.save.iter().chain(arguments.files.paths()).for_each(|path| needs.report(path));
    let (mut file, mut files) = (None, None);
    let confine = || {
        file = arguments.save.as_ref().map(open).transpose()?;
        files = Some(arguments.files.open(file.as_ref(), start.command_line(), output)?);
        Ok(start.confined(&needs))
    };
    let (images, repositories) = (&arguments.images, &arguments.repositories);
    let rules = (&policy, arguments.policy.rules(&policy));
    let environment = options::planning_environment(images, repositories, rules, output, confine)?;
    let mut scan = options::scan(&arguments.findings, options::OtherReports::None)?;
    policy::under_findings(&policy, &arguments.findings, &mut scan);
    let request = PlanRequest {
        image: arguments.image,
        platforms: arguments.images.platform.clone(),
        scan,
        packages: arguments.policy.packages(&policy),
        digests: Digests::Left,
        view: View::Original,
    };
    let files = files.unwrap_or_default();
    let planned = pipeline::plan(&request, None, &environment)?;
    let fail_on = arguments.fail_on.or(policy.fail_on);
    let previewed = Previewed::of(&planned, &files, fail_on, &environment)?;
    let mut json = serde_json::to_string_pretty(&planned.plan)?;
    json.push('\n');
    let json = Secrets::shipped().mask_document(&json).into_owned();
    if let Some(file) = file {
        file.write(json.as_bytes())?;
    }
    output.result(&match arguments.format {
        Format::Json => json,
        Format::Text => explain::render(&planned.plan, Some(previewed.report()), output.style()),
    })?;
    previewed.tell(files, &environment, output)?;
    let code = previewed.exit_code(&planned, arguments.detailed_exitcode);
    drop(planned);
    environment.edge.tidy_cache();
    Ok(code)
}
