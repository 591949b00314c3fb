//! rpm's own `sysusers.sh`, by which rpm since 4.19 makes users and groups that a package
//! provides: a bash script that calls the shadow tools (rpm's `scripts/sysusers.sh`).
//!
//! In come lines of `sysusers.d(5)` on standard input or in files; out come calls of `useradd`,
//! `groupadd` and `usermod`, whose failures it passes over.

use bstr::ByteSlice as _;
use imgfix_shell::{Process, Status, Stop};
use imgfix_tools::files::{exists, read_optional, replace};

/// Folders of configurations, the first of which has the last word.
const FOLDERS: &[&str] = &["/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"];

const FILES: &[&str] = &["/etc/passwd", "/etc/shadow", "/etc/group"];

/// `sysusers.sh [--replace FILE] FILE...`.
///
/// # Errors
/// Another root, lines about members for a script that is too old for them, and names that are
/// patterns.
pub fn run(process: &mut Process<'_>) -> Status {
    let given: Vec<bstr::BString> = process.arguments().into();
    let mut words = given.as_slice();
    let mut replaced = None;
    while let [option, value, rest @ ..] = words {
        match &option[..] {
            b"--root" if value == "/" => {}
            b"--replace" => replaced = Some(value.to_string()),
            _ => break,
        }
        words = rest;
    }
    let script = process.call.argv.first().cloned().unwrap_or_default();
    let script = read_optional(process, &script)?.unwrap_or_default();
    let knows = Abilities {
        members: script.contains_str("addtogroup"),
        locked: script.contains_str("'u!'"),
    };
    for path in FILES {
        if !exists(process, path.as_bytes())? {
            replace(process, path.as_bytes(), "", 0o644)?;
        }
    }
    for word in words {
        if is_overridden(process, replaced.as_deref())? {
            continue;
        }
        let text = match &word[..] {
            b"-" => Some(process.input()?),
            path => read_optional(process, path)?,
        };
        let text = text.unwrap_or_default();
        let text = std::str::from_utf8(&text).map_err(|_| process.unsupported("no UTF-8"))?;
        for line in text.lines() {
            one(process, line, knows)?;
        }
    }
    Ok(0)
}

/// What the image's script does: it has grown.
#[derive(Clone, Copy)]
struct Abilities {
    /// Since 4.20.
    members: bool,
    /// Since 4.20.1.
    locked: bool,
}

/// Whether a file that counts more has the name of the one that is replaced.
fn is_overridden(process: &Process<'_>, replaced: Option<&str>) -> Result<bool, Stop> {
    let Some((folder, name)) = replaced.and_then(|path| path.rsplit_once('/')) else {
        return Ok(false);
    };
    let Some(at) = FOLDERS.iter().position(|known| *known == folder) else { return Ok(false) };
    for folder in FOLDERS.iter().take(at) {
        if exists(process, format!("{folder}/{name}").as_bytes())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one(process: &mut Process<'_>, line: &str, knows: Abilities) -> Result<(), Stop> {
    // A line with a blank before it is cut to nothing.
    if line.is_empty() || line.starts_with(['#', ';', ' ']) {
        return Ok(());
    }
    let Some(fields) = fields(line) else { return Err(process.unsupported(line)) };
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let (name, id) = (field(1), field(2));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.chars().all(is_plain) {
        return Err(process.unsupported(line));
    }
    match field(0) {
        action @ ("u" | "u!") if action == "u" || knows.locked => {
            let (uid, group) = match id.rsplit_once(':') {
                Some((uid, _)) => (uid, id.split_once(':').map_or("", |(_, group)| group)),
                None => {
                    add_group(process, name, id)?;
                    (id, name)
                }
            };
            let user = User { name, uid, group, described: [field(3), field(4), field(5)] };
            add_user(process, &user)?;
            if action == "u!" {
                process.run(["usermod", "-R", "/", "-e", "1", name])?;
            }
        }
        "g" => add_group(process, name, id)?,
        "m" if knows.members => {
            add_group(process, id, "-")?;
            add_user(process, &User { name, uid: "-", group: id, described: [""; 3] })?;
            process.run(["usermod", "-R", "/", "-a", "-G", id, name])?;
        }
        // That of 4.19 calls itself without end.
        "m" => return Err(process.unsupported(line)),
        _ => {}
    }
    Ok(())
}

fn add_group(process: &mut Process<'_>, name: &str, gid: &str) -> Result<(), Stop> {
    if has(process, "/etc/group", name)? {
        return Ok(());
    }
    match gid {
        "-" => process.run(["groupadd", "-R", "/", "-f", "-r", name])?,
        gid => process.run(["groupadd", "-R", "/", "-f", "-g", gid, "-r", name])?,
    };
    Ok(())
}

/// A user as a line has it.
struct User<'l> {
    name: &'l str,
    uid: &'l str,
    group: &'l str,
    /// Comment, home and shell.
    described: [&'l str; 3],
}

fn add_user(process: &mut Process<'_>, user: &User<'_>) -> Result<(), Stop> {
    let &User { name, uid, group, described: [comment, home, shell] } = user;
    if has(process, "/etc/passwd", name)? {
        return Ok(());
    }
    let or = |text, otherwise| if matches!(text, "" | "-") { otherwise } else { text };
    let (home, shell) = (or(home, "/"), or(shell, "/sbin/nologin"));
    let comment = if comment == "-" { "" } else { comment };
    let mut words = vec!["useradd", "-R", "/", "-r"];
    if !matches!(uid, "" | "-") && !is_in_a_number(process, uid)? {
        words.extend(["-u", uid]);
    }
    words.extend(["-g", group, "-d", home, "-s", shell, "-c", comment, name]);
    process.run(words)?;
    Ok(())
}

/// Whether a file has a line of the name.
fn has(process: &mut Process<'_>, path: &str, name: &str) -> Result<bool, Stop> {
    let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
    Ok(text.lines().any(|line| line.starts_with(format!("{name}:").as_bytes())))
}

/// Whether a user has a number with these digits in it: so the script asks whether it is taken.
fn is_in_a_number(process: &mut Process<'_>, digits: &str) -> Result<bool, Stop> {
    let text = read_optional(process, b"/etc/passwd")?.unwrap_or_default();
    Ok(text.lines().any(|line| {
        line.split(|&byte| byte == b':').nth(2).is_some_and(|number| number.contains_str(digits))
    }))
}

/// The fields as `xargs -n1` has them, one a line; `None` when it would complain.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, '\\') => field.get_or_insert_default().push(characters.next()?),
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => field.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                field.get_or_insert_default();
            }
            (None, c) if c.is_ascii_whitespace() => fields.extend(field.take()),
            (None, c) => field.get_or_insert_default().push(c),
        }
    }
    fields.extend(field);
    quote.is_none().then_some(fields)
}
