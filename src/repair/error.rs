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
    /// Keys or a signature cannot be read, or a signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A download failed, or what came is not what was promised.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A repository cannot be used, and none may be left out (`--strict-repositories`).
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The downloads cannot be kept where they should be.
    #[error(
        "cannot use the cache in {place}: {source}; name another place with --cache-dir DIR, or \
         keep no downloads with --no-cache"
    )]
    Cache {
        /// The folder.
        place: String,
        /// Why not.
        source: CacheError,
    },
    /// A package archive is malformed.
    #[error("{archive}: {source}")]
    Archive {
        /// Its URL.
        archive: String,
        /// What the reader of the format says.
        source: Cause,
    },
    /// A package archive unpacks to more than there is room for.
    #[error("{archive}: {source}")]
    TooMuch {
        /// Its URL.
        archive: String,
        /// Which limit, and how to raise it.
        source: Cause,
    },
    /// A package archive holds another package than the step says.
    #[error("{archive}: it is package {found}, but the index said {wanted}")]
    OtherPackage {
        /// Its URL.
        archive: String,
        /// Name, version and architecture in the archive.
        found: String,
        /// Name, version and architecture of the step.
        wanted: String,
    },
    /// A package archive is not signed by a key that may sign it.
    #[error("{archive}: {source}")]
    Untrusted {
        /// Its URL.
        archive: String,
        /// What is wrong with the signature.
        source: Cause,
    },
    /// A fetched package archive is not in the cache any more.
    #[error("cannot read {archive}: {source}")]
    ArchiveFile {
        /// Its URL.
        archive: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// An installation failed for a reason that no single package is to blame for.
    #[error("{image}: {source}")]
    Install {
        /// Which platform's image: `linux/amd64`.
        image: String,
        /// What the family says.
        source: Cause,
    },
    /// A saved plan cannot be done.
    #[error(
        "the repaired image is not what the plan says: {package} cannot be installed: {reason}; \
         nothing was published"
    )]
    NotAsPlanned {
        /// The first package that cannot be installed: `name:architecture`.
        package: String,
        /// Why it cannot.
        reason: imgfix_model::reason::Reason,
    },
    /// A saved plan is about a store that the image does not have.
    #[error("the plan changes {0}, which the image does not have: make a new plan")]
    NoStore(imgfix_model::component::StoreId),
    /// The temporary directory is full or cannot be written.
    #[error("cannot write temporary files: {0}; free space or set TMPDIR")]
    Temporary(std::io::Error),
    /// A shipped recipe is off its schema.
    #[error(transparent)]
    Recipe(#[from] imgfix_recipes::RecipeError),
}

impl RepairerError {
    /// An error of a family's own.
    pub fn family(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Family(Box::new(error))
    }
}
