//! Whether `world` can be satisfied at all.
//!
//! In come the image and the index; out comes the first entry of `world` that nothing installed
//! and nothing in the repositories is about. apk selects no packages then, whatever it is asked
//! for (apk-tools 2.14, `src/solver.c`: a dependency of `world` without a provider is an error).

use super::Image;
use super::package_version::is_about;
use crate::dependency::Dependency;
use crate::index::PackageIndex;

/// The first entry of `world` that cannot be satisfied.
#[must_use]
pub fn unsatisfiable<'a>(image: &Image<'a>, index: &PackageIndex) -> Option<&'a Dependency> {
    let by = image.generation;
    let installed =
        |entry: &Dependency| image.packages.iter().any(|record| is_about(entry, record, by));
    let offered = |entry: &Dependency| {
        let mut providers = index.providers(&entry.name.0).into_iter();
        providers.any(|one| one.record.is_valid(by) && is_about(entry, &one.record, by))
    };
    image.world.iter().find(|entry| !entry.conflict && !installed(entry) && !offered(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;
    use imgfix_versions::apk::Version;

    #[test]
    fn entries_that_nothing_is_about_are_told() {
        let base = Record {
            name: "base".into(),
            version: Version::new("1.0"),
            provides: Dependency::parse_list("cmd:sh=1").unwrap(),
            ..Record::default()
        };
        for (world, want) in [
            ("base cmd:sh base<2 !other", None),
            ("base no-such-package", Some("no-such-package")),
            ("base>=7", Some("base>=7")),
            (".build-deps=1", Some(".build-deps=1")),
        ] {
            let world = Dependency::parse_list(world).unwrap();
            let image = Image { packages: vec![&base], world: &world, ..Image::default() };
            let found = unsatisfiable(&image, &PackageIndex::new()).map(ToString::to_string);
            assert_eq!(found.as_deref(), want);
        }
    }
}
