//! redis.conf, as config.c of Redis 7 reads it (the file's own comments, redis.io "Configuration").
//!
//! Words of any case; words are split as `sdssplitargs` does, so there is no comment after a
//! value. The last value counts; a value may have several words (`bind`). `include` stands for
//! the content of its files, where it stands. Old names with `slave` and `ziplist` are names of
//! the new ones. What is said of one thing of several has it in the key: `rename-command CONFIG`,
//! `user default`, `client-output-buffer-limit normal`. A new line goes to the end.

use imgfix_model::path::ImagePath;

use crate::error::SettingsError;
use crate::files::Files;
use crate::glob::is_pattern;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, lines, trimmed};
use crate::words::{self, joined, span};

pub(crate) struct Redis;

/// Words that add up over all their lines.
const LISTS: [&str; 4] = ["include", "loadmodule", "save", "sentinel"];
/// Words whose second word is a part of the key.
const NAMED: [&str; 3] = ["client-output-buffer-limit", "rename-command", "user"];
/// Words whose value is several ones; of all others it is one.
const SEVERAL: [&str; 8] = [
    "bind",
    "bind-source-addr",
    "client-output-buffer-limit",
    "oom-score-adj-values",
    "replicaof",
    "save",
    "tls-protocols-list",
    "user",
];

fn name(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "lua-time-limit" => "busy-reply-threshold".to_owned(),
        _ => lower
            .replace("slaves", "replicas")
            .replace("slave", "replica")
            .replace("ziplist", "listpack"),
    }
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    for line in lines(&bytes) {
        let inner = trimmed(&bytes, line.start..line.end, b" \t\r\n");
        if inner.is_empty() || bytes.get(inner.start) == Some(&b'#') {
            continue;
        }
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let words = words::redis(&bytes, inner.clone()).map_err(|why| unclear(files, why))?;
        let Some((first, mut rest)) = words.split_first() else { continue };
        let mut key = name(&first.text);
        let mut end = first.at.end;
        if NAMED.contains(&key.as_str()) {
            let Some((which, after)) = rest.split_first() else {
                return Err(unclear(files, "it does not say of what"));
            };
            key = format!("{key} {}", which.text.to_ascii_lowercase());
            end = which.at.end;
            rest = after;
        }
        if rest.is_empty() && !key.starts_with("user ") {
            return Err(unclear(files, "a word without a value"));
        }
        let place = Place {
            file,
            line: line.number,
            value: joined(rest),
            condition: None,
            at: span(rest, end),
            whole: line.start..line.next,
            unclear: None,
            detail: String::new(),
            key: key.clone(),
        };
        push(files, places, place)?;
        if key == "include" {
            let [word] = rest else { return Err(unclear(files, "an include of several words")) };
            if !word.text.starts_with('/') {
                let why = "an include relative to the folder in which Redis is started";
                return Err(unclear(files, why));
            }
            let found = files.find((file, line.number), &ImagePath::root(), &word.text)?;
            if found.is_empty() && !is_pattern(&word.text) {
                return Err(unclear(files, "the image does not have what it includes"));
            }
            for path in found {
                let next = files.open(&path)?;
                read_file(files, next, places)?;
                files.close();
            }
        }
    }
    Ok(())
}

fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    if value.contains(['\n', '\r']) {
        return Err(SettingsError::value(key, "it has more than one line"));
    }
    let word = key.split(' ').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !"\"'\\#".contains(c);
    if !value.is_empty() && value.chars().all(|c| plain(c) || (c == ' ' && SEVERAL.contains(&word)))
    {
        return Ok(value.to_owned());
    }
    if value.chars().all(|c| !c.is_control() && !"\"\\".contains(c)) && !SEVERAL.contains(&word) {
        return Ok(format!("\"{value}\""));
    }
    let reads = |text: &str| {
        let bytes = text.as_bytes();
        words::redis(bytes, 0..bytes.len()).is_ok_and(|words| joined(&words) == value)
    };
    let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let found = [value.to_owned(), quoted].into_iter().find(|text| !text.is_empty() && reads(text));
    found.ok_or_else(|| SettingsError::value(key, "it cannot be quoted"))
}

impl Grammar for Redis {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let bad = |why| Err(SettingsError::key(key, why));
        let words: Vec<&str> = key.split(' ').collect();
        let plain = |word: &&str| {
            !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_graphic() && !b"\"'\\#".contains(&b))
        };
        if !words.iter().all(plain) {
            return bad("no word of redis.conf");
        }
        let first = name(words.first().unwrap_or(&""));
        match (NAMED.contains(&first.as_str()), words.as_slice()) {
            (false, [_]) => Ok(first),
            (true, [_, which]) => Ok(format!("{first} {}", which.to_ascii_lowercase())),
            (true, _) => bad("it has to say of what: `rename-command CONFIG`"),
            (false, _) => bad("it is more than one word"),
        }
    }

    fn order(&self, key: &str) -> Order {
        if LISTS.contains(&key) { Order::Same } else { Order::Last }
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let blank = bytes.get(place.at.start.wrapping_sub(1)).is_some_and(|b| b" \t".contains(b));
        let space = if blank { "" } else { " " };
        Ok(vec![Edit::new(
            place.file,
            place.at.clone(),
            format!("{space}{}", written(key, value)?),
        )])
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let key = match key.strip_prefix("rename-command ") {
            Some(command) => format!("rename-command {}", command.to_ascii_uppercase()),
            None => key.to_owned(),
        };
        let line = format!("{key} {}", written(&key, value)?);
        Ok(vec![Edit::line(0, &bytes, bytes.len(), &line)])
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Redis;
    use crate::testing::Image;

    const MAIN: &str = "/etc/redis/redis.conf";

    #[test]
    fn the_last_value_counts_through_includes() {
        let main = "bind 127.0.0.1 ::1\n  Protected-Mode yes\ninclude /etc/redis/d/*.conf\n# protected-mode x\n";
        let image = Image::new(&[
            (MAIN, main),
            ("/etc/redis/d/a.conf", "protected-mode \"no\"\r\nrequirepass 'a b'\r\n"),
        ]);
        assert_eq!(image.effective(Redis, MAIN, "protected-mode").as_deref(), Some("no"));
        assert_eq!(image.effective(Redis, MAIN, "bind").as_deref(), Some("127.0.0.1 ::1"));
        assert_eq!(image.effective(Redis, MAIN, "requirepass").as_deref(), Some("a b"));
        let changed = image.set(Redis, MAIN, "protected-mode", "yes");
        assert_eq!(changed[0].1, "protected-mode yes\r\nrequirepass 'a b'\r\n");
        assert_eq!(
            image.set(Redis, MAIN, "bind", "127.0.0.1 -::1")[0].1,
            main.replace("127.0.0.1 ::1", "127.0.0.1 -::1")
        );
        let removed = image.removed(Redis, MAIN, "protected-mode");
        assert_eq!(removed.len(), 2);
        assert_eq!(removed[1].1, "requirepass 'a b'\r\n");
    }

    #[test]
    fn commands_users_and_old_names() {
        let main = "rename-command CONFIG \"\"\nuser default on nopass\nslave-read-only no";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(Redis, MAIN, "rename-command config").as_deref(), Some(""));
        assert_eq!(image.effective(Redis, MAIN, "user default").as_deref(), Some("on nopass"));
        assert_eq!(image.effective(Redis, MAIN, "replica-read-only").as_deref(), Some("no"));
        let changed = image.set(Redis, MAIN, "rename-command debug", "");
        assert_eq!(changed[0].1, format!("{main}\nrename-command DEBUG \"\""));
        let changed = image.set(Redis, MAIN, "requirepass", "a #'b");
        assert_eq!(changed[0].1, format!("{main}\nrequirepass \"a #'b\""));
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        for (text, why) in [
            ("bind \"x\n", "conf:1: a quote that does not end"),
            ("\nbind \"x\"y\n", "conf:2: something follows"),
            ("include other.conf\n", "conf:1: an include relative"),
            ("include /etc/missing.conf\n", "conf:1: the image does not have"),
            ("include /etc/redis/redis.conf\n", "includes itself"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(Redis, MAIN, "bind", "127.0.0.1");
            assert!(error.contains(why), "{text}: {error}");
        }
        let image = Image::new(&[(MAIN, "save 900 1\nsave 300 10\n")]);
        assert!(
            image.refused(Redis, MAIN, "save", "").contains("conf:2: save is said more than once")
        );
    }
}
