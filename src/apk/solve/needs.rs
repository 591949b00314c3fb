//! [`Needs`]: which installed packages a package needs. In comes the installed database; out come
//! packages, by `depends` and what others provide (`so:libz.so.1`, `cmd:sh`).

use std::collections::{BTreeMap, BTreeSet};

use super::package_version::{depends, is_about, provided_names};
use crate::installed::InstalledDatabase;
use crate::record::Record;
use imgfix_model::package::PackageId;
use imgfix_versions::apk::generation::Generation;

/// Installed packages by the names that they have and provide.
pub struct Needs<'a> {
    by_name: BTreeMap<&'a str, Vec<&'a Record>>,
    generation: Generation,
}

impl<'a> Needs<'a> {
    /// Of the packages of a database.
    #[must_use]
    pub fn of(database: &'a InstalledDatabase) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for package in &database.packages {
            for name in provided_names(&package.record) {
                by_name.entry(name).or_default().push(&package.record);
            }
        }
        Self { by_name, generation: database.generation }
    }

    /// What `record` needs of them, sorted: the package of the name or, without one, all that
    /// provide it.
    #[must_use]
    pub fn of_package(&self, record: &Record) -> Vec<PackageId> {
        let mut needs = BTreeSet::new();
        for dependency in depends(record) {
            let name = dependency.name.as_ref();
            let candidates = self.by_name.get(name).into_iter().flatten();
            let met: Vec<&Record> = candidates
                .copied()
                .filter(|one| is_about(dependency, one, self.generation))
                .collect();
            let own: Vec<&Record> =
                met.iter().copied().filter(|one| one.name.as_ref() == name).collect();
            let met = if own.is_empty() { met } else { own };
            needs.extend(met.into_iter().map(Record::id));
        }
        needs.remove(&record.id());
        needs.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_what_is_installed_and_meets_them() {
        let text = "\
P:busybox\nV:1.36-r1\nA:x86_64\nD:so:libc.musl-x86_64.so.1\np:/bin/sh cmd:sh=1.36-r1\n
P:musl\nV:1.2-r0\nA:x86_64\np:so:libc.musl-x86_64.so.1=1\n
P:dash\nV:0.5-r0\nA:x86_64\np:/bin/sh\n
P:app\nV:1-r0\nA:noarch\nD:/bin/sh busybox>1.30 musl>9 !dash cmd:sh so:absent.so.1 app\n
";
        let database = InstalledDatabase::parse_of(Generation::default(), text.as_bytes()).unwrap();
        let needs = Needs::of(&database);
        let shown: Vec<String> = database
            .packages
            .iter()
            .map(|package| {
                let needs = needs.of_package(&package.record);
                let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
                format!("{}: {}", package.record.name, needs.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            ["busybox: musl:x86_64", "musl: ", "dash: ", "app: busybox:x86_64 dash:x86_64"]
        );
    }
}
