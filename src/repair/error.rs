//! Why a repairer's work ends without a result.

use imgfix_repository::leaving_out::Unusable;
use imgfix_repository::signature::SignatureError;
use imgfix_repository::{CacheError, FetchError};

/// An error of a family's own room.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a repairer gives up. What only one package is to blame for bars that package instead.
#[derive(Debug, thiserror::Error)]
pub enum RepairerError {
    /// Of the family's own: its settings, its repositories.
    #[error(transparent)]
    Family(Cause),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error(
        "cannot use the cache in {place}: {source}; name another place with --cache-dir DIR, or \
         keep no downloads with --no-cache"
    )]
    Cache { place: String, source: CacheError },
    #[error("{archive}: {source}")]
    Archive { archive: String, source: Cause },
    #[error("{archive}: {source}")]
    TooMuch { archive: String, source: Cause },
    #[error("{archive}: it is package {found}, but the index said {wanted}")]
    OtherPackage { archive: String, found: String, wanted: String },
    #[error("cannot read {archive}: {source}")]
    ArchiveFile { archive: String, source: std::io::Error },
    #[error("{image}: {source}")]
    Install { image: String, source: Cause },
    /// A saved plan cannot be done.
    #[error(
        "the repaired image is not what the plan says: {package} cannot be installed: {reason}; \
         nothing was published"
    )]
    NotAsPlanned { package: String, reason: imgfix_model::reason::Reason },
    /// A saved plan is about a store that the image does not have.
    #[error("the plan changes {0}, which the image does not have: make a new plan")]
    NoStore(imgfix_model::component::StoreId),
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Temporary(std::io::Error),
    #[error(transparent)]
    Recipe(#[from] imgfix_recipes::RecipeError),
}

impl RepairerError {
    /// An error of a family's own.
    pub fn family(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Family(Box::new(error))
    }
}
