//! [`OutputFile`]: a file that an option names, written whole or not at all.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use imgfix_host::staging::{self, Staged};
use imgfix_host::unfinished::Unfinished;

use super::exit::Failure;

/// A file that an option names and a run writes at its end: opened before the work, so that
/// what cannot be written shows at once, and under its name only when it is whole.
pub struct OutputFile {
    option: &'static str,
    path: PathBuf,
    target: Target,
}

enum Target {
    /// Takes the path's place when it is whole.
    Staged(Staged),
    /// A device, a pipe, or what is open already (`/dev/stdout`, whatever that is): it is written
    /// and never replaced.
    Special(File),
    /// A pipe that nobody reads yet: opening it waits for a reader, so that it comes last.
    Pipe,
}

impl OutputFile {
    /// # Errors
    /// The directory of `path` cannot be written, or `path` is one.
    pub fn open(
        option: &'static str,
        path: &Path,
        unfinished: &Unfinished,
    ) -> Result<Self, Failure> {
        let fail = |error: io::Error| cannot_write(option, path, &error);
        if let Some(link) = descriptor(path) {
            let target = Target::Special(open_descriptor(&link).map_err(fail)?);
            return Ok(Self { option, path: path.to_owned(), target });
        }
        let kind = std::fs::metadata(path).ok().map(|meta| meta.file_type());
        let target = match kind {
            Some(kind) if kind.is_dir() => {
                return Err(fail(io::ErrorKind::IsADirectory.into()));
            }
            Some(kind) if kind.is_fifo() => open_pipe(path).map_err(fail)?,
            Some(kind) if kind.is_char_device() || kind.is_block_device() || kind.is_socket() => {
                Target::Special(File::options().write(true).open(path).map_err(fail)?)
            }
            _ => {
                let staged = Staged::create_in(staging::parent(path), unfinished);
                Target::Staged(staged.map_err(fail)?)
            }
        };
        Ok(Self { option, path: path.to_owned(), target })
    }

    /// The option that names it.
    #[must_use]
    pub fn option(&self) -> &'static str {
        self.option
    }

    /// Option and path, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{} {}", self.option, self.path.display())
    }

    /// Whether one would take the other's place.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let place = |file: &Self| {
            let folder = staging::parent(&file.path).canonicalize().ok();
            Some((folder?, file.path.file_name()?.to_owned()))
        };
        let replaced = |file: &Self| matches!(file.target, Target::Staged(_));
        replaced(self) && replaced(other) && place(self).is_some_and(|at| place(other) == Some(at))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The disk does not take it; a file that was there before is as it was.
    pub fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match self.target {
            Target::Special(mut file) => file.write_all(bytes),
            Target::Pipe => File::options()
                .write(true)
                .open(&self.path)
                .and_then(|mut file| file.write_all(bytes)),
            Target::Staged(mut staged) => {
                staged.file().write_all(bytes).and_then(|()| staged.persist(&self.path, || ()))
            }
        };
        written.map_err(|error| cannot_write(self.option, &self.path, &error))
    }
}

/// The link in `/proc` to something that a process has open, when a path leads to one: as
/// `/dev/stdout` and `/dev/fd/3` do. What such a link leads to may be a file like any other; the
/// name is not that file's, and to give it to another file would take `/dev/stdout` from everybody.
fn descriptor(path: &Path) -> Option<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let folder = staging::parent(&at).canonicalize().ok()?;
        let link = folder.join(at.file_name()?);
        if folder.starts_with("/proc") && folder.ends_with("fd") {
            return Some(link);
        }
        at = folder.join(std::fs::read_link(&link).ok()?);
    }
    None
}

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// What is written goes after what is there, and before what is written there later.
fn open_descriptor(link: &Path) -> io::Result<File> {
    let is_own = Path::new("/proc/self/fd").canonicalize().ok().as_deref() == link.parent();
    match link.file_name().and_then(OsStr::to_str) {
        // the same place in the file
        Some("1") if is_own => Ok(io::stdout().as_fd().try_clone_to_owned()?.into()),
        Some("2") if is_own => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
        _ => File::options().append(true).open(link),
    }
}

/// Opens a named pipe for writing, without waiting for a reader.
fn open_pipe(path: &Path) -> io::Result<Target> {
    use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
    match open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => {
            // from here on a write waits until it is read
            fcntl_setfl(&file, fcntl_getfl(&file)? & !OFlags::NONBLOCK)?;
            Ok(Target::Special(file.into()))
        }
        Err(rustix::io::Errno::NXIO) => Ok(Target::Pipe),
        Err(error) => Err(error.into()),
    }
}

fn cannot_write(option: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{option} {}: cannot write: {error}", path.display()))
}
