//! `imgfix schema`: the JSON Schemas of what imgfix reads and writes, as they stand in `docs/`, for
//! editors and for programs that check what they get.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

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
    /// `plan --format json`, `plan --save`
    Plan,
    /// `repair --review-json`
    Review,
    /// What a webhook or a file is told of a repair
    Notification,
    /// `version --format json`
    Version,
    /// The policy file, `imgfix.toml`
    Config,
}

impl Name {
    /// The file in `docs/`.
    fn file(self) -> &'static str {
        match self {
            Name::Report => include_str!("../../docs/report.schema.json"),
            Name::Inventory => include_str!("../../docs/inventory.schema.json"),
            Name::Diff => include_str!("../../docs/diff.schema.json"),
            Name::Findings => include_str!("../../docs/findings.schema.json"),
            Name::Plan => include_str!("../../docs/plan.schema.json"),
            Name::Review => include_str!("../../docs/review.schema.json"),
            Name::Notification => include_str!("../../docs/notification.schema.json"),
            Name::Version => include_str!("../../docs/version.schema.json"),
            Name::Config => include_str!("../../docs/imgfix.schema.json"),
        }
    }
}

/// The beginning of every `$id`.
const URN: &str = "urn:imgfix:schema:";

/// The schema, and in its `$defs` those that it refers to, so that it stands alone: a compound
/// document (JSON Schema 2020-12 core, 9.3.1). Schemas without such a reference are printed as
/// they are in `docs/`.
fn standalone(name: Name) -> Result<String, imgfix_json::JsonError> {
    let text = name.file();
    let mut schema: Value = imgfix_json::read(text.as_bytes())?;
    let own = schema["$id"].as_str().unwrap_or_default().to_owned();
    let mut wanted = Vec::new();
    references(&schema, &mut wanted);
    let all = Name::value_variants().iter().map(|name| imgfix_json::read(name.file().as_bytes()));
    let all: Vec<Value> = all.collect::<Result<_, _>>()?;
    let mut bundled: Map<String, Value> = Map::new();
    while let Some(id) = wanted.pop() {
        if id == own || bundled.contains_key(&id) {
            continue;
        }
        if let Some(other) = all.iter().find(|other| other["$id"] == *id) {
            references(other, &mut wanted);
            bundled.insert(id, other.clone());
        }
    }
    if bundled.is_empty() {
        return Ok(text.to_owned());
    }
    bundled.sort_keys();
    match schema.get_mut("$defs") {
        Some(Value::Object(defs)) => defs.extend(bundled),
        _ => schema["$defs"] = bundled.into(),
    }
    Ok(imgfix_json::pretty(&schema))
}

/// Adds the ids of other schemas that `value` refers to.
fn references(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            if let Some(target) = keys.get("$ref").and_then(Value::as_str)
                && target.starts_with(URN)
            {
                ids.extend(target.split('#').next().map(str::to_owned));
            }
            keys.values().for_each(|below| references(below, ids));
        }
        Value::Array(items) => items.iter().for_each(|below| references(below, ids)),
        _ => {}
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
    output.result(&standalone(arguments.name)?)?;
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
            let schema: Value = serde_json::from_str(name.file()).unwrap();
            assert!(schema["title"].is_string() && schema["$id"].is_string(), "{name:?}");
        }
    }
    #[test]
    fn a_schema_that_is_printed_refers_to_nothing_that_is_not_in_it() {
        for name in Name::value_variants() {
            let schema: Value = serde_json::from_str(&standalone(*name).unwrap()).unwrap();
            let mut wanted = Vec::new();
            references(&schema, &mut wanted);
            for id in wanted {
                assert!(
                    schema["$id"] == *id || schema["$defs"][&id]["$id"] == *id,
                    "{name:?}: {id}"
                );
            }
        }
    }
}
