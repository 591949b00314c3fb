//! `systemd-tmpfiles --create FILE...`: the directories, files and links that packages want
//! (tmpfiles.d(5)), as far as packages use it.

use super::accounts::AccountList;
use super::files::{is_there, make_directories, read_optional, remove, replace, unusable};
use imgfix_shell::files::Owner;
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::Kind;

/// Where configuration is, the first that has a file counts.
const FOLDERS: &[&str] = &["/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d"];

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    kind: String,
    path: String,
    /// The mode, and whether it is for new paths only.
    mode: Option<(u32, bool)>,
    user: Option<String>,
    group: Option<String>,
    argument: Option<String>,
}

/// `systemd-tmpfiles`.
///
/// # Errors
/// Anything but `--create` with files, and lines that are not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    use imgfix_shell::options::{Long, Value};
    let (mut create, mut files) = (false, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long("create") => create = true,
            Value(file) => files.push(file.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !create || files.is_empty() {
        return Err(process.unsupported("anything but --create with files"));
    }
    let mut lines = Vec::new();
    for file in &files {
        match read(process, file)? {
            Some(found) => lines.extend(found),
            None => {
                process.complain(format!("Failed to open '{file}': No such file or directory"))?;
                return Ok(1);
            }
        }
    }
    lines.sort_by(|a, b| a.path.cmp(&b.path));
    let accounts = AccountList::load(process)?;
    for line in &lines {
        process.machine.spend(1)?;
        apply(process, &accounts, line)?;
    }
    Ok(0)
}

/// The lines of a file; `None` when it is missing.
fn read(process: &mut Process<'_>, file: &str) -> Result<Option<Vec<Line>>, Stop> {
    let mut text = None;
    for folder in FOLDERS {
        let path = if file.contains('/') { file.to_owned() } else { format!("{folder}/{file}") };
        if text.is_none() {
            text = read_optional(process, path.as_bytes())?;
        }
    }
    let Some(text) = text else { return Ok(None) };
    let mut lines = Vec::new();
    for line in String::from_utf8_lossy(&text).lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse(line) {
            Ok(line) => lines.extend(line),
            Err(()) => return Err(process.unsupported(format!("{file}: {line}"))),
        }
    }
    Ok(Some(lines))
}

/// A line; `None` for one that does nothing here, `Err` for one that is not evaluated.
fn parse(line: &str) -> Result<Option<Line>, ()> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (kind, path) = match words.as_slice() {
        [kind, path, ..] => (*kind, *path),
        _ => return Err(()),
    };
    // Only at boot, only with a credential, only for removal or cleaning; or of the kernel.
    let idle = kind.contains(['!', '^'])
        || kind.starts_with(['r', 'R', 'x', 'X', 'e'])
        || ["/dev/", "/proc/", "/sys/"].iter().any(|top| path.starts_with(top));
    if idle {
        return Ok(None);
    }
    if path.contains(['%', '"', '\\', '*', '?']) || path.contains("/../") || !path.starts_with('/')
    {
        return Err(());
    }
    let word = |at: usize| words.get(at).copied().filter(|word| *word != "-");
    let account = |at: usize| word(at).map(|name| name.trim_start_matches(':').to_owned());
    let mode = match word(2) {
        None => None,
        Some(text) if text.starts_with('~') => return Err(()),
        Some(text) => {
            let number = u32::from_str_radix(text.trim_start_matches(':'), 8).map_err(|_| ())?;
            Some((number, text.starts_with(':')))
        }
    };
    let rest = line.splitn_words(6);
    let argument = rest.filter(|text| *text != "-").map(str::to_owned);
    if argument.as_ref().is_some_and(|text| text.contains(['%', '\\', '"'])) {
        return Err(());
    }
    let kind = kind.trim_end_matches(['-', '=']).to_owned();
    Ok(Some(Line {
        kind,
        path: path.trim_end_matches('/').to_owned(),
        mode,
        user: account(3),
        group: account(4),
        argument,
    }))
}

/// What follows a number of words.
trait AfterWords {
    fn splitn_words(&self, count: usize) -> Option<&str>;
}

impl AfterWords for str {
    fn splitn_words(&self, count: usize) -> Option<&str> {
        let mut rest = self.trim_start();
        for _ in 0..count {
            let end = rest.find(|c: char| c.is_ascii_whitespace())?;
            rest = rest.get(end..)?.trim_start();
        }
        Some(rest).filter(|rest| !rest.is_empty())
    }
}

fn apply(process: &mut Process<'_>, accounts: &AccountList, line: &Line) -> Result<(), Stop> {
    let path = line.path.as_bytes();
    let there = is_there(process, path)?;
    match line.kind.as_str() {
        "d" | "D" | "v" | "q" | "Q" => {
            make_directories(process, path, 0o755)?;
            set(process, accounts, line, 0o755, !there)
        }
        "f" => {
            make_parent(process, path)?;
            if !there {
                let text = line.argument.clone().unwrap_or_default();
                replace(process, path, text, 0o644)?;
            }
            set(process, accounts, line, 0o644, !there)
        }
        "L" | "L+" => link(process, line, there),
        "z" if there => set(process, accounts, line, 0, false),
        "z" => Ok(()),
        _ => Err(process.unsupported(format!("a line of kind {}", line.kind))),
    }
}

fn make_parent(process: &mut Process<'_>, path: &[u8]) -> Result<(), Stop> {
    let slash = path.iter().rposition(|&b| b == b'/').unwrap_or_default();
    make_directories(process, path.get(..slash).unwrap_or_default(), 0o755)
}

fn link(process: &mut Process<'_>, line: &Line, there: bool) -> Result<(), Stop> {
    let Some(target) = &line.argument else {
        return Err(process.unsupported(format!("a link without a target, {}", line.path)));
    };
    let path = line.path.as_bytes();
    let directory = process.call.directory.clone();
    if there {
        let entry = process.machine.lstat(&directory, path)?;
        let is_it = entry.is_ok_and(|e| e.kind == Kind::Symlink(target.as_bytes().to_vec()));
        if is_it || line.kind == "L" {
            return Ok(());
        }
        remove(process, path)?;
    }
    make_parent(process, path)?;
    let made = process.machine.make_symlink(&directory, path, target.as_bytes())?;
    made.map_err(|errno| unusable(process, path, errno))
}

/// Sets mode and owner where the line gives them; a new path gets the usual ones otherwise.
fn set(
    process: &mut Process<'_>,
    accounts: &AccountList,
    line: &Line,
    usual: u32,
    new: bool,
) -> Result<(), Stop> {
    let path = line.path.as_bytes();
    let directory = process.call.directory.clone();
    let Ok(before) = process.machine.stat(&directory, path)? else { return Ok(()) };
    let user =
        |name: &String| name.parse().ok().or_else(|| accounts.user(name).map(|user| user.uid));
    let group =
        |name: &String| name.parse().ok().or_else(|| accounts.group(name).map(|group| group.gid));
    let owner = Owner {
        uid: line.user.as_ref().map_or(Some(before.uid), user),
        gid: line.group.as_ref().map_or(Some(before.gid), group),
    };
    if owner.uid.is_none() || owner.gid.is_none() {
        // The program complains about the account and leaves the path.
        return Ok(());
    }
    let mode = match line.mode {
        Some((mode, false)) => mode,
        Some((mode, true)) if new => mode,
        None if new => usual,
        _ => before.mode,
    };
    if (owner.uid, owner.gid) != (Some(before.uid), Some(before.gid)) {
        let done = process.machine.chown(&directory, path, owner)?;
        done.map_err(|errno| unusable(process, path, errno))?;
    }
    if mode != before.mode {
        let done = process.machine.chmod(&directory, path, mode)?;
        done.map_err(|errno| unusable(process, path, errno))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = parse("f /var/log/wtmp 0664 root utmp - a b").unwrap().unwrap();
        assert_eq!((line.kind.as_str(), line.mode), ("f", Some((0o664, false))));
        assert_eq!((line.group.as_deref(), line.argument.as_deref()), (Some("utmp"), Some("a b")));
        let link = parse("L+ /etc/mtab - - - - ../proc/self/mounts").unwrap().unwrap();
        assert_eq!(link.argument.as_deref(), Some("../proc/self/mounts"));
        for idle in ["r! /forcefsck", "f^ /etc/hosts - - - - x", "z /dev/kvm 0666 - kvm -"] {
            assert_eq!(parse(idle), Ok(None), "{idle}");
        }
        for odd in ["d /run/%u 0755", "d relative", "d"] {
            assert_eq!(parse(odd), Err(()), "{odd}");
        }
    }
}
