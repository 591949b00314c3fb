//! The steps of a repair, in order, and nothing else: what each step does is in its own room
//! (`ARCHITECTURE.md`).
//!
//! report → findings ─┐
//! reference → image → tree → inventory → plan → apply → layer → verify → publish → report
//!
//! Verification comes before publication: the patch layer is read back from the bytes that
//! will be sent and judged there, so a repair that did not do what it claims is never
//! published. After publication the destination is asked again for what it now serves.

pub mod compare;
pub mod environment;
pub mod export;
pub mod families;
pub mod load;
pub mod original;
pub mod patch;
pub mod planning;
pub mod publication;
pub mod repair;
pub mod review;
pub mod scan;
pub mod second_opinion;
pub mod seen_versions;

pub use compare::{diff, inventories};
pub use environment::{
    AfterFetching, CacheChoice, Edge, Environment, RepositoryChoice, ScriptsMode,
};
pub use planning::{PlanRequest, PlannedImage, plan};
pub use repair::{RepairOutcome, RepairRequest, SourceImage, repair};
pub use review::Evidence;
pub use scan::{NamedReport, ScanInput};

use imgfix_oci::{ImageError, ReferenceError};
use imgfix_repair::error::RepairerError;

/// What a repaired image's tag adds.
pub const DEFAULT_SUFFIX: &str = "_fix";

/// Why a run ended without its result. Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Layer(#[from] imgfix_vfs::layer_reader::LayerError),
    #[error(transparent)]
    Rootfs(#[from] imgfix_vfs::RootfsError),
    #[error(transparent)]
    Findings(#[from] imgfix_findings::FindingsError),
    #[error("{image}: {source}")]
    Inventory { image: String, source: imgfix_repair::error::Cause },
    #[error(transparent)]
    Repairer(#[from] RepairerError),
    #[error(transparent)]
    Fetch(#[from] imgfix_repository::FetchError),
    #[error("--no-network-after-fetch: {0}; nothing was published")]
    Network(#[from] imgfix_confinement::network::NetworkError),
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Temporary(std::io::Error),
    #[error("writing the patch layer: {0}")]
    WriteLayer(String),
    #[error(transparent)]
    Publish(#[from] imgfix_oci::publish::PublishError),
    #[error(transparent)]
    Scanner(#[from] crate::scanner::ScannerError),
    #[error(transparent)]
    Diff(#[from] imgfix_report::diff::DiffError),
    #[error(
        "{image}: the image has no dpkg or apk database; imgfix repairs Debian, Ubuntu, Alpine, \
         Wolfi and Chainguard images"
    )]
    Unsupported { image: String },
    #[error(
        "{image}: the image is a chiselled Ubuntu: chisel cut its files out of packages and noted \
         them in {}, and there is no dpkg database that they could be upgraded by; build it anew \
         with 'chisel cut', which takes the newest packages",
        load::CHISEL_MANIFEST
    )]
    Chiselled { image: String },
    #[error("{report} is about another image: {why} (--strict)")]
    OtherImage { report: String, why: String },
    #[error(
        "the plan is for {wanted}, but {image} is {found}: make a new plan with 'imgfix plan --save'"
    )]
    OtherPlan { image: String, wanted: String, found: String },
    #[error(
        "the plan has no steps for {platform} of {image}: make a new plan with 'imgfix plan --save'"
    )]
    NoPlan { image: String, platform: String },
    #[error("{image} has no image for {wanted}; it has {have}")]
    NoPlatform { image: String, wanted: String, have: String },
    #[error(
        "{image} ends in {suffix:?} already, but is no image that imgfix repaired: name the \
         repaired image with -o, so that the original stays"
    )]
    ReplacesOriginal { image: String, suffix: String },
    #[error("the repaired image is not what the plan says: {0}; nothing was published")]
    Verification(String),
    #[error("the image was published as {reference}, but reading it back failed: {why}")]
    ReadBack { reference: String, why: String },
}
