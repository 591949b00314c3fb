//! What Trivy reports besides vulnerabilities and licences: misconfigurations and secrets, and
//! where in the image each of them is.
//!
//! Source: `pkg/types/misconfiguration.go`, `pkg/fanal/types/secret.go` and `misconf.go` of
//! Trivy; measured with 0.59.1. Of an image's configuration `Target` is the artifact's name, which
//! is no file of the image, and there is no `Layer`. A masked `Match` names the variable or the
//! history's entry; `Layer.CreatedBy` and `CauseMetadata.Code` may hold secrets in clear. None of
//! these texts is kept.

use serde::Deserialize;

use super::advisory::lenient;
use super::report::non_empty;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Subject;
use imgfix_model::location::{ConfigField, FileLocation, Location, Span};

/// An entry of `Misconfigurations`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct Misconfiguration {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    pub title: Option<String>,
    message: Option<String>,
    pub status: Option<String>,
    pub severity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    layer: Option<Layer>,
    #[serde(default, deserialize_with = "lenient")]
    cause_metadata: Option<Cause>,
}

/// An entry of `Secrets`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
pub(super) struct Secret {
    #[serde(rename = "RuleID")]
    pub rule_id: Option<String>,
    pub title: Option<String>,
    pub severity: Option<String>,
    #[serde(rename = "Match", default, deserialize_with = "lenient")]
    matched: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    start_line: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    end_line: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    layer: Option<Layer>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Layer {
    #[serde(rename = "DiffID")]
    diff_id: Option<String>,
    #[serde(rename = "Digest")]
    digest: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Cause {
    start_line: Option<u32>,
    end_line: Option<u32>,
    code: Option<Code>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Code {
    lines: Option<Vec<Line>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an object")]
struct Line {
    content: Option<String>,
    first_cause: Option<bool>,
}

/// What the report says of the image's configuration, to find places in it again.
#[derive(Default)]
pub(super) struct Configuration {
    /// `ArtifactName`; empty when the report has none.
    pub artifact: String,
    /// The commands of the history, the oldest first.
    pub history: Vec<String>,
    /// Names of environment variables.
    pub environment: Vec<String>,
    /// Keys of labels.
    pub labels: Vec<String>,
}

impl Layer {
    fn id(&self) -> Option<Digest> {
        let all = [&self.diff_id, &self.digest];
        all.into_iter().flatten().find_map(|text| text.parse().ok())
    }
}

impl Configuration {
    /// Whether a result is about the configuration: then its target is no file.
    fn is_target(&self, target: &str, layer: Option<Digest>) -> bool {
        layer.is_none() && !self.artifact.is_empty() && self.artifact == target
    }

    /// The one entry of the history that has a text.
    fn entry_with(&self, text: &str, line: Option<u32>) -> Option<u32> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        let all = self.history.iter().enumerate().filter(|(_, entry)| entry.contains(text));
        let numbers: Vec<u32> = all.filter_map(|(at, _)| u32::try_from(at + 1).ok()).collect();
        match (numbers.as_slice(), line) {
            ([one], _) => Some(*one),
            // A line of the rebuilt Dockerfile is an entry, unless an entry has many lines.
            (all, Some(line)) if all.contains(&line) => {
                let one_line = |entry: &String| !entry.contains('\n');
                self.history.iter().all(one_line).then_some(line)
            }
            _ => None,
        }
    }

    /// The place in the configuration's JSON that a masked line shows:
    /// `"AWS_KEY=****",`, `"created_by": "RUN |1 TOKEN=**** /bin/sh"`, `"a.label": "****"`.
    fn place_of(&self, masked: &str) -> Location {
        let known = masked.split("***").next().unwrap_or_default().trim_start();
        if let Some(command) = known.strip_prefix("\"created_by\":") {
            let command = unescaped(command.trim_start().trim_start_matches('"'));
            return Location::History { entry: self.entry_with(&command, None) };
        }
        let Some(text) = known.strip_prefix('"') else { return Location::Config { field: None } };
        let variable =
            text.split('=').next().filter(|name| self.environment.iter().any(|one| one == name));
        if let Some(name) = variable {
            return Location::Environment { name: name.to_owned() };
        }
        let label = text.split("\":").next().map(unescaped);
        match label.filter(|key| self.labels.contains(key)) {
            Some(key) => Location::Label { key },
            None => Location::Config { field: None },
        }
    }
}

/// The text of a part of a JSON string, as Go writes it.
fn unescaped(text: &str) -> String {
    let replacements =
        [("\\u0026", "&"), ("\\u003c", "<"), ("\\u003e", ">"), ("\\\"", "\""), ("\\t", "\t")];
    let text =
        replacements.into_iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("\\\\", "\\")
}

/// What a misconfiguration is about, and where; `None`: it is not known where.
pub(super) fn of_misconfiguration(
    entry: &Misconfiguration,
    kind: &str,
    target: Option<&str>,
    file: Option<&str>,
    configuration: &Configuration,
) -> (Option<Subject>, Option<Location>) {
    let layer = entry.layer.as_ref().and_then(Layer::id);
    let cause = entry.cause_metadata.as_ref();
    let lines = cause.and_then(|cause| Span::of(cause.start_line, cause.end_line));
    if target.is_some_and(|target| configuration.is_target(target, layer)) {
        let number =
            entry.id.as_deref().filter(|_| kind == "dockerfile").and_then(dockerfile_check);
        let entry_of_history = || {
            let code = cause.and_then(|cause| cause.code.as_ref()?.lines.as_deref());
            let first = code.unwrap_or_default().iter().find(|line| line.first_cause == Some(true));
            let content = first.and_then(|line| line.content.as_deref()).unwrap_or_default();
            let arguments = content.trim().split_once(' ').map_or("", |(_, rest)| rest);
            let line = cause.and_then(|cause| cause.start_line);
            Location::History { entry: configuration.entry_with(arguments, line) }
        };
        let field = |field| (None, Some(Location::Config { field: Some(field) }));
        return match number {
            Some(2) => field(ConfigField::User),
            Some(4 | 8) => field(ConfigField::ExposedPorts),
            Some(26) => field(ConfigField::Healthcheck),
            Some(31) => {
                let message = entry.message.as_deref().unwrap_or_default();
                let variable = message.split('"').nth(1).filter(|_| message.ends_with("in ENV"));
                let location = match variable.filter(|_| message.contains("secret env \"")) {
                    Some(name) => Location::Environment { name: name.to_owned() },
                    None => entry_of_history(),
                };
                (Some(Subject::Secret), Some(location))
            }
            Some(_) => (Some(Subject::Build), Some(entry_of_history())),
            None => (None, Some(Location::Config { field: None })),
        };
    }
    let location = file.map(|path| FileLocation { lines, layer, ..FileLocation::at(path) }.into());
    (None, location)
}

/// Where a secret is.
pub(super) fn of_secret(
    entry: &Secret,
    target: Option<&str>,
    file: Option<&str>,
    configuration: &Configuration,
) -> Option<Location> {
    let layer = entry.layer.as_ref().and_then(Layer::id);
    if target.is_some_and(|target| configuration.is_target(target, layer)) {
        return Some(configuration.place_of(entry.matched.as_deref().unwrap_or_default()));
    }
    let lines = Span::of(entry.start_line, entry.end_line);
    Some(FileLocation { lines, layer, ..FileLocation::at(file?) }.into())
}

/// The number of a check of Dockerfiles: `DS002`, `AVD-DS-0002`, `DS-0002`.
fn dockerfile_check(id: &str) -> Option<u32> {
    let id = id.strip_prefix("AVD-").unwrap_or(id).strip_prefix("DS")?;
    id.strip_prefix('-').unwrap_or(id).parse().ok()
}

/// The name of an environment variable in `NAME=value`.
pub(super) fn variable(entry: &str) -> Option<String> {
    non_empty(entry.split_once('=').map(|(name, _)| name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        Configuration {
            artifact: "app.tar".into(),
            history: ["ADD a /", "RUN |1 T=x /bin/sh -c a \"b\" && c", "ENV A=b", "ADD a /"]
                .map(str::to_owned)
                .into(),
            environment: vec!["AWS_KEY".into()],
            labels: vec!["a.b".into()],
        }
    }

    #[test]
    fn a_masked_line_of_the_configuration_names_its_place() {
        let entry = |entry| Location::History { entry };
        for (masked, want) in [
            ("  \"AWS_KEY=****\",", Location::Environment { name: "AWS_KEY".into() }),
            ("\"OTHER=****\"", Location::Config { field: None }),
            ("  \"created_by\": \"RUN |1 T=**** /bin/sh", entry(Some(2))),
            (
                "\"created_by\": \"RUN |1 T=x /bin/sh -c a \\\"b\\\" \\u0026\\u0026 ***",
                entry(Some(2)),
            ),
            ("\"created_by\": \"ADD a ***", entry(None)),
            ("\"created_by\": \"***", entry(None)),
            ("\"a.b\": \"****\"", Location::Label { key: "a.b".into() }),
            ("****", Location::Config { field: None }),
            ("", Location::Config { field: None }),
        ] {
            assert_eq!(configuration().place_of(masked), want, "{masked}");
        }
    }

    #[test]
    fn an_entry_of_the_history_is_only_named_when_it_is_the_one() {
        let configuration = configuration();
        assert_eq!(configuration.entry_with("A=b", Some(9)), Some(3));
        assert_eq!(configuration.entry_with("a /", Some(4)), Some(4));
        assert_eq!(configuration.entry_with("a /", Some(2)), None);
        assert_eq!(configuration.entry_with(" ", Some(2)), None);
    }

    #[test]
    fn checks_of_dockerfiles_are_numbered_in_three_ways() {
        for id in ["DS031", "AVD-DS-0031", "DS-0031"] {
            assert_eq!(dockerfile_check(id), Some(31), "{id}");
        }
        assert_eq!(dockerfile_check("KSV001"), None);
        assert_eq!(dockerfile_check("DS"), None);
    }
}
