//! `dpkg-maintscript-helper(1)`: whether one call does anything in an image.
//!
//! The rules are the manual's: conffiles are moved only when the version upgraded from is at
//! most the one given; what later steps finish is recognised by the files that the first step
//! leaves behind.

use super::evaluate::compare_versions;
use crate::rootfs::{Entry, FileSystem, ImagePath};

/// Whether the call (its arguments, `--` and the script's own included) would change
/// something. What is not understood does.
pub fn acts(words: &[&str], script: &str, fs: &dyn FileSystem) -> bool {
    call_acts(words, script, fs).unwrap_or(true)
}

fn call_acts(words: &[&str], script: &str, fs: &dyn FileSystem) -> Option<bool> {
    let end = words.iter().position(|word| *word == "--")?;
    let (own, rest) = words.split_at(end);
    let action = *rest.get(1)?;
    let from = rest.get(2).copied().unwrap_or_default();
    let (kind, parameters) = own.split_first()?;
    let (paths, version) = match *kind {
        "rm_conffile" => (parameters.get(..1)?, parameters.get(1)),
        "mv_conffile" | "symlink_to_dir" | "dir_to_symlink" => {
            (parameters.get(..2)?, parameters.get(2))
        }
        _ => return None,
    };
    let version = version.copied().unwrap_or_default();
    match script {
        // None of them does anything there on an upgrade.
        "prerm" => return Some(false),
        "postrm" => return Some(action != "upgrade"),
        "preinst" if !["install", "upgrade"].contains(&action) => return Some(false),
        "postinst" if action != "configure" => return Some(false),
        "preinst" | "postinst" => {}
        _ => return None,
    }
    let concerned = !from.is_empty() && compare_versions(from, "le-nl", version)?;
    let path = |suffix: &str| ImagePath::new(format!("{}{suffix}", paths.first()?)).ok();
    let there = |suffix: &str| -> Option<bool> { Some(fs.stat(&path(suffix)?).is_some()) };
    match (*kind, script) {
        ("rm_conffile" | "mv_conffile", "preinst") => Some(concerned && there("")?),
        ("rm_conffile", _) => {
            Some(concerned && (there(".dpkg-backup")? || there(".dpkg-remove")? || there("")?))
        }
        ("mv_conffile", _) => Some(concerned && (there(".dpkg-remove")? || there("")?)),
        ("symlink_to_dir", "preinst") => {
            let link = fs.resolve_parent(&path("")?).ok()?;
            Some(concerned && fs.lstat(&link).is_some_and(Entry::is_symlink))
        }
        ("dir_to_symlink", "preinst") => {
            let folder = fs.resolve_parent(&path("")?).ok()?;
            Some(concerned && fs.lstat(&folder).is_some_and(Entry::is_dir))
        }
        ("symlink_to_dir" | "dir_to_symlink", _) => {
            let link = fs.resolve_parent(&path(".dpkg-backup")?).ok()?;
            Some(fs.lstat(&link).is_some())
        }
        _ => None,
    }
}
