//! Grype's configuration (`.grype.yaml`): the rules under `ignore`. Of its other keys those that
//! leave findings out in ways of their own are refused; the rest is no business of a repair.
//!
//! Source: `grype/match/ignore.go` and `cmd/grype/cli/options` of Grype, and
//! <https://oss.anchore.com/docs/guides/vulnerability/filter-results/>.

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::condition::FixState;
use super::{Condition, IgnoreRule, Pattern, bad_rule, reason, yaml};
use crate::FindingsError;
use imgfix_model::finding::Class;

/// Keys of the configuration that leave nothing out.
const OTHER_KEYS: &[&str] = &[
    "add-cpes-if-none",
    "alerts",
    "by-cve",
    "check-for-app-update",
    "db",
    "default-image-pull-source",
    "dev",
    "distro",
    "exclude",
    "exp",
    "external-sources",
    "fail-on",
    "fail-on-severity",
    "file",
    "fix-channel",
    "from",
    "log",
    "match",
    "match-upstream-kernel-headers",
    "name",
    "output",
    "output-template-file",
    "platform",
    "pretty",
    "quiet",
    "registry",
    "scope",
    "search",
    "show-suppressed",
    "sort-by",
    "timestamp",
    "unmask",
    "verbosity",
];

/// Keys that leave findings out when they are set.
const FILTERS: &[&str] =
    &["only-fixed", "only-notfixed", "ignore-wontfix", "ignore-states", "vex-add", "vex-documents"];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rule {
    vulnerability: Option<String>,
    /// Aliases always count here.
    #[serde(rename = "include-aliases")]
    _include_aliases: Option<bool>,
    reason: Option<String>,
    fix_state: Option<String>,
    package: Option<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Package {
    name: Option<String>,
    version: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    location: Option<String>,
}

pub(super) fn rules(name: &str, mut document: Value) -> Result<Vec<IgnoreRule>, FindingsError> {
    let top = document.as_mapping_mut();
    let list = top.and_then(|top| top.remove("ignore")).unwrap_or(Value::Null);
    for (key, value) in document.as_mapping().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        let set = match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Sequence(list) => !list.is_empty(),
            _ => true,
        };
        if FILTERS.contains(&key) && set {
            let why = format!("{key} leaves findings out in a way that is not read here");
            return Err(bad_rule(name, key, why));
        }
        if !OTHER_KEYS.contains(&key) && !FILTERS.contains(&key) {
            return Err(bad_rule(name, key, "is not a key of Grype's configuration"));
        }
    }
    let list: Vec<Rule> = yaml::typed(name, list)?;
    let rules = list.into_iter().enumerate();
    rules.map(|(at, one)| rule(name, &format!("ignore[{at}]"), one)).collect()
}

fn rule(name: &str, place: &str, rule: Rule) -> Result<IgnoreRule, FindingsError> {
    let mut conditions = Vec::new();
    if let Some(state) = filled(rule.fix_state) {
        conditions.push(Condition::Fix(match state.as_str() {
            "fixed" => FixState::Fixed,
            "not-fixed" => FixState::NotFixed,
            "wont-fix" => FixState::WontFix,
            "unknown" => FixState::Unknown,
            other => return Err(bad_rule(name, place, format!("{other:?} is not a fix-state"))),
        }));
    }
    if let Some(package) = rule.package {
        package_conditions(name, place, package, &mut conditions)?;
    }
    let id = filled(rule.vulnerability).unwrap_or_default();
    if id.is_empty() && conditions.is_empty() {
        return Err(bad_rule(name, place, "a rule without conditions would ignore everything"));
    }
    let from = reason(name, place, rule.reason.as_deref());
    Ok(IgnoreRule { conditions, ..IgnoreRule::of_id(id.trim(), None, from) })
}

fn package_conditions(
    name: &str,
    place: &str,
    package: Package,
    into: &mut Vec<Condition>,
) -> Result<(), FindingsError> {
    let named = filled(package.name);
    if let Some(kind) = filled(package.kind) {
        match kind.to_ascii_lowercase().as_str() {
            "deb" | "apk" | "rpm" | "alpm" | "portage" => {
                into.push(Condition::Class(vec![Class::System]));
            }
            // Reports do not say of which ecosystem a library is: with its name it is clear.
            _ if named.is_some() => into.push(Condition::Class(vec![Class::Library])),
            other => {
                let why = format!("the type {other:?} needs a package name beside it");
                return Err(bad_rule(name, place, why));
            }
        }
    }
    if let Some(text) = named {
        let bad = || bad_rule(name, place, format!("{text:?} is not a name or an expression"));
        // Grype takes names for regular expressions; `g++` is none.
        let pattern = Pattern::whole(&text).or_else(|| Pattern::exact(&text));
        into.push(Condition::Name(pattern.ok_or_else(bad)?));
    }
    if let Some(version) = filled(package.version) {
        into.push(Condition::Version(version));
    }
    if let Some(text) = filled(package.location) {
        let bad = || bad_rule(name, place, format!("{text:?} is not a pattern of paths"));
        into.push(Condition::Path(vec![Pattern::path(&text).ok_or_else(bad)?]));
    }
    Ok(())
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}
