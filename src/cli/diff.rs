//! `imgfix diff`: what differs between two images.

use clap::{Args, ValueEnum};

use crate::pipeline;
use imgfix_model::platform::Platform;
use imgfix_oci::Reference;
use imgfix_report::diff;
use imgfix_report::diff::ImageDiff;
use imgfix_report::review;
use imgfix_report::review::Review;

use super::confine::{self, Start};
use super::image_argument::parse_reference;
use super::options::{self, ImageOptions, RepositoryOptions};
use super::{CommandResult, exit};

/// Arguments of `imgfix diff`.
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
    format: DiffFormat,
    #[command(flatten)]
    images: ImageOptions,
}

/// Names of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    Text,
    Json,
    /// One self-contained page
    Html,
    /// For a comment on a pull request
    Markdown,
}

/// Runs `imgfix diff`. As for `git diff`, differences are no failure.
///
/// # Errors
/// Usage, or an image cannot be read.
pub fn run(arguments: DiffArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let needs = confine::of_images(&arguments.images, &[&arguments.before, &arguments.after]);
    let environment =
        options::environment(&arguments.images, &RepositoryOptions::default(), output, || {
            Ok(start.confined(&needs))
        })?;
    let platforms = &arguments.images.platform;
    let diffs = pipeline::diff(&arguments.before, &arguments.after, platforms, &environment)?;
    let joined = |write: &dyn Fn(&ImageDiff) -> String| -> String {
        diffs.iter().map(|(_, one)| write(one)).collect::<Vec<_>>().join("\n")
    };
    let text = match arguments.format {
        DiffFormat::Text => joined(&|one| diff::render(one, output.style())),
        DiffFormat::Json => joined(&ImageDiff::to_json),
        DiffFormat::Html => reviewed(&diffs, review::page::render),
        DiffFormat::Markdown => reviewed(&diffs, review::markdown::render),
    };
    output.result(&text)?;
    Ok(exit::DONE)
}

fn reviewed(diffs: &[(Platform, ImageDiff)], write: fn(&Review) -> String) -> String {
    Review::of_comparison(diffs.to_vec()).map_or_else(String::new, |review| write(&review))
}
