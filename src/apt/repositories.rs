//! The repositories of one platform's image, loaded: the image's own sources or the user's,
//! the distribution's security repository when none of them names it, their keys and logins.
//!
//! In come the image's files and what the user wants; out come [`ImageRepositories`].

use std::sync::Arc;

use super::keys;
use super::remote::{LoadOptions, Repositories, SignedSource, load};
use crate::default_repositories;
use crate::lifetimes;
use crate::sources;
use crate::sources::AptSource;
use imgfix_model::left_out::LeftOut;
use imgfix_model::package::Distribution;
use imgfix_repository::Fetcher;
use imgfix_repository::access::Credentials;
use imgfix_repository::auth_conf::{AuthConf, Found};
use imgfix_repository::leaving_out::LeavingOut;
use imgfix_repository::repository_url::Origin;
use imgfix_vfs::FileSystem;

use imgfix_repair::edge::Edge;
use imgfix_repair::error::RepairerError;

/// What an image may be upgraded from.
pub(crate) struct ImageRepositories {
    pub(crate) repositories: Repositories,
    /// What to do, when there is no repository at all.
    pub(crate) advice: Option<String>,
}

/// Loads everything the image may be upgraded from.
///
/// # Errors
/// A source is malformed; or none can be used; or one cannot be, and the user wants all.
pub(crate) fn of_image(
    fs: &dyn FileSystem,
    distribution: &Distribution,
    architectures: &[String],
    fetcher: &Fetcher,
    edge: &Edge,
) -> Result<ImageRepositories, RepairerError> {
    let choice = &edge.repositories;
    let native = architectures.first().map(String::as_str).unwrap_or_default();
    let mut leaving_out = LeavingOut::new(choice.strictness);
    let all = named(fs, distribution, native, edge, &mut leaving_out)?;
    log_in(&all, fs, fetcher, edge)?;
    let advice = all.is_empty().then(|| advice(distribution, edge.now));
    let read_host = |path: &str| std::fs::read(path);
    let mut signed = Vec::with_capacity(all.len());
    for source in all {
        let keyring = match &choice.keyring {
            Some(keyring) => Ok(keyring.clone()),
            None => keys::keyring_for(&source, fs, &distribution.id, &read_host),
        };
        match keyring {
            Ok(keyring) => signed.push(SignedSource { source, keyring }),
            Err(keys::KeyringError::Read(error)) => return Err(RepairerError::family(error)),
            Err(keys::KeyringError::Signature(error)) => {
                leaving_out.leave_out(source.describe(), error.to_string())?
            }
        }
    }
    let options = LoadOptions {
        architectures: architectures.to_vec(),
        now: edge.now,
        expired: edge.expired(),
        memory: edge.memory.clone(),
    };
    let repositories =
        load(&signed, leaving_out, fetcher, &options).map_err(RepairerError::family)?;
    if let Some(advice) = &advice {
        edge.progress.warn(&format!("the image names no repository: {advice}"));
    } else if choice.lines.is_empty() {
        warn_of_end(distribution, edge);
    }
    Ok(ImageRepositories { repositories, advice })
}

/// The sources to use: the user's, or the image's and those that it lacks.
fn named(
    fs: &dyn FileSystem,
    distribution: &Distribution,
    native: &str,
    edge: &Edge,
    leaving_out: &mut LeavingOut,
) -> Result<Vec<AptSource>, RepairerError> {
    let choice = &edge.repositories;
    if !choice.lines.is_empty() {
        let lines = choice.lines.iter().map(|line| sources::parse_option(line));
        let lines: Result<Vec<_>, _> = lines.collect();
        return Ok(lines.map_err(RepairerError::family)?.concat());
    }
    let own = sources::read(fs).map_err(RepairerError::family)?;
    for LeftOut { source, why } in own.left_out {
        leaving_out.leave_out(source, why)?;
    }
    let mut all = own.sources;
    if !choice.image_sources_only {
        let added = default_repositories::missing(distribution, native, &all);
        for source in &added {
            edge.progress.detail(&format!(
                "adding {}, which the image's sources do not name",
                source.describe()
            ));
        }
        all.extend(added);
    }
    Ok(all)
}

/// The logins of apt_auth.conf(5): the image's files for the sources that the image names, and
/// this machine's for those of the user. An image cannot make use of this machine's logins.
fn log_in(
    sources: &[AptSource],
    fs: &dyn FileSystem,
    fetcher: &Fetcher,
    edge: &Edge,
) -> Result<(), RepairerError> {
    let image = Arc::new(AuthConf::read(fs).map_err(RepairerError::family)?);
    for source in sources.iter().filter(|source| source.login.is_none()) {
        let (auth, whose) = match source.origin {
            Origin::Image => (&image, "the image"),
            Origin::User => (&edge.repositories.auth, "this machine"),
            Origin::Added => continue,
        };
        if auth.is_empty() {
            continue;
        }
        // what is behind a variable is the server's all the same
        let base = source.url.split("$(").next().unwrap_or_default();
        fetcher.login(base, Credentials::Conf(Arc::clone(auth)));
        if auth.login(&source.dists()) == Found::OnlyEncrypted {
            edge.progress.warn(&format!(
                "{}: auth.conf of {whose} has a login for it, but for https only; to send it \
                 unencrypted, write 'machine http://HOST' there",
                source.describe()
            ));
        }
    }
    Ok(())
}

/// What to do without any repository.
fn advice(distribution: &Distribution, now: i64) -> String {
    let line = "'deb URL SUITE COMPONENT...'".to_owned();
    let (what, line) = match lifetimes::of_image(distribution) {
        Some(release) => match release.ended(now) {
            Some(ended) => (ended, format!("'{}'", release.line_after_end())),
            None => (format!("those of {} are not used", release.name()), line),
        },
        None if distribution.pretty_name.is_empty() => {
            ("none is known for its distribution".to_owned(), line)
        }
        None => (format!("none is known for {}", distribution.pretty_name), line),
    };
    format!("{what}; give one with --repository {line}")
}

/// An image of a release that gets no updates any more can be repaired up to its last ones.
fn warn_of_end(distribution: &Distribution, edge: &Edge) {
    if let Some(release) = lifetimes::of_image(distribution)
        && let Some(ended) = release.ended(edge.now)
    {
        edge.progress.warn(&format!("{ended}: {}", release.consequence()));
    }
}
