//! What rpm is asked to do in which transaction, and in which order it is told of it: rpm's own
//! order goes by that where packages say nothing of theirs.
//!
//! In come a plan, its packages and what is installed; out come the steps of each transaction.
//! Source: dnf's `Base._goal2transaction` with libdnf's `PackageSet`, `rpmtsAddInstallElement` of
//! rpm.

use super::arch::may_replace;
use super::inventory::{RpmInventory, id};
use super::options::Tool;
use imgfix_model::package::PackageId;
use imgfix_model::plan::{Because, PlatformPlan, Step};
use imgfix_rpm::install::{self, InstallError, Installed, NewPackage, order};

/// The transactions of a plan, whose steps have these packages: dnf makes one of everything, zypper
/// one of each package. `installed` has what goes at least, `places` are the repositories' in the
/// order in which dnf loads them.
///
/// # Errors
/// What rpm would order by is damaged.
pub fn transactions(
    inventory: &RpmInventory,
    installed: &[Installed],
    plan: &PlatformPlan,
    packages: &[NewPackage],
    tool: Tool,
    places: &[String],
) -> Result<Vec<Vec<install::Step>>, InstallError> {
    let steps = plan.steps.iter().enumerate();
    if tool == Tool::Zypper {
        return Ok(steps.map(|(at, step)| group(installed, plan, at, step)).collect());
    }
    let mut steps: Vec<_> = steps.collect();
    steps.sort_by_key(|(_, step)| turn(step, places));
    let groups = steps.into_iter().flat_map(|(at, step)| group(installed, plan, at, step));
    let all: Vec<install::Step> = groups.collect();
    let RpmInventory { release, colour, .. } = inventory;
    Ok(vec![order(&all, packages, installed, *release, *colour)?])
}

/// When dnf tells rpm of a step: what is new before what is newer, and each as the repositories
/// have it, whose packages createrepo_c sorts by the names of their files.
fn turn<'s>(step: &'s Step, places: &[String]) -> (bool, usize, &'s str) {
    let archive = &step.archive;
    let place = places.iter().position(|place| *place == archive.repository);
    let file = archive.url.rsplit('/').next().unwrap_or_default();
    (step.from.is_some(), place.unwrap_or(places.len()), file)
}

/// A package comes, and those go that it takes the place of: the former version first.
fn group(
    installed: &[Installed],
    plan: &PlatformPlan,
    at: usize,
    step: &Step,
) -> Vec<install::Step> {
    let name = step.package.name.as_ref();
    let is_going = |one: &&Installed| goes_for(step, plan, &id(&one.package));
    let mut going: Vec<_> = installed.iter().filter(is_going).collect();
    going.sort_by_key(|one| (one.package.name() != name, one.package.name(), one.number));
    let erase = |number| install::Step::Erase { number, replaced_by: Some(at) };
    let going = going.into_iter().map(|one| erase(one.number));
    std::iter::once(install::Step::Install(at)).chain(going).collect()
}

/// Whether a step takes the place of an installed package: of its former version, or of what the
/// plan removes for it.
pub fn goes_for(step: &Step, plan: &PlatformPlan, installed: &PackageId) -> bool {
    let PackageId { name, architecture } = &step.package;
    let is_former = step.from.is_some()
        && installed.name == *name
        && may_replace(installed.architecture.as_ref(), architecture.as_ref());
    let is_removed = || {
        plan.removals.iter().any(|removal| {
            let for_step = matches!(&removal.because, Because::Needed { package, .. }
                if *package == step.package);
            for_step && removal.package == *installed
        })
    };
    is_former || is_removed()
}

#[cfg(test)]
mod tests {
    use imgfix_model::digest::Digest;
    use imgfix_model::plan::Archive;
    use imgfix_versions::VersionText;

    use super::*;

    fn step(repository: &str, file: &str, from: Option<&str>) -> Step {
        Step {
            package: PackageId { name: file.into(), architecture: "x86_64".into() },
            from: from.map(|version| VersionText(version.to_owned())),
            to: VersionText("2-1".to_owned()),
            archive: Archive {
                url: format!("{repository}/Packages/x/{file}"),
                size: 0,
                checksum: Digest::of(b"").into(),
                repository: repository.to_owned(),
            },
            because: vec![Because::Newer],
        }
    }

    #[test]
    fn what_is_new_is_told_first_and_all_as_the_repositories_have_it() {
        let places = ["https://b".to_owned(), "https://a".to_owned()];
        let mut steps = [
            step("https://a", "bash-5.2-1.rpm", Some("1-1")),
            step("https://b", "zlib-2-1.rpm", Some("1-1")),
            step("https://a", "systemd-libs-2-1.rpm", None),
            step("https://b", "foo-2-1.rpm", Some("1-1")),
            step("https://b", "foo+bar-2-1.rpm", Some("1-1")),
            step("https://elsewhere", "a-2-1.rpm", Some("1-1")),
        ];
        steps.sort_by(|a, b| turn(a, &places).cmp(&turn(b, &places)));
        let names = steps.iter().map(|step| step.package.name.to_string());
        assert_eq!(
            names.collect::<Vec<_>>(),
            [
                "systemd-libs-2-1.rpm",
                "foo+bar-2-1.rpm",
                "foo-2-1.rpm",
                "zlib-2-1.rpm",
                "bash-5.2-1.rpm",
                "a-2-1.rpm"
            ]
        );
    }
}
