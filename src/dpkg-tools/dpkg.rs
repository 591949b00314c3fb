//! `dpkg`, as scripts call it: questions. What would change packages is a stop.

use md5::{Digest as _, Md5};

use super::command_line::CommandLine;
use super::compare_versions;
use super::database::{AdminDir, Database, Found, bad_package_name};
use super::dpkg_query::{self, Query};
use super::files::{fatal, read_optional};
use imgfix_dpkg::conffiles::parse_conffiles;
use imgfix_dpkg::status::{State, StatusEntry};
use imgfix_shell::{Process, Status, Stop};
use imgfix_versions::dpkg::Version;

/// Features that `--assert-FEATURE` asks for, and the version that has them.
const FEATURES: &[(&str, &str, &str)] = &[
    ("support-predepends", "1.1.0", "the Pre-Depends field"),
    ("working-epoch", "1.4.0.7", "epochs in versions"),
    ("long-filenames", "1.4.1.17", "long filenames in .deb archives"),
    ("multi-conrep", "1.4.1.19", "multiple Conflicts and Replaces"),
    ("multi-arch", "1.16.2", "multi-arch fields and semantics"),
    ("versioned-provides", "1.17.11", "versioned relationships in the Provides field"),
    ("protected-field", "1.20.1", "the Protected field"),
];

/// `dpkg`.
///
/// # Errors
/// A form that is not evaluated: everything that would change packages.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["admindir", "f", "showformat"])?;
    let mut admindir = AdminDir::of(process)?;
    let mut action = None;
    let mut format = b"${binary:Package}\t${Version}\n".to_vec();
    for option in &line.options {
        let value = option.value.clone().unwrap_or_default();
        match option.name.as_str() {
            "admindir" => admindir = AdminDir::named(value.to_vec()),
            "f" | "showformat" => format = value.to_vec(),
            "no-pager" | "robot" => {}
            _ if action.is_none() => action = Some(option.name.clone()),
            _ => {
                let action = action.unwrap_or_default();
                return Err(process.unsupported(format!("option {action}")));
            }
        }
    }
    let operands = line.texts();
    let action = action.unwrap_or_default();
    match action.as_str() {
        "compare-versions" => compare_versions::run(process, &operands),
        "print-architecture" => {
            let architecture = process.machine.settings.architecture.clone();
            process.print(architecture + "\n")?;
            Ok(0)
        }
        "print-foreign-architectures" => foreign_architectures(process, &admindir),
        "version" => {
            let program = "'dpkg' package management program";
            dpkg_query::show_version(process, admindir, program)
        }
        "V" | "verify" => verify(process, admindir, &operands),
        "c" | "control-list" | "control-show" => {
            Err(process.unsupported(format!("option {action}")))
        }
        name if name.starts_with("assert-") => assert_feature(process, admindir, name),
        name if name.starts_with("validate-") => validate(process, name, &operands),
        name => match Query::of(name) {
            Some(query) => {
                let database = Database::load(process, admindir)?;
                dpkg_query::answer(process, &database, query, &operands, &format)
            }
            None => Err(process.unsupported(format!("option {name}"))),
        },
    }
}

fn foreign_architectures(process: &mut Process<'_>, admindir: &AdminDir) -> Status {
    let text = read_optional(process, &admindir.file("arch"))?.unwrap_or_default();
    let native = process.machine.settings.architecture.clone();
    let text = String::from_utf8_lossy(&text).into_owned();
    for name in text.lines().filter(|name| !name.is_empty() && *name != native) {
        process.print(format!("{name}\n"))?;
    }
    Ok(0)
}

fn assert_feature(process: &mut Process<'_>, admindir: AdminDir, option: &str) -> Status {
    let name = option.strip_prefix("assert-").unwrap_or_default();
    let Some((_, since, words)) = FEATURES.iter().find(|(feature, ..)| *feature == name) else {
        return Err(process.unsupported(format!("option {option}")));
    };
    let running = process.variable("DPKG_RUNNING_VERSION").unwrap_or_default();
    let running = String::from_utf8_lossy(running).into_owned();
    // Before 1.21.0 the recorded version counted, and that has all features since 1.20.1.
    if running.is_empty() || Database::load(process, admindir)?.dpkg_is_before("1.21.0") {
        return Ok(0);
    }
    match (Version::parse_recorded(&running), Version::parse(since)) {
        (Ok(running), Ok(since)) if running >= since => Ok(0),
        (Ok(_), _) => {
            process.print(format!(
                "Running version of dpkg does not support {words}.\n \
                 Please upgrade to at least dpkg {since}, and then try again.\n"
            ))?;
            Ok(1)
        }
        (Err(_), _) => fatal(process, format!("cannot parse dpkg running version '{running}'")),
    }
}

fn validate(process: &mut Process<'_>, option: &str, operands: &[String]) -> Status {
    let [text] = operands else {
        return Err(process.unsupported(format!("{option} with no operand, or several")));
    };
    match option {
        "validate-pkgname" => match bad_package_name(text) {
            None => Ok(0),
            Some(problem) => fatal(process, format!("package name '{text}' is invalid: {problem}")),
        },
        "validate-trigname" => match text.bytes().all(|b| b.is_ascii_graphic()) {
            true if !text.is_empty() => Ok(0),
            _ => fatal(process, format!("trigger name '{text}' is invalid")),
        },
        "validate-archname" => {
            let first = text.starts_with(|c: char| c.is_ascii_alphanumeric());
            match first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                true => Ok(0),
                false => fatal(process, format!("architecture name '{text}' is invalid")),
            }
        }
        "validate-version" => match Version::parse(text) {
            Ok(version) if version.upstream().starts_with(|c: char| c.is_ascii_digit()) => Ok(0),
            _ => {
                process.complain(format!("error: version '{text}' has bad syntax"))?;
                Ok(1)
            }
        },
        _ => Err(process.unsupported(format!("option {option}"))),
    }
}

fn verify(process: &mut Process<'_>, admindir: AdminDir, operands: &[String]) -> Status {
    let database = Database::load(process, admindir)?;
    if operands.is_empty() {
        return Err(process.unsupported("--verify of all packages"));
    }
    let mut status = 0;
    for name in operands {
        match database.find(name) {
            Found::Bad(problem) => {
                return fatal(
                    process,
                    format!("--verify needs a valid package name but '{name}' is not: {problem}"),
                );
            }
            Found::Entry(at) => {
                let entry = database.get(at).filter(|entry| entry.state != State::NotInstalled);
                if let Some(entry) = entry {
                    verify_package(process, &database, entry)?;
                    continue;
                }
                process.complain(format!("package '{name}' is not installed"))?;
                status = 1;
            }
            Found::Nothing(label) => {
                process.complain(format!("package '{label}' is not installed"))?;
                status = 1;
            }
        }
    }
    Ok(status)
}

fn verify_package(
    process: &mut Process<'_>,
    database: &Database,
    entry: &StatusEntry,
) -> Result<(), Stop> {
    // Before 1.21.0 nothing was told apart but whether the content is the recorded one.
    let old = database.dpkg_is_before("1.21.0");
    let diversions = database.diversions(process)?;
    let sums_path = database.info_file(process, entry, "md5sums")?;
    let sums = read_optional(process, &sums_path)?.unwrap_or_default();
    let conffiles = entry.stanza.get_bytes("Conffiles").unwrap_or_default();
    let conffiles = parse_conffiles(conffiles)
        .map_err(|error| process.unsupported(format!("conffiles of {}: {error}", entry.name)))?;
    for file in database.files(process, entry)? {
        process.machine.spend(1)?;
        let conffile = conffiles.iter().find(|record| record.path == file[..]);
        let recorded = sums.split(|&b| b == b'\n').find_map(|line| {
            let (sum, name) = line.split_at_checked(34)?;
            (file.get(1..) == Some(name)).then(|| sum.get(..32).unwrap_or_default().to_vec())
        });
        let recorded = recorded.or_else(|| conffile.map(|record| record.hash.clone().into_bytes()));
        let real = diversions.real(&file, &entry.name).to_vec();
        let mark = if conffile.is_some() { 'c' } else { ' ' };
        let there = process.machine.lstat(&process.call.directory, &real)?;
        let found = match (there, recorded) {
            (Err(_), Some(_)) if old => Some("??5??????".to_owned()),
            (Err(_), None) if old => None,
            (Err(_), _) => Some("missing  ".to_owned()),
            (Ok(_), None) => None,
            (Ok(entry), Some(sum)) => {
                let mode = if entry.is_file() { '?' } else { 'M' };
                let content = read_optional(process, &real)?
                    .map(|content| format!("{:x}", Md5::digest(&content)).into_bytes());
                let md5 = match content {
                    None => '?',
                    Some(found) if found == sum => '.',
                    Some(_) => '5',
                };
                match (mode == 'M' || md5 != '.', old) {
                    (false, _) => None,
                    (true, false) => Some(format!("?{mode}{md5}??????")),
                    (true, true) if md5 == '.' => None,
                    (true, true) => Some("??5??????".to_owned()),
                }
            }
        };
        if let Some(result) = found {
            let name = String::from_utf8_lossy(&real).into_owned();
            process.print(format!("{result} {mark} {name}\n"))?;
        }
    }
    Ok(())
}
