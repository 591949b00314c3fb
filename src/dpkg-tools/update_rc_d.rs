//! `update-rc.d`: links of init scripts in the directories of runlevels, as it makes them
//! without insserv: numbered 01, from the runlevels of the script's LSB header.

use super::files::{exists, is_there, make_directories, names_in, read_optional, remove, unusable};
use imgfix_shell::{Errno, Process, Status, Stop};

const RUNLEVELS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "S"];

/// `update-rc.d [-f] NAME ACTION`.
///
/// # Errors
/// Images with insserv, OpenRC or systemctl for what those would do.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut words: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    words.retain(|word| word != "-f");
    if words.iter().any(|word| word.starts_with('-')) {
        return Err(process.unsupported("this option"));
    }
    let [name, action, rest @ ..] = words.as_slice() else {
        process.complain("error: not enough arguments")?;
        return Ok(1);
    };
    let insserv = exists(process, b"/etc/insserv.conf")?
        && (exists(process, b"/usr/lib/insserv/insserv")? || exists(process, b"/sbin/insserv")?);
    if insserv || exists(process, b"/sbin/openrc")? {
        return Err(process.unsupported("insserv or OpenRC"));
    }
    match action.as_str() {
        "remove" => {
            for link in all_links(process, name)? {
                remove(process, link.as_bytes())?;
            }
            Ok(0)
        }
        "start" | "stop" | "defaults" => make(process, name, 'S'),
        "defaults-disabled" => make(process, name, 'K'),
        "enable" | "disable" => toggle(process, name, action, rest),
        _ => {
            process.complain("error: usage: update-rc.d [-f] <basename> remove")?;
            Ok(1)
        }
    }
}

/// The links of a script in a runlevel's directory.
fn links(process: &mut Process<'_>, name: &str, level: &str) -> Result<Vec<String>, Stop> {
    let folder = format!("/etc/rc{level}.d");
    let names = names_in(process, folder.as_bytes())?;
    let is_link = |file: &[u8]| match file {
        [b'S' | b'K', a, b, rest @ ..] => {
            a.is_ascii_digit() && b.is_ascii_digit() && rest == name.as_bytes()
        }
        _ => false,
    };
    let found = names.iter().filter(|file| is_link(file));
    Ok(found.map(|file| format!("{folder}/{}", String::from_utf8_lossy(file))).collect())
}

fn all_links(process: &mut Process<'_>, name: &str) -> Result<Vec<String>, Stop> {
    let mut all = Vec::new();
    for level in RUNLEVELS {
        all.extend(links(process, name, level)?);
    }
    Ok(all)
}

/// Makes the links of the header's runlevels; a script that has links keeps them.
fn make(process: &mut Process<'_>, name: &str, letter: char) -> Status {
    if !all_links(process, name)?.is_empty() {
        return Ok(0);
    }
    let script = format!("/etc/init.d/{name}");
    let Some((start, stop)) = runlevels(process, &script)? else {
        process.complain(format!("error: unable to read {script}"))?;
        return Ok(1);
    };
    let starting = start.iter().map(|level| (level, letter));
    for (level, letter) in starting.chain(stop.iter().map(|level| (level, 'K'))) {
        let folder = format!("/etc/rc{level}.d");
        make_directories(process, folder.as_bytes(), 0o755)?;
        let link = format!("{folder}/{letter}01{name}");
        let target = format!("../init.d/{name}");
        let directory = process.call.directory.clone();
        let made = process.machine.make_symlink(&directory, link.as_bytes(), target.as_bytes())?;
        match made {
            Ok(()) | Err(Errno::Exists) => {}
            Err(errno) => return Err(unusable(process, link.as_bytes(), errno)),
        }
    }
    Ok(0)
}

/// Runlevels that the header of a script starts and stops it in; `None` when it is missing.
fn runlevels(
    process: &mut Process<'_>,
    script: &str,
) -> Result<Option<(Vec<String>, Vec<String>)>, Stop> {
    let Some(text) = read_optional(process, script.as_bytes())? else { return Ok(None) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let (mut start, mut stop, mut inside) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        if line.trim_end() == "### BEGIN INIT INFO" {
            inside = true;
        } else if line.trim_end() == "### END INIT INFO" {
            break;
        } else if inside {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            if let Some(levels) = line.strip_prefix("# Default-Start:") {
                start = words(levels);
            } else if let Some(levels) = line.strip_prefix("# Default-Stop:") {
                stop = words(levels);
            }
        }
    }
    Ok(Some((start, stop)))
}

fn toggle(process: &mut Process<'_>, name: &str, action: &str, levels: &[String]) -> Status {
    let mut script = None;
    for folder in ["/etc/insserv/overrides", "/etc/init.d", "/usr/share/insserv/overrides"] {
        let path = format!("{folder}/{name}");
        let found = process.machine.stat(&process.call.directory, path.as_bytes())?;
        if script.is_none() && found.is_ok_and(|entry| entry.size() > 0) {
            script = Some(path);
        }
    }
    let Some(script) = script else {
        process.complain(format!("error: cannot find a LSB script for {name}"))?;
        return Ok(1);
    };
    let levels = match levels {
        [] => runlevels(process, &script)?.unwrap_or_default().0,
        given => given.to_vec(),
    };
    if levels.is_empty() {
        process
            .complain(format!("error: {name} Default-Start contains no runlevels, aborting."))?;
        return Ok(1);
    }
    let mut found = Vec::new();
    for level in levels {
        if !matches!(level.as_str(), "S" | "2" | "3" | "4" | "5") {
            process.complain(format!(
                "warning: {action} action will have no effect on runlevel {level}"
            ))?;
            continue;
        }
        found.extend(links(process, name, &level)?);
    }
    if found.is_empty() {
        process.complain("error: no runlevel symlinks to modify, aborting!")?;
        return Ok(1);
    }
    let (from, to) = if action == "disable" { ("/S", "/K") } else { ("/K", "/S") };
    for link in found {
        let Some(at) = link.rfind(from) else { continue };
        let (before, after) = link.split_at(at);
        let new = format!("{before}{to}{}", after.get(2..).unwrap_or_default());
        let directory = process.call.directory.clone();
        let moved = process.machine.rename(&directory, link.as_bytes(), new.as_bytes())?;
        moved.map_err(|errno| unusable(process, link.as_bytes(), errno))?;
    }
    native_unit(process, name, action)
}

/// What goes for the script goes for the unit of that name.
fn native_unit(process: &mut Process<'_>, name: &str, action: &str) -> Status {
    if process.variable("_SKIP_SYSTEMD_NATIVE") == Some(b"1") {
        return Ok(0);
    }
    if is_there(process, b"/bin/systemctl")? || is_there(process, b"/usr/bin/systemctl")? {
        process.run(["systemctl", "--root=/", "--quiet", action, name])?;
        return Ok(0);
    }
    let unit = format!("{name}.service");
    let path = super::unit_file::find(process, super::unit_file::Instance::System, &unit)?;
    if !path.starts_with('/') {
        return Ok(0);
    }
    let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    for line in text.lines().map(str::trim_start) {
        let Some((key, target)) = line.split_once('=') else { continue };
        if !key.eq_ignore_ascii_case("WantedBy") || target.is_empty() {
            continue;
        }
        let folder = format!("/etc/systemd/system/{target}.wants");
        let link = format!("{folder}/{unit}");
        if action == "disable" {
            if exists(process, link.as_bytes())? {
                remove(process, link.as_bytes())?;
            }
            continue;
        }
        make_directories(process, folder.as_bytes(), 0o755)?;
        let directory = process.call.directory.clone();
        let made = process.machine.make_symlink(&directory, link.as_bytes(), path.as_bytes())?;
        match made {
            Ok(()) | Err(Errno::Exists) => {}
            Err(errno) => return Err(unusable(process, link.as_bytes(), errno)),
        }
    }
    Ok(0)
}
