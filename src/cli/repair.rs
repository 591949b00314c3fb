//! `imgfix repair`: repair an image, publish it, report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use crate::notify::{Event, Kind, Target};
use crate::pipeline;
use crate::pipeline::{
    Environment, IdenticalPolicy, PlanRequest, RepairError, RepairRequest, View, Withhold,
    second_opinion,
};
use crate::policy::{OriginalPolicy, Policy};
use crate::scanner::{DEFAULT_TIMEOUT, ScannerCommand};
use imgfix_confinement::Needs;
use imgfix_model::finding::Severity;
use imgfix_model::plan::Plan;
use imgfix_oci as image;
use imgfix_oci::Reference;
use imgfix_repair::edge::{AfterFetching, Edge, ScriptsMode};
use imgfix_report as report;
use imgfix_report::RepairReport;
use imgfix_secrets::MASKED;
use imgfix_vfs::layer::{Compression, LayerOptions};

use super::confine::{self, Start, Written};
use super::exit::Failure;
use super::image_argument::parse_reference;
use super::notifications;
use super::options::{
    self, FindingOptions, Format, ImageOptions, OtherReports, RepositoryOptions, parse_severity,
};
use super::output::Output;
use super::policy::{self, PolicyOptions};
use super::report_files::{ReportFiles, Told};
use super::{CommandResult, exit};

/// The largest plan file read, in bytes.
const MAX_PLAN: u64 = 64 << 20;

/// Arguments of `imgfix repair`.
#[derive(Debug, Args)]
#[allow(rustdoc::broken_intra_doc_links, reason = "`oci:DIR[:TAG]` is help, no link")]
pub struct RepairArguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF],
    /// docker://HOST/REPO:TAG or HOST/REPO:TAG
    #[arg(value_parser = parse_reference)]
    image: Reference,
    /// Write the repaired image here [default: beside the original, tag + suffix]
    #[arg(short, long, value_name = "REF", value_parser = parse_reference)]
    output: Option<Reference>,
    /// What the repaired image's tag adds to the original's [default: _fix]
    #[arg(long, value_name = "SUFFIX", conflicts_with = "output", allow_hyphen_values = true)]
    tag_suffix: Option<String>,
    /// What becomes of the original's tag [default: keep]
    #[arg(long, value_enum)]
    original: Option<OriginalName>,
    /// With --original backup: what the copy's tag adds [default: _original]
    #[arg(long, value_name = "SUFFIX", allow_hyphen_values = true)]
    backup_suffix: Option<String>,
    /// Do exactly this plan, as `imgfix plan --save` wrote it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["min_severity", "only_kev", "min_epss", "only", "repository"])]
    plan: Option<PathBuf>,
    /// Run this scanner on the image before (without -r) and on the repaired image after, and
    /// compare: a command that prints a report, with {image} (the name), {layout} (an OCI
    /// layout directory) or {archive} (a tar file), as in 'trivy image --format json --input
    /// {archive}'
    #[arg(long, value_name = "COMMAND", conflicts_with = "plan")]
    scan_with: Option<String>,
    /// Stop a scanner that runs longer, and fail [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    scan_timeout: Option<u32>,
    /// Give up the network when everything is fetched, for good; only for a local image that is
    /// repaired to a local place
    #[arg(long)]
    no_network_after_fetch: bool,
    /// Compression of the patch layer [default: gzip]
    #[arg(long, value_enum)]
    compression: Option<CompressionName>,
    /// Compression level: gzip 0 to 9 [default: 3], zstd 1 to 19 [default: 3]
    #[arg(long, value_name = "N")]
    compression_level: Option<u32>,
    /// Leave out of the patch layer files that differ from the original's in nothing but the time
    /// of modification: the layer is smaller, and these files keep the original's times
    #[arg(long)]
    skip_identical: bool,
    /// How the report on stdout is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Exit with 3 when findings of this severity or worse remain
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    fail_on: Option<Severity>,
    /// Publish nothing when findings at or above --fail-on remain
    #[arg(long, conflicts_with = "scan_with")]
    no_publish_on_failed_gate: bool,
    /// Publish nothing when nothing can be upgraded
    #[arg(long)]
    skip_unchanged: bool,
    #[command(flatten)]
    files: ReportFiles,
    /// Who answers for the OpenVEX document [default: imgfix]
    #[arg(
        long,
        value_name = "NAME",
        value_parser = NonEmptyStringValueParser::new(),
        help_heading = "Report options"
    )]
    vex_author: Option<String>,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    findings: FindingOptions,
    #[command(flatten)]
    repositories: RepositoryOptions,
    #[command(flatten)]
    images: ImageOptions,
}

/// Names of `--original`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OriginalName {
    /// It stays
    Keep,
    /// It is copied to its tag with _original before the repaired image is published
    Backup,
    /// It is deleted after the repaired image was published and read back, when packages were
    /// upgraded and nothing at or above --fail-on remains
    Delete,
}

/// Names of `--compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionName {
    Gzip,
    Zstd,
    None,
}

impl From<CompressionName> for Compression {
    fn from(name: CompressionName) -> Self {
        match name {
            CompressionName::Gzip => Compression::Gzip,
            CompressionName::Zstd => Compression::Zstd,
            CompressionName::None => Compression::None,
        }
    }
}

/// Runs `imgfix repair`.
///
/// # Errors
/// Usage, or the repair failed; nothing was published then, unless the failure says so.
pub fn run(mut arguments: RepairArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let (image, registry) = (&arguments.image, &arguments.images.registry);
    let policy = arguments.policy.load(Some(image), registry, output)?;
    policy::under_images(&policy, &mut arguments.images);
    arguments.findings.strict |= policy.strict;
    arguments.findings.checks |= policy.checks;
    policy::under_repositories(&policy, &mut arguments.repositories);
    let image = arguments.image.to_string();
    let certificates = arguments.images.registry.ca_file.clone();
    let result = repaired(arguments, &policy, start)
        .map_err(|failure| failure.after(&output.unfinished().published()));
    match &result {
        Ok((_, report)) => {
            let event = Event::Repaired(report);
            notifications::send(&policy.notify, event, &certificates, output);
        }
        Err(failure) => {
            let why = failure.to_string();
            let published = output.unfinished().published();
            let event = Event::Failed { image: &image, why: &why, published: &published };
            notifications::send(&policy.notify, event, &certificates, output);
        }
    }
    result.map(|(code, _)| code)
}

/// Repairs; the exit code and what there is to tell of it.
fn repaired(
    arguments: RepairArguments,
    policy: &Policy,
    start: Start,
) -> Result<(u8, RepairReport), Failure> {
    let output = &*start.output();
    let layer = LayerOptions {
        compression: arguments
            .compression
            .map(Compression::from)
            .or(policy.compression)
            .unwrap_or(Compression::Gzip),
        level: arguments.compression_level.or(policy.compression_level),
    };
    layer.check().map_err(|error| Failure::Usage(format!("--compression-level: {error}")))?;
    let original = original(arguments.original, arguments.backup_suffix.clone(), policy)?;
    let suffix = suffix(arguments.tag_suffix.clone(), policy);
    let command = scanner(&arguments, policy)?;
    let needs = needs(&arguments, policy, &suffix, &original, command.is_some());
    let network = after_fetching(&arguments, policy, &suffix, command.is_some())?;
    let mut files = None;
    let confine = || {
        files = Some(arguments.files.open(start.command_line(), output)?);
        Ok(start.confined(&needs))
    };
    let (images, repositories) = (&arguments.images, &arguments.repositories);
    let rules = (policy, arguments.policy.rules(policy));
    let environment = options::planning_environment(images, repositories, rules, output, confine)?;
    let edge = Edge { network, ..environment.edge };
    let environment = Environment { edge, ..environment };
    let files = files.unwrap_or_default();
    if original == OriginalPolicy::Delete {
        image::check_deletable(&arguments.image)
            .map_err(|error| Failure::Usage(format!("original \"delete\": {error}")))?;
    }
    check_names(&arguments, &suffix, &original)?;
    let fail_on = arguments.fail_on.or(policy.fail_on);
    let withhold = withhold(&arguments, policy, fail_on, command.is_some())?;
    let saved = arguments.plan.as_deref().map(|path| saved_plan(path, &arguments, policy));
    let saved = saved.transpose()?;
    let others = if command.is_some() { OtherReports::Scanned } else { OtherReports::None };
    let mut scan = options::scan(&arguments.findings, others)?;
    policy::under_findings(policy, &arguments.findings, &mut scan);
    if let Some(command) = command.as_ref().filter(|_| scan.reports.is_empty()) {
        scan.reports.push(second_opinion::scan(command, &arguments.image, &environment)?);
    }
    let vex_author = arguments.vex_author.clone().or_else(|| policy.vex_author.clone());
    let identical = match arguments.skip_identical || policy.skip_identical == Some(true) {
        true => IdenticalPolicy::LeftOut,
        false => IdenticalPolicy::Written,
    };
    let request = RepairRequest {
        plan: PlanRequest {
            image: arguments.image,
            platforms: arguments.images.platform.clone(),
            scan,
            packages: arguments.policy.packages(policy),
            digests: identical.digests(),
            view: View::Original,
        },
        saved,
        output: arguments.output,
        suffix,
        original,
        layer,
        identical,
        evidence: files.evidence(),
        withhold,
    };
    let outcome = pipeline::repair(&request, &environment);
    environment.edge.tidy_cache();
    let mut outcome = outcome.map_err(|error| match error {
        // a layout or archive whose image has no tag: known only when it is open
        RepairError::Reference(error) => Failure::Usage(error.to_string()),
        error => error.into(),
    })?;
    if let Some(command) = &command {
        let input = &request.plan.scan;
        second_opinion::compare(command, &mut outcome, input, &environment)
            .map_err(|error| but_not_scanned(&outcome.report, &error))?;
    }
    if let Some(threshold) = fail_on {
        outcome.report.hold_against(threshold);
    }
    if request.original == OriginalPolicy::Delete {
        pipeline::original::delete(&mut outcome, &environment)?;
    }
    let report = &outcome.report;
    let created = environment.edge.source_date_epoch.unwrap_or(environment.edge.now);
    let (evidence, contents) = (&outcome.evidence[..], &outcome.contents[..]);
    let vex_author = vex_author.as_deref();
    files
        .write(&Told { report, evidence, contents, vex_author, created }, output)
        .and_then(|()| tell(report, arguments.format, output))
        .map_err(|failure| but_published(report, failure))?;
    if let Some(gate) = &report.gate {
        output.gate(gate);
    }
    let code = if report.is_held() { exit::REMAINING } else { exit::DONE };
    Ok((code, outcome.report))
}

/// When nothing is to be published.
fn withhold(
    arguments: &RepairArguments,
    policy: &Policy,
    fail_on: Option<Severity>,
    scans: bool,
) -> Result<Withhold, Failure> {
    let unchanged = arguments.skip_unchanged || policy.skip_unchanged;
    if !arguments.no_publish_on_failed_gate && !policy.no_publish_on_failed_gate {
        return Ok(Withhold { at_or_above: None, unchanged });
    }
    let usage = |why: &str| Failure::Usage(format!("--no-publish-on-failed-gate: {why}"));
    if scans {
        return Err(usage(
            "what a scanner (--scan-with) says of the repaired image is known only when \
                          that is published; leave one of them out",
        ));
    }
    if fail_on.is_none() {
        return Err(usage(
            "there is no gate; say with --fail-on, or with fail-on in the policy, what it is",
        ));
    }
    Ok(Withhold { at_or_above: fail_on, unchanged })
}

/// What the run may read and write.
fn needs(
    arguments: &RepairArguments,
    policy: &Policy,
    suffix: &str,
    original: &OriginalPolicy,
    scans: bool,
) -> Needs {
    let images = &arguments.images;
    let mut needs = confine::of_images(images, &[&arguments.image]);
    confine::planning(&mut needs, &arguments.findings, &arguments.repositories, policy);
    let output = arguments.output.as_ref();
    Written { image: &arguments.image, output, suffix, original }.add(&mut needs, images);
    confine::notifications(&mut needs, images, policy);
    needs.read(&arguments.plan);
    arguments.files.paths().for_each(|path| needs.report(path));
    if scans {
        needs.program = Some("a scanner".to_owned());
    }
    needs
}

/// Whether the network goes when everything is fetched, which must be possible: asked before the
/// work is done.
fn after_fetching(
    arguments: &RepairArguments,
    policy: &Policy,
    suffix: &str,
    scans: bool,
) -> Result<AfterFetching, Failure> {
    if !arguments.no_network_after_fetch {
        return Ok(AfterFetching::Stays);
    }
    let (image, output) = (&arguments.image, arguments.output.as_ref());
    let output = Written { image, output, suffix, original: &OriginalPolicy::Keep }.output();
    let told = |target: &Target| !matches!(target.kind, Kind::File { .. });
    let why = if matches!(image, Reference::Registry(_)) {
        "the layers of an image in a registry are fetched until its repaired one is written; copy \
         it to this machine first, as with 'skopeo copy docker://IMAGE oci:DIR:TAG'"
    } else if matches!(output, Reference::Registry(_)) {
        "the repaired image would go to a registry; write it to oci:DIR:TAG with -o, and copy it \
         from there"
    } else if policy.notify.iter().any(told) {
        "the policy has notifications that are sent at the end; leave it aside with --no-config, \
         or give one without them with --config"
    } else if scans {
        "a scanner is run at the end, which may need the network; leave out --scan-with"
    } else if arguments.repositories.scripts == Some(ScriptsMode::Sandbox) {
        "scripts that are run in the sandbox would lose local sockets, too; leave out --scripts \
         sandbox"
    } else {
        imgfix_confinement::network::try_out()
            .map_err(|error| Failure::Usage(format!("--no-network-after-fetch: {error}")))?;
        return Ok(AfterFetching::Goes);
    };
    Err(Failure::Usage(format!("--no-network-after-fetch: {why}")))
}

/// Whether names can be made for what is to be written; asked before the work is done.
fn check_names(
    arguments: &RepairArguments,
    suffix: &str,
    original: &OriginalPolicy,
) -> Result<(), Failure> {
    // an image of a layout or archive may have a tag that was not given
    let Reference::Registry(_) = &arguments.image else { return Ok(()) };
    let usage = |error: image::ReferenceError| Failure::Usage(error.to_string());
    if arguments.output.is_none() {
        arguments.image.with_fix_suffix(suffix).map_err(usage)?;
    }
    if let OriginalPolicy::Backup { suffix } = original {
        arguments.image.with_fix_suffix(suffix).map_err(usage)?;
    }
    Ok(())
}

fn suffix(flag: Option<String>, policy: &Policy) -> String {
    flag.or_else(|| policy.tag_suffix.clone())
        .unwrap_or_else(|| pipeline::DEFAULT_SUFFIX.to_owned())
}

fn original(
    flag: Option<OriginalName>,
    suffix: Option<String>,
    policy: &Policy,
) -> Result<OriginalPolicy, Failure> {
    let original = match (flag, &policy.original) {
        (Some(OriginalName::Backup), Some(backup @ OriginalPolicy::Backup { .. })) => {
            backup.clone()
        }
        (Some(OriginalName::Backup), _) => {
            OriginalPolicy::Backup { suffix: "_original".to_owned() }
        }
        (Some(OriginalName::Delete), _) => OriginalPolicy::Delete,
        (Some(OriginalName::Keep), _) | (None, None) => OriginalPolicy::Keep,
        (None, Some(original)) => original.clone(),
    };
    match (original, suffix) {
        (OriginalPolicy::Backup { .. }, Some(suffix)) => Ok(OriginalPolicy::Backup { suffix }),
        (_, Some(_)) => Err(Failure::Usage("--backup-suffix needs --original backup".to_owned())),
        (original, None) => Ok(original),
    }
}

/// Flags go before the file.
fn scanner(
    arguments: &RepairArguments,
    policy: &Policy,
) -> Result<Option<ScannerCommand>, Failure> {
    let command = match arguments.scan_with.as_deref().map(ScannerCommand::parse) {
        Some(command) => Some(command.map_err(|error| Failure::Usage(error.to_string()))?),
        // A saved plan is done as it is, without a scanner.
        None => policy.scan_with.clone().filter(|_| arguments.plan.is_none()),
    };
    let timeout = arguments.scan_timeout.map(|seconds| Duration::from_secs(seconds.into()));
    if timeout.is_some() && command.is_none() {
        return Err(Failure::Usage("--scan-timeout needs a scanner: --scan-with".to_owned()));
    }
    let timeout = timeout.or(policy.scan_timeout).unwrap_or(DEFAULT_TIMEOUT);
    Ok(command.map(|command| command.with_timeout(timeout)))
}

/// A saved plan, every step of which the policy of today allows.
fn saved_plan(path: &Path, arguments: &RepairArguments, policy: &Policy) -> Result<Plan, Failure> {
    let fail = |why: String| Failure::Usage(format!("--plan {}: {why}", path.display()));
    let bytes = options::read_file("--plan", path, MAX_PLAN)?;
    let plan = Plan::load(&bytes).map_err(|error| fail(error.to_string()))?;
    let platforms = plan.platforms.iter();
    let mut archives = platforms.flat_map(|platform| {
        let libraries = platform.stores.iter().flat_map(|store| &store.steps);
        let libraries = libraries.filter_map(|step| step.archive.as_ref());
        platform.steps.iter().map(|step| &step.archive).chain(libraries)
    });
    if let Some(archive) = archives.find(|archive| archive.url.contains(MASKED)) {
        return Err(fail(format!(
            "the address {} had a secret, which no plan file keeps, so that it cannot be followed; \
             give the login by apt's auth.conf, .netrc or the registry's own settings, and make a \
             new plan",
            archive.url
        )));
    }
    match arguments.policy.refusal(&plan, policy) {
        Some(why) => Err(fail(why)),
        None => Ok(plan),
    }
}

/// Writes the report to standard output.
fn tell(report: &RepairReport, format: Format, output: &Output) -> Result<(), Failure> {
    output.result(&match format {
        Format::Json => report::json::render(report),
        Format::Text => report::text::render(report, output.style()),
    })
}

/// A scanner that fails after the repair is a failure, but what was published stays.
fn but_not_scanned(report: &RepairReport, error: &RepairError) -> Failure {
    let what = report.output.as_ref().map_or_else(String::new, |output| {
        format!("{} ({}) was published, but scanning it failed: ", output.reference, output.digest)
    });
    Failure::AfterPublishing(format!("{what}{error}"))
}

/// A report that nobody gets is a failure, but what was published stays.
fn but_published(report: &RepairReport, failure: Failure) -> Failure {
    match &report.output {
        None => failure,
        Some(output) => Failure::AfterPublishing(format!(
            "{} was published, but not its report: {failure}",
            output.reference
        )),
    }
}
