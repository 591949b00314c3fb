//! httpd.conf and apache2.conf, as Apache httpd 2.4 reads them ("Configuration Files", "Terms
//! Used to Describe Directives", `Include`).
//!
//! Directives of any case, one a line, `\` continues a line. A key is a directive,
//! `ServerTokens`, for what holds outside of all sections; what sections say is shown as holding
//! there. With sections before it, it is the directive there: `Directory[/var/www/].Options`,
//! `VirtualHost[*:80].Directory[/x].Options`; sections around these may be any. The last value
//! counts. `Include` and `IncludeOptional` stand for files, patterns, and folders with all below
//! them, from `ServerRoot`: the last one said before, else the folder above `conf`, else the first
//! file's own. A new directive goes to the end of the first file, or of its sections.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, Kind};

use crate::error::SettingsError;
use crate::files::Files;
use crate::glob::is_pattern;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, indent_at, lines, part, text, trimmed};

pub(crate) struct Apache;

/// Directives that add up, or are about something that their first word names.
const LISTS: [&str; 22] = [
    "addhandler",
    "addoutputfilter",
    "addtype",
    "alias",
    "browsermatch",
    "customlog",
    "define",
    "errordocument",
    "header",
    "include",
    "includeoptional",
    "listen",
    "loadmodule",
    "logformat",
    "proxypass",
    "redirect",
    "require",
    "requestheader",
    "rewritecond",
    "rewriterule",
    "setenvif",
    "scriptalias",
];
/// Between sections in a key.
const DIVIDES: &str = "\u{1f}";
/// The key of the line that ends a section.
const END: &str = "\u{1}end";

fn server_root(files: &Files<'_>, said: Option<&str>) -> ImagePath {
    if let Some(path) = said.and_then(|said| ImagePath::new(said).ok()) {
        return path;
    }
    let folder = files.folder(0);
    let above = folder.parent().filter(|_| folder.file_name() == b"conf");
    above.unwrap_or(folder)
}

fn unquoted(raw: &str) -> &str {
    let inner = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    inner.unwrap_or(raw)
}

struct State {
    places: Vec<Place>,
    root: Option<String>,
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    sections: &[String],
    state: &mut State,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    let mut open: Vec<(String, String)> = Vec::new();
    let all = lines(&bytes);
    let mut rest = all.iter();
    while let Some(line) = rest.next() {
        let unclear = |files: &Files<'_>, why: &str| files.unclear(file, line.number, why);
        let mut last = line;
        let mut continued = false;
        while part(&bytes, last.start..last.end).ends_with(b"\\") {
            continued = true;
            let Some(next) = rest.next() else { break };
            last = next;
        }
        let at = trimmed(&bytes, line.start..last.end, b" \t\r\x0c\x0b");
        let content = part(&bytes, at.clone());
        if content.is_empty() || content.starts_with(b"#") {
            continue;
        }
        let path = |open: &[(String, String)], name: &str| {
            let open = open.iter().map(|(_, section)| section.as_str());
            let all: Vec<&str> =
                sections.iter().map(String::as_str).chain(open).chain([name]).collect();
            all.join(DIVIDES)
        };
        let whole = line.start..last.next;
        if content.starts_with(b"<") {
            if continued || !content.ends_with(b">") {
                return Err(unclear(files, "a section in more lines, or without its `>`"));
            }
            let inner = text(part(content, 1..content.len() - 1));
            if let Some(name) = inner.strip_prefix('/') {
                let name = name.trim().to_ascii_lowercase();
                let key = path(&open, END);
                if open.pop().is_none_or(|(opened, _)| opened != name) {
                    return Err(unclear(files, "the end of another section"));
                }
                let place = Place { file, line: line.number, key, whole, ..Place::default() };
                push(files, &mut state.places, place)?;
                continue;
            }
            let (name, argument) = inner.split_once([' ', '\t']).unwrap_or((&inner, ""));
            let name = name.to_ascii_lowercase();
            let section = format!("{name}[{}]", unquoted(argument.trim()));
            if open.len() + sections.len() >= 16 {
                return Err(unclear(files, "nested deeper than settings are"));
            }
            open.push((name, section));
            continue;
        }
        let end = content.iter().position(|b| b" \t".contains(b)).unwrap_or(content.len());
        let name = text(part(content, 0..end)).to_ascii_lowercase();
        let value = trimmed(&bytes, at.start + end..at.end, b" \t");
        let raw = text(part(&bytes, value.clone()));
        let shown: Vec<&str> = sections
            .iter()
            .map(String::as_str)
            .chain(open.iter().map(|(_, section)| section.as_str()))
            .collect();
        let place = Place {
            file,
            line: line.number,
            key: path(&open, &name),
            value: unquoted(&raw).to_owned(),
            condition: (!shown.is_empty()).then(|| shown.join(" ")),
            at: if value.is_empty() { at.end..at.end } else { value },
            whole,
            unclear: continued.then(|| "a directive of more lines".to_owned()),
            detail: String::new(),
        };
        push(files, &mut state.places, place)?;
        let target = unquoted(&raw).to_owned();
        match name.as_str() {
            "serverroot" if shown.is_empty() => state.root = Some(target),
            "include" | "includeoptional" => {
                if target.contains("${") || target.is_empty() || continued {
                    return Err(unclear(files, "an include that is no path or pattern"));
                }
                let base = server_root(files, state.root.as_deref());
                let found = files.find((file, line.number), &base, &target)?;
                if found.is_empty() && name == "include" && !is_pattern(&target) {
                    return Err(unclear(files, "the image does not have what it includes"));
                }
                let inner: Vec<String> =
                    shown.iter().map(|section| (*section).to_owned()).collect();
                for path in found {
                    for path in below(files, path) {
                        let next = files.open(&path)?;
                        read_file(files, next, &inner, state)?;
                        files.close();
                    }
                }
            }
            _ => {}
        }
    }
    match open.last() {
        None => Ok(()),
        Some(_) => Err(files.unclear(
            file,
            u32::try_from(all.len()).unwrap_or(u32::MAX),
            "a section that does not end",
        )),
    }
}

/// A file, or all files of a folder and of those below it.
fn below(files: &Files<'_>, path: ImagePath) -> Vec<ImagePath> {
    if files.fs.stat(&path).is_some_and(Entry::is_dir) {
        let all = files.fs.walk(&path).into_iter();
        return all
            .filter(|path| {
                matches!(files.fs.stat(path).map(|entry| &entry.kind), Some(Kind::File(_)))
            })
            .collect();
    }
    vec![path]
}

/// Sections and directive of a key: `Directory[/x].Options` with its parts in small letters.
fn sections(key: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = key;
    while let Some(at) = rest.find("].") {
        let (section, after) = (rest.get(..=at)?, rest.get(at + 2..)?);
        let (name, argument) = section.split_once('[')?;
        out.push(format!("{}[{argument}", name.to_ascii_lowercase()));
        rest = after;
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    (!rest.is_empty() && rest.bytes().all(word)).then(|| {
        out.push(rest.to_ascii_lowercase());
        out
    })
}

fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    let quoted = value.starts_with('"') || value.ends_with('"');
    if value.trim() != value || value.contains(['\n', '\r']) || value.ends_with('\\') || quoted {
        return Err(SettingsError::value(key, "no value of one line"));
    }
    Ok(if value.is_empty() { "\"\"".to_owned() } else { value.to_owned() })
}

/// The directive as the manual writes it, where recipes want it.
fn shown(name: &str) -> &str {
    const SHOWN: [&str; 8] = [
        "FileETag",
        "Options",
        "ServerSignature",
        "ServerTokens",
        "TraceEnable",
        "SSLProtocol",
        "SSLCipherSuite",
        "Timeout",
    ];
    SHOWN.iter().find(|shown| shown.eq_ignore_ascii_case(name)).copied().unwrap_or(name)
}

impl Grammar for Apache {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut state = State { places: Vec::new(), root: None };
        read_file(files, file, &[], &mut state)?;
        Ok(state.places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let parts = sections(key);
        let parts = parts
            .ok_or_else(|| SettingsError::key(key, "no directive, as `Directory[/x].Options`"))?;
        Ok(parts.join(DIVIDES))
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        place
            .key
            .strip_suffix(key)
            .is_some_and(|before| before.is_empty() || before.ends_with(DIVIDES))
    }

    fn conditional(&self, place: &Place, key: &str) -> bool {
        place.condition.is_some() && !key.contains(DIVIDES)
    }

    fn all_count(&self, key: &str) -> bool {
        key.contains(DIVIDES)
    }

    fn order(&self, key: &str) -> Order {
        let name = key.rsplit(DIVIDES).next().unwrap_or(key);
        if LISTS.contains(&name) { Order::Same } else { Order::Last }
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let raw = part(&bytes, place.at.clone());
        let value = written(key, value)?;
        let quoted = raw.len() > 1
            && raw.starts_with(b"\"")
            && raw.ends_with(b"\"")
            && !value.starts_with('"');
        let value = if quoted { format!("\"{value}\"") } else { value };
        let space = if raw.is_empty() { " " } else { "" };
        Ok(vec![Edit::new(place.file, place.at.clone(), format!("{space}{value}"))])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let value = written(key, value)?;
        let Some((section, name)) = key.rsplit_once(DIVIDES) else {
            let bytes = files.bytes(0);
            return Ok(vec![Edit::last_line(0, &bytes, &format!("{} {value}", shown(key)))]);
        };
        let ends = places.iter().filter(|place| {
            let around =
                place.key.strip_suffix(END).and_then(|around| around.strip_suffix(DIVIDES));
            let before = around.and_then(|around| around.strip_suffix(section));
            before.is_some_and(|before| before.is_empty() || before.ends_with(DIVIDES))
        });
        let edits: Vec<Edit> = ends
            .map(|end| {
                let bytes = files.bytes(end.file);
                let indent = text(indent_at(&bytes, end.whole.start));
                Edit::line(
                    end.file,
                    &bytes,
                    end.whole.start,
                    &format!("{indent}\t{} {value}", shown(name)),
                )
            })
            .collect();
        if edits.is_empty() {
            return Err(SettingsError::key(key, "there is no such section"));
        }
        Ok(edits)
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::Apache;
    use crate::testing::Image;

    const MAIN: &str = "/etc/apache2/apache2.conf";
    const TEXT: &str = "# ServerTokens x\nTimeout 300\nIncludeOptional mods-enabled/*.load\nInclude conf-enabled\nLogFormat \"%h \\\"%r\\\"\" \\\n  combined\n<Directory /var/www/>\n\tOptions Indexes FollowSymLinks\n</Directory>\n<IfModule x.c>\n<Directory \"/srv\">\nAllowOverride None\n</Directory>\n</IfModule>\n";

    #[test]
    fn the_last_counts_outside_of_sections() {
        let image = Image::new(&[
            (MAIN, TEXT),
            (
                "/etc/apache2/conf-available/security.conf",
                "SERVERTOKENS OS\r\nServerSignature On\r\n<Location /x>\r\nServerSignature Off\r\n</Location>\r\n",
            ),
            ("/etc/apache2/conf-enabled/security.conf", "-> ../conf-available/security.conf"),
        ]);
        let get = |key| image.effective(Apache, MAIN, key);
        assert_eq!(get("ServerTokens").as_deref(), Some("OS"));
        assert_eq!(get("serversignature").as_deref(), Some("On"));
        assert_eq!(get("Options"), None);
        assert_eq!(get("Directory[/var/www/].Options").as_deref(), Some("Indexes FollowSymLinks"));
        let changed = image.set(Apache, MAIN, "ServerTokens", "Prod");
        assert_eq!(changed[0].0, "/etc/apache2/conf-available/security.conf");
        assert!(changed[0].1.starts_with("SERVERTOKENS Prod\r\nServerSig"));
        let set = |key, value| image.set(Apache, MAIN, key, value).remove(0).1;
        assert_eq!(
            set("Directory[/var/www/].Options", "FollowSymLinks"),
            TEXT.replace("Indexes ", "")
        );
        assert_eq!(
            set("Directory[/srv].Options", "-Indexes"),
            TEXT.replace("None\n", "None\n\tOptions -Indexes\n")
        );
        assert_eq!(set("TraceEnable", "Off"), format!("{TEXT}TraceEnable Off\n"));
        assert_eq!(
            image.everywhere(Apache, MAIN, "ServerSignature", "Off")[0].1.matches("Off").count(),
            2
        );
        assert!(
            image
                .refused(Apache, MAIN, "LogFormat", "x")
                .contains("apache2.conf:5: a directive of more")
        );
        assert!(
            image.refused(Apache, MAIN, "Directory[/no].Options", "x").contains("no such section")
        );
    }

    #[test]
    fn what_httpd_refuses_is_refused() {
        for (text, why) in [
            ("<Directory /x>\n", "conf:1: a section that does not end"),
            ("<Directory /x>\n</Files>\n", "conf:2: the end of another"),
            ("Include ${X}/a\n", "conf:1: an include that is no path"),
            ("Include missing.conf\n", "conf:1: the image does not have"),
        ] {
            let error = Image::new(&[(MAIN, text)]).refused(Apache, MAIN, "Timeout", "1");
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
