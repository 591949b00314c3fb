//! `imgfix schema`: the JSON Schemas of what imgfix reads and writes, as they stand in `docs/`, for
//! editors and for programs that check what they get.

use clap::{Args, ValueEnum};

use super::confine::Start;
use super::{CommandResult, exit};

/// Arguments of `imgfix schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Whose schema
    #[arg(value_enum)]
    name: Name,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The report of a repair: `repair --format json`, `--report-file`
    Report,
    /// `inventory --format json`
    Inventory,
    /// `diff --format json`
    Diff,
    /// `findings --format json`
    Findings,
    /// The policy file, `imgfix.toml`
    Config,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Name::Report => include_str!("../../docs/report.schema.json"),
            Name::Inventory => include_str!("../../docs/inventory.schema.json"),
            Name::Diff => include_str!("../../docs/diff.schema.json"),
            Name::Findings => include_str!("../../docs/findings.schema.json"),
            Name::Config => include_str!("../../docs/imgfix.schema.json"),
        }
    }
}

/// Runs `imgfix schema`.
///
/// # Errors
/// stdout cannot be written.
pub fn run(arguments: &SchemaArguments, start: Start) -> CommandResult {
    let output = start.output();
    // It reads nothing.
    start.unconfined();
    output.result(arguments.name.text())?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_in_the_documentation_has_a_name_and_says_what_it_is() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
        let files = std::fs::read_dir(folder).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".schema.json")
        });
        assert_eq!(files.count(), Name::value_variants().len());
        for name in Name::value_variants() {
            let schema: serde_json::Value = serde_json::from_str(name.text()).unwrap();
            assert!(schema["title"].is_string() && schema["$id"].is_string(), "{name:?}");
        }
    }
}
