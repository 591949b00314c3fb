//! One environment behind the loop of libraries: what can be changed in it, to what, and the
//! change itself.
//!
//! In come copies and versions that the loop chose; out come steps with the wheels of an index,
//! and an overlay in which they are done. The lines of everything that is installed are held
//! against the result of the whole set.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use imgfix_model::component::{Libraries, Library};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Archive, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::libraries::asking::{failed, unreadable};
use imgfix_repair::libraries::{Barred, Change, LibraryManager, Outcome, Resolved, Versions};
use imgfix_repair::repairer::Work;
use imgfix_repository::{FetchError, Hashed};
use imgfix_vfs::{FileSystem, Overlay, Spool};

use crate::attestation;
use crate::distribution::Distribution;
use crate::environment::{Environment, EnvironmentError};
use crate::fault::Fault;
use crate::index;
use crate::installed::{self, Broken, Installed};
use crate::names::{normalized, same_name};
use crate::obstacles;
use crate::offers::{self, Offer, Offered};
use crate::records;
use crate::replace::{Place, replace};
use crate::specifiers::Specifiers;
use crate::tags::WheelName;
use crate::wheel::Wheel;

/// The index that is asked where none is named.
pub(crate) const PUBLIC: &str = "https://pypi.org/simple/";

/// The largest wheel, in bytes.
const MAX_WHEEL: u64 = 2 << 30;

/// What wheels may unpack to for each byte of theirs, and all together at least, in bytes.
const UNPACKED_PER_BYTE: u64 = 100;
const UNPACKED_AT_LEAST: u64 = 2 << 30;

/// What an index said, for all environments of a run.
pub(crate) type Answers = Rc<RefCell<BTreeMap<String, Rc<Answer>>>>;

/// What indexes have of a project.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Its files, and the URL of the index that has them.
    Files(Vec<index::IndexFile>, String),
    /// No index has it, or one cannot be asked.
    Left(Reason),
}

/// An environment that can be changed.
pub(crate) struct PythonManager {
    pub(crate) place: ImagePath,
    answers: Answers,
    offers: RefCell<BTreeMap<String, Rc<Vec<Offer>>>>,
}

impl PythonManager {
    pub(crate) fn new(place: ImagePath, answers: Answers) -> Self {
        Self { place, answers, offers: RefCell::default() }
    }

    pub(crate) fn environment(
        &self,
        fs: &dyn FileSystem,
        work: &Work<'_>,
    ) -> Result<Result<Environment, String>, RepairerError> {
        match Environment::of(fs, &self.place, machine(work)) {
            Ok(found) => Ok(Ok(found)),
            Err(EnvironmentError::Other(why)) => Ok(Err(why)),
            Err(EnvironmentError::Image(error)) => Err(RepairerError::family(error)),
        }
    }

    /// What indexes have of a project: the first that has it counts.
    fn answer(&self, project: &str, work: &Work<'_>) -> Result<Rc<Answer>, RepairerError> {
        let key = normalized(project);
        if let Some(known) = self.answers.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let answer = Rc::new(ask(&key, project, work)?);
        self.answers.borrow_mut().insert(key, Rc::clone(&answer));
        Ok(answer)
    }

    /// The offers for a project; why there are none.
    pub(crate) fn offered(
        &self,
        fs: &dyn FileSystem,
        project: &str,
        work: &Work<'_>,
    ) -> Result<Result<Rc<Vec<Offer>>, Reason>, RepairerError> {
        let key = normalized(project);
        if let Some(known) = self.offers.borrow().get(&key) {
            return Ok(Ok(Rc::clone(known)));
        }
        let environment = match self.environment(fs, work)? {
            Ok(environment) => environment,
            Err(why) => return Ok(Err(Reason::not_repairable(project, why))),
        };
        let answer = self.answer(project, work)?;
        let (files, registry) = match &*answer {
            Answer::Left(reason) => return Ok(Err(reason.clone())),
            Answer::Files(files, registry) => (files, registry),
        };
        let Ok(base) = url::Url::parse(registry) else {
            let why = format!("{registry} is no URL");
            return Ok(Err(Reason::not_repairable(project, why)));
        };
        let found = Rc::new(offers::offers(project, files, &base, &environment));
        self.offers.borrow_mut().insert(key, Rc::clone(&found));
        Ok(Ok(found))
    }

    /// The archive of a wheel, fetched, with who is attested to have published it; why it cannot be
    /// had.
    pub(crate) fn fetched(
        &self,
        project: &str,
        version: &str,
        wheel: Offered,
        work: &Work<'_>,
    ) -> Result<Result<(Archive, Option<String>), Reason>, RepairerError> {
        let component = format!("{project} {version}");
        let attested_by = match attestation::publisher(&component, &wheel, work)? {
            Ok(attested_by) => attested_by,
            Err(reason) => return Ok(Err(reason)),
        };
        let left = |why: String| Ok(Err(Reason::not_repairable(project, why)));
        let Offered { url, hash, .. } = wheel;
        let wanted = [Hashed { url, hash, limit: MAX_WHEEL }];
        let repository = match &*self.answer(project, work)? {
            Answer::Files(_, registry) => registry.clone(),
            Answer::Left(_) => String::new(),
        };
        let kept = match work.fetcher.hashed(&wanted) {
            Ok(kept) => kept.into_iter().next(),
            Err(
                error @ (FetchError::NotFound { .. }
                | FetchError::Offline { .. }
                | FetchError::Refused { .. }
                | FetchError::Failed { .. }
                | FetchError::Mismatch { .. }),
            ) => return left(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        let [Hashed { url, .. }] = wanted;
        match kept {
            Some(kept) => {
                let (size, checksum) = (kept.size, kept.digest.into());
                Ok(Ok((Archive { url, size, checksum, repository }, attested_by)))
            }
            None => left(format!("{url} was not fetched")),
        }
    }

    fn applied(
        &self,
        mut overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Outcome, Failed> {
        let environment = self.environment(&overlay, work).map_err(Failed::Run)?;
        let environment = match (environment, steps.first()) {
            (_, None) => return Ok(Outcome::Applied(overlay)),
            (Ok(environment), _) => environment,
            (Err(why), Some(step)) => return Err(Failed::bar(step, why)),
        };
        let places = environment.search_path(&overlay);
        let before = self.listed(&overlay, &places)?;
        let archives = steps.iter().map(|step| {
            step.archive
                .as_ref()
                .ok_or_else(|| Failed::bar(step, "its step has no wheel".to_owned()))
        });
        let archives = archives.collect::<Result<Vec<&Archive>, Failed>>()?;
        let files = work.fetcher.archives(&archives).map_err(|error| Failed::Run(error.into()))?;
        let total = archives.iter().fold(0_u64, |all, archive| all.saturating_add(archive.size));
        let most = total.saturating_mul(UNPACKED_PER_BYTE).saturating_add(UNPACKED_AT_LEAST);
        let spool =
            Spool::bounded(most).map_err(|error| Failed::Run(RepairerError::Temporary(error)))?;
        let mut changed = BTreeSet::new();
        // what comes new is installed as the first one that is changed was
        let mut model = None;
        for step in steps.iter().filter(|step| step.from.is_some()).take(1) {
            let Some(path) = &step.path else { continue };
            let read = Distribution::read(&overlay, &environment, path);
            let mtime = overlay.lstat(path).map_or(0, |entry| entry.mtime);
            model = Some((read.map_err(|fault| Failed::of(fault, step))?, mtime));
        }
        let setting = Setting { environment: &environment, spool: &spool, model, work };
        for ((step, archive), file) in steps.iter().zip(archives).zip(files) {
            let read = || std::fs::read(&file);
            let bytes = read().map_err(|source| {
                let archive = archive.url.clone();
                Failed::Run(RepairerError::ArchiveFile { archive, source })
            })?;
            work.edge.memory.admit(archive.size);
            let held = work.edge.memory.hold(bytes);
            let bytes = held.map_err(|error| Failed::bar(step, format!("its wheel: {error}")))?;
            let done = self.replaced(&mut overlay, &setting, step, bytes);
            done.map_err(|fault| Failed::of(fault, step))?;
            changed.insert(normalized(&step.component));
        }
        let after = self.listed(&overlay, &places)?;
        match installed::first_broken(&before, &after, &changed, &environment) {
            None => Ok(Outcome::Applied(overlay)),
            Some(broken) => Ok(Outcome::Barred(barred(&broken, steps, &after))),
        }
    }

    fn listed(
        &self,
        fs: &dyn FileSystem,
        places: &[ImagePath],
    ) -> Result<BTreeMap<String, Installed>, Failed> {
        installed::installed(fs, places).map_err(|fault| Failed::Run(of_run(fault)))
    }

    fn replaced(
        &self,
        overlay: &mut Overlay,
        setting: &Setting<'_>,
        step: &StoreStep,
        bytes: bytes::Bytes,
    ) -> Result<(), Fault> {
        let Setting { environment, spool, model, work } = setting;
        let refused = |why: &str| Fault::Refused(why.to_owned());
        let path = step.path.as_ref().ok_or_else(|| refused("its step names no record"))?;
        let to = step.to.as_ref().ok_or_else(|| refused("its step names no version"))?;
        let archive = step.archive.as_ref().ok_or_else(|| refused("its step has no wheel"))?;
        let name = archive.url.rsplit('/').next().unwrap_or_default().replace("%2B", "+");
        let serves = WheelName::parse(&name).is_some_and(|wheel| {
            environment.tags().is_some_and(|tags| tags.rank(&wheel).is_some())
        });
        if !serves {
            return Err(Fault::Refused(format!(
                "{name} is no wheel for {}",
                environment.describe()
            )));
        }
        let is_it = |library: &Library| {
            let is_of_step = same_name(&library.name, &step.component);
            match &step.from {
                Some(from) => is_of_step && library.path == *path && library.version == *from,
                None => is_of_step,
            }
        };
        let store = records::find_in(overlay, &self.place);
        let is_there = store.is_some_and(|store| store.libraries.iter().any(is_it));
        match &step.from {
            Some(from) if !is_there => {
                return Err(Fault::Refused(format!("{path} is not of {} {from}", step.component)));
            }
            None if is_there => {
                return Err(Fault::Refused(format!("{} is installed already", step.component)));
            }
            _ => {}
        }
        let wheel = Wheel::read(bytes, &step.component, to.as_ref())?;
        if let Some(wants) = &wheel.needs.python
            && !Specifiers::lenient(wants).is_ok_and(|wants| environment.allows(&wants))
        {
            let here = environment.describe();
            return Err(Fault::Refused(format!("{to} wants Python {wants}, and this is {here}")));
        }
        let (old, own) = match (&step.from, model) {
            (None, Some((model, mtime))) => (model.nothing_beside(), *mtime),
            _ => {
                let own = overlay.lstat(path).map_or(0, |entry| entry.mtime);
                (Distribution::read(overlay, environment, path)?, own)
            }
        };
        let mtime = work.edge.source_date_epoch.unwrap_or(own);
        replace(overlay, environment, &old, &wheel, &Place { spool, mtime })
    }
}

/// What steps are done with.
struct Setting<'a> {
    environment: &'a Environment,
    spool: &'a Spool,
    /// What something new is installed like, and the time of its record.
    model: Option<(Distribution, i64)>,
    work: &'a Work<'a>,
}

impl LibraryManager for PythonManager {
    fn obstacle(&self, fs: &dyn FileSystem, library: &Library) -> Result<Option<Reason>, Cause> {
        let found = obstacles::obstacle(fs, &library.name, &library.path)?;
        Ok(found.map(|why| Reason::not_repairable(&library.name, why)))
    }

    fn versions(
        &self,
        fs: &dyn FileSystem,
        library: &Library,
        work: &Work<'_>,
    ) -> Result<Versions, RepairerError> {
        let offered = match self.offered(fs, &library.name, work)? {
            Ok(offered) => offered,
            Err(reason) => return Ok(Versions::Left(reason)),
        };
        // those that follow the last one that serves are named, so that it is said why they do not
        let last = offered.iter().rposition(|one| one.wheel.is_ok());
        let is_listed =
            |(at, one): &(usize, &Offer)| one.wheel.is_ok() || last.is_none_or(|last| *at > last);
        let listed = offered.iter().enumerate().filter(is_listed);
        Ok(Versions::Known(listed.map(|(_, one)| one.text.as_str().into()).collect()))
    }

    fn resolve(
        &self,
        fs: &dyn FileSystem,
        changes: &[Change<'_>],
        work: &Work<'_>,
    ) -> Result<Resolved, RepairerError> {
        let mut chosen = Vec::new();
        for change in changes {
            let bar =
                |reason| Ok(Resolved::Barred(Barred { path: change.library.path.clone(), reason }));
            let offered = match self.offered(fs, &change.library.name, work)? {
                Ok(offered) => offered,
                Err(reason) => return bar(reason),
            };
            let offer = offered.iter().find(|one| one.text == change.to.as_ref());
            let wheel = match offer.map(|one| one.wheel.clone()) {
                Some(Ok(wheel)) => wheel,
                Some(Err(why)) => return bar(Reason::not_repairable(&change.library.name, why)),
                None => {
                    let why = "no index has the version any more".to_owned();
                    return bar(Reason::not_repairable(&change.library.name, why));
                }
            };
            match self.fetched(&change.library.name, change.to.as_ref(), wheel, work)? {
                Ok((archive, attested_by)) => {
                    chosen.push(StoreStep { attested_by, ..change.step(archive) });
                }
                Err(reason) => return bar(reason),
            }
        }
        self.with_companions(fs, chosen, work)
    }

    fn apply(
        &self,
        overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Outcome, RepairerError> {
        match self.applied(overlay, steps, work) {
            Ok(outcome) => Ok(outcome),
            Err(Failed::Run(error)) => Err(error),
            Err(Failed::Step(barred)) => Ok(Outcome::Barred(barred)),
        }
    }

    fn list(&self, fs: &dyn FileSystem) -> Option<Libraries> {
        records::find_in(fs, &self.place)
    }
}

/// Why steps are not done.
enum Failed {
    /// No step is to blame.
    Run(RepairerError),
    /// One is.
    Step(Barred),
}

impl Failed {
    fn bar(step: &StoreStep, why: String) -> Self {
        let path = step.path.clone().unwrap_or_else(ImagePath::root);
        Self::Step(Barred { path, reason: Reason::not_repairable(&step.component, why) })
    }

    fn of(fault: Fault, step: &StoreStep) -> Self {
        match fault {
            Fault::Refused(why) => Self::bar(step, why),
            other => Self::Run(of_run(other)),
        }
    }
}

pub(crate) fn of_run(fault: Fault) -> RepairerError {
    match fault {
        Fault::Temporary(error) => RepairerError::Temporary(error),
        other => RepairerError::family(other),
    }
}

/// Asks the indexes for a project, the first that has it counts: one of the public index never
/// takes the place of what an index of one's own has.
fn ask(key: &str, project: &str, work: &Work<'_>) -> Result<Answer, RepairerError> {
    let registries = &work.edge.repositories.libraries.python;
    let mut places: Vec<&str> = registries.places.iter().map(|one| one.url.as_str()).collect();
    if places.is_empty() {
        places.push(PUBLIC);
    }
    for place in &places {
        let url = format!("{place}{key}/");
        let asked = work.fetcher.unsigned(&url, index::MAX_INDEX, Some(index::ACCEPT));
        match asked {
            Ok(None) => {}
            Ok(Some(answer)) => {
                return Ok(match index::read(&answer) {
                    Ok(files) => Answer::Files(files, url),
                    Err(why) => Answer::Left(unreadable(place, format!("of {url}, {why}"))),
                });
            }
            Err(error) => return Ok(Answer::Left(failed(place, error, work)?)),
        }
    }
    let all = places.join(", ");
    Ok(Answer::Left(Reason::not_repairable(project, format!("no index has it ({all})"))))
}

/// Which change a broken line is laid to, and how it is said.
pub(crate) fn barred(
    broken: &Broken,
    steps: &[StoreStep],
    after: &BTreeMap<String, Installed>,
) -> Barred {
    let changes = |name: &str| steps.iter().find(|step| same_name(&step.component, name));
    let name = broken.by.rsplit_once(' ').map_or(broken.by.as_str(), |(name, _)| name);
    let step = changes(&broken.about).or_else(|| changes(name));
    let path = step.and_then(|step| step.path.clone()).unwrap_or_else(ImagePath::root);
    let Broken { by, line, .. } = broken;
    let reason = match (&broken.found, &broken.why) {
        (_, Some(why)) => Reason::not_repairable(
            step.map_or(name, |step| step.component.as_str()),
            format!("{line} of {by} cannot be judged: {why}"),
        ),
        (Some(found), None) => {
            let written =
                after.get(&broken.about).map_or(broken.about.as_str(), |one| one.name.as_str());
            Reason::Constrained {
                component: format!("{written} {found}"),
                by: by.clone(),
                relation: line.clone(),
            }
        }
        (None, None) => Reason::not_repairable(
            step.map_or(name, |step| step.component.as_str()),
            format!(
                "{by} wants what is not installed ({line}): install it when the image is built"
            ),
        ),
    };
    Barred { path, reason }
}

/// The kernel's word for the image's machine.
fn machine<'a>(work: &'a Work<'_>) -> &'a str {
    let platform = &work.context.platform;
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "i686",
        ("arm", Some("v6" | "v5")) => "armv6l",
        ("arm", _) => "armv7l",
        (other, _) => other,
    }
}
