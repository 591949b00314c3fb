//! `dpkg-divert`: adds, removes and lists diversions, and renames what is diverted.

use super::command_line::CommandLine;
use super::database::{AdminDir, Database, Found, hash_slot};
use super::files::{fatal, is_there, read_or_empty, replace_with_backup, unusable};
use imgfix_shell::fnmatch;
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Kind;

/// One diversion of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Diversion {
    from: Vec<u8>,
    to: Vec<u8>,
    /// `None` for a local one.
    package: Option<String>,
}

/// Which package a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Package {
    Any,
    Local,
    Named(String),
}

impl Package {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            Self::Any | Self::Local => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Remove,
    List,
    ListPackage,
    TrueName,
}

struct Request {
    admindir: AdminDir,
    action: Action,
    package: Package,
    divert_to: Option<Vec<u8>>,
    rename: bool,
    test: bool,
    quiet: bool,
}

/// `dpkg-divert`.
///
/// # Errors
/// A form that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["package", "divert", "admindir", "instdir", "root"])?;
    let mut request = read_request(process, &line)?;
    let diversions = load(process, &request.admindir)?;
    if request.action == Action::List {
        return list(process, &line.texts(), diversions);
    }
    let [path] = line.operands.as_slice() else {
        return Err(process.unsupported("no file, or several"));
    };
    let path = path.to_vec();
    if path.first() != Some(&b'/') {
        let name = String::from_utf8_lossy(&path).into_owned();
        return fatal(process, format!("filename \"{name}\" is not absolute"));
    }
    match request.action {
        Action::Add => {
            if request.package == Package::Any {
                request.package = Package::Local;
            }
            add(process, &request, diversions, path)
        }
        Action::Remove => remove(process, &request, diversions, &path),
        Action::TrueName => {
            let found = diversions.iter().find(|diversion| diversion.from == path);
            let name = found.map_or(path, |diversion| diversion.to.clone());
            process.print([&name[..], b"\n"].concat())?;
            Ok(0)
        }
        Action::ListPackage => {
            let found = diversions.iter().find(|d| d.from == path || d.to == path);
            if let Some(diversion) = found {
                let name = diversion.package.clone().unwrap_or_else(|| "LOCAL".into());
                process.print(name + "\n")?;
            }
            Ok(0)
        }
        Action::List => Ok(0),
    }
}

fn read_request(process: &Process<'_>, line: &CommandLine) -> Result<Request, Stop> {
    let mut request = Request {
        admindir: AdminDir::of(process)?,
        action: Action::Add,
        package: Package::Any,
        divert_to: None,
        rename: false,
        test: false,
        quiet: false,
    };
    for option in &line.options {
        match option.name.as_str() {
            "add" => request.action = Action::Add,
            "remove" => request.action = Action::Remove,
            "list" => request.action = Action::List,
            "listpackage" => request.action = Action::ListPackage,
            "truename" => request.action = Action::TrueName,
            "package" => request.package = Package::Named(option.text()),
            "local" => request.package = Package::Local,
            "divert" => request.divert_to = option.value.as_ref().map(|value| value.to_vec()),
            "rename" => request.rename = true,
            "no-rename" => request.rename = false,
            "test" => request.test = true,
            "quiet" => request.quiet = true,
            "admindir" => request.admindir = AdminDir::named(option.text().into_bytes()),
            name => return Err(process.unsupported(format!("option {name}"))),
        }
    }
    if request.package == Package::Any
        && let Some(name) = process.variable("DPKG_MAINTSCRIPT_PACKAGE")
    {
        request.package = Package::Named(String::from_utf8_lossy(name).into_owned());
    }
    Ok(request)
}

/// The diversions in the order of dpkg's table of names, in which it lists and writes them.
fn load(process: &mut Process<'_>, admindir: &AdminDir) -> Result<Vec<Diversion>, Stop> {
    let text = read_or_empty(process, &admindir.file("diversions"))?;
    let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').collect();
    let mut diversions: Vec<Diversion> = Vec::new();
    for record in lines.chunks_exact(3) {
        if let [from, to, package] = record {
            let package = (*package != b":").then(|| String::from_utf8_lossy(package).into_owned());
            diversions.push(Diversion { from: from.to_vec(), to: to.to_vec(), package });
        }
    }
    sort(process, &mut diversions);
    Ok(diversions)
}

fn sort(process: &Process<'_>, diversions: &mut [Diversion]) {
    let signed = matches!(process.machine.settings.architecture.as_str(), "amd64" | "i386");
    diversions.sort_by_key(|diversion| hash_slot(&diversion.from, signed));
}

fn save(
    process: &mut Process<'_>,
    admindir: &AdminDir,
    mut diversions: Vec<Diversion>,
) -> Result<(), Stop> {
    sort(process, &mut diversions);
    let mut out = Vec::new();
    for Diversion { from, to, package } in &diversions {
        let package = package.as_deref().unwrap_or(":").as_bytes();
        out.extend([&from[..], b"\n", to, b"\n", package, b"\n"].concat());
    }
    replace_with_backup(process, &admindir.file("diversions"), "-old", out, 0o644)
}

fn describe(from: &[u8], to: Option<&[u8]>, package: Option<&str>) -> String {
    let from = String::from_utf8_lossy(from);
    let to = to.map_or_else(String::new, |to| format!(" to {}", String::from_utf8_lossy(to)));
    match package {
        None => format!("local diversion of {from}{to}"),
        Some(package) => format!("diversion of {from}{to} by {package}"),
    }
}

impl Diversion {
    fn describe(&self) -> String {
        describe(&self.from, Some(&self.to), self.package.as_deref())
    }
}

impl Request {
    fn describe(&self, path: &[u8]) -> String {
        let to = self.divert_to.as_deref();
        match self.package {
            Package::Any => describe(path, to, None).replacen("local", "any", 1),
            _ => describe(path, to, self.package.name()),
        }
    }

    fn tell(&self, process: &mut Process<'_>, text: String) -> Result<(), Stop> {
        if self.quiet { Ok(()) } else { process.print(text + "\n") }
    }
}

fn list(process: &mut Process<'_>, patterns: &[String], diversions: Vec<Diversion>) -> Status {
    for diversion in diversions {
        let package = diversion.package.as_deref().unwrap_or(":").as_bytes();
        let names = [package, &diversion.to, &diversion.from];
        let is_match =
            |pattern: &str| names.iter().any(|name| fnmatch::matches(pattern.as_bytes(), name));
        if patterns.is_empty() || patterns.iter().any(|pattern| is_match(pattern)) {
            process.print(diversion.describe() + "\n")?;
        }
    }
    Ok(0)
}

fn add(
    process: &mut Process<'_>,
    request: &Request,
    mut diversions: Vec<Diversion>,
    path: Vec<u8>,
) -> Status {
    let there = process.machine.lstat(&process.call.directory, &path)?;
    if there.is_ok_and(|entry| entry.is_dir()) {
        return fatal(process, "cannot divert directories");
    }
    let to = request.divert_to.clone().unwrap_or_else(|| [&path[..], b".distrib"].concat());
    let name = String::from_utf8_lossy(&path).into_owned();
    if to == path {
        return fatal(process, format!("cannot divert file '{name}' to itself"));
    }
    let package = request.package.name().map(str::to_owned);
    let new = Diversion { from: path, to, package };
    if diversions.contains(&new) {
        request.tell(process, format!("Leaving '{}'", new.describe()))?;
        return Ok(0);
    }
    let involves = |path: &[u8]| diversions.iter().find(|d| d.from == path || d.to == path);
    if let Some(other) = involves(&new.from).or_else(|| involves(&new.to)) {
        let text = format!("'{}' clashes with '{}'", new.describe(), other.describe());
        return fatal(process, text);
    }
    request.tell(process, format!("Adding '{}'", new.describe()))?;
    let mut rename = request.rename;
    if rename {
        match check_rename(process, &new.from, &new.to)? {
            Ok(possible) => rename = possible,
            Err(problem) => return fatal(process, problem),
        }
    }
    if rename && is_own(process, request, &new.from)? {
        let package = request.package.name().unwrap_or_default();
        request.tell(
            process,
            format!(
                "Ignoring request to rename file '{name}' owned by diverting package '{package}'"
            ),
        )?;
        rename = false;
    }
    if !request.test {
        diversions.push(new.clone());
        save(process, &request.admindir, diversions)?;
        if rename {
            move_file(process, &new.from, &new.to)?;
        }
    }
    Ok(0)
}

fn remove(
    process: &mut Process<'_>,
    request: &Request,
    mut diversions: Vec<Diversion>,
    path: &[u8],
) -> Status {
    let Some(at) = diversions.iter().position(|diversion| diversion.from == path) else {
        let text = format!("No diversion '{}', none removed.", request.describe(path));
        request.tell(process, text)?;
        return Ok(0);
    };
    let found = diversions.remove(at);
    let mismatch = if request.divert_to.as_ref().is_some_and(|to| *to != found.to) {
        Some("divert-to")
    } else if request.package != Package::Any && request.package.name() != found.package.as_deref()
    {
        Some("package")
    } else {
        None
    };
    if let Some(what) = mismatch {
        let text = format!(
            "mismatch on {what}\n  when removing '{}'\n  found '{}'",
            request.describe(path),
            found.describe()
        );
        return fatal(process, text);
    }
    if is_shared(process, request, path)? {
        let text = format!("Ignoring request to remove shared diversion '{}'.", found.describe());
        request.tell(process, text)?;
        return Ok(0);
    }
    request.tell(process, format!("Removing '{}'", found.describe()))?;
    if request.rename {
        match check_rename(process, &found.to, &found.from)? {
            Err(problem) => return fatal(process, problem),
            Ok(true) if !request.test => move_file(process, &found.to, &found.from)?,
            Ok(_) => {}
        }
    }
    if !request.test {
        save(process, &request.admindir, diversions)?;
    }
    Ok(0)
}

/// Whether there is something to rename, or why it cannot be.
fn check_rename(
    process: &Process<'_>,
    from: &[u8],
    to: &[u8],
) -> Result<Result<bool, String>, Stop> {
    let directory = &process.call.directory;
    let Ok(source) = process.machine.lstat(directory, from)? else { return Ok(Ok(false)) };
    for path in [from, to] {
        let parent = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        if let Err(errno) = process.machine.stat(directory, path.get(..parent).unwrap_or(b"/"))? {
            let name = String::from_utf8_lossy(path);
            return Ok(Err(format!(
                "cannot check whether '{name}' is within a writable directory: {errno}"
            )));
        }
    }
    let same = |other: &imgfix_vfs::Entry| match (&source.kind, &other.kind) {
        (Kind::File(a), Kind::File(b)) => a.link.is_some() && a.link == b.link,
        _ => false,
    };
    match process.machine.lstat(directory, to)? {
        Ok(target) if !same(&target) => Ok(Err(format!(
            "rename involves overwriting '{}' with\n  different file '{}', not allowed",
            String::from_utf8_lossy(to),
            String::from_utf8_lossy(from)
        ))),
        _ => Ok(Ok(true)),
    }
}

/// Moves the file; when both names are the same file, only the old name goes.
fn move_file(process: &mut Process<'_>, from: &[u8], to: &[u8]) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let moved = match is_there(process, to)? {
        true => process.machine.unlink(&directory, from)?,
        false => process.machine.rename(&directory, from, to)?,
    };
    match moved {
        Ok(()) | Err(Errno::NotFound) => Ok(()),
        Err(errno) => Err(unusable(process, from, errno)),
    }
}

/// Whether the diverting package itself ships the path.
fn is_own(process: &mut Process<'_>, request: &Request, path: &[u8]) -> Result<bool, Stop> {
    let Some(name) = request.package.name() else { return Ok(false) };
    let database = Database::load(process, request.admindir.clone())?;
    owners(process, &database, name, path).map(|found| !found.is_empty())
}

/// Whether the package of another architecture has the path too, and still needs the
/// diversion.
fn is_shared(process: &mut Process<'_>, request: &Request, path: &[u8]) -> Result<bool, Stop> {
    let Some(name) = request.package.name() else { return Ok(false) };
    let Some(own) = process.variable("DPKG_MAINTSCRIPT_ARCH") else { return Ok(false) };
    let own = String::from_utf8_lossy(own).into_owned();
    let database = Database::load(process, request.admindir.clone())?;
    let found = owners(process, &database, name, path)?;
    Ok(found.iter().any(|architecture| *architecture != own))
}

/// The architectures in which a package has a path.
fn owners(
    process: &mut Process<'_>,
    database: &Database,
    name: &str,
    path: &[u8],
) -> Result<Vec<String>, Stop> {
    if matches!(database.find(name), Found::Nothing(_)) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in database.entries.iter().filter(|entry| entry.name == name) {
        if database.files(process, entry)?.iter().any(|file| file == path) {
            found.push(entry.architecture.clone());
        }
    }
    Ok(found)
}
