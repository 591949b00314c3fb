//! `imgfix diff`: what differs between two images.

use clap::Args;

use crate::image::Reference;
use crate::pipeline;
use crate::report::diff;

use super::options::{self, Format, ImageOptions, RepositoryOptions, parse_reference};
use super::output::Output;
use super::{CommandResult, exit};

#[derive(Debug, Args)]
pub struct DiffArguments {
    /// The image before
    #[arg(value_parser = parse_reference)]
    before: Reference,
    /// The image after
    #[arg(value_parser = parse_reference)]
    after: Reference,
    /// How the differences are written; JSON is one document a line for several platforms
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    images: ImageOptions,
}

/// Runs `imgfix diff`. As for `git diff`, differences are no failure.
///
/// # Errors
/// Usage, or an image cannot be read.
pub fn run(arguments: DiffArguments, output: &Output) -> CommandResult {
    let environment =
        options::environment(&arguments.images, &RepositoryOptions::default(), output)?;
    let platforms = &arguments.images.platform;
    let diffs = pipeline::diff(&arguments.before, &arguments.after, platforms, &environment)?;
    let texts: Vec<String> = diffs
        .iter()
        .map(|one| match arguments.format {
            Format::Text => diff::render(one, output.style()),
            Format::Json => one.to_json(),
        })
        .collect();
    output.result(&texts.join("\n"))?;
    Ok(exit::DONE)
}
