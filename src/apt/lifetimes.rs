//! How long releases of Debian and Ubuntu get security updates, and where their repositories
//! are afterwards.
//!
//! In comes a release's name or a source; out come the day on which its support ends and the URL
//! that its packages move to then. The days are those of Debian's package distro-info-data: for Debian the end
//! of long term support, for Ubuntu the end of standard support.

use time::macros::date;
use time::{Date, OffsetDateTime};

use super::sources::AptSource;
use imgfix_model::package::Distribution;

/// A release and the last day of its support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DistributionRelease {
    vendor: Vendor,
    /// `VERSION_ID`.
    version: &'static str,
    codename: &'static str,
    end: Date,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Debian,
    Ubuntu,
}

const fn debian(version: &'static str, codename: &'static str, end: Date) -> DistributionRelease {
    DistributionRelease { vendor: Vendor::Debian, version, codename, end }
}

const fn ubuntu(version: &'static str, codename: &'static str, end: Date) -> DistributionRelease {
    DistributionRelease { vendor: Vendor::Ubuntu, version, codename, end }
}

const RELEASES: [DistributionRelease; 38] = [
    debian("5.0", "lenny", date!(2012 - 02 - 06)),
    debian("6", "squeeze", date!(2016 - 02 - 29)),
    debian("7", "wheezy", date!(2018 - 05 - 31)),
    debian("8", "jessie", date!(2020 - 06 - 30)),
    debian("9", "stretch", date!(2022 - 06 - 30)),
    debian("10", "buster", date!(2024 - 06 - 30)),
    debian("11", "bullseye", date!(2026 - 08 - 31)),
    debian("12", "bookworm", date!(2028 - 06 - 30)),
    debian("13", "trixie", date!(2030 - 06 - 30)),
    ubuntu("10.04", "lucid", date!(2015 - 04 - 30)),
    ubuntu("12.04", "precise", date!(2017 - 04 - 28)),
    ubuntu("12.10", "quantal", date!(2014 - 05 - 16)),
    ubuntu("13.04", "raring", date!(2014 - 01 - 27)),
    ubuntu("13.10", "saucy", date!(2014 - 07 - 17)),
    ubuntu("14.04", "trusty", date!(2019 - 04 - 25)),
    ubuntu("14.10", "utopic", date!(2015 - 07 - 23)),
    ubuntu("15.04", "vivid", date!(2016 - 02 - 04)),
    ubuntu("15.10", "wily", date!(2016 - 07 - 28)),
    ubuntu("16.04", "xenial", date!(2021 - 04 - 30)),
    ubuntu("16.10", "yakkety", date!(2017 - 07 - 20)),
    ubuntu("17.04", "zesty", date!(2018 - 01 - 13)),
    ubuntu("17.10", "artful", date!(2018 - 07 - 19)),
    ubuntu("18.04", "bionic", date!(2023 - 05 - 31)),
    ubuntu("18.10", "cosmic", date!(2019 - 07 - 18)),
    ubuntu("19.04", "disco", date!(2020 - 01 - 23)),
    ubuntu("19.10", "eoan", date!(2020 - 07 - 17)),
    ubuntu("20.04", "focal", date!(2025 - 05 - 29)),
    ubuntu("20.10", "groovy", date!(2021 - 07 - 22)),
    ubuntu("21.04", "hirsute", date!(2022 - 01 - 20)),
    ubuntu("21.10", "impish", date!(2022 - 07 - 14)),
    ubuntu("22.04", "jammy", date!(2027 - 06 - 01)),
    ubuntu("22.10", "kinetic", date!(2023 - 07 - 20)),
    ubuntu("23.04", "lunar", date!(2024 - 01 - 25)),
    ubuntu("23.10", "mantic", date!(2024 - 07 - 11)),
    ubuntu("24.04", "noble", date!(2029 - 05 - 31)),
    ubuntu("24.10", "oracular", date!(2025 - 07 - 10)),
    ubuntu("25.04", "plucky", date!(2026 - 01 - 15)),
    ubuntu("25.10", "questing", date!(2026 - 07 - 09)),
];

impl DistributionRelease {
    /// `Debian 10 (buster)`.
    #[must_use]
    pub fn name(&self) -> String {
        let vendor = match self.vendor {
            Vendor::Debian => "Debian",
            Vendor::Ubuntu => "Ubuntu",
        };
        format!("{vendor} {} ({})", self.version, self.codename)
    }

    /// `Debian 10 (buster) has reached its end of life (2024-06-30)`, once it has. `now` is in
    /// seconds since the epoch.
    #[must_use]
    pub fn ended(&self, now: i64) -> Option<String> {
        let today = OffsetDateTime::from_unix_timestamp(now).ok()?.date();
        let what = match self.vendor {
            Vendor::Debian => "has reached its end of life",
            Vendor::Ubuntu => "has reached the end of its standard support",
        };
        (today > self.end).then(|| format!("{} {what} ({})", self.name(), self.end))
    }

    /// What that means for repairs, for an image whose repositories still answer.
    #[must_use]
    pub fn consequence(&self) -> &'static str {
        match self.vendor {
            Vendor::Debian => "its repositories get no security updates any more",
            Vendor::Ubuntu => "further security updates need Ubuntu Pro (ESM)",
        }
    }

    /// A line for `--repository` that leads to where the packages of an ended release are.
    #[must_use]
    pub fn line_after_end(&self) -> String {
        let url = match self.vendor {
            Vendor::Debian => DEBIAN_ARCHIVE,
            Vendor::Ubuntu => UBUNTU_ARCHIVE,
        };
        format!("deb {url} {} main", self.codename)
    }
}

const DEBIAN_ARCHIVE: &str = "http://archive.debian.org/debian";
const DEBIAN_SECURITY_ARCHIVE: &str = "http://archive.debian.org/debian-security";
const UBUNTU_ARCHIVE: &str = "http://old-releases.ubuntu.com/ubuntu";

/// The release of an image, when it is known.
#[must_use]
pub fn of_image(distribution: &Distribution) -> Option<DistributionRelease> {
    let vendor = match distribution.id.as_str() {
        "debian" => Vendor::Debian,
        "ubuntu" => Vendor::Ubuntu,
        _ => return None,
    };
    let fits = |release: &&DistributionRelease| match distribution.codename.as_str() {
        "" => release.version == distribution.version_id,
        codename => release.codename == codename,
    };
    RELEASES.iter().filter(|release| release.vendor == vendor).find(fits).copied()
}

/// The release that a source is for, when it is one of the distribution's own.
#[must_use]
pub fn of_source(source: &AptSource) -> Option<DistributionRelease> {
    let vendor = vendor(host(&source.url)?)?;
    let suite = source.suite.trim_end_matches('/');
    let codename = suite.split(['-', '/']).next()?;
    RELEASES
        .iter()
        .find(|release| release.vendor == vendor && release.codename == codename)
        .copied()
}

/// Where the packages below a URL of the distribution move to when their release has ended.
#[must_use]
pub fn moves_to(url: &str) -> Option<&'static str> {
    let host = host(url)?;
    if matches!(host, "archive.debian.org" | "old-releases.ubuntu.com") {
        return None;
    }
    let last = url.trim_end_matches('/').rsplit('/').next()?;
    match (vendor(host)?, host, last) {
        (Vendor::Debian, "security.debian.org", _) | (Vendor::Debian, _, "debian-security") => {
            Some(DEBIAN_SECURITY_ARCHIVE)
        }
        (Vendor::Debian, _, "debian") => Some(DEBIAN_ARCHIVE),
        (Vendor::Ubuntu, _, "ubuntu" | "ubuntu-ports") => Some(UBUNTU_ARCHIVE),
        _ => None,
    }
}

/// Whether a URL is at a host where a distribution keeps ended releases. Their indexes expire, and
/// are not renewed.
#[must_use]
pub fn is_of_ended_releases(url: &str) -> bool {
    matches!(host(url), Some("archive.debian.org" | "old-releases.ubuntu.com"))
}

/// The distribution whose releases a host has. (Ubuntu Pro's and personal repositories are apart
/// from the releases.)
fn vendor(host: &str) -> Option<Vendor> {
    let below = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let ubuntu = [
        "archive.ubuntu.com",
        "security.ubuntu.com",
        "ports.ubuntu.com",
        "old-releases.ubuntu.com",
    ];
    if below("debian.org") {
        Some(Vendor::Debian)
    } else {
        ubuntu.iter().any(|domain| below(domain)).then_some(Vendor::Ubuntu)
    }
}

fn host(url: &str) -> Option<&str> {
    url.split("://").nth(1)?.split(['/', ':']).next()
}

#[cfg(test)]
mod tests {
    use super::super::sources::parse_option;
    use super::*;

    /// 29 November 2026.
    const NOW: i64 = 1_795_910_400;

    #[test]
    fn sources_know_their_release_and_its_archive() {
        for (line, name, archive) in [
            ("http://deb.debian.org/debian buster", "Debian 10 (buster)", Some(DEBIAN_ARCHIVE)),
            (
                "http://ftp.de.debian.org/debian/ jessie-updates",
                "Debian 8 (jessie)",
                Some(DEBIAN_ARCHIVE),
            ),
            (
                "http://security.debian.org buster/updates",
                "Debian 10 (buster)",
                Some(DEBIAN_SECURITY_ARCHIVE),
            ),
            (
                "http://deb.debian.org/debian-security bullseye-security",
                "Debian 11 (bullseye)",
                Some(DEBIAN_SECURITY_ARCHIVE),
            ),
            ("http://archive.debian.org/debian buster", "Debian 10 (buster)", None),
            (
                "http://de.archive.ubuntu.com/ubuntu kinetic-updates",
                "Ubuntu 22.10 (kinetic)",
                Some(UBUNTU_ARCHIVE),
            ),
            (
                "http://ports.ubuntu.com/ubuntu-ports lunar",
                "Ubuntu 23.04 (lunar)",
                Some(UBUNTU_ARCHIVE),
            ),
            ("http://old-releases.ubuntu.com/ubuntu lunar", "Ubuntu 23.04 (lunar)", None),
            // others may have what they like
            ("http://mirror.example/debian buster", "", None),
            ("http://notdebian.org/debian buster", "", None),
            ("https://esm.ubuntu.com/infra/ubuntu bionic-infra-security", "", None),
            ("http://deb.debian.org/debian sid", "", Some(DEBIAN_ARCHIVE)),
            ("http://deb.debian.org/debian kinetic", "", Some(DEBIAN_ARCHIVE)),
        ] {
            let source = parse_option(&format!("deb {line} main")).unwrap().remove(0);
            let found = of_source(&source).map(|release| release.name()).unwrap_or_default();
            assert_eq!((found.as_str(), moves_to(&source.url)), (name, archive), "{line}");
        }
        assert!(is_of_ended_releases("http://archive.debian.org/debian/"));
        assert!(!is_of_ended_releases("http://archive.debian.org.evil/debian/"));
    }

    #[test]
    fn releases_end_on_their_day() {
        for (id, codename, version, want) in [
            (
                "debian",
                "buster",
                "",
                Some("Debian 10 (buster) has reached its end of life (2024-06-30)"),
            ),
            (
                "debian",
                "",
                "11",
                Some("Debian 11 (bullseye) has reached its end of life (2026-08-31)"),
            ),
            ("debian", "bookworm", "12", None),
            (
                "ubuntu",
                "focal",
                "20.04",
                Some(
                    "Ubuntu 20.04 (focal) has reached the end of its standard support (2025-05-29)",
                ),
            ),
            ("ubuntu", "noble", "24.04", None),
            ("debian", "noble", "24.04", None),
            ("kali", "buster", "10", None),
        ] {
            let distribution = Distribution {
                id: id.into(),
                codename: codename.into(),
                version_id: version.into(),
                ..Distribution::default()
            };
            let ended = of_image(&distribution).and_then(|release| release.ended(NOW));
            assert_eq!(ended.as_deref(), want, "{id} {codename} {version}");
        }
        let last_day = 1_788_134_400; // 31 August 2026
        let bullseye = RELEASES.iter().find(|one| one.codename == "bullseye").unwrap();
        assert_eq!(bullseye.ended(last_day), None);
        assert!(bullseye.ended(last_day + 86400).is_some());
    }
}
