//! `.trivyignore.yaml`: lists of rules by kind of finding, each with an id and what narrows it.
//!
//! Source: `pkg/result/ignore.go` of Trivy and
//! <https://trivy.dev/latest/docs/configuration/filtering/#trivyignoreyaml>.

use serde::Deserialize;
use serde_yaml_ng::Value;

use super::{Condition, IgnoreRule, Pattern, bad_rule, day, reason, yaml};
use crate::{FindingsError, purl};
use imgfix_model::finding::Class;

/// The kinds.
pub(super) const KEYS: [&str; 4] = ["vulnerabilities", "misconfigurations", "secrets", "licenses"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vulnerabilities: Option<Vec<Rule>>,
    misconfigurations: Option<Vec<Rule>>,
    secrets: Option<Vec<Rule>>,
    licenses: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    id: String,
    paths: Option<Vec<String>>,
    purls: Option<Vec<String>>,
    expired_at: Option<String>,
    statement: Option<String>,
}

pub(super) fn rules(name: &str, document: Value) -> Result<Vec<IgnoreRule>, FindingsError> {
    let file: File = yaml::typed(name, document)?;
    let problems = vec![Class::System, Class::Library, Class::Malicious];
    let configuration = vec![Class::Baseline];
    let mut out = Vec::new();
    for (key, classes, list) in [
        (KEYS[0], &problems, file.vulnerabilities),
        (KEYS[1], &configuration, file.misconfigurations),
        (KEYS[2], &configuration, file.secrets),
        (KEYS[3], &configuration, file.licenses),
    ] {
        for (at, one) in list.unwrap_or_default().into_iter().enumerate() {
            let class = Condition::Class(classes.clone());
            out.push(rule(name, &format!("{key}[{at}]"), class, one)?);
        }
    }
    Ok(out)
}

fn rule(
    name: &str,
    place: &str,
    class: Condition,
    rule: Rule,
) -> Result<IgnoreRule, FindingsError> {
    if rule.id.trim().is_empty() {
        return Err(bad_rule(name, place, "a rule needs an id"));
    }
    let mut conditions = vec![class];
    if let Some(paths) = rule.paths.filter(|paths| !paths.is_empty()) {
        let patterns = paths.iter().map(|path| {
            let bad = || bad_rule(name, place, format!("{path:?} is not a pattern of paths"));
            Pattern::path(path).ok_or_else(bad)
        });
        conditions.push(Condition::Path(patterns.collect::<Result<_, _>>()?));
    }
    if let Some(purls) = rule.purls.filter(|purls| !purls.is_empty()) {
        if let Some(bad) = purls.iter().find(|text| purl::parse(text).is_none()) {
            return Err(bad_rule(name, place, format!("{bad:?} is not a package URL")));
        }
        conditions.push(Condition::Purl(purls));
    }
    let expires = rule.expired_at.map(|text| day(name, place, &text)).transpose()?;
    let from = reason(name, place, rule.statement.as_deref());
    Ok(IgnoreRule { conditions, ..IgnoreRule::of_id(rule.id.trim(), expires, from) })
}
