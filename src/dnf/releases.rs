//! Which rpm a distribution has: where its package says it, that; else by the distribution.

use super::installed::InstalledPackage;
use imgfix_model::package::Distribution;
use imgfix_rpm::install::Release;
use imgfix_rpm::signature::Era;

/// rpm's own packages, by the names that distributions give them.
const RPM: [&str; 3] = ["rpm", "rpm-libs", "librpm"];

/// The rpm of a distribution's release: `ID`, the first release that has it, the newest first.
const RELEASES: &[(&str, u32, Release)] = &[
    ("rhel", 10, Release::new(4, 19)),
    ("rhel", 9, Release::new(4, 16)),
    ("rhel", 8, Release::new(4, 14)),
    ("rhel", 0, Release::new(4, 11)),
    ("amzn", 2023, Release::new(4, 16)),
    ("amzn", 0, Release::new(4, 11)),
    ("fedora", 43, Release::new(6, 0)),
    ("fedora", 41, Release::new(4, 20)),
    ("fedora", 39, Release::new(4, 19)),
    ("fedora", 37, Release::new(4, 18)),
    ("fedora", 34, Release::new(4, 17)),
    ("fedora", 0, Release::new(4, 16)),
    ("sles", 16, Release::new(4, 20)),
    ("sles", 13, Release::new(4, 14)),
    ("sles", 0, Release::new(4, 11)),
    ("opensuse-tumbleweed", 0, Release::new(4, 20)),
    ("mariner", 0, Release::new(4, 18)),
    ("azurelinux", 0, Release::new(4, 18)),
    ("photon", 5, Release::new(4, 18)),
    ("photon", 4, Release::new(4, 16)),
    ("photon", 0, Release::new(4, 14)),
    ("openeuler", 24, Release::new(4, 18)),
    ("openeuler", 22, Release::new(4, 17)),
    ("openeuler", 0, Release::new(4, 15)),
];

/// The name under which [`RELEASES`] and eras have a distribution.
fn line(id: &str) -> &str {
    match id {
        "centos" | "rocky" | "almalinux" | "ol" | "anolis" | "alinux" | "eurolinux"
        | "scientific" | "virtuozzo" | "cloudlinux" => "rhel",
        "opensuse-leap" | "opensuse" | "sled" | "sle_hpc" | "sle-micro" => "sles",
        "openEuler" => "openeuler",
        other => other,
    }
}

fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The rpm that the image has, or that has made it. Where nothing says which, it is 4.16: what came
/// later differs only in small things.
#[must_use]
pub fn rpm_of(packages: &[InstalledPackage], distribution: &Distribution) -> Release {
    let own = RPM.iter().find_map(|name| packages.iter().find(|one| one.name == *name));
    if let Some(release) = own.and_then(|package| of_version(&package.evr)) {
        return release;
    }
    let (line, version) = (line(&distribution.id), major(&distribution.version_id));
    let mut known = RELEASES.iter().filter(|(id, since, _)| *id == line && version >= *since);
    known.next().map_or(Release::new(4, 16), |(.., release)| *release)
}

/// `4.16.1.3-29.el9`
fn of_version(evr: &str) -> Option<Release> {
    let version = evr.split_once(':').map_or(evr, |(_, rest)| rest);
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    Some(Release::new(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Which signatures the distribution's rpm takes.
#[must_use]
pub fn era_of(distribution: &Distribution) -> Era {
    let version = major(&distribution.version_id);
    let last = match line(&distribution.id) {
        "rhel" => 8,
        "amzn" => 2,
        "sles" if !distribution.id.starts_with("opensuse") => 12,
        _ => return Era::New,
    };
    // Amazon Linux 1 is 2018.03
    let is_first_amazon = distribution.id == "amzn" && version == 2018;
    if version != 0 && version <= last || is_first_amazon { Era::Old } else { Era::New }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(id: &str, version_id: &str) -> Distribution {
        Distribution { id: id.into(), version_id: version_id.into(), ..Distribution::default() }
    }

    #[test]
    fn the_package_says_which_rpm_it_is_or_the_distribution() {
        let own = [crate::testing::installed("rpm 4.18.2-1.azl3")];
        assert_eq!(rpm_of(&own, &distribution("rhel", "8.9")), Release::new(4, 18));
        for (id, version, want) in [
            ("rocky", "8.10", (4, 14)),
            ("centos", "7", (4, 11)),
            ("ol", "9.4", (4, 16)),
            ("amzn", "2023", (4, 16)),
            ("amzn", "2", (4, 11)),
            ("fedora", "44", (6, 0)),
            ("opensuse-leap", "15.6", (4, 14)),
            ("unheard-of", "1", (4, 16)),
        ] {
            let got = rpm_of(&[], &distribution(id, version));
            assert_eq!((got.major, got.minor), want, "{id} {version}");
        }
    }

    #[test]
    fn old_distributions_take_old_signatures() {
        for (id, version, old) in [
            ("rhel", "8.10", true),
            ("centos", "7", true),
            ("almalinux", "9.4", false),
            ("amzn", "2", true),
            ("amzn", "2018.03", true),
            ("amzn", "2023", false),
            ("sles", "12.5", true),
            ("sles", "15.6", false),
            ("opensuse-leap", "15.6", false),
            ("fedora", "40", false),
            ("", "", false),
        ] {
            assert_eq!(era_of(&distribution(id, version)) == Era::Old, old, "{id} {version}");
        }
    }
}
