//! Sources that name a release by an alias (`stable`), which may lead to another release today
//! than when the image was built.
//!
//! In come the image's distribution and its repositories; out come warnings, each with the
//! names of both releases.

use std::collections::BTreeSet;

use super::index::RepositoryInfo;
use imgfix_model::package::Distribution;

/// A warning for every suite by whose alias another release than the image's would be taken.
#[must_use]
pub fn warnings<'r>(
    image: &Distribution,
    repositories: impl IntoIterator<Item = &'r RepositoryInfo>,
) -> Vec<String> {
    let mut out = BTreeSet::new();
    for one in repositories {
        let (own, theirs) = (image.codename.as_str(), base(&one.codename));
        let same_distribution = one.origin.eq_ignore_ascii_case(&image.id);
        // Images of Debian's unstable call themselves after the next release.
        let unstable = theirs == "sid" && image.version_id.is_empty();
        let is_alias = base(&one.suite) != theirs;
        if own.is_empty() || theirs.is_empty() || own == theirs || unstable {
            continue;
        }
        if same_distribution && is_alias && !one.suite.ends_with('/') {
            out.insert(format!(
                "the source {} {} leads to {theirs} today, and the image is {own}: what is taken \
                 from there is of another release; name the suite {} in its place",
                one.url.trim_end_matches('/'),
                one.suite,
                one.suite.replacen(base(&one.suite), own, 1),
            ));
        }
    }
    out.into_iter().collect()
}

/// `bookworm` of `bookworm-security` and `bookworm/updates`.
fn base(suite: &str) -> &str {
    const POCKETS: [&str; 7] = [
        "/updates",
        "-security",
        "-proposed-updates",
        "-updates",
        "-proposed",
        "-backports-sloppy",
        "-backports",
    ];
    POCKETS.iter().find_map(|pocket| suite.strip_suffix(pocket)).unwrap_or(suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_of_another_release_is_told_with_both_names() {
        let debian = |version: &str, codename: &str| Distribution {
            id: "debian".into(),
            version_id: version.into(),
            codename: codename.into(),
            pretty_name: String::new(),
        };
        let (bookworm, sid) = (debian("12", "bookworm"), debian("", "trixie"));
        for (image, suite, codename, origin, want) in [
            (&bookworm, "stable", "trixie", "Debian", Some("bookworm")),
            (&bookworm, "stable-security", "trixie-security", "Debian", Some("bookworm-security")),
            (&bookworm, "stable/updates", "trixie-security", "Debian", Some("bookworm/updates")),
            (&bookworm, "oldstable", "bookworm", "Debian", None),
            (&bookworm, "bookworm-updates", "bookworm-updates", "Debian", None),
            // Named by the user, not by an alias.
            (&bookworm, "trixie", "trixie", "Debian", None),
            (&bookworm, "stable", "stable", "Docker", None),
            (&bookworm, "stable", "", "Debian", None),
            (&sid, "unstable", "sid", "Debian", None),
            (&sid, "testing", "forky", "Debian", Some("trixie")),
        ] {
            let repository = RepositoryInfo {
                url: "http://deb.debian.org/debian/".into(),
                suite: suite.into(),
                codename: codename.into(),
                origin: origin.into(),
                ..RepositoryInfo::default()
            };
            let said = warnings(image, [&repository, &repository]);
            assert_eq!(said.len(), usize::from(want.is_some()), "{suite} {codename}: {said:?}");
            if let Some(name) = want {
                let text = format!("{} {suite} leads to", "http://deb.debian.org/debian");
                let end = format!("name the suite {name} in its place");
                assert!(said[0].contains(&text) && said[0].ends_with(&end), "{said:?}");
            }
        }
    }
}
