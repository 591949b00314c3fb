//! `/usr/share/debconf/frontend`: runs a script with debconf at its standard input and output.
//!
//! The script's templates are loaded first; before a preinst or postinst its `config` script
//! runs, with debconf too. What a failed config script had set is forgotten.

use std::cell::RefCell;
use std::rc::Rc;

use bstr::{BStr, BString, ByteSlice as _};

use super::configuration::Configuration;
use super::databases::Databases;
use super::session::Session;
use super::templates_file;
use imgfix_shell::{Call, Machine, Process, Status, Stop, Stream};

/// Where dpkg puts the control files of a package that is being unpacked.
const UNPACKED_CONTROL: &[u8] = b"/var/lib/dpkg/tmp.ci/control";

/// Runs a script.
///
/// # Errors
/// debconf is set up in a way that is not evaluated, or the script cannot be.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut arguments = process.arguments().to_vec();
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    let Some(script) = arguments.first().cloned() else {
        return Err(process.unsupported("no script"));
    };
    let call = process.call.clone();
    let machine = &mut *process.machine;
    let mut session = open(machine, &call)?;
    let owner = owner_of(machine, &call, &mut session, &arguments)?;
    let title = title_of(&owner, &arguments);
    if let Some((base, kind)) = split_script(&script) {
        let templates = [base, b"templates"].concat();
        load_templates(machine, &call, &mut session, &templates, owner.as_bstr())?;
        let config = BString::from([base, b"config"].concat());
        let configured = matches!(kind, b"postinst" | b"preinst");
        if configured && machine.stat(&call.directory, &config)?.is_ok() {
            let version = arguments.get(2).cloned().unwrap_or_default();
            let words = vec![config, "configure".into(), version];
            session.start(owner.as_bstr(), title.clone());
            let status;
            (status, session) = talk(machine, &call, session, words)?;
            if status > 0 {
                return Ok(status);
            }
        }
    }
    session.start(owner.as_bstr(), title);
    let (status, session) = talk(machine, &call, session, arguments)?;
    session.databases.save(machine, &call)?;
    Ok(status)
}

/// Opens debconf's databases for a call.
///
/// # Errors
/// debconf is set up in a way that is not evaluated.
pub fn open(machine: &mut Machine, call: &Call) -> Result<Session, Stop> {
    let variable = |name: &str| call.environment.get(name.as_bytes().as_bstr());
    for unusual in [
        "DEBCONF_SYSTEMRC",
        "DEBCONF_DB_REPLACE",
        "DEBCONF_DB_OVERRIDE",
        "DEBCONF_DB_FALLBACK",
        "DEBCONF_USE_CDEBCONF",
        "DEBCONF_C_VALUES",
        "DPKG_ROOT",
    ] {
        if variable(unusual).is_some_and(|value| !value.is_empty()) {
            return Err(Stop::new(format!("debconf with the variable {unusual}")));
        }
    }
    if variable("DEBIAN_HAS_FRONTEND").is_some_and(|value| !value.is_empty()) {
        return Err(Stop::new("debconf inside of debconf, whose databases are locked"));
    }
    let configuration = configuration(machine, call)?;
    let databases = Databases::load(machine, call, &configuration)?;
    let value = databases.value("debconf/frontend".into()).filter(|value| !value.is_empty());
    let frontend = variable("DEBIAN_FRONTEND").map(|name| &name[..]);
    let frontend = frontend.or_else(|| configuration.setting("frontend"));
    let frontend = frontend.map(BString::from).or(value).unwrap_or_else(|| "dialog".into());
    if !frontend.eq_ignore_ascii_case(b"noninteractive") {
        return Err(Stop::new(format!("debconf with the frontend {frontend}")));
    }
    Ok(Session::new(databases, configuration, call.clone()))
}

/// Finds and reads debconf.conf.
pub(super) fn configuration(machine: &mut Machine, call: &Call) -> Result<Configuration, Stop> {
    for file in ["/root/.debconfrc", "/etc/debconf.conf", "/usr/share/debconf/debconf.conf"] {
        if let Ok(text) = machine.read_file(&call.directory, file.as_bytes())? {
            return Configuration::parse(&text, &call.environment);
        }
    }
    Err(Stop::new("debconf without its /etc/debconf.conf"))
}

/// Runs a script in conversation with debconf.
///
/// # Errors
/// The script cannot be evaluated.
pub(super) fn talk(
    machine: &mut Machine,
    call: &Call,
    session: Session,
    argv: Vec<BString>,
) -> Result<(u8, Session), Stop> {
    let session = Rc::new(RefCell::new(session));
    let stream = Stream::coprocess(Rc::<RefCell<Session>>::clone(&session));
    let mut call = Call { argv, ..call.clone() };
    call.environment.insert("DEBIAN_HAS_FRONTEND".into(), "1".into());
    call.descriptors.set(0, stream.clone());
    call.descriptors.set(1, stream.clone());
    let status = machine.execute(call)?;
    drop(stream);
    let session = Rc::try_unwrap(session);
    let mut session =
        session.map_err(|_| Stop::new("a script keeps debconf open after its end"))?.into_inner();
    session.finish();
    Ok((status, session))
}

/// Takes in a templates file, when there is one.
pub(super) fn load_templates(
    machine: &mut Machine,
    call: &Call,
    session: &mut Session,
    file: &[u8],
    owner: &BStr,
) -> Result<bool, Stop> {
    let Ok(text) = machine.read_file(&call.directory, file)? else { return Ok(false) };
    let templates = templates_file::parse(&text, &file.to_str_lossy())?;
    session.databases.load_templates(templates, owner)?;
    Ok(true)
}

/// Whose questions a script asks: its package by the script's name (with the architecture,
/// where dpkg names it so) or by the package that is being unpacked; empty for none.
fn owner_of(
    machine: &mut Machine,
    call: &Call,
    session: &mut Session,
    arguments: &[BString],
) -> Result<BString, Stop> {
    let given = call.environment.get(b"DEBCONF_PACKAGE".as_bstr());
    if let Some(package) = given.filter(|package| !package.is_empty()) {
        return Ok(package.clone());
    }
    let script = arguments.first().map(|script| &script[..]).unwrap_or_default();
    if let Some(package) = package_of_script(script) {
        return Ok(package.into());
    }
    if let Ok(control) = machine.read_file(&call.directory, UNPACKED_CONTROL)? {
        let line = control.split_str("\n").find_map(|line| line.strip_prefix(b"Package: "));
        return Ok(line.unwrap_or_default().into());
    }
    let base = script.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let mut candidates = vec![[script, b".templates"].concat()];
    if let Some(stem) = script.strip_suffix(b"config") {
        candidates.push([stem, b"templates"].concat());
    }
    candidates.push([b"/usr/share/debconf/templates/", base, b".templates"].concat());
    for file in candidates {
        if load_templates(machine, call, session, &file, "".into())? {
            break;
        }
    }
    Ok(BString::default())
}

fn package_of_script(script: &[u8]) -> Option<&[u8]> {
    let at = script.rfind_byte(b'/')?;
    let base = script.get(at + 1..)?;
    [&b".postinst"[..], b".postrm", b".prerm"].iter().find_map(|kind| base.strip_suffix(*kind))
}

fn title_of(owner: &BString, arguments: &[BString]) -> BString {
    let triggered = arguments.get(1).is_some_and(|action| action == "triggered");
    match owner.is_empty() || triggered {
        true => BString::default(),
        false => format!("Configuring {owner}").into(),
    }
}

/// A maintainer script's name, split before its kind.
fn split_script(script: &[u8]) -> Option<(&[u8], &[u8])> {
    [&b"preinst"[..], b"postinst", b"prerm", b"postrm"].iter().find_map(|kind| {
        let base = script.strip_suffix(*kind)?;
        base.last().is_some_and(|last| b"./".contains(last)).then_some((base, *kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_known_by_their_names() {
        for (script, package, base) in [
            ("/var/lib/dpkg/info/libc6:amd64.postinst", Some("libc6:amd64"), true),
            ("/var/lib/dpkg/info/tzdata.prerm", Some("tzdata"), true),
            ("/var/lib/dpkg/tmp.ci/preinst", None, true),
            ("/usr/sbin/pam-auth-update", None, false),
        ] {
            let found = package_of_script(script.as_bytes());
            assert_eq!(found, package.map(str::as_bytes), "{script}");
            assert_eq!(split_script(script.as_bytes()).is_some(), base, "{script}");
        }
    }
}
