//! The repositories of one platform's image, loaded: the image's own sources or the user's,
//! the distribution's security archive when none names it, and their keys.

use crate::packages::Distribution;
use crate::packages::dpkg::sources::{self, AptSource};
use crate::repository::apt::{LoadOptions, Loaded, SignedSource, load};
use crate::repository::{Fetcher, keys};
use crate::rootfs::FileSystem;

use crate::pipeline::{Environment, RepairError};

/// Loads everything the image may be upgraded from.
///
/// # Errors
/// A source is malformed, cannot be reached or is not trusted.
pub fn available(
    fs: &dyn FileSystem,
    distribution: &Distribution,
    architectures: &[String],
    fetcher: &Fetcher,
    environment: &Environment,
) -> Result<Loaded, RepairError> {
    let choice = &environment.repositories;
    let native = architectures.first().map(String::as_str).unwrap_or_default();
    let mut all: Vec<AptSource> = Vec::new();
    if choice.lines.is_empty() {
        let own = sources::read(fs)?;
        for warning in &own.warnings {
            environment.progress.warn(warning);
        }
        all = own.sources;
        if !choice.image_sources_only {
            let added = sources::missing(distribution, native, &all);
            for source in &added {
                environment.progress.detail(&format!(
                    "adding {}, which the image's sources do not name",
                    source.describe()
                ));
            }
            all.extend(added);
        }
    } else {
        for line in &choice.lines {
            all.extend(sources::parse_option(line)?);
        }
    }
    let read_host = |path: &str| std::fs::read(path);
    let mut signed = Vec::with_capacity(all.len());
    for source in all {
        let keyring = match &choice.keyring {
            Some(keyring) => keyring.clone(),
            None => keys::keyring_for(&source, fs, &distribution.id, &read_host)?,
        };
        signed.push(SignedSource { source, keyring });
    }
    let options = LoadOptions {
        architectures: architectures.to_vec(),
        now: environment.now,
        expired: environment.expired(),
        memory: environment.memory.clone(),
    };
    Ok(load(&signed, fetcher, &options)?)
}
