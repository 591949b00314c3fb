//! From the text of `imgfix.toml` to a checked [`Policy`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use time::{Date, Month};
use toml::Spanned;

use super::replace::Replace;
use super::{
    Extended, ImageOverride, ImagePattern, OriginalPolicy, Policy, PolicyError, Repositories,
    Scripts, Standing,
};
use crate::notify;
use crate::scanner::ScannerCommand;
use crate::size;
use imgfix_findings::IgnoreRule;
use imgfix_findings::ignore::{Condition, Pattern};
use imgfix_model::advisory::Probability;
use imgfix_model::finding::Severity;
use imgfix_model::platform::Platform;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_recipes::baseline::Level;
use imgfix_vfs::Compression;

/// The tables that have settings: the file itself, and one `[[image]]`. A key is written once.
macro_rules! tables {
    ($($key:ident: $kind:ty,)*) => {
        /// What both have.
        struct Settings {
            $($key: $kind,)*
        }

        #[derive(Deserialize, Default)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        struct File {
            $($key: $kind,)*
            extends: Vec<Spanned<String>>,
            ca_files: Vec<PathBuf>,
            cache_dir: Option<PathBuf>,
            cache_max_size: Option<Spanned<String>>,
            image: Vec<Spanned<Image>>,
            ignore: Vec<Spanned<Ignore>>,
            repositories: Repositories,
            notify: Vec<Spanned<notify::Entry>>,
            replace: Vec<Spanned<Replace>>,
        }

        #[derive(Deserialize, Default)]
        #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
        struct Image {
            r#match: Option<Spanned<String>>,
            $($key: $kind,)*
        }

        impl File {
            fn settings(&mut self) -> Settings {
                Settings { $($key: std::mem::take(&mut self.$key),)* }
            }
        }

        impl Image {
            fn settings(&mut self) -> Settings {
                Settings { $($key: std::mem::take(&mut self.$key),)* }
            }
        }
    };
}

tables! {
    min_severity: Option<Spanned<String>>,
    only_kev: Option<bool>,
    min_epss: Option<Spanned<f64>>,
    report_root: Option<Spanned<String>>,
    fail_on: Option<Spanned<String>>,
    no_publish_on_failed_gate: bool,
    skip_unchanged: bool,
    strict: bool,
    scripts: Option<Scripts>,
    max_script_time: Option<Spanned<u32>>,
    library_upgrades: Option<UpgradeLevel>,
    checks: bool,
    recipe_level: Option<Spanned<String>>,
    enable_recipes: Vec<String>,
    skip_recipes: Vec<String>,
    platforms: Vec<Spanned<String>>,
    tag_suffix: Option<Spanned<String>>,
    original: Option<Original>,
    backup_suffix: Option<Spanned<String>>,
    vex_author: Option<Spanned<String>>,
    compression: Option<CompressionWord>,
    compression_level: Option<u32>,
    skip_identical: Option<bool>,
    scan_with: Option<Spanned<String>>,
    scan_timeout: Option<Spanned<u32>>,
    timeout: Option<Spanned<u32>>,
    max_unpacked_size: Option<Spanned<String>>,
    max_memory: Option<Spanned<String>>,
    packages: Packages,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum CompressionWord {
    Gzip,
    Zstd,
    None,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Original {
    Keep,
    Backup,
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Ignore {
    #[serde(default)]
    id: String,
    package: Option<String>,
    image: Option<String>,
    path: Option<String>,
    reason: String,
    owner: Option<String>,
    expires: Option<toml::value::Datetime>,
    #[serde(default)]
    until_fixed: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Packages {
    allow: Vec<Spanned<String>>,
    deny: Vec<Spanned<String>>,
}

/// The keys of what was there.
type Taken = Vec<(&'static str, bool)>;

impl Settings {
    /// Takes out what runs programs, writes, deletes, or takes more of the machine.
    fn without_powers(&mut self) -> Taken {
        vec![
            ("scan-with", self.scan_with.take().is_some()),
            ("tag-suffix", self.tag_suffix.take().is_some()),
            ("original", self.original.take_if(|original| *original != Original::Keep).is_some()),
            ("backup-suffix", self.backup_suffix.take().is_some()),
            ("vex-author", self.vex_author.take().is_some()),
            ("report-root", self.report_root.take().is_some()),
            ("scripts", self.scripts.take_if(|scripts| *scripts == Scripts::Sandbox).is_some()),
            ("max-script-time", self.max_script_time.take().is_some()),
            ("max-unpacked-size", self.max_unpacked_size.take().is_some()),
            ("max-memory", self.max_memory.take().is_some()),
        ]
    }
}

impl File {
    /// Takes out what writes, sends, fetches, or says whom to trust, for the whole file.
    fn without_powers(&mut self) -> Taken {
        let repositories = &mut self.repositories;
        let urls = self.extends.extract_if(.., |text| text.get_ref().contains(':')).count();
        let sources = std::mem::take(&mut repositories.sources);
        let mirrors = std::mem::take(&mut repositories.mirrors);
        let client_certificates = std::mem::take(&mut repositories.client_certificates);
        let keyrings = std::mem::take(&mut repositories.keyrings);
        let expired = std::mem::take(&mut repositories.allow_expired_index);
        let older = std::mem::take(&mut repositories.allow_older_index);
        let release = repositories.releasever.take();
        vec![
            ("cache-max-size", self.cache_max_size.take().is_some()),
            ("repositories.sources", !sources.is_empty()),
            ("repositories.mirrors", !mirrors.is_empty()),
            ("repositories.client-certificates", !client_certificates.is_empty()),
            ("repositories.keyrings", !keyrings.is_empty()),
            ("repositories.releasever", release.is_some()),
            ("notify", !std::mem::take(&mut self.notify).is_empty()),
            ("replace", !std::mem::take(&mut self.replace).is_empty()),
            ("repositories.allow-expired-index", expired),
            ("repositories.allow-older-index", older),
            ("ca-files", !std::mem::take(&mut self.ca_files).is_empty()),
            ("cache-dir", self.cache_dir.take().is_some()),
            ("extends of a URL", urls > 0),
        ]
    }
}

/// Reads a policy. `name` is used in messages; paths in it count from `folder`.
///
/// # Errors
/// Not TOML, an unknown key, or a value that cannot be followed; with line and column.
pub fn parse(
    name: &str,
    text: &str,
    folder: &Path,
    standing: Standing,
) -> Result<Policy, PolicyError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        value(name, text, at, error.message())
    })?;
    let mut settings = file.settings();
    let mut refused = Vec::new();
    let powers = standing == Standing::Trusted;
    if !powers {
        let taken = [settings.without_powers(), file.without_powers()].concat();
        refused.extend(taken.into_iter().filter(|(_, there)| *there).map(|(key, _)| key));
    }
    let checks = PolicyText { name, text };
    let mut images = Vec::new();
    for entry in file.image {
        let at = entry.span().start;
        let mut image = entry.into_inner();
        let Some(pattern) = image.r#match.take() else {
            return Err(value(name, text, at, "an image override needs match, a pattern of names"));
        };
        let pattern = checks.image(&pattern, pattern.get_ref())?;
        let mut settings = image.settings();
        if !powers {
            let taken = settings.without_powers().into_iter().filter(|(_, there)| *there);
            refused.extend(taken.map(|(key, _)| key));
        }
        images.push(ImageOverride { pattern, policy: checks.settings(settings)? });
    }
    let mut ignore = Vec::new();
    for rule in &file.ignore {
        let of_image = checks.rule(rule)?;
        match &rule.get_ref().image {
            None => ignore.push(of_image),
            Some(image) => images.push(ImageOverride {
                pattern: checks.image(rule, image)?,
                policy: Policy { ignore: vec![of_image], ..Policy::default() },
            }),
        }
    }
    let mut known = std::collections::BTreeSet::new();
    refused.retain(|key| known.insert(*key));
    let mut repositories = file.repositories;
    for path in repositories.keyrings.iter_mut().chain(&mut file.ca_files) {
        *path = folder.join(&*path);
    }
    let own = std::mem::take(&mut repositories.client_certificates);
    repositories.client_certificates = own.into_iter().map(|one| one.within(folder)).collect();
    Ok(Policy {
        refused,
        extends: file.extends.iter().map(|text| checks.extended(text)).collect::<Result<_, _>>()?,
        ca_files: file.ca_files,
        cache_dir: file.cache_dir.map(|path| folder.join(path)),
        cache_max_size: file.cache_max_size.map(|size| checks.size(&size)).transpose()?,
        ignore,
        repositories,
        notify: file
            .notify
            .into_iter()
            .map(|entry| {
                let at = entry.span().start;
                let target = entry.into_inner().check(folder);
                target.map_err(|why| value(name, text, at, &why))
            })
            .collect::<Result<_, _>>()?,
        replace: file
            .replace
            .iter()
            .map(|rule| rule.get_ref().check(folder).map_err(|why| checks.error(rule, &why)))
            .collect::<Result<_, _>>()?,
        images,
        ..checks.settings(settings)?
    })
}

/// A policy file as messages need it: they tell where in its text a wrong value stands.
struct PolicyText<'a> {
    name: &'a str,
    text: &'a str,
}

impl PolicyText<'_> {
    /// What the file or one of its overrides says of settings.
    fn settings(&self, all: Settings) -> Result<Policy, PolicyError> {
        let compression = all.compression.map(|word| match word {
            CompressionWord::Gzip => Compression::Gzip,
            CompressionWord::Zstd => Compression::Zstd,
            CompressionWord::None => Compression::None,
        });
        let server = "a server needs at least 1 second";
        let scanner = "a scanner needs at least 1 second";
        Ok(Policy {
            min_severity: all.min_severity.map(|word| self.severity(&word)).transpose()?,
            only_kev: all.only_kev,
            min_epss: all.min_epss.map(|score| self.probability(&score)).transpose()?,
            report_root: all.report_root.map(|folder| self.folder(&folder)).transpose()?,
            fail_on: all.fail_on.map(|word| self.severity(&word)).transpose()?,
            no_publish_on_failed_gate: all.no_publish_on_failed_gate,
            skip_unchanged: all.skip_unchanged,
            strict: all.strict,
            scripts: all.scripts,
            max_script_time: all.max_script_time.map(Spanned::into_inner),
            library_upgrades: all.library_upgrades,
            checks: all.checks,
            recipe_level: all.recipe_level.map(|word| self.recipe_level(&word)).transpose()?,
            enable_recipes: all.enable_recipes,
            skip_recipes: all.skip_recipes,
            platforms: all
                .platforms
                .iter()
                .map(|it| self.platform(it))
                .collect::<Result<_, _>>()?,
            tag_suffix: all.tag_suffix.map(|suffix| self.suffix(&suffix)).transpose()?,
            original: self.original(all.original, all.backup_suffix)?,
            vex_author: all.vex_author.map(|name| self.author(&name)).transpose()?,
            compression,
            compression_level: all.compression_level,
            skip_identical: all.skip_identical,
            scan_with: all.scan_with.map(|text| self.scanner(&text)).transpose()?,
            scan_timeout: all.scan_timeout.map(|it| self.seconds(&it, scanner)).transpose()?,
            timeout: all.timeout.map(|it| self.seconds(&it, server)).transpose()?,
            max_unpacked_size: all.max_unpacked_size.map(|it| self.size(&it)).transpose()?,
            max_memory: all.max_memory.map(|it| self.size(&it)).transpose()?,
            allow: self.patterns(all.packages.allow)?,
            deny: self.patterns(all.packages.deny)?,
            ..Policy::default()
        })
    }

    fn recipe_level(&self, word: &Spanned<String>) -> Result<Level, PolicyError> {
        let level = Level::of_word(word.get_ref()).filter(|level| *level != Level::Report);
        level.ok_or_else(|| self.error(word, "want one of safe and opt-in"))
    }

    fn severity(&self, word: &Spanned<String>) -> Result<Severity, PolicyError> {
        let parsed = word.get_ref().parse::<Severity>();
        parsed.map_err(|error| self.error(word, &error.to_string()))
    }

    fn platform(&self, text: &Spanned<String>) -> Result<Platform, PolicyError> {
        text.get_ref().parse().map_err(|why: String| self.error(text, &why))
    }

    fn scanner(&self, text: &Spanned<String>) -> Result<ScannerCommand, PolicyError> {
        let parsed = ScannerCommand::parse(text.get_ref());
        parsed.map_err(|error| self.error(text, &error.to_string()))
    }

    fn extended(&self, text: &Spanned<String>) -> Result<Extended, PolicyError> {
        Extended::parse(text.get_ref()).map_err(|why| self.error(text, &why))
    }

    fn image<T>(&self, at: &Spanned<T>, text: &str) -> Result<ImagePattern, PolicyError> {
        ImagePattern::parse(text).map_err(|why| self.error(at, &why))
    }

    fn error<T>(&self, at: &Spanned<T>, why: &str) -> PolicyError {
        value(self.name, self.text, at.span().start, why)
    }

    /// Source: the tag's grammar in the OCI distribution specification.
    fn suffix(&self, suffix: &Spanned<String>) -> Result<String, PolicyError> {
        let text = suffix.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            let why = format!("{text:?} cannot end a tag (letters, digits, '_', '.' and '-')");
            return Err(self.error(suffix, &why));
        }
        Ok(text.clone())
    }

    fn author(&self, name: &Spanned<String>) -> Result<String, PolicyError> {
        match name.get_ref().trim() {
            "" => Err(self.error(name, "an author needs a name")),
            text => Ok(text.to_owned()),
        }
    }

    fn folder(&self, folder: &Spanned<String>) -> Result<String, PolicyError> {
        match folder.get_ref().trim() {
            "" => Err(self.error(folder, "a folder needs a name")),
            _ => Ok(folder.get_ref().clone()),
        }
    }

    fn probability(&self, score: &Spanned<f64>) -> Result<Probability, PolicyError> {
        let parsed = Probability::try_from(*score.get_ref());
        parsed.map_err(|error| self.error(score, &error.to_string()))
    }

    fn seconds(&self, seconds: &Spanned<u32>, why: &str) -> Result<Duration, PolicyError> {
        match *seconds.get_ref() {
            0 => Err(self.error(seconds, why)),
            seconds => Ok(Duration::from_secs(seconds.into())),
        }
    }

    fn size(&self, size: &Spanned<String>) -> Result<u64, PolicyError> {
        size::parse(size.get_ref()).map_err(|why| self.error(size, &why))
    }

    fn original(
        &self,
        original: Option<Original>,
        suffix: Option<Spanned<String>>,
    ) -> Result<Option<OriginalPolicy>, PolicyError> {
        match (original, suffix) {
            (Some(Original::Backup), None) => {
                Ok(Some(OriginalPolicy::Backup { suffix: "_original".to_owned() }))
            }
            (Some(Original::Backup), Some(suffix)) => {
                Ok(Some(OriginalPolicy::Backup { suffix: self.suffix(&suffix)? }))
            }
            (_, Some(suffix)) => {
                Err(self.error(&suffix, "backup-suffix needs original = \"backup\""))
            }
            (Some(Original::Delete), None) => Ok(Some(OriginalPolicy::Delete)),
            (Some(Original::Keep), None) => Ok(Some(OriginalPolicy::Keep)),
            (None, None) => Ok(None),
        }
    }

    fn rule(&self, rule: &Spanned<Ignore>) -> Result<IgnoreRule, PolicyError> {
        let Ignore { id, package, image: _, path, reason, owner, expires, until_fixed } =
            rule.get_ref();
        if id.trim().is_empty() && package.is_none() && path.is_none() {
            return Err(self.error(rule, "an ignored finding needs its id, a package or a path"));
        }
        if reason.trim().is_empty() {
            return Err(self.error(rule, "an ignored finding needs a reason"));
        }
        let expires = match expires {
            None => None,
            Some(day) => Some(date(*day).ok_or_else(|| {
                self.error(rule, "expires must be a date, as in expires = 2027-01-31")
            })?),
        };
        let mut conditions = Vec::new();
        if let Some(text) = package {
            let pattern = package_pattern(text).ok_or_else(|| {
                self.error(rule, "package must be a name, in which * is any text")
            })?;
            conditions.push(Condition::Name(pattern));
        }
        if let Some(text) = path {
            let pattern = Some(text).filter(|text| !text.trim().is_empty());
            let pattern = pattern.and_then(|text| Pattern::path(text)).ok_or_else(|| {
                self.error(rule, "path must be a pattern, as in path = \"usr/lib/**/*.jar\"")
            })?;
            conditions.push(Condition::Path(vec![pattern]));
        }
        if *until_fixed {
            conditions.push(Condition::NoFix);
        }
        let owner = owner.as_deref().map(str::trim).filter(|owner| !owner.is_empty());
        let owner = owner.map(|owner| format!(", decided by {owner}")).unwrap_or_default();
        let until = expires.map(|day| format!(", until {day}")).unwrap_or_default();
        let fixed = if *until_fixed { ", until a fixed version exists" } else { "" };
        let from = format!("{} ({}{owner}{until}{fixed})", self.name, reason.trim());
        Ok(IgnoreRule { id: id.trim().to_owned(), expires, from, conditions })
    }

    fn patterns(&self, patterns: Vec<Spanned<String>>) -> Result<Vec<String>, PolicyError> {
        patterns
            .into_iter()
            .map(|pattern| match pattern.get_ref().trim().is_empty() {
                true => Err(self.error(&pattern, "an empty pattern names no package")),
                false => Ok(pattern.into_inner()),
            })
            .collect()
    }
}

/// A name of packages, in which `*` is any text, as in `packages.deny`.
fn package_pattern(text: &str) -> Option<Pattern> {
    let parts: Vec<String> = text.trim().split('*').map(escaped).collect();
    Some(parts).filter(|_| !text.trim().is_empty()).and_then(|it| Pattern::whole(&it.join(".*")))
}

/// A text that a regular expression takes as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn date(day: toml::value::Datetime) -> Option<Date> {
    if day.time.is_some() {
        return None;
    }
    let day = day.date?;
    let month = Month::try_from(day.month).ok()?;
    Date::from_calendar_date(i32::from(day.year), month, day.day).ok()
}

/// An error at a byte of the text, told as line and column.
fn value(name: &str, text: &str, at: usize, why: &str) -> PolicyError {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    PolicyError::Value { place: format!("{name}:{line}:{column}"), why: why.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    const FULL: &str = include_str!("../../docs/imgfix.toml");

    fn read(text: &str) -> Result<Policy, String> {
        parse("imgfix.toml", text, Path::new("/project"), Standing::Trusted)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_was_found_only_narrows() {
        let policy = parse("imgfix.toml", FULL, Path::new("/project"), Standing::Found).unwrap();
        let all = [
            "scan-with",
            "tag-suffix",
            "original",
            "backup-suffix",
            "vex-author",
            "report-root",
            "max-script-time",
            "max-unpacked-size",
            "max-memory",
            "cache-max-size",
            "repositories.mirrors",
            "repositories.client-certificates",
            "repositories.keyrings",
            "repositories.releasever",
            "notify",
            "replace",
            "ca-files",
            "cache-dir",
        ];
        assert_eq!(policy.refused, all);
        let harmless = Policy {
            refused: policy.refused.clone(),
            scan_with: None,
            tag_suffix: None,
            original: None,
            vex_author: None,
            report_root: None,
            max_script_time: None,
            max_unpacked_size: None,
            max_memory: None,
            ca_files: Vec::new(),
            cache_dir: None,
            cache_max_size: None,
            repositories: Repositories::default(),
            notify: Vec::new(),
            replace: Vec::new(),
            ..read(FULL).unwrap()
        };
        assert_eq!(policy, harmless, "what stays is what the file says");
        let text = "original = 'keep'\nmin-severity = 'low'\n[repositories]\nsources = ['x']";
        let policy = parse("imgfix.toml", text, Path::new("/"), Standing::Found).unwrap();
        assert_eq!(policy.refused, ["repositories.sources"]);
        assert_eq!(policy.original, Some(OriginalPolicy::Keep));
        // What is refused is not read either: it cannot stop a run.
        let text = "scan-with = 'no-place-for-the-image'\n[[notify]]\nkind = 'slack'";
        let policy = parse("imgfix.toml", text, Path::new("/"), Standing::Found).unwrap();
        assert_eq!(policy.refused, ["scan-with", "notify"]);
        // Nor does it have powers for some images, fetch what it extends, or run scripts for real.
        let text = "extends = ['https://h/p', 'base.toml', 'oci://h/p']\nscripts = 'sandbox'\n\
             [[image]]\nmatch = '*'\nscan-with = 'x'\ntag-suffix = '_a'\nfail-on = 'low'";
        let policy = parse("imgfix.toml", text, Path::new("/"), Standing::Found).unwrap();
        assert_eq!(policy.refused, ["scripts", "extends of a URL", "scan-with", "tag-suffix"]);
        assert_eq!(policy.extends, [Extended::File("base.toml".into())]);
        let fail_on = Policy { fail_on: Some(Severity::Low), ..Policy::default() };
        assert_eq!(policy.images[0].policy, fail_on);
    }

    #[test]
    fn the_documented_file_says_everything() {
        let policy = read(FULL).unwrap();
        assert_eq!(policy.min_severity, Some(Severity::Low));
        assert_eq!(policy.fail_on, Some(Severity::Critical));
        assert_eq!(policy.scripts, Some(Scripts::Virtual));
        assert_eq!(policy.tag_suffix.as_deref(), Some("_fix"));
        assert!(policy.vex_author.is_some());
        assert_eq!(policy.original, Some(OriginalPolicy::Backup { suffix: "_original".into() }));
        assert!(policy.scan_with.is_some());
        assert_eq!(policy.scan_timeout, Some(Duration::from_secs(600)));
        assert_eq!(policy.cache_max_size, Some(4 << 30));
        assert_eq!(policy.ignore[0].id, "CVE-2011-3374");
        assert_eq!(policy.ignore[0].expires, Some(date!(2027 - 01 - 31)));
        assert_eq!(
            policy.ignore[0].from,
            "imgfix.toml (apt-key is not used, decided by security@example.com, until 2027-01-31)"
        );
        let [of_image, team] = &policy.images[..] else { panic!("{:?}", policy.images) };
        assert_eq!(team.policy.ignore[0].conditions.len(), 3);
        assert_eq!(of_image.policy.fail_on, Some(Severity::High));
        assert_eq!((policy.timeout, policy.strict), (Some(Duration::from_secs(300)), true));
        assert_eq!((policy.skip_unchanged, policy.no_publish_on_failed_gate), (true, false));
        assert_eq!((policy.max_memory, policy.platforms.len()), (Some(2 << 30), 2));
        assert_eq!(policy.ca_files, [Path::new("/project/keys/ca.pem")]);
        assert_eq!((policy.allow.len(), policy.deny.len()), (1, 1));
        assert_eq!(policy.repositories.keyrings, [Path::new("/project/keys/mirror.gpg")]);
        assert_eq!(
            policy.repositories.client_certificates[0].to_string(),
            "https://cdn.redhat.com=/etc/pki/entitlement"
        );
        assert_eq!(policy.notify.len(), 6);
        assert_eq!(policy.expired(date!(2027 - 01 - 31)).count(), 1);
        assert_eq!(policy.expired(date!(2027 - 01 - 30)).count(), 0);
    }

    #[test]
    fn the_documented_file_keeps_to_the_schema() {
        let value: toml::Value = toml::from_str(FULL).unwrap();
        // JSON has no dates: TOML's become text, as editors that use the schema see them.
        let json = serde_json::to_string(&plain(value)).unwrap();
        imgfix_report::schema_check::assert_valid(
            include_str!("../../docs/imgfix.schema.json"),
            &json,
        );
    }

    fn plain(value: toml::Value) -> serde_json::Value {
        match value {
            toml::Value::Datetime(day) => day.to_string().into(),
            toml::Value::Table(table) => table.into_iter().map(|(k, v)| (k, plain(v))).collect(),
            toml::Value::Array(list) => list.into_iter().map(plain).collect(),
            toml::Value::String(text) => text.into(),
            toml::Value::Boolean(flag) => flag.into(),
            toml::Value::Integer(number) => number.into(),
            toml::Value::Float(number) => number.into(),
        }
    }

    #[test]
    fn the_original_is_kept_backed_up_or_deleted() {
        let original = |text: &str| read(text).unwrap().original;
        assert_eq!(original("original = 'keep'"), Some(OriginalPolicy::Keep));
        assert_eq!(original("original = 'delete'"), Some(OriginalPolicy::Delete));
        let backup = OriginalPolicy::Backup { suffix: "-b".to_owned() };
        assert_eq!(original("original = 'backup'\nbackup-suffix = '-b'"), Some(backup));
    }

    #[test]
    fn a_file_from_windows_says_the_same() {
        let windows = format!("\u{feff}{}", FULL.replace('\n', "\r\n"));
        assert_eq!(read(&windows), read(FULL));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read(""), Ok(Policy::default()));
    }

    #[test]
    fn a_slip_of_the_pen_is_named_with_its_place() {
        for (text, want) in [
            ("min-severty = 'low'", "imgfix.toml:1:1: unknown field `min-severty`"),
            ("\nmin-severity = 'bad'", "imgfix.toml:2:16: \"bad\" is not a severity"),
            ("min-epss = 1.5", "imgfix.toml:1:12: a probability is 0 to 1"),
            ("min-epss = 'x'", "imgfix.toml:1:12: invalid type"),
            ("only-kev = 1", "imgfix.toml:1:12: invalid type"),
            ("min-severity = 3", "imgfix.toml:1:16: invalid type"),
            ("report-root = ' '", "imgfix.toml:1:15: a folder needs a name"),
            ("vex-author = ' '", "imgfix.toml:1:14: an author needs a name"),
            ("tag-suffix = 'a b'", "imgfix.toml:1:14: \"a b\" cannot end a tag"),
            ("original = 'burn'", "imgfix.toml:1:12: unknown variant `burn`"),
            (
                "original = 'delete'\nbackup-suffix = '_x'",
                "imgfix.toml:2:17: backup-suffix needs original",
            ),
            ("scan-timeout = 0", "imgfix.toml:1:16: a scanner needs at least"),
            ("cache-max-size = 'much'", "imgfix.toml:1:18: \"much\" is not a size"),
            ("scan-timeout = '5m'", "imgfix.toml:1:16: invalid type"),
            ("backup-suffix = '_x'", "imgfix.toml:1:17: backup-suffix needs original"),
            ("scan-with = 'trivy'", "imgfix.toml:1:13: --scan-with"),
            ("[[ignore]]\nid = 'CVE-1'", "imgfix.toml:1:1: missing field `reason`"),
            (
                "[[ignore]]\nid = 'CVE-1'\nreason = ' '",
                "imgfix.toml:1:1: an ignored finding needs a",
            ),
            (
                "[[ignore]]\nid = 'CVE-1'\nreason = 'x'\nexpires = 2027-01-01T00:00:00Z",
                "imgfix.toml:1:1: expires must be a date",
            ),
            ("[packages]\ndeny = ['']", "imgfix.toml:2:9: an empty pattern"),
            ("[[notify]]\nkind = 'slack'", "imgfix.toml:1:1: "),
            ("[[replace]]\npath = '/a'", "imgfix.toml:1:1: missing field `sha256`"),
            ("\n[[replace]]\npath = '/a'\nsha256 = ''", "imgfix.toml:2:1: a replacement has one"),
            ("a = ", "imgfix.toml:1:5: "),
            ("[[ignore]]\nreason = 'x'", "imgfix.toml:1:1: an ignored finding needs its id, a"),
            ("[[ignore]]\npackage = ' '\nreason = 'x'", "imgfix.toml:1:1: package must be a"),
            ("[[ignore]]\npath = '['\nreason = 'x'", "imgfix.toml:1:1: path must be a pattern"),
            ("[[image]]\nfail-on = 'low'", "imgfix.toml:1:1: an image override needs match"),
            ("[[image]]\nmatch = ''", "imgfix.toml:2:9: an empty pattern names no image"),
            ("[[image]]\nmatch = 'a'\nnotify = 1", "imgfix.toml:3:1: unknown field `notify`"),
            ("[[image]]\nmatch = 'a'\nfail-on = 'x'", "imgfix.toml:3:11: \"x\" is not a"),
            ("extends = ['https://h/p']", "imgfix.toml:1:12: a URL wants the SHA-256"),
            ("platforms = ['a/b/c/d']", "imgfix.toml:1:14: \"a/b/c/d\" is not a platform"),
            ("timeout = 0", "imgfix.toml:1:11: a server needs at least"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(want), "{text}: {error}");
        }
    }

    #[test]
    fn a_rule_asks_for_package_path_and_that_there_is_no_fix() {
        use imgfix_model::finding::Finding;
        let rule = |text: &str| {
            let text = format!("[[ignore]]\nreason = 'x'\n{text}");
            read(&text).unwrap().ignore.remove(0)
        };
        let plain = Finding::system("CVE-1", "libc++6", "1");
        let fixed = Finding { fixed: Some("2".into()), ..plain.clone() };
        let elsewhere = Finding { also_fixed_in: vec!["3".into()], ..plain.clone() };
        let jar = Finding { path: Some("usr/lib/x/a.jar".into()), ..plain.clone() };
        for (text, finding, want) in [
            ("package = 'libc++*'", &plain, true),
            ("package = 'libc++'", &plain, false),
            ("package = 'libc.+6'", &plain, false),
            ("package = 'libc++6'\nid = 'CVE-1'", &plain, true),
            ("package = 'libc++6'\nid = 'CVE-2'", &plain, false),
            ("path = 'usr/lib/**'", &jar, true),
            ("path = 'usr/lib/*'", &jar, false),
            ("path = 'usr/lib/**'", &plain, false),
            ("id = 'CVE-1'\nuntil-fixed = true", &plain, true),
            ("id = 'CVE-1'\nuntil-fixed = true", &fixed, false),
            ("id = 'CVE-1'\nuntil-fixed = true", &elsewhere, false),
            ("id = 'CVE-1'\nuntil-fixed = false", &fixed, true),
        ] {
            assert_eq!(rule(text).is_about(finding), want, "{text} {finding:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_policy_or_an_error(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
