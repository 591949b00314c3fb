//! What a reviewer has to look at, before all else that differs: who may do more or less than
//! before, configuration that somebody changed, files and packages that came or went, scripts
//! that failed or changed something.
//!
//! In comes a [`Review`]; out go lists, platforms of an index together where they say the same.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::{Change, marks};
use super::{PlatformReview, Review};
use crate::before_after::{PlatformReport, ScriptNote};
use crate::diff::ImageDiff;
use crate::summary::count;
use imgfix_model::path::ImagePath;
use imgfix_model::platform::Platform;

/// One kind of thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// A word for links: `access`.
    pub name: &'static str,
    /// What its items are.
    pub title: &'static str,
    /// Never empty.
    pub items: Vec<Item>,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// A path or a package.
    pub what: String,
    /// Half a sentence; may be empty.
    pub why: String,
    /// On which platforms, when not on all.
    pub platforms: Vec<String>,
}

/// The items of one kind, as they are gathered.
struct Gathered<'a> {
    name: &'static str,
    title: &'static str,
    /// In the order met, with the platforms that say so.
    items: Vec<(String, String)>,
    said: BTreeMap<(String, String), BTreeSet<&'a Platform>>,
}

impl<'a> Gathered<'a> {
    fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, items: Vec::new(), said: BTreeMap::new() }
    }

    fn add(&mut self, platform: &'a Platform, what: String, why: String) {
        let key = (what, why);
        let platforms = self.said.entry(key.clone()).or_default();
        if platforms.is_empty() {
            self.items.push(key);
        }
        platforms.insert(platform);
    }

    fn into_look(self, all: usize) -> Option<Look> {
        let Self { name, title, items, said } = self;
        let item = |key: (String, String)| {
            let on = said.get(&key).filter(|on| on.len() < all);
            let platforms = on.into_iter().flatten().map(ToString::to_string).collect();
            Item { what: key.0, why: key.1, platforms }
        };
        let items: Vec<Item> = items.into_iter().map(item).collect();
        (!items.is_empty()).then_some(Look { name, title, items })
    }
}

/// Everything to look at, in the order in which it matters; kinds without items are left out.
#[must_use]
pub fn looks(review: &Review) -> Vec<Look> {
    let mut access = Gathered::new("access", "Special bits, owners and capabilities");
    let mut config = Gathered::new("conffiles", "Changed configuration files");
    let mut removed = Gathered::new("removed", "Removed files");
    let mut failed = Gathered::new("failed-scripts", "Scripts that failed");
    let mut scripts = Gathered::new("scripts", "Scripts that changed something");
    let mut packages = Gathered::new("new-packages", "Packages that are new or gone");
    for (one, report) in review.pairs() {
        let PlatformReview { platform, diff, .. } = one;
        if let Some(diff) = diff {
            for (path, what) in notable(diff) {
                access.add(platform, path, what);
            }
            for text in diff.texts.iter().filter(|text| is_config(&text.path)) {
                let path = text.path.to_str_lossy().into_owned();
                config.add(platform, path, lines(&text.unified));
            }
            for (path, below) in topmost(diff.files.removed.iter().map(|gone| &gone.path)) {
                let why = match below {
                    0 => String::new(),
                    below => format!("with {} below it", count(below, "path")),
                };
                removed.add(platform, path.to_str_lossy().into_owned(), why);
            }
        }
        match (report, diff.as_ref().and_then(|diff| diff.packages.as_ref())) {
            (Some(report), _) => {
                for effect in report.effects.iter().filter(|one| one.kind == "script-failed") {
                    failed.add(platform, name(&effect.package), effect.text.clone());
                }
                of_report(report, platform, &mut config, &mut scripts, &mut packages);
            }
            (None, Some(diff)) => {
                for one in &diff.added {
                    packages.add(
                        platform,
                        one.package.name.to_string(),
                        format!("new: {}", one.version),
                    );
                }
                for one in &diff.removed {
                    let why = format!("gone, was {}", one.version);
                    packages.add(platform, one.package.name.to_string(), why);
                }
            }
            (None, None) => {}
        }
    }
    let all = review.platforms.len();
    let gathered = [access, config, removed, failed, scripts, packages];
    gathered.into_iter().filter_map(|one| one.into_look(all)).collect()
}

/// The paths that lie below none of the others, in their order, with the number of those below.
fn topmost<'a>(paths: impl Iterator<Item = &'a ImagePath>) -> BTreeMap<&'a ImagePath, usize> {
    let all: BTreeSet<&ImagePath> = paths.collect();
    let mut tops: BTreeMap<&ImagePath, usize> = BTreeMap::new();
    for path in all {
        let above = path.ancestors().into_iter().find(|above| tops.contains_key(above));
        match above.and_then(|above| tops.get_mut(&above)) {
            Some(below) => *below += 1,
            None => _ = tops.insert(path, 0),
        }
    }
    tops
}

/// Of `name:architecture`.
fn name(package: &str) -> String {
    package.split(':').next().unwrap_or(package).to_owned()
}

fn of_report<'a>(
    report: &PlatformReport,
    platform: &'a Platform,
    config: &mut Gathered<'a>,
    scripts: &mut Gathered<'a>,
    packages: &mut Gathered<'a>,
) {
    for effect in report.effects.iter().filter(|one| one.kind.starts_with("conffile")) {
        config.add(platform, name(&effect.package), effect.text.clone());
    }
    for script in report.scripts.iter().filter(|one| !one.changed.is_empty()) {
        scripts.add(platform, name(&script.package), script_sentence(script));
    }
    for change in report.packages.iter().filter(|change| change.from.is_none()) {
        let why = format!("new: {}", change.to);
        packages.add(platform, change.package.name.to_string(), why);
    }
    for gone in &report.removed {
        let why = format!("gone, was {}: {}", gone.version, gone.explanation);
        packages.add(platform, gone.package.name.to_string(), why);
    }
}

/// How many paths of one script are listed.
const MAX_PATHS: usize = 12;

/// What a script that was evaluated did: `postinst configure 2.36: changed /etc/localtime`.
#[must_use]
pub fn script_sentence(one: &ScriptNote) -> String {
    let called = format!("{} {}", one.script, one.arguments.join(" "));
    if one.changed.is_empty() {
        return format!("{called}: no file changed");
    }
    let paths: Vec<_> = one.changed.iter().map(ImagePath::to_str_lossy).collect();
    let paths = crate::by_source::some_of(paths.iter().map(AsRef::as_ref), MAX_PATHS);
    format!("{called}: changed {paths}")
}

/// Whether a path is configuration by where it is (FHS, 3.7).
#[must_use]
pub fn is_config(path: &ImagePath) -> bool {
    path.as_bytes().starts_with(b"/etc/")
}

/// `2 lines added, 1 line removed`.
#[must_use]
pub fn lines(unified: &str) -> String {
    let with = |sign: char| unified.lines().filter(|line| line.starts_with(sign)).count();
    format!("{} added, {} removed", count(with('+'), "line"), count(with('-'), "line"))
}

/// Paths with something unusual, and what it is.
fn notable(diff: &ImageDiff) -> impl Iterator<Item = (String, String)> + '_ {
    let files = &diff.files;
    let added = files.added.iter().map(|one| (&one.path, Change::Added(&one.state)));
    let changed = files.changed.iter().map(|one| {
        let (before, after, aspects) = (&one.before, &one.after, one.aspects.as_slice());
        (&one.path, Change::Changed { before, after, aspects })
    });
    added
        .chain(changed)
        .map(|(path, change)| (path.to_str_lossy().into_owned(), marks(change).join(", ")))
        .filter(|(_, what)| !what.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn of_a_folder_that_is_gone_the_folder_is_named() {
        let paths = ["/a/b", "/a/b/c", "/a/b/c/d", "/a/b-1", "/a/bc", "/x/y"];
        let paths = paths.map(ImagePath::literal);
        let tops = topmost(paths.iter());
        let shown: Vec<String> =
            tops.iter().map(|(path, below)| format!("{path} {below}")).collect();
        assert_eq!(shown, ["/a/b 2", "/a/b-1 0", "/a/bc 0", "/x/y 0"]);
    }

    #[test]
    fn what_matters_is_gathered() {
        let looks = looks(&samples::repair());
        let of = |name: &str| {
            let look = looks.iter().find(|look| look.name == name).unwrap();
            look.items.iter().map(|one| format!("{} {}", one.what, one.why)).collect::<Vec<_>>()
        };
        assert_eq!(
            of("access"),
            [
                "/usr/bin/new-suid new setuid",
                "/usr/bin/passwd setuid gone",
                "/var/log/app owner 0:0 → 33:33"
            ]
        );
        assert_eq!(
            of("conffiles"),
            [
                "/etc/app.conf 1 line added, 1 line removed",
                "openssl /etc/ssl/openssl.cnf was changed in the image and stays"
            ]
        );
        assert_eq!(of("removed"), ["/usr/lib/old.so "]);
        assert_eq!(
            of("failed-scripts"),
            ["nginx post 2 failed, after which the package manager goes on: exit status 1"]
        );
        assert_eq!(
            of("scripts"),
            ["tzdata postinst configure 2024a-0+deb12u1: changed /etc/localtime"]
        );
        assert_eq!(
            of("new-packages"),
            ["libnew1 new: 1.0-1", "libold1 gone, was 0.9-1: nothing needs it any more"]
        );
    }

    #[test]
    fn platforms_are_named_only_where_they_differ() {
        let looks = looks(&samples::index());
        let access = looks.iter().find(|look| look.name == "access").unwrap();
        assert!(access.items.iter().all(|one| one.platforms.is_empty()), "{access:?}");
        let removed = looks.iter().find(|look| look.name == "removed").unwrap();
        assert_eq!(removed.items[0].platforms, ["linux/amd64"]);
    }
}
