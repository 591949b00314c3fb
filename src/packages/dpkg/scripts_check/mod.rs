//! Whether a package can be upgraded without running its maintainer scripts and triggers.
//!
//! In come the image, the installed version and the new one; out comes either that nothing of
//! what dpkg would run changes the image, or the [`Reason`] with script, line and command. A
//! script is not recognised but evaluated, with the arguments of an upgrade ([`evaluate`]):
//! what debhelper generates for services, and everything that is for removal or purging, is
//! seen to do nothing, and anything not known to do nothing stops the package. Scripts and
//! arguments: Debian policy 6.5; triggers: `deb-triggers(5)`.

mod evaluate;
mod helper;
mod ldconfig;
mod syntax;
mod triggers;

use super::deb::DebControl;
use super::status::{State, StatusEntry};
use crate::plan::Reason;
use crate::rootfs::{FileSystem, ImagePath};
use evaluate::{Call, Stop, evaluate};
pub use triggers::check_triggers;

/// Checks all scripts that dpkg would run to bring a package from what the image has to the
/// new version. `old` is its entry in the status file, if it has one.
///
/// # Errors
/// [`Reason::NeedsScripts`] with the first command that has, or may have, an effect.
pub fn check_scripts(
    fs: &dyn FileSystem,
    old: Option<&StatusEntry>,
    new: &DebControl,
) -> Result<(), Reason> {
    let installed = old.filter(|entry| entry.state == State::Installed);
    let former = old
        .filter(|entry| matches!(entry.state, State::Installed | State::ConfigFiles))
        .map_or("", StatusEntry::version)
        .to_owned();
    let version = new.version().to_owned();
    if let Some(config) = new.member("config") {
        let line = config.split(|&b| b == b'\n').position(|line| !line.starts_with(b"#"));
        return Err(Reason::NeedsScripts {
            package: new.name().to_owned(),
            script: "config".into(),
            line: line.and_then(|line| u32::try_from(line + 1).ok()),
            detail: "the package asks questions through debconf".into(),
        });
    }
    if let Some(entry) = installed {
        for script in ["prerm", "postrm"] {
            if let Some(text) = installed_script(fs, entry, script, new.name())? {
                check(fs, new.name(), script, &text, vec!["upgrade".into(), version.clone()])?;
            }
        }
    }
    let preinst = match (installed, former.is_empty()) {
        (Some(_), _) => vec!["upgrade".to_owned(), former.clone(), version],
        (None, true) => vec!["install".to_owned()],
        (None, false) => vec!["install".to_owned(), former.clone(), version],
    };
    for (script, arguments) in
        [("preinst", preinst), ("postinst", vec!["configure".to_owned(), former])]
    {
        if let Some(text) = new.member(script) {
            check(fs, new.name(), script, text, arguments)?;
        }
    }
    Ok(())
}

/// The text of a script of the installed version.
fn installed_script(
    fs: &dyn FileSystem,
    entry: &StatusEntry,
    script: &'static str,
    package: &str,
) -> Result<Option<bytes::Bytes>, Reason> {
    let stems = [format!("{}:{}", entry.name, entry.architecture), entry.name.clone()];
    let names = if entry.multi_arch_same { &stems[..] } else { &stems[1..] };
    for stem in names {
        let Ok(path) = ImagePath::new(format!("/var/lib/dpkg/info/{stem}.{script}")) else {
            continue;
        };
        if fs.stat(&path).is_some() {
            let text = fs.read(&path).map_err(|error| Reason::NeedsScripts {
                package: package.to_owned(),
                script: script.to_owned(),
                line: None,
                detail: error.to_string(),
            })?;
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn check(
    fs: &dyn FileSystem,
    package: &str,
    script: &'static str,
    text: &[u8],
    arguments: Vec<String>,
) -> Result<(), Reason> {
    check_text(fs, package, script, text, arguments).map_err(|stop| Reason::NeedsScripts {
        package: package.to_owned(),
        script: script.to_owned(),
        line: (stop.line > 0).then_some(stop.line),
        detail: stop.detail,
    })
}

fn check_text(
    fs: &dyn FileSystem,
    package: &str,
    script: &'static str,
    text: &[u8],
    arguments: Vec<String>,
) -> Result<(), Stop> {
    let first = text.split(|&b| b == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let interpreter = first.strip_prefix("#!").unwrap_or_default().trim();
    let program = interpreter.split_ascii_whitespace().next().unwrap_or_default();
    if !["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/sh", "/usr/bin/bash"].contains(&program) {
        let detail = format!("written for {program:?}, only shell scripts are evaluated");
        return Err(Stop { line: 1, detail });
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| Stop { line: 1, detail: "the script is not UTF-8".into() })?;
    let nodes = syntax::parse(text)?;
    evaluate(&nodes, &Call { script, package, arguments }, fs)
}

#[cfg(test)]
mod tests;
