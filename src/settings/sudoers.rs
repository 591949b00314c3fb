//! sudoers(5), sudo 1.9: who becomes somebody else without a password.
//!
//! The key `NOPASSWD` is every rule with that tag, and every `Defaults` with `!authenticate`;
//! `NOPASSWD[alice]`, `NOPASSWD[%wheel]` are those of this list of users, as it is written. The
//! value is the rule. Set to `PASSWD`, the tags are changed (and `!authenticate` to
//! `authenticate`); set to `commented`, the rule becomes a comment; removed, its lines go. After
//! that nothing is about the key. `@include`, `#include`, `@includedir` and `#includedir` (names
//! without a point, that do not end in `~`, in their order) are followed.

use std::ops::Range;

use crate::error::SettingsError;
use crate::files::{Files, files_in, inside};
use crate::grammar::{Grammar, Place, push};
use crate::text::{Edit, line_of, lines, part, text, trimmed};

pub(crate) struct Sudoers;

const TAG: &[u8] = b"NOPASSWD";
const AUTHENTICATE: &[u8] = b"!authenticate";
const INCLUDES: [&str; 4] = ["@include", "#include", "@includedir", "#includedir"];

/// Without a comment: up to a `#` outside of quotes that is no number of a user.
fn code(bytes: &[u8], at: Range<usize>) -> Result<Range<usize>, &'static str> {
    let (mut quoted, mut escape) = (false, false);
    for here in at.clone() {
        let Some(&c) = bytes.get(here) else { break };
        let next = bytes.get(here + 1).is_some_and(u8::is_ascii_digit);
        let before = here == at.start || b" \t,%(:!".contains(&part(bytes, here - 1..here)[0]);
        match c {
            _ if escape => escape = false,
            b'\\' => escape = true,
            b'"' => quoted = !quoted,
            b'#' if !(quoted || (next && before)) => return Ok(at.start..here),
            _ => {}
        }
    }
    if quoted { Err("a quote that does not end") } else { Ok(at) }
}

/// Where the tags stand.
fn tags(bytes: &[u8], at: Range<usize>) -> Vec<Range<usize>> {
    let line = part(bytes, at.clone());
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let find = |what: &[u8]| -> Vec<usize> {
        let starts = line.windows(what.len().max(1)).enumerate();
        starts.filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
    };
    let colon = |end: usize| {
        let rest = part(line, end..line.len()).iter().find(|b| !b" \t\\\r\n".contains(b));
        rest == Some(&b':')
    };
    let before = |start: usize| start == 0 || !word(line.get(start - 1));
    let tag = |start: &usize| before(*start) && colon(start + TAG.len());
    let range = |start: usize, length: usize| at.start + start..at.start + start + length;
    let mut out: Vec<_> = find(TAG).into_iter().filter(tag).map(|start| range(start, 2)).collect();
    if line.starts_with(b"Defaults") {
        let whole = |start: &usize| !word(line.get(start + AUTHENTICATE.len()));
        out.extend(find(AUTHENTICATE).into_iter().filter(whole).map(|start| range(start, 1)));
    }
    out
}

/// The list of users that a rule begins with.
fn users(rule: &str) -> String {
    let mut out = String::new();
    for word in rule.split([' ', '\t', '\n', '\r', '\\']).filter(|word| !word.is_empty()) {
        let goes_on = out.is_empty() || out.ends_with(',') || word.starts_with(',');
        if !goes_on {
            break;
        }
        out.push_str(word);
    }
    out
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    let all = lines(&bytes);
    let mut rest = all.iter();
    while let Some(line) = rest.next() {
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let start = trimmed(&bytes, line.start..line.end, b" \t\r").start;
        let first = text(part(&bytes, start..line.end));
        let word = first.split([' ', '\t']).next().unwrap_or_default();
        if INCLUDES.contains(&word) {
            let name = first.get(word.len()..).unwrap_or_default().trim().to_owned();
            if name.is_empty() || name.contains(['%', '\\', '"', ' ']) {
                return Err(unclear(files, "an include whose name is not plain"));
            }
            let place = Place {
                file,
                line: line.number,
                key: word.to_owned(),
                value: name.clone(),
                ..Place::default()
            };
            push(files, places, place)?;
            let literal =
                if name.starts_with('/') { name } else { format!("{}/{name}", files.folder(file)) };
            let path = inside(files.fs, &literal)
                .ok_or_else(|| unclear(files, "a path that no image has"))?;
            let found = if word.ends_with("dir") {
                let read = |name: &[u8]| !name.contains(&b'.') && !name.ends_with(b"~");
                let all = files_in(files.fs, &path).unwrap_or_default();
                all.into_iter().filter(|path| read(path.file_name())).collect()
            } else {
                vec![path]
            };
            for path in found {
                let next = files.open(&path)?;
                read_file(files, next, places)?;
                files.close();
            }
            continue;
        }
        let mut last = line;
        while part(&bytes, last.start..last.end).ends_with(b"\\") {
            let Some(next) = rest.next() else {
                return Err(unclear(files, "it ends in a continued line"));
            };
            last = next;
        }
        let at = trimmed(
            &bytes,
            code(&bytes, start..last.end).map_err(|why| unclear(files, why))?,
            b" \t\r\n",
        );
        if at.is_empty() {
            continue;
        }
        let rule = text(part(&bytes, at.clone()));
        let whole = line.start..last.next;
        let found = tags(&bytes, at.clone());
        let mut place =
            Place { file, line: line.number, value: rule.clone(), at, whole, ..Place::default() };
        if !found.is_empty() {
            place.key = "NOPASSWD".to_owned();
            place.detail = users(&rule);
            push(files, places, place)?;
        } else if !rule.contains("PASSWD") && !rule.contains("authenticate") {
            place.key = "\u{1}rule".to_owned();
            push(files, places, place)?;
        }
    }
    Ok(())
}

impl Grammar for Sudoers {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let who = key.strip_prefix("NOPASSWD");
        match who {
            Some(who) if who.is_empty() || (who.starts_with('[') && who.ends_with(']')) => {
                Ok(key.to_owned())
            }
            _ => Err(SettingsError::key(key, "it is `NOPASSWD`, or `NOPASSWD[users]`")),
        }
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        let who = key.strip_prefix("NOPASSWD[").and_then(|who| who.strip_suffix(']'));
        place.key == "NOPASSWD" && who.is_none_or(|who| who == place.detail)
    }

    fn all_count(&self, _: &str) -> bool {
        true
    }

    fn leaves(&self, _: &str, _: &str) -> bool {
        true
    }

    fn value(&self, key: &str, value: &str) -> Result<String, SettingsError> {
        match value {
            "PASSWD" | "commented" => Ok(value.to_owned()),
            _ => Err(SettingsError::value(key, "it is `PASSWD` or `commented`")),
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
        if value == "PASSWD" {
            let edit = |at: Range<usize>| Edit::new(place.file, at, "");
            return Ok(tags(&bytes, place.at.clone()).into_iter().map(edit).collect());
        }
        if line_of(&bytes, place.at.end) != place.line {
            return Err(SettingsError::value(
                key,
                "a rule of more lines does not become a comment",
            ));
        }
        Ok(vec![Edit::new(place.file, place.at.start..place.at.start, "# ")])
    }

    fn add(
        &self,
        _: &Files<'_>,
        _: &[Place],
        key: &str,
        _: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        Err(SettingsError::key(key, "there is no such rule"))
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Sudoers;
    use crate::testing::Image;

    const MAIN: &str = "/etc/sudoers";
    const TEXT: &str = "Defaults\tenv_reset\nroot ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL) NOPASSWD:ALL # NOPASSWD: no\n# x ALL=NOPASSWD: ALL\nalice, bob ALL = NOPASSWD : /bin/a, \\\n  PASSWD: /bin/b\n#1000 ALL=ALL\n@includedir /etc/sudoers.d\n";
    const CLOUD: &str =
        "Defaults:deploy !authenticate\r\ndeploy ALL=(ALL) NOPASSWD: SETENV: ALL\r\n";

    #[test]
    fn rules_are_listed_and_want_a_password() {
        let image = Image::new(&[
            (MAIN, TEXT),
            ("/etc/sudoers.d/90-cloud", CLOUD),
            ("/etc/sudoers.d/no.conf", "x ALL=NOPASSWD: ALL\n"),
        ]);
        let all = image.all(Sudoers, MAIN, "NOPASSWD");
        assert_eq!(all.iter().map(|rule| rule.line).collect::<Vec<_>>(), [3, 5, 1, 2]);
        let changed = image.set(Sudoers, MAIN, "NOPASSWD", "PASSWD");
        let want = TEXT.replace("NOPASSWD:ALL #", "PASSWD:ALL #").replace("NOPASSWD :", "PASSWD :");
        assert_eq!(changed[0].1, want);
        assert_eq!(changed[1].1, CLOUD.replace("NOPASSWD", "PASSWD").replace('!', ""));
        let changed = image.set(Sudoers, MAIN, "NOPASSWD[%sudo]", "commented");
        assert_eq!(changed[0].1, TEXT.replace("%sudo", "# %sudo"));
        assert_eq!(image.all(Sudoers, MAIN, "NOPASSWD[alice,bob]").len(), 1);
        let removed = image.removed(Sudoers, MAIN, "NOPASSWD[deploy]");
        assert_eq!(removed[0].1, "Defaults:deploy !authenticate\r\n");
        assert!(image.set(Sudoers, MAIN, "NOPASSWD[nobody]", "PASSWD").is_empty());
        assert!(image.refused(Sudoers, MAIN, "NOPASSWD", "x").contains("it is `PASSWD`"));
        assert!(image.refused(Sudoers, MAIN, "NOPASSWD", "commented").contains("more lines"));
    }
}
