//! `imgfix version`: which build this is, for reports of faults and for scripts that pin it.
//! The number comes from `Cargo.toml`, the rest from `build.rs`.

use clap::Args;
use serde::Serialize;

use super::confine::Start;
use super::options::Format;
use super::{CommandResult, exit};

/// The `schema` of the JSON.
const SCHEMA: &str = "imgfix/version/v1";

/// Arguments of `imgfix version`.
#[derive(Debug, Args)]
pub struct VersionArguments {
    /// How it is written; JSON is imgfix/version/v1
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What is known of a build.
#[derive(Debug, Serialize)]
struct Build {
    schema: &'static str,
    /// As in `Cargo.toml`.
    version: &'static str,
    /// The commit that was built, in full; none for a debug build, and for a source without a
    /// repository.
    commit: Option<&'static str>,
    /// The day of the commit, `YYYY-MM-DD` in UTC; none for a crate of crates.io, which names only
    /// the commit.
    commit_date: Option<&'static str>,
    /// rustc's name of the target.
    target: &'static str,
    /// Cargo's features that it was built with, sorted.
    features: Vec<&'static str>,
}

impl Build {
    fn this() -> Self {
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("IMGFIX_COMMIT"),
            commit_date: option_env!("IMGFIX_COMMIT_DATE"),
            target: env!("IMGFIX_TARGET"),
            features: env!("IMGFIX_FEATURES").split_whitespace().collect(),
        }
    }

    fn text(&self) -> String {
        let features = self.features.join(", ");
        let commit = match (self.commit, self.commit_date) {
            (None, _) => "not recorded".to_owned(),
            (Some(commit), None) => commit.to_owned(),
            (Some(commit), Some(date)) => format!("{commit} ({date})"),
        };
        format!(
            "imgfix {}\ncommit: {commit}\ntarget: {}\nfeatures: {features}\n",
            self.version, self.target
        )
    }
}

/// Runs `imgfix version`.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(arguments: &VersionArguments, start: Start) -> CommandResult {
    let output = start.output();
    // It reads nothing.
    start.unconfined();
    output.result(&match arguments.format {
        Format::Text => Build::this().text(),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&Build::this())?),
    })?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_says_what_is_known_of_it() {
        let commit = "71d774a1b2c3d4e5f60718293a4b5c6d7e8f9012";
        let tail = "target: x86_64-unknown-linux-musl\nfeatures: cli\n";
        for (commit, commit_date, want) in [
            (Some(commit), Some("2026-11-30"), format!("{commit} (2026-11-30)")),
            (Some(commit), None, commit.to_owned()),
            (None, None, "not recorded".to_owned()),
        ] {
            let build = Build {
                schema: SCHEMA,
                version: "1.2.3",
                commit,
                commit_date,
                target: "x86_64-unknown-linux-musl",
                features: vec!["cli"],
            };
            assert_eq!(build.text(), format!("imgfix 1.2.3\ncommit: {want}\n{tail}"));
        }
    }

    #[test]
    fn features_of_this_build_are_cargo_s() {
        assert_eq!(Build::this().features, ["cli"]);
    }
}
