//! apk's relations as the solver asks for them: see [`super::package_version`] for what they mean.
//!
//! Of several providers that are not there yet the one is taken that apk would take
//! (`compare_providers`): the preferred tag, the higher version of the name asked for, the
//! higher `provider_priority`. One that provides the name without a version and has no priority
//! is never taken on its own account (`is_provider_auto_selectable`).

use std::rc::Rc;

use super::ApkUniverse;
use super::package_version::{
    PackageVersion, Source, compare_versions, conflicts, share, version_of,
};
use crate::dependency::Dependency;
use crate::record::Record;
use imgfix_solve::effort::{TooWide, Width};
use imgfix_solve::pool::{Change, Pool, Pooled as _};
use imgfix_solve::rules::{Likeness, Rivalry, Rules, number_providers};
use imgfix_solve::solver::Solvable;
use imgfix_versions::apk::generation::Generation;

impl ApkUniverse<'_> {
    /// Whether apk installs a new package for the sake of `dependency` alone.
    fn may_be_selected(&self, dependency: &Dependency, asking: &Record, record: &Record) -> bool {
        let asked = |list: &[Dependency]| {
            list.iter().any(|other| !other.conflict && other.name == record.name)
        };
        version_of(&dependency.name.0, record).is_some()
            || record.provider_priority.is_some_and(|priority| priority > 0)
            || asked(&asking.depends)
            || asked(self.image.world)
    }
}

impl Rules for ApkUniverse<'_> {
    type Version = PackageVersion;

    const LOOKUP: usize = 50;

    fn pool(&self) -> &Pool<PackageVersion> {
        &self.pool
    }

    fn satisfies(
        &self,
        dependency: &Dependency,
        _: &PackageVersion,
        other: &PackageVersion,
    ) -> bool {
        self.is_about(dependency, other.record())
    }

    fn forbids(&self, conflict: &Dependency, _: &PackageVersion, other: &PackageVersion) -> bool {
        self.is_about(conflict, other.record())
    }

    fn is_contested(&self, _: &str, _: &PackageVersion) -> bool {
        true
    }

    fn rivalry(
        &self,
        name: &str,
        version: &PackageVersion,
        other: &PackageVersion,
    ) -> Option<Rivalry> {
        share(name, version.record(), other.record())
            .then(|| Rivalry { text: format!("provides: {name}"), mutual: true })
    }

    fn likeness(&self, before: &Dependency, need: &Dependency) -> Likeness {
        match before == need {
            true => Likeness::Same,
            false if before.name == need.name => Likeness::SameSubject,
            false => Likeness::Different,
        }
    }

    /// What is installed, newer versions of it, then new packages as apk prefers them.
    fn alternatives(
        &self,
        dependency: &Dependency,
        asking: &PackageVersion,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        number_providers(self, &dependency.name.0, width)?;
        width.compare(1 + self.pool.width_of(&dependency.name.0))?;
        let mut found: Vec<(Change, Solvable, Rc<PackageVersion>)> = Vec::new();
        for (solvable, version) in self.pool.providing(&dependency.name.0) {
            if !self.is_about(dependency, version.record()) {
                continue;
            }
            let change = self.pool.change(solvable, &version);
            if change != Change::New
                || self.may_be_selected(dependency, asking.record(), version.record())
            {
                found.push((change, solvable, version));
            }
        }
        let prefers = |version: &PackageVersion| match &version.source {
            Source::Offered(available) => self.pinning.prefers(available),
            Source::Installed(_) | Source::World(_) => true,
        };
        found.sort_by(|(change_a, a, version_a), (change_b, b, version_b)| {
            let (record_a, record_b) = (version_a.record(), version_b.record());
            let version = |record| version_of(&dependency.name.0, record);
            change_a
                .cmp(change_b)
                .then_with(|| prefers(version_b).cmp(&prefers(version_a)))
                .then_with(|| {
                    compare_versions(version(record_b), version(record_a), self.image.generation)
                })
                .then_with(|| record_b.provider_priority.cmp(&record_a.provider_priority))
                .then_with(|| a.cmp(b))
        });
        Ok(found.into_iter().map(|(_, solvable, _)| solvable).collect())
    }

    fn providers(&self, name: &str) -> Vec<String> {
        let providers = self.index.providers(name).into_iter();
        providers.map(|available| available.record.name.0.clone()).collect()
    }

    fn look_up(&self, package: &str) {
        self.pool.look_up(package, || self.new_name(package).into_iter().collect());
    }

    fn holds_alone(
        &self,
        version: &PackageVersion,
        dependency: &Dependency,
        width: &mut Width<'_>,
    ) -> Result<bool, TooWide> {
        width.compare(version.comparisons())?;
        Ok(self.is_about(dependency, version.record()))
    }

    /// apk 3 does not mind what a package provides itself.
    fn against_itself(
        &self,
        version: &PackageVersion,
        width: &mut Width<'_>,
    ) -> Result<Option<String>, TooWide> {
        let record = version.record();
        width.compare(version.comparisons().saturating_mul(conflicts(record).count()))?;
        if !version.is_offered() || self.image.generation != Generation::Apk2 {
            return Ok(None);
        }
        let own = conflicts(record).find(|conflict| self.is_about(conflict, record));
        Ok(own.map(|own| format!("it has {}, which it provides itself", version.ban_text(own))))
    }
}
