//! One store of archives of Java that can be changed: versions from Maven's repositories, families
//! together, files and nested archives replaced where they are, and the code around them linked
//! on trial.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;
use imgfix_model::component::{Libraries, Library};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::libraries::{Barred, Change, LibraryManager, Outcome, Resolved, Versions};
use imgfix_repair::repairer::Work;
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Overlay};
use imgfix_zip::{Archive, Names, ZipError};

use crate::class_path::CodeBase;
use crate::families::{flavour, is_family, line};
use crate::identity::{artifact_of, identities};
use crate::listing::{Found, LIMITS};
use crate::registry::Answer;
use crate::versions::{ORDER, is_release};
use crate::{attestation, mitigation, place, records, registry};

/// The manager of the store at a place.
pub struct JavaManager {
    libraries: Libraries,
    place: ImagePath,
    code: RefCell<Option<CodeBase>>,
}

impl JavaManager {
    /// Of this store.
    #[must_use]
    pub fn new(libraries: Libraries) -> Self {
        let place = ImagePath::new(libraries.store.place.clone().into_bytes());
        let place = place.unwrap_or_else(|_| ImagePath::root());
        Self { libraries, place, code: RefCell::default() }
    }

    /// The others that go to a new version with `library`.
    fn family<'a>(&'a self, library: &'a Library) -> impl Iterator<Item = &'a Library> {
        self.libraries.libraries.iter().filter(move |one| is_family(library, one))
    }

    /// The version that a companion gets when its family goes to `to`; `None`: it stays.
    fn companion(
        &self,
        library: &Library,
        to: &VersionText,
        work: &Work<'_>,
    ) -> Result<Answer<Option<VersionText>>, RepairerError> {
        let offered = match registry::versions(&library.name, work)? {
            Ok(offered) => offered,
            Err(reason) => return Ok(Err(reason)),
        };
        let is_at_most = |one: &String| {
            ORDER.compare(one, to.as_ref()).is_some_and(Ordering::is_le)
                && line(one) == line(to.as_ref())
                && is_release(one)
        };
        let mut best: Option<String> = None;
        for one in offered.into_iter().filter(is_at_most) {
            let is_better = |best: &String| ORDER.compare(&one, best) == Some(Ordering::Greater);
            if best.as_ref().is_none_or(is_better) {
                best = Some(one);
            }
        }
        let own = library.version.as_ref();
        let newer = best.filter(|one| ORDER.compare(one, own) == Some(Ordering::Greater));
        Ok(Ok(newer.map(VersionText)))
    }

    /// Puts what steps say in its place; the new archives by their paths.
    fn replaced(
        overlay: &mut Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Result<BTreeMap<String, Bytes>, Barred>, RepairerError> {
        let mut new = BTreeMap::new();
        let mut files: BTreeMap<ImagePath, BTreeMap<String, Bytes>> = BTreeMap::new();
        let mut mitigations = Vec::new();
        let archives: Vec<_> = steps.iter().filter_map(|step| step.archive.as_ref()).collect();
        let mut fetched = work.fetcher.archives(&archives)?.into_iter();
        for step in steps {
            let path = step.path.clone().unwrap_or_else(ImagePath::root);
            let barred = |reason| Ok(Err(Barred { path: path.clone(), reason }));
            let bar = |why: String| barred(Reason::not_repairable(&step.component, why));
            let Some((file, way)) = place::split(overlay, &path) else {
                return bar("it is not where the plan says".to_owned());
            };
            let content = match &step.archive {
                Some(archive) => {
                    let file = fetched.next().unwrap_or_default();
                    let bytes = Bytes::from(std::fs::read(&file).map_err(family)?);
                    if let Err(reason) = attestation::check(step, &archive.url, &bytes, work)? {
                        return barred(reason);
                    }
                    match is_what_it_should_be(&bytes, step, &archive.url) {
                        Ok(()) => Ok(bytes),
                        Err(why) => Err(why),
                    }
                }
                None => {
                    mitigations.push((step, path.clone()));
                    continue;
                }
            };
            match content {
                Ok(bytes) => {
                    new.insert(path.to_string(), bytes.clone());
                    files.entry(file).or_default().insert(way, bytes);
                }
                Err(why) => return bar(why),
            }
        }
        for (file, contents) in files {
            let old = place::read(overlay, &file).map_err(family)?;
            match place::with_nested(old, &contents) {
                Ok(bytes) => overlay.set_content(&file, bytes).map_err(family)?,
                Err(error) => {
                    let reason = Reason::not_repairable(&file.to_string(), error.to_string());
                    let step = steps.iter().filter_map(|step| step.path.clone());
                    let mut step = step.filter(|path| path.as_bytes().starts_with(file.as_bytes()));
                    return Ok(Err(Barred { path: step.next().unwrap_or(file), reason }));
                }
            }
        }
        for (step, path) in mitigations {
            if let Err(why) = Self::mitigated(overlay, step, &path)? {
                let reason = Reason::not_repairable(&step.component, why);
                return Ok(Err(Barred { path, reason }));
            }
        }
        Ok(Ok(new))
    }

    /// Puts out of use what a step without an archive names; else half a sentence.
    fn mitigated(
        overlay: &mut Overlay,
        step: &StoreStep,
        path: &ImagePath,
    ) -> Result<Result<(), String>, RepairerError> {
        let Some((file, way)) = place::split(overlay, path) else {
            return Ok(Err("it is not where the plan says".to_owned()));
        };
        let fixes = |because: &Because| match because {
            Because::Mitigates { findings } | Because::Fixes { findings } => findings.clone(),
            _ => Vec::new(),
        };
        let ids: Vec<String> = step.because.iter().flat_map(fixes).collect();
        let version = step.from.as_ref().map_or("", AsRef::as_ref);
        let mut is_any = false;
        for rule in mitigation::rules_for(&step.component, version, &ids) {
            is_any = true;
            let old = place::read(overlay, &file).map_err(family)?;
            let found = records::found_in(overlay, &file).map_err(family)?;
            match mitigation::applied(old, rule, &way, &found) {
                Ok(bytes) => overlay.set_content(&file, bytes).map_err(family)?,
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        Ok(if is_any { Ok(()) } else { Err("no recipe for it is known".to_owned()) })
    }
}

/// An error of the image or of this machine.
fn family(error: impl std::error::Error + Send + Sync + 'static) -> RepairerError {
    RepairerError::Family(Box::new(error))
}

/// Whether an archive is the library that a step names.
fn is_what_it_should_be(bytes: &Bytes, step: &StoreStep, url: &str) -> Result<(), String> {
    let file = url.rsplit('/').next().unwrap_or(url);
    let archive: Result<Archive, ZipError> =
        Archive::read(bytes.clone(), LIMITS, Names::LookedInto);
    let archive = archive.map_err(|error| format!("what the repository has: {error}"))?;
    let to = step.to.as_ref().map_or("", AsRef::as_ref);
    let found = identities(&archive, file);
    let is_it = found.iter().any(|one| {
        one.is_whole && artifact_of(&one.name) == artifact_of(&step.component) && one.version == to
    });
    match is_it || found.iter().all(|one| !one.is_whole) {
        true => Ok(()),
        false => Err("what the repository has under its name is something else".to_owned()),
    }
}

impl LibraryManager for JavaManager {
    fn obstacle(&self, fs: &dyn FileSystem, library: &Library) -> Result<Option<Reason>, Cause> {
        let not = |detail: &str| Ok(Some(Reason::not_repairable(&library.name, detail)));
        if !library.name.contains(':') {
            return not("no text in it says its group, so no repository can be asked for it");
        }
        let Some((file, way)) = place::split(fs, &library.path) else {
            return not("it is not there");
        };
        let found = records::found_in(fs, &file)?;
        let here = |one: &&Found| one.at == way;
        let Some(here) = found.iter().find(here) else { return not("it is not there") };
        let own = here.artifacts.iter().find(|one| one.name == library.name);
        if !own.is_some_and(|one| one.is_whole) {
            return not(
                "its classes are among those of another archive (shaded): replace that one, or \
                 build it with the fixed version",
            );
        }
        if here.artifacts.len() > 1 {
            return not(
                "its archive has other libraries' classes, too, which a plain one has not: build \
                 it with the fixed version",
            );
        }
        let holds = |one: &&Found| {
            one.at != way && (one.at.is_empty() || way.starts_with(&format!("{}/", one.at)))
        };
        if found.iter().filter(holds).any(|one| one.is_signed) {
            return not(
                "the archive that it lies in is signed: build and sign that with the fixed version",
            );
        }
        Ok(None)
    }

    fn versions(
        &self,
        _fs: &dyn FileSystem,
        library: &Library,
        work: &Work<'_>,
    ) -> Result<Versions, RepairerError> {
        let offered = match registry::versions(&library.name, work)? {
            Ok(offered) => offered,
            Err(reason) => return Ok(Versions::Left(reason)),
        };
        if offered.is_empty() {
            let why = "no repository of Maven's that is asked has it";
            return Ok(Versions::Left(Reason::not_repairable(&library.name, why)));
        }
        let own = flavour(library.version.as_ref());
        let usable = |one: &String| is_release(one) && flavour(one) == own;
        Ok(Versions::Known(offered.into_iter().filter(usable).map(VersionText).collect()))
    }

    fn resolve(
        &self,
        fs: &dyn FileSystem,
        changes: &[Change<'_>],
        work: &Work<'_>,
    ) -> Result<Resolved, RepairerError> {
        // the version of each copy, by path: the highest that it or its family is to have
        let mut to: BTreeMap<&ImagePath, (&Library, VersionText, Because)> = BTreeMap::new();
        let higher = |a: &VersionText, b: &VersionText| {
            ORDER.compare(a.as_ref(), b.as_ref()) == Some(Ordering::Greater)
        };
        for change in changes {
            let because = Because::Fixes { findings: change.fixes.to_vec() };
            to.insert(&change.library.path, (change.library, change.to.clone(), because));
        }
        for change in changes {
            for one in self.family(change.library) {
                let bar = |reason| {
                    Ok(Resolved::Barred(Barred { path: change.library.path.clone(), reason }))
                };
                if let Some(owner) = &one.owner {
                    return bar(Reason::OwnedByPackage {
                        component: one.name.clone(),
                        package: owner.clone(),
                    });
                }
                let version = match self.companion(one, change.to, work)? {
                    Ok(Some(version)) => version,
                    Ok(None) => continue,
                    Err(reason) => return bar(reason),
                };
                if let Some(reason) = self.obstacle(fs, one).map_err(RepairerError::Family)? {
                    return bar(reason);
                }
                let because = Because::Beside {
                    component: change.library.name.clone(),
                    relation: "one family".to_owned(),
                };
                match to.get_mut(&one.path) {
                    Some(known) if higher(&version, &known.1) => known.1 = version,
                    Some(_) => {}
                    None => {
                        to.insert(&one.path, (one, version, because));
                    }
                }
            }
        }
        let mut steps = Vec::new();
        for (path, (library, to, because)) in to {
            let bar = |reason| Ok(Resolved::Barred(Barred { path: path.clone(), reason }));
            let archive = match registry::archive(&library.name, to.as_ref(), work)? {
                Ok(Some(archive)) => archive,
                Ok(None) => {
                    let why = format!("no repository has {to} with a checksum");
                    return bar(Reason::not_repairable(&library.name, why));
                }
                Err(reason) => return bar(reason),
            };
            steps.push(StoreStep {
                component: library.name.clone(),
                path: Some(path.clone()),
                from: Some(library.version.clone()),
                to: Some(to),
                archive: Some(archive),
                unpack: None,
                attested_by: None,
                because: vec![because],
            });
        }
        Ok(Resolved::Steps(steps))
    }

    fn apply(
        &self,
        mut overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Outcome, RepairerError> {
        let mut code = self.code.borrow_mut();
        let code = match &mut *code {
            Some(code) => code,
            none => none.insert(CodeBase::read(&overlay, &self.place).map_err(family)?),
        };
        let new = match Self::replaced(&mut overlay, steps, work)? {
            Ok(new) => new,
            Err(barred) => return Ok(Outcome::Barred(barred)),
        };
        let at = |step: &&StoreStep, path: &str| {
            step.path.as_ref().is_some_and(|own| own.to_string() == path)
        };
        let first = |path: &str| steps.iter().find(|step| at(step, path)).or(steps.first());
        let named = |step: &StoreStep| match &step.to {
            Some(to) => format!("{} {to}", step.component),
            None => step.component.clone(),
        };
        // what only lost a class on purpose is not linked anew
        let upgraded: BTreeMap<String, Bytes> = new
            .into_iter()
            .filter(|(path, _)| first(path).is_some_and(|step| step.archive.is_some()))
            .collect();
        let broken = match code.broken(&upgraded) {
            Ok(broken) => broken,
            Err(why) => {
                let step = steps.first();
                let path = step.and_then(|step| step.path.clone()).unwrap_or_else(ImagePath::root);
                let name = step.map_or_else(String::new, |step| step.component.clone());
                let reason = Reason::not_repairable(&name, why);
                return Ok(Outcome::Barred(Barred { path, reason }));
            }
        };
        let Some(fault) = broken.into_iter().next() else {
            return Ok(Outcome::Applied(overlay));
        };
        // the one that changed: what misses something, or what lost it
        let is_changed = |path: &str| upgraded.contains_key(path);
        let cause = if is_changed(&fault.of) { &fault.of } else { &fault.by };
        let step = first(cause);
        let path = step.and_then(|step| step.path.clone()).unwrap_or_else(ImagePath::root);
        let component = if is_changed(&fault.of) {
            step.map_or_else(String::new, named)
        } else {
            file_of(&fault.of)
        };
        let by = match is_changed(&fault.by) {
            true => first(&fault.by).map_or_else(String::new, named),
            false => file_of(&fault.by),
        };
        let member = fault.member;
        Ok(Outcome::Barred(Barred { path, reason: Reason::Unlinkable { component, by, member } }))
    }

    fn list(&self, fs: &dyn FileSystem) -> Option<Libraries> {
        if let Some(found) = records::find_in(fs, &self.place).ok()? {
            return Some(found);
        }
        // a path that is no text is not found again by its place
        let found = records::find(fs).ok()?;
        found.into_iter().find(|one| one.store == self.libraries.store)
    }

    fn mitigate(
        &self,
        fs: &dyn FileSystem,
        library: &Library,
        ids: &[String],
    ) -> Result<Option<StoreStep>, Cause> {
        if !mitigation::is_known(library, ids) {
            return Ok(None);
        }
        let Some((file, way)) = place::split(fs, &library.path) else { return Ok(None) };
        let found = records::found_in(fs, &file)?;
        let signed = |one: &&Found| one.at.is_empty() || way.starts_with(&one.at);
        if found.iter().filter(signed).any(|one| one.is_signed) {
            return Ok(None);
        }
        let version = library.version.as_ref();
        // what would not be heard is not said
        let mut rules = mitigation::rules_for(&library.name, version, ids);
        if rules.any(|rule| mitigation::is_shadowed(fs, &library.path, rule)) {
            return Ok(None);
        }
        let is_covered = |id: &&String| {
            mitigation::rules_for(&library.name, version, std::slice::from_ref(*id))
                .next()
                .is_some()
        };
        let fixes: Vec<String> = ids.iter().filter(is_covered).cloned().collect();
        Ok(Some(StoreStep {
            component: library.name.clone(),
            path: Some(library.path.clone()),
            from: Some(library.version.clone()),
            to: Some(library.version.clone()),
            archive: None,
            unpack: None,
            attested_by: None,
            because: vec![Because::Fixes { findings: fixes }],
        }))
    }
}

/// The last name of a path.
fn file_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
