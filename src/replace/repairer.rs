//! The rules as a store of the image has them. In come rules and the overlay; out come steps with
//! what they fetched, and notes on rules that could not be followed.

use std::collections::BTreeSet;
use std::fs::File;

use imgfix_model::component::StoreId;
use imgfix_model::digest::Digest;
use imgfix_model::finding::Finding;
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Archive, Because, PlatformPlan, StorePlan, StoreStep, Unpack};
use imgfix_model::reason::Reason;
use imgfix_model::replacement::{Replaced, Replacement};
use imgfix_model::verdict::Verdict;
use imgfix_repair::archive::Limits;
use imgfix_repair::error::{Cause, RepairerError};
use imgfix_repair::judge::Components;
use imgfix_repair::planner::Requests;
use imgfix_repair::repairer::{Account, Done, Kind, Part, Repairer, Work};
use imgfix_repository::{ContentHash, Hashed};
use imgfix_versions::VersionOrder;
use imgfix_vfs::{Content, Entry, FileData, FileSystem, Overlay, Spool};

use crate::place::{put_file, put_folder};
use crate::unpack::{member, unpack};

/// The largest download, in bytes.
const MAX_DOWNLOAD: u64 = 4 << 30;

/// Files that rules replace.
pub struct Files;

impl Kind for Files {
    fn wants(&self, _path: &ImagePath, _size: u64) -> bool {
        false
    }

    fn detect(&self, _fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        Ok(vec![Box::new(Store(StoreId::new("files", &ImagePath::root())))])
    }
}

/// The files of an image.
struct Store(StoreId);

/// What a rule is about in an image.
struct Match<'a> {
    rule: &'a Replacement,
    path: ImagePath,
}

impl Repairer for Store {
    fn store(&self) -> &StoreId {
        &self.0
    }

    fn components(&self) -> Components<'_> {
        Components { all: Vec::new(), order: VersionOrder::DPKG, same_name: |a, b| a == b }
    }

    fn claims(&self, _finding: &Finding) -> bool {
        false
    }

    fn repair(
        &self,
        _requests: &Requests,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let mut notes = Vec::new();
        let matches = matches(&overlay, work, &mut notes)?;
        let mut steps = Vec::with_capacity(matches.len());
        for Match { rule, path } in matches {
            let hash = ContentHash::Sha256(*rule.digest.as_bytes());
            let wanted = Hashed { url: rule.url.clone(), hash, limit: MAX_DOWNLOAD };
            let Some(kept) = work.fetcher.hashed(&[wanted])?.pop() else { continue };
            let is_folder = overlay.lstat(&path).is_some_and(Entry::is_dir);
            let unpack = (is_folder || rule.member.is_some())
                .then(|| Unpack { strip: rule.strip, member: rule.member.clone() });
            steps.push(StoreStep {
                component: path.to_string(),
                path: Some(path),
                from: None,
                to: None,
                archive: Some(Archive {
                    url: rule.url.clone(),
                    size: kept.size,
                    checksum: kept.digest.into(),
                    repository: rule.rule.clone(),
                }),
                unpack,
                attested_by: None,
                because: vec![Because::Rule { rule: rule.rule.clone() }],
            });
        }
        let account = Account { notes, ..Account::default() };
        if steps.is_empty() {
            return Ok(Done { account, ..Done::unchanged(overlay) });
        }
        let overlay = apply(overlay, &steps, work)?;
        let part = Part::Store(StorePlan { store: self.0.clone(), steps });
        Ok(Done { part, account, ..Done::unchanged(overlay) })
    }

    fn follow(
        &self,
        plan: &PlatformPlan,
        work: &Work<'_>,
        overlay: Overlay,
    ) -> Result<Done, RepairerError> {
        let Some(own) = plan.stores.iter().find(|one| one.store == self.0) else {
            return Ok(Done::unchanged(overlay));
        };
        let overlay = apply(overlay, &own.steps, work)?;
        Ok(Done { part: Part::Store(own.clone()), ..Done::unchanged(overlay) })
    }

    fn verdict(
        &self,
        _finding: &Finding,
        _after: Option<&dyn Repairer>,
        _plan: &PlatformPlan,
        planned: Option<&Reason>,
    ) -> Verdict {
        Verdict::NotFixed { reason: planned.cloned().unwrap_or(Reason::NotOwned) }
    }
}

/// What the rules are about, each path once, in the order of the rules. Rules that find nothing,
/// or what is a package's, are noted.
fn matches<'a>(
    overlay: &Overlay,
    work: &Work<'a>,
    notes: &mut Vec<String>,
) -> Result<Vec<Match<'a>>, RepairerError> {
    let mut found: Vec<Match<'a>> = Vec::new();
    let is_meant = |rule: &&Replacement| {
        rule.platform.as_ref().is_none_or(|wanted| work.context.platform.matches(wanted))
    };
    for rule in work.edge.replacements.iter().filter(is_meant) {
        let paths = match &rule.what {
            Replaced::Path(path) => {
                let entry = overlay.lstat(path);
                let is_one = entry.is_some_and(|entry| entry.is_file() || entry.is_dir());
                if is_one { vec![path.clone()] } else { Vec::new() }
            }
            Replaced::Content(digest) => with_content(overlay, digest),
        };
        if paths.is_empty() {
            notes.push(format!("{}: the image has no such file or folder", rule.rule));
        }
        for path in paths {
            if found.iter().all(|one| one.path != path) {
                found.push(Match { rule, path });
            }
        }
    }
    let below = |path: &ImagePath| -> BTreeSet<ImagePath> {
        let mut all = BTreeSet::from([path.clone()]);
        overlay.visit(path, &mut |path, entry| {
            if !entry.is_dir() {
                all.insert(path.clone());
            }
        });
        all
    };
    let paths: BTreeSet<ImagePath> = found.iter().flat_map(|one| below(&one.path)).collect();
    let owners = work.owners.owners_of(overlay, &paths).map_err(RepairerError::Family)?;
    found.retain(|one| {
        let owned = owners.iter().find(|(path, _)| path.starts_with(&one.path));
        if let Some((path, owner)) = owned {
            notes.push(format!(
                "{}: {path} belongs to the system package {owner}, and is not replaced",
                one.rule.rule
            ));
        }
        owned.is_none()
    });
    Ok(found)
}

/// The files with a content, by the digests that were taken when layers were read.
fn with_content(overlay: &Overlay, wanted: &Digest) -> Vec<ImagePath> {
    let mut found = Vec::new();
    overlay.visit(&ImagePath::root(), &mut |path, entry| {
        let Entry { kind: imgfix_vfs::Kind::File(data), .. } = entry else { return };
        let is_it = match &data.content {
            Content::Layer { layer, index } => {
                overlay.tree().digest(*layer, *index) == Some(wanted)
            }
            Content::Inline(bytes) => Digest::of(bytes) == *wanted,
            // of a package that was just installed
            Content::Spool(_) => false,
        };
        if is_it {
            found.push(path.clone());
        }
    });
    found
}

/// Does steps, whose archives are fetched and checked.
fn apply(
    mut overlay: Overlay,
    steps: &[StoreStep],
    work: &Work<'_>,
) -> Result<Overlay, RepairerError> {
    let steps: Vec<(&StoreStep, &ImagePath, &Archive)> = steps
        .iter()
        .filter_map(|step| Some((step, step.path.as_ref()?, step.archive.as_ref()?)))
        .collect();
    let archives: Vec<&Archive> = steps.iter().map(|(_, _, archive)| *archive).collect();
    let files = work.fetcher.archives(&archives)?;
    let spool = Spool::new().map_err(RepairerError::Temporary)?;
    for ((step, path, archive), file) in steps.into_iter().zip(files) {
        let fail = |source: Cause| RepairerError::Archive { archive: archive.url.clone(), source };
        let file = || {
            File::open(&file).map_err(|source| RepairerError::ArchiveFile {
                archive: archive.url.clone(),
                source,
            })
        };
        let limits = Limits::for_archive(archive.size, &work.edge.memory);
        let times = work.edge.source_date_epoch;
        match &step.unpack {
            Some(Unpack { member: Some(name), .. }) => {
                let new = member(file()?, name, &spool, &limits);
                let new = new.map_err(|error| fail(Box::new(error)))?;
                put_file(&mut overlay, path, new, times).map_err(|error| fail(Box::new(error)))?;
            }
            Some(Unpack { strip, member: None }) => {
                let new = unpack(file()?, *strip, &spool, &limits);
                let new = new.map_err(|error| fail(Box::new(error)))?;
                put_folder(&mut overlay, path, new).map_err(|error| fail(Box::new(error)))?;
            }
            None => {
                let stored = spool.store(&mut file()?, archive.size);
                let content = Content::Spool(stored.map_err(|error| fail(Box::new(error)))?);
                let data = FileData { size: archive.size, content, link: None };
                let empty = Entry::file("", 0o644, 0);
                let new = Entry { kind: imgfix_vfs::Kind::File(data), ..empty };
                put_file(&mut overlay, path, new, times).map_err(|error| fail(Box::new(error)))?;
            }
        }
    }
    Ok(overlay)
}
