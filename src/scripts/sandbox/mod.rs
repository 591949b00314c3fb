//! Real programs of the image, run in namespaces over a copy of it on disk (`--scripts sandbox`).
//!
//! In comes an [`Overlay`] and a command; the command runs as root of a user namespace of its
//! own, with its own processes, mounts, host name and an empty network, and sees nothing but
//! the copy; what it changed there goes back into the overlay. No privilege is needed but
//! namespaces and, for files with owners, subordinate user numbers (subuid(5)).
//!
//! The copy is made once and then follows the overlay: before a command only what differs is
//! written, after it only what has another change time is read ([`changes`]). All work on the
//! copy is done by this program started again inside the namespaces, with the copy as its
//! root ([`helper`]), so that no link in it can lead out. `unshare(1)` starts it.
//!
//! - [`transfer`]: the copy follows the overlay
//! - [`changes`]: what a command did, into the overlay
//! - [`namespaces`]: starting the helper
//! - [`helper`]: the inside

pub mod changes;
pub mod helper;
pub mod namespaces;
pub mod transfer;
pub mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bstr::BString;

use super::Stop;
use crate::rootfs::{Change, ImagePath, Overlay};
use namespaces::{Job, Namespaces};

/// How long a command may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The time that changed files get, seconds since the epoch: the wall clock of a run must
    /// not be in an image.
    pub now: i64,
    /// The program that has [`helper::main`] as a subcommand: this one.
    pub helper: PathBuf,
}

/// A copy of an image on disk, in which commands run.
pub struct Sandbox {
    settings: Settings,
    namespaces: Namespaces,
    folder: tempfile::TempDir,
    /// The overlay's changes that the copy has; `None` before it is made.
    copied: Option<BTreeMap<ImagePath, Change>>,
}

/// A command's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub status: u8,
    /// What it wrote to standard output and standard error, the beginning of it.
    pub transcript: Vec<u8>,
}

/// A command to be run.
#[derive(Debug, Clone)]
pub struct Command {
    pub argv: Vec<BString>,
    /// All of its environment.
    pub environment: Vec<(BString, BString)>,
}

impl Sandbox {
    /// Looks whether this machine lets namespaces be made; nothing is copied yet.
    ///
    /// # Errors
    /// It does not, with what is missing.
    pub fn new(settings: Settings) -> Result<Self, Stop> {
        let namespaces = Namespaces::of_this_user()?;
        let folder = tempfile::Builder::new().prefix("imgfix-sandbox-").tempdir();
        let folder = folder.map_err(|error| Stop::new(format!("no place for a copy: {error}")))?;
        let sandbox = Self { settings, namespaces, folder, copied: None };
        sandbox.job(&["list"], &[])?;
        Ok(sandbox)
    }

    /// Runs a command; what it changed is in the overlay afterwards, whatever its status.
    ///
    /// # Errors
    /// It cannot be run here, or takes too long; the overlay is then as it was.
    pub fn run(&mut self, overlay: &mut Overlay, command: &Command) -> Result<Finished, Stop> {
        self.follow(overlay)?;
        let before = self.listing()?;
        let (finished, after) = self.execute(command)?;
        let changed = changes::between(&before, &after);
        let fetched = self.fetch(&changed.set)?;
        changes::apply(overlay, &changed, fetched, self.settings.now)?;
        self.copied = Some(state(overlay));
        Ok(finished)
    }

    /// Brings the copy to what the overlay is.
    fn follow(&mut self, overlay: &Overlay) -> Result<(), Stop> {
        let wanted = state(overlay);
        // What a failed step leaves in the copy is not known.
        let copied = self.copied.take();
        let job = self.start(&["apply"])?;
        let job = transfer::send(overlay, copied.as_ref(), &wanted, job)?;
        self.finish(job, "the copy cannot be written")?;
        self.copied = Some(wanted);
        Ok(())
    }

    fn listing(&self) -> Result<wire::Listing, Stop> {
        wire::read_listing(&self.job(&["list"], &[])?)
    }

    fn execute(&self, command: &Command) -> Result<(Finished, wire::Listing), Stop> {
        let mut job = self.start(&["run"])?;
        job.send(&wire::command_bytes(command))?;
        let ended = job.finish(TIME_LIMIT)?;
        match ended.status {
            Some(status) if status != helper::FAILED => {
                let finished = Finished { status, transcript: ended.output };
                Ok((finished, self.listing()?))
            }
            _ => {
                let why = String::from_utf8_lossy(&ended.errors).trim().to_owned();
                Err(Stop::new(format!("the sandbox cannot run it: {why}")))
            }
        }
    }

    fn fetch(&self, paths: &[ImagePath]) -> Result<Vec<wire::Member>, Stop> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let input: Vec<u8> =
            paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        wire::read_members(&self.job(&["fetch"], &input)?)
    }

    fn start(&self, operation: &[&str]) -> Result<Job, Stop> {
        self.namespaces.start(&self.settings.helper, self.folder.path(), operation)
    }

    /// Runs the helper to its end and returns what it says.
    fn job(&self, operation: &[&str], input: &[u8]) -> Result<Vec<u8>, Stop> {
        let mut job = self.start(operation)?;
        job.send(input)?;
        self.finish(job, "the sandbox does not work")
    }

    fn finish(&self, job: Job, what: &str) -> Result<Vec<u8>, Stop> {
        let ended = job.finish(TIME_LIMIT)?;
        if ended.status == Some(0) {
            return Ok(ended.output);
        }
        let why = String::from_utf8_lossy(&ended.errors).trim().to_owned();
        Err(Stop::new(format!("{what}: {why}")))
    }
}

impl Drop for Sandbox {
    /// Files of other users are removed by who may: inside.
    fn drop(&mut self) {
        let _left_behind = self.job(&["clear"], &[]);
    }
}

fn state(overlay: &Overlay) -> BTreeMap<ImagePath, Change> {
    overlay.changes().map(|(path, change)| (path.clone(), change)).collect()
}
