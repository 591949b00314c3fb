//! A package's files go, in the reverse of their order: what is in a directory before it. What
//! cannot be removed is no error of rpm's. Source: rpm `lib/fsm.cc` (`rpmPackageFilesRemove`).

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem};

use super::element::Element;
use super::fate::Action;
use super::{EffectKind, InstallError, Run, beside};

/// What a configuration file that was changed becomes.
const SAVED: &str = ".rpmsave";

impl Run<'_, '_> {
    /// Takes the files of a package that goes away.
    pub(super) fn erase(&mut self, element: &Element<'_>) -> Result<(), InstallError> {
        for (file, action) in element.files.iter().zip(&element.actions).rev() {
            let Ok(path) = ImagePath::new(file.path()) else { continue };
            let place = self.overlay.resolve_parent(&path)?;
            let parent = place.parent().and_then(|parent| self.overlay.lstat(&parent));
            // The root itself stays.
            if !parent.is_some_and(Entry::is_dir) || self.overlay.lstat(&place).is_none() {
                continue;
            }
            match action {
                Action::Save => self.save(element, place),
                Action::Erase => self.remove(&place),
                _ => {}
            }
        }
        Ok(())
    }

    fn save(&mut self, element: &Element<'_>, place: ImagePath) {
        let Some(saved_as) = beside(&place, SAVED) else { return };
        let in_the_way = self.overlay.lstat(&saved_as).is_some_and(Entry::is_dir);
        if !in_the_way && self.overlay.rename(&place, saved_as.clone()).is_ok() {
            self.tell(element, EffectKind::ConffileSaved { path: place, saved_as });
        }
    }

    fn remove(&mut self, place: &ImagePath) {
        let is_directory = self.overlay.lstat(place).is_some_and(Entry::is_dir);
        if !is_directory || self.overlay.read_dir(place).is_empty() {
            self.overlay.remove(place);
        }
    }
}
