//! `pam-auth-update` (libpam-runtime): `/etc/pam.d/common-*` from the profiles of packages.
//!
//! Source of the behaviour: pam-auth-update(8), and the perl program of pam 1.4, 1.5 and 1.7.
//! Which of them the image has is read from its text; another one is a stop. Questions go to
//! debconf, so the answers that an administrator gave once still count; where the files were
//! changed by hand in a way that cannot be merged, nothing is written.

mod changes;
mod profile;
mod version;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice as _};

use self::changes::Changes;
use self::profile::Profile;
use self::version::{Enabling, Version};
use self::write::Force;
use super::debconf::client::{Client, Connection};
use super::files::{names_in, read_optional, unusable};
use imgfix_shell::{Process, Status, Stop};

/// The files `common-TYPE` in their order.
const TYPES: [&str; 5] = ["auth", "account", "password", "session", "session-noninteractive"];

const PROFILES: &str = "libpam-runtime/profiles";
const CONFLICTS: &str = "libpam-runtime/conflicts";
const OVERRIDE: &str = "libpam-runtime/override";
const NONE_CHOSEN: &str = "libpam-runtime/no_profiles_chosen";

/// How often questions are asked again before there is no hope.
const MAX_ROUNDS: u32 = 8;

/// How far one is in a file, by its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MarkersAt {
    Start,
    /// In the block of primary modules.
    Primary,
    Between,
    /// In the block of additional modules.
    Additional,
    End,
}

impl MarkersAt {
    fn next(self) -> Self {
        match self {
            Self::Start => Self::Primary,
            Self::Primary => Self::Between,
            Self::Between => Self::Additional,
            Self::Additional | Self::End => Self::End,
        }
    }
}

/// The line that ends a part of a file.
fn marker(at: MarkersAt) -> Option<&'static [u8]> {
    Some(match at {
        MarkersAt::Start => b"# here are the per-package modules (the \"Primary\" block)",
        MarkersAt::Primary => b"# here's the fallback if no module succeeds",
        MarkersAt::Between => b"# and here are more per-package modules (the \"Additional\" block)",
        MarkersAt::Additional => b"# end of pam-auth-update config",
        MarkersAt::End => return None,
    })
}

/// The command line.
#[derive(Default)]
struct Arguments {
    force: bool,
    package: bool,
    root: String,
    removed: BTreeSet<BString>,
    disabled: BTreeSet<BString>,
    enabled: BTreeSet<BString>,
}

impl Arguments {
    fn parse(words: &[BString], version: Version) -> Self {
        let mut arguments = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let names = match &word[..] {
                b"--force" => {
                    arguments.force = true;
                    continue;
                }
                b"--package" => {
                    arguments.package = true;
                    continue;
                }
                b"--root" if version.enabling == Enabling::First => {
                    let root = words.next().map(ToString::to_string);
                    arguments.root = root.unwrap_or_default();
                    continue;
                }
                b"--remove" => &mut arguments.removed,
                b"--enable" => &mut arguments.enabled,
                b"--disable" if version.enabling == Enabling::First => &mut arguments.disabled,
                _ => continue,
            };
            while let Some(name) = words.next_if(|next| !next.starts_with(b"--")) {
                names.insert(name.clone());
                arguments.package = true;
            }
        }
        arguments
    }
}

/// What is to be written.
struct Chosen {
    /// `/etc/pam.d`, and `/var/lib/pam`.
    configuration: String,
    saved: String,
    profiles: BTreeMap<BString, Profile>,
    enabled: Vec<BString>,
    changes: Option<Changes>,
    /// Types, and MD5 sums of what was shipped for them.
    shipped_sums: Vec<(String, String)>,
}

impl Chosen {
    fn enabled_profiles(&self) -> impl Iterator<Item = (&BString, &Profile)> {
        self.enabled.iter().filter_map(|name| Some((name, self.profiles.get(name)?)))
    }

    /// Sorts names by priority, the highest first, and then backwards.
    fn sort(&self, names: &mut [BString]) {
        let priority = |name: &BString| self.profiles.get(name).map_or(0, Profile::priority);
        names.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| b.cmp(a)));
    }
}

/// Updates the files.
///
/// # Errors
/// An unknown version of the program, or files that it fails on.
pub fn run(process: &mut Process<'_>) -> Status {
    let client = match Client::connect(process)? {
        Connection::Open(client) => client,
        Connection::Done(status) => return Ok(status),
    };
    let (version, shipped_sums) = version::of(process)?;
    let arguments = Arguments::parse(process.arguments(), version);
    client.say(process, "VERSION 2.0")?;
    client.say(process, "CAPB backup escape")?;
    let root = &arguments.root;
    let mut chosen = Chosen {
        configuration: format!("{root}/etc/pam.d"),
        saved: format!("{root}/var/lib/pam"),
        profiles: read_profiles(process, &format!("{root}/usr/share/pam-configs"), version)?,
        enabled: Vec::new(),
        changes: None,
        shipped_sums,
    };
    let file = "/var/lib/dpkg/info/libpam-runtime.templates";
    client.say(process, format!("X_LOADTEMPLATEFILE {file} libpam-runtime"))?;
    choose(process, &client, &arguments, version, &mut chosen)
}

fn read_profiles(
    process: &mut Process<'_>,
    folder: &str,
    version: Version,
) -> Result<BTreeMap<BString, Profile>, Stop> {
    let mut profiles = BTreeMap::new();
    for name in names_in(process, folder.as_bytes())? {
        let is_backup = name.ends_with(b"~")
            || (name.len() > 2 && name.starts_with(b"#") && name.ends_with(b"#"));
        if is_backup {
            continue;
        }
        let path = [folder.as_bytes(), b"/", &name].concat();
        let Some(text) = read_optional(process, &path)? else {
            return Err(process.unsupported(format!("the profile {}", name.as_bstr())));
        };
        if let Some(profile) = Profile::parse(&text, version.interactive_only) {
            profiles.insert(name.into(), profile);
        }
    }
    Ok(profiles)
}

/// Decides which profiles are enabled, and writes.
fn choose(
    process: &mut Process<'_>,
    client: &Client,
    arguments: &Arguments,
    version: Version,
    chosen: &mut Chosen,
) -> Status {
    let mut sorted: Vec<BString> = chosen.profiles.keys().cloned().collect();
    chosen.sort(&mut sorted);
    sorted.retain(|name| !arguments.removed.contains(name));
    substitute(process, client, "profile_names", bstr::join(", ", &sorted))?;
    let titles = sorted.iter().filter_map(|name| Some(chosen.profiles.get(name)?.get("Name")));
    substitute(process, client, "profiles", bstr::join(", ", titles.collect::<Vec<_>>()))?;
    chosen.changes = changes::compare(process, &chosen.configuration, &chosen.saved)?;
    let mut enabled = match &chosen.changes {
        Some(changes) => changes.profiles.clone(),
        None => super::debconf::list(&client.get(process, PROFILES)?),
    };
    if chosen.changes.is_some() {
        enabled.retain(|name| !arguments.removed.contains(name));
    }
    let mut seen = read_seen(process, &chosen.saved)?;
    enabled.retain(|name| chosen.profiles.contains_key(name));
    let asked: Vec<BString> =
        sorted.iter().filter(|name| arguments.enabled.contains(*name)).cloned().collect();
    if version.enabling == Enabling::First {
        enabled.extend(asked.iter().cloned());
        enabled.retain(|name| !arguments.disabled.contains(name));
        seen.extend(arguments.disabled.iter().cloned());
    }
    let mut priority = if arguments.package { "medium" } else { "high" };
    if enabled.is_empty() {
        seen.clear();
        if !arguments.force {
            priority = "high";
        }
    }
    if version.enabling == Enabling::Last {
        enabled.extend(asked);
    }
    let is_default = |name: &&BString| {
        let profile = chosen.profiles.get(*name);
        profile.is_some_and(|profile| profile.get("Default") == b"yes") && !seen.contains(*name)
    };
    enabled.extend(sorted.iter().filter(is_default).cloned().collect::<Vec<_>>());
    chosen.sort(&mut enabled);
    enabled.dedup();
    chosen.enabled = enabled;
    client.say(process, "SETTITLE libpam-runtime/title")?;
    let mut force = if arguments.force { Force::Given } else { Force::None };
    if chosen.changes.is_none() && force == Force::None {
        client.say(process, format!("INPUT high {OVERRIDE}"))?;
        client.say(process, "GO")?;
        if client.get(process, OVERRIDE)? != "true" {
            return locally_modified(process);
        }
        force = Force::Given;
    }
    let has_new = sorted.iter().any(|name| !seen.contains(name));
    let ask_again = has_new || !arguments.package;
    ask(process, client, chosen, priority, ask_again)?;
    write_seen(process, &chosen.saved, &sorted)?;
    if write::write(process, chosen, force)? {
        client.say(process, format!("FSET {OVERRIDE} seen false"))?;
        client.set(process, OVERRIDE, "false".into())?;
    }
    Ok(0)
}

fn substitute(
    process: &mut Process<'_>,
    client: &Client,
    variable: &str,
    value: Vec<u8>,
) -> Result<(), Stop> {
    let line = [format!("SUBST {PROFILES} {variable} ").as_bytes(), &value].concat();
    client.say(process, line).map(drop)
}

fn locally_modified(process: &mut Process<'_>) -> Status {
    let text = "\npam-auth-update: Local modifications to /etc/pam.d/common-*, not updating.\n\
        pam-auth-update: Run pam-auth-update --force to override.\n\n";
    if let Some(errors) = process.call.descriptors.get(2).cloned() {
        let _unusable = process.machine.write(&errors, text.as_bytes())?;
    }
    Ok(0)
}

fn read_seen(process: &mut Process<'_>, saved: &str) -> Result<BTreeSet<BString>, Stop> {
    let text = read_optional(process, format!("{saved}/seen").as_bytes())?.unwrap_or_default();
    Ok(text.lines().map(BString::from).collect())
}

fn write_seen(process: &mut Process<'_>, saved: &str, sorted: &[BString]) -> Result<(), Stop> {
    let text: Vec<u8> = sorted.iter().flat_map(|name| [&name[..], b"\n"].concat()).collect();
    let path = format!("{saved}/seen");
    let directory = process.call.directory.clone();
    let written = process.machine.write_file(&directory, path.as_bytes(), text, 0o644)?;
    written.map_err(|why| unusable(process, path.as_bytes(), why))
}

/// Asks which profiles to enable, and takes out the lower of two that exclude each other.
fn ask(
    process: &mut Process<'_>,
    client: &Client,
    chosen: &mut Chosen,
    priority: &str,
    ask_again: bool,
) -> Result<(), Stop> {
    for _ in 0..MAX_ROUNDS {
        if ask_again {
            client.say(process, format!("FSET {PROFILES} seen false"))?;
        }
        client.set(process, PROFILES, bstr::join(", ", &chosen.enabled).as_bstr())?;
        client.say(process, format!("INPUT {priority} {PROFILES}"))?;
        client.say(process, "GO")?;
        chosen.enabled = super::debconf::list(&client.get(process, PROFILES)?);
        let conflicts = remove_conflicting(chosen);
        if !conflicts.is_empty() {
            let text = [
                format!("SUBST {CONFLICTS} conflicts ").as_bytes(),
                &bstr::join("\\n", &conflicts),
            ]
            .concat();
            client.say(process, text)?;
            client.say(process, format!("INPUT high {CONFLICTS}"))?;
        }
        client.set(process, PROFILES, bstr::join(", ", &chosen.enabled).as_bstr())?;
        if chosen.enabled.is_empty() {
            client.say(process, format!("INPUT high {NONE_CHOSEN}"))?;
            client.say(process, format!("FSET {PROFILES} seen false"))?;
        } else if conflicts.is_empty() {
            return Ok(());
        }
    }
    Err(process.unsupported("no profile to enable"))
}

/// Takes conflicting profiles out; the pairs by their titles.
fn remove_conflicting(chosen: &mut Chosen) -> Vec<BString> {
    let mut conflicts = Vec::new();
    let mut at = 0;
    while let Some(name) = chosen.enabled.get(at) {
        if let Some(profile) = chosen.profiles.get(name) {
            let title = profile.get("Name");
            for other in (0..chosen.enabled.len()).rev() {
                let Some(conflict) = chosen.enabled.get(other) else { continue };
                if profile.conflicts.contains(conflict) {
                    let others = chosen.profiles.get(conflict).map(|p| p.get("Name"));
                    let pair = [title, b", ", others.unwrap_or_default()].concat();
                    conflicts.push(pair.into());
                    chosen.enabled.remove(other);
                }
            }
        }
        at += 1;
    }
    conflicts
}
