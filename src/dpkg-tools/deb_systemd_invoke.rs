//! `deb-systemd-invoke`: asks `policy-rc.d`, then `systemctl`.

use super::files::exists;
use imgfix_shell::{Process, Status, Stop};

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// `deb-systemd-invoke ACTION UNIT...`.
///
/// # Errors
/// What `policy-rc.d` or `systemctl` stops at.
pub fn run(process: &mut Process<'_>) -> Status {
    let arguments: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    if arguments.len() < 2 {
        process.complain("Syntax: <action> <unit file> [<unit file> ...]")?;
        return Ok(1);
    }
    let is_user = arguments.iter().any(|word| word == "--user");
    let words: Vec<String> = arguments
        .iter()
        .filter(|word| !matches!(word.as_str(), "--user" | "--system"))
        .cloned()
        .collect();
    let [action, units @ ..] = words.as_slice() else { return Ok(0) };
    if is_refused(process, action, units)? {
        process.complain(format!("{POLICY} returned 101, not running '{}'", words.join(" ")))?;
        return Ok(0);
    }
    if is_user {
        return Err(process.unsupported("--user, without a policy that forbids it"));
    }
    if action == "start" || action == "restart" {
        return start(process, action, units);
    }
    match has_systemctl(process)? {
        true => process.run(std::iter::once("systemctl").chain(words.iter().map(String::as_str))),
        // The program ends well when it cannot start systemctl.
        false => Ok(0),
    }
}

fn has_systemctl(process: &Process<'_>) -> Result<bool, Stop> {
    Ok(process.machine.which(&process.call, b"systemctl")?.is_some())
}

fn is_refused(process: &mut Process<'_>, action: &str, units: &[String]) -> Result<bool, Stop> {
    let root = imgfix_model::path::ImagePath::root();
    if !exists(process, POLICY.as_bytes())?
        || !process.machine.is_program(&root, POLICY.as_bytes())?
    {
        return Ok(false);
    }
    for unit in units {
        match process.run([POLICY, unit, action])? {
            101 => return Ok(true),
            0 | 104 => {}
            other => process.complain(format!("Got return code {other}, ignoring."))?,
        }
    }
    Ok(false)
}

fn start(process: &mut Process<'_>, action: &str, units: &[String]) -> Status {
    let systemctl = has_systemctl(process)?;
    let mut starting = Vec::new();
    for unit in units {
        let (installed, active) = match systemctl {
            false => (false, false),
            true => {
                let asked = ["systemctl", "--system", "is-enabled", "--", unit];
                let (_, output) = process.run_for_output(asked, "")?;
                let installed = output.windows(7).any(|window| window == b"enabled");
                let asked = ["systemctl", "--system", "--quiet", "is-active", "--", unit];
                (installed, process.run(asked)? == 0)
            }
        };
        match (installed, active, action) {
            (false, _, "start") => {
                process
                    .complain(format!("{unit} is a disabled or a static unit, not starting it."))?;
            }
            (false, false, _) => {
                process.complain(format!(
                    "{unit} is a disabled or a static unit not running, not starting it."
                ))?;
            }
            _ => starting.push(unit.as_str()),
        }
    }
    if starting.is_empty() {
        return Ok(0);
    }
    let words = ["systemctl", "--quiet", "--system", action];
    process.run(words.into_iter().chain(starting))
}
