//! my.cnf, as my_default.c of MariaDB 10.11 and MySQL 8 reads it ("Using Option Files").
//!
//! A key is `group.option`: `mysqld.skip-grant-tables`. What the server reads is one group here:
//! `mysqld`, `server`, `mariadb`, `mariadbd`, `galera`; those of one version (`mariadb-10.11`)
//! hold sometimes. `-` and `_` are alike, `loose-` is nothing, `skip-x` and `disable-x` say of
//! `x` that it is 0, `enable-x` that it is 1. An option without a value has the value "", and is
//! set so by "". The last value counts. `!include` and `!includedir` (names that end in `.cnf`,
//! in their order) stand for the files' content. A new option goes to the end of a group that
//! the server reads, or to a new one at the end.

use crate::error::SettingsError;
use crate::files::{Files, files_in, inside};
use crate::grammar::{Grammar, Place, push};
use crate::ini::{SECTION, insert};
use crate::text::{Edit, lines, part, text, trimmed};

pub(crate) struct Mysql;

/// Groups of the server, in any version.
const SERVER: [&str; 5] = ["mysqld", "server", "mariadb", "mariadbd", "galera"];
/// Options that begin as if they were negations of others.
const WHOLE: [&str; 9] = [
    "skip-grant-tables",
    "skip-networking",
    "skip-name-resolve",
    "skip-show-database",
    "skip-slave-start",
    "skip-replica-start",
    "skip-log-bin",
    "skip-bdb",
    "skip-host-cache",
];
/// The fewest letters that programs take for an option.
const SHORT: [(&str, usize); 3] =
    [("skip-grant-tables", 6), ("skip-networking", 8), ("local-infile", 7)];

fn group(name: &str) -> (String, Option<String>) {
    if SERVER.contains(&name) {
        return ("mysqld".to_owned(), None);
    }
    match name.split_once('-') {
        Some((base, version))
            if SERVER.contains(&base) && version.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            ("mysqld".to_owned(), Some(format!("[{name}]")))
        }
        _ => (name.to_owned(), None),
    }
}

/// An option's own name, and what its prefix says.
fn option(name: &str) -> (String, Option<&'static str>) {
    let name = name.replace('_', "-");
    let name = name.strip_prefix("loose-").unwrap_or(&name);
    for (whole, fewest) in SHORT {
        if name.len() >= fewest && whole.starts_with(name) {
            return (whole.to_owned(), None);
        }
    }
    if WHOLE.contains(&name) {
        return (name.to_owned(), None);
    }
    for (prefix, says) in [("skip-", "0"), ("disable-", "0"), ("enable-", "1")] {
        if let Some(rest) = name.strip_prefix(prefix).filter(|rest| !rest.is_empty()) {
            return (rest.to_owned(), Some(says));
        }
    }
    (name.to_owned(), None)
}

/// Where a comment behind a value begins: a `#` outside of quotes.
fn comment(content: &[u8]) -> usize {
    let (mut quote, mut escape) = (None, false);
    for (at, &c) in content.iter().enumerate() {
        match (quote, c) {
            (None, b'#') => return at,
            (None, b'"' | b'\'') => quote = Some(c),
            (Some(open), _) if open == c && !escape => quote = None,
            _ => {}
        }
        escape = quote.is_some() && c == b'\\' && !escape;
    }
    content.len()
}

fn decoded(raw: &[u8]) -> String {
    let inner = match raw {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last => inner,
        _ => raw,
    };
    let mut out = Vec::new();
    let mut rest = inner.iter();
    while let Some(&c) = rest.next() {
        if c != b'\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'b') => out.push(8),
            Some(b's') => out.push(b' '),
            Some(&c @ (b'"' | b'\'' | b'\\')) => out.push(c),
            Some(&c) => out.extend([b'\\', c]),
            None => out.push(b'\\'),
        }
    }
    text(&out)
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    let mut section: Option<(String, Option<String>)> = None;
    for line in lines(&bytes) {
        let at = trimmed(&bytes, line.start..line.end, b" \t\r\x0b\x0c");
        let content = part(&bytes, at.clone());
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let whole = line.start..line.next;
        match content.first() {
            None | Some(b'#' | b';') => {}
            Some(b'!') => {
                if line.next == line.end {
                    // MariaDB 10.11 takes the last letter for the line end, and reads another folder
                    return Err(unclear(files, "an include in a last line that does not end"));
                }
                let words = text(content);
                let (word, name) = words.split_once([' ', '\t']).unwrap_or((&words, ""));
                let name = name.trim();
                let path = inside(files.fs, name).filter(|_| name.starts_with('/'));
                let path =
                    path.ok_or_else(|| unclear(files, "an include that is no path from the root"))?;
                let found = match word {
                    "!include" => vec![path],
                    "!includedir" => {
                        let all = files_in(files.fs, &path)
                            .ok_or_else(|| unclear(files, "the image does not have the folder"))?;
                        all.into_iter().filter(|path| path.file_name().ends_with(b".cnf")).collect()
                    }
                    _ => return Err(unclear(files, "no directive of option files")),
                };
                for path in found {
                    let next = files.open(&path)?;
                    read_file(files, next, places)?;
                    files.close();
                }
            }
            Some(b'[') => {
                let Some(end) = content.iter().position(|&b| b == b']') else {
                    return Err(unclear(files, "a group without its end"));
                };
                let name = trimmed(content, 1..end, b" \t");
                let name = text(part(content, name));
                section = Some(group(&name));
                // how a new option of the server's groups is told where it goes
                let value = section
                    .clone()
                    .filter(|(_, condition)| condition.is_none())
                    .map_or(name, |(name, _)| name);
                let place = Place {
                    file,
                    line: line.number,
                    key: SECTION.to_owned(),
                    value,
                    whole,
                    ..Place::default()
                };
                push(files, places, place)?;
            }
            Some(_) => {
                let Some((name, condition)) = &section else {
                    return Err(unclear(files, "an option before the first group"));
                };
                let end = comment(content);
                let split = part(content, 0..end).iter().position(|&b| b == b'=');
                let word = trimmed(content, 0..split.unwrap_or(end), b" \t");
                let (option, says) = option(&text(part(content, word.clone())));
                let (value, span) = match split {
                    Some(split) => {
                        let span = trimmed(content, split + 1..end, b" \t");
                        (decoded(part(content, span.clone())), span)
                    }
                    None => (String::new(), word.end..word.end),
                };
                let place = Place {
                    file,
                    line: line.number,
                    key: format!("{name}.{option}"),
                    unclear: (says.is_some() && split.is_some())
                        .then(|| "a negation with a value".to_owned()),
                    value: says.map_or(value, str::to_owned),
                    condition: condition.clone(),
                    detail: String::new(),
                    at: match says {
                        Some(_) => at.start + word.start..at.start + word.end,
                        None => at.start + span.start..at.start + span.end,
                    },
                    whole,
                };
                push(files, places, place)?;
            }
        }
    }
    Ok(())
}

/// A value as it is written; "" is an option without one.
fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    let plain = |c: char| !c.is_control() && !"\"'\\#;".contains(c);
    if value.chars().all(plain) && value.trim() == value {
        return Ok(value.to_owned());
    }
    if value.contains(|c: char| c.is_control()) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    Ok(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}

impl Grammar for Mysql {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        match key.rsplit_once('.') {
            Some((group_name, name))
                if !group_name.is_empty() && !name.is_empty() && key.bytes().all(letter) =>
            {
                let (name, says) = option(name);
                if says.is_some() {
                    return Err(SettingsError::key(key, "a negation: ask for the option itself"));
                }
                Ok(format!("{}.{name}", group(group_name).0))
            }
            _ => Err(SettingsError::key(key, "no `group.option`, as `mysqld.bind-address`")),
        }
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let before = part(&bytes, place.whole.start..place.at.start);
        let out = written(key, value)?;
        let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
        let negated = !place.at.is_empty() && !before.contains(&b'=');
        let equals = before.iter().rposition(|&b| b == b'=');
        Ok(vec![match (negated, equals) {
            // the whole word is another
            (true, _) if value.is_empty() => Edit::new(place.file, place.at.clone(), name),
            (true, _) => Edit::new(place.file, place.at.clone(), format!("{name}={out}")),
            (false, None) if value.is_empty() => Edit::new(place.file, place.at.clone(), ""),
            (false, None) => Edit::new(place.file, place.at.clone(), format!("={out}")),
            (false, Some(equals)) if value.is_empty() => {
                Edit::new(place.file, place.whole.start + equals..place.at.end, "")
            }
            (false, Some(_)) => Edit::new(place.file, place.at.clone(), out),
        }])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let mut edits = insert(files, places, key, &written(key, value)?, false)?;
        if value.is_empty() {
            // a flag: without the sign that a value follows
            for edit in &mut edits {
                let text = text(&edit.bytes);
                let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
                let flag =
                    text.replace(&format!("{name} = "), name).replace(&format!("{name}="), name);
                edit.bytes = flag.into_bytes();
            }
        }
        Ok(edits)
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        let own = place.key == SECTION && key.starts_with(&format!("{}.", place.value));
        !own && !self.is_about(place, key)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Mysql;
    use crate::testing::Image;

    const MAIN: &str = "/etc/mysql/my.cnf";

    #[test]
    fn groups_of_the_server_are_one_and_the_last_counts() {
        let main = "[client]\nport=1\n[mysqld]\nbind_address = '127.0.0.1' # here\nskip-grant-tables\n!includedir /etc/mysql/d/\n[mysqldump]\nquick\n";
        let image = Image::new(&[
            (MAIN, main),
            (
                "/etc/mysql/d/50.cnf",
                "[mariadb]\r\nloose-bind-address=0.0.0.0\r\n[mariadb-10.11]\r\nport=3\r\nskip-x\r\n",
            ),
            ("/etc/mysql/d/50.txt", "nothing = read"),
        ]);
        let get = |key| image.effective(Mysql, MAIN, key);
        assert_eq!(get("mysqld.bind-address").as_deref(), Some("0.0.0.0"));
        assert_eq!(get("mysqld.skip_grant_tables").as_deref(), Some(""));
        assert_eq!(get("client.port").as_deref(), Some("1"));
        assert_eq!(get("mysqld.port"), None);
        assert_eq!(
            image.all(Mysql, MAIN, "mysqld.port")[0].condition.as_deref(),
            Some("[mariadb-10.11]")
        );
        assert_eq!(image.all(Mysql, MAIN, "mysqld.x")[0].value, "0");
        let changed = image.set(Mysql, MAIN, "mysqld.bind-address", "::1");
        assert!(
            changed[0].1.starts_with("[mariadb]\r\nloose-bind-address=::1\r\n["),
            "{changed:?}"
        );
        let removed = image.removed(Mysql, MAIN, "mysqld.skip-grant-tables");
        assert_eq!(removed[0].1, main.replace("skip-grant-tables\n", ""));
        let changed = image.set(Mysql, MAIN, "mysqld.local-infile", "0");
        assert_eq!(changed[0].1, main.replace("tables\n", "tables\nlocal-infile=0\n"));
        let changed = image.everywhere(Mysql, MAIN, "mysqld.x", "1");
        assert!(changed.iter().any(|(_, text)| text.contains("port=3\r\nx=1\r\n")), "{changed:?}");
    }

    #[test]
    fn abbreviations_and_a_new_group() {
        let image = Image::new(&[(MAIN, "[server]\nskip-grant\n")]);
        assert_eq!(image.effective(Mysql, MAIN, "mysqld.skip-grant-tables").as_deref(), Some(""));
        let image = Image::new(&[(MAIN, "[client]\nport=1")]);
        let changed = image.set(Mysql, MAIN, "mysqld.skip-name-resolve", "");
        assert_eq!(changed[0].1, "[client]\nport=1\n[mysqld]\nskip-name-resolve");
        let image = Image::new(&[(MAIN, "[mysqld]\n!includedir /etc/mysql/d")]);
        assert!(
            image.refused(Mysql, MAIN, "mysqld.port", "2").contains("cnf:2: an include in a last")
        );
        let image = Image::new(&[(MAIN, "port=1\n")]);
        assert!(image.refused(Mysql, MAIN, "mysqld.port", "2").contains("cnf:1: an option before"));
    }
}
