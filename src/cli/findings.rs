//! `imgfix findings`: what scanners' reports say, in one form.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use imgfix_findings::{MAX_REPORT, merge, parse_report};
use imgfix_report::findings_list;

use super::confine::{self, Start};
use super::{CommandResult, exit, options};

/// Arguments of `imgfix findings`.
#[derive(Debug, Args)]
pub struct FindingsArguments {
    /// Scanners' reports of any known format (`-` is stdin)
    #[arg(required = true, value_name = "FILE")]
    reports: Vec<PathBuf>,
    /// The folder that the scanner had unpacked the image to: taken away from the paths in reports
    #[arg(long, value_name = "DIR")]
    report_root: Option<String>,
    /// How the list is written; JSON is imgfix/findings/v1
    #[arg(long, value_enum, default_value = "table")]
    format: ListFormat,
}

/// Names of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    Table,
    Json,
}

/// Runs `imgfix findings`.
///
/// # Errors
/// A file cannot be read or is no report that imgfix knows.
pub fn run(arguments: FindingsArguments, start: Start) -> CommandResult {
    let output = start.output();
    let _confined = start.confined(&confine::of_findings(&arguments.reports));
    let mut reports = Vec::with_capacity(arguments.reports.len());
    for path in &arguments.reports {
        let bytes = options::read_file("report", path, MAX_REPORT)?;
        let name = if path.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let mut report = parse_report(&name, &bytes)?;
        if let Some(root) = &arguments.report_root {
            report.below_root(root);
        }
        for warning in &report.warnings {
            output.progress().warn(warning);
        }
        reports.push(report);
    }
    let findings = merge(reports.clone());
    output.result(&match arguments.format {
        ListFormat::Table => findings_list::table(&reports, &findings, output.style()),
        ListFormat::Json => findings_list::json(&reports, &findings),
    })?;
    Ok(exit::DONE)
}
