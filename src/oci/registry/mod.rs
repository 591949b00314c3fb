//! Registries (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>) as
//! [`Source`](super::Source) and [`Sink`](super::Sink).
//!
//! Credentials come from the files that docker, podman and skopeo share ([`credentials`]), tokens
//! are asked for several repositories and with refresh tokens ([`login`]), retries have a reason
//! ([`failure`]), downloads go on where they were cut ([`download`]), uploads can be taken back
//! ([`upload`]), manifests are of bounded size ([`connection`]), and no transfer takes for ever
//! ([`imgfix_host::pace`]). The traits are synchronous; each connection drives an async runtime.

pub mod account;
mod connection;
pub mod credentials;
mod delete;
mod download;
mod failure;
mod login;
mod sink;
mod source;
mod upload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imgfix_host::pace::Pace;
use imgfix_vfs::limits::LayerLimits;

pub use delete::delete_tag;
pub use sink::RegistrySink;
pub use source::RegistrySource;

/// How registries are reached. Proxies are those of [`imgfix_host::http`].
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// PEM files of certificate authorities that are trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// Plain HTTP to any host. Without it plain HTTP is spoken only to loopback hosts that do
    /// not answer TLS.
    pub plain_http: bool,
    /// Any certificate of a registry is taken, whoever made it and for whatever name: whoever is on
    /// the way can read logins and exchange images. What is fetched by digest is checked all the
    /// same.
    pub skip_tls_verify: bool,
    /// The only file credentials are taken from, instead of the usual ones.
    pub auth_file: Option<PathBuf>,
    /// How often a request is repeated after a failure that may pass.
    pub retries: u32,
    /// How long the first repetition waits; each further one waits twice as long.
    pub backoff: Duration,
    /// How much an archive that is compressed as a whole may unpack to.
    pub limits: LayerLimits,
    /// How long the registry may take.
    pub pace: Pace,
    /// The runtime to use; one is started for each connection when there is none.
    pub runtime: Option<Arc<tokio::runtime::Runtime>>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            ca_files: Vec::new(),
            plain_http: false,
            skip_tls_verify: false,
            auth_file: None,
            retries: 4,
            backoff: Duration::from_millis(500),
            limits: LayerLimits::default(),
            pace: Pace::default(),
            runtime: None,
        }
    }
}
