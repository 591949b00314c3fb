//! The policy file for the subcommands: found, read, and put under what the flags say; and
//! `imgfix config`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use time::OffsetDateTime;

use crate::pipeline::ScanInput;
use crate::policy;
use crate::policy::{ImageName, Policy, Scripts};
use imgfix_baseline::RuleChoice;
use imgfix_findings::IgnoreRule;
use imgfix_model::plan::Plan;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_oci::Reference;
use imgfix_recipes::baseline::Level;
use imgfix_repair::choice::PackageChoice;
use imgfix_repair::edge::ScriptsMode;
use imgfix_terminal::count;

use super::confine::{self, Start};
use super::exit::Failure;
use super::options::{FindingOptions, ImageOptions, RepositoryOptions};
use super::output::Output;
use super::policy_files::{Places, Reader};
use super::policy_show::ShowArguments;
use super::registry_options::RegistryAccess;
use super::{CommandResult, exit, policy_files, policy_show};

/// Which policy holds.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Policy options")]
pub struct PolicyOptions {
    /// Follow this policy file and no other [env: IMGFIX_CONFIG=] [default:
    /// /etc/imgfix/imgfix.toml, ~/.config/imgfix/imgfix.toml, and imgfix.toml here or above, of
    /// which only what has no power to run, write, send or redirect is followed]
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Follow no policy file
    #[arg(long)]
    pub no_config: bool,
    /// Change only packages of these names, `*` is any text (repeatable) [default: all]
    #[arg(long, value_name = "PATTERN")]
    pub allow_package: Vec<String>,
    /// Leave packages of these names alone, `*` is any text (repeatable)
    #[arg(long, value_name = "PATTERN")]
    pub deny_package: Vec<String>,
    /// How far libraries of applications may be upgraded: patch (1.2.3 to 1.2.9), minor (to 1.9),
    /// major (to 2.0) [default: patch]
    #[arg(long, value_name = "LEVEL", value_parser = upgrade_levels(), help_heading = "Upgrade options")]
    pub library_upgrades: Option<UpgradeLevel>,
    /// Follow recipes about the image's configuration up to this level: safe, or opt-in, which may
    /// break what relies on what they take away [default: safe]
    #[arg(long, value_name = "LEVEL", value_parser = recipe_levels(), help_heading = "Recipe options")]
    pub recipe_level: Option<Level>,
    /// Follow this recipe, whatever its level (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Recipe options")]
    pub enable_recipe: Vec<String>,
    /// Do not follow this recipe (repeatable)
    #[arg(long, value_name = "NAME", help_heading = "Recipe options")]
    pub skip_recipe: Vec<String>,
}

impl PolicyOptions {
    /// The policy that holds here, for an image where there is one. `registry` is how what it
    /// extends is fetched.
    ///
    /// # Errors
    /// The file, or what it extends, cannot be read or followed.
    pub fn load(
        &self,
        image: Option<&Reference>,
        registry: &RegistryAccess,
        output: &Output,
    ) -> Result<Policy, Failure> {
        if self.no_config {
            return Ok(Policy::default());
        }
        let image = image.map(ImageName::of);
        let reader = Reader { image: image.as_ref(), registry, output };
        let policy = match policy_files::named(self.config.as_ref()) {
            Some(path) => reader.named(&path)?,
            None => reader.others()?.unwrap_or_default(),
        };
        for file in &policy.files {
            output.progress().detail(&format!("following {file}"));
        }
        if image.is_some() {
            warn_of_expiring(&policy, output);
        }
        Ok(policy)
    }

    /// Which packages may be changed: patterns of file and flags together.
    #[must_use]
    pub fn packages(&self, policy: &Policy) -> PackageChoice {
        let both = |file: &[String], flags: &[String]| file.iter().chain(flags).cloned().collect();
        PackageChoice {
            allow: both(&policy.allow, &self.allow_package),
            deny: both(&policy.deny, &self.deny_package),
            library_upgrades: self.library_upgrades.or(policy.library_upgrades).unwrap_or_default(),
        }
    }

    /// Which recipes about the image's configuration are followed.
    #[must_use]
    pub fn rules(&self, policy: &Policy) -> RuleChoice {
        let both = |file: &[String], flags: &[String]| file.iter().chain(flags).cloned().collect();
        RuleChoice {
            level: self.recipe_level.or(policy.recipe_level).unwrap_or(Level::Safe),
            enabled: both(&policy.enable_recipes, &self.enable_recipe),
            disabled: both(&policy.skip_recipes, &self.skip_recipe),
        }
    }

    /// Why the policy does not let a saved plan be done: its first change that may not be, and
    /// who says so.
    #[must_use]
    pub fn refusal(&self, plan: &Plan, policy: &Policy) -> Option<String> {
        let choice = self.packages(policy);
        let steps = plan.platforms.iter().flat_map(|platform| &platform.steps);
        let steps = steps.map(|step| {
            (step.package.name.as_ref(), format!("changes {} to {}", step.package, step.to))
        });
        let gone = plan.platforms.iter().flat_map(|platform| &platform.removals);
        let gone =
            gone.map(|gone| (gone.package.name.as_ref(), format!("takes {} away", gone.package)));
        let stores = plan.platforms.iter().flat_map(|platform| &platform.stores);
        let libraries = stores.flat_map(|store| &store.steps).map(|step| {
            let does = match &step.to {
                Some(to) => format!("changes {} to {to}", step.component),
                None => format!("changes {}", step.component),
            };
            (step.component.as_str(), does)
        });
        let (name, does, reason) = steps
            .chain(gone)
            .chain(libraries)
            .find_map(|(name, does)| Some((name, does, choice.refusal_of(name)?)))?;
        let by = match (&policy.files[..], self.is_of_the_file(name, policy)) {
            ([_, ..], true) => format!("the policy file {}", policy.files.join(" or ")),
            _ => "the command line (--allow-package, --deny-package)".to_owned(),
        };
        Some(format!(
            "it {does}, but {reason}, says {by}; make a new plan with 'imgfix plan --save', or \
             change the policy"
        ))
    }

    /// Whether it is the file, not a flag, that refuses a package which one of them refuses.
    fn is_of_the_file(&self, name: &str, policy: &Policy) -> bool {
        let denies = |patterns: &[String]| {
            let choice = PackageChoice { deny: patterns.to_vec(), ..PackageChoice::default() };
            choice.refusal_of(name).is_some()
        };
        denies(&policy.deny) || (!denies(&self.deny_package) && !policy.allow.is_empty())
    }
}

/// The words of `--library-upgrades`.
fn upgrade_levels() -> impl TypedValueParser<Value = UpgradeLevel> {
    let words = UpgradeLevel::ALL.map(|level| PossibleValue::new(level.word()));
    PossibleValuesParser::new(words).try_map(|word| word.parse::<UpgradeLevel>())
}

/// The words of `--recipe-level`.
fn recipe_levels() -> impl TypedValueParser<Value = Level> {
    let words = [Level::Safe, Level::OptIn].map(|level| PossibleValue::new(level.word()));
    PossibleValuesParser::new(words).map(|word| Level::of_word(&word).unwrap_or(Level::Safe))
}

/// Names ignore rules that will not hold for long.
fn warn_of_expiring(policy: &Policy, output: &Output) {
    for rule in policy.expiring(OffsetDateTime::now_utc().date()) {
        output.progress().warn(&format!("{} is not ignored for long: {}", what(rule), rule.from));
    }
}

/// What a rule is about, for a message that names the rule.
fn what(rule: &IgnoreRule) -> &str {
    if rule.id.is_empty() { "what a rule names" } else { &rule.id }
}

/// Puts the policy under what the flags say of images.
pub fn under_images(policy: &Policy, options: &mut ImageOptions) {
    if options.platform.is_empty() {
        options.platform.clone_from(&policy.platforms);
    }
    options.registry.ca_file.extend(policy.ca_files.iter().cloned());
    let seconds = policy.timeout.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX));
    options.timeout = options.timeout.or(seconds);
    options.max_unpacked_size = options.max_unpacked_size.or(policy.max_unpacked_size);
    options.max_memory = options.max_memory.or(policy.max_memory);
}

/// Puts the policy under what the flags say of repositories.
pub fn under_repositories(policy: &Policy, options: &mut RepositoryOptions) {
    let file = &policy.repositories;
    if options.repository.is_empty() {
        options.repository.clone_from(&file.sources);
    }
    // The first that fits counts: those of the command line.
    options.mirror.extend(file.mirrors.iter().cloned());
    options.client_certificate.extend(file.client_certificates.iter().cloned());
    if options.keyring.is_empty() {
        options.keyring.clone_from(&file.keyrings);
    }
    if options.releasever.is_none() {
        options.releasever.clone_from(&file.releasever);
    }
    options.image_sources_only |= file.image_sources_only;
    options.strict_repositories |= file.strict_repositories;
    options.allow_expired_index |= file.allow_expired_index;
    options.allow_older_index |= file.allow_older_index;
    options.require_attestation |= file.require_attestation;
    options.max_script_time = options.max_script_time.or(policy.max_script_time);
    let cache = &mut options.cache;
    cache.cache_max_size = cache.cache_max_size.or(policy.cache_max_size);
    if cache.cache_dir.is_none() && !options.no_cache {
        cache.cache_dir.clone_from(&policy.cache_dir);
    }
    let scripts = policy.scripts.map(|scripts| match scripts {
        Scripts::Virtual => ScriptsMode::Virtual,
        Scripts::Sandbox => ScriptsMode::Sandbox,
        Scripts::Never => ScriptsMode::Never,
    });
    options.scripts = options.scripts.or(scripts);
}

/// Puts the policy under what the flags say of findings. Without a report there is nothing to
/// choose among, and nothing is chosen.
pub fn under_findings(policy: &Policy, options: &FindingOptions, scan: &mut ScanInput) {
    if scan.report_root.is_none() {
        scan.report_root.clone_from(&policy.report_root);
    }
    let filter = &mut scan.filter;
    if options.min_severity.is_none() {
        filter.min_severity = policy.min_severity;
    }
    filter.only_known_exploited |= policy.only_kev == Some(true);
    filter.min_epss = filter.min_epss.or(policy.min_epss);
    filter.rules.extend(policy.ignore.iter().cloned());
}

/// Arguments of `imgfix config`.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

/// Arguments of `imgfix config check`.
#[derive(Debug, Args)]
struct CheckArguments {
    /// The file [default: those that hold here]
    file: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Registry options")]
    registry: RegistryAccess,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a policy file and say what is wrong with it
    Check(CheckArguments),
    /// Show every setting, and from which file each comes
    Show(ShowArguments),
    /// Write an imgfix.toml in which everything is explained and nothing said
    Init {
        /// Where; a file that is there stays as it is
        #[arg(default_value = policy::FILE_NAME)]
        file: PathBuf,
    },
    /// Print the JSON Schema of imgfix.toml, for editors
    Schema,
}

/// Runs `imgfix config`.
///
/// # Errors
/// There is no policy file, or it cannot be followed; the new one cannot be written.
pub fn run(arguments: ConfigArguments, start: Start) -> CommandResult {
    match arguments.command {
        ConfigCommand::Check(arguments) => check(&arguments, start),
        ConfigCommand::Show(arguments) => policy_show::show(arguments, start),
        ConfigCommand::Init { file } => policy_show::init(&file, start),
        ConfigCommand::Schema => policy_show::schema(start),
    }
}

fn check(arguments: &CheckArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let named = policy_files::named(arguments.file.as_ref());
    let places = Places::of(named.as_deref());
    start.confined_for_now(&confine::of_policy_files(&places, &arguments.registry));
    let reader = Reader { image: None, registry: &arguments.registry, output };
    let policy = match named {
        Some(path) => reader.named(&path)?,
        None => reader.others()?.ok_or_else(|| {
            let name = policy::FILE_NAME;
            Failure::Usage(format!(
                "no {name} here or above, nor in ~/.config/imgfix or /etc/imgfix, that can be \
                 followed"
            ))
        })?,
    };
    let _confined = start.confined(&confine::of_policy());
    let today = OffsetDateTime::now_utc().date();
    for rule in policy.expired(today) {
        output.progress().warn(&format!("{} has expired: {}", what(rule), rule.from));
    }
    warn_of_expiring(&policy, output);
    output.result(&format!(
        "{}: can be followed ({}, {}, {})\n",
        policy.files.join(" or "),
        count(policy.rules().count(), "ignore rule"),
        count(policy.allow.len() + policy.deny.len(), "package pattern"),
        count(policy.notify.len(), "notification")
    ))?;
    Ok(exit::DONE)
}
