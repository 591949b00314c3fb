//! `dpkg-query --showformat`: text with `${FIELD;WIDTH}` for each package (dpkg's
//! `lib/dpkg/pkg-format.c`).

use super::database::Database;
use imgfix_dpkg::status::{State, StatusEntry};
use imgfix_shell::{Process, Stop};

/// A format taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    /// A field, padded to the width: on the left, or with a negative one on the right.
    Field {
        name: String,
        width: i64,
    },
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it, in dpkg's words.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(field) = rest.strip_prefix(b"${") {
                let end = field.iter().position(|&b| b == b'}').ok_or("missing closing brace")?;
                let (body, after) = field.split_at(end);
                parts.push(parse_field(&String::from_utf8_lossy(body))?);
                rest = after.get(1..).unwrap_or_default();
            } else {
                let end = (1..rest.len())
                    .find(|&at| rest.get(at..).is_some_and(|rest| rest.starts_with(b"${")))
                    .unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                parts.push(Part::Text(unescape(text)));
                rest = after;
            }
        }
        match parts.is_empty() {
            true => Err("may not be empty string".into()),
            false => Ok(Self(parts)),
        }
    }

    /// What is shown for a package.
    ///
    /// # Errors
    /// A field that needs a file that cannot be read.
    pub fn show(
        &self,
        process: &mut Process<'_>,
        database: &Database,
        entry: &StatusEntry,
    ) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Field { name, width } => {
                    if let Some(value) = value(process, database, entry, name)? {
                        out.extend(fit(value, *width));
                    }
                }
            }
        }
        Ok(out)
    }
}

fn parse_field(body: &str) -> Result<Part, String> {
    let Some((name, width)) = body.split_once(';') else {
        return Ok(Part::Field { name: body.to_owned(), width: 0 });
    };
    let width: i64 = match width.trim_start() {
        "" => 0,
        text => text.parse().map_err(|_| {
            let odd = text.chars().find(|c| !c.is_ascii_digit() && *c != '-').unwrap_or('?');
            format!("invalid character '{odd}' in field width")
        })?,
    };
    if width.unsigned_abs() > 1 << 20 {
        return Err("field width is out of range".into());
    }
    Ok(Part::Field { name: name.to_owned(), width })
}

fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(other) => other,
                None => break,
            },
            other => other,
        });
    }
    out
}

fn fit(mut value: Vec<u8>, width: i64) -> Vec<u8> {
    let wanted = usize::try_from(width.unsigned_abs()).unwrap_or_default();
    if wanted == 0 {
        return value;
    }
    let padding = vec![b' '; wanted.saturating_sub(value.len())];
    value.truncate(wanted);
    match width > 0 {
        true => [padding, value].concat(),
        false => [value, padding].concat(),
    }
}

/// Fields that are shown even when they are not recorded.
const DEFAULTS: &[(&str, &str)] = &[("Essential", "no"), ("Protected", "no"), ("Multi-Arch", "no")];

fn value(
    process: &mut Process<'_>,
    database: &Database,
    entry: &StatusEntry,
    name: &str,
) -> Result<Option<Vec<u8>>, Stop> {
    let stanza = &entry.stanza;
    if let Some(value) = stanza.get_bytes(name) {
        // Lists of files start on the next line in the database only.
        let value = match name.eq_ignore_ascii_case("Conffiles") {
            true => value.strip_prefix(b"\n").unwrap_or(value),
            false => value,
        };
        return Ok(Some(value.to_vec()));
    }
    let default = DEFAULTS.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    if let Some((_, value)) = default {
        return Ok(Some(value.as_bytes().to_vec()));
    }
    let words = StatusWords::of(entry);
    let lower = name.to_ascii_lowercase();
    let text = match lower.as_str() {
        "binary:package" => database.label(entry),
        "binary:synopsis" | "binary:summary" => synopsis(entry).to_owned(),
        "db:status-abbrev" => words.abbreviation(),
        "db:status-want" => words.want.to_owned(),
        "db:status-status" => words.state.to_owned(),
        "db:status-eflag" => words.flag.to_owned(),
        "source:package" => source(entry).0.to_owned(),
        "source:version" => source(entry).1.to_owned(),
        "source:upstream-version" => upstream(source(entry).1).to_owned(),
        "db-fsys:files" => return files(process, database, entry).map(Some),
        "db-fsys:last-modified" => return last_modified(process, database, entry).map(Some),
        _ => return Ok(None),
    };
    Ok(Some(text.into_bytes()))
}

/// The short description.
#[must_use]
pub fn synopsis(entry: &StatusEntry) -> &str {
    let text = entry.stanza.get("Description").unwrap_or("(no description available)");
    text.split('\n').next().unwrap_or_default()
}

/// The source package and its version.
fn source(entry: &StatusEntry) -> (&str, &str) {
    let source = entry.stanza.get("Source").unwrap_or(&entry.name);
    let name = source.split(' ').next().unwrap_or_default();
    let version = source
        .split_once('(')
        .map(|(_, rest)| rest.split(')').next().unwrap_or_default())
        .unwrap_or_else(|| entry.version());
    (name, version)
}

fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

fn files(
    process: &mut Process<'_>,
    database: &Database,
    entry: &StatusEntry,
) -> Result<Vec<u8>, Stop> {
    let files = database.files(process, entry)?;
    Ok(files.iter().flat_map(|file| [&b" "[..], file, b"\n"].concat()).collect())
}

fn last_modified(
    process: &mut Process<'_>,
    database: &Database,
    entry: &StatusEntry,
) -> Result<Vec<u8>, Stop> {
    if entry.state == State::NotInstalled {
        return Ok(Vec::new());
    }
    let list = database.info_file(process, entry, "list")?;
    let found = process.machine.stat(&process.call.directory, &list)?;
    Ok(found.map(|entry| entry.mtime.to_string().into_bytes()).unwrap_or_default())
}

/// The three words of a `Status` field.
pub struct StatusWords<'a> {
    pub want: &'a str,
    pub flag: &'a str,
    pub state: &'a str,
}

impl<'a> StatusWords<'a> {
    #[must_use]
    pub fn of(entry: &'a StatusEntry) -> Self {
        let mut words = entry.stanza.get("Status").unwrap_or_default().split_ascii_whitespace();
        let mut word = |otherwise| words.next().unwrap_or(otherwise);
        Self { want: word("unknown"), flag: word("ok"), state: word("not-installed") }
    }

    /// `ii `, as listings begin.
    #[must_use]
    pub fn abbreviation(&self) -> String {
        let want = match self.want {
            "install" => 'i',
            "hold" => 'h',
            "deinstall" => 'r',
            "purge" => 'p',
            _ => 'u',
        };
        let state = match self.state {
            "config-files" => 'c',
            "half-installed" => 'H',
            "unpacked" => 'U',
            "half-configured" => 'F',
            "triggers-awaited" => 'W',
            "triggers-pending" => 't',
            "installed" => 'i',
            _ => 'n',
        };
        let flag = if self.flag == "reinstreq" { 'R' } else { ' ' };
        [want, state, flag].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let field = |name: &str, width| Part::Field { name: name.into(), width };
        let format = Format::parse(b"a$b\\t${Package;-10}${Version}\\n").unwrap();
        let text = |text: &[u8]| Part::Text(text.to_vec());
        let want = [text(b"a$b\t"), field("Package", -10), field("Version", 0), text(b"\n")];
        assert_eq!(format.0, want);
        for bad in ["", "${Package", "${Package;x}"] {
            assert!(Format::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_padded_and_cut() {
        let fit = |width| String::from_utf8(fit(b"abc".to_vec(), width)).unwrap();
        assert_eq!([fit(0), fit(5), fit(-5), fit(2)], ["abc", "  abc", "abc  ", "ab"]);
    }
}
