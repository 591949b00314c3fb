//! What apt does before it calls dpkg: debconf's questions of all packages are asked
//! (`dpkg-preconfigure`), in the virtual shell.

use imgfix_dpkg::deb::DebControl;
use imgfix_dpkg::install::{InstallError, NewPackage, ScriptCall};
use imgfix_dpkg_tools::debconf::preconfigure::preconfigure;
use imgfix_repair::edge::ScriptsMode;
use imgfix_repair::scripts::Scripts;
use imgfix_repair::virtual_runner::{VirtualRunner, program};
use imgfix_shell::{Machine, Stop};
use imgfix_vfs::Overlay;

/// Asks the questions of packages that are to be installed, as the user wants scripts to be run.
/// Where there is a sandbox, questions that cannot be asked now are asked by the scripts
/// themselves, as when apt has no `dpkg-preconfigure`.
///
/// # Errors
/// A `config` script that cannot be evaluated; the overlay may then have part of its effects.
pub fn ask(
    overlay: &mut Overlay,
    packages: &[NewPackage],
    scripts: &Scripts,
) -> Result<(), InstallError> {
    let controls: Vec<&DebControl> = packages.iter().map(|new| &new.package.control).collect();
    match scripts.mode {
        ScriptsMode::Never => Ok(()),
        ScriptsMode::Virtual => ask_virtually(overlay, &controls, scripts.evaluator()),
        ScriptsMode::Sandbox => {
            let before = overlay.clone();
            match ask_virtually(overlay, &controls, scripts.evaluator()) {
                Err(error @ InstallError::Script { is_of_this_machine: true, .. }) => Err(error),
                Err(_) => {
                    *overlay = before;
                    Ok(())
                }
                Ok(()) => Ok(()),
            }
        }
    }
}

/// Asks them with this evaluator.
///
/// # Errors
/// As [`ask`].
pub fn ask_virtually(
    overlay: &mut Overlay,
    packages: &[&DebControl],
    evaluator: &VirtualRunner,
) -> Result<(), InstallError> {
    let argv = vec!["dpkg-preconfigure".into(), "--apt".into()];
    let call = program(argv, ScriptCall::base_environment());
    let asked = |machine: &mut Machine| preconfigure(machine, &call, packages);
    let failed = |stop: Stop| {
        let first = packages.iter().find(|control| control.member("config").is_some());
        InstallError::Script {
            package: first.map(|control| control.name().to_owned()).unwrap_or_default(),
            activated_by: None,
            script: "config".into(),
            line: stop.outermost().map(|place| place.line).filter(|line| *line > 0),
            detail: stop.to_string(),
            is_of_this_machine: stop.is_of_this_machine,
        }
    };
    evaluator.on_machine(overlay, "dpkg-preconfigure", asked).map(drop).map_err(failed)
}
