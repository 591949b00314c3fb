//! Trees of node modules behind the loop that all libraries share.
//!
//! In come copies and versions, steps and an overlay; out come what the registry has, exact steps,
//! and the overlay with them done: files, links to commands and the project's lockfiles. After
//! that every need that was met has to be met still.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use imgfix_model::component::{Libraries, Library, StoreId};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::libraries::{Barred, Change, LibraryManager, Outcome, Resolved, Versions};
use imgfix_repair::repairer::Work;
use imgfix_vfs::{FileSystem, Overlay};

use crate::constraints::constrained;
use crate::install::{self, InstallError, Place};
use crate::manifest::Manifest;
use crate::modules::{Broken, Found, Modules};
use crate::planning::{Planning, folder_of};
use crate::project_files::{self, FilesError, Installed};
use crate::registry::{Asked, Hashes};
use crate::tarball::Tarball;
use crate::{obstacles, records};

/// One tree of node modules.
pub struct NodeManager {
    store: StoreId,
    asked: Asked,
    /// The packages before anything changes: each copy is asked about, and all of them are read.
    before: RefCell<Option<Rc<Modules>>>,
}

impl NodeManager {
    /// For the store with this id.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        Self { store, asked: Asked::default(), before: RefCell::default() }
    }
}

impl LibraryManager for NodeManager {
    fn obstacle(&self, fs: &dyn FileSystem, library: &Library) -> Result<Option<Reason>, Cause> {
        let folder = folder_of(&library.path);
        let modules = self.before(fs);
        let Some(package) = modules.get(&folder) else { return Ok(None) };
        // what is brought in another's archive changes with that one
        let detail = match modules.bundled_by(&folder) {
            Some(_) => None,
            None => obstacles::of_copy(fs, &folder, &package.manifest),
        };
        Ok(detail.map(|detail| Reason::not_repairable(&library.name, detail)))
    }

    fn versions(
        &self,
        _fs: &dyn FileSystem,
        library: &Library,
        work: &Work<'_>,
    ) -> Result<Versions, RepairerError> {
        Ok(match self.asked.packument(&library.name, work)? {
            Ok(packument) => Versions::Known(packument.releases().collect()),
            Err(reason) => Versions::Left(reason),
        })
    }

    fn resolve(
        &self,
        fs: &dyn FileSystem,
        changes: &[Change<'_>],
        work: &Work<'_>,
    ) -> Result<Resolved, RepairerError> {
        let before = self.before(fs);
        Planning { fs, before: &before, asked: &self.asked, work }.resolve(changes)
    }

    fn apply(
        &self,
        overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Outcome, RepairerError> {
        match self.done(overlay, steps, work)? {
            Ok(overlay) => Ok(Outcome::Applied(overlay)),
            Err((path, reason)) => Ok(Outcome::Barred(Barred { path, reason })),
        }
    }

    fn list(&self, fs: &dyn FileSystem) -> Option<Libraries> {
        records::find(fs).into_iter().find(|one| one.store == self.store)
    }
}

/// A change that cannot be, and why.
type Blamed = (ImagePath, Reason);

impl NodeManager {
    /// The packages of the image to which nothing was done yet.
    fn before(&self, fs: &dyn FileSystem) -> Rc<Modules> {
        let mut known = self.before.borrow_mut();
        Rc::clone(known.get_or_insert_with(|| Rc::new(Modules::read(fs))))
    }

    fn done(
        &self,
        mut overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Result<Overlay, Blamed>, RepairerError> {
        let before = Modules::read(&overlay);
        let (mut installed, mut gone) = (Vec::new(), Vec::new());
        for step in steps {
            let Some(path) = &step.path else { continue };
            let folder = folder_of(path);
            let blamed = |detail: String| {
                let component = match &step.to {
                    Some(to) => format!("{} {to}", step.component),
                    None => step.component.clone(),
                };
                Ok(Err((origin(step, steps), Reason::NotRepairable { component, detail })))
            };
            if !records::is_record(path.as_bytes()) {
                return blamed(format!("{path} is no place of a package"));
            }
            let old = before.get(&folder).map(|package| package.manifest.clone());
            let was = old.as_ref().map(|old| old.version.as_str());
            if was != step.from.as_ref().map(AsRef::as_ref) {
                return blamed(format!("{folder} has {} now", was.unwrap_or("nothing")));
            }
            let bundled = before.bundle_of(&folder);
            let place = Place { folder: &folder, old: old.as_ref(), bundled: &bundled };
            let Some(archive) = &step.archive else {
                match install::take(&mut overlay, &place) {
                    Ok(()) => gone.push(folder),
                    Err(error) => return failed(error, blamed),
                }
                continue;
            };
            let (tarball, hashes) = match self.asked.read(archive, work)? {
                Ok(read) => read,
                Err(why) => {
                    let detail = format!("{}: {why}", archive.url);
                    let package = step.component.clone();
                    return Ok(Err((origin(step, steps), Reason::Untrusted { package, detail })));
                }
            };
            if let Some(why) = unlike(step, &tarball) {
                let package = step.component.clone();
                return Ok(Err((origin(step, steps), Reason::Untrusted { package, detail: why })));
            }
            if let Some(why) = foreign_code(&tarball) {
                return blamed(why);
            }
            let commands = Manifest::of(&tarball.document).commands;
            if install::is_in_pnpm_store(&folder)
                && old.as_ref().is_some_and(|old| old.commands != commands)
            {
                return blamed("its commands change, which pnpm has to link".to_owned());
            }
            if let Err(error) = install::put(&mut overlay, &place, &tarball) {
                return failed(error, blamed);
            }
            installed.push(Installed::of(step, folder, &tarball, hashes, archive.url.clone()));
        }
        if let Err(error) = project_files::update(&mut overlay, &before, &installed, &gone) {
            let FilesError::Unreadable { path, why } = error else {
                return Err(RepairerError::family(error));
            };
            let Some(step) = steps.first() else { return Ok(Ok(overlay)) };
            let component = step.component.clone();
            let detail = format!("{path} names its version, and cannot be changed: {why}");
            return Ok(Err((origin(step, steps), Reason::NotRepairable { component, detail })));
        }
        let after = Modules::read(&overlay);
        match after.broken_since(&before).into_iter().next() {
            Some(broken) => Ok(Err((blame(&broken, steps), constrained(&after, &broken)))),
            None => Ok(Ok(overlay)),
        }
    }
}

impl Installed {
    fn of(
        step: &StoreStep,
        folder: ImagePath,
        tarball: &Tarball,
        hashes: Hashes,
        url: String,
    ) -> Self {
        // what was put below a package is needed by it
        let above = folder.parent().map(|above| match above.file_name() == records::MODULES {
            true => folder_of(&above),
            false => folder_of(&folder_of(&above)),
        });
        Self {
            from: step.from.as_ref().map(ToString::to_string),
            needed_by: above.filter(|_| step.from.is_none()),
            folder,
            document: tarball.document.clone(),
            url,
            sha1: hashes.sha1,
            integrity: hashes.sha512,
        }
    }
}

fn failed(
    error: InstallError,
    blamed: impl FnOnce(String) -> Result<Result<Overlay, Blamed>, RepairerError>,
) -> Result<Result<Overlay, Blamed>, RepairerError> {
    match error {
        InstallError::Temporary(error) => Err(RepairerError::Temporary(error)),
        InstallError::Rootfs(error) if imgfix_vfs::fault::is_of_this_machine(&error) => {
            Err(RepairerError::family(error))
        }
        error => blamed(error.to_string()),
    }
}

/// What an archive has that its step does not say.
fn unlike(step: &StoreStep, tarball: &Tarball) -> Option<String> {
    let Manifest { name, version, .. } = Manifest::of(&tarball.document);
    let to = step.to.as_ref().map_or("", AsRef::as_ref);
    (name != step.component || version != to).then(|| {
        let url = step.archive.as_ref().map_or("", |archive| archive.url.as_str());
        format!("{url} has {name} {version} instead of {} {to}", step.component)
    })
}

/// Code that is compiled, or has to be, and scripts of the archive's own that its registry did not
/// tell of.
fn foreign_code(tarball: &Tarball) -> Option<String> {
    if let Some(script) = Manifest::of(&tarball.document).scripts.first() {
        return Some(obstacles::scripted(script));
    }
    let own = |name: &&Vec<u8>| !name.starts_with(b"node_modules/");
    let found = tarball
        .files
        .keys()
        .filter(own)
        .find(|name| name.as_slice() == b"binding.gyp" || name.ends_with(b".node"))?;
    let name = String::from_utf8_lossy(found);
    Some(format!("its archive has compiled code ({name}); upgrade it and build the image anew"))
}

/// The record of the change for which a step is in the plan.
fn origin(step: &StoreStep, steps: &[StoreStep]) -> ImagePath {
    let by_name: BTreeMap<&str, &StoreStep> =
        steps.iter().map(|step| (step.component.as_str(), step)).collect();
    let mut at = step;
    for _ in 0..steps.len() {
        let beside = at.because.iter().find_map(|because| match because {
            Because::Beside { component, .. } => by_name.get(component.as_str()),
            _ => None,
        });
        match beside {
            Some(next) => at = next,
            None => break,
        }
    }
    at.path.clone().unwrap_or_else(ImagePath::root)
}

/// The record of the change that broke a need.
fn blame(broken: &Broken, steps: &[StoreStep]) -> ImagePath {
    let of = |folder: &ImagePath| {
        steps.iter().find(|step| step.path.as_ref().map(folder_of).as_ref() == Some(folder))
    };
    let found = match &broken.found {
        Found::Wrong(at) => of(at),
        Found::Missing | Found::Right => None,
    };
    let step = found.or_else(|| of(&broken.by)).or_else(|| steps.first());
    step.map_or_else(ImagePath::root, |step| origin(step, steps))
}
