//! Real programs of the image, run in namespaces over a copy of it on disk (`--scripts sandbox`).
//!
//! In comes an [`Overlay`] and a command; the command runs as root of a user namespace of its
//! own, with its own processes, mounts, host name and an empty network, and sees nothing but
//! the copy; what it changed there goes back into the overlay. Its root is nobody outside.
//! Everything in the image is taken for hostile: docs/sandbox.md says what stands in its way.
//!
//! The copy is made once and then follows the overlay: before a command only what differs is
//! written, after it only what has another change time is read ([`changes`]). All work on the
//! copy is done by this program started again inside the namespaces, with the copy as its
//! root ([`helper`]), so that no link in it can lead out. The copy lies in a folder that only
//! the user who runs this program can enter: what is set-uid in it is out of others' reach.
//!
//! - [`transfer`]: the copy follows the overlay
//! - [`changes`]: what a command did, into the overlay
//! - [`wire`]: what goes to and fro, charged to the budget of the run
//! - [`namespaces`], [`identity`]: starting the helper; whom its users are outside
//! - [`helper`]: the inside; [`mounts`] what it sees, [`confinement`] and [`syscalls`] what it
//!   gives up, [`operations`] and [`removal`] what it does, [`watch`] and [`census`]
//!   what a command may use

mod census;
mod changes;
mod confinement;
pub mod helper;
mod identity;
mod mounts;
pub mod namespaces;
mod operations;
mod removal;
mod syscalls;
mod transfer;
mod watch;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::Arc;
use std::time::Duration;

use bstr::BString;

use super::{Resources, Stop};
use identity::{High, Identity};
use imgfix_host::scratch::{Purpose, Scratch};
use imgfix_host::unfinished::Unfinished;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Change, FileSystem as _, Overlay};
use namespaces::{Job, Maps, Namespaces, beginning};
pub use watch::Limits;

/// How long a command may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long it may take to remove a copy.
const REMOVAL_LIMIT: Duration = Duration::from_secs(60);

/// How many bytes are kept of what a command writes to standard output.
const MAX_TRANSCRIPT: u64 = 1 << 20;

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The time that changed files get, seconds since the epoch: the wall clock of a run must
    /// not be in an image.
    pub now: i64,
    /// The program that has [`helper::main`] as a subcommand: this one.
    pub helper: PathBuf,
    /// How long a command may take: [`TIME_LIMIT`].
    pub time: Duration,
    /// What else it may use.
    pub limits: Limits,
    /// What the budget of the run is for what comes back, and where large files go.
    pub resources: Resources,
    /// What an interruption of the run takes back.
    pub unfinished: Unfinished,
}

/// A copy of an image on disk, in which commands run.
pub struct Sandbox {
    settings: Settings,
    identity: Identity,
    scratch: Scratch,
    /// Users and groups of the image that need a line of their own.
    high: (High, High),
    /// The overlay's changes that the copy has; `None` before it is made.
    copied: Option<BTreeMap<ImagePath, Change>>,
}

/// A command's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit status; 128 and the signal's number when a signal ended it.
    pub status: u8,
    /// What it wrote to standard output and standard error, the beginning of it.
    pub transcript: Vec<u8>,
}

/// A command to be run.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program's path in the image, then its arguments.
    pub argv: Vec<BString>,
    /// All of its environment.
    pub environment: Vec<(BString, BString)>,
}

impl Sandbox {
    /// Looks whether this machine lets namespaces be made; nothing is copied yet. Copies that
    /// killed runs of this user have left are removed.
    ///
    /// # Errors
    /// It does not, with what is missing.
    pub fn new(settings: Settings) -> Result<Self, Stop> {
        let identity = Identity::of_this_user()?;
        let purpose = purpose(identity, settings.helper.clone());
        let scratch = Scratch::new(purpose, &settings.unfinished).and_then(|scratch| {
            // Who is root inside makes the copy there, and has no rights above.
            let place = scratch.path().join(helper::PLACE);
            fs::create_dir(&place)?;
            fs::set_permissions(&place, fs::Permissions::from_mode(0o777))?;
            Ok(scratch)
        });
        let scratch = scratch
            .map_err(|error| Stop::from_error(format!("no place for a copy: {error}"), &error))?;
        let high = (High::default(), High::default());
        let sandbox = Self { settings, identity, scratch, high, copied: None };
        sandbox.clear()?;
        Ok(sandbox)
    }

    /// Runs a command; what it changed is in the overlay afterwards, whatever its status.
    ///
    /// # Errors
    /// It cannot be run here, or uses too much; the overlay is then as it was.
    pub fn run(&mut self, overlay: &mut Overlay, command: &Command) -> Result<Finished, Stop> {
        let was = overlay.clone();
        let finished = self.run_in(overlay, command);
        if finished.is_err() {
            *overlay = was;
            // What it left in the copy is not what the overlay has.
            self.copied = None;
        }
        finished
    }

    fn run_in(&mut self, overlay: &mut Overlay, command: &Command) -> Result<Finished, Stop> {
        self.follow(overlay)?;
        let before = self.listing()?;
        let (finished, after) = self.execute(command, before.usage())?;
        let changed = changes::between(&before, &after);
        drop((before, after));
        let fetched = self.fetch(&changed.set)?;
        let Settings { resources, now, .. } = &self.settings;
        changes::apply(overlay, &changed, fetched, resources, *now)?;
        self.copied = Some(state(overlay));
        Ok(finished)
    }

    /// Brings the copy to what the overlay is.
    fn follow(&mut self, overlay: &Overlay) -> Result<(), Stop> {
        let wanted = state(overlay);
        // What a failed step leaves in the copy is not known.
        let copied = self.copied.take();
        self.meet_owners(overlay, copied.is_none().then(ImagePath::root), &wanted);
        if copied.is_none() {
            self.clear()?;
        }
        let job = self.start("apply", |output| beginning(output, 0))?;
        let memory = self.settings.resources.memory();
        let job = transfer::send(overlay, copied.as_ref(), &wanted, memory, job)?;
        self.finish(job, "the copy cannot be written")?;
        self.copied = Some(wanted);
        Ok(())
    }

    /// Every owner of a file must be somebody inside.
    fn meet_owners(
        &mut self,
        overlay: &Overlay,
        below: Option<ImagePath>,
        changes: &BTreeMap<ImagePath, Change>,
    ) {
        let everything = below.map(|root| overlay.walk(&root)).into_iter().flatten();
        for path in everything.chain(changes.keys().cloned()) {
            if let Some(entry) = overlay.lstat(&path) {
                self.high.0.meet(entry.uid);
                self.high.1.meet(entry.gid);
            }
        }
    }

    fn listing(&self) -> Result<wire::Listing, Stop> {
        let memory = self.settings.resources.memory().clone();
        self.job("list", &[], move |input| wire::read_listing(input, &memory))
    }

    fn execute(
        &self,
        command: &Command,
        before: wire::Usage,
    ) -> Result<(Finished, wire::Listing), Stop> {
        let mut job = self.start("run", |output| beginning(output, MAX_TRANSCRIPT))?;
        job.send(&wire::command_bytes(command, self.settings.limits, before))?;
        let ended = job.finish(self.settings.time)?;
        match ended.status {
            Some(status) if status != helper::FAILED => {
                let transcript = ended.output.map_err(|error| lost(&error))?;
                let finished = Finished { status, transcript };
                Ok((finished, self.listing()?))
            }
            _ => {
                let why = String::from_utf8_lossy(&ended.errors).trim().to_owned();
                Err(Stop::new(format!("the sandbox cannot run it: {why}")))
            }
        }
    }

    fn fetch(&self, paths: &[ImagePath]) -> Result<wire::FetchedPaths, Stop> {
        let resources = self.settings.resources.clone();
        if paths.is_empty() {
            return Ok(wire::FetchedPaths::new(resources.memory()));
        }
        let input: Vec<u8> =
            paths.iter().flat_map(|path| [path.as_bytes(), b"\0"].concat()).collect();
        self.job("fetch", &input, move |input| wire::read_fetched(input, &resources))
    }

    fn clear(&self) -> Result<(), Stop> {
        clear(&self.namespaces(), self.scratch.path())
    }

    fn namespaces(&self) -> Namespaces<'_> {
        let Settings { helper, unfinished, .. } = &self.settings;
        Namespaces { identity: self.identity, helper, unfinished: Some(unfinished) }
    }

    fn start<T: Send + 'static>(
        &self,
        operation: &str,
        read: impl FnOnce(ChildStdout) -> io::Result<T> + Send + 'static,
    ) -> Result<Job<T>, Stop> {
        let maps = Maps {
            users: identity::map(self.identity.users, &self.high.0)?,
            groups: identity::map(self.identity.groups, &self.high.1)?,
        };
        self.namespaces().start(&maps, self.scratch.path(), operation, read)
    }

    /// Runs the helper to its end and returns what is made of what it says.
    fn job<T: Send + 'static>(
        &self,
        operation: &str,
        input: &[u8],
        read: impl FnOnce(&mut dyn BufRead) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Stop> {
        let read = |output| read(&mut BufReader::with_capacity(1 << 16, output));
        let mut job = self.start(operation, read)?;
        job.send(input)?;
        self.finish(job, "the sandbox does not work")
    }

    fn finish<T>(&self, job: Job<T>, what: &str) -> Result<T, Stop> {
        let ended = job.finish(self.settings.time)?;
        let why = match (ended.output.map_err(io::Error::downcast::<Stop>), ended.status) {
            (Ok(output), Some(0)) => return Ok(output),
            // Nobody read on: that the helper failed then is no news.
            (Err(Ok(stop)), _) => return Err(stop),
            (Err(Err(error)), Some(0)) => return Err(lost(&error)),
            _ => String::from_utf8_lossy(&ended.errors).trim().to_owned(),
        };
        Err(failed(what, &why, ended.status))
    }
}

/// What a helper's failure comes to.
fn failed(what: &str, why: &str, status: Option<u8>) -> Stop {
    let is_of_this_machine = status == Some(helper::BROKEN);
    Stop { is_of_this_machine, ..Stop::new(format!("{what}: {why}")) }
}

fn lost(error: &io::Error) -> Stop {
    Stop::from_error(format!("the sandbox's answer is damaged: {error}"), error)
}

/// How copies are called, and how they are removed: files of the users inside are removed by
/// who may, inside.
fn purpose(identity: Identity, helper: PathBuf) -> Purpose {
    let remove = move |path: &Path| {
        let namespaces = Namespaces { identity, helper: &helper, unfinished: None };
        for _ in 0..5 {
            // What was just killed may not be quite gone.
            if !path.join(helper::PLACE).exists() || clear(&namespaces, path).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _left_for_the_next_run = fs::remove_dir_all(path);
    };
    Purpose { prefix: "imgfix-sandbox-", remove: Arc::new(remove) }
}

/// Removes the copy in a sandbox's folder.
fn clear(namespaces: &Namespaces<'_>, folder: &Path) -> Result<(), Stop> {
    let whole = |range: identity::Range| vec![(0, range.first, range.count)];
    let Identity { users, groups, .. } = namespaces.identity;
    let maps = Maps { users: whole(users), groups: whole(groups) };
    let ended = namespaces
        .start(&maps, folder, "clear", |output| beginning(output, 0))?
        .finish(REMOVAL_LIMIT)?;
    if ended.status == Some(0) {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&ended.errors).trim().to_owned();
    Err(failed("the sandbox does not work", &why, ended.status))
}

fn state(overlay: &Overlay) -> BTreeMap<ImagePath, Change> {
    overlay.changes().map(|(path, change)| (path.clone(), change)).collect()
}
