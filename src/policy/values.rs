//! The keys of the policy file as a list: what each is called, which option says the same, what
//! holds when nobody says anything, and what a [`Policy`] has of it. For showing, and so that no
//! setting is forgotten in one place.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{OriginalPolicy, Policy, Scripts};
use imgfix_vfs::Compression;

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// As the file writes it; those of a table with its name before a dot.
    pub name: &'static str,
    /// The option that says the same, without dashes.
    pub option: Option<&'static str>,
    /// What holds when nobody says anything; empty: nothing.
    pub default: &'static str,
    /// Whether nearer and more general files count together.
    pub is_list: bool,
}

const fn one(name: &'static str, default: &'static str) -> Key {
    Key { name, option: Some(name), default, is_list: false }
}

const fn list(name: &'static str, option: &'static str) -> Key {
    Key { name, option: Some(option), default: "", is_list: true }
}

const fn named(name: &'static str, option: &'static str, default: &'static str) -> Key {
    Key { name, option: Some(option), default, is_list: false }
}

/// Every setting, in the order in which `docs/imgfix.toml` has them. Ignore rules, notifications
/// and overrides are lists of tables, and not among them.
pub const KEYS: &[Key] = &[
    one("min-severity", "unknown"),
    one("only-kev", "false"),
    one("min-epss", "0"),
    one("report-root", ""),
    one("fail-on", ""),
    one("no-publish-on-failed-gate", "false"),
    one("skip-unchanged", "false"),
    one("strict", "false"),
    one("scripts", "virtual"),
    one("max-script-time", "20"),
    one("library-upgrades", "patch"),
    one("checks", "false"),
    one("recipe-level", "safe"),
    list("enable-recipes", "enable-recipe"),
    list("skip-recipes", "skip-recipe"),
    named("platforms", "platform", ""),
    one("tag-suffix", "_fix"),
    one("original", "keep"),
    one("backup-suffix", "_original"),
    one("vex-author", "imgfix"),
    one("compression", "gzip"),
    one("compression-level", ""),
    one("skip-identical", "false"),
    one("scan-with", ""),
    one("scan-timeout", "600"),
    one("timeout", "300"),
    one("max-unpacked-size", ""),
    one("max-memory", ""),
    list("ca-files", "ca-file"),
    one("cache-dir", ""),
    one("cache-max-size", "4G"),
    list("packages.allow", "allow-package"),
    list("packages.deny", "deny-package"),
    named("repositories.sources", "repository", ""),
    list("repositories.mirrors", "mirror"),
    list("repositories.client-certificates", "client-certificate"),
    named("repositories.keyrings", "keyring", ""),
    named("repositories.releasever", "releasever", ""),
    named("repositories.image-sources-only", "image-sources-only", "false"),
    named("repositories.strict-repositories", "strict-repositories", "false"),
    named("repositories.allow-expired-index", "allow-expired-index", "false"),
    named("repositories.allow-older-index", "allow-older-index", "false"),
    named("repositories.require-attestation", "require-attestation", "false"),
];

/// The files of keys when one policy is put over another: those of both for a list, else those
/// of the upper one.
pub fn origins(
    own: BTreeMap<&'static str, Vec<String>>,
    mut base: BTreeMap<&'static str, Vec<String>>,
) -> BTreeMap<&'static str, Vec<String>> {
    for (key, files) in own {
        let is_list = KEYS.iter().any(|one| one.name == key && one.is_list);
        let there = base.entry(key).or_default();
        // What may be changed is not widened.
        match (is_list, key == "packages.allow" && !there.is_empty()) {
            (_, true) => {}
            (true, false) => there.extend(files),
            (false, false) => *there = files,
        }
    }
    base
}

impl Policy {
    /// Every setting that is said, by its key in [`KEYS`]: texts, numbers, switches and lists, as
    /// the file would write them. Sizes are in bytes, times in seconds.
    #[must_use]
    pub fn values(&self) -> Vec<(&'static str, Value)> {
        let text = |it: Option<String>| it.map(Value::from);
        let number = |it: Option<u64>| it.map(Value::from);
        let list = |all: Vec<String>| (!all.is_empty()).then(|| Value::from(all));
        let switch = |on: bool| on.then_some(Value::Bool(true));
        let paths = |all: &[std::path::PathBuf]| {
            list(all.iter().map(|path| path.display().to_string()).collect())
        };
        let repositories = &self.repositories;
        let suffix = match &self.original {
            Some(OriginalPolicy::Backup { suffix }) => Some(suffix.clone()),
            _ => None,
        };
        let all = [
            ("min-severity", text(self.min_severity.map(|it| it.to_string()))),
            ("only-kev", self.only_kev.map(Value::Bool)),
            ("min-epss", self.min_epss.map(|it| json!(f64::from(it)))),
            ("report-root", text(self.report_root.clone())),
            ("fail-on", text(self.fail_on.map(|it| it.to_string()))),
            ("no-publish-on-failed-gate", switch(self.no_publish_on_failed_gate)),
            ("skip-unchanged", switch(self.skip_unchanged)),
            ("strict", switch(self.strict)),
            ("scripts", text(self.scripts.map(|it| word_of_scripts(it).to_owned()))),
            ("max-script-time", number(self.max_script_time.map(u64::from))),
            ("library-upgrades", text(self.library_upgrades.map(|it| it.to_string()))),
            ("checks", switch(self.checks)),
            ("recipe-level", text(self.recipe_level.map(|it| it.word().to_owned()))),
            ("enable-recipes", list(self.enable_recipes.clone())),
            ("skip-recipes", list(self.skip_recipes.clone())),
            ("platforms", list(self.platforms.iter().map(ToString::to_string).collect())),
            ("tag-suffix", text(self.tag_suffix.clone())),
            ("original", text(self.original.as_ref().map(|it| word_of_original(it).to_owned()))),
            ("backup-suffix", text(suffix)),
            ("vex-author", text(self.vex_author.clone())),
            ("compression", text(self.compression.map(|it| word_of_compression(it).to_owned()))),
            ("compression-level", number(self.compression_level.map(u64::from))),
            ("skip-identical", self.skip_identical.map(Value::Bool)),
            ("scan-with", text(self.scan_with.as_ref().map(|it| it.text().to_owned()))),
            ("scan-timeout", number(self.scan_timeout.map(|it| it.as_secs()))),
            ("timeout", number(self.timeout.map(|it| it.as_secs()))),
            ("max-unpacked-size", number(self.max_unpacked_size)),
            ("max-memory", number(self.max_memory)),
            ("ca-files", paths(&self.ca_files)),
            ("cache-dir", self.cache_dir.as_ref().map(|it| json!(it.display().to_string()))),
            ("cache-max-size", number(self.cache_max_size)),
            ("packages.allow", list(self.allow.clone())),
            ("packages.deny", list(self.deny.clone())),
            ("repositories.sources", list(repositories.sources.clone())),
            ("repositories.mirrors", list(repositories.mirrors.clone())),
            (
                "repositories.client-certificates",
                list(repositories.client_certificates.iter().map(ToString::to_string).collect()),
            ),
            ("repositories.keyrings", paths(&repositories.keyrings)),
            ("repositories.releasever", repositories.releasever.as_ref().map(|it| json!(it))),
            ("repositories.image-sources-only", switch(repositories.image_sources_only)),
            ("repositories.strict-repositories", switch(repositories.strict_repositories)),
            ("repositories.allow-expired-index", switch(repositories.allow_expired_index)),
            ("repositories.allow-older-index", switch(repositories.allow_older_index)),
            ("repositories.require-attestation", switch(repositories.require_attestation)),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

const fn word_of_scripts(scripts: Scripts) -> &'static str {
    match scripts {
        Scripts::Virtual => "virtual",
        Scripts::Sandbox => "sandbox",
        Scripts::Never => "never",
    }
}

const fn word_of_original(original: &OriginalPolicy) -> &'static str {
    match original {
        OriginalPolicy::Keep => "keep",
        OriginalPolicy::Backup { .. } => "backup",
        OriginalPolicy::Delete => "delete",
    }
}

const fn word_of_compression(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::None => "none",
    }
}
