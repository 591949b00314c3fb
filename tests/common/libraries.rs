//! What tests of libraries share: a report of Trivy's about them, and what became of its findings.

use serde_json::{Value, json};

use super::cli::Ran;

/// A finding of a Trivy report: id, name, path of its record, installed and fixed version.
pub type Found<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// A result of Trivy's about libraries of one type (`node-pkg`, `jar`).
pub fn result(target: &str, kind: &str, found: &[Found<'_>]) -> Value {
    let list: Vec<Value> = found
        .iter()
        .map(|(id, name, path, installed, fixed)| {
            json!({"VulnerabilityID": id, "PkgName": name, "PkgPath": path,
                "InstalledVersion": installed, "FixedVersion": fixed, "Status": "fixed",
                "Title": "made by a test", "Severity": "HIGH"})
        })
        .collect();
    json!({"Target": target, "Class": "lang-pkgs", "Type": kind, "Vulnerabilities": list})
}

/// A Trivy report about libraries of one type.
pub fn trivy(target: &str, kind: &str, found: &[Found<'_>]) -> Value {
    json!({"SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image",
        "Metadata": {}, "Results": [result(target, kind, found)]})
}

/// `ID VERDICT REASON`, a line a finding.
pub fn verdicts(ran: &Ran) -> Vec<String> {
    let json = ran.json();
    let findings = json["platforms"][0]["findings"].as_array().expect("findings");
    let line = |one: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let reason = text(&one["reason"]["kind"]);
        format!("{} {} {reason}", text(&one["id"]), text(&one["verdict"]))
    };
    findings.iter().map(line).collect()
}
