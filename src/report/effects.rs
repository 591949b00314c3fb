//! What an installation did, in sentences for people.

use super::before_after::ScriptNote;
use imgfix_model::effects::{Effect, EffectKind};

/// The maintainer scripts among the effects, in the order in which they ran.
#[must_use]
pub fn scripts(effects: &[Effect]) -> Vec<ScriptNote> {
    let script = |effect: &Effect| match &effect.kind {
        EffectKind::ScriptRan { script, arguments, changed } => Some(ScriptNote {
            package: effect.package.clone(),
            script: script.clone(),
            arguments: arguments.clone(),
            changed: changed.clone(),
        }),
        _ => None,
    };
    effects.iter().filter_map(script).collect()
}

/// What an effect is, in the word that the JSON report has for it.
#[must_use]
pub fn kind(effect: &EffectKind) -> &'static str {
    match effect {
        EffectKind::Installed { .. } => "installed",
        EffectKind::ScriptRan { .. } => "script-ran",
        EffectKind::ScriptFailed { .. } => "script-failed",
        EffectKind::ConffileKept { .. } => "conffile-kept",
        EffectKind::ConffileReplaced { .. } => "conffile-replaced",
        EffectKind::ConffileObsolete { .. } => "conffile-obsolete",
        EffectKind::ConffileSaved { .. } => "conffile-saved",
        EffectKind::SharedFileKept { .. } => "shared-file-kept",
        EffectKind::Disappeared { .. } => "disappeared",
        EffectKind::DirectoryKept { .. } => "directory-kept",
    }
}

/// One sentence; `None` for what the tables of packages and scripts say already.
#[must_use]
pub fn sentence(effect: &EffectKind) -> Option<String> {
    Some(match effect {
        EffectKind::Installed { .. } | EffectKind::ScriptRan { .. } => return None,
        EffectKind::ScriptFailed { script, arguments, detail } => {
            let called = [std::slice::from_ref(script), arguments].concat().join(" ");
            format!("{called} failed, after which the package manager goes on: {detail}")
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
        EffectKind::Disappeared { version, by } => {
            format!("version {version} is gone: {by} has all its files now, and nothing needs it")
        }
        EffectKind::DirectoryKept { path } => {
            format!("the directory {path} is kept because something is in it")
        }
    })
}
