//! `ln` of coreutils: `-s`, `-f`, `-n`, `-r`, `-T`, `-t`, `-v`.

use super::destination::Destination;
use super::operands::{directory_part, last_component, lstat, names_no_directory, quoted};
use imgfix_model::path::ImagePath;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Kind;

#[derive(Default)]
struct Linking {
    symbolic: bool,
    force: bool,
    relative: bool,
    verbose: bool,
}

/// Makes hard or symbolic links.
///
/// # Errors
/// An option that is not evaluated; a path of a running system.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut linking = Linking::default();
    let mut destination = Destination::default();
    let mut no_dereference = false;
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('s') | Long("symbolic") => linking.symbolic = true,
            Short('f') | Long("force") => linking.force = true,
            Short('n') | Long("no-dereference") => no_dereference = true,
            Short('r') | Long("relative") => linking.relative = true,
            Short('T') | Long("no-target-directory") => destination.as_file = true,
            Short('t') | Long("target-directory") => destination.directory = Some(options.value()?),
            Short('v') | Long("verbose") => linking.verbose = true,
            Short('P') | Long("physical") => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if let ([only], None) = (&operands[..], &destination.directory) {
        // One operand: a link of the same name here.
        let name = last_component(only).to_vec();
        operands.push(name);
        destination.as_file = true;
    }
    if no_dereference
        && let Some(last) = operands.last()
        && lstat(process, last)?.is_ok_and(|entry| entry.is_symlink())
    {
        destination.as_file = true;
    }
    let Some(pairs) = destination.pairs(process, operands)? else { return Ok(1) };
    let mut status = 0;
    for (target, name) in pairs {
        if let Err(why) = one(process, target, &name, &linking)? {
            process.complain(why)?;
            status = 1;
        }
    }
    Ok(status)
}

fn one(
    process: &mut Process<'_>,
    target: Vec<u8>,
    name: &[u8],
    linking: &Linking,
) -> Result<Result<(), String>, Stop> {
    let target = match linking.relative && linking.symbolic {
        true => relative(process, &target, name)?,
        false => target,
    };
    let (shown_target, shown_name) = (quoted(&target), quoted(name));
    if !linking.symbolic {
        match lstat(process, &target)? {
            Err(errno) => return Ok(Err(format!("failed to access {shown_target}: {errno}"))),
            Ok(entry) if entry.is_dir() => {
                return Ok(Err(format!(
                    "{}: hard link not allowed for directory",
                    String::from_utf8_lossy(&target)
                )));
            }
            Ok(_) => {}
        }
    }
    if linking.force
        && let Ok(present) = lstat(process, name)?
    {
        if present.is_dir() {
            return Ok(Err(format!(
                "{}: cannot overwrite directory",
                String::from_utf8_lossy(name)
            )));
        }
        if !linking.symbolic && is_same(process, &target, name)? {
            return Ok(Err(format!("{shown_target} and {shown_name} are the same file")));
        }
        let _gone = process.machine.unlink(&process.call.directory, name)?;
    }
    let directory = &process.call.directory;
    let made = match linking.symbolic {
        true if target.is_empty() || names_no_directory(process, name)? => Err(Errno::NotFound),
        true => process.machine.make_symlink(directory, name, &target)?,
        false => process.machine.make_link(directory, &target, name)?,
    };
    match made {
        Ok(()) => {
            if linking.verbose {
                let arrow = if linking.symbolic { "->" } else { "=>" };
                process.print(format!("{shown_name} {arrow} {shown_target}\n"))?;
            }
            Ok(Ok(()))
        }
        Err(errno) => {
            let kind = if linking.symbolic { "symbolic" } else { "hard" };
            let arrow = if linking.symbolic { "" } else { &format!(" => {shown_target}") };
            Ok(Err(format!("failed to create {kind} link {shown_name}{arrow}: {errno}")))
        }
    }
}

fn is_same(process: &Process<'_>, a: &[u8], b: &[u8]) -> Result<bool, Stop> {
    let (Ok(one), Ok(other)) = (lstat(process, a)?, lstat(process, b)?) else { return Ok(false) };
    let same_inode = match (&one.kind, &other.kind) {
        (Kind::File(one), Kind::File(other)) => one.link.is_some() && one.link == other.link,
        _ => false,
    };
    // Two names of one inode are not the same directory entry: the second is replaced.
    Ok(!same_inode && process.locate(a)? == process.locate(b)?)
}

/// The target as seen from the link's directory, both with their links resolved.
fn relative(process: &Process<'_>, target: &[u8], name: &[u8]) -> Result<Vec<u8>, Stop> {
    let (Ok(target_path), Ok(directory)) =
        (process.follow(target)?, process.follow(directory_part(name))?)
    else {
        return Err(process.unsupported("-r and a path that is not there"));
    };
    Ok(from_directory(&directory, &target_path))
}

/// The relative path from a directory to a path.
pub(super) fn from_directory(directory: &ImagePath, path: &ImagePath) -> Vec<u8> {
    let above: Vec<&[u8]> = directory.components().collect();
    let wanted: Vec<&[u8]> = path.components().collect();
    let common = above.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
    let up = above.iter().skip(common).map(|_| &b".."[..]);
    let parts: Vec<&[u8]> = up.chain(wanted.iter().skip(common).copied()).collect();
    match parts.is_empty() {
        true => b".".to_vec(),
        false => parts.join(&b'/'),
    }
}
