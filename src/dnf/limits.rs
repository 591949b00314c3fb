//! Why an image's repositories may never have a fix: what is known of distributions.
//!
//! In come the distribution, its repositories and the release that they are asked for; out comes half
//! a sentence with the remedy, or nothing.

use super::sources::RpmSource;
use imgfix_model::package::Distribution;

/// Where Red Hat has what anybody may have.
const UBI: &str = "://cdn-ubi.redhat.com/";

/// Why no fix may ever come to these repositories. `release` is what `$releasever` stands for,
/// `is_chosen` whether the user said so.
#[must_use]
pub fn of_repositories(
    distribution: &Distribution,
    sources: &[&RpmSource],
    release: &str,
    is_chosen: bool,
) -> Option<String> {
    let major = distribution.version_id.split('.').next().unwrap_or_default();
    match distribution.id.as_str() {
        "rhel" if !sources.is_empty() && sources.iter().all(|one| one.place().contains(UBI)) => {
            Some(
                "Red Hat has only a part of its packages in UBI's public repositories, and the rest \
                 wants a subscription; name that with --repository and --client-certificate, or a \
                 mirror of it"
                    .to_owned(),
            )
        }
        "amzn" if release.starts_with("2023.") && !is_chosen => Some(format!(
            "the image keeps to the release {release}, whose repositories do not change; go on to a \
             newer one with --releasever RELEASE, or to the newest with --releasever latest"
        )),
        "centos" => {
            let (name, ended) = match (major, distribution.pretty_name.contains("Stream")) {
                ("8", true) => ("CentOS Stream 8", "May 2024"),
                ("8", false) => ("CentOS Linux 8", "December 2021"),
                ("7", _) => ("CentOS Linux 7", "June 2024"),
                ("6", _) => ("CentOS 6", "November 2020"),
                _ => return None,
            };
            Some(format!(
                "{name} ended in {ended}, and what it had is kept at vault.centos.org without new \
                 fixes; build on a distribution that is maintained"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_repository::repository_url::Origin;

    #[test]
    fn what_is_known_of_distributions_is_said() {
        let ubi = "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi9/9/x86_64/baseos/os";
        let own = "https://mirror.example/rhel9";
        for (id, version, urls, release, chosen, want) in [
            ("rhel", "9.4", vec![ubi], "9", false, "UBI's public repositories"),
            ("rhel", "9.4", vec![ubi, own], "9", false, ""),
            ("rhel", "9.4", vec![], "9", false, ""),
            ("amzn", "2023", vec![own], "2023.5.20240903", false, "--releasever latest"),
            ("amzn", "2023", vec![own], "2023.9.1", true, ""),
            ("amzn", "2", vec![own], "2", false, ""),
            ("centos", "7", vec![own], "7", false, "CentOS Linux 7 ended in June 2024"),
            ("centos", "9", vec![own], "9", false, ""),
            ("fedora", "40", vec![own], "40", false, ""),
        ] {
            let distribution = Distribution {
                id: id.to_owned(),
                version_id: version.to_owned(),
                ..Distribution::default()
            };
            let sources: Vec<RpmSource> =
                urls.iter().map(|url| RpmSource::at("x", url, Origin::Image)).collect();
            let sources: Vec<&RpmSource> = sources.iter().collect();
            let got = of_repositories(&distribution, &sources, release, chosen).unwrap_or_default();
            assert!(
                got.contains(want) && got.is_empty() == want.is_empty(),
                "{id} {version}: {got}"
            );
        }
    }
}
