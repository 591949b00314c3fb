//! `busybox`: its applets called by name, the links to them, and the list of them.
//!
//! What a call does is in busybox 1.36, `libbb/appletlib.c`. An applet is evaluated as the
//! command of its name in the table, when the image's busybox has it; an applet that has no
//! command here is a stop.

use super::applets::{Applet, applets};
use imgfix_model::path::ImagePath;
use imgfix_shell::{Command, Errno, Process, Status, Stop};
use imgfix_tools::shells;
use imgfix_vfs::Kind;

/// `busybox APPLET …`, `busybox --install -s`, `busybox --list`, `busybox --list-full`; and an
/// applet by its link that has no command here.
///
/// # Errors
/// An applet or an option that is not evaluated; a program whose applets are not found.
pub fn run(process: &mut Process<'_>) -> Status {
    if !matches!(process.name(), b"busybox" | b"busybox-extras") {
        let name = String::from_utf8_lossy(process.name()).into_owned();
        return Err(Stop::new(format!("the applet {name} of busybox is not known")));
    }
    let arguments = process.arguments().to_vec();
    let words: Vec<&[u8]> = arguments.iter().map(|word| &word[..]).collect();
    match words.as_slice() {
        [b"--install", b"-s"] => install(process),
        [b"--list"] => list(process, |applet| applet.name.clone()),
        // Anything more than `--list` means full paths.
        [b"--list-full" | b"--list-all"] => {
            list(process, |applet| applet.path().trim_start_matches('/').to_owned())
        }
        [option, ..] if option.starts_with(b"-") => Err(process.unsupported(words.join(&b' '))),
        [name, ..] => call(process, name),
        [] => Err(process.unsupported("no applet")),
    }
}

/// The program itself: what `/proc/self/exe` would lead to.
fn program(process: &Process<'_>) -> Result<ImagePath, Stop> {
    let name = process.call.argv.first().cloned().unwrap_or_default();
    let path = match name.contains(&b'/') {
        true => name.to_vec(),
        false => process.machine.which(&process.call, &name)?.unwrap_or_default(),
    };
    process.follow(&path)?.map_err(|errno| Stop::new(format!("{name}: {errno}")))
}

fn own_applets(process: &mut Process<'_>, program: &ImagePath) -> Result<Vec<Applet>, Stop> {
    let bytes = match process.machine.read_file(&ImagePath::root(), program.as_bytes())? {
        Ok(bytes) => bytes,
        Err(errno) => return Err(Stop::new(format!("{program} cannot be read: {errno}"))),
    };
    applets(&bytes).map_err(|error| Stop::new(format!("the applets of {program}: {error}")))
}

fn list(process: &mut Process<'_>, line: impl Fn(&Applet) -> String) -> Status {
    let program = program(process)?;
    let mut text = String::new();
    for applet in own_applets(process, &program)? {
        text.push_str(&line(&applet));
        text.push('\n');
    }
    process.print(text)?;
    Ok(0)
}

/// What links lead to. A busybox has built in where it is (`CONFIG_BUSYBOX_EXEC_PATH`): the
/// kernel's `/proc/self/exe`, which has all links of the path resolved, or its own path, as
/// Alpine builds it. Of such a path only a link at its end is followed, once; where there is no
/// link, the name counts that busybox is called by.
fn link_target(process: &mut Process<'_>, program: &ImagePath) -> Result<Vec<u8>, Stop> {
    const SELF: &[u8] = b"/proc/self/exe\0";
    let name = process.call.argv.first().cloned().unwrap_or_default().to_vec();
    let root = ImagePath::root();
    let asks_the_kernel = match process.machine.read_file(&root, program.as_bytes())? {
        Ok(bytes) => bytes.windows(SELF.len()).any(|window| window == SELF),
        Err(errno) => return Err(Stop::new(format!("{program} cannot be read: {errno}"))),
    };
    if asks_the_kernel {
        return Ok(program.as_bytes().to_vec());
    }
    if !name.starts_with(b"/") {
        let detail = "busybox --install called by a name that is not an absolute path";
        return Err(process.unsupported(detail));
    }
    Ok(match process.machine.lstat(&root, &name)?.map(|entry| entry.kind) {
        Ok(Kind::Symlink(target)) => target,
        _ => name,
    })
}

/// Links where nothing is; what is there stays. Other failures are told, and no failure.
fn install(process: &mut Process<'_>) -> Status {
    let program = program(process)?;
    let target = link_target(process, &program)?;
    for applet in own_applets(process, &program)? {
        let path = applet.path();
        let directory = ImagePath::root();
        match process.machine.make_symlink(&directory, path.as_bytes(), &target)? {
            Ok(()) | Err(Errno::Exists) => {}
            Err(errno) => process.complain(format!("{path}: {errno}"))?,
        }
    }
    Ok(0)
}

fn call(process: &mut Process<'_>, name: &[u8]) -> Status {
    let program = program(process)?;
    let has = own_applets(process, &program)?.iter().any(|applet| applet.name.as_bytes() == name);
    if !has {
        let text = [name, b": applet not found\n"].concat();
        if let Some(stream) = process.call.descriptors.get(2).cloned() {
            let _unusable = process.machine.write(&stream, &text)?;
        }
        return Ok(127);
    }
    let command = match name {
        b"sh" | b"ash" => Some(shells::ash as Command),
        _ => process.machine.command(name),
    };
    let Some(command) = command else {
        let name = String::from_utf8_lossy(name).into_owned();
        return Err(Stop::new(format!("the applet {name} of busybox is not known")));
    };
    let argv = process.call.argv.get(1..).unwrap_or_default().to_vec();
    let call = imgfix_shell::Call { argv, ..process.call.clone() };
    command(&mut Process { machine: process.machine, call })
}
