//! `update-mime`: `/etc/mailcap` from the entries of packages and desktop files
//! (update-mime(8), mailcap.order(5); packages mailcap and mime-support).
//!
//! Its releases read desktop files differently; which one the image has is told by its text.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice as _};
use regex::bytes::Regex;

use imgfix_shell::{Process, Status, Stop};

const MAILCAP: &[u8] = b"/etc/mailcap";
const MAILCAP_DEFAULT: &[u8] = b"/usr/lib/mime/mailcap";
const PACKAGES: &[u8] = b"/usr/lib/mime/packages";
const APPLICATIONS: &[u8] = b"/usr/share/applications";
const ORDER: &[u8] = b"/etc/mailcap.order";
const CONFIGURATION: &[u8] = b"/etc/update-mime.conf";
const DEFAULT_PRIORITY: u32 = 5;

/// How deep folders of desktop files may nest.
const MAX_DEPTH: usize = 16;

/// How desktop files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Release {
    /// Only the group `[Desktop Entry]` counts (3.70).
    knows_groups: bool,
    /// `TryExec` becomes a test, and semicolons are escaped (3.74).
    knows_tests: bool,
}

/// A line of `/etc/mailcap` (RFC 1524, appendix A).
struct MailcapEntry {
    text: BString,
    package: BString,
    priority: u32,
}

/// Writes `/etc/mailcap` anew.
///
/// # Errors
/// A configuration file; a pattern that cannot be evaluated; an unknown program.
pub fn run(process: &mut Process<'_>) -> Status {
    let first = process.arguments().first().cloned();
    match first.as_ref().map(|word| &word[..]) {
        None | Some(b"--triggered") => {}
        // Packages' scripts call it in vain: a trigger will.
        Some(_) if process.variable("DPKG_RUNNING_VERSION").is_some() => return Ok(0),
        Some(option) => return Err(process.unsupported(option)),
    }
    if exists(process, CONFIGURATION)? {
        return Err(process.unsupported("/etc/update-mime.conf"));
    }
    let release = release(process)?;
    let mut entries = Vec::new();
    let mut packages = Vec::new();
    read_packages(process, &mut entries, &mut packages)?;
    read_applications(process, release, &mut entries, &packages)?;
    let order = read_order(process)?;
    let ordered = ordered(process, &entries, &order)?;
    write(process, &ordered)
}

fn release(process: &mut Process<'_>) -> Result<Release, Stop> {
    let name = process.call.argv.first().cloned().unwrap_or_default();
    let path = match name.contains(&b'/') {
        true => Some(name.to_vec()),
        false => process.machine.which(&process.call, &name)?,
    };
    let text = match path {
        Some(path) => read(process, &path)?.unwrap_or_default(),
        None => Vec::new(),
    };
    if !text.contains_str("sub ReadDesktopEntries") {
        return Err(process.unsupported("an unknown program of that name"));
    }
    Ok(Release {
        knows_groups: text.contains_str("in_desktop_group"),
        knows_tests: text.contains_str("TryExec="),
    })
}

fn read(process: &mut Process<'_>, path: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    let directory = process.call.directory.clone();
    Ok(process.machine.read_file(&directory, path)?.ok().map(|text| text.to_vec()))
}

fn exists(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(process.machine.stat(&process.call.directory, path)?.is_ok())
}

/// Lines without their newlines.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&b| b == b'\n')
}

fn is_blank_or_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.is_empty() || line.starts_with(b"#")
}

/// What Perl's `glob "FOLDER/*"` gives: names in alphabetical order, capitals like small ones.
fn glob(process: &mut Process<'_>, folder: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let directory = process.call.directory.clone();
    let mut names = process.machine.read_dir(&directory, folder)?.unwrap_or_default();
    names.retain(|name| !name.starts_with(b"."));
    names.sort_by_key(|name| (name.to_ascii_lowercase(), name.clone()));
    Ok(names.into_iter().map(|name| [folder, b"/", &name].concat()).collect())
}

/// Backups and hidden files.
fn is_skipped(path: &[u8]) -> bool {
    path.contains_str("/.") || path.contains_str("/#") || path.ends_with(b"~")
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// A pattern of this file.
fn pattern(text: &str) -> Result<Regex, Stop> {
    Regex::new(text).map_err(|error| Stop::new(error.to_string()))
}

fn read_packages(
    process: &mut Process<'_>,
    entries: &mut Vec<MailcapEntry>,
    packages: &mut Vec<BString>,
) -> Result<(), Stop> {
    let priority = pattern(r"(?i-u)priority\s*=\s*([0-9]+)\s*(?:$|;)")?;
    for file in glob(process, PACKAGES)? {
        if is_skipped(&file) {
            continue;
        }
        let package = BString::from(base_name(&file));
        packages.push(package.clone());
        let text = read(process, &file)?.unwrap_or_default();
        for line in lines(&text).filter(|line| !is_blank_or_comment(line)) {
            process.machine.spend(1)?;
            let number = priority.captures(line).and_then(|found| found.get(1));
            let number = number.and_then(|digits| digits.as_bytes().to_str().ok()?.parse().ok());
            let priority = match number {
                Some(number @ 0..=9) => number,
                _ => DEFAULT_PRIORITY,
            };
            entries.push(MailcapEntry { text: line.into(), package: package.clone(), priority });
        }
    }
    Ok(())
}

/// All files below a folder: those of its folders first.
fn files_below(
    process: &mut Process<'_>,
    folder: &[u8],
    depth: usize,
) -> Result<Vec<Vec<u8>>, Stop> {
    if is_skipped(folder) {
        return Ok(Vec::new());
    }
    if depth > MAX_DEPTH {
        return Err(process.unsupported("folders of desktop files that nest so deep"));
    }
    let (mut all, mut files) = (Vec::new(), Vec::new());
    for path in glob(process, folder)? {
        match process.machine.stat(&process.call.directory, &path)? {
            Ok(entry) if entry.is_dir() => all.extend(files_below(process, &path, depth + 1)?),
            Ok(entry) if entry.is_file() => files.push(path),
            _ => {}
        }
    }
    all.extend(files);
    Ok(all)
}

fn read_applications(
    process: &mut Process<'_>,
    release: Release,
    entries: &mut Vec<MailcapEntry>,
    packages: &[BString],
) -> Result<(), Stop> {
    let mut known = packages.to_vec();
    for file in files_below(process, APPLICATIONS, 0)? {
        let Some(package) = base_name(&file).strip_suffix(b".desktop") else { continue };
        let package = BString::from(package);
        if is_skipped(&file) || known.contains(&package) {
            continue;
        }
        known.push(package.clone());
        let text = read(process, &file)?.unwrap_or_default();
        process.machine.spend(1 + text.len() as u64 / 256)?;
        for text in desktop_entries(&text, &package, release)? {
            entries.push(MailcapEntry {
                text,
                package: package.clone(),
                priority: DEFAULT_PRIORITY,
            });
        }
    }
    Ok(())
}

/// The rest of a line after a key, whose case does not matter.
fn value<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(key.len())?;
    start.eq_ignore_ascii_case(key.as_bytes()).then_some(rest)
}

/// The same, wherever in the line the key is.
fn value_anywhere<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let at = line.to_ascii_lowercase().find(key.to_ascii_lowercase())?;
    line.get(at + key.len()..)
}

fn desktop_entries(text: &[u8], package: &[u8], release: Release) -> Result<Vec<BString>, Stop> {
    let file_code = pattern("(?-u)%[fFuU]")?;
    let escaped = pattern(r"(?-u)((?:\\\\)*)\\?;")?;
    let mut name = package.to_vec();
    let mut icon = Vec::new();
    let mut command: Option<Vec<u8>> = None;
    let mut terminal: Option<Vec<u8>> = None;
    let mut test: Option<Vec<u8>> = None;
    let mut types: Vec<Vec<u8>> = Vec::new();
    let mut is_entry = !release.knows_groups;
    for line in lines(text).filter(|line| !is_blank_or_comment(line)) {
        if release.knows_groups && line.starts_with(b"[") && line.ends_with(b"]") {
            is_entry = line == b"[Desktop Entry]";
            continue;
        }
        if !is_entry {
            continue;
        }
        let of_command = match release.knows_tests {
            true => value(line, "Exec="),
            false => value_anywhere(line, "Exec="),
        };
        let is_given = |rest: &&[u8]| !rest.is_empty();
        let is_word = |rest: &&[u8]| rest.first().is_some_and(|&b| is_word(b));
        if let Some(rest) = value(line, "Terminal=").filter(is_word) {
            if rest.iter().take_while(|&&b| self::is_word(b)).eq(b"true") {
                terminal = Some(b"needsterminal".to_vec());
            }
        } else if let Some(rest) = value(line, "Name=").filter(is_given) {
            name = rest.to_vec();
        } else if let Some(rest) = value(line, "Icon=").filter(is_given) {
            icon = rest.to_vec();
        } else if let Some(rest) = of_command {
            let rest = match release.knows_tests {
                true => escaped.replace_all(rest, &b"$1\\;"[..]),
                false => rest.into(),
            };
            let mut line = file_code.replace_all(&rest, &b"%s"[..]).into_owned();
            if !line.contains_str("%s") {
                line.extend_from_slice(b" %s");
            }
            command = Some(line);
        } else if let Some(rest) = value(line, "TryExec=").filter(|_| release.knows_tests) {
            test = Some([b"test=command -v ", rest, b" > /dev/null 2>&1"].concat());
        } else if let Some(rest) = value_anywhere(line, "MimeType=") {
            let parts = rest.split(|&b| b == b';').enumerate();
            let parts = parts.map(|(at, part)| match at {
                0 => part.trim_ascii_end(),
                _ => part.trim_ascii(),
            });
            types.extend(parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec));
        }
    }
    let Some(command) = command.filter(|_| !types.is_empty()) else { return Ok(Vec::new()) };
    let display = b"test=test -n \"$DISPLAY\"".to_vec();
    let terminal = match (terminal, test) {
        (None, None) => display,
        (None, Some(test)) => [&test[..], b" && test -n \"$DISPLAY\""].concat(),
        (Some(terminal), None) => terminal,
        (Some(terminal), Some(test)) => [&terminal[..], b"; ", &test].concat(),
    };
    let command = command.replace("%c", &name);
    let command = command.replace("%i", [b"--icon ", &icon[..]].concat());
    let entry = |kind: Vec<u8>| [&kind[..], b"; ", &command, b"; ", &terminal].concat().into();
    Ok(types.into_iter().map(entry).collect())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn read_order(process: &mut Process<'_>) -> Result<Vec<Vec<u8>>, Stop> {
    let text = read(process, ORDER)?.unwrap_or_default();
    let line = |line: &[u8]| match line.find_byte(b'#') {
        Some(at) => line.get(..at).unwrap_or_default().trim_ascii_end().to_vec(),
        None => line.to_vec(),
    };
    Ok(lines(&text).map(line).filter(|line| !line.trim_ascii().is_empty()).collect())
}

/// The entries: those that the order names first, then by priority, plain types before
/// patterns.
fn ordered<'a>(
    process: &mut Process<'_>,
    entries: &'a [MailcapEntry],
    order: &[Vec<u8>],
) -> Result<Vec<&'a MailcapEntry>, Stop> {
    let all_of_kind = pattern(r"(?-u)^\S+/\*")?;
    let of_any_kind = pattern(r"(?-u)^\*/")?;
    let mut by_priority: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        by_priority.entry(entry.priority).or_default().push(at);
    }
    let width = |at: &usize| {
        let text = entries.get(*at).map(|entry| &entry.text[..]).unwrap_or_default();
        u8::from(all_of_kind.is_match(text)) + 2 * u8::from(of_any_kind.is_match(text))
    };
    let mut rest: Vec<usize> = Vec::new();
    for (_, mut group) in by_priority.into_iter().rev() {
        group.sort_by_key(width);
        rest.extend(group);
    }
    let mut chosen: Vec<usize> = Vec::new();
    for line in order {
        let (package, kind) = match line.iter().rposition(|&b| b == b':') {
            None => (&line[..], &b"*/*"[..]),
            Some(colon) => {
                let kind = line.get(colon + 1..).unwrap_or_default();
                let end = kind.iter().position(u8::is_ascii_whitespace).unwrap_or(kind.len());
                let kind = kind.get(..end).filter(|kind| !kind.is_empty());
                (line.get(..colon).unwrap_or_default(), kind.unwrap_or(b"*/*"))
            }
        };
        let kind = String::from_utf8_lossy(kind).replace('*', ".*");
        let kind = pattern(&format!("(?-u)^(?:{kind})\\n?$"))?;
        process.machine.spend(1 + entries.len() as u64 / 64)?;
        rest.retain(|&at| {
            let Some(entry) = entries.get(at) else { return true };
            let end = entry.text.iter().position(|&b| b == b';' || b.is_ascii_whitespace());
            let fits = entry.package == package
                && end.is_some_and(|end| kind.is_match(entry.text.get(..end).unwrap_or_default()));
            if fits {
                chosen.push(at);
            }
            !fits
        });
    }
    chosen.extend(rest);
    Ok(chosen.into_iter().filter_map(|at| entries.get(at)).collect())
}

fn write(process: &mut Process<'_>, entries: &[&MailcapEntry]) -> Status {
    let former = match read(process, MAILCAP)? {
        Some(text) => Some(text),
        None => read(process, MAILCAP_DEFAULT)?,
    };
    let Some(former) = former else { return Ok(0) };
    let Some(kept) = user_section(&former) else {
        let text = "Error: '/etc/mailcap' is not in required format -- not updated\n";
        let line =
            [text, "       Restore from backup or delete and re-install mime-support package"];
        process.complain(line.concat())?;
        return Ok(0);
    };
    let mut text = kept;
    text.extend([b"\n", "#".repeat(79).as_bytes(), b"\n\n"].concat());
    let priority = pattern(r"(?-u)\s*priority\s*=\s*[0-9]+\s*(?:$|;)")?;
    let end = pattern(r"(?-u)\s*;\s*$")?;
    for entry in entries {
        let line = priority.replace(&entry.text, &b""[..]);
        text.extend_from_slice(&end.replace(&line, &b""[..]));
        text.push(b'\n');
    }
    let directory = process.call.directory.clone();
    if process.machine.read_file(&directory, MAILCAP)?.is_ok_and(|former| former == text) {
        // the same again: a layer would carry it for its time alone
        return Ok(0);
    }
    let temporary = [MAILCAP, b".new"].concat();
    let written = match process.machine.write_file(&directory, &temporary, text, 0o644)? {
        Ok(()) => process.machine.rename(&directory, &temporary, MAILCAP)?,
        failed => failed,
    };
    match written {
        Ok(()) => Ok(0),
        Err(errno) => {
            process.complain(format!("Error: could not write '/etc/mailcap.new' -- {errno}"))?;
            Ok(1)
        }
    }
}

/// The file up to the end of the section that belongs to the user.
fn user_section(text: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut began = false;
    for line in text.split_inclusive(|&b| b == b'\n') {
        let line = line.replace("install-mime", "update-mime");
        kept.extend_from_slice(&line);
        let marks = |word: &str| {
            let rest = line.strip_prefix(b"# ----- ");
            rest.is_some_and(|rest| rest.contains_str(format!(" {word} ")))
        };
        if began && marks("Ends") {
            return Some(kept);
        }
        began |= marks("Begins");
    }
    None
}
