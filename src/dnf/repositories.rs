//! The repositories of one platform's image, loaded: the image's own sources or the user's, with
//! their keys.
//!
//! In come the image's files, its settings and what the user wants; out come [`Repositories`].

use std::collections::BTreeMap;

use super::default_repositories;
use super::keys::{self, KeysError};
use super::limits;
use super::options::{Options, Tool};
use super::remote::{LoadOptions, Repositories, SignedSource, load};
use super::sources::{self, RpmSource};
use super::variables::Variables;
use imgfix_model::left_out::LeftOut;
use imgfix_model::package::Distribution;
use imgfix_repair::edge::Edge;
use imgfix_repair::error::RepairerError;
use imgfix_repository::Fetcher;
use imgfix_repository::leaving_out::{LeavingOut, Strictness};
use imgfix_repository::repository_url::Origin;
use imgfix_repository::signature::Keyring;
use imgfix_vfs::FileSystem;

/// What is known of an image before its repositories are asked.
pub struct Known<'a> {
    /// From os-release(5).
    pub distribution: &'a Distribution,
    /// rpm's name of the machine: `x86_64`.
    pub architecture: &'a str,
    /// What `$releasever` stands for.
    pub release: &'a str,
    /// Settings of its package manager.
    pub options: &'a Options,
    /// The keys of its rpm database.
    pub installed_keys: &'a Keyring,
    /// Whether a package of this name is installed.
    pub is_installed: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Loads everything the image may be upgraded from.
///
/// # Errors
/// A source is malformed; or none can be used; or one cannot be, and the user wants all.
pub fn of_image(
    fs: &dyn FileSystem,
    known: &Known<'_>,
    fetcher: &Fetcher,
    edge: &Edge,
) -> Result<Repositories, RepairerError> {
    let variables = variables(fs, known, edge)?;
    let mut leaving_out = LeavingOut::new(edge.repositories.strictness);
    let signed = signed(fs, known, &variables, edge, &mut leaving_out)?;
    for SignedSource { source, .. } in &signed {
        if source.origin == Origin::Added {
            edge.progress
                .detail(&format!("adding {}, as the image names no repository", source.describe()));
        }
    }
    if let Some(proxy) = &known.options.proxy {
        edge.progress.detail(&format!(
            "the image reaches its repositories by the proxy {proxy}; imgfix uses this machine's own"
        ));
    }
    if let flags @ [_, ..] = &known.options.unfollowed_flags[..] {
        edge.progress.warn(&format!(
            "tsflags={} of the image's dnf is not followed: scripts and triggers are evaluated, and \
             files have their attributes",
            flags.join(",")
        ));
    }
    let options = LoadOptions {
        architecture: known.architecture,
        variables: &variables,
        now: edge.now,
        memory: edge.memory.clone(),
        advised: known.is_installed,
        modules: known.options.tool == Tool::Dnf,
    };
    let mut repositories =
        load(&signed, leaving_out, fetcher, &options).map_err(RepairerError::family)?;
    let sources: Vec<_> = repositories.list.iter().map(|one| &one.source).collect();
    let release = variables.get("releasever").unwrap_or_default();
    let is_chosen = edge.repositories.release.is_some();
    repositories.limit = limits::of_repositories(known.distribution, &sources, release, is_chosen);
    Ok(repositories)
}

/// The keys that may sign packages.
#[derive(Debug, Default)]
pub struct Keyrings {
    /// By the place of their repository ([`RpmSource::place`]).
    pub of_place: BTreeMap<String, Keyring>,
    /// The repositories' places in dnf's order.
    pub places: Vec<String>,
}

/// The keys that may sign packages, repository by repository.
///
/// # Errors
/// A source is malformed, or a file cannot be read from its layer.
pub fn keyrings(
    fs: &dyn FileSystem,
    known: &Known<'_>,
    edge: &Edge,
) -> Result<Keyrings, RepairerError> {
    let variables = variables(fs, known, edge)?;
    // what is left out was told when its packages were chosen
    let mut leaving_out = LeavingOut::new(Strictness::LeaveOut);
    let signed = signed(fs, known, &variables, edge, &mut leaving_out)?;
    let mut keyrings = Keyrings::default();
    for SignedSource { source, keyring } in signed {
        keyrings.of_place.entry(source.place().to_owned()).or_default().extend(keyring);
        keyrings.places.push(source.place().to_owned());
    }
    Ok(keyrings)
}

/// The image's, unless the user says another release.
fn variables(
    fs: &dyn FileSystem,
    known: &Known<'_>,
    edge: &Edge,
) -> Result<Variables, RepairerError> {
    let read = Variables::read(fs, known.architecture, known.release);
    let variables = read.map_err(RepairerError::family)?;
    Ok(match &edge.repositories.release {
        Some(release) => variables.with_release(release),
        None => variables,
    })
}

/// The sources to use, each with its keys.
fn signed(
    fs: &dyn FileSystem,
    known: &Known<'_>,
    variables: &Variables,
    edge: &Edge,
    leaving_out: &mut LeavingOut,
) -> Result<Vec<SignedSource>, RepairerError> {
    let choice = &edge.repositories;
    let read_host = |path: &str| std::fs::read(path);
    let mut signed = Vec::new();
    for source in named(fs, known, variables, edge, leaving_out)? {
        let keyring = match &choice.keyring {
            Some(keyring) => Ok(keyring.clone()),
            None => keys::keyring_for(
                &source,
                fs,
                known.installed_keys,
                &known.distribution.id,
                &read_host,
            ),
        };
        match keyring {
            Ok(keyring) => signed.push(SignedSource { source, keyring }),
            Err(KeysError::Read(error)) => return Err(RepairerError::family(error)),
            Err(KeysError::Signature(error)) => {
                leaving_out.leave_out(source.describe(), error.to_string())?;
            }
        }
    }
    Ok(signed)
}

/// The sources to use: the user's, or the image's, or those that its distribution is known to have.
fn named(
    fs: &dyn FileSystem,
    known: &Known<'_>,
    variables: &Variables,
    edge: &Edge,
    leaving_out: &mut LeavingOut,
) -> Result<Vec<RpmSource>, RepairerError> {
    let choice = &edge.repositories;
    if !choice.lines.is_empty() {
        let lines = choice.lines.iter().map(|line| sources::parse_option(line, variables));
        return lines.collect::<Result<_, _>>().map_err(RepairerError::family);
    }
    let own = sources::read(fs, known.options, variables).map_err(RepairerError::family)?;
    let count = own.sources.len() + own.left_out.len() + own.disabled;
    for LeftOut { source, why } in own.left_out {
        leaving_out.leave_out(source, why)?;
    }
    let mut all = own.sources;
    if !choice.image_sources_only {
        all.extend(default_repositories::missing(known.distribution, known.architecture, count));
    }
    Ok(all)
}
