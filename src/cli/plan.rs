//! `imgfix plan`: what a repair would do, and why.

use std::path::PathBuf;

use clap::Args;

use crate::pipeline;
use crate::pipeline::PlanRequest;
use imgfix_oci::Reference;
use imgfix_report::plan as explain;

use super::confine::{self, Start};
use super::image_argument::parse_reference;
use super::options::{self, FindingOptions, Format, ImageOptions, RepositoryOptions};
use super::output_file::OutputFile;
use super::policy::{self, PolicyOptions};
use super::{CommandResult, exit};

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
    let policy = arguments.policy.load(output)?;
    policy::under_repositories(&policy, &mut arguments.repositories);
    let open = |path: &PathBuf| OutputFile::open("--save", path, output.unfinished());
    let mut needs = confine::of_images(&arguments.images, &[&arguments.image]);
    confine::planning(&mut needs, &arguments.findings, &arguments.repositories);
    arguments.save.iter().for_each(|path| needs.report(path));
    let mut file = None;
    let confine = || {
        file = arguments.save.as_ref().map(open).transpose()?;
        Ok(start.confined(&needs))
    };
    let environment =
        options::environment(&arguments.images, &arguments.repositories, output, confine)?;
    let mut scan = options::scan(&arguments.findings, options::OtherReports::None)?;
    policy::under_findings(&policy, &arguments.findings, &mut scan.filter);
    let request = PlanRequest {
        image: arguments.image,
        platforms: arguments.images.platform.clone(),
        scan,
        packages: arguments.policy.packages(&policy),
    };
    let planned = pipeline::plan(&request, None, &environment)?;
    let mut json = serde_json::to_string_pretty(&planned.plan)?;
    json.push('\n');
    if let Some(file) = file {
        file.write(json.as_bytes())?;
    }
    output.result(&match arguments.format {
        Format::Json => json,
        Format::Text => explain::render(&planned.plan, output.style()),
    })?;
    drop(planned);
    environment.edge.tidy_cache();
    Ok(exit::DONE)
}
