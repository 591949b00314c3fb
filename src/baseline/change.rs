//! [`follow`]: what a rule does. In come the rule and an overlay; out goes the overlay after
//! which the rule finds nothing, or the reason why there is none.

use imgfix_model::path::ImagePath;
use imgfix_recipes::baseline::{Action, BaselineRule, Check, Setting};
use imgfix_settings::{Format, remove, set};
use imgfix_vfs::{Entry, FileSystem, Overlay};

use crate::{accounts, check, files};

/// Files and their new contents, or why there are none.
type Edits<E> = Result<Vec<(ImagePath, Vec<u8>)>, E>;

/// Does what a rule says over an overlay. The paths that it changed, in their order.
///
/// # Errors
/// Half a sentence: it cannot be done, or does not help. The overlay is to be thrown away then.
pub fn follow(rule: &BaselineRule, overlay: &mut Overlay) -> Result<Vec<ImagePath>, String> {
    overlay.watch();
    let done = act(rule, overlay);
    let changed = overlay.watched();
    done?;
    match check::problems(rule, overlay, None)?.first() {
        None => Ok(changed),
        Some(left) => Err(format!("after it, {} of {} still", left.what, left.place)),
    }
}

fn act(rule: &BaselineRule, overlay: &mut Overlay) -> Result<(), String> {
    for action in &rule.actions {
        match action {
            Action::SetKey { setting, value } => edit(overlay, setting, |fs, format| {
                set(fs, format, &setting.file, &setting.key, value)
            })?,
            Action::RemoveKey { setting } => edit(overlay, setting, |fs, format| {
                remove(fs, format, &setting.file, &setting.key)
            })?,
            Action::Tighten | Action::LockAccounts | Action::ClearBits | Action::Remove => {
                for check in rule.checks.iter().filter(|check| action.is_for(check)) {
                    match (action, check) {
                        (Action::Tighten, Check::Modes(check)) => files::tighten(check, overlay)?,
                        (Action::LockAccounts, Check::Accounts(fault)) => {
                            accounts::lock(*fault, overlay)?;
                        }
                        (Action::ClearBits, Check::Files(check)) => {
                            files::clear_bits(check, overlay)?;
                        }
                        (Action::Remove, Check::Files(check)) => files::remove(check, overlay)?,
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(())
}

/// Edits the files of a setting, where its program is set up.
fn edit<E: std::fmt::Display>(
    overlay: &mut Overlay,
    setting: &Setting,
    edits: impl FnOnce(&dyn FileSystem, Format) -> Edits<E>,
) -> Result<(), String> {
    if !overlay.stat(&setting.file).is_some_and(Entry::is_file) {
        return Ok(());
    }
    let format: Format = setting.format.parse().map_err(|why| format!("{why}"))?;
    let edits = edits(&*overlay, format).map_err(|why| why.to_string())?;
    for (path, content) in edits {
        write(overlay, &path, content)?;
    }
    Ok(())
}

/// Gives a file another content; a link to it leads to it still. Its time stays, too: it is that of
/// the image's making.
///
/// # Errors
/// It is no file.
pub fn write(overlay: &mut Overlay, path: &ImagePath, content: Vec<u8>) -> Result<(), String> {
    let path = overlay.resolve(path).map_err(|why| why.to_string())?;
    overlay.set_content(&path, content.into()).map_err(|why| why.to_string())
}
