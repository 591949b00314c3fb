//! Snyk's policy file (`.snyk`): by id, the paths of dependencies that are ignored, each with a
//! reason and an end.
//!
//! Source: <https://docs.snyk.io/manage-risk/policies/the-.snyk-file> and
//! <https://github.com/snyk/policy>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::condition::FixState;
use super::{Condition, IgnoreRule, Pattern, bad_rule, day, reason, yaml};
use crate::FindingsError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "version")]
    _version: Value,
    ignore: Option<BTreeMap<String, Vec<BTreeMap<String, Option<Rule>>>>>,
    /// Patches of npm packages, and files that Snyk's other scans leave out.
    #[serde(rename = "patch")]
    _patch: Option<Value>,
    #[serde(rename = "exclude")]
    _exclude: Option<Value>,
    #[serde(rename = "language-settings")]
    _language_settings: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    reason: Option<String>,
    expires: Option<String>,
    #[serde(rename = "created")]
    _created: Option<String>,
    #[serde(rename = "reasonType")]
    _reason_type: Option<String>,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "ignoredBy")]
    _ignored_by: Option<Value>,
    disregard_if_fixable: Option<bool>,
}

pub(super) fn rules(name: &str, document: Value) -> Result<Vec<IgnoreRule>, FindingsError> {
    let file: File = yaml::typed(name, document)?;
    let mut out = Vec::new();
    for (id, entries) in file.ignore.unwrap_or_default() {
        for (path, rule) in entries.into_iter().flatten() {
            let place = format!("ignore.{id}");
            let (text, expires, unfixable) = match rule {
                Some(rule) => (rule.reason, rule.expires, rule.disregard_if_fixable),
                None => (None, None, None),
            };
            let conditions = of_path(name, &place, &path)?;
            let from = reason(name, &place, text.as_deref());
            let expires = expires.map(|text| day(name, &place, &text)).transpose()?;
            if unfixable == Some(true) {
                // It holds as long as nothing says that there is a fix.
                for state in [FixState::NotFixed, FixState::WontFix, FixState::Unknown] {
                    let mut all = conditions.clone();
                    all.push(Condition::Fix(state));
                    let rule = IgnoreRule::of_id(&id, expires, from.clone());
                    out.push(IgnoreRule { conditions: all, ..rule });
                }
                continue;
            }
            out.push(IgnoreRule { conditions, ..IgnoreRule::of_id(&id, expires, from) });
        }
    }
    Ok(out)
}

/// The package at the end of `image > a@1 > source/binary@2`; `*` is any.
fn of_path(name: &str, place: &str, path: &str) -> Result<Vec<Condition>, FindingsError> {
    let last = path.rsplit('>').next().unwrap_or_default().trim();
    if last == "*" {
        return match path.trim() {
            "*" => Ok(Vec::new()),
            _ => Err(bad_rule(name, place, format!("{path:?} names no package at its end"))),
        };
    }
    // A scope's @ stands at the beginning.
    let (package, version) = match last.char_indices().rev().find(|(_, c)| *c == '@') {
        Some((at, _)) if at > 0 => last.split_at(at),
        _ => (last, ""),
    };
    let package = match package.starts_with('@') {
        true => package,
        false => package.rsplit('/').next().unwrap_or(package),
    };
    if package.is_empty() || package.contains('*') {
        return Err(bad_rule(name, place, format!("{path:?} names no package at its end")));
    }
    let bad = || bad_rule(name, place, format!("{package:?} is not a name"));
    let mut conditions = vec![Condition::Name(Pattern::exact(package).ok_or_else(bad)?)];
    if let Some(version) = version.strip_prefix('@').filter(|version| !version.is_empty()) {
        conditions.push(Condition::Version(version.to_owned()));
    }
    Ok(conditions)
}
