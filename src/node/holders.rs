//! Copies that came in another package's archive (`bundleDependencies`).
//!
//! In come changes of such copies; out comes one of the package that brings them: to the first
//! version on its line whose archive has them fixed. npm's own copies, the usual findings in images
//! of Node, are changed in place where no npm of the line helps: what they need is beside them, and
//! held against their ranges like everything else. The author of another package may have changed
//! what it bundles: there it is a reason.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use imgfix_model::path::ImagePath;
use imgfix_model::plan::Because;
use imgfix_model::reason::Reason;
use imgfix_repair::libraries::{Barred, Change};

use crate::ORDER;
use crate::manifest::Manifest;
use crate::packument::Published;
use crate::planning::{Planning, Tried, Wanted, allowed, folder_of, version};

/// How many versions of a package are looked into for what they bring.
const MAX_BUNDLES: usize = 8;

impl Planning<'_> {
    /// A package whose archive brings the copies goes to the first version on its line that brings
    /// them fixed; npm's copies are changed in place when there is none.
    pub(crate) fn change_holder(
        &self,
        folder: &ImagePath,
        changes: &[&Change<'_>],
        wanted: &mut BTreeMap<ImagePath, Wanted>,
    ) -> Tried<()> {
        let Some(first) = changes.first() else { return Ok(Ok(())) };
        let Some(holder) = self.before.get(folder) else { return Ok(Ok(())) };
        let Manifest { name, version: installed, .. } = &holder.manifest;
        let origin = &first.library.path;
        let least = wanted.get(folder).map_or(installed.as_str(), version).to_owned();
        let candidates = self.newer(name, installed)?.unwrap_or_default();
        let not_older =
            |one: &&Published| ORDER.compare(&one.manifest.version, &least) != Some(Ordering::Less);
        for published in candidates.iter().filter(not_older).take(MAX_BUNDLES) {
            if self.unfit(published)?.is_some() {
                continue;
            }
            let Ok(bundle) = self.asked.bundle(published, self.work)? else { continue };
            let has = |change: &&Change<'_>| {
                let copy = folder_of(&change.library.path);
                let below = copy.as_bytes().get(folder.as_bytes().len() + 1..);
                let below = below.and_then(|below| std::str::from_utf8(below).ok());
                match below.and_then(|below| bundle.get(below)) {
                    // what is not brought any more has no problem
                    None => true,
                    Some(brought) => {
                        brought.name != change.library.name
                            || ORDER
                                .compare(&brought.version, change.to.as_ref())
                                .is_some_and(Ordering::is_ge)
                    }
                }
            };
            if changes.iter().all(has) {
                let mut findings: Vec<String> =
                    changes.iter().flat_map(|change| change.fixes.iter().cloned()).collect();
                if let Some(Wanted { because: Because::Fixes { findings: own }, .. }) =
                    wanted.get(folder)
                {
                    findings.extend(own.iter().cloned());
                }
                findings.sort();
                findings.dedup();
                let because = Because::Fixes { findings };
                let from = Some(installed.clone());
                let one = Wanted::new(published.clone(), from, origin.clone(), because);
                wanted.insert(folder.clone(), one);
                return Ok(Ok(()));
            }
        }
        if name == "npm" {
            for change in changes {
                let one = allowed!(self.change(change)?);
                wanted.insert(folder_of(&change.library.path), one);
            }
            return Ok(Ok(()));
        }
        let reason = Reason::NotRepairable {
            component: format!("{} {}", first.library.name, first.library.version),
            detail: format!(
                "it came in the archive of {name} {installed}, and no newer {name} of this line \
                 brings {}",
                first.to
            ),
        };
        Ok(Err(Barred { path: origin.clone(), reason }))
    }
}
