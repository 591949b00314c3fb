//! `imgfix inventory`: the packages and libraries of an image, for people, programs and SBOM tools.

use clap::{Args, ValueEnum};

use crate::pipeline;
use crate::pipeline::Depth;
use imgfix_model::component::Contents;
use imgfix_model::description::Party;
use imgfix_oci::Reference;
use imgfix_report::inventory;
use imgfix_report::inventory::{Issue, Subject};

use super::confine::{self, Start};
use super::exit::Failure;
use super::image_argument::parse_reference;
use super::options::{self, ImageOptions, RepositoryOptions};
use super::{CommandResult, exit};

/// Arguments of `imgfix inventory`.
#[derive(Debug, Args)]
#[allow(rustdoc::invalid_html_tags, reason = "`NAME <MAIL>` is help, no markup")]
pub struct InventoryArguments {
    /// The image, as for 'imgfix repair'
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// How the list is written; the SBOM formats describe one platform
    #[arg(long, value_enum, default_value = "table")]
    format: ListFormat,
    /// Who has the SBOM made, to be named in it as its author: 'NAME' or 'NAME <MAIL>'
    #[arg(long, value_name = "NAME", value_parser = parse_party)]
    author: Option<Party>,
    /// Who supplies the image, to be named in the SBOM [default: what labels of the image say]
    #[arg(long, value_name = "NAME", value_parser = parse_party)]
    supplier: Option<Party>,
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

impl ListFormat {
    fn is_sbom(self) -> bool {
        matches!(self, Self::Cyclonedx | Self::Spdx)
    }
}

fn parse_party(text: &str) -> Result<Party, String> {
    Party::parse(text)
        .ok_or_else(|| "it must be a name of one line, as in 'NAME <MAIL>'".to_owned())
}

/// Runs `imgfix inventory`.
///
/// # Errors
/// Usage, or the image cannot be read.
pub fn run(arguments: InventoryArguments, start: Start) -> CommandResult {
    let is_sbom = arguments.format.is_sbom();
    if !is_sbom && (arguments.author.is_some() || arguments.supplier.is_some()) {
        let why = "--author and --supplier are for SBOMs: add --format cyclonedx or --format spdx";
        return Err(Failure::Usage(why.to_owned()));
    }
    let output = &*start.output();
    let needs = confine::of_images(&arguments.images, &[&arguments.image]);
    let environment =
        options::environment(&arguments.images, &RepositoryOptions::default(), output, || {
            Ok(start.confined(&needs))
        })?;
    let platforms = &arguments.images.platform;
    let depth = if is_sbom { Depth::Descriptions } else { Depth::Names };
    let all = pipeline::inventories(&arguments.image, platforms, depth, &environment)?;
    let issue = Issue {
        // Documents say when they were made; SOURCE_DATE_EPOCH makes them reproducible.
        created: environment.edge.source_date_epoch.unwrap_or(environment.edge.now),
        author: arguments.author,
        supplier: arguments.supplier,
    };
    let text = match arguments.format {
        ListFormat::Table => {
            let tables = all.iter().map(|(s, c)| inventory::table(s, c, output.style()));
            tables.collect::<Vec<_>>().join("\n")
        }
        ListFormat::Json => inventory::json(&all),
        ListFormat::Cyclonedx => {
            let (subject, contents) = single(&all)?;
            inventory::cyclonedx(subject, contents, &issue)?
        }
        ListFormat::Spdx => {
            let (subject, contents) = single(&all)?;
            inventory::spdx(subject, contents, &issue)?
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
