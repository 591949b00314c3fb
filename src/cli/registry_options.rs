//! How registries are reached: the options of every subcommand that asks one, and what the room
//! `oci` makes its connections of.

use std::path::PathBuf;

use clap::Args;
use imgfix_oci::RegistryOptions;

/// How registries are reached.
#[derive(Debug, Clone, Default, Args)]
pub struct RegistryAccess {
    /// Registry credentials [default: docker's config.json]
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    pub authfile: Option<PathBuf>,
    /// Trust the certificates in this PEM file too, for registries and repositories (repeatable)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Speak plain HTTP to the registry (loopback addresses: always allowed)
    #[arg(long)]
    pub plain_http: bool,
    /// Take any certificate of a registry; the report says so
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
}

impl RegistryAccess {
    /// What they say; everything else as usual.
    #[must_use]
    pub fn options(&self) -> RegistryOptions {
        RegistryOptions {
            ca_files: self.ca_file.clone(),
            plain_http: self.plain_http,
            skip_tls_verify: self.insecure_skip_tls_verify,
            auth_file: self.authfile.clone(),
            ..RegistryOptions::default()
        }
    }
}
