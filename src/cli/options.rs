//! Option groups that several subcommands share, and how they become the pipeline's values.
//! Reading files named by options happens here, at the edge.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use etcetera::BaseStrategy;
use tokio::runtime::Runtime;

use crate::machine::{self, MAX_SCRIPT_TIME};
use crate::pipeline::{Environment, NamedReport, ScanInput, families};
use crate::policy::{ClientCertificateFiles, Policy};
use crate::size;
use imgfix_baseline::{Baseline, RuleChoice};
use imgfix_confinement::Confined;
use imgfix_findings::ignore::MAX_IGNORE_FILE;
use imgfix_findings::report::MAX_REPORT;
use imgfix_findings::{Filter, parse_ignore_file};
use imgfix_host::pace::Pace;
use imgfix_model::advisory::Probability;
use imgfix_model::finding::Severity;
use imgfix_model::platform::Platform;
use imgfix_oci::RegistryOptions;
use imgfix_repair::edge::{AfterFetching, CacheChoice, Edge, RepositoryChoice, ScriptsMode};
use imgfix_repository::CacheKey;
use imgfix_repository::auth_conf;
use imgfix_repository::auth_conf::AuthConf;
use imgfix_repository::leaving_out::Strictness;
use imgfix_repository::newest::Older;
use imgfix_repository::registries::LibraryRegistries;
use imgfix_repository::rsa_keys::RsaKeyring;
use imgfix_repository::signature::Keyring;
use imgfix_repository::upkeep::Limits;
use imgfix_solve::effort::Effort;
use imgfix_vfs::Memory;
use imgfix_vfs::limits::{LayerLimits, Scale};

use super::client_certificates;
use super::exit::Failure;
use super::library_registries;
use super::output::Output;
use super::registry_options::RegistryAccess;

/// The largest key, certificate or ignore file, in bytes.
const MAX_KEYS: u64 = 16 << 20;

/// How long a server may take beyond what a transfer's size needs, in seconds.
const TIMEOUT: u32 = 300;

/// How images are reached and read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Image options")]
pub struct ImageOptions {
    /// Only this platform of a multi-platform image (repeatable) [default: all Linux platforms]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Vec<Platform>,
    /// How registries are reached.
    #[command(flatten)]
    pub registry: RegistryAccess,
    /// Give up a transfer that takes longer than this, and than its size at 32 KiB a second
    /// [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: Option<u32>,
    /// Refuse images larger than this when unpacked (suffixes K, M, G, T) [default: 8G and 64
    /// times what is stored, at most 32G]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_unpacked_size: Option<u64>,
    /// Hold at most this much of what repositories, packages and scripts send (suffixes K, M, G,
    /// T) [default: 256M and twice what came in, at most half of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub max_memory: Option<u64>,
}

/// Where upgraded packages come from.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Repository options")]
pub struct RepositoryOptions {
    /// Use this repository instead of the image's own, in the syntax of sources.list, of
    /// etc/apk/repositories for an apk image, or, for an rpm image, the URL of the folder that has
    /// repodata, with keys of a .repo file in brackets before it (repeatable)
    #[arg(
        long,
        value_name = "deb [OPTIONS] URL SUITE COMPONENT... | [@TAG] URL | [gpgkey=FILE] URL"
    )]
    pub repository: Vec<String>,
    /// Fetch what is under FROM from TO instead (repeatable)
    #[arg(long, value_name = "FROM=TO")]
    pub mirror: Vec<String>,
    /// Show this certificate to the server of repositories below URL; FILE may have the key, too,
    /// or be subscription-manager's folder (repeatable)
    #[arg(long, value_name = "URL=FILE[,KEY]")]
    pub client_certificate: Vec<ClientCertificateFiles>,
    /// Verify repositories with this OpenPGP keyring, or for an apk image with this RSA public
    /// key (NAME.rsa.pub), instead of the image's (repeatable)
    #[arg(long, value_name = "FILE")]
    pub keyring: Vec<PathBuf>,
    /// What $releasever stands for in the repositories of an rpm image, whatever the image says
    #[arg(long, value_name = "RELEASE")]
    pub releasever: Option<String>,
    /// Do not add the distribution's security repository to the image's sources
    #[arg(long)]
    pub image_sources_only: bool,
    /// Go on with a repository whose Valid-Until has passed
    #[arg(long)]
    pub allow_expired_index: bool,
    /// Fail when a repository cannot be used, instead of leaving it out with a warning
    #[arg(long)]
    pub strict_repositories: bool,
    /// Go on with a repository whose index is older than one that was seen before
    #[arg(long)]
    pub allow_older_index: bool,
    /// Leave a library alone unless its registry attests the archive (PEP 740, npm's signatures,
    /// Maven's .asc with --keyring)
    #[arg(long)]
    pub require_attestation: bool,
    /// How maintainer scripts are run [default: virtual]
    #[arg(long, value_name = "MODE", value_parser = scripts_modes(), help_heading = "Upgrade options")]
    pub scripts: Option<ScriptsMode>,
    /// Leave a package alone whose scripts take longer than this; all together may take twice as
    /// long [default: 20]
    #[arg(long, value_name = "SECONDS", help_heading = "Upgrade options")]
    pub max_script_time: Option<u32>,
    /// Where downloads are kept.
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Keep no downloads
    #[arg(long, conflicts_with_all = ["cache_dir", "offline"])]
    pub no_cache: bool,
    /// Use only what the cache has
    #[arg(long)]
    pub offline: bool,
}

/// Where downloads are kept, and how many.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Repository options")]
pub struct CacheOptions {
    /// Keep downloads here [default: $XDG_CACHE_HOME/imgfix]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Keep at most so much there, what was used last (suffixes K, M, G, T); what was not used
    /// for 90 days goes in any case [default: 4G]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub cache_max_size: Option<u64>,
}

impl CacheOptions {
    /// What the cache may have.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let all = Limits::default();
        Limits { size: self.cache_max_size.unwrap_or(all.size), ..all }
    }

    /// The cache's directory, named or not; `None` when there is no home to look for it in.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(|| {
            let place = etcetera::choose_base_strategy().ok()?.cache_dir();
            (place != Path::new("/.cache")).then(|| place.join("imgfix"))
        })
    }
}

/// What the scanners found, and which of it counts.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Finding options")]
pub struct FindingOptions {
    /// A scanner's report of any known format (repeatable; `-` is stdin) [default: repair
    /// everything that the repositories have newer]
    #[arg(short, long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// Leave findings below this severity alone
    #[arg(long, value_name = "SEVERITY", value_parser = parse_severity)]
    pub min_severity: Option<Severity>,
    /// Only findings that a report says are known to be exploited, as CISA's catalogue (KEV)
    /// has them
    #[arg(long)]
    pub only_kev: bool,
    /// Leave findings below this EPSS score (0 to 1) alone, and those without a score; what a
    /// report says is known to be exploited stays in any case
    #[arg(long, value_name = "SCORE")]
    pub min_epss: Option<Probability>,
    /// Only this finding id (repeatable)
    #[arg(long, value_name = "ID")]
    pub only: Vec<String>,
    /// Not this finding id (repeatable)
    #[arg(long, value_name = "ID")]
    pub ignore: Vec<String>,
    /// Rules of what to ignore: .trivyignore, .trivyignore.yaml, .grype.yaml, .snyk, OpenVEX
    /// (repeatable)
    #[arg(long, value_name = "FILE")]
    pub ignore_file: Vec<PathBuf>,
    /// Also repair what imgfix's own checks find ('imgfix check'); without a report, that alone
    #[arg(long)]
    pub checks: bool,
    /// The folder that the scanner had unpacked the image to: taken away from the paths in reports
    #[arg(long, value_name = "DIR")]
    pub report_root: Option<String>,
    /// Refuse a report that is about another image, instead of a warning
    #[arg(long)]
    pub strict: bool,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// clap's value parser for severities, in any case.
///
/// # Errors
/// Not a severity.
pub fn parse_severity(text: &str) -> Result<Severity, String> {
    match text.to_ascii_lowercase().as_str() {
        "unknown" => Ok(Severity::Unknown),
        "negligible" => Ok(Severity::Negligible),
        "low" => Ok(Severity::Low),
        "medium" => Ok(Severity::Medium),
        "high" => Ok(Severity::High),
        "critical" => Ok(Severity::Critical),
        _ => Err("want one of unknown, negligible, low, medium, high, critical".to_owned()),
    }
}

/// Reads a file that an option names; `-` is stdin. Bounded by `limit` bytes.
///
/// # Errors
/// Unreadable, or larger than `limit`.
pub fn read_file(option: &str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read;
    let fail = |why: String| Failure::Usage(format!("{option} {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| fail(format!("cannot read: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(fail(format!("more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Everything from outside, from the options and the process's environment. The only place
/// that reads the clock. When the user's own files have been read, it confines the process with
/// `confine`, and then starts the runtime's threads.
///
/// # Errors
/// An option's file cannot be read or is not what it should be; those of `confine`.
pub fn environment(
    images: &ImageOptions,
    repositories: &RepositoryOptions,
    output: &Output,
    confine: impl FnOnce() -> Result<Confined, Failure>,
) -> Result<Environment, Failure> {
    let mut certificates = Vec::new();
    for path in &images.registry.ca_file {
        certificates.push(read_file("--ca-file", path, MAX_KEYS)?);
    }
    let (keyring, rsa_keyring) = keyrings(&repositories.keyring)?;
    let mut mirrors = Vec::new();
    for text in &repositories.mirror {
        let mirror = text.parse().map_err(|why| Failure::Usage(format!("--mirror: {why}")))?;
        mirrors.push(mirror);
    }
    let client_certificates = client_certificates::read(&repositories.client_certificate)?;
    let limits = match images.max_unpacked_size {
        Some(max_unpacked) => {
            LayerLimits { max_unpacked, scale: Scale::Fixed, ..LayerLimits::default() }
        }
        None => LayerLimits::default(),
    };
    let now = machine::now();
    let pace = Pace::new(Duration::from_secs(images.timeout.unwrap_or(TIMEOUT).into()));
    let auth = Arc::new(machine_auth());
    let cache = cache(repositories, output)?;
    let source_date_epoch = source_date_epoch()?;
    let memory = images.max_memory.map_or_else(machine::memory, Memory::fixed);
    let confined = confine()?;
    let runtime = Runtime::new()
        .map_err(|error| Failure::Usage(format!("cannot start the network runtime: {error}")))?;
    let runtime = Arc::new(runtime);
    Ok(Environment {
        kinds: families::KINDS,
        baseline: Baseline::default(),
        registry: RegistryOptions {
            runtime: Some(Arc::clone(&runtime)),
            limits,
            pace,
            ..images.registry.options()
        },
        limits,
        edge: Edge {
            progress: output.progress(),
            pace,
            repositories: RepositoryChoice {
                lines: repositories.repository.clone(),
                mirrors,
                keyring,
                rsa_keyring,
                image_sources_only: repositories.image_sources_only,
                allow_expired: repositories.allow_expired_index,
                strictness: match repositories.strict_repositories {
                    true => Strictness::Refuse,
                    false => Strictness::LeaveOut,
                },
                auth,
                older: match repositories.allow_older_index {
                    true => Older::Allow,
                    false => Older::Refuse,
                },
                cache,
                cache_limits: repositories.cache.limits(),
                release: repositories.releasever.clone(),
                libraries: LibraryRegistries::default(),
                require_attestation: repositories.require_attestation,
                offline: repositories.offline,
                certificates,
                client_certificates,
            },
            replacements: Vec::new(),
            scripts: repositories.scripts.unwrap_or_default(),
            script_time: machine::script_time(
                repositories.max_script_time.unwrap_or(MAX_SCRIPT_TIME),
            ),
            effort: Effort::default(),
            memory,
            now,
            source_date_epoch,
            runtime,
            unfinished: output.unfinished().clone(),
            network: AfterFetching::Stays,
            identity_check: families::identity_check(families::KINDS),
        },
        confined,
    })
}

/// The same for what plans and repairs: with the registries of libraries that this machine's tools
/// would ask, and with what the policy replaces. Their settings are read before the process is
/// confined, too.
///
/// # Errors
/// As [`environment`]; settings of those tools cannot be followed.
pub fn planning_environment(
    images: &ImageOptions,
    repositories: &RepositoryOptions,
    policy: (&Policy, RuleChoice),
    output: &Output,
    confine: impl FnOnce() -> Result<Confined, Failure>,
) -> Result<Environment, Failure> {
    let (policy, rules) = policy;
    let libraries = library_registries::of_machine(output)?;
    let environment = checking_environment(images, repositories, rules, output, confine)?;
    let repositories = RepositoryChoice { libraries, ..environment.edge.repositories };
    let edge = Edge { repositories, replacements: policy.replace.clone(), ..environment.edge };
    Ok(Environment { edge, ..environment })
}

/// The same for what only checks: with the rules about the image's configuration.
///
/// # Errors
/// As [`environment`]; the choice names a rule that there is not.
pub fn checking_environment(
    images: &ImageOptions,
    repositories: &RepositoryOptions,
    rules: RuleChoice,
    output: &Output,
    confine: impl FnOnce() -> Result<Confined, Failure>,
) -> Result<Environment, Failure> {
    let baseline = families::baseline(rules).map_err(|why| Failure::Usage(why.to_string()))?;
    Ok(Environment { baseline, ..environment(images, repositories, output, confine)? })
}

/// The words of `--scripts`, each with its help.
fn scripts_modes() -> impl TypedValueParser<Value = ScriptsMode> {
    const WORDS: [(&str, &str); 3] = [
        (
            "virtual",
            "Evaluated in a virtual shell; a package whose scripts cannot be is left alone",
        ),
        (
            "sandbox",
            "As virtual; what cannot be evaluated is run in namespaces, over a copy of the image",
        ),
        ("never", "Not at all: packages that have scripts to run are left alone"),
    ];
    let words = WORDS.map(|(word, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "sandbox" => ScriptsMode::Sandbox,
        "never" => ScriptsMode::Never,
        _ => ScriptsMode::Virtual,
    })
}

/// Logins for repositories as this machine's own apt has them. Files that this user may not
/// read say nothing, as for apt.
fn machine_auth() -> AuthConf {
    let mut paths = vec![PathBuf::from(auth_conf::FILE)];
    if let Ok(folder) = std::fs::read_dir(auth_conf::FOLDER) {
        let parts = folder.filter_map(|entry| Some(entry.ok()?.path()));
        let mut parts: Vec<PathBuf> = parts.filter(|path| auth_conf::is_read(path)).collect();
        parts.sort();
        paths.extend(parts);
    }
    let mut auth = AuthConf::default();
    for path in paths {
        if let Ok(text) = read_file("auth.conf", &path, MAX_KEYS) {
            auth.add(&text);
        }
    }
    auth
}

/// The user's keys: OpenPGP keyrings for apt, and RSA keys for apk, which go by the name of
/// their file.
fn keyrings(paths: &[PathBuf]) -> Result<(Option<Keyring>, Option<RsaKeyring>), Failure> {
    let (mut keyring, mut rsa_keyring) = (None::<Keyring>, None::<RsaKeyring>);
    for path in paths {
        let bytes = read_file("--keyring", path, MAX_KEYS)?;
        if RsaKeyring::is_key(&bytes) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            rsa_keyring
                .get_or_insert_default()
                .insert(&name, &bytes)
                .map_err(|error| Failure::Usage(format!("--keyring: {error}")))?;
            continue;
        }
        let parsed = Keyring::parse(&path.display().to_string(), &bytes)
            .map_err(|error| Failure::Usage(format!("--keyring: {error}")))?;
        keyring.get_or_insert_default().extend(parsed);
    }
    Ok((keyring, rsa_keyring))
}

/// `--cache-dir`, else `$XDG_CACHE_HOME/imgfix`. Where there is no home (arbitrary user ids in
/// CI have none, or `/`), downloads are kept for the run only. The key is in
/// `$XDG_STATE_HOME/imgfix`.
fn cache(options: &RepositoryOptions, output: &Output) -> Result<CacheChoice, Failure> {
    if options.no_cache {
        return Ok(CacheChoice::Temporary);
    }
    let base = etcetera::choose_base_strategy().ok();
    match options.cache.directory() {
        Some(dir) if options.cache.cache_dir.is_some() => {
            let key = cache_key(base.as_ref(), output)?;
            Ok(CacheChoice::Kept { dir, key })
        }
        Some(dir) => {
            let key = cache_key(base.as_ref(), output)?;
            Ok(CacheChoice::KeptIfPossible { dir, key })
        }
        _ if options.offline => {
            let why = "--offline needs a cache, and there is no home directory to look for it \
                       in; name it with --cache-dir DIR";
            Err(Failure::Usage(why.to_owned()))
        }
        _ => {
            output.progress().warn(
                "there is no home directory: downloads are kept for this run only; name a place \
                 with --cache-dir DIR, or say --no-cache",
            );
            Ok(CacheChoice::Temporary)
        }
    }
}

/// Where downloads are kept, if they are.
#[must_use]
pub fn cache_folder(options: &RepositoryOptions) -> Option<PathBuf> {
    if options.no_cache {
        return None;
    }
    options.cache.directory()
}

/// The key that seals what the cache has; one for this run when none can be kept.
fn cache_key(base: Option<&impl BaseStrategy>, output: &Output) -> Result<CacheKey, Failure> {
    let state = base.and_then(BaseStrategy::state_dir);
    let why = match state.map(|state| CacheKey::kept(&state.join("imgfix"))) {
        Some(Ok(key)) => return Ok(key),
        Some(Err(error)) => error.to_string(),
        None => "there is no home directory".to_owned(),
    };
    output.progress().detail(&format!("what the cache has is computed anew: {why}"));
    CacheKey::random().map_err(|error| Failure::Usage(error.to_string()))
}

/// <https://reproducible-builds.org/specs/source-date-epoch/>.
fn source_date_epoch() -> Result<Option<i64>, Failure> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) if !text.is_empty() => text.parse().map(Some).map_err(|_| {
            Failure::Usage(format!("SOURCE_DATE_EPOCH={text:?} is not a number of seconds"))
        }),
        _ => Ok(None),
    }
}

/// Whether reports come from somewhere else than `-r` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherReports {
    /// `-r` names all.
    None,
    /// `--scan-with`.
    Scanned,
}

/// Reads the reports and ignore files that the options name.
///
/// # Errors
/// A file cannot be read, or the ignore file is malformed.
pub fn scan(options: &FindingOptions, others: OtherReports) -> Result<ScanInput, Failure> {
    let mut reports = Vec::new();
    for path in &options.report {
        let bytes = read_file("--report", path, MAX_REPORT)?;
        reports.push(NamedReport { name: path.display().to_string(), bytes });
    }
    let mut rules = Vec::new();
    for path in &options.ignore_file {
        let bytes = read_file("--ignore-file", path, MAX_IGNORE_FILE)?;
        rules.extend(parse_ignore_file(&path.display().to_string(), &bytes)?);
    }
    let filter = Filter {
        min_severity: options.min_severity,
        only_known_exploited: options.only_kev,
        min_epss: options.min_epss,
        only: options.only.clone(),
        ignore: options.ignore.clone(),
        rules,
    };
    let without = reports.is_empty() && others == OtherReports::None && !options.checks;
    if without && filter != Filter::default() {
        let why = "--min-severity, --only-kev, --min-epss, --only, --ignore and --ignore-file \
                   choose among findings: give the scanner's report with -r";
        return Err(Failure::Usage(why.to_owned()));
    }
    let report_root = options.report_root.clone();
    let (strict, checks) = (options.strict, options.checks);
    Ok(ScanInput { reports, filter, report_root, strict, checks })
}
