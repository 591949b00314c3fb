//! What apt's hook `dpkg-preconfigure --apt` does before packages are unpacked: their
//! templates are loaded and their `config` scripts run.
//!
//! Facts (apt 2.2 and 2.6, debconf 1.5.77 and 1.5.82, tried out): without `apt-extracttemplates`
//! (package apt-utils; in Debian 13 apt itself) nothing happens but that missing databases are made. A package counts
//! when it has templates, and when the installed debconf is one that it asks for. All templates
//! are loaded before the first script runs. The owner is the package's name, without an
//! architecture; the version given to the script is the one that is installed, or empty. A
//! script that fails is reported and nothing else. From 1.5.78 on the scripts lie in
//! `/var/cache/debconf/tmp.ci`, which stays there, empty; before they lay in `/tmp`.

use bstr::{BString, ByteSlice};

use super::frontend::{open, talk};
use super::session::Session;
use super::templates_file;
use imgfix_dpkg::deb::DebControl;
use imgfix_dpkg::relations::parse_clauses;
use imgfix_dpkg::status::{State, Status};
use imgfix_shell::{Call, Environment, Machine, Stop};
use imgfix_versions::dpkg::Version;

const HOOK: &[u8] = b"/usr/sbin/dpkg-preconfigure";
const APT_CONFIGURATION: &[u8] = b"/etc/apt/apt.conf.d";
const STATUS: &[u8] = b"/var/lib/dpkg/status";
/// Where later versions of debconf put config scripts.
const FOLDER: &[u8] = b"/var/cache/debconf/tmp.ci";

/// Configures packages before they are unpacked, when the image's apt would. `call` gives
/// environment, directory and output; its arguments do not count. `packages` are in the order
/// in which they will be unpacked.
///
/// # Errors
/// A config script cannot be evaluated, or debconf's set-up is not.
pub fn preconfigure(
    machine: &mut Machine,
    call: &Call,
    packages: &[&DebControl],
) -> Result<(), Stop> {
    if packages.is_empty() || !is_hooked(machine, call)? {
        return Ok(());
    }
    let mut session = open(machine, call)?;
    if !has_extracttemplates(machine, call)? {
        return Ok(());
    }
    let folder = folder(machine, call)?;
    let installed = installed_versions(machine, call)?;
    let mut chosen = Vec::new();
    for &package in packages {
        if package.member("templates").is_some() && debconf_suffices(package, &installed) {
            chosen.push(package);
        }
    }
    for package in &chosen {
        let Some(text) = package.member("templates") else { continue };
        let name = package.name();
        let templates = templates_file::parse(text, &format!("{name}'s templates"))?;
        session.databases.load_templates(templates, name.as_bytes().as_bstr())?;
    }
    for package in chosen {
        let version = installed.get(package.name().as_bytes().as_bstr());
        session = configure(machine, call, session, package, version.cloned(), &folder)?;
    }
    session.databases.save(machine, call)
}

/// Whether debconf finds apt's program that takes control files out of packages: in `PATH`, and
/// from 1.5.88 on where apt itself has it.
fn has_extracttemplates(machine: &mut Machine, call: &Call) -> Result<bool, Stop> {
    const OF_APT: &[u8] = b"/usr/lib/apt/apt-extracttemplates";
    let program = machine.read_file(&call.directory, HOOK)?.unwrap_or_default();
    if program.contains_str(OF_APT) && machine.is_program(&call.directory, OF_APT)? {
        return Ok(true);
    }
    Ok(machine.which(call, b"apt-extracttemplates")?.is_some())
}

/// Whether apt calls the hook and debconf has it.
fn is_hooked(machine: &mut Machine, call: &Call) -> Result<bool, Stop> {
    if !machine.is_program(&call.directory, HOOK)? {
        return Ok(false);
    }
    let Ok(names) = machine.read_dir(&call.directory, APT_CONFIGURATION)? else { return Ok(false) };
    for name in names {
        let file = [APT_CONFIGURATION, b"/", &name].concat();
        let Ok(text) = machine.read_file(&call.directory, &file)? else { continue };
        let mut lines = text.lines().map(ByteSlice::trim_start);
        if lines.any(|line| {
            !line.starts_with(b"//") && !line.starts_with(b"#") && line.contains_str(HOOK)
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The folder for config scripts, made or emptied as debconf does it.
fn folder(machine: &mut Machine, call: &Call) -> Result<BString, Stop> {
    let program = machine.read_file(&call.directory, HOOK)?.unwrap_or_default();
    if !program.contains_str(FOLDER) {
        return Ok("/tmp".into());
    }
    let made = machine.make_dir(&call.directory, FOLDER, 0o777 & !call.umask)?;
    if made.is_err() {
        for name in machine.read_dir(&call.directory, FOLDER)?.unwrap_or_default() {
            let path = [FOLDER, b"/", &name].concat();
            if machine.unlink(&call.directory, &path)?.is_err() {
                return Err(Stop::new(format!("what lies in {}", path.as_bstr())));
            }
        }
    }
    Ok(FOLDER.into())
}

/// Installed versions by package name.
fn installed_versions(machine: &mut Machine, call: &Call) -> Result<Environment, Stop> {
    let text = machine.read_file(&call.directory, STATUS)?;
    let text = text.map_err(|why| Stop::new(format!("the dpkg status file: {why}")))?;
    let status = Status::parse(text).map_err(|why| Stop::new(format!("{why}")))?;
    let installed = status.entries.iter().filter(|entry| entry.state == State::Installed);
    Ok(installed.map(|entry| (entry.name.clone().into(), entry.version().into())).collect())
}

/// Whether the installed debconf is one that the package asks for.
fn debconf_suffices(package: &DebControl, installed: &Environment) -> bool {
    let debconf = installed.get(b"debconf".as_bstr()).and_then(|version| version.to_str().ok());
    let Some(debconf) = debconf.and_then(|version| Version::parse(version).ok()) else {
        return false;
    };
    ["Depends", "Pre-Depends"].into_iter().all(|field| {
        let clauses = parse_clauses(package.stanza.get(field).unwrap_or_default());
        let relations = clauses.into_iter().flatten().flat_map(|clause| clause.0);
        relations.filter(|relation| relation.name == "debconf").all(|r| r.admits(&debconf))
    })
}

/// Runs a package's config script.
fn configure(
    machine: &mut Machine,
    call: &Call,
    mut session: Session,
    package: &DebControl,
    version: Option<BString>,
    folder: &BString,
) -> Result<Session, Stop> {
    let name = package.name();
    let Some(config) = package.member("config").filter(|config| !config.is_empty()) else {
        return Ok(session);
    };
    let script = BString::from(format!("{folder}/{name}.config.{}", machine.fresh_number()));
    let failed = |why| Stop::new(format!("the config script {script} cannot be written: {why}"));
    machine.write_file(&call.directory, &script, config.clone(), 0o755)?.map_err(failed)?;
    session.start(name.as_bytes().as_bstr(), format!("Configuring {name}").into());
    let words = vec![script.clone(), "configure".into(), version.unwrap_or_default()];
    let (status, session) = talk(machine, call, session, words)?;
    if status > 0
        && let Some(error) = call.descriptors.get(2)
    {
        let text = format!("{name} failed to preconfigure, with exit status {status}\n");
        let _unusable = machine.write(error, text.as_bytes())?;
    }
    let _gone = machine.unlink(&call.directory, &script)?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::*;
    use imgfix_dpkg::control::parse_stanzas;
    use imgfix_dpkg::deb::ControlMember;
    use imgfix_model::path::ImagePath;
    use imgfix_repair::archive::Owner;
    use imgfix_shell::{Descriptors, Process, Status, Stream};
    use imgfix_tools::testing::Image;
    use imgfix_vfs::Entry;

    fn package(control: &str) -> DebControl {
        let owner = Owner { name: None, id: 0 };
        let member = |text: &'static str| ControlMember {
            content: Bytes::from(text),
            mode: 0o755,
            user: owner.clone(),
            group: owner.clone(),
            mtime: 0,
        };
        let templates = "Template: p/a\nType: string\nDefault: x\nDescription: A\n";
        DebControl {
            stanza: parse_stanzas(control.to_owned()).unwrap().remove(0),
            members: BTreeMap::from([
                ("templates".to_owned(), member(templates)),
                ("config".to_owned(), member("#!/bin/sh\n")),
            ]),
            conffiles: Vec::new(),
        }
    }

    /// Stands for the config script.
    fn config(process: &mut Process<'_>) -> Status {
        let arguments = bstr::join(" ", process.arguments());
        process.print([b"SET p/a ", &arguments[..], b"\n"].concat())?;
        Ok(0)
    }

    fn run(paths: &[&str], control: &str) -> Option<String> {
        let configuration = format!("/etc/debconf.conf={}", super::super::configuration::USUAL);
        let mut all = vec![
            configuration.as_str(),
            "/var/cache/debconf/",
            "/tmp/",
            "/var/lib/dpkg/status=Package: debconf\nStatus: install ok installed\nVersion: 1.5.77\n\n\
             Package: p\nStatus: install ok installed\nVersion: 0.9\n",
        ];
        all.extend(paths);
        let mut image = Image::with(&all, &[("/tmp/p.config.1", config)]);
        for program in ["/usr/sbin/dpkg-preconfigure", "/usr/bin/apt-extracttemplates"] {
            if paths.contains(&program) {
                let path = ImagePath::new(program).unwrap();
                image.machine.overlay.set(path, Entry::file("", 0o755, 1)).unwrap();
            }
        }
        let variables = [("PATH", "/usr/bin"), ("DEBIAN_FRONTEND", "noninteractive")];
        let call = Call {
            argv: Vec::new(),
            environment: variables.map(|(name, value)| (name.into(), value.into())).into(),
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(Stream::null(), Stream::null(), Stream::null()),
        };
        preconfigure(&mut image.machine, &call, &[&package(control)]).unwrap();
        let written = image.exists("/var/cache/debconf/config.dat");
        written.then(|| image.text("/var/cache/debconf/config.dat"))
    }

    const HOOKED: &str = "/etc/apt/apt.conf.d/70debconf=DPkg::Pre-Install-Pkgs {\"/usr/sbin/dpkg-preconfigure --apt\";};";
    const PROGRAMS: [&str; 2] = ["/usr/sbin/dpkg-preconfigure", "/usr/bin/apt-extracttemplates"];

    #[test]
    fn templates_are_loaded_and_the_config_script_gets_the_installed_version() {
        let control = "Package: p\nVersion: 1\nDepends: debconf (>= 0.5) | debconf-2.0\n";
        let text = run(&[HOOKED, PROGRAMS[0], PROGRAMS[1]], control).unwrap();
        let want = "Name: p/a\nTemplate: p/a\nValue: configure 0.9\nOwners: p\n\n";
        assert_eq!(text, want);
    }

    #[test]
    fn nothing_is_configured_without_hook_program_or_a_debconf_that_suffices() {
        let control = "Package: p\nVersion: 1\n";
        assert_eq!(run(&[PROGRAMS[0], PROGRAMS[1]], control), None);
        assert_eq!(run(&[HOOKED, PROGRAMS[1]], control), None);
        assert_eq!(run(&[HOOKED, PROGRAMS[0]], control).as_deref(), Some(""));
        let needs_more = "Package: p\nVersion: 1\nDepends: debconf (>= 1.6)\n";
        let all = [HOOKED, PROGRAMS[0], PROGRAMS[1]];
        assert_eq!(run(&all, needs_more).as_deref(), Some(""));
    }
}
