//! The repositories of one platform's apk image, loaded: the image's own or the user's, those of
//! a known distribution when the image names none, and their keys.
//!
//! In come the image's files and what the user wants; out come [`Repositories`].

use super::keys;
use super::remote::{Repositories, SignedSource, load};
use crate::default_repositories;
use crate::inventory::ApkInventory;
use crate::sources;
use crate::sources::ApkSource;
use imgfix_model::left_out::LeftOut;
use imgfix_repair::edge::Edge;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_repository::leaving_out::LeavingOut;
use imgfix_vfs::FileSystem;

/// Loads everything the image may be upgraded from.
///
/// # Errors
/// A source is malformed; or none can be used; or one cannot be, and the user wants all.
pub(crate) fn of_image(
    fs: &dyn FileSystem,
    inventory: &ApkInventory,
    fetcher: &Fetcher,
    edge: &Edge,
) -> Result<Repositories, RepairerError> {
    let choice = &edge.repositories;
    let architecture = inventory.architecture.as_ref();
    let distribution = &inventory.distribution;
    let mut leaving_out = LeavingOut::new(choice.strictness);
    let mut all: Vec<ApkSource> = Vec::new();
    if choice.lines.is_empty() {
        let own = sources::read(fs, architecture).map_err(RepairerError::family)?;
        for LeftOut { source, why } in own.left_out {
            leaving_out.leave_out(source, why)?;
        }
        all = own.sources;
        if !choice.image_sources_only {
            let added = default_repositories::missing(distribution, &all);
            for source in &added {
                edge.progress.detail(&format!(
                    "adding {}, as the image names no repository",
                    source.describe()
                ));
            }
            all.extend(added);
        }
    } else {
        for line in &choice.lines {
            all.extend(sources::parse_option(line).map_err(RepairerError::family)?);
        }
    }
    let mut signed = Vec::with_capacity(all.len());
    for source in all {
        let keyring = match &choice.rsa_keyring {
            Some(keyring) => keyring.clone(),
            None => keys::keyring_for(&source, fs, &distribution.id, architecture)
                .map_err(RepairerError::family)?,
        };
        signed.push(SignedSource { source, keyring });
    }
    load(&signed, leaving_out, architecture, fetcher, &edge.memory).map_err(RepairerError::family)
}
