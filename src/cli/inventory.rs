//! `imgfix inventory`: the packages and libraries of an image, for people, programs and SBOM tools.

use clap::{Args, ValueEnum};

use crate::pipeline;
use imgfix_model::component::Contents;
use imgfix_oci::Reference;
use imgfix_report::inventory;
use imgfix_report::inventory::Subject;

use super::confine::{self, Start};
use super::exit::Failure;
use super::image_argument::parse_reference;
use super::options::{self, ImageOptions, RepositoryOptions};
use super::{CommandResult, exit};

/// Arguments of `imgfix inventory`.
#[derive(Debug, Args)]
pub struct InventoryArguments {
    /// The image, as for 'imgfix repair'
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// How the list is written; the SBOM formats describe one platform
    #[arg(long, value_enum, default_value = "table")]
    format: ListFormat,
    #[command(flatten)]
    images: ImageOptions,
}

/// Names of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    Table,
    Json,
    /// CycloneDX 1.6 JSON
    Cyclonedx,
    /// SPDX 2.3 JSON
    Spdx,
}

/// Runs `imgfix inventory`.
///
/// # Errors
/// Usage, or the image cannot be read.
pub fn run(arguments: InventoryArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let needs = confine::of_images(&arguments.images, &[&arguments.image]);
    let environment =
        options::environment(&arguments.images, &RepositoryOptions::default(), output, || {
            Ok(start.confined(&needs))
        })?;
    let platforms = &arguments.images.platform;
    let all = pipeline::inventories(&arguments.image, platforms, &environment)?;
    // Documents say when they were made; SOURCE_DATE_EPOCH makes them reproducible.
    let created = environment.edge.source_date_epoch.unwrap_or(environment.edge.now);
    let text = match arguments.format {
        ListFormat::Table => {
            let tables = all.iter().map(|(s, c)| inventory::table(s, c, output.style()));
            tables.collect::<Vec<_>>().join("\n")
        }
        ListFormat::Json => inventory::json(&all),
        ListFormat::Cyclonedx => {
            let (subject, contents) = single(&all)?;
            inventory::cyclonedx(subject, contents, created)?
        }
        ListFormat::Spdx => {
            let (subject, contents) = single(&all)?;
            inventory::spdx(subject, contents, created)?
        }
    };
    output.result(&text)?;
    Ok(exit::DONE)
}

/// An SBOM is about one image.
fn single(all: &[(Subject, Contents)]) -> Result<(&Subject, &Contents), Failure> {
    match all {
        [(subject, contents)] => Ok((subject, contents)),
        many => {
            let have: Vec<String> = many.iter().map(|(s, _)| s.platform.to_string()).collect();
            Err(Failure::Usage(format!(
                "an SBOM describes one image, and this one has {}: choose with --platform",
                have.join(", ")
            )))
        }
    }
}
