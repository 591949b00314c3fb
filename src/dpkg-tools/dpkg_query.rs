//! `dpkg-query`: what the package database says.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::command_line::CommandLine;
use super::database::{AdminDir, Database, Found};
use super::files::{fatal, read_optional};
use super::format::{Format, StatusWords, synopsis};
use imgfix_dpkg::diversions::Diversions;
use imgfix_dpkg::status::{State, StatusEntry};
use imgfix_shell::fnmatch;
use imgfix_shell::{Process, Status, Stop};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    Status,
    Show,
    List,
    Files,
    Search,
    ControlPath,
    ControlList,
    ControlShow,
}

impl Query {
    /// The query that an option asks.
    #[must_use]
    pub fn of(option: &str) -> Option<Self> {
        Some(match option {
            "s" | "status" => Self::Status,
            "W" | "show" => Self::Show,
            "l" | "list" => Self::List,
            "L" | "listfiles" => Self::Files,
            "S" | "search" => Self::Search,
            "c" | "control-path" => Self::ControlPath,
            "control-list" => Self::ControlList,
            "control-show" => Self::ControlShow,
            _ => return None,
        })
    }
}

/// `dpkg-query`.
///
/// # Errors
/// A form that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["f", "showformat", "admindir", "root"])?;
    let mut admindir = AdminDir::of(process)?;
    let mut format = b"${binary:Package}\t${Version}\n".to_vec();
    let mut query = None;
    for option in &line.options {
        let value = option.value.clone().unwrap_or_default();
        match option.name.as_str() {
            "f" | "showformat" => format = value.to_vec(),
            "admindir" => admindir = AdminDir::named(value.to_vec()),
            "no-pager" => {}
            "version" => {
                return show_version(
                    process,
                    admindir,
                    "dpkg-query package management program query tool",
                );
            }
            name => match (Query::of(name), query) {
                (Some(asked), None) => query = Some(asked),
                _ => return Err(process.unsupported(format!("option {name}"))),
            },
        }
    }
    let Some(query) = query else { return Err(process.unsupported("no action")) };
    let database = Database::load(process, admindir)?;
    answer(process, &database, query, &line.texts(), &format)
}

/// `--version` of one of dpkg's programs.
///
/// # Errors
/// The database is damaged, or does not say which version dpkg has.
pub fn show_version(process: &mut Process<'_>, admindir: AdminDir, program: &str) -> Status {
    let database = Database::load(process, admindir)?;
    let Some(version) = database.dpkg_version() else {
        return Err(process.unsupported("option version and no package dpkg"));
    };
    let architecture = process.machine.settings.architecture.clone();
    process.print(format!(
        "Debian {program} version {version} ({architecture}).\n\
         This is free software; see the GNU General Public License version 2 or\n\
         later for copying conditions. There is NO warranty.\n"
    ))?;
    Ok(0)
}

/// Answers one query.
///
/// # Errors
/// The database is damaged.
pub fn answer(
    process: &mut Process<'_>,
    database: &Database,
    query: Query,
    operands: &[String],
    format: &[u8],
) -> Status {
    match query {
        Query::Status => show_status(process, database, operands),
        Query::Show => show(process, database, operands, format),
        Query::List => list(process, database, operands),
        Query::Files => files(process, database, operands),
        Query::Search => search(process, database, operands),
        Query::ControlPath | Query::ControlList | Query::ControlShow => {
            control(process, database, query, operands)
        }
    }
}

/// dpkg passes queries on to dpkg-query, which complains under its own name.
fn complain(process: &mut Process<'_>, text: String) -> Result<(), Stop> {
    let name = process.call.argv.first().cloned();
    if let Some(name) = process.call.argv.first_mut() {
        *name = "dpkg-query".into();
    }
    let done = process.complain(text);
    if let (Some(slot), Some(name)) = (process.call.argv.first_mut(), name) {
        *slot = name;
    }
    done
}

fn bad_specifier(process: &mut Process<'_>, option: &str, name: &str, problem: &str) -> Status {
    complain(
        process,
        format!("error: --{option} needs a valid package name but '{name}' is not: {problem}"),
    )?;
    Ok(2)
}

fn to_errors(process: &mut Process<'_>, text: &str) -> Result<(), Stop> {
    if let Some(errors) = process.call.descriptors.get(2).cloned() {
        let _unusable = process.machine.write(&errors, text.as_bytes())?;
    }
    Ok(())
}

fn show_status(process: &mut Process<'_>, database: &Database, operands: &[String]) -> Status {
    if operands.is_empty() {
        return Err(process.unsupported("--status of all packages"));
    }
    let mut misses = 0;
    for (at, name) in operands.iter().enumerate() {
        match database.find(name) {
            Found::Bad(problem) => return bad_specifier(process, "status", name, &problem),
            Found::Nothing(label) => {
                complain(
                    process,
                    format!("package '{label}' is not installed and no information is available"),
                )?;
                misses += 1;
            }
            Found::Entry(at) => {
                let text = database.get(at).map(|entry| entry.stanza.text().to_vec());
                process.print(text.unwrap_or_default())?;
            }
        }
        if at + 1 < operands.len() {
            process.print("\n")?;
        }
    }
    if misses == 0 {
        return Ok(0);
    }
    to_errors(process, "Use dpkg --info (= dpkg-deb --info) to examine archive files.\n")?;
    Ok(1)
}

/// The entries that patterns select, and the patterns that select none. Without a pattern,
/// all that is installed or was.
fn selected(
    process: &mut Process<'_>,
    database: &Database,
    patterns: &[String],
) -> Result<(Vec<StatusEntry>, Vec<String>), Stop> {
    if patterns.is_empty() {
        let installed = database.entries.iter().filter(|e| e.state != State::NotInstalled);
        return Ok((installed.cloned().collect(), Vec::new()));
    }
    let known = database.with_mentioned(process)?;
    let patterns = patterns.iter().map(|pattern| {
        let (name, architecture) = match pattern.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (pattern.as_str(), None),
        };
        (pattern, name, architecture)
    });
    let (mut chosen, mut missed) = (BTreeSet::new(), Vec::new());
    for (pattern, name, architecture) in patterns {
        let before = chosen.len();
        let mut any = false;
        for (at, entry) in known.iter().enumerate() {
            process.machine.spend(u64::from(at.is_multiple_of(64)))?;
            let is_it = fnmatch::matches(name.as_bytes(), entry.name.as_bytes())
                && architecture.is_none_or(|wanted| {
                    fnmatch::matches(wanted.as_bytes(), entry.architecture.as_bytes())
                });
            if is_it {
                any = true;
                chosen.insert(at);
            }
        }
        if !any && chosen.len() == before {
            missed.push(pattern.clone());
        }
    }
    let found = chosen.into_iter().filter_map(|at| known.get(at).cloned()).collect();
    Ok((found, missed))
}

fn tell_misses(process: &mut Process<'_>, misses: &[String]) -> Status {
    for pattern in misses {
        complain(process, format!("no packages found matching {pattern}"))?;
    }
    Ok(u8::from(!misses.is_empty()))
}

fn show(
    process: &mut Process<'_>,
    database: &Database,
    operands: &[String],
    format: &[u8],
) -> Status {
    let format = match Format::parse(format) {
        Ok(format) => format,
        Err(problem) => {
            complain(process, format!("error in show format: {problem}"))?;
            return Ok(1);
        }
    };
    let (found, misses) = selected(process, database, operands)?;
    for entry in &found {
        process.machine.spend(1)?;
        let text = format.show(process, database, entry)?;
        process.print(text)?;
    }
    tell_misses(process, &misses)
}

fn list(process: &mut Process<'_>, database: &Database, operands: &[String]) -> Status {
    let (found, misses) = selected(process, database, operands)?;
    let rows: Vec<[String; 5]> = found
        .iter()
        .map(|entry| {
            let version = match entry.version() {
                "" => "<none>",
                version => version,
            };
            let architecture = match entry.architecture.as_str() {
                "" => "<none>",
                architecture => architecture,
            };
            [
                StatusWords::of(entry).abbreviation(),
                database.label(entry),
                version.to_owned(),
                architecture.to_owned(),
                synopsis(entry).to_owned(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        print_table(process, &rows)?;
    }
    tell_misses(process, &misses)
}

fn print_table(process: &mut Process<'_>, rows: &[[String; 5]]) -> Result<(), Stop> {
    let titles = ["||/", "Name", "Version", "Architecture", "Description"];
    let width = |column: usize, least: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(least)
    };
    let [name, version, architecture, description] =
        [width(1, 14), width(2, 12), width(3, 12), width(4, 33)];
    let mut out = String::from(
        "Desired=Unknown/Install/Remove/Purge/Hold\n\
         | Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n\
         |/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n",
    );
    let line = |cells: &[&str; 5]| {
        let [state, a, b, c, d] = cells;
        format!("{state} {a:name$} {b:version$} {c:architecture$} {d}\n")
    };
    out += &line(&titles);
    let rules = [name, version, architecture, description].map(|width| "=".repeat(width));
    out += &format!("+++-{}\n", rules.join("-"));
    for row in rows {
        let [state, a, b, c, d] = row;
        out += &line(&[state, a, b, c, d]);
    }
    process.print(out)
}

fn files(process: &mut Process<'_>, database: &Database, operands: &[String]) -> Status {
    let diversions = database.diversions(process)?;
    let mut misses = 0;
    for (at, name) in operands.iter().enumerate() {
        let entry = match database.find(name) {
            Found::Bad(problem) => return bad_specifier(process, "listfiles", name, &problem),
            Found::Nothing(label) => Err(label),
            Found::Entry(at) => match database.get(at) {
                Some(entry) if entry.state != State::NotInstalled => Ok(entry),
                _ => Err(name.clone()),
            },
        };
        match entry {
            Err(label) => {
                complain(process, format!("package '{label}' is not installed"))?;
                misses += 1;
            }
            Ok(entry) => {
                let files = database.files(process, entry)?;
                if files.is_empty() {
                    let label = database.label(entry);
                    process.print(format!("Package '{label}' does not contain any files (!)\n"))?;
                }
                let mut out = Vec::new();
                for file in &files {
                    out.extend_from_slice(file);
                    out.push(b'\n');
                    out.extend(diverted_line(&diversions, file, &entry.name));
                }
                process.print(out)?;
            }
        }
        if at + 1 < operands.len() {
            process.print("\n")?;
        }
    }
    if misses == 0 {
        return Ok(0);
    }
    let advice = "Use dpkg --contents (= dpkg-deb --contents) to list archive files contents.\n";
    to_errors(process, advice)?;
    Ok(1)
}

fn diverted_line(diversions: &Diversions, file: &[u8], package: &str) -> Vec<u8> {
    let Some(by) = diversions.diverter(file) else { return Vec::new() };
    let target = diversions.real(file, "");
    let words = match by {
        None => "locally diverted to: ".to_owned(),
        Some(by) if by == package => "package diverts others to: ".to_owned(),
        Some(by) => format!("diverted by {by} to: "),
    };
    [words.as_bytes(), target, b"\n"].concat()
}

fn search(process: &mut Process<'_>, database: &Database, operands: &[String]) -> Status {
    if operands.is_empty() {
        return Err(process.unsupported("--search without a pattern"));
    }
    let diversions = database.diversions(process)?;
    let mut owned: HashMap<Bytes, Vec<String>> = HashMap::new();
    let mut order: Vec<Bytes> = Vec::new();
    for (from, to) in diversions.pairs() {
        for name in [from, to] {
            let name = Bytes::copy_from_slice(name);
            owned.entry(name.clone()).or_insert_with(|| {
                order.push(name);
                Vec::new()
            });
        }
    }
    for entry in &database.entries {
        process.machine.spend(1)?;
        let label = database.label(entry);
        for file in database.files(process, entry)? {
            let owners = owned.entry(file.clone()).or_insert_with(|| {
                order.push(file);
                Vec::new()
            });
            owners.push(label.clone());
        }
    }
    order.sort_by_key(|name| database.hash_slot(name));
    let mut misses = 0;
    for operand in operands {
        let pattern = match operand.bytes().next() {
            Some(b'*' | b'[' | b'?' | b'/') => operand.clone(),
            _ => format!("*{operand}*"),
        };
        let names: Vec<&Bytes> = match pattern.contains(['*', '[', '?', '\\']) {
            true => order.iter().filter(|n| fnmatch::matches(pattern.as_bytes(), n)).collect(),
            false => {
                let path = without_trailing_slash(&pattern);
                owned.get_key_value(path.as_bytes()).map(|(name, _)| name).into_iter().collect()
            }
        };
        let mut found = 0;
        for name in names {
            process.machine.spend(1)?;
            let owners = owned.get(name).cloned().unwrap_or_default();
            found += print_owners(process, &diversions, name, &owners)?;
        }
        if found == 0 {
            complain(process, format!("no path found matching pattern {pattern}"))?;
            misses += 1;
        }
    }
    Ok(u8::from(misses > 0))
}

fn without_trailing_slash(path: &str) -> &str {
    let mut rest = path;
    while rest.len() > 1 {
        match rest.strip_suffix('/').or_else(|| rest.strip_suffix("/.")) {
            Some("") => return "/",
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    rest
}

fn print_owners(
    process: &mut Process<'_>,
    diversions: &Diversions,
    name: &[u8],
    owners: &[String],
) -> Result<usize, Stop> {
    let mut out = Vec::new();
    let mut found = owners.len();
    let diversion = match diversions.diverted_to(name) {
        Some(from) => Some((from.to_vec(), name.to_vec())),
        None if diversions.diverter(name).is_some() => {
            Some((name.to_vec(), diversions.real(name, "").to_vec()))
        }
        None => None,
    };
    if let Some((from, to)) = diversion {
        let by = match diversions.diverter(&from).flatten() {
            Some(package) => format!("diversion by {package}"),
            None => "local diversion".to_owned(),
        };
        out.extend([by.as_bytes(), b" from: ", &from, b"\n"].concat());
        out.extend([by.as_bytes(), b" to: ", &to, b"\n"].concat());
        found += 1;
    }
    if !owners.is_empty() {
        out.extend([owners.join(", ").as_bytes(), b": ", name, b"\n"].concat());
    }
    process.print(out)?;
    Ok(found)
}

fn control(
    process: &mut Process<'_>,
    database: &Database,
    query: Query,
    operands: &[String],
) -> Status {
    let Some(name) = operands.first() else {
        return Err(process.unsupported("no package"));
    };
    let kind = operands.get(1);
    if kind.is_some_and(|kind| kind.contains(['/', '.'])) {
        return fatal(process, "control file contains /");
    }
    let entry = match database.find(name) {
        Found::Bad(problem) => return bad_specifier(process, "control-path", name, &problem),
        Found::Nothing(label) => Err(label),
        Found::Entry(at) => match database.get(at) {
            Some(entry) if entry.state != State::NotInstalled => Ok(entry),
            _ => Err(name.clone()),
        },
    };
    let entry = match entry {
        Ok(entry) => entry,
        Err(label) => return fatal(process, format!("package '{label}' is not installed")),
    };
    match (query, kind) {
        (Query::ControlPath, Some(kind)) => {
            let path = database.info_file(process, entry, kind)?;
            let found = process.machine.stat(&process.call.directory, &path)?;
            if found.is_ok_and(|found| found.is_file()) && !is_internal(kind) {
                process.print([&path[..], b"\n"].concat())?;
            }
            Ok(0)
        }
        (Query::ControlShow, Some(kind)) => {
            let path = database.info_file(process, entry, kind)?;
            match read_optional(process, &path)? {
                Some(text) => process.print(text).map(|()| 0),
                None => fatal(process, format!("control file '{kind}' does not exist")),
            }
        }
        (Query::ControlShow, None) => Err(process.unsupported("one operand")),
        (_, Some(_)) => Err(process.unsupported("two operands")),
        (_, None) => {
            for (kind, path) in members(process, database, entry)? {
                let line = if query == Query::ControlList { kind.into_bytes() } else { path };
                process.print([&line[..], b"\n"].concat())?;
            }
            Ok(0)
        }
    }
}

fn is_internal(kind: &str) -> bool {
    matches!(kind, "list" | "conffiles")
}

/// The control files of a package that dpkg shows, with their paths.
fn members(
    process: &mut Process<'_>,
    database: &Database,
    entry: &StatusEntry,
) -> Result<Vec<(String, Vec<u8>)>, Stop> {
    let stem = database.info_file(process, entry, "")?;
    let start = stem.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    let (folder, stem) = stem.split_at(start);
    let mut out = Vec::new();
    for name in super::files::names_in(process, folder)? {
        let Some(kind) = name.strip_prefix(stem) else { continue };
        let kind = String::from_utf8_lossy(kind).into_owned();
        if !kind.is_empty() && !kind.contains('.') && !is_internal(&kind) {
            out.push((kind, [folder, &name].concat()));
        }
    }
    Ok(out)
}
