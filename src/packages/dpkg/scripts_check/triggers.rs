//! Which triggers an upgrade activates, and whether one of them would do something.
//!
//! In come the image before and after the payload was installed, and the packages; out comes
//! the first trigger whose package would run its `postinst triggered`. Only ldconfig's is
//! seen through: it changes nothing when no library name came or went.

use std::collections::BTreeSet;

use super::super::deb::{DebPackage, listed_name};
use super::super::triggers::{
    Directive, Interest, Verb, is_file_trigger, parse_directives, parse_explicit_interests,
    parse_file_interests,
};
use super::ldconfig;
use crate::plan::Reason;
use crate::rootfs::{FileSystem, ImagePath};

/// One activated trigger: by which package, and what for.
struct Activation {
    package: String,
    /// The trigger's name: a path or a word.
    trigger: String,
}

/// Checks that no trigger of the set has an effect. `before` is the image as it was, `after`
/// with the set installed.
///
/// # Errors
/// [`Reason::NeedsScripts`] with the package that activates the trigger, the package whose
/// `postinst` would run, and the trigger.
pub fn check_triggers(
    before: &dyn FileSystem,
    after: &dyn FileSystem,
    packages: &[&DebPackage],
) -> Result<(), Reason> {
    let mut file_interests = interests(before, "File", parse_file_interests);
    for interest in interests(after, "File", parse_file_interests) {
        if !file_interests.contains(&interest) {
            file_interests.push(interest);
        }
    }
    for package in packages {
        let activated = activated(before, package, &file_interests)?;
        for Activation { package, trigger } in activated {
            for interested in interested(before, after, &file_interests, &trigger) {
                if bare(&interested) == bare(&package) {
                    // While a package is being installed it is not triggered by itself.
                    continue;
                }
                let harmless = trigger == "ldconfig"
                    && bare(&interested) == "libc-bin"
                    && ldconfig::names(before) == ldconfig::names(after);
                if !harmless {
                    return Err(Reason::NeedsScripts {
                        package,
                        script: format!("{}.postinst", bare(&interested)),
                        line: None,
                        detail: format!("the upgrade activates the trigger {trigger}"),
                    });
                }
            }
        }
    }
    Ok(())
}

fn bare(package: &str) -> &str {
    package.split(':').next().unwrap_or(package)
}

fn interests(
    fs: &dyn FileSystem,
    name: &str,
    parse: fn(&[u8]) -> Result<Vec<Interest>, super::super::triggers::TriggerError>,
) -> Vec<Interest> {
    let path = ImagePath::new(format!("/var/lib/dpkg/triggers/{name}"));
    let text = path.ok().and_then(|path| fs.read(&path).ok()).unwrap_or_default();
    // Installation has refused damaged files already.
    parse(&text).unwrap_or_default()
}

/// Packages interested in a trigger, before or after.
fn interested(
    before: &dyn FileSystem,
    after: &dyn FileSystem,
    file_interests: &[Interest],
    trigger: &str,
) -> BTreeSet<String> {
    if is_file_trigger(trigger) {
        let hit = file_interests.iter().filter(|interest| interest.path == trigger);
        return hit.map(|interest| interest.package.clone()).collect();
    }
    let both = [before, after];
    both.iter()
        .flat_map(|fs| interests(*fs, trigger, parse_explicit_interests))
        .map(|interest| interest.package)
        .collect()
}

/// What a package activates: by name in its old and new `triggers`, and every interest path
/// at or above a path that it ships or no longer ships.
fn activated(
    before: &dyn FileSystem,
    package: &DebPackage,
    file_interests: &[Interest],
) -> Result<Vec<Activation>, Reason> {
    let name = package.control.name().to_owned();
    let mut triggers = BTreeSet::new();
    let mut touched: BTreeSet<Vec<u8>> =
        package.payload.iter().map(|entry| entry.path.clone()).collect();
    let mut texts: Vec<bytes::Bytes> =
        package.control.member("triggers").cloned().into_iter().collect();
    for stem in [name.clone(), format!("{name}:{}", package.control.architecture())] {
        let info = |kind: &str| ImagePath::new(format!("/var/lib/dpkg/info/{stem}.{kind}")).ok();
        texts.extend(info("triggers").and_then(|path| before.read(&path).ok()));
        let list = info("list").and_then(|path| before.read(&path).ok()).unwrap_or_default();
        let lines = list.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        touched.extend(lines.map(listed_name));
    }
    for text in texts {
        let directives = parse_directives(&text).map_err(|error| Reason::NeedsScripts {
            package: name.clone(),
            script: "triggers".into(),
            line: u32::try_from(error.line).ok(),
            detail: error.problem,
        })?;
        for Directive { trigger, verb, .. } in directives {
            match verb {
                Verb::Activate if is_file_trigger(&trigger) => {
                    touched.insert(trigger.into_bytes());
                }
                Verb::Activate => {
                    triggers.insert(trigger);
                }
                Verb::Interest => {}
            }
        }
    }
    for interest in file_interests {
        if touches(&touched, interest.path.as_bytes()) {
            triggers.insert(interest.path.clone());
        }
    }
    Ok(triggers.into_iter().map(|trigger| Activation { package: name.clone(), trigger }).collect())
}

/// Whether a path at or below `folder` is in the set.
fn touches(touched: &BTreeSet<Vec<u8>>, folder: &[u8]) -> bool {
    let below = [folder, b"/"].concat();
    touched.contains(folder)
        || touched.range(below.clone()..).next().is_some_and(|path| path.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_touched_by_what_is_in_it() {
        let touched: BTreeSet<Vec<u8>> =
            [&b"/usr/share/man/man1/a"[..], b"/usr/share/manual"].map(<[u8]>::to_vec).into();
        for (folder, want) in [
            ("/usr/share/man", true),
            ("/usr/share/man/man1/a", true),
            ("/usr/share/manual", true),
            ("/usr/share/manu", false),
            ("/usr/share/man/man2", false),
        ] {
            assert_eq!(touches(&touched, folder.as_bytes()), want, "{folder}");
        }
    }
}
