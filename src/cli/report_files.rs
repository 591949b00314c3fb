//! The files that the report of a repair or of a plan is written to, each in the form that its
//! reader wants.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::pipeline::Evidence;
use imgfix_model::component::Contents;
use imgfix_report as report;
use imgfix_report::RepairReport;
use imgfix_report::review;
use imgfix_report::review::{PlatformReview, Review};
use imgfix_secrets::Secrets;

use super::exit::Failure;
use super::options::read_file;
use super::output::Output;
use super::output_file::OutputFile;

/// Which files are asked for, by their options.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Report options")]
pub struct ReportFiles {
    /// Write the JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub report_file: Option<PathBuf>,
    /// Write the review, one self-contained page, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the review as Markdown, for a pull request or a job's summary, to this file
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write the review as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub review_json: Option<PathBuf>,
    /// Write what is left as SARIF to this file
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write what is left as a GitLab container-scanning report to this file
    #[arg(long, value_name = "FILE")]
    pub gitlab: Option<PathBuf>,
    /// Write what became of every vulnerability as OpenVEX to this file
    #[arg(long, value_name = "FILE")]
    pub openvex: Option<PathBuf>,
    /// Write the findings as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Add the results for later steps (repaired-image, digest, fixed, remaining, gate, ...) to
    /// the end of this file, as KEY=VALUE lines ($GITHUB_OUTPUT)
    #[arg(long, value_name = "FILE")]
    pub outputs: Option<PathBuf>,
    /// Write the same as variables (IMGFIX_REPAIRED_IMAGE, IMGFIX_DIGEST, ...) to this file
    #[arg(long, value_name = "FILE")]
    pub dotenv: Option<PathBuf>,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Markdown,
    ReviewJson,
    Sarif,
    Gitlab,
    OpenVex,
    Junit,
    Outputs,
    Dotenv,
}

/// The files of a plan: those that claim nothing about an image.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Report options")]
pub struct PlanFiles {
    /// Write a review of the plan, one self-contained page, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the review as Markdown, for a pull request or a job's summary, to this file
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Write what would be left as SARIF to this file
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,
    /// Write what would be left as a GitLab container-scanning report to this file
    #[arg(long, value_name = "FILE")]
    pub gitlab: Option<PathBuf>,
    /// Write the findings as JUnit XML to this file: what would be left fails
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Add the results for later steps (changes, would-be-fixed, would-remain, gate, ...) to the
    /// end of this file, as KEY=VALUE lines ($GITHUB_OUTPUT)
    #[arg(long, value_name = "FILE")]
    pub outputs: Option<PathBuf>,
    /// Write the same as variables (IMGFIX_WOULD_BE_FIXED, ...) to this file
    #[arg(long, value_name = "FILE")]
    pub dotenv: Option<PathBuf>,
}

/// A form, the option that asks for it, and the file.
type Wanted<'a> = (Form, &'static str, Option<&'a PathBuf>);

impl PlanFiles {
    fn all(&self) -> [Wanted<'_>; 7] {
        [
            (Form::Html, "--html", self.html.as_ref()),
            (Form::Markdown, "--markdown", self.markdown.as_ref()),
            (Form::Sarif, "--sarif", self.sarif.as_ref()),
            (Form::Gitlab, "--gitlab", self.gitlab.as_ref()),
            (Form::Junit, "--junit", self.junit.as_ref()),
            (Form::Outputs, "--outputs", self.outputs.as_ref()),
            (Form::Dotenv, "--dotenv", self.dotenv.as_ref()),
        ]
    }

    /// The files that were asked for.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.all().into_iter().filter_map(|(_, _, path)| path)
    }

    /// Opens every file before the work, and that of `--save` with them.
    ///
    /// # Errors
    /// As for [`ReportFiles::open`].
    pub fn open(
        &self,
        save: Option<&OutputFile>,
        command_line: String,
        output: &Output,
    ) -> Result<OpenReports, Failure> {
        open(&self.all(), save, self.outputs.as_deref(), (command_line, output))
    }
}

/// Opens files; no two of them, nor one of them and `other`, may be the same.
fn open(
    wanted: &[Wanted<'_>],
    other: Option<&OutputFile>,
    outputs: Option<&Path>,
    (command_line, output): (String, &Output),
) -> Result<OpenReports, Failure> {
    let mut files: Vec<(Form, OutputFile)> = Vec::new();
    for (form, option, path) in wanted {
        let Some(path) = path else { continue };
        let file = OutputFile::open(option, path, output.unfinished())?;
        let mut others = files.iter().map(|(_, other)| other).chain(other);
        if let Some(other) = others.find(|other| other.is_same_as(&file)) {
            let shown = path.display();
            let why = format!("{} and {option} both name {shown}", other.option());
            return Err(Failure::Usage(why));
        }
        files.push((*form, file));
    }
    let former = outputs.map(former).transpose()?.unwrap_or_default();
    Ok(OpenReports { files, former, command_line: Some(command_line) })
}

impl ReportFiles {
    fn all(&self) -> [Wanted<'_>; 10] {
        [
            (Form::Json, "--report-file", self.report_file.as_ref()),
            (Form::Html, "--html", self.html.as_ref()),
            (Form::Markdown, "--markdown", self.markdown.as_ref()),
            (Form::ReviewJson, "--review-json", self.review_json.as_ref()),
            (Form::Sarif, "--sarif", self.sarif.as_ref()),
            (Form::Gitlab, "--gitlab", self.gitlab.as_ref()),
            (Form::OpenVex, "--openvex", self.openvex.as_ref()),
            (Form::Junit, "--junit", self.junit.as_ref()),
            (Form::Outputs, "--outputs", self.outputs.as_ref()),
            (Form::Dotenv, "--dotenv", self.dotenv.as_ref()),
        ]
    }

    /// The files that were asked for.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.all().into_iter().filter_map(|(_, _, path)| path)
    }

    /// Opens every file before anything is published: a slip of the pen is found in time.
    /// `command_line` is what a review says of how to make the same image again.
    ///
    /// # Errors
    /// A folder is not there or cannot be written, two options name one file, or what the
    /// file of `--outputs` has already cannot be read.
    pub fn open(&self, command_line: String, output: &Output) -> Result<OpenReports, Failure> {
        open(&self.all(), None, self.outputs.as_deref(), (command_line, output))
    }
}

/// The most that a file of `--outputs` may have already, in bytes.
const MAX_FORMER: u64 = 16 << 20;

/// What other steps wrote into the file of `--outputs`: it stays. A device has nothing.
fn former(path: &Path) -> Result<String, Failure> {
    if !path.is_file() {
        return Ok(String::new());
    }
    let bytes = read_file("--outputs", path, MAX_FORMER)?;
    String::from_utf8(bytes).map_err(|_| {
        let shown = path.display();
        Failure::Usage(format!("--outputs {shown}: what is in it cannot be kept: it is not UTF-8"))
    })
}

/// The files to write, open.
#[derive(Default)]
pub struct OpenReports {
    files: Vec<(Form, OutputFile)>,
    /// What the file of `--outputs` has already.
    former: String,
    command_line: Option<String>,
}

impl OpenReports {
    /// Whether what was asked for needs the evidence for a review.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let review = [Form::Html, Form::Markdown, Form::ReviewJson];
        match self.files.iter().any(|(form, _)| review.contains(form)) {
            true => Evidence::Gathered,
            false => Evidence::None,
        }
    }

    /// Writes every file that can be, without what looks like a secret. One whose form cannot say that there is nothing stays away,
    /// and `output` is told so.
    ///
    /// # Errors
    /// The first file that the disk does not take.
    pub fn write(self, told: &Told<'_>, output: &Output) -> Result<(), Failure> {
        let report = told.report;
        let issue = report::openvex::Issue {
            author: told.vex_author.unwrap_or(report::openvex::DEFAULT_AUTHOR),
            created: told.created,
            contents: told.contents,
        };
        let review = Review::of_repair(report.clone(), told.evidence.to_vec(), self.command_line);
        let mut result = Ok(());
        for (form, file) in self.files {
            let text = match form {
                Form::Json => report::json::render(report),
                Form::Html => review::page::render(&review),
                Form::Markdown => review::markdown::render(&review),
                Form::ReviewJson => review.to_json(),
                Form::Sarif => report::sarif::render(report),
                Form::Gitlab => report::gitlab::render(report, told.contents, told.created),
                Form::OpenVex => match report::openvex::render(report, &issue) {
                    Some(text) => text,
                    None => {
                        output.progress().message(&format!(
                            "{} is not written: an OpenVEX document needs a statement, and no \
                             vulnerability was found that there could be one about",
                            file.shown()
                        ));
                        continue;
                    }
                },
                Form::Junit => report::junit::render(report),
                Form::Outputs => {
                    let separator = match self.former.as_str() {
                        text if text.is_empty() || text.ends_with('\n') => "",
                        _ => "\n",
                    };
                    let lines = report::outputs::render(report, report::outputs::Names::Outputs);
                    // What other steps wrote is theirs.
                    let lines = Secrets::shipped().mask_document(&lines);
                    format!("{}{separator}{lines}", self.former)
                }
                Form::Dotenv => report::outputs::render(report, report::outputs::Names::Variables),
            };
            let text = match form {
                Form::Outputs => text.into(),
                _ => Secrets::shipped().mask_document(&text),
            };
            result = result.and(file.write(text.as_bytes()));
        }
        result
    }
}

/// What the files tell of.
pub struct Told<'a> {
    /// The report.
    pub report: &'a RepairReport,
    /// One a platform, when [`OpenReports::evidence`] asked for it.
    pub evidence: &'a [PlatformReview],
    /// What is installed in the image that the report ends with, one a platform.
    pub contents: &'a [Contents],
    /// Who answers for statements, when somebody is named.
    pub vex_author: Option<&'a str>,
    /// The time that documents with a date say, in seconds since the epoch.
    pub created: i64,
}
