//! The steps of a repair, in order, and nothing else: what each step does is in its own room
//! (`ARCHITECTURE.md`).
//!
//! report → findings ─┐
//! reference → image → tree → inventory → plan → apply → layer → verify → publish → report
//!
//! Verification comes before publication: the patch layer is read back from the bytes that
//! will be sent and judged there, so a repair that did not do what it claims is never
//! published. After publication the destination is asked again for what it now serves.

mod checked;
mod compare;
pub mod environment;
pub mod export;
pub mod families;
pub mod load;
pub mod original;
pub mod patch;
pub mod planning;
pub mod preview;
pub mod publication;
pub mod repair;
pub mod review;
pub mod scan;
pub mod second_opinion;
pub mod seen_versions;

pub use compare::{Depth, diff, inventories};
pub use environment::{
    AfterFetching, CacheChoice, Edge, Environment, RepositoryChoice, ScriptsMode,
};
pub use load::View;
pub use patch::IdenticalPolicy;
pub use planning::{PlanRequest, PlannedImage, plan};
pub use preview::{Preview, preview};
pub use repair::{RepairOutcome, RepairRequest, SourceImage, Withhold, repair};
pub use review::Evidence;
pub use scan::{NamedReport, ScanInput};

use imgfix_oci::{ImageError, ReferenceError};
use imgfix_repair::error::RepairerError;

/// What a repaired image's tag adds.
pub const DEFAULT_SUFFIX: &str = "_fix";

/// Why a run ended without its result. Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The image cannot be read or written: its place, a manifest, a config, a registry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A text names no image.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A layer of the image is damaged, not what manifest and config say, or too large.
    #[error(transparent)]
    Layer(#[from] imgfix_vfs::layer_reader::LayerError),
    /// A file of the image's merged tree cannot be read or written.
    #[error(transparent)]
    Rootfs(#[from] imgfix_vfs::RootfsError),
    /// A scanner's report or a file of ignore rules cannot be read.
    #[error(transparent)]
    Findings(#[from] imgfix_findings::FindingsError),
    /// A store of the image is there and is not understood.
    #[error("{image}: {source}")]
    Inventory {
        /// The image and its platform, as the user named it.
        image: String,
        /// What the store's room says.
        source: imgfix_repair::error::Cause,
    },
    /// A repairer ended without a result.
    #[error(transparent)]
    Repairer(#[from] RepairerError),
    /// A package or an index could not be fetched.
    #[error(transparent)]
    Fetch(#[from] imgfix_repository::FetchError),
    /// The network cannot be given up, and `--no-network-after-fetch` asks for it.
    #[error("--no-network-after-fetch: {0}; nothing was published")]
    Network(#[from] imgfix_confinement::network::NetworkError),
    /// The temporary directory is full or cannot be written, or no thread could be started.
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Temporary(std::io::Error),
    /// The new layer cannot be written; why not.
    #[error("writing the patch layer: {0}")]
    WriteLayer(String),
    /// The repaired image cannot be put together or published.
    #[error(transparent)]
    Publish(#[from] imgfix_oci::publish::PublishError),
    /// The user's scanner gave no report.
    #[error(transparent)]
    Scanner(#[from] crate::scanner::ScannerError),
    /// Two images cannot be compared: a file cannot be read.
    #[error(transparent)]
    Diff(#[from] imgfix_report::diff::DiffError),
    /// The image was put together with chisel
    /// (<https://documentation.ubuntu.com/chisel>).
    #[error(
        "{image}: the image is a chiselled Ubuntu: chisel cut its files out of packages and noted \
         them in {}, and there is no dpkg database that they could be upgraded by; build it anew \
         with 'chisel cut', which takes the newest packages",
        load::CHISEL_MANIFEST
    )]
    Chiselled {
        /// The image and its platform, as the user named it.
        image: String,
    },
    /// With `--strict`: a report is about another image.
    #[error("{report} is about another image: {why} (--strict)")]
    OtherImage {
        /// The report's name.
        report: String,
        /// How that shows, as a main clause.
        why: String,
    },
    /// A saved plan is for another image.
    #[error(
        "the plan is for {wanted}, but {image} is {found}: make a new plan with 'imgfix plan --save'"
    )]
    OtherPlan {
        /// The image as the user named it; with its platform when it is one platform's manifest.
        image: String,
        /// The digest that the plan has.
        wanted: String,
        /// The digest that the image has.
        found: String,
    },
    /// A saved plan lacks a platform that is to be repaired.
    #[error(
        "the plan has no steps for {platform} of {image}: make a new plan with 'imgfix plan --save'"
    )]
    NoPlan {
        /// The image as the user named it.
        image: String,
        /// The platform: `linux/amd64`.
        platform: String,
    },
    /// The image lacks a platform that is asked for.
    #[error("{image} has no image for {wanted}; it has {have}")]
    NoPlatform {
        /// The image as the user named it.
        image: String,
        /// The platform that is asked for.
        wanted: String,
        /// The platforms that it has, joined by commas.
        have: String,
    },
    /// The output would take the place of an image that imgfix has not made.
    #[error(
        "{image} ends in {suffix:?} already, but is no image that imgfix repaired: name the \
         repaired image with -o, so that the original stays"
    )]
    ReplacesOriginal {
        /// The image as the user named it.
        image: String,
        /// What its tag ends in, and the output's would.
        suffix: String,
    },
    /// Read back, the new layer does not show what was to be done; what it lacks, as a main clause.
    #[error("the repaired image is not what the plan says: {0}; nothing was published")]
    Verification(String),
    /// The image is published, and the destination does not serve what was sent.
    #[error("the image was published as {reference}, but reading it back failed: {why}")]
    ReadBack {
        /// Where it was published.
        reference: String,
        /// What it serves, or why it cannot be asked.
        why: String,
    },
}
