//! Installing a plan's packages into the image: archives fetched are unpacked and held against the
//! plan and the keys, then installed as the image's rpm would, in the transactions that its package
//! manager would make, and its database is written.
//!
//! In come a plan, archives and the image; out come the image with the packages, or the package
//! that stands in the way, and why.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use super::former::Former;
use super::installed::InstalledRelation;
use super::inventory::RpmInventory;
use super::offers::promised;
use super::options::{Options, Tool};
use super::primary;
use super::repositories::{Keyrings, keyrings};
use super::scriptlets::{Scriptlets, numbers_of};
use super::transactions::transactions;
use super::trust::Trust;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{PlatformPlan, Step};
use imgfix_model::reason::Reason;
use imgfix_repair::apply::{Unpacked, finish, with_deep_stack};
use imgfix_repair::archive::Limits;
use imgfix_repair::edge::Edge;
use imgfix_repair::error::RepairerError;
use imgfix_repair::package_manager::{TrialOutcome, Workshop, reserved, script_of};
use imgfix_repair::promise::Relations;
use imgfix_repair::scripts::Scripts;
use imgfix_rpm::Package;
use imgfix_rpm::archive::{Headers, unpack};
use imgfix_rpm::database::{Change, FileChange};
use imgfix_rpm::header::tag;
use imgfix_rpm::install::{self, EffectKind, InstallError, NewPackage, Outcome, install};
use imgfix_rpm::package::RelationKind;
use imgfix_rpm::settings::Settings;
use imgfix_rpm_tools as commands;
use imgfix_vfs::{Entry, FileSystem as _, Memory, Overlay, RootfsError, Spool};

/// Installs sets of steps over one image.
pub struct RpmWorkshop<'a> {
    inventory: &'a RpmInventory,
    former: &'a Former,
    unpacked: Unpacked<NewPackage>,
    /// Of the repositories; `None` before the first set.
    keyrings: Option<Keyrings>,
}

impl<'a> RpmWorkshop<'a> {
    /// With nothing unpacked yet.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new(inventory: &'a RpmInventory, former: &'a Former) -> Result<Self, RepairerError> {
        Ok(Self { inventory, former, unpacked: Unpacked::new()?, keyrings: None })
    }

    fn unpack(
        &mut self,
        overlay: &Overlay,
        options: &Options,
        steps: &[Step],
        paths: &[PathBuf],
        edge: &Edge,
    ) -> Result<Option<(PackageId, Reason)>, RepairerError> {
        let keyrings = match self.keyrings.take() {
            Some(keyrings) => keyrings,
            None => {
                let known = self.inventory.known(options, &|_| false);
                keyrings(overlay, &known, edge)?
            }
        };
        let keyrings = self.keyrings.insert(keyrings);
        let trust = Trust { keyrings, era: self.inventory.era, now: edge.now };
        let with_digests = self.inventory.release >= install::Release::new(5, 0);
        let read = |step: &Step, file: BufReader<File>, spool: &Spool, memory: &Memory| {
            read_archive(&trust, step, file, spool, memory, with_digests)
        };
        self.unpacked.add(steps, paths, &edge.memory, read)
    }

    fn apply(
        &self,
        overlay: &mut Overlay,
        plan: &PlatformPlan,
        packages: &[NewPackage],
        options: &Options,
        timestamp: i64,
        edge: &Edge,
    ) -> Result<Result<Outcome, InstallError>, RepairerError> {
        let inventory = self.inventory;
        let (installed, left_out) = match &inventory.manifest {
            None => (Cow::Borrowed(inventory.headers.as_slice()), HashSet::new()),
            Some(_) => {
                let installed = self.former.installed(inventory, overlay);
                let left_out = match install::dropped(overlay, &installed, packages) {
                    Ok(left_out) => left_out,
                    Err(error) => return Ok(Err(error)),
                };
                if !left_out.is_empty() {
                    edge.progress.detail(&format!(
                        "left out, as the image has dropped such files: {} of the new packages'",
                        left_out.len()
                    ));
                }
                (Cow::Owned(installed), left_out)
            }
        };
        let settings = Settings::read(overlay).map_err(RepairerError::family)?;
        let installation = install::Options {
            release: inventory.release,
            timestamp: u32::try_from(timestamp).unwrap_or(0),
            colour: inventory.colour,
            no_documentation: options.without_documents || settings.no_documentation,
            languages: settings.languages,
            left_out,
            sysusers: settings.sysusers,
            shared: settings.shared,
            defers_posttrans: options.tool == Tool::Zypper,
        };
        let scripts = Scripts::new(commands::table(), &inventory.architecture, timestamp, edge)?;
        let mut runner = scripts.runner();
        let places = self.keyrings.as_ref().map_or(&[][..], |keyrings| &keyrings.places);
        with_deep_stack(|| {
            let tool = options.tool;
            let transactions = transactions(inventory, &installed, plan, packages, tool, places)?;
            let mut scripts = Scriptlets::new(&mut *runner, numbers_of(inventory.release));
            install(overlay, &installed, packages, &transactions, &installation, &mut scripts)
        })
    }

    /// Writes the database as rpm would have left it, or the lists in its place.
    fn write_database(
        &self,
        overlay: &mut Overlay,
        changes: &[Change],
        timestamp: i64,
    ) -> Result<(), RepairerError> {
        let files = match (&self.inventory.database, &self.inventory.manifest) {
            (Some(database), _) => {
                database.write(overlay, changes).map_err(RepairerError::family)?.files
            }
            (None, Some(lists)) => {
                let after = lists.after(changes).map_err(RepairerError::family)?.files();
                let file = |(path, bytes)| Ok((overlay.resolve(&path)?, FileChange::Write(bytes)));
                let files: Result<Vec<_>, RootfsError> = after.into_iter().map(file).collect();
                files.map_err(RepairerError::family)?
            }
            (None, None) => return Ok(()),
        };
        for (path, change) in files {
            match change {
                FileChange::Remove => overlay.remove(&path),
                FileChange::Write(bytes) => {
                    let mut entry = Entry::file(bytes, 0o644, timestamp);
                    if let Some(before) = overlay.lstat(&path) {
                        entry.mode = before.mode;
                        (entry.uid, entry.gid) = (before.uid, before.gid);
                        entry.xattrs = before.xattrs.clone();
                    }
                    overlay.set(path, entry).map_err(RepairerError::family)?;
                }
            }
        }
        Ok(())
    }
}

impl Workshop for RpmWorkshop<'_> {
    fn install(
        &mut self,
        mut overlay: Overlay,
        plan: &PlatformPlan,
        paths: &[PathBuf],
        edge: &Edge,
    ) -> Result<TrialOutcome, RepairerError> {
        let steps = &plan.steps;
        let options = Options::read(&overlay).map_err(RepairerError::family)?;
        if let Some((id, reason)) = self.unpack(&overlay, &options, steps, paths, edge)? {
            return Ok(TrialOutcome::Barred(id, reason));
        }
        let barred = steps.iter().find_map(|step| {
            let payload = &self.unpacked.get(step)?.package.payload;
            reserved(step, payload.iter().map(|entry| entry.path.as_slice()))
        });
        if let Some(barred) = barred {
            return Ok(barred);
        }
        let packages: Vec<NewPackage> =
            steps.iter().filter_map(|step| self.unpacked.get(step).cloned()).collect();
        let newest = packages.iter().filter_map(|new| built(&new.package.headers)).max();
        let timestamp = edge.source_date_epoch.unwrap_or(newest.unwrap_or(0));
        match self.apply(&mut overlay, plan, &packages, &options, timestamp, edge)? {
            Ok(Outcome { effects, changes, .. }) => {
                for effect in &effects {
                    if let EffectKind::ScriptFailed { script, detail, .. } = &effect.kind {
                        let package = &effect.package;
                        edge.progress.warn(&format!(
                            "{package}'s {script}: {detail}; rpm goes on after that, too"
                        ));
                    }
                }
                self.write_database(&mut overlay, &changes, timestamp)?;
                finish(overlay, effects, timestamp).map(TrialOutcome::Applied)
            }
            Err(error) => match blamed(&error, plan, &packages) {
                Some(id) => Ok(TrialOutcome::Barred(id.clone(), reason(&id, error))),
                None => {
                    let image = plan.platform.to_string();
                    Err(RepairerError::Install { image, source: error.into() })
                }
            },
        }
    }

    fn built(&self, step: &Step) -> Option<i64> {
        built(&self.unpacked.get(step)?.package.headers)
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        Some(relations(&self.unpacked.get(step)?.package.headers.package))
    }
}

/// When a package was built, in seconds since the epoch.
fn built(headers: &Headers) -> Option<i64> {
    headers.package.header().number(tag::BUILDTIME).and_then(|time| i64::try_from(time).ok())
}

/// How a package stands to others, in the words of the metadata.
pub fn relations(package: &Package) -> Relations {
    promised(|kind| {
        let kind = match kind {
            primary::RelationKind::Provides => RelationKind::Provides,
            primary::RelationKind::Requires => RelationKind::Requires,
            primary::RelationKind::Conflicts => RelationKind::Conflicts,
            primary::RelationKind::Obsoletes => RelationKind::Obsoletes,
            _ => return Vec::new(),
        };
        let relations = package.relations(kind).unwrap_or_default();
        let relations = relations.iter().map(InstalledRelation::of);
        relations.map(|one| one.text().to_string()).collect()
    })
}

/// Unpacks a step's archive, which must be the package that the index promised, signed by one of
/// the keys of its repository. Some databases have digests of whole archives.
fn read_archive(
    trust: &Trust<'_>,
    step: &Step,
    mut file: BufReader<File>,
    spool: &Spool,
    memory: &Memory,
    with_digests: bool,
) -> Result<NewPackage, RepairerError> {
    let archive = || step.archive.url.clone();
    let limits = Limits::for_archive(step.archive.size, memory);
    let package = unpack(&mut file, spool, &limits).map_err(|source| {
        let (archive, is_too_much) = (archive(), source.is_too_much());
        match is_too_much {
            true => RepairerError::TooMuch { archive, source: source.into() },
            false => RepairerError::Archive { archive, source: source.into() },
        }
    })?;
    trust.check(&step.archive, &step.package, step.to.as_ref(), &package.headers, &mut file)?;
    let mut archive_digests = Vec::new();
    if with_digests {
        let unreadable = |source| RepairerError::ArchiveFile { archive: archive(), source };
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        archive_digests = imgfix_rpm::archive_digests(&mut file).map_err(unreadable)?.into();
    }
    Ok(NewPackage { package: Arc::new(package), archive_digests })
}

/// Why a step cannot be done, from the error that it made.
fn reason(id: &PackageId, error: InstallError) -> Reason {
    match error {
        InstallError::Script { package, script, line, detail, .. } => {
            let owner = package.split(':').next().unwrap_or_default();
            let script = script_of(id, owner, script);
            Reason::NeedsScripts { package: id.name.to_string(), script, line, detail }
        }
        other => Reason::Conflict { package: id.name.to_string(), detail: other.to_string() },
    }
}

/// The step that an installation error is about, when it is about one.
fn blamed(error: &InstallError, plan: &PlatformPlan, packages: &[NewPackage]) -> Option<PackageId> {
    // packages are named by `name:arch` or by their labels
    let step = |named: &str| {
        let mut steps = plan.steps.iter().zip(packages);
        let found = steps.find(|(step, new)| {
            step.package.to_string() == named || new.package.headers.package.label() == named
        });
        found.map(|(step, _)| step.package.clone())
    };
    match error {
        InstallError::Script { is_of_this_machine: true, .. }
        | InstallError::Rootfs(_)
        | InstallError::Step(_) => None,
        InstallError::Script { package, set_off_by, .. } => {
            step(package).or_else(|| step(set_off_by.as_deref()?))
        }
        InstallError::Files { package, .. }
        | InstallError::Relations { package, .. }
        | InstallError::Header { package, .. }
        | InstallError::Package { package, .. }
        | InstallError::Triggers { package, .. }
        | InstallError::Overwrite { package, .. }
        | InstallError::File { package, .. } => step(package),
    }
}
