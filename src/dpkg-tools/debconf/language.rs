//! [`Language`]: whose translations debconf takes from templates, by the environment.
//!
//! Maintainer scripts run in the C locale or in English, where translations hardly count: a
//! template may have an English variant of its text. Other languages are a [`Stop`], because
//! a translated default would get into the database, and whether the locale exists in the
//! image would have to be known.

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice as _};

use super::databases::Wording;
use imgfix_shell::{Call, Machine, Stop};

/// The languages looked for, the best first, as suffixes of field names.
#[derive(Debug)]
pub struct Language(Vec<BString>);

impl Language {
    /// The language of a call.
    ///
    /// # Errors
    /// It is neither C nor English, or Perl's `Text::Iconv` is installed, with which debconf
    /// converts between character sets.
    pub fn of(machine: &mut Machine, call: &Call) -> Result<Self, Stop> {
        let variable = |name: &str| {
            let value = call.environment.get(name.as_bytes().as_bstr());
            value.filter(|value| !value.is_empty()).map(|value| value.to_ascii_lowercase())
        };
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(variable);
        let locale = locale.unwrap_or_else(|| b"c".to_vec());
        let wanted = variable("LANGUAGE").unwrap_or_default();
        let mut all =
            wanted.split(|&b| b == b':').filter(|name| !name.is_empty()).chain([&locale[..]]);
        let is_plain = |name: &[u8]| {
            let language = name.split(|b| b"_.@".contains(b)).next().unwrap_or_default();
            matches!(language, b"c" | b"posix" | b"en")
        };
        if let Some(other) = all.find(|name| !is_plain(name)) {
            return Err(Stop::new(format!("debconf in the language {}", other.as_bstr())));
        }
        if has_iconv(machine, call)? {
            return Err(Stop::new("debconf with perl's Text::Iconv installed"));
        }
        let names = wanted.split(|&b| b == b':').filter(|name| !name.is_empty());
        Ok(Self(names.chain([&locale[..]]).flat_map(variants).collect()))
    }

    /// The text of a field in the wanted wording.
    pub(super) fn choose<'a>(
        &self,
        fields: &'a BTreeMap<BString, BString>,
        field: &[u8],
        wording: Wording,
    ) -> Option<&'a BString> {
        let with = |suffix: &[u8]| fields.get([field, b"-", suffix].concat().as_bstr());
        let translated = match wording {
            Wording::C => with(b"c"),
            Wording::Translated => {
                let until_english = self.0.iter().position(|name| name == "en");
                let end = until_english.map_or(self.0.len(), |at| at + 1);
                self.0.get(..end).unwrap_or_default().iter().find_map(|name| with(name))
            }
        };
        translated.or_else(|| fields.get(BStr::new(field)))
    }
}

/// `en_us.utf-8` as the suffixes `en_us.utf-8`, `en_us`, `en.utf-8`, `en`; C means English.
fn variants(locale: &[u8]) -> Vec<BString> {
    let without_modifier = locale.split(|&b| b == b'@').next().unwrap_or_default();
    let (name, charset) = match without_modifier.find_byte(b'.') {
        Some(at) => without_modifier.split_at(at),
        None => (without_modifier, &b""[..]),
    };
    let (language, territory) = match name.find_byte(b'_') {
        Some(at) => name.split_at(at),
        None => (name, &b""[..]),
    };
    let mut variants: Vec<BString> = Vec::new();
    for territory in [territory, b""] {
        for charset in [charset, b""] {
            let variant = [language, territory, charset].concat();
            let variant: BString = match &variant[..] {
                b"c" | b"posix" => "en".into(),
                other => other.into(),
            };
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
    }
    variants
}

/// Whether Perl finds `Text::Iconv`: it is compiled, so below the architecture's folder.
fn has_iconv(machine: &mut Machine, call: &Call) -> Result<bool, Stop> {
    let Ok(folders) = machine.read_dir(&call.directory, b"/usr/lib")? else { return Ok(false) };
    for folder in folders {
        let perl = [b"/usr/lib/", &folder[..], b"/perl5"].concat();
        let Ok(versions) = machine.read_dir(&call.directory, &perl)? else { continue };
        for version in versions {
            let module = [&perl[..], b"/", &version, b"/Text/Iconv.pm"].concat();
            if machine.stat(&call.directory, &module)?.is_ok() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_stands_for_its_shorter_forms_too() {
        for (locale, names) in [
            ("c", vec!["en"]),
            ("c.utf-8", vec!["c.utf-8", "en"]),
            ("en_us.utf-8@x", vec!["en_us.utf-8", "en_us", "en.utf-8", "en"]),
        ] {
            let variants = variants(locale.as_bytes());
            assert_eq!(variants, names);
        }
    }

    #[test]
    fn the_first_language_with_a_text_counts_and_nothing_after_english() {
        let fields = [("d", "plain"), ("d-en", "english"), ("d-de", "german"), ("e", "plain")];
        let fields: BTreeMap<BString, BString> =
            fields.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        let language = Language(vec!["c.utf-8".into(), "en".into(), "de".into()]);
        for (field, wording, text) in [
            (b"d", Wording::Translated, Some("english")),
            (b"d", Wording::C, Some("plain")),
            (b"e", Wording::Translated, Some("plain")),
            (b"f", Wording::C, None),
        ] {
            let chosen = language.choose(&fields, field, wording);
            assert_eq!(chosen.map(|chosen| chosen.to_string()), text.map(str::to_owned));
        }
    }
}
