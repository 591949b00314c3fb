//! What the edge hands to repairers: the clock, the watcher, limits, and how repositories are
//! reached. Made once, then only read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::error::RepairerError;
use imgfix_host::pace::Pace;
use imgfix_host::progress::SharedProgress;
use imgfix_host::unfinished::Unfinished;
use imgfix_model::replacement::Replacement;
use imgfix_repository::access::Credentials;
use imgfix_repository::auth_conf::AuthConf;
use imgfix_repository::checked::IdentityCheck;
use imgfix_repository::freshness::Expired;
use imgfix_repository::leaving_out::Strictness;
use imgfix_repository::newest::Older;
use imgfix_repository::registries::LibraryRegistries;
use imgfix_repository::rsa_keys::RsaKeyring;
use imgfix_repository::signature::Keyring;
use imgfix_repository::upkeep::{Limits, Pruned};
use imgfix_repository::{
    Cache, CacheError, CacheKey, ClientCertificate, FetchOptions, Fetcher, Mirror,
};
use imgfix_shell::TimeLimit;
use imgfix_solve::effort::Effort;
use imgfix_terminal::{bytes, count};
use imgfix_vfs::Memory;

/// Where packages come from, as the user wants it.
#[derive(Debug, Clone, Default)]
pub struct RepositoryChoice {
    /// `--repository` lines; when there are any, the image's sources are not used.
    pub lines: Vec<String>,
    /// `--mirror`: where packages are fetched instead, for URLs that begin with another.
    pub mirrors: Vec<Mirror>,
    /// `--keyring`: replaces the image's OpenPGP keys.
    pub keyring: Option<Keyring>,
    /// The same for repositories that are signed with RSA keys (apk's).
    pub rsa_keyring: Option<RsaKeyring>,
    /// `--image-sources-only`: the distribution's security archive is not added to the image's
    /// sources.
    pub image_sources_only: bool,
    /// `--allow-expired-index`: an index is used although its `Valid-Until` has passed.
    pub allow_expired: bool,
    /// What a repository that cannot be used means.
    pub strictness: Strictness,
    /// This machine's apt_auth.conf(5): for `lines` and `mirrors`, never for what an image
    /// names.
    pub auth: Arc<AuthConf>,
    /// What an index means that is older than one that was seen before.
    pub older: Older,
    /// Where downloads are kept, and for how long.
    pub cache: CacheChoice,
    /// What a kept cache may have after the run.
    pub cache_limits: Limits,
    /// `--releasever`: what `$releasever` stands for in the sources of an rpm image.
    pub release: Option<String>,
    /// Where libraries of applications come from.
    pub libraries: LibraryRegistries,
    /// `--require-attestation`: archives of libraries that nothing attests are not used.
    pub require_attestation: bool,
    /// `--offline`: what is not in the cache is not fetched.
    pub offline: bool,
    /// PEM files.
    pub certificates: Vec<Vec<u8>>,
    /// What is shown to servers that want to know who asks.
    pub client_certificates: Vec<ClientCertificate>,
}

/// How maintainer scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScriptsMode {
    /// Evaluated in a virtual shell; a package whose scripts cannot be is left alone.
    #[default]
    Virtual,
    /// As virtual; what cannot be evaluated is run in namespaces, over a copy of the image.
    Sandbox,
    /// Not at all: packages that have scripts to run are left alone.
    Never,
}

/// Where downloads are kept.
#[derive(Debug, Clone, Default)]
pub enum CacheChoice {
    /// For this run only.
    #[default]
    Temporary,
    /// In this directory, which the user has named; when it cannot be used, that is an error.
    Kept {
        /// The cache's folder, made when it is not there.
        dir: PathBuf,
        /// The user's key, which seals what no digest names.
        key: CacheKey,
    },
    /// In this directory, which the user has not named; for this run only when it cannot be
    /// written, or others can.
    KeptIfPossible {
        /// The cache's folder, made when it is not there.
        dir: PathBuf,
        /// The user's key, as for [`CacheChoice::Kept`].
        key: CacheKey,
    },
}

/// What becomes of the network when everything is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterFetching {
    /// Connections stay possible until the end of the run.
    #[default]
    Stays,
    /// Connections are refused, and there are none from before.
    Goes,
}

/// What repairers get from outside.
pub struct Edge {
    /// Whom to tell what is done meanwhile.
    pub progress: SharedProgress,
    /// Where packages come from.
    pub repositories: RepositoryChoice,
    /// What the user replaces in images.
    pub replacements: Vec<Replacement>,
    /// How packages are checked that are known by their identity.
    pub identity_check: Option<IdentityCheck>,
    /// How fast downloads must be.
    pub pace: Pace,
    /// What repositories and packages may make this program hold.
    pub memory: Memory,
    /// How maintainer scripts are run.
    pub scripts: ScriptsMode,
    /// How long scripts may take that are evaluated.
    pub script_time: TimeLimit,
    /// How much planning may do.
    pub effort: Effort,
    /// Seconds since the epoch: for signatures, freshness and expiry dates of ignore rules.
    /// No digest depends on it.
    pub now: i64,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<i64>,
    /// Runs the downloads; whoever uses it blocks, and must not be in one of its tasks.
    pub runtime: Arc<Runtime>,
    /// What becomes of the network when everything is fetched.
    pub network: AfterFetching,
    /// What an interruption takes back.
    pub unfinished: Unfinished,
}

impl Edge {
    /// What to do with expired indexes.
    #[must_use]
    pub fn expired(&self) -> Expired {
        if self.repositories.allow_expired { Expired::Allow } else { Expired::Refuse }
    }

    fn cache(&self) -> Result<Cache, RepairerError> {
        let temporary = || {
            let place = "the system's temporary directory".to_owned();
            Cache::temporary(&self.unfinished)
                .map_err(|source| RepairerError::Cache { place, source: source.into() })
        };
        let kept = |dir: &Path, key: &CacheKey| {
            let place = dir.display().to_string();
            Cache::open(dir, key.clone(), &self.unfinished)
                .map_err(|source| RepairerError::Cache { place, source })
        };
        match &self.repositories.cache {
            CacheChoice::Temporary => temporary(),
            CacheChoice::Kept { dir, key } => kept(dir, key),
            CacheChoice::KeptIfPossible { dir, key } => kept(dir, key).or_else(|error| {
                if self.repositories.offline {
                    return Err(error);
                }
                self.progress.warn(&format!("downloads are kept for this run only: {error}"));
                temporary()
            }),
        }
    }

    /// Removes from a kept cache what is over its limits, once the run does not need it any more.
    /// A failure is told as a detail.
    pub fn tidy_cache(&self) {
        let dir = match &self.repositories.cache {
            CacheChoice::Temporary => return,
            CacheChoice::Kept { dir, .. } | CacheChoice::KeptIfPossible { dir, .. } => dir,
        };
        match Cache::prune(dir, self.repositories.cache_limits) {
            Ok(Pruned::Done { removed, .. }) if removed.files > 0 => {
                self.progress.detail(&format!(
                    "removed from the cache: {} ({}), not used of late",
                    count(removed.files, "file"),
                    bytes(removed.bytes)
                ));
            }
            Ok(_) => {}
            // it was told when it was opened
            Err(CacheError::Foreign { .. }) => {}
            Err(error) => {
                self.progress.detail(&format!("{}: not tidied: {error}", dir.display()));
            }
        }
    }

    /// Opens the cache and prepares downloads.
    ///
    /// # Errors
    /// The cache directory cannot be made; a certificate is unusable.
    pub fn fetcher(&self) -> Result<Fetcher, RepairerError> {
        let cache = self.cache()?;
        let options = FetchOptions {
            offline: self.repositories.offline,
            mirrors: self.repositories.mirrors.clone(),
            certificates: self.repositories.certificates.clone(),
            client_certificates: self.repositories.client_certificates.clone(),
            pace: self.pace,
            older: self.repositories.older,
            now: Some(self.now),
            identity_check: self.identity_check,
            // one that waits for more would still be open when the network goes
            reuse_connections: self.network == AfterFetching::Stays,
        };
        let progress = Arc::clone(&self.progress);
        let fetcher = Fetcher::new(Arc::clone(&self.runtime), cache, options, progress)?;
        for (base, credentials) in self.repositories.libraries.logins() {
            fetcher.login(base, credentials.clone());
        }
        for mirror in &self.repositories.mirrors {
            let auth = Credentials::Conf(Arc::clone(&self.repositories.auth));
            fetcher.login(&format!("{}/", mirror.to()), auth);
        }
        Ok(fetcher)
    }
}
