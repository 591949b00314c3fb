//! pg_hba.conf: who may log in how (PostgreSQL manual, "The pg_hba.conf File"); the first record
//! that matches a connection counts.
//!
//! A key is a record's fields, as the file writes them, divided by blanks: `TYPE DATABASE USER
//! ADDRESS`, each a word or `*` for any, the last ones may be missing: `host all all
//! 127.0.0.1/32`, `local`. The value is the method. All records of the key are one: setting it
//! changes the method (and drops its options) of each.
//!
//! `METHOD=trust` behind the fields is for records of this method alone: their value is the
//! method, and after a change there are none of them. Records in included files (PostgreSQL 16)
//! count. A record is never made: who may log in is for people to say.

use std::ops::Range;

use crate::error::SettingsError;
use crate::files::{Files, files_in, inside};
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, lines, part, text, trimmed};

pub(crate) struct PgHba;

const TYPES: [&str; 6] = ["local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"];
const METHOD: &str = "METHOD=";
/// Between the fields of a record, which may have blanks.
const DIVIDES: &str = "\u{1f}";

/// Fields of a line: blanks divide, commas join, `"` quotes, `#` begins a comment.
fn fields(bytes: &[u8], line: Range<usize>) -> Result<Vec<Range<usize>>, &'static str> {
    let mut out = Vec::new();
    let mut at = line.start;
    let get = |at: usize| bytes.get(at).copied().filter(|_| at < line.end);
    loop {
        while matches!(get(at), Some(b' ' | b'\t' | b'\r' | 0x0c)) {
            at += 1;
        }
        let start = at;
        let mut quoted = false;
        while let Some(c) = get(at) {
            match c {
                b'"' => quoted = !quoted,
                b'#' | b' ' | b'\t' | b'\r' | 0x0c if !quoted => break,
                _ => {}
            }
            at += 1;
        }
        if quoted {
            return Err("a quote that does not end");
        }
        if at == start {
            return Ok(out);
        }
        // a list goes on behind a comma
        match out.last_mut() {
            Some(last @ Range { .. })
                if bytes.get(last.end - 1) == Some(&b',') || get(start) == Some(b',') =>
            {
                last.end = at;
            }
            _ => out.push(start..at),
        }
    }
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    for line in lines(&bytes) {
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let fields = fields(&bytes, line.start..line.end).map_err(|why| unclear(files, why))?;
        let word =
            |at: usize| fields.get(at).map(|at| text(part(&bytes, at.clone()))).unwrap_or_default();
        let first = word(0);
        if fields.is_empty() {
            continue;
        }
        if trimmed(&bytes, line.start..line.end, b" \t\r")
            .end
            .checked_sub(1)
            .and_then(|at| bytes.get(at))
            == Some(&b'\\')
        {
            return Err(unclear(files, "a record of more lines"));
        }
        if matches!(first.as_str(), "include" | "include_if_exists" | "include_dir") {
            let name = word(1).trim_matches('"').to_owned();
            let literal =
                if name.starts_with('/') { name } else { format!("{}/{name}", files.folder(file)) };
            let path = inside(files.fs, &literal)
                .ok_or_else(|| unclear(files, "a path that no image has"))?;
            let found = match first.as_str() {
                "include_dir" => {
                    let all = files_in(files.fs, &path)
                        .ok_or_else(|| unclear(files, "the image does not have the folder"))?;
                    all.into_iter().filter(|path| path.file_name().ends_with(b".conf")).collect()
                }
                "include_if_exists" if files.fs.stat(&path).is_none() => Vec::new(),
                _ => vec![path],
            };
            for path in found {
                let next = files.open(&path)?;
                read_file(files, next, places)?;
                files.close();
            }
            continue;
        }
        if !TYPES.contains(&first.as_str()) {
            return Err(unclear(files, "no type of a connection"));
        }
        let mut method = if first == "local" { 3 } else { 4 };
        let is_address = |text: &str| text.trim_matches('"').parse::<std::net::IpAddr>().is_ok();
        if method == 4 && is_address(&word(3)) {
            // its mask is a field of its own
            if !is_address(&word(4)) {
                return Err(unclear(files, "an address without its mask"));
            }
            method = 5;
        }
        let Some(at) = fields.get(method).cloned() else {
            return Err(unclear(files, "a record without a method"));
        };
        let names: Vec<String> = (0..method).map(word).collect();
        let value = text(part(&bytes, at.clone())).trim_matches('"').to_owned();
        let end = fields.last().map_or(at.end, |last| last.end);
        let place = Place {
            file,
            line: line.number,
            key: names.join(DIVIDES),
            value,
            at: at.start..end,
            whole: line.start..line.next,
            ..Place::default()
        };
        push(files, places, place)?;
    }
    Ok(())
}

fn split(key: &str) -> (Vec<&str>, Option<&str>) {
    let mut words: Vec<&str> = key.split(' ').collect();
    let method = words.last().and_then(|word| word.strip_prefix(METHOD));
    if method.is_some() {
        words.pop();
    }
    (words, method)
}

impl Grammar for PgHba {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let key = key.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let (words, _) = split(&key);
        let kind = words.first().copied().unwrap_or("*");
        if words.len() > 5 || (kind != "*" && !TYPES.contains(&kind)) {
            return Err(SettingsError::key(&key, "no `TYPE DATABASE USER ADDRESS`"));
        }
        Ok(key)
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        let (words, method) = split(key);
        let mut fields = place.key.split(DIVIDES);
        let same = words.into_iter().all(|word| match fields.next() {
            Some(field) => word == "*" || word == field,
            None => word == "*",
        });
        same && method.is_none_or(|method| place.value == method)
    }

    fn order(&self, _: &str) -> Order {
        Order::First
    }

    fn all_count(&self, _: &str) -> bool {
        true
    }

    fn leaves(&self, key: &str, value: &str) -> bool {
        split(key).1.is_some_and(|method| method != value)
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(SettingsError::value(key, "no method of pg_hba.conf"));
        }
        Ok(vec![Edit::new(place.file, place.at.clone(), value)])
    }

    fn add(
        &self,
        _: &Files<'_>,
        _: &[Place],
        key: &str,
        _: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        Err(SettingsError::key(key, "there is no such record, and none is made"))
    }

    fn is_other(&self, place: &Place, key: &str) -> bool {
        let (words, _) = split(key);
        !self.is_about(place, &words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::PgHba;
    use crate::testing::Image;

    const MAIN: &str = "/etc/pg_hba.conf";
    const TEXT: &str = "# TYPE\nlocal all postgres peer\nlocal  all  all  trust # c\nhost all all 127.0.0.1/32 trust clientcert=1\r\nhost \"a b\", c all 10.0.0.0 255.0.0.0 md5\nhost all all ::1/128 scram-sha-256\n";

    #[test]
    fn records_of_a_method_are_changed_and_others_stay() {
        let image = Image::new(&[(MAIN, TEXT)]);
        assert_eq!(image.effective(PgHba, MAIN, "local all all").as_deref(), Some("trust"));
        assert_eq!(image.effective(PgHba, MAIN, "local").as_deref(), Some("peer"));
        assert_eq!(image.all(PgHba, MAIN, "* METHOD=trust").len(), 2);
        let changed = &image.set(PgHba, MAIN, "host all all * METHOD=trust", "scram-sha-256")[0].1;
        assert_eq!(*changed, TEXT.replace("trust clientcert=1", "scram-sha-256"));
        let changed = &image.set(PgHba, MAIN, "* METHOD=trust", "reject")[0].1;
        assert_eq!(
            *changed,
            TEXT.replace("trust clientcert=1", "reject").replace("trust", "reject")
        );
        let changed = &image.set(PgHba, MAIN, "host * * 10.0.0.0", "reject")[0].1;
        assert_eq!(*changed, TEXT.replace("md5", "reject"));
        assert!(image.set(PgHba, MAIN, "* METHOD=password", "md5").is_empty());
        assert!(image.refused(PgHba, MAIN, "hostssl", "md5").contains("no such record"));
        let removed = &image.removed(PgHba, MAIN, "* METHOD=trust")[0].1;
        assert_eq!(removed.lines().count(), 4);
    }

    #[test]
    fn what_postgres_refuses_is_refused() {
        for (text, why) in [
            ("hots all all x md5\n", "conf:1: no type"),
            ("local all all\n", "conf:1: a record without"),
            ("host all all 1.2.3.4 md5\n", "conf:1: an address without"),
            ("local all all \\\n md5\n", "conf:1: a record of more"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(PgHba, MAIN, "local", "md5");
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
