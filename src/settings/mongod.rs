//! mongod.conf (MongoDB manual, "Configuration File Options"): YAML, or `name = value` lines in
//! its old form. Keys are those of YAML in both: `security.authorization` is `auth` in the old one.

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, Line, lines, part, text, trimmed};
use crate::yaml::{Yaml, is_about_yaml, read_yaml};

pub(crate) struct Mongod;

/// Names of the old form: the key, the name, and what `true` and `false` are there.
const OLD: [(&str, &str, Option<[&str; 2]>); 8] = [
    ("security.authorization", "auth", Some(["enabled", "disabled"])),
    ("security.authorization", "noauth", Some(["disabled", "enabled"])),
    ("net.bindIp", "bind_ip", None),
    ("net.port", "port", None),
    ("net.ipv6", "ipv6", None),
    ("net.bindIpAll", "bind_ip_all", None),
    ("security.javascriptEnabled", "noscripting", Some(["false", "true"])),
    ("storage.dbPath", "dbpath", None),
];

/// `name = value` lines: the old form.
fn old_form(bytes: &[u8]) -> bool {
    let content = |line: &Line| part(bytes, trimmed(bytes, line.start..line.end, b" \t\r"));
    let all = lines(bytes);
    let first =
        all.iter().map(content).find(|content| !content.is_empty() && !content.starts_with(b"#"));
    first.is_some_and(|content| {
        let name =
            content.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_.".contains(b)).count();
        part(content, name..content.len()).trim_ascii_start().starts_with(b"=")
    })
}

fn old_value(value: &str, says: Option<[&str; 2]>) -> String {
    match (says, value) {
        (Some([yes, _]), "true" | "1" | "on" | "yes") => yes.to_owned(),
        (Some([_, no]), "false" | "0" | "off" | "no") => no.to_owned(),
        _ => value.to_owned(),
    }
}

impl Grammar for Mongod {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let bytes = files.bytes(file);
        if !old_form(&bytes) {
            return read_yaml(files, file);
        }
        let mut places = Vec::new();
        for line in lines(&bytes) {
            let at = trimmed(&bytes, line.start..line.end, b" \t\r");
            let content = part(&bytes, at.clone());
            if content.is_empty() || content.starts_with(b"#") {
                continue;
            }
            let Some(equals) = content.iter().position(|&b| b == b'=') else {
                return Err(files.unclear(file, line.number, "a line that is no `name = value`"));
            };
            let name = text(part(content, trimmed(content, 0..equals, b" \t")));
            let value = trimmed(&bytes, at.start + equals + 1..at.end, b" \t");
            let raw = text(part(&bytes, value.clone()));
            let known = OLD.iter().find(|(_, old, _)| *old == name);
            let comment =
                raw.contains('#').then(|| "a comment behind the value, or a part of it".to_owned());
            let place = Place {
                file,
                line: line.number,
                key: known.map_or_else(|| format!("\u{1}{name}"), |(key, _, _)| (*key).to_owned()),
                value: known.map_or(raw.clone(), |(_, _, says)| old_value(&raw, *says)),
                at: value,
                whole: line.start..line.next,
                unclear: comment,
                condition: None,
                detail: String::new(),
            };
            push(files, &mut places, place)?;
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        Yaml.key(key)
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        is_about_yaml(place, key)
    }

    fn order(&self, _: &str) -> Order {
        Order::Same
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        if !old_form(&bytes) {
            return Yaml.put(files, place, key, value);
        }
        let line = text(part(&bytes, place.whole.start..place.at.start));
        let name = line.trim().trim_end_matches('=').trim();
        let says = OLD.iter().find(|(_, old, _)| *old == name).and_then(|(_, _, says)| *says);
        let out = match says {
            Some([yes, _]) if yes == value => "true",
            Some([_, no]) if no == value => "false",
            Some(_) => return Err(SettingsError::value(key, "the old form has no word for it")),
            None => value,
        };
        Ok(vec![Edit::new(place.file, place.at.clone(), out)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        if !old_form(&bytes) {
            return Yaml.add(files, places, key, value);
        }
        let Some((_, name, says)) = OLD.iter().find(|(known, _, _)| *known == key) else {
            return Err(SettingsError::key(
                key,
                "its name in the old form of mongod.conf is not known",
            ));
        };
        let out = match says {
            Some([yes, _]) if *yes == value => "true",
            Some([_, no]) if *no == value => "false",
            Some(_) => return Err(SettingsError::value(key, "the old form has no word for it")),
            None => value,
        };
        Ok(vec![Edit::line(0, &bytes, bytes.len(), &format!("{name} = {out}"))])
    }

    fn take(&self, files: &Files<'_>, place: &Place) -> Result<Vec<Edit>, SettingsError> {
        Yaml.take(files, place)
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        Yaml.is_other(place, key)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Mongod;
    use crate::testing::Image;

    const MAIN: &str = "/etc/mongod.conf";

    #[test]
    fn the_old_form_of_mongod_has_other_names() {
        let main = "bind_ip=0.0.0.0\nnoauth = true\nx = 1\n";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(
            image.effective(Mongod, MAIN, "security.authorization").as_deref(),
            Some("disabled")
        );
        assert_eq!(
            image.set(Mongod, MAIN, "security.authorization", "enabled")[0].1,
            main.replace("true", "false")
        );
        assert_eq!(image.set(Mongod, MAIN, "net.port", "1")[0].1, format!("{main}port = 1\n"));
        assert!(image.refused(Mongod, MAIN, "a.b", "1").contains("not known"));
    }
}
