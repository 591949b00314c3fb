//! nginx.conf, as ngx_conf_file.c of nginx 1.22 reads it (nginx.org, "Configuration file
//! structure", `include`).
//!
//! A key is a directive with the blocks around it: `http.server_tokens`, `http.server.listen`,
//! `http.server.location.autoindex`. A directive alone (`server_tokens`) means the level that
//! others inherit from: `http`, or the main one (`user`); what there is in blocks below is shown
//! as holding there. nginx refuses most directives that are said twice in a block, and adds up
//! others: such a key is refused. Includes stand where they are, from the folder of the first
//! file. A new directive goes to the top of its block, of each if there are several.

use std::ops::Range;

use crate::error::SettingsError;
use crate::files::Files;
use crate::glob::is_pattern;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, indent_at, line_end, line_next, line_of, line_start, part, text};
use crate::words::{Word, joined, span};

pub(crate) struct Nginx;

/// Directives of the main level, for one that is not there yet.
const MAIN: [&str; 8] = [
    "daemon",
    "error_log",
    "pid",
    "user",
    "worker_connections",
    "worker_processes",
    "worker_rlimit_nofile",
    "env",
];
/// Blocks whose content is no directives.
const TABLES: [&str; 5] = ["charset_map", "geo", "map", "split_clients", "types"];
const MAX_DEPTH: usize = 32;
/// In what a place knows of its block: where the content begins.
const BLOCK: char = '{';

/// The next words and what ends them: `;`, `{`, `}`, or 0 at the end of the file.
fn statement(bytes: &[u8], at: &mut usize) -> Result<(Vec<Word>, u8), (usize, &'static str)> {
    let mut words = Vec::new();
    let get = |at: usize| bytes.get(at).copied();
    loop {
        match get(*at) {
            None if words.is_empty() => return Ok((words, 0)),
            None => return Err((*at, "it ends in the middle of a directive")),
            Some(b' ' | b'\t' | b'\r' | b'\n') => *at += 1,
            Some(b'#') => *at = line_next(bytes, *at),
            Some(c @ (b';' | b'{' | b'}')) => {
                *at += 1;
                return Ok((words, c));
            }
            Some(c) => {
                let start = *at;
                let quote = Some(c).filter(|c| b"\"'".contains(c));
                let mut out = Vec::new();
                *at += usize::from(quote.is_some());
                loop {
                    let Some(c) = get(*at) else {
                        return Err((start, "a quote or a word that does not end"));
                    };
                    *at += 1;
                    match (quote, c) {
                        (_, b'\\') => {
                            let next = get(*at).ok_or((start, "a word that does not end"))?;
                            *at += 1;
                            match next {
                                b'"' | b'\'' | b'\\' => out.push(next),
                                b't' => out.push(b'\t'),
                                b'r' => out.push(b'\r'),
                                b'n' => out.push(b'\n'),
                                other => out.extend([b'\\', other]),
                            }
                        }
                        (Some(open), c) if open == c => {
                            if !matches!(
                                get(*at),
                                Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')')
                            ) {
                                return Err((*at, "something follows a closing quote"));
                            }
                            break;
                        }
                        (None, b' ' | b'\t' | b'\r' | b'\n' | b';') => {
                            *at -= 1;
                            break;
                        }
                        // `${name}` is a part of a word
                        (None, b'{') if out.last() == Some(&b'$') => {
                            out.push(c);
                            while let Some(c) =
                                get(*at).filter(|&c| c != b'}' && !c.is_ascii_whitespace())
                            {
                                out.push(c);
                                *at += 1;
                            }
                        }
                        (None, b'{') => {
                            *at -= 1;
                            break;
                        }
                        _ => out.push(c),
                    }
                }
                words.push(Word { text: text(&out), at: start..*at });
            }
        }
    }
}

fn whole(bytes: &[u8], at: Range<usize>) -> Range<usize> {
    let (start, end) = (line_start(bytes, at.start), line_next(bytes, at.end));
    let blank = |at: Range<usize>| part(bytes, at).iter().all(u8::is_ascii_whitespace);
    if blank(start..at.start) && blank(at.end..end) { start..end } else { at }
}

fn below(context: &str, name: &str) -> String {
    if context.is_empty() { name.to_owned() } else { format!("{context}.{name}") }
}

/// Reads directives to the end of a block or of the file; whether a block ended.
fn read_block(
    files: &mut Files<'_>,
    file: usize,
    at: &mut usize,
    context: &str,
    depth: usize,
    places: &mut Vec<Place>,
) -> Result<bool, SettingsError> {
    let bytes = files.bytes(file);
    loop {
        let read = statement(&bytes, at);
        let (words, end) =
            read.map_err(|(at, why)| files.unclear(file, line_of(&bytes, at), why))?;
        let Some((first, rest)) = words.split_first() else {
            return match end {
                0 => Ok(false),
                b'}' => Ok(true),
                _ => Err(files.unclear(file, line_of(&bytes, *at), "a directive without a name")),
            };
        };
        let line = line_of(&bytes, first.at.start);
        if end == b'}' {
            return Err(files.unclear(file, line, "a directive that does not end"));
        }
        let name = first.text.replace('.', "\u{1f}");
        let mut place = Place {
            file,
            line,
            key: below(context, &name),
            value: joined(rest),
            condition: (!context.is_empty()).then(|| context.to_owned()),
            at: span(rest, first.at.end),
            whole: whole(&bytes, first.at.start..*at),
            ..Place::default()
        };
        if end == b'{' {
            if depth >= MAX_DEPTH || name.ends_with("_by_lua_block") {
                return Err(files.unclear(
                    file,
                    line,
                    "a block that is not read: a program, or too deep",
                ));
            }
            place.detail = format!("{BLOCK}{at}");
            let inner = place.key.clone();
            push(files, places, place)?;
            let table = TABLES.contains(&name.as_str());
            let mut inside = Vec::new();
            let list = if table { &mut inside } else { &mut *places };
            if !read_block(files, file, at, &inner, depth + 1, list)? {
                return Err(files.unclear(file, line, "a block that does not end"));
            }
            continue;
        }
        push(files, places, place)?;
        if name == "include" {
            let [pattern] = rest else {
                return Err(files.unclear(file, line, "an include of several words"));
            };
            let base = files.folder(0);
            let found = files.find((file, line), &base, &pattern.text)?;
            if found.is_empty() && !is_pattern(&pattern.text) {
                return Err(files.unclear(file, line, "the image does not have what it includes"));
            }
            for path in found {
                let next = files.open(&path)?;
                if read_block(files, next, &mut 0, context, depth + 1, places)? {
                    return Err(files.unclear(
                        next,
                        1,
                        "the end of a block that another file begins",
                    ));
                }
                files.close();
            }
        }
    }
}

fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    let reads = |text: &str| {
        let line = format!("{text};");
        let mut at = 0;
        let read = statement(line.as_bytes(), &mut at);
        read.is_ok_and(|(words, end)| end == b';' && at == line.len() && joined(&words) == value)
    };
    let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let text = [value.to_owned(), quoted].into_iter().find(|text| reads(text));
    let text = text.filter(|_| !value.contains(['\n', '\r']));
    text.ok_or_else(|| SettingsError::value(key, "it cannot be quoted"))
}

/// Whether the key has no blocks: it means the level that others inherit from.
fn alone(key: &str) -> bool {
    !key.contains('.')
}

impl Grammar for Nginx {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        if read_block(files, file, &mut 0, "", 0, &mut places)? {
            return Err(files.unclear(file, 1, "the end of a block that does not begin"));
        }
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        if !key.split('.').all(word) {
            return Err(SettingsError::key(key, "no directive, as `http.server_tokens`"));
        }
        Ok(key.to_owned())
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        place.key == key || (alone(key) && place.key.rsplit('.').next() == Some(key))
    }

    fn conditional(&self, place: &Place, key: &str) -> bool {
        alone(key) && place.key != key && place.key.strip_prefix("http.") != Some(key)
    }

    fn all_count(&self, key: &str) -> bool {
        key.matches('.').count() > 1
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
        if !place.detail.is_empty() {
            return Err(SettingsError::key(key, "a block"));
        }
        let blank = files
            .bytes(place.file)
            .get(place.at.start.wrapping_sub(1))
            .is_some_and(u8::is_ascii_whitespace);
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
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let (block, name) = match key.rsplit_once('.') {
            Some((block, name)) => (block, name),
            None if MAIN.contains(&key) => ("", key),
            None => ("http", key),
        };
        let directive = format!("{name} {};", written(key, value)?);
        if block.is_empty() {
            return Ok(vec![Edit::line(0, &files.bytes(0), 0, &directive)]);
        }
        let mut edits = Vec::new();
        for block in
            places.iter().filter(|place| place.key == block && place.detail.starts_with(BLOCK))
        {
            let bytes = files.bytes(block.file);
            let Ok(at) = block.detail.trim_start_matches(BLOCK).parse::<usize>() else { continue };
            let next = line_next(&bytes, at);
            let rest = part(&bytes, at..next);
            if rest.iter().all(u8::is_ascii_whitespace) && rest.ends_with(b"\n") {
                let first =
                    places.iter().find(|place| place.file == block.file && place.whole.start >= at);
                let first = first.map(|place| text(indent_at(&bytes, place.whole.start)));
                let own = text(indent_at(&bytes, block.whole.start));
                let indent = first.filter(|first| first.len() > own.len());
                let indent = indent.unwrap_or_else(|| format!("{own}    "));
                let end = line_end(&bytes);
                edits.push(Edit::new(block.file, next..next, format!("{indent}{directive}{end}")));
            } else {
                edits.push(Edit::new(block.file, at..at, format!(" {directive}")));
            }
        }
        // of several blocks `http` nginx allows one
        if edits.is_empty() {
            return Err(SettingsError::key(key, "there is no block to put it in"));
        }
        Ok(edits)
    }

    fn take(&self, _: &Files<'_>, place: &Place) -> Result<Vec<Edit>, SettingsError> {
        if !place.detail.is_empty() {
            return Err(SettingsError::key(&place.key, "a block"));
        }
        Ok(vec![Edit::new(place.file, place.whole.clone(), "")])
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Nginx;
    use crate::testing::Image;

    const MAIN: &str = "/etc/nginx/nginx.conf";
    const TEXT: &str = "user www-data;\nhttp {\n\t# server_tokens off;\n\tlog_format main '$a \"$b\"';\n\ttypes { text/html html; }\n\tinclude conf.d/*.conf;\n}\n";
    const SITE: &str = "server {\r\n  listen 80; server_tokens on; # x\r\n  location ~ \\.php$ {\r\n    autoindex on;\r\n  }\r\n  if ($x = \"a;b\") { return 403; }\r\n}\r\nserver { root /${v}/x; }\r\n";

    #[test]
    fn directives_stand_in_blocks() {
        let image = Image::new(&[(MAIN, TEXT), ("/etc/nginx/conf.d/a.conf", SITE)]);
        let get = |key| image.effective(Nginx, MAIN, key);
        assert_eq!(get("user").as_deref(), Some("www-data"));
        assert_eq!(get("http.log_format").as_deref(), Some("main $a \"$b\""));
        assert_eq!(get("server_tokens"), None);
        assert_eq!(get("http.server.server_tokens").as_deref(), Some("on"));
        let all = image.all(Nginx, MAIN, "autoindex");
        assert_eq!(all[0].condition.as_deref(), Some("http.server.location"));
        let changed = image.set(Nginx, MAIN, "server_tokens", "off");
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].1, TEXT.replace("http {\n", "http {\n\tserver_tokens off;\n"));
        let changed = image.everywhere(Nginx, MAIN, "server_tokens", "off");
        assert_eq!(changed[1].1, SITE.replace("tokens on", "tokens off"));
        let changed = image.set(Nginx, MAIN, "http.server.location.autoindex", "off");
        assert_eq!(changed[0].1, SITE.replace("autoindex on", "autoindex off"));
        let changed = image.set(Nginx, MAIN, "http.server.root", "/x");
        assert_eq!(changed[0].1, SITE.replace("/${v}/x", "/x"));
        let changed = image.set(Nginx, MAIN, "http.server.autoindex", "off");
        assert_eq!(changed[0].1.matches("autoindex off;").count(), 2);
        assert_eq!(
            image.removed(Nginx, MAIN, "http.server.location.autoindex")[0].1,
            SITE.replace("    autoindex on;\r\n", "")
        );
    }

    #[test]
    fn what_nginx_refuses_is_refused() {
        for (text, why) in [
            ("http {\n", "conf:1: a block that does not end"),
            ("user a\n", "conf:2: it ends in the middle"),
            ("}\n", "conf:1: the end of a block"),
            ("include missing.conf;\n", "conf:1: the image does not have"),
            ("http { content_by_lua_block { x } }\n", "conf:1: a block that is not read"),
            ("user \"a\"b;\n", "conf:1: something follows"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(Nginx, MAIN, "user", "x");
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
