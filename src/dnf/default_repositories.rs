//! The repositories of known distributions, for images that name none: distroless ones have no
//! `.repo` files.
//!
//! In come what os-release(5) says and the machine; out come the sources to add.

use super::sources::RpmSource;
use super::variables::base_architecture;
use imgfix_model::package::Distribution;
use imgfix_repository::repository_url::Origin;

/// The repositories of a known distribution, when the image names none at all, switched-off ones
/// included: an image that names some decides for itself.
#[must_use]
pub fn missing(distribution: &Distribution, architecture: &str, named: usize) -> Vec<RpmSource> {
    if named > 0 {
        return Vec::new();
    }
    let version = distribution.version_id.as_str();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    if !digits(major) || !minor.split('.').all(digits) {
        return Vec::new();
    }
    let machine = base_architecture(architecture);
    let of = |list: &[(&str, String)]| {
        list.iter().map(|(id, url)| RpmSource::at(id, url, Origin::Added)).collect()
    };
    match distribution.id.as_str() {
        "azurelinux" => of(&[(
            "azurelinux-official-base",
            format!("https://packages.microsoft.com/azurelinux/{version}/prod/base/{machine}"),
        )]),
        "mariner" => of(&[(
            "mariner-official-base",
            format!("https://packages.microsoft.com/cbl-mariner/{version}/prod/base/{machine}"),
        )]),
        "rhel" => {
            let ubi = |part: &str| {
                format!(
                    "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi{major}/{major}/\
                     {machine}/{part}/os"
                )
            };
            of(&[("ubi-baseos", ubi("baseos")), ("ubi-appstream", ubi("appstream"))])
        }
        "rocky" => {
            let at = |part: &str| {
                format!("https://dl.rockylinux.org/pub/rocky/{major}/{part}/{machine}/os")
            };
            of(&[("baseos", at("BaseOS")), ("appstream", at("AppStream"))])
        }
        "almalinux" => {
            let at = |part: &str| {
                format!("https://repo.almalinux.org/almalinux/{major}/{part}/{machine}/os")
            };
            of(&[("baseos", at("BaseOS")), ("appstream", at("AppStream"))])
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_distributions_have_their_repositories() {
        let urls = |id: &str, version: &str, named| {
            let distribution = Distribution {
                id: id.to_owned(),
                version_id: version.to_owned(),
                ..Distribution::default()
            };
            let sources = missing(&distribution, "x86_64", named).into_iter();
            sources.map(|source| source.place().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            urls("azurelinux", "3.0", 0),
            ["https://packages.microsoft.com/azurelinux/3.0/prod/base/x86_64"]
        );
        assert_eq!(
            urls("rhel", "9.4", 0)[0],
            "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi9/9/x86_64/baseos/os"
        );
        for (id, version, named) in
            [("azurelinux", "3.0", 1), ("rhel", "../x", 0), ("rhel", "", 0), ("other", "1", 0)]
        {
            assert!(urls(id, version, named).is_empty(), "{id} {version}");
        }
    }
}
