//! Dockle (`dockle --format json`): checks of CIS's Docker benchmark and its own. Which file or
//! variable an alert is about stands only in its text, which may hold whole commands of the
//! history; only the name is taken out of it.
//!
//! Source: `pkg/report/json.go` and `pkg/assessor` of <https://github.com/goodwithtech/dockle>
//! (35171cc).

use serde::Deserialize;

use super::format::{Form, Format, Outline};
use super::report::{Collector, from_json, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::{Finding, Severity, Subject};
use imgfix_model::location::{ConfigField, Location};

const SCANNER: &str = "Dockle";

pub(super) const FORMAT: Format = Format {
    name: ReportFormat::Dockle,
    outlines: &[Outline {
        form: Form::Object,
        needs: &["details", "summary"],
        any: &["summary.fatal", "details[].alerts"],
    }],
    parse,
};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Report {
    image: Option<String>,
    details: Option<Vec<Detail>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Detail {
    code: Option<String>,
    title: Option<String>,
    level: Option<String>,
    alerts: Option<Vec<String>>,
}

fn parse(name: &str, bytes: &[u8]) -> Result<ScanReport, FindingsError> {
    let report: Report = from_json(name, SCANNER, bytes)?;
    let mut out = Collector::new(name, SCANNER);
    for (at, detail) in report.details.unwrap_or_default().into_iter().enumerate() {
        let place = out.place(format!("details[{at}]"));
        let id = place.required("code", detail.code)?;
        let severity = match detail.level.as_deref() {
            Some("FATAL") => Severity::High,
            Some("WARN") => Severity::Medium,
            Some("INFO") => Severity::Low,
            Some("PASS" | "SKIP") => {
                out.passed += 1;
                continue;
            }
            word => out.severity(&place, word),
        };
        let mut alerts = detail.alerts.unwrap_or_default();
        if alerts.is_empty() {
            alerts.push(String::new());
        }
        for alert in alerts {
            out.findings.push(finding(&id, severity, detail.title.clone(), &alert));
        }
    }
    let name = report.image.unwrap_or_default();
    Ok(out.finish(ReportFormat::Dockle, ArtifactIdentity { name, ..ArtifactIdentity::default() }))
}

fn finding(id: &str, severity: Severity, title: Option<String>, alert: &str) -> Finding {
    let plain = |package: &str| risk::baseline(id, package, severity, title.clone());
    let config = |field| Location::Config { field: Some(field) };
    match id {
        "CIS-DI-0001" => plain("configuration").located(config(ConfigField::User)),
        "CIS-DI-0006" => plain("configuration").located(config(ConfigField::Healthcheck)),
        "DKL-DI-0002" => plain("configuration").located(config(ConfigField::Volumes)),
        "CIS-DI-0010" => {
            let variable =
                behind(alert, "ENV key found : ").map(|name| Location::Environment { name });
            let file = || Some(risk::file(&behind(alert, "filename found : ")?).into());
            risk::secret(id, severity, title, variable.or_else(file))
        }
        "CIS-DI-0008" => {
            // `setuid file: urwxr-xr-x usr/bin/passwd`
            let path = alert.split_once(" file: ").and_then(|(_, rest)| rest.split_once(' '));
            let path = path.map(|(_, path)| path.trim()).filter(|path| !path.is_empty());
            risk::located(plain("permissions"), path.map(|path| risk::file(path).into()))
        }
        // `No password user found! username : nopasswd`
        "DKL-LI-0001" => {
            let account = behind(alert, "username : ").unwrap_or_else(|| "accounts".to_owned());
            plain(&account).located(risk::file("/etc/shadow"))
        }
        "DKL-LI-0002" => {
            let file = if alert.contains("Group") { "/etc/group" } else { "/etc/passwd" };
            plain("accounts").located(risk::file(file))
        }
        "DKL-LI-0003" => {
            // `unnecessary file : app/Dockerfile `
            let path = alert.split_once(" : ").map(|(_, path)| path.trim());
            let path = path.filter(|path| !path.is_empty());
            risk::located(plain("files"), path.map(|path| risk::file(path).into()))
        }
        id if is_build(id) => {
            let finding = Finding { subject: Some(Subject::Build), ..plain("dockerfile") };
            finding.located(Location::Build { file: None, lines: None })
        }
        _ => plain("configuration"),
    }
}

/// Whether a check is about how the image was built or fetched.
fn is_build(id: &str) -> bool {
    [
        "CIS-DI-0002",
        "CIS-DI-0003",
        "CIS-DI-0004",
        "CIS-DI-0005",
        "CIS-DI-0007",
        "CIS-DI-0009",
        "CIS-DI-0011",
        "DKL-DI-0001",
        "DKL-DI-0003",
        "DKL-DI-0004",
        "DKL-DI-0005",
        "DKL-DI-0006",
    ]
    .contains(&id)
}

/// The word behind some others.
fn behind(text: &str, words: &str) -> Option<String> {
    let (_, rest) = text.split_once(words)?;
    non_empty(rest.split_whitespace().next().map(str::to_owned))
}
