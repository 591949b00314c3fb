//! The policy file `imgfix.toml`: what a team has agreed on, so that no pipeline repeats it.
//!
//! In comes the text; out goes a [`Policy`] whose every value is checked, or one error that
//! names the file, the line and the remedy. Flags of the command line go before it. The JSON
//! Schema is `docs/imgfix.schema.json`.
//!
//! A file that the user names or that stands in a place of the user or of root is trusted. One
//! that is merely found in the working directory or above it may have come with a pull request:
//! it can narrow what is done, and has no power to run, write, send or redirect ([`Standing`]).

mod client_certificate;
mod extends;
mod file;
mod image;
mod replace;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use time::Date;

use crate::notify::Target;
use crate::scanner::ScannerCommand;
use imgfix_findings::IgnoreRule;
use imgfix_model::advisory::Probability;
use imgfix_model::finding::Severity;
use imgfix_model::platform::Platform;
use imgfix_model::replacement::Replacement;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_recipes::baseline::Level;
use imgfix_vfs::Compression;

pub use client_certificate::ClientCertificateFiles;
pub use extends::{Extended, PinnedArtifact, PinnedUrl};
pub use file::parse;
pub use image::{ImageName, ImageOverride, ImagePattern};
pub use values::{KEYS, Key};

/// The file's name.
pub const FILE_NAME: &str = "imgfix.toml";

/// How many days before it ends an ignore rule is named in a warning.
const NOTICE: i64 = 14;

/// How far a file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The user named it, or it stands where only the user or root writes.
    Trusted,
    /// It was found in the working directory or above: keys that run programs, write, delete,
    /// send, or say whom to trust are not followed.
    Found,
}

/// Why a policy file cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is not TOML, has an unknown key, or a value that cannot be followed.
    #[error(
        "{place}: {why}; 'imgfix config check' shows what is known, docs/policy.md explains it"
    )]
    Value {
        /// File, line and column: `imgfix.toml:3:1`.
        place: String,
        /// What is wrong there, as a main clause.
        why: String,
    },
}

/// What the file says. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The files and addresses it was read from, as messages name them; the one that goes before
    /// the others last.
    pub files: Vec<String>,
    /// What it extends and does not yet have, the one that goes before the others last.
    pub extends: Vec<Extended>,
    /// Which of `files` each key is from: one for a single value, all that count for a list.
    pub origins: BTreeMap<&'static str, Vec<String>>,
    /// Keys that are not followed because of the file's [`Standing`].
    pub refused: Vec<&'static str>,
    /// Findings below it are ignored.
    pub min_severity: Option<Severity>,
    /// Only findings that a report says are exploited are repaired.
    pub only_kev: Option<bool>,
    /// Findings of a lower EPSS score, or without one, are ignored unless they are known to be
    /// exploited.
    pub min_epss: Option<Probability>,
    /// The folder that scanners had unpacked the image to: no part of paths in reports.
    pub report_root: Option<String>,
    /// What remains at or above it makes the run end with exit code 3.
    pub fail_on: Option<Severity>,
    /// When something remains at or above `fail_on`, nothing is published.
    pub no_publish_on_failed_gate: bool,
    /// When nothing can be upgraded, nothing is published.
    pub skip_unchanged: bool,
    /// How maintainer scripts are run.
    pub scripts: Option<Scripts>,
    /// What the tag of the repaired image adds, `_fix` unless it is said.
    pub tag_suffix: Option<String>,
    /// What becomes of the original's tag.
    pub original: Option<OriginalPolicy>,
    /// Who answers for OpenVEX documents.
    pub vex_author: Option<String>,
    /// The scanner that runs before and after the repair.
    pub scan_with: Option<ScannerCommand>,
    /// How long one run of a scanner may take.
    pub scan_timeout: Option<Duration>,
    /// How long a server may take beyond what a transfer's size needs.
    pub timeout: Option<Duration>,
    /// Files and folders that downloads take the place of.
    pub replace: Vec<Replacement>,
    /// How far libraries of applications may be upgraded.
    pub library_upgrades: Option<UpgradeLevel>,
    /// Also what imgfix's own checks find is repaired.
    pub checks: bool,
    /// Up to which level recipes about the image's configuration are followed.
    pub recipe_level: Option<Level>,
    /// Recipes that are followed whatever their level.
    pub enable_recipes: Vec<String>,
    /// Recipes that are not followed.
    pub skip_recipes: Vec<String>,
    /// How long the scripts of one package may take, in seconds.
    pub max_script_time: Option<u32>,
    /// The largest image when it is unpacked, in bytes.
    pub max_unpacked_size: Option<u64>,
    /// How much of what comes from outside is held in memory, in bytes.
    pub max_memory: Option<u64>,
    /// Which platforms of an index are repaired; none: all.
    pub platforms: Vec<Platform>,
    /// How the layer is compressed.
    pub compression: Option<Compression>,
    /// How much, on the scale of the compression.
    pub compression_level: Option<u32>,
    /// Files that differ in nothing but their time are left out of the layer.
    pub skip_identical: Option<bool>,
    /// A report that is about another image is refused.
    pub strict: bool,
    /// PEM files of further certificate authorities.
    pub ca_files: Vec<PathBuf>,
    /// Where downloads are kept.
    pub cache_dir: Option<PathBuf>,
    /// What the cache of downloads may have, in bytes.
    pub cache_max_size: Option<u64>,
    /// Findings that are left, each with a reason and perhaps a last day.
    pub ignore: Vec<IgnoreRule>,
    /// Patterns of package names, in which `*` is any text; when there are any, only these packages
    /// are changed.
    pub allow: Vec<String>,
    /// Patterns of package names; these go before `allow`.
    pub deny: Vec<String>,
    /// Where packages come from.
    pub repositories: Repositories,
    /// Whom to tell of a repair.
    pub notify: Vec<Target>,
    /// What holds for some images only, the one that goes before the others last.
    pub images: Vec<ImageOverride>,
}

/// How maintainer scripts are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scripts {
    /// Evaluated in the virtual shell; what cannot be keeps its package at its version.
    Virtual,
    /// As `Virtual`; what cannot be evaluated is run in namespaces of the kernel.
    Sandbox,
    /// Not at all: packages that have scripts to run are left alone.
    Never,
}

/// What becomes of the original image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginalPolicy {
    /// It stays under its tag.
    Keep,
    /// It is copied to its tag with this suffix before the repaired image is published.
    Backup {
        /// What the copy's tag adds.
        suffix: String,
    },
    /// Its tag is deleted once the repaired image is published, read back and good enough.
    Delete,
}

/// Where packages come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Repositories {
    /// Lines as in `sources.list` (apk: URLs) instead of the image's own.
    pub sources: Vec<String>,
    /// `FROM=TO`: URLs that begin with FROM are fetched from TO.
    pub mirrors: Vec<String>,
    /// `URL=FILE[,KEY]`: what is shown to servers; relative paths count from the policy's folder.
    pub client_certificates: Vec<ClientCertificateFiles>,
    /// Files with keys instead of the image's own; relative paths count from the policy's folder.
    pub keyrings: Vec<PathBuf>,
    /// What `$releasever` stands for in the repositories of an rpm image.
    pub releasever: Option<String>,
    /// The distribution's security archive is not added to the image's sources.
    pub image_sources_only: bool,
    /// A repository that cannot be used is an error.
    pub strict_repositories: bool,
    /// A repository whose `Valid-Until` has passed is used.
    pub allow_expired_index: bool,
    /// A repository whose index is older than one that was seen is used.
    pub allow_older_index: bool,
    /// A library's archive that nothing attests is not used.
    pub require_attestation: bool,
}

impl Policy {
    /// This policy over a more general one: single values of this one go first, lists of both
    /// count. Only what may be changed (`packages.allow`) is never widened by it.
    #[must_use]
    pub fn over(self, base: Policy) -> Policy {
        let both = |base: Vec<String>, own: Vec<String>| [base, own].concat();
        let first = |own: Vec<String>, base: Vec<String>| if own.is_empty() { base } else { own };
        let (own, general) = (self.repositories, base.repositories);
        let origins = values::origins(self.origins, base.origins);
        Policy {
            files: [base.files, self.files].concat(),
            extends: [base.extends, self.extends].concat(),
            origins,
            refused: [base.refused, self.refused].concat(),
            min_severity: self.min_severity.or(base.min_severity),
            only_kev: self.only_kev.or(base.only_kev),
            min_epss: self.min_epss.or(base.min_epss),
            report_root: self.report_root.or(base.report_root),
            fail_on: self.fail_on.or(base.fail_on),
            no_publish_on_failed_gate: self.no_publish_on_failed_gate
                || base.no_publish_on_failed_gate,
            skip_unchanged: self.skip_unchanged || base.skip_unchanged,
            scripts: self.scripts.or(base.scripts),
            tag_suffix: self.tag_suffix.or(base.tag_suffix),
            original: self.original.or(base.original),
            vex_author: self.vex_author.or(base.vex_author),
            scan_with: self.scan_with.or(base.scan_with),
            scan_timeout: self.scan_timeout.or(base.scan_timeout),
            timeout: self.timeout.or(base.timeout),
            max_script_time: self.max_script_time.or(base.max_script_time),
            library_upgrades: self.library_upgrades.or(base.library_upgrades),
            checks: self.checks || base.checks,
            recipe_level: self.recipe_level.or(base.recipe_level),
            enable_recipes: both(base.enable_recipes, self.enable_recipes),
            skip_recipes: both(base.skip_recipes, self.skip_recipes),
            max_unpacked_size: self.max_unpacked_size.or(base.max_unpacked_size),
            max_memory: self.max_memory.or(base.max_memory),
            platforms: if self.platforms.is_empty() { base.platforms } else { self.platforms },
            compression: self.compression.or(base.compression),
            compression_level: self.compression_level.or(base.compression_level),
            skip_identical: self.skip_identical.or(base.skip_identical),
            strict: self.strict || base.strict,
            ca_files: [base.ca_files, self.ca_files].concat(),
            cache_dir: self.cache_dir.or(base.cache_dir),
            cache_max_size: self.cache_max_size.or(base.cache_max_size),
            ignore: [base.ignore, self.ignore].concat(),
            allow: first(base.allow, self.allow),
            deny: both(base.deny, self.deny),
            repositories: Repositories {
                sources: first(own.sources, general.sources),
                // The first that fits counts.
                mirrors: both(own.mirrors, general.mirrors),
                client_certificates: [general.client_certificates, own.client_certificates]
                    .concat(),
                keyrings: if own.keyrings.is_empty() { general.keyrings } else { own.keyrings },
                releasever: own.releasever.or(general.releasever),
                image_sources_only: own.image_sources_only || general.image_sources_only,
                strict_repositories: own.strict_repositories || general.strict_repositories,
                allow_expired_index: own.allow_expired_index || general.allow_expired_index,
                allow_older_index: own.allow_older_index || general.allow_older_index,
                require_attestation: own.require_attestation || general.require_attestation,
            },
            notify: [base.notify, self.notify].concat(),
            // of several for one path the nearest counts, which comes first
            replace: [self.replace, base.replace].concat(),
            images: [base.images, self.images].concat(),
        }
    }

    /// The policy of one image: overrides that match it are put over the rest in their order, so
    /// that of several which say the same the last one holds. Unlike a nearer file's, an
    /// override's `packages.allow` takes the place of the rest's.
    #[must_use]
    pub fn of_image(mut self, image: &ImageName) -> Policy {
        let overrides = std::mem::take(&mut self.images);
        let matching = overrides.into_iter().filter(|one| one.pattern.matches(image));
        matching.fold(self, |mut rest, one| {
            if !one.policy.allow.is_empty() {
                rest.allow.clear();
                rest.origins.remove("packages.allow");
            }
            let files = std::mem::take(&mut rest.files);
            Policy { files, ..Policy { files: Vec::new(), ..one.policy }.over(rest) }
        })
    }

    /// The policy, whose every key is from `file`, as messages name it.
    #[must_use]
    pub fn read_from(mut self, file: &str) -> Policy {
        let origins = |policy: &Policy| {
            let keys = policy.values().into_iter().map(|(key, _)| key);
            keys.map(|key| (key, vec![file.to_owned()])).collect()
        };
        self.files = vec![file.to_owned()];
        self.origins = origins(&self);
        for one in &mut self.images {
            one.policy.files = vec![file.to_owned()];
            one.policy.origins = origins(&one.policy);
        }
        self
    }

    /// Every ignore rule, those for some images only among them.
    pub fn rules(&self) -> impl Iterator<Item = &IgnoreRule> {
        let of_images = self.images.iter().flat_map(|one| &one.policy.ignore);
        self.ignore.iter().chain(of_images)
    }

    /// Ignore rules that hold no more on a day, for a person to clean up.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &IgnoreRule> {
        self.rules().filter(move |rule| rule.expires.is_some_and(|day| day <= today))
    }

    /// Ignore rules that hold on a day and will not 14 days later, for a person to look at again.
    pub fn expiring(&self, today: Date) -> impl Iterator<Item = &IgnoreRule> {
        self.rules().filter(move |rule| {
            rule.expires.is_some_and(|day| day > today && (day - today).whole_days() <= NOTICE)
        })
    }
}

/// Where a file may be that holds in a folder, the nearest first: there, or above it up to the
/// root of the version control's work tree (a folder with `.git`).
#[must_use]
pub fn found(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folder.ancestors() {
        let file = folder.join(FILE_NAME);
        if file.is_file() {
            files.push(file);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_upward_but_not_beyond_the_work_tree() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("repo/a/b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::create_dir(root.path().join("repo/.git")).unwrap();
        std::fs::write(root.path().join(FILE_NAME), "").unwrap();
        assert!(found(&deep).is_empty());
        let files = [deep.join(FILE_NAME), root.path().join("repo").join(FILE_NAME)];
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        assert_eq!(found(&deep), files);
    }

    #[test]
    fn the_nearer_policy_goes_first_and_widens_nothing() {
        let read = |text: &str| parse("x", text, Path::new("/p"), Standing::Trusted).unwrap();
        let base = read(
            "min-severity = 'high'\ntag-suffix = '_a'\n[packages]\nallow = ['libc6']\n\
             deny = ['a']\n[repositories]\nsources = ['one']\nmirrors = ['http://a=http://b']",
        );
        let near = read(
            "min-severity = 'low'\n[packages]\nallow = ['*']\ndeny = ['b']\n[repositories]\n\
             mirrors = ['http://a=http://c']",
        );
        let policy = near.clone().over(base);
        assert_eq!(policy.min_severity, Some(Severity::Low));
        assert_eq!(policy.tag_suffix.as_deref(), Some("_a"));
        assert_eq!(
            (policy.allow, policy.deny),
            (vec!["libc6".into()], vec!["a".into(), "b".into()])
        );
        assert_eq!(policy.repositories.sources, ["one"]);
        assert_eq!(policy.repositories.mirrors, ["http://a=http://c", "http://a=http://b"]);
        assert_eq!(near.clone().over(Policy::default()), near);
    }

    #[test]
    fn what_is_said_of_an_image_goes_over_the_rest_of_its_file() {
        let text = "min-severity = 'low'\nfail-on = 'high'\n[packages]\nallow = ['libc6']\n\
             [[ignore]]\nid = 'CVE-1'\nreason = 'x'\n\
             [[ignore]]\nid = 'CVE-2'\nreason = 'x'\nimage = 'registry.example/team/*'\n\
             [[image]]\nmatch = 'registry.example/*'\nfail-on = 'critical'\nscripts = 'never'\n\
             [[image]]\nmatch = 'registry.example/team/*'\nfail-on = 'medium'\n\
             packages.allow = ['*']\n";
        let read = || parse("x", text, Path::new("/p"), Standing::Trusted).unwrap();
        let of = |image: &str| read().of_image(&ImageName::of(&image.parse().unwrap()));
        let ids = |policy: &Policy| policy.rules().map(|rule| rule.id.clone()).collect::<Vec<_>>();
        let team = of("registry.example/team/app:1");
        assert_eq!(team.min_severity, Some(Severity::Low));
        assert_eq!((team.fail_on, team.scripts), (Some(Severity::Medium), Some(Scripts::Never)));
        assert_eq!(
            (&team.allow[..], ids(&team)),
            (&["*".to_owned()][..], vec!["CVE-1".to_owned(), "CVE-2".to_owned()])
        );
        let other = of("registry.example/app:1");
        assert_eq!(
            (other.fail_on, &other.allow[..]),
            (Some(Severity::Critical), &["libc6".to_owned()][..])
        );
        let none = of("elsewhere.example/app:1");
        assert_eq!((none.fail_on, none.scripts), (Some(Severity::High), None));
        assert_eq!(ids(&none), ["CVE-1"]);
        // A nearer file goes over all that a more general one says of the image.
        let near = parse("y", "fail-on = 'low'", Path::new("/p"), Standing::Trusted).unwrap();
        assert_eq!(near.over(team).fail_on, Some(Severity::Low));
    }

    #[test]
    fn every_key_knows_its_file() {
        let read = |text: &str, file: &str| {
            parse("x", text, Path::new("/p"), Standing::Trusted).unwrap().read_from(file)
        };
        let base = read("fail-on = 'low'\nscripts = 'never'\n[packages]\ndeny = ['a']", "/base");
        let near = read("fail-on = 'high'\n[packages]\ndeny = ['b']", "/near");
        let policy = near.over(base);
        assert_eq!(policy.files, ["/base", "/near"]);
        let origins: Vec<(&str, String)> =
            policy.origins.iter().map(|(key, files)| (*key, files.join(" "))).collect();
        let want = [("fail-on", "/near"), ("packages.deny", "/base /near"), ("scripts", "/base")];
        assert_eq!(origins, want.map(|(key, files)| (key, files.to_owned())));
    }

    #[test]
    fn a_rule_is_named_two_weeks_before_it_ends() {
        use time::macros::date;
        let text = "[[ignore]]\nid = 'CVE-1'\nreason = 'x'\nexpires = 2027-01-31";
        let policy = parse("x", text, Path::new("/p"), Standing::Trusted).unwrap();
        for (today, expiring, expired) in [
            (date!(2027 - 01 - 16), 0, 0),
            (date!(2027 - 01 - 17), 1, 0),
            (date!(2027 - 01 - 30), 1, 0),
            (date!(2027 - 01 - 31), 0, 1),
        ] {
            let counts = (policy.expiring(today).count(), policy.expired(today).count());
            assert_eq!(counts, (expiring, expired), "{today}");
        }
    }
}
