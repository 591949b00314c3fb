//! From the text of `imgfix.toml` to a checked [`Policy`].

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use time::{Date, Month};
use toml::Spanned;

use super::{OriginalPolicy, Policy, PolicyError, Repositories, Scripts, Standing};
use crate::notify;
use crate::scanner::ScannerCommand;
use crate::size;
use imgfix_findings::IgnoreRule;
use imgfix_model::finding::Severity;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    min_severity: Option<Spanned<String>>,
    fail_on: Option<Spanned<String>>,
    scripts: Option<Scripts>,
    tag_suffix: Option<Spanned<String>>,
    original: Option<Original>,
    backup_suffix: Option<Spanned<String>>,
    scan_with: Option<Spanned<String>>,
    scan_timeout: Option<Spanned<u32>>,
    cache_max_size: Option<Spanned<String>>,
    ignore: Vec<Spanned<Ignore>>,
    packages: Packages,
    repositories: Repositories,
    notify: Vec<Spanned<notify::Entry>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Original {
    Keep,
    Backup,
    Delete,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    id: String,
    reason: String,
    expires: Option<toml::value::Datetime>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Packages {
    allow: Vec<Spanned<String>>,
    deny: Vec<Spanned<String>>,
}

impl File {
    /// Takes out what runs programs, writes, deletes, sends, or says whom to trust; the names
    /// of the keys that were there.
    fn without_powers(&mut self) -> Vec<&'static str> {
        let repositories = &mut self.repositories;
        let mut taken = vec![
            ("scan-with", self.scan_with.take().is_some()),
            ("tag-suffix", self.tag_suffix.take().is_some()),
            ("original", self.original.take_if(|original| *original != Original::Keep).is_some()),
            ("backup-suffix", self.backup_suffix.take().is_some()),
            ("cache-max-size", self.cache_max_size.take().is_some()),
        ];
        let sources = std::mem::take(&mut repositories.sources);
        let mirrors = std::mem::take(&mut repositories.mirrors);
        let keyrings = std::mem::take(&mut repositories.keyrings);
        taken.extend([
            ("repositories.sources", !sources.is_empty()),
            ("repositories.mirrors", !mirrors.is_empty()),
            ("repositories.keyrings", !keyrings.is_empty()),
            ("notify", !std::mem::take(&mut self.notify).is_empty()),
        ]);
        taken.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect()
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
    let refused = match standing {
        Standing::Trusted => Vec::new(),
        Standing::Found => file.without_powers(),
    };
    let checks = PolicyText { name, text };
    let severity = |word: Option<Spanned<String>>| -> Result<Option<Severity>, PolicyError> {
        word.map(|word| {
            let parsed = word.get_ref().parse::<Severity>();
            parsed.map_err(|error| checks.error(&word, &error.to_string()))
        })
        .transpose()
    };
    let scan_with = file.scan_with.map(|text| {
        ScannerCommand::parse(text.get_ref())
            .map_err(|error| checks.error(&text, &error.to_string()))
    });
    let mut repositories = file.repositories;
    for keyring in &mut repositories.keyrings {
        *keyring = folder.join(&*keyring);
    }
    Ok(Policy {
        files: Vec::new(),
        refused,
        min_severity: severity(file.min_severity)?,
        fail_on: severity(file.fail_on)?,
        scripts: file.scripts,
        tag_suffix: file.tag_suffix.map(|suffix| checks.suffix(&suffix)).transpose()?,
        original: checks.original(file.original, file.backup_suffix)?,
        scan_with: scan_with.transpose()?,
        scan_timeout: file.scan_timeout.map(|seconds| checks.seconds(&seconds)).transpose()?,
        cache_max_size: file.cache_max_size.map(|size| checks.size(&size)).transpose()?,
        ignore: file.ignore.iter().map(|rule| checks.rule(rule)).collect::<Result<_, _>>()?,
        allow: checks.patterns(file.packages.allow)?,
        deny: checks.patterns(file.packages.deny)?,
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
    })
}

/// A policy file as messages need it: they tell where in its text a wrong value stands.
struct PolicyText<'a> {
    name: &'a str,
    text: &'a str,
}

impl PolicyText<'_> {
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

    fn seconds(&self, seconds: &Spanned<u32>) -> Result<Duration, PolicyError> {
        match *seconds.get_ref() {
            0 => Err(self.error(seconds, "a scanner needs at least 1 second")),
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
        let Ignore { id, reason, expires } = rule.get_ref();
        if id.trim().is_empty() {
            return Err(self.error(rule, "an ignored finding needs its id"));
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
        let until = expires.map(|day| format!(", until {day}")).unwrap_or_default();
        let from = format!("{} ({}{until})", self.name, reason.trim());
        Ok(IgnoreRule::of_id(id.trim(), expires, from))
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
            "cache-max-size",
            "repositories.mirrors",
            "repositories.keyrings",
            "notify",
        ];
        assert_eq!(policy.refused, all);
        let harmless = Policy {
            refused: policy.refused.clone(),
            scan_with: None,
            tag_suffix: None,
            original: None,
            cache_max_size: None,
            repositories: Repositories::default(),
            notify: Vec::new(),
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
    }

    #[test]
    fn the_documented_file_says_everything() {
        let policy = read(FULL).unwrap();
        assert_eq!(policy.min_severity, Some(Severity::Low));
        assert_eq!(policy.fail_on, Some(Severity::Critical));
        assert_eq!(policy.scripts, Some(Scripts::Virtual));
        assert_eq!(policy.tag_suffix.as_deref(), Some("_fix"));
        assert_eq!(policy.original, Some(OriginalPolicy::Backup { suffix: "_original".into() }));
        assert!(policy.scan_with.is_some());
        assert_eq!(policy.scan_timeout, Some(Duration::from_secs(600)));
        assert_eq!(policy.cache_max_size, Some(4 << 30));
        assert_eq!(policy.ignore[0].id, "CVE-2011-3374");
        assert_eq!(policy.ignore[0].expires, Some(date!(2027 - 01 - 31)));
        assert!(policy.ignore[0].from.starts_with("imgfix.toml (apt-key is not used, until"));
        assert_eq!((policy.allow.len(), policy.deny.len()), (1, 1));
        assert_eq!(policy.repositories.keyrings, [Path::new("/project/keys/mirror.gpg")]);
        assert_eq!(policy.notify.len(), 4);
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
            ("min-severity = 3", "imgfix.toml:1:16: invalid type"),
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
            ("a = ", "imgfix.toml:1:5: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(want), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_policy_or_an_error(text in ".{0,200}") {
            let _ = read(&text);
        }
    }
}
