//! From versions that are wanted of copies to exact steps.
//!
//! In come an image's packages, the changes and the registry; out come steps with archives. Who
//! depends on a copy has to allow its new version; where a package does not, the package itself
//! goes to the first version on its line that does. What a new version needs has to be found from
//! its folder, else it is put below it, where `--library-upgrades` allows minor upgrades. What an
//! archive brings itself changes with that archive ([`crate::holders`]).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_model::upgrade::UpgradeLevel;
use imgfix_repair::error::RepairerError;
use imgfix_repair::libraries::{Barred, Change, Resolved};
use imgfix_repair::repairer::Work;
use imgfix_versions::VersionText;
use imgfix_vfs::FileSystem;

use crate::ORDER;
use crate::constraints::constrained;
use crate::manifest::Manifest;
use crate::modules::{Broken, Found, Modules, Package};
use crate::node_version;
use crate::obstacles;
use crate::packument::Published;
use crate::project_files::folder_name;
use crate::ranges::Range;
use crate::records;
use crate::registry::{Asked, Bundle};
use crate::spec::Spec;

/// How often a set of changes is looked at again; each time one more package changes.
const MAX_ROUNDS: usize = 100;

/// A package that is to be in a folder.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub published: Published,
    /// The version that is there.
    pub from: Option<String>,
    /// Which change it is for: the record of its copy.
    pub origin: ImagePath,
    pub because: Because,
    /// What its archive brings below it, once that is known.
    pub bundle: Option<Rc<Bundle>>,
}

impl Wanted {
    /// One of which it is not known yet what it brings.
    pub(crate) fn new(
        published: Published,
        from: Option<String>,
        origin: ImagePath,
        because: Because,
    ) -> Self {
        Self { published, from, origin, because, bundle: None }
    }
}

/// One set of changes, being made whole.
pub struct Planning<'a> {
    /// The image.
    pub fs: &'a dyn FileSystem,
    /// Its packages.
    pub before: &'a Modules,
    /// The registry.
    pub asked: &'a Asked,
    /// How it is asked, and what the user allows.
    pub work: &'a Work<'a>,
}

/// Ends early: the change that cannot be.
pub(crate) type Tried<T> = Result<Result<T, Barred>, RepairerError>;

/// Goes on with what is there, or ends with what bars.
macro_rules! allowed {
    ($tried:expr) => {
        match $tried {
            Ok(found) => found,
            Err(barred) => return Ok(Err(barred)),
        }
    };
}
pub(crate) use allowed;

impl Planning<'_> {
    /// The steps of a set of changes.
    ///
    /// # Errors
    /// What no single change is to blame for.
    pub fn resolve(&self, changes: &[Change<'_>]) -> Result<Resolved, RepairerError> {
        Ok(match self.steps(changes)? {
            Ok(steps) => Resolved::Steps(steps),
            Err(barred) => Resolved::Barred(barred),
        })
    }

    fn steps(&self, changes: &[Change<'_>]) -> Tried<Vec<StoreStep>> {
        let mut wanted = allowed!(self.chosen(changes)?);
        for _ in 0..MAX_ROUNDS {
            allowed!(self.open_bundles(&mut wanted)?);
            let after = self.after(&wanted);
            let broken = after.broken_since(self.before);
            let Some(first) = broken.first() else {
                if self.shared(&mut wanted, &after)? {
                    continue;
                }
                allowed!(self.may_add(&wanted));
                return self.with_archives(&wanted, &after);
            };
            let before = wanted.len();
            let versions: Vec<_> = wanted.values().map(|one| version(one).to_owned()).collect();
            allowed!(self.mend(first, &after, &mut wanted)?);
            let now: Vec<_> = wanted.values().map(|one| version(one).to_owned()).collect();
            if before == wanted.len() && versions == now {
                break;
            }
        }
        let after = self.after(&wanted);
        let Some(broken) = after.broken_since(self.before).into_iter().next() else {
            allowed!(self.may_add(&wanted));
            return self.with_archives(&wanted, &after);
        };
        let path = self.blamed(&broken, &wanted);
        Ok(Err(Barred { path, reason: constrained(&after, &broken) }))
    }

    /// The changes themselves, with those of bundles handed to what brings them.
    fn chosen(&self, changes: &[Change<'_>]) -> Tried<BTreeMap<ImagePath, Wanted>> {
        let mut wanted = BTreeMap::new();
        let mut bundled: BTreeMap<&ImagePath, Vec<&Change<'_>>> = BTreeMap::new();
        for change in changes {
            let folder = folder_of(&change.library.path);
            if let Some(holder) = self.before.bundled_by(&folder) {
                bundled.entry(holder).or_default().push(change);
                continue;
            }
            let one = allowed!(self.change(change)?);
            wanted.insert(folder, one);
        }
        for (holder, changes) in bundled {
            allowed!(self.change_holder(holder, &changes, &mut wanted)?);
        }
        Ok(Ok(wanted))
    }

    pub(crate) fn change(&self, change: &Change<'_>) -> Tried<Wanted> {
        let path = &change.library.path;
        let name = &change.library.name;
        let published = allowed!(self.published(name, change.to.as_ref(), path)?);
        let from = Some(change.library.version.to_string());
        let because = Because::Fixes { findings: change.fixes.to_vec() };
        Ok(Ok(Wanted::new(published, from, path.clone(), because)))
    }

    /// A version of a registry that can be installed.
    fn published(&self, name: &str, version: &str, origin: &ImagePath) -> Tried<Published> {
        let barred = |reason| Barred { path: origin.clone(), reason };
        let packument = match self.asked.packument(name, self.work)? {
            Ok(packument) => packument,
            Err(reason) => return Ok(Err(barred(reason))),
        };
        let Some(published) = packument.versions.get(version) else {
            let newest = packument.releases().max_by(|a, b| by_version(a.as_ref(), b.as_ref()));
            let newest = newest.map(|one| one.to_string());
            let reason = Reason::NotInRepositories { wanted: version.to_owned(), newest };
            return Ok(Err(barred(reason)));
        };
        match self.unfit(published)? {
            Some(reason) => Ok(Err(barred(reason))),
            None => Ok(Ok(published.clone())),
        }
    }

    /// Why a version cannot be installed at all.
    pub(crate) fn unfit(&self, published: &Published) -> Result<Option<Reason>, RepairerError> {
        let Manifest { name, version, scripts, node, .. } = &published.manifest;
        let component = format!("{name} {version}");
        if let Some(script) = scripts.first() {
            let detail = obstacles::scripted(script);
            return Ok(Some(Reason::NotRepairable { component, detail }));
        }
        if let (Some(node), Some(installed)) = (node, node_version::of(self.fs))
            && Range::parse(node).is_some_and(|range| !range.allows(&installed))
        {
            let relation = format!("\"engines\": {{\"node\": \"{node}\"}}");
            let by = format!("Node.js {installed}");
            return Ok(Some(Reason::Constrained { component, by, relation }));
        }
        if self.work.edge.repositories.require_attestation
            && let Err(detail) = self.asked.signer(published, self.work)?
        {
            return Ok(Some(Reason::Unattested { component, detail }));
        }
        Ok(None)
    }

    /// Versions of a package that are newer and on its line, the smallest first.
    pub(crate) fn newer(
        &self,
        name: &str,
        than: &str,
    ) -> Result<Result<Vec<Published>, Reason>, RepairerError> {
        let packument = match self.asked.packument(name, self.work)? {
            Ok(packument) => packument,
            Err(reason) => return Ok(Err(reason)),
        };
        let most = self.work.choice.library_upgrades;
        let mut found: Vec<Published> = packument
            .releases()
            .filter(|one| {
                ORDER.compare(one.as_ref(), than) == Some(std::cmp::Ordering::Greater)
                    && UpgradeLevel::between(than, one.as_ref()) <= most
            })
            .filter_map(|one| packument.versions.get(one.as_ref()).cloned())
            .collect();
        found.sort_by(|a, b| by_version(&a.manifest.version, &b.manifest.version));
        Ok(Ok(found))
    }

    /// Looks into the archives that bring packages of their own.
    fn open_bundles(&self, wanted: &mut BTreeMap<ImagePath, Wanted>) -> Tried<()> {
        let unknown =
            |one: &&mut Wanted| one.bundle.is_none() && !one.published.manifest.bundled.is_empty();
        for one in wanted.values_mut().filter(unknown) {
            match self.asked.bundle(&one.published, self.work)? {
                Ok(bundle) => one.bundle = Some(bundle),
                Err(reason) => return Ok(Err(Barred { path: one.origin.clone(), reason })),
            }
        }
        Ok(Ok(()))
    }

    /// The packages as they will be.
    fn after(&self, wanted: &BTreeMap<ImagePath, Wanted>) -> Modules {
        let mut after = self.before.clone();
        for (folder, one) in wanted {
            let manifest = one.published.manifest.clone();
            let overrides = crate::overrides::Overrides::default();
            for brought in self.before.bundle_of(folder) {
                after.take(&brought);
            }
            after.put(folder.clone(), Package { manifest, is_project: false, overrides });
            for (below, manifest) in one.bundle.iter().flat_map(|bundle| bundle.iter()) {
                if let Ok(at) = folder.join(below) {
                    after.put(at, Package { manifest: manifest.clone(), ..Package::default() });
                }
            }
            if let Some(from) = &one.from {
                after.move_pins(self.before, folder, &folder_name(folder), from, version(one));
            }
        }
        after
    }

    /// One more change that a broken need takes.
    fn mend(
        &self,
        broken: &Broken,
        after: &Modules,
        wanted: &mut BTreeMap<ImagePath, Wanted>,
    ) -> Tried<()> {
        let origin = self.blamed(broken, wanted);
        let barred =
            || Ok(Err(Barred { path: origin.clone(), reason: constrained(after, broken) }));
        let Some(dependant) = after.get(&broken.by) else { return barred() };
        if dependant.is_project || broken.is_override {
            return barred();
        }
        if let Some(changed) = wanted.get(&broken.by).cloned() {
            return self.bring(broken, &changed, after, wanted);
        }
        // the package does not allow what it finds: another version of it may
        let Found::Wrong(target) = &broken.found else { return barred() };
        let Some(target) = after.get(target) else { return barred() };
        let Manifest { name, version, .. } = &dependant.manifest;
        if self.before.bundled_by(&broken.by).is_some()
            || self.work.choice.refusal_of(name).is_some()
            || obstacles::of_copy(self.fs, &broken.by, &dependant.manifest).is_some()
        {
            return barred();
        }
        let Ok(newer) = self.newer(name, version)? else { return barred() };
        let allows = |one: &Published| {
            let need = one.manifest.needs().find(|need| need.name == broken.name);
            need.is_none_or(|need| {
                let Manifest { name, version, .. } = &target.manifest;
                Spec::parse(need.spec).allows(&broken.name, name, version)
            })
        };
        for published in newer {
            if !allows(&published) || self.unfit(&published)?.is_some() {
                continue;
            }
            let relation = published
                .manifest
                .needs()
                .find(|need| need.name == broken.name)
                .map_or_else(String::new, |need| format!("\"{}\": \"{}\"", need.name, need.spec));
            let component = broken.name.clone();
            let because = Because::Beside { component, relation };
            let one = Wanted::new(published, Some(version.clone()), origin.clone(), because);
            wanted.insert(broken.by.clone(), one);
            return Ok(Ok(()));
        }
        barred()
    }

    /// The record of the change that is to blame.
    fn blamed(&self, broken: &Broken, wanted: &BTreeMap<ImagePath, Wanted>) -> ImagePath {
        let of = |folder: &ImagePath| wanted.get(folder).map(|one| one.origin.clone());
        let found = match &broken.found {
            Found::Wrong(at) => of(at),
            Found::Right | Found::Missing => None,
        };
        let any = || wanted.values().next().map(|one| one.origin.clone());
        found.or_else(|| of(&broken.by)).or_else(any).unwrap_or_else(ImagePath::root)
    }

    /// Steps for what is wanted, and for what nothing needs any more.
    fn with_archives(
        &self,
        wanted: &BTreeMap<ImagePath, Wanted>,
        after: &Modules,
    ) -> Tried<Vec<StoreStep>> {
        let mut steps = Vec::new();
        for (folder, one) in wanted {
            let archive = match self.asked.archive(&one.published, self.work)? {
                Ok(archive) => archive,
                Err(reason) => return Ok(Err(Barred { path: one.origin.clone(), reason })),
            };
            steps.push(StoreStep {
                component: one.published.manifest.name.clone(),
                path: Some(record_of(folder)),
                from: one.from.clone().map(VersionText),
                to: Some(VersionText(version(one).to_owned())),
                archive: Some(archive),
                unpack: None,
                attested_by: None,
                because: vec![one.because.clone()],
            });
        }
        let unneeded = self.unneeded(wanted, after);
        steps.extend(unneeded.into_iter().filter_map(|folder| {
            let package = self.before.get(&folder)?;
            Some(StoreStep {
                component: package.manifest.name.clone(),
                path: Some(record_of(&folder)),
                from: Some(VersionText(package.manifest.version.clone())),
                to: None,
                archive: None,
                unpack: None,
                attested_by: None,
                because: vec![Because::Unneeded],
            })
        }));
        Ok(Ok(steps))
    }

    /// What the projects needed before and do not need any more: npm would take it away. Nothing
    /// goes of bundles, and where no lockfile says that npm has put it there.
    fn unneeded(
        &self,
        wanted: &BTreeMap<ImagePath, Wanted>,
        after: &Modules,
    ) -> BTreeSet<ImagePath> {
        let (had, has) = (self.before.reachable(), after.reachable());
        had.difference(&has)
            .filter(|folder| {
                records::is_installed(folder)
                    && self.is_of_npm(folder)
                    && !wanted.contains_key(*folder)
                    && self.before.bundled_by(folder).is_none()
                    && self.before.get(folder).is_some_and(|package| !package.is_project)
            })
            .cloned()
            .collect()
    }
}

impl Planning<'_> {
    /// Whether a lockfile of npm is about a folder.
    fn is_of_npm(&self, folder: &ImagePath) -> bool {
        let has = |root: &ImagePath, name: &str| {
            root.join(name).is_ok_and(|path| self.fs.lstat(&path).is_some())
        };
        folder.ancestors().iter().any(|root| {
            has(root, "node_modules/.package-lock.json") || has(root, "package-lock.json")
        })
    }
}

pub(crate) fn by_version(a: &str, b: &str) -> std::cmp::Ordering {
    ORDER.compare(a, b).unwrap_or_else(|| a.cmp(b))
}

pub(crate) fn version(wanted: &Wanted) -> &str {
    &wanted.published.manifest.version
}

/// The folder of a record.
#[must_use]
pub fn folder_of(record: &ImagePath) -> ImagePath {
    record.parent().unwrap_or_else(ImagePath::root)
}

/// The record of a folder.
fn record_of(folder: &ImagePath) -> ImagePath {
    folder.join("package.json").unwrap_or_else(|_| folder.clone())
}
