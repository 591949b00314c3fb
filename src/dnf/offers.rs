//! What an image's repositories offer, behind the planner's seam.
//!
//! In come the image as rpm's database has it and its repositories; out comes [`RpmOffers`]. Paths
//! that a dependency names and `primary.xml` does not have are looked for in `filelists.xml`, which
//! is fetched for nothing else.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::former;
use super::modules::ModuleFilter;
use super::primary::{Package, RelationKind};
use super::remote::{Repositories, Repository, RepositoryError};
use super::solve::{Image, RpmUniverse, paths_in};
use imgfix_model::left_out::LeftOut;
use imgfix_model::plan::Step;
use imgfix_repair::package_manager::Offers;
use imgfix_repair::planner::{Family, Requests};
use imgfix_repair::promise::Relations;
use imgfix_repository::{Fetcher, Verified};
use imgfix_solve::effort::Effort;

/// The image with its repositories.
pub struct RpmOffers<'a> {
    image: Image<'a>,
    repositories: Repositories,
    filter: ModuleFilter,
}

impl<'a> RpmOffers<'a> {
    /// Adds what plans need of `filelists.xml`, and settles which modules are seen.
    ///
    /// # Errors
    /// A list of files that is needed cannot be fetched or read.
    pub fn new(
        mut image: Image<'a>,
        mut repositories: Repositories,
        fetcher: &Fetcher,
    ) -> Result<Self, RepositoryError> {
        let paths = unknown_paths(&image, &repositories.list);
        if !paths.is_empty() {
            for repository in &mut repositories.list {
                repository.find_files(&paths, fetcher)?;
            }
            // what the image itself does not say of its packages
            if let Cow::Owned(packages) = &mut image.packages {
                former::add_files(packages, &paths, &repositories.list);
            }
        }
        let modules = &mut repositories.modules;
        for text in &image.modules.kept {
            // what dnf kept itself; a damaged copy is worth nothing, and no reason to stop
            let _ = modules.add(text);
        }
        let filter = modules.filter(&image.modules);
        Ok(Self { image, repositories, filter })
    }
}

impl Offers for RpmOffers<'_> {
    fn universe(&self, requests: &Requests, effort: Effort) -> Box<dyn Family + '_> {
        let list = &self.repositories.list;
        Box::new(RpmUniverse::for_requests(&self.image, list, &self.filter, requests, effort))
    }

    fn verified(&self) -> &[Verified] {
        &self.repositories.verified
    }

    fn left_out(&self) -> &[LeftOut] {
        &self.repositories.left_out
    }

    fn limit(&self) -> Option<&str> {
        self.repositories.limit.as_deref()
    }

    fn relations(&self, step: &Step) -> Option<Relations> {
        let name = step.package.name.as_ref();
        let packages = self.repositories.list.iter().flat_map(|one| one.primary.named(name));
        let mut of_step =
            packages.filter(|package| step.archive.checksum == package.digest().into());
        of_step.next().map(|package| relations(&package))
    }
}

/// How a package stands to others, as its index says.
fn relations(package: &Package<'_>) -> Relations {
    promised(|kind| package.relations(kind).map(|one| one.to_string()).collect())
}

/// Relations in the spelling in which index and package are compared. Indexes leave out what
/// `createrepo_c` leaves out (`parsehdr.c`): what rpm itself has, what the package has itself, and of
/// glibc's versions of symbols all but the highest.
pub(crate) fn promised(of_kind: impl Fn(RelationKind) -> Vec<String>) -> Relations {
    let spelled = |kind| of_kind(kind).into_iter().map(|text| text.replace(" 0:", " "));
    let provides: BTreeSet<String> = spelled(RelationKind::Provides).collect();
    let is_left_out = |text: &String| {
        text.starts_with("rpmlib(")
            || text.starts_with("libc.so.6")
            || is_primary_file(text)
            || provides.contains(text)
    };
    let requires = spelled(RelationKind::Requires).filter(|text| !is_left_out(text));
    let mut all = Relations::default();
    all.set("Requires", requires);
    all.set("Conflicts", spelled(RelationKind::Conflicts));
    all.set("Obsoletes", spelled(RelationKind::Obsoletes));
    all.set("Provides", provides);
    all
}

/// A path of the kind that indexes have, and that a package may have itself.
fn is_primary_file(text: &str) -> bool {
    text.starts_with("/etc/")
        || text.starts_with('/') && text.contains("bin/")
        || text == "/usr/lib/sendmail"
}

/// Paths that newer versions of installed packages need, or what these need, and that neither the
/// image nor any `primary.xml` is known to have.
fn unknown_paths(image: &Image<'_>, repositories: &[Repository]) -> BTreeSet<String> {
    let mut there: BTreeSet<&str> = BTreeSet::new();
    for package in image.packages.iter() {
        there.insert(&package.name);
        there.extend(package.provides.iter().map(|one| one.name.as_str()));
        there.extend(package.files.iter().map(String::as_str));
    }
    let mut seen = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<(usize, Package<'_>)> = Vec::new();
    for (at, repository) in repositories.iter().enumerate() {
        for package in image.packages.iter() {
            waiting.extend(repository.primary.named(&package.name).map(|one| (at, one)));
        }
    }
    while let Some((at, package)) = waiting.pop() {
        if !seen.insert((at, package.number)) {
            continue;
        }
        for relation in package.relations(RelationKind::Requires) {
            if there.contains(relation.name) || !asked.insert(relation.name) {
                continue;
            }
            for path in paths_in(relation.name).filter(|path| !there.contains(path)) {
                let known = |one: &Repository| {
                    one.primary.with_file(path).chain(one.primary.providing(path)).next().is_some()
                };
                if !repositories.iter().any(known) {
                    unknown.insert(path.to_owned());
                }
            }
            for (at, repository) in repositories.iter().enumerate() {
                let primary = &repository.primary;
                let found =
                    primary.providing(relation.name).chain(primary.with_file(relation.name));
                waiting.extend(found.map(|one| (at, one)));
            }
        }
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{installed, repository};

    #[test]
    fn only_paths_that_a_plan_may_need_are_looked_for() {
        let packages = [installed("a 1; F: /opt/there")];
        let image = Image {
            architecture: "x86_64",
            packages: packages.as_slice().into(),
            ..Image::default()
        };
        let repositories = [repository(&[
            "a 2; R: /opt/there; R: /opt/x; R: /usr/bin/b; R: c",
            "b 1; F: /usr/bin/b; R: /opt/y",
            "c 1; R: (/opt/z or d)",
            "e 1; R: /opt/unasked",
        ])];
        let paths: Vec<String> = unknown_paths(&image, &repositories).into_iter().collect();
        assert_eq!(paths, ["/opt/x", "/opt/y", "/opt/z"]);
    }
}
