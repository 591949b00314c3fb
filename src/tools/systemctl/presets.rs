//! Presets: which units a distribution wants enabled (`systemd.preset(5)`), for one unit and for all.

use imgfix_shell::fnmatch;
use imgfix_shell::{Process, Status, Stop};

use super::super::files::{names_in, read_optional};
use super::super::unit_file::Instance;
use super::{Request, SUFFIXES, disable, enable, file_of, folders, install_section};

/// What the presets say of a unit; units they do not name are enabled.
pub fn preset_enables(
    process: &mut Process<'_>,
    instance: Instance,
    unit: &str,
) -> Result<bool, Stop> {
    let word = instance.word();
    let mut files = std::collections::BTreeMap::new();
    for folder in [
        format!("/usr/lib/systemd/{word}-preset"),
        format!("/lib/systemd/{word}-preset"),
        format!("/usr/local/lib/systemd/{word}-preset"),
        format!("/run/systemd/{word}-preset"),
        format!("/etc/systemd/{word}-preset"),
    ] {
        for name in names_in(process, folder.as_bytes())? {
            if name.ends_with(b".preset") {
                let path = [folder.as_bytes(), b"/", &name].concat();
                files.insert(name, path);
            }
        }
    }
    for path in files.values() {
        let text = read_optional(process, path)?.unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(verb), Some(pattern)) = (words.next(), words.next()) else { continue };
            if matches!(verb, "enable" | "disable")
                && fnmatch::matches(pattern.as_bytes(), unit.as_bytes())
            {
                return Ok(verb == "enable");
            }
        }
    }
    Ok(true)
}

/// Applies the presets to all units: those that are not wanted first, then the others.
pub fn preset_all(process: &mut Process<'_>, request: &Request) -> Status {
    let mut names = std::collections::BTreeSet::new();
    for folder in folders(request.units_of) {
        for name in names_in(process, folder.as_bytes())? {
            let Ok(name) = String::from_utf8(name) else { continue };
            if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
                names.insert(name);
            }
        }
    }
    let mut wanted = Vec::new();
    for name in names {
        let Some(path) = file_of(process, request.units_of, &name)? else { continue };
        let Ok(real) = process.follow(path.as_bytes())? else { continue };
        let entry = process.machine.stat(&process.call.directory, real.as_bytes())?;
        // Masked units, and other names of units, are nobody's to enable.
        if real.file_name() != name.as_bytes() || !entry.is_ok_and(|entry| entry.is_file()) {
            continue;
        }
        match preset_enables(process, request.units_of.instance, &name)? {
            true => wanted.push((name, path)),
            false if request.enable_only => {}
            false => disable(process, request, &name)?,
        }
    }
    let mut status = 0;
    for (name, path) in wanted {
        let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
        let settings = install_section(&String::from_utf8_lossy(&text)).unwrap_or_default();
        let has_instance = settings.iter().any(|(key, _)| key == "DefaultInstance");
        if !settings.is_empty() && (!name.contains("@.") || has_instance) {
            status |= enable(process, request, &name)?;
        }
    }
    Ok(status)
}
