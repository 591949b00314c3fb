//! `imgfix cache`: what the cache of downloads has, and taking away what is too much.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use imgfix_repository::Cache;
use imgfix_repository::upkeep;
use imgfix_repository::upkeep::Pruned;
use imgfix_terminal::{bytes, count};

use super::confine::Start;
use super::exit::Failure;
use super::options::CacheOptions;
use super::output::Output;
use super::policy::PolicyOptions;
use super::registry_options::RegistryAccess;
use super::{CommandResult, exit};

/// Arguments of `imgfix cache`.
#[derive(Debug, Args)]
pub struct CacheArguments {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Say where it is and what it has
    Info {
        #[command(flatten)]
        cache: CacheOptions,
    },
    /// Remove what was not used for 90 days, and the least recently used beyond --cache-max-size;
    /// a repair does so at its end
    Prune {
        #[command(flatten)]
        cache: CacheOptions,
        #[command(flatten)]
        policy: PolicyOptions,
    },
}

/// Runs `imgfix cache`.
///
/// # Errors
/// There is no home to look for it in; it cannot be read, or a file of it cannot be removed.
pub fn run(arguments: CacheArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    // It reads no word of a stranger.
    start.unconfined();
    match arguments.command {
        CacheCommand::Info { cache } => info(&place(&cache)?, output),
        CacheCommand::Prune { mut cache, policy } => {
            let dir = place(&cache)?;
            let policy = policy.load(None, &RegistryAccess::default(), output)?;
            cache.cache_max_size = cache.cache_max_size.or(policy.cache_max_size);
            prune(&dir, &cache, output)
        }
    }
}

fn place(cache: &CacheOptions) -> Result<PathBuf, Failure> {
    cache.directory().ok_or_else(|| {
        let why = "there is no home directory to look for the cache in; name it with --cache-dir";
        Failure::Usage(why.to_owned())
    })
}

fn info(dir: &Path, output: &Output) -> CommandResult {
    let held = upkeep::held(dir).map_err(|error| failed(dir, &error))?;
    let files = count(held.files, "file");
    output.result(&format!("{}: {files}, {}\n", dir.display(), bytes(held.bytes)))?;
    Ok(exit::DONE)
}

fn prune(dir: &Path, cache: &CacheOptions, output: &Output) -> CommandResult {
    if !dir.exists() {
        output.result(&format!("{}: there is none\n", dir.display()))?;
        return Ok(exit::DONE);
    }
    let told = match Cache::prune(dir, cache.limits()).map_err(|error| failed(dir, &error))? {
        Pruned::Done { removed, left } => format!(
            "{} removed ({}), {} left ({})",
            count(removed.files, "file"),
            bytes(removed.bytes),
            count(left.files, "file"),
            bytes(left.bytes)
        ),
        Pruned::InUse => "another run uses it: nothing is removed".to_owned(),
        Pruned::ReadOnly => "it can only be read: nothing is removed".to_owned(),
    };
    output.result(&format!("{}: {told}\n", dir.display()))?;
    Ok(exit::DONE)
}

fn failed(dir: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::Work(format!("the cache {}: {error}", dir.display()).into())
}
