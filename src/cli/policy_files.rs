//! Which policy files hold: the one that the user names, or else root's, the user's own, and the
//! one that is found in the working directory or above it.
//!
//! A file that others own or can write is not read at all; one that was found has no power to
//! run, write, send or redirect. Both are said in one warning.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::policy;
use crate::policy::{Policy, Standing};
use imgfix_host::ownership::Caller;
use imgfix_host::staging;

use super::exit::Failure;
use super::options::read_file;
use super::output::Output;

/// The largest policy file read, in bytes.
const MAX_POLICY: u64 = 1 << 20;

/// The variable that names the file when no flag does.
pub const VARIABLE: &str = "IMGFIX_CONFIG";

/// Root's place.
const SYSTEM: &str = "/etc/imgfix";

/// The file that a flag names, or else the variable.
pub fn named(flag: Option<&PathBuf>) -> Option<PathBuf> {
    let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    flag.cloned().or_else(|| variable().map(PathBuf::from))
}

/// The files that hold, when they are there: the one that is named, or those that need not be.
pub fn places(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(path) => vec![path.to_owned()],
        None => {
            let own = own_places().into_iter().map(|folder| folder.join(policy::FILE_NAME));
            own.chain(policy::found(&std::env::current_dir().unwrap_or_default())).collect()
        }
    }
}

/// Reads a file that the user named: it is followed wherever it stands.
///
/// # Errors
/// It cannot be read or followed.
pub fn read_named(path: &Path) -> Result<Policy, Failure> {
    let bytes = read_file("--config", path, MAX_POLICY)?;
    parse(path, bytes, Standing::Trusted)
}

/// Reads every file that holds without being named, each over the one before it; `None` when
/// there is none.
///
/// # Errors
/// A file that is to be followed cannot be.
pub fn read_others(output: &Output) -> Result<Option<Policy>, Failure> {
    let caller = Caller::current();
    let mut policy: Option<Policy> = None;
    let mut add = |new: Policy| {
        let base = policy.take().unwrap_or_default();
        policy = Some(new.over(base));
    };
    for folder in own_places() {
        let path = folder.join(policy::FILE_NAME);
        if let Some(bytes) = read_own(&path, &caller, output)? {
            add(parse(&path, bytes, Standing::Trusted)?);
        }
    }
    let here = std::env::current_dir().unwrap_or_default();
    for path in policy::found(&here) {
        if let Some(bytes) = read_own(&path, &caller, output)? {
            let found = parse(&path, bytes, Standing::Found)?;
            warn_of_refused(&path, &found, output);
            add(found);
            break;
        }
    }
    Ok(policy)
}

/// Root's folder, then the user's.
fn own_places() -> Vec<PathBuf> {
    let user = etcetera::choose_base_strategy().ok();
    let user = user.map(|strategy| strategy.config_dir().join("imgfix"));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
}

/// The content of a file that is the caller's or root's alone; `None`, with a warning, when it
/// is not. The file that was judged is the one that is read.
fn read_own(path: &Path, caller: &Caller, output: &Output) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| {
        Failure::Usage(format!("the policy file {}: {error}", path.display()))
    };
    let ignored = |why: String| {
        let shown = path.display();
        output.progress().warn(&format!(
            "the policy file {shown} is ignored: {why}; name it with --config or {VARIABLE} if \
             you trust it, or make it and its folder yours alone (chown, chmod go-w)"
        ));
    };
    // Not to hang on a pipe that somebody put there.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            ignored("it cannot be read".to_owned());
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    };
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut why = caller.refusal(&meta).map(|foreign| foreign.to_string());
    // Where the name stands, and where a link of that name leads.
    let real = path.canonicalize().map_err(fail)?;
    for folder in [staging::parent(path), staging::parent(&real)] {
        if why.is_none()
            && let Some(foreign) = caller.refusal_at(folder).map_err(fail)?
        {
            why = Some(format!("of its folder {}: {foreign}", folder.display()));
        }
    }
    if let Some(why) = why {
        ignored(why);
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_POLICY + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_POLICY {
        return Err(fail(std::io::Error::other(format!("more than {MAX_POLICY} bytes"))));
    }
    Ok(Some(bytes))
}

fn warn_of_refused(path: &Path, policy: &Policy, output: &Output) {
    if policy.refused.is_empty() {
        return;
    }
    let (shown, keys) = (path.display(), policy.refused.join(", "));
    output.progress().warn(&format!(
        "{shown} was found in the working directory, and anybody may have put it there: {keys} \
         is not followed; if you trust the file, name it with --config or {VARIABLE}, or move \
         these keys to ~/.config/imgfix/{}",
        policy::FILE_NAME
    ));
}

fn parse(path: &Path, bytes: Vec<u8>, standing: Standing) -> Result<Policy, Failure> {
    let name = path.display().to_string();
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::Usage(format!("{name}: not UTF-8 text")))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // People know the file by its last name; the whole path would fill their lines.
    let short = path.file_name().map_or(name.clone(), |last| last.to_string_lossy().into_owned());
    let policy = policy::parse(&short, &text, folder, standing)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(Policy { files: vec![path.to_owned()], ..policy })
}
