//! Sections in brackets: `[section]`, `key = value`, as php.ini, systemd, and most others have
//! them. A key is `section.key`, or the key alone before the first section.
//!
//! The last value counts. Lines that begin with `#` or `;` are comments; a pair of quotes around
//! a value is none of it. Programs do not agree on comments behind values and on continued
//! lines: such a value is refused when it is asked for. A new line goes behind the last one of
//! its section; a section that is not there is made at the end.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Place, push};
use crate::text::{Edit, lines, part, text, trimmed};

pub(crate) struct Ini;

/// The key of a section's own line; no key of a setting begins so.
pub(crate) const SECTION: &str = "\u{1}section";

impl Grammar for Ini {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        let mut places: Vec<Place> = Vec::new();
        let mut section = String::new();
        for line in lines(&bytes) {
            let at = trimmed(&bytes, line.start..line.end, b" \t\r\x0c");
            let content = part(&bytes, at.clone());
            let indented = at.start > line.start;
            let whole = line.start..line.next;
            match content.first() {
                None | Some(b'#' | b';') => {}
                Some(b'[') => {
                    let Some(end) = content.iter().position(|&b| b == b']') else {
                        return Err(files.unclear(file, line.number, "a section without its end"));
                    };
                    section = text(part(content, 1..end));
                    let place = Place {
                        file,
                        line: line.number,
                        key: SECTION.to_owned(),
                        value: section.clone(),
                        whole,
                        ..Place::default()
                    };
                    push(files, &mut places, place)?;
                }
                Some(_) => {
                    let split = content.iter().position(|b| b"=:".contains(b));
                    let last = places.last_mut().filter(|last| last.key != SECTION);
                    if indented
                        && split.is_none()
                        && let Some(last) = last
                    {
                        last.unclear = Some("a value of more lines".to_owned());
                        continue;
                    }
                    let name = trimmed(content, 0..split.unwrap_or(content.len()), b" \t");
                    let name = text(part(content, name));
                    let from = at.start + split.map_or(content.len(), |split| split + 1);
                    let at = trimmed(&bytes, from..at.end, b" \t\r");
                    let raw = part(&bytes, at.clone());
                    let quoted = quoted(raw);
                    let value = text(if quoted { part(raw, 1..raw.len() - 1) } else { raw });
                    let comment = !quoted
                        && (value.contains(" ;")
                            || value.contains(" #")
                            || value.contains("\t;")
                            || value.contains("\t#")
                            || value.starts_with(['"', '\'']));
                    let why = "what follows the value is a comment to some programs only";
                    let place = Place {
                        file,
                        line: line.number,
                        key: match section.is_empty() {
                            true => name,
                            false => format!("{section}.{name}"),
                        },
                        value,
                        at,
                        whole,
                        unclear: comment.then(|| why.to_owned()),
                        ..Place::default()
                    };
                    push(files, &mut places, place)?;
                }
            }
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        if key.trim() != key
            || key.starts_with(['#', ';', '[', '\u{1}'])
            || key.contains(['=', ':', ']'])
        {
            return Err(SettingsError::key(key, "no `section.key`"));
        }
        Ok(key.to_owned())
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let quote =
            bytes.get(place.at.start).copied().filter(|_| quoted(part(&bytes, place.at.clone())));
        let mut out = written(key, value, quote)?;
        let before = part(&bytes, place.whole.start..place.at.start);
        if !before.iter().any(|b| b"=:".contains(b)) {
            out = format!("={out}");
        }
        Ok(vec![Edit::new(place.file, place.at.clone(), out)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        insert(files, places, key, &written(key, value, None)?, true)
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        let own = place.key == SECTION && key.starts_with(&format!("{}.", place.value));
        !own && !self.is_about(place, key)
    }
}

fn quoted(raw: &[u8]) -> bool {
    match raw {
        [first @ (b'"' | b'\''), inner @ .., last] => first == last && !inner.contains(first),
        _ => false,
    }
}

fn written(key: &str, value: &str, quote: Option<u8>) -> Result<String, SettingsError> {
    if value.contains(['\n', '\r']) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    let plain = value.trim() == value
        && !value.starts_with(['"', '\''])
        && !value.contains([';', '#'])
        && quote.is_none();
    if plain {
        return Ok(value.to_owned());
    }
    let quote = quote.map_or('"', char::from);
    if value.contains(quote) {
        return Err(SettingsError::value(key, "it cannot be quoted"));
    }
    Ok(format!("{quote}{value}{quote}"))
}

/// A new line for a key: in the last of its sections, or in a new one; `spaced`: where nothing
/// shows how the file has it, blanks stand around the `=`.
pub(crate) fn insert(
    files: &Files<'_>,
    places: &[Place],
    key: &str,
    value: &str,
    spaced: bool,
) -> Result<Vec<Edit>, SettingsError> {
    let known = places.iter().filter(|place| place.key == SECTION);
    let mut inside: Vec<&Place> = known
        .filter(|place| {
            !place.value.is_empty()
                && key.strip_prefix(&*place.value).is_some_and(|rest| rest.starts_with('.'))
        })
        .collect();
    inside.sort_by_key(|place| (place.file == 0, place.value.len(), place.whole.start));
    let style = places.iter().find(|place| place.key != SECTION && !place.at.is_empty());
    let equals = match style {
        Some(place) => {
            let bytes = files.bytes(place.file);
            let before = part(&bytes, place.whole.start..place.at.start);
            if before.ends_with(b" = ") { " = " } else { "=" }
        }
        None => {
            if spaced {
                " = "
            } else {
                "="
            }
        }
    };
    if let Some(section) = inside.last() {
        let name = key.get(section.value.len() + 1..).unwrap_or_default();
        let bytes = files.bytes(section.file);
        let after =
            |place: &Place| place.file == section.file && place.whole.start > section.whole.start;
        let end = places.iter().filter(|place| place.key == SECTION).find(|place| after(place));
        let end = end.map_or(bytes.len(), |next| next.whole.start);
        let last = places.iter().rfind(|place| after(place) && place.whole.start < end);
        let at = last.map_or(section.whole.end, |last| last.whole.end);
        return Ok(vec![Edit::line(section.file, &bytes, at, &format!("{name}{equals}{value}"))]);
    }
    let bytes = files.bytes(0);
    let Some((section, name)) = key.split_once('.') else {
        // before the first section
        let first = places.iter().find(|place| place.key == SECTION && place.file == 0);
        let at = first.map_or(bytes.len(), |place| place.whole.start);
        return Ok(vec![Edit::line(0, &bytes, at, &format!("{key}{equals}{value}"))]);
    };
    let line = format!("[{section}]\n{name}{equals}{value}");
    Ok(vec![Edit::line(0, &bytes, bytes.len(), &line)])
}

#[cfg(test)]
mod tests {
    use crate::Format::Ini;
    use crate::testing::Image;

    const MAIN: &str = "/etc/php.ini";

    #[test]
    fn keys_stand_in_their_sections() {
        let main = "top=1\n[PHP]\n; expose_php = On\nexpose_php = On\nq = \"a;b\"\n\n[a.b]\nc=1\nlist\n  more\n";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(Ini, MAIN, "top").as_deref(), Some("1"));
        assert_eq!(image.effective(Ini, MAIN, "PHP.q").as_deref(), Some("a;b"));
        assert_eq!(image.effective(Ini, MAIN, "a.b.c").as_deref(), Some("1"));
        assert_eq!(
            image.set(Ini, MAIN, "PHP.expose_php", "Off")[0].1,
            main.replace("\nexpose_php = On", "\nexpose_php = Off")
        );
        assert_eq!(
            image.set(Ini, MAIN, "PHP.new", "1")[0].1,
            main.replace("b\"\n", "b\"\nnew=1\n")
        );
        assert_eq!(image.set(Ini, MAIN, "x.y", "z")[0].1, format!("{main}[x]\ny=z\n"));
        assert!(image.refused(Ini, MAIN, "a.b.list", "1").contains("ini:9: a value of more lines"));
        let image = Image::new(&[(MAIN, "[a]\nb = 1 ; c\n")]);
        assert!(image.refused(Ini, MAIN, "a.b", "1").contains("ini:2: what follows"));
    }
}
