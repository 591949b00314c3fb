//! postgresql.conf, as guc-file.l of PostgreSQL 15 reads it (manual, "Setting Parameters").
//!
//! `name = value` or `name value`, names of any case, `'...'` with `''` and `\`, `#` begins a
//! comment. The last value counts. `include`, `include_if_exists` and `include_dir` (names that
//! end in `.conf`, in their order) stand for the files' content, relative to the file's own
//! folder. `postgresql.auto.conf` is read by the server after all of it and is not looked at. A
//! new line goes to the end.

use imgfix_model::path::ImagePath;

use crate::error::SettingsError;
use crate::files::{Files, files_in};
use crate::grammar::{Grammar, Place, push};
use crate::text::{Edit, Line, lines, part, text, trimmed};

pub(crate) struct Postgresql;

const INCLUDES: [&str; 3] = ["include", "include_if_exists", "include_dir"];

/// A name, its value and where that stands; `None`: blank or a comment.
type Statement = Option<(String, String, std::ops::Range<usize>)>;

fn statement(bytes: &[u8], line: &Line) -> Result<Statement, &'static str> {
    let at = trimmed(bytes, line.start..line.end, b" \t\r");
    let get = |at: usize| bytes.get(at).copied().filter(|_| at < line.end);
    if at.is_empty() || get(at.start) == Some(b'#') {
        return Ok(None);
    }
    let blank = |at: usize| matches!(get(at), Some(b' ' | b'\t' | b'\r'));
    let letter =
        |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'$' || c == b'.' || c >= 128;
    let mut end = at.start;
    while get(end).is_some_and(letter) {
        end += 1;
    }
    let name = text(part(bytes, at.start..end)).to_ascii_lowercase();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("no name of a setting");
    }
    let mut value = end;
    while blank(value) {
        value += 1;
    }
    if get(value) == Some(b'=') {
        value += 1;
        while blank(value) {
            value += 1;
        }
    } else if value == end {
        return Err("no value behind the name");
    }
    let mut end = value;
    let mut out = Vec::new();
    if get(value) == Some(b'\'') {
        end += 1;
        loop {
            match (get(end), get(end + 1)) {
                (Some(b'\''), Some(b'\'')) => {
                    out.push(b'\'');
                    end += 2;
                }
                (Some(b'\''), _) => break,
                (Some(b'\\'), Some(c)) => {
                    out.push(match c {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'b' => 8,
                        b'f' => 12,
                        b'0'..=b'7' => return Err("an octal escape"),
                        other => other,
                    });
                    end += 2;
                }
                (Some(c), _) => {
                    out.push(c);
                    end += 1;
                }
                (None, _) => return Err("a quote that does not end"),
            }
        }
        end += 1;
    } else {
        let plain = |c: u8| letter(c) || b"-+:/".contains(&c);
        while let Some(c) = get(end).filter(|&c| plain(c)) {
            out.push(c);
            end += 1;
        }
        if out.is_empty() {
            return Err("no value behind the name");
        }
    }
    let rest = trimmed(bytes, end..line.end, b" \t\r");
    if !rest.is_empty() && get(rest.start) != Some(b'#') {
        return Err("something follows the value");
    }
    Ok(Some((name, text(&out), value..end)))
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    for line in lines(&bytes) {
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let statement = statement(&bytes, &line).map_err(|why| unclear(files, why))?;
        let Some((key, value, at)) = statement else { continue };
        let whole = line.start..line.next;
        let place = Place {
            file,
            line: line.number,
            key: key.clone(),
            value: value.clone(),
            at,
            whole,
            ..Place::default()
        };
        push(files, places, place)?;
        if !INCLUDES.contains(&key.as_str()) {
            continue;
        }
        let base = files.folder(file);
        let literal = match value.starts_with('/') {
            true => value,
            false => format!("{base}/{value}"),
        };
        let path = crate::files::inside(files.fs, &literal)
            .ok_or_else(|| unclear(files, "a path that no image has"))?;
        let found: Vec<ImagePath> = match key.as_str() {
            "include_dir" => {
                let all = files_in(files.fs, &path)
                    .ok_or_else(|| unclear(files, "the image does not have the folder"))?;
                let wanted = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
                all.into_iter().filter(|path| wanted(path.file_name())).collect()
            }
            "include_if_exists" if files.fs.stat(&path).is_none() => Vec::new(),
            _ => vec![path],
        };
        for path in found {
            let next = files.open(&path)?;
            read_file(files, next, places)?;
            files.close();
        }
    }
    Ok(())
}

/// As it is written: in quotes where it was, or where it has to be.
fn written(key: &str, value: &str, quoted: bool) -> Result<String, SettingsError> {
    if value.contains(['\n', '\r']) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    let simple = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !quoted && !value.is_empty() && value.chars().all(simple) {
        return Ok(value.to_owned());
    }
    Ok(format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''")))
}

impl Grammar for Postgresql {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let lower = key.to_ascii_lowercase();
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"_.$".contains(&b);
        let named = !lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if !named || !lower.bytes().all(letter) || INCLUDES.contains(&lower.as_str()) {
            return Err(SettingsError::key(key, "no name of a setting of PostgreSQL"));
        }
        Ok(lower)
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let quoted = files.bytes(place.file).get(place.at.start) == Some(&b'\'');
        Ok(vec![Edit::new(place.file, place.at.clone(), written(key, value, quoted)?)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let line = format!("{key} = {}", written(key, value, false)?);
        Ok(vec![Edit::line(0, &bytes, bytes.len(), &line)])
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Postgresql;
    use crate::testing::Image;

    const MAIN: &str = "/etc/postgresql/15/main/postgresql.conf";

    #[test]
    fn the_last_value_counts_through_files_and_folders() {
        let main = "SSL = off # no\r\nlisten_addresses '*'\r\ninclude_dir 'conf.d'\r\ninclude_if_exists 'no'\r\n";
        let image = Image::new(&[
            (MAIN, main),
            ("/etc/postgresql/15/main/conf.d/b.conf", "ssl on\nlog_line_prefix='it''s %m '\n"),
            ("/etc/postgresql/15/main/conf.d/c.txt", "ssl = nobody reads it"),
        ]);
        assert_eq!(image.effective(Postgresql, MAIN, "ssl").as_deref(), Some("on"));
        assert_eq!(
            image.effective(Postgresql, MAIN, "log_line_prefix").as_deref(),
            Some("it's %m ")
        );
        let changed = image.set(Postgresql, MAIN, "listen_addresses", "localhost");
        assert_eq!(changed[0].1, main.replace("'*'", "'localhost'"));
        let changed = image.set(Postgresql, MAIN, "password_encryption", "scram-sha-256");
        assert_eq!(changed[0].1, format!("{main}password_encryption = 'scram-sha-256'\r\n"));
        let changed = image.set(Postgresql, MAIN, "ssl", "off");
        assert_eq!(changed[0].1, "ssl off\nlog_line_prefix='it''s %m '\n");
    }

    #[test]
    fn what_postgres_refuses_is_refused() {
        for (text, why) in [
            ("ssl = on off\n", "conf:1: something follows"),
            ("a = 1\nssl\n", "conf:2: no value"),
            ("include 'missing.conf'\n", "no such file"),
            ("x = 'a\n", "conf:1: a quote"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(Postgresql, MAIN, "ssl", "on");
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
