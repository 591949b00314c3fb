//! What an installation did, in sentences for people.

use crate::packages::dpkg::install::EffectKind;

/// One sentence; `None` for what the package table says already.
#[must_use]
pub fn sentence(effect: &EffectKind) -> Option<String> {
    Some(match effect {
        EffectKind::Installed { .. } => return None,
        EffectKind::ScriptRan { script, arguments } => {
            format!("{} {} was evaluated", script.name(), arguments.join(" "))
        }
        EffectKind::ConffileKept { path, shipped_as } => {
            format!("{path} was changed in the image and is kept; the package's is {shipped_as}")
        }
        EffectKind::ConffileReplaced { path, former_as } => {
            format!("{path} was changed in the image and is replaced; the former is {former_as}")
        }
        EffectKind::ConffileObsolete { path } => {
            format!("{path} is not part of the new version and is kept as obsolete")
        }
        EffectKind::ConffileSaved { path, saved_as } => {
            format!("{path} is not wanted any more; the changed file is {saved_as}")
        }
        EffectKind::SharedFileKept { path, owner } => {
            format!("{path} is kept because {owner} has the same file")
        }
        EffectKind::DirectoryKept { path } => {
            format!("the directory {path} is kept because something is in it")
        }
    })
}
