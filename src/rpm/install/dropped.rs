//! What an image has dropped of its packages, and so does not get with their newer versions. Images
//! without a database (distroless ones) are made of packages of which documentation, languages,
//! shells and more is thrown away, and nothing notes what.
//!
//! In come the image, the packages that it was made of and those that come; out come the paths that
//! are left out of these. A path that the former package has, too, comes when the image has it. A
//! path that no former package has is new: it comes, unless all files of its kind are gone, that is
//! (the first that is known counts) the documentation, the files of its language, those of its
//! folder, of the folder above it, and so on. A folder comes with what is in it.

use std::collections::{HashMap, HashSet};

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, Overlay};

use super::element::files;
use super::{InstallError, Installed, NewPackage};
use crate::package::File;
use crate::package::files::FileFlags;

/// A kind of files; of each it is known whether the image has one of them.
#[derive(PartialEq, Eq, Hash)]
enum Of {
    Documentation,
    Language(Vec<u8>),
    Folder(ImagePath),
}

/// The paths, as the packages have them, that are left out of `packages`. `former` are the
/// packages that the image was made of, as far as they are known.
///
/// # Errors
/// The files of a header are damaged, or the image's links lead nowhere.
pub fn dropped(
    image: &Overlay,
    former: &[Installed],
    packages: &[NewPackage],
) -> Result<HashSet<Vec<u8>>, InstallError> {
    let mut known = Known::default();
    for one in former {
        for file in files(&one.package)?.iter() {
            known.add(image, &file)?;
        }
    }
    let mut out = HashSet::new();
    for new in packages {
        let list = files(&new.package.headers.package)?;
        // folders of what comes
        let mut wanted: HashSet<ImagePath> = HashSet::new();
        let mut folders = Vec::new();
        for file in list.iter() {
            let Some(place) = place(image, &file)? else { continue };
            if file.is_directory() {
                folders.push((file.path(), place));
            } else if known.has_dropped(&file, &place) {
                out.insert(file.path());
            } else {
                wanted.extend(above(&place));
            }
        }
        let empty = folders.into_iter().filter(|(_, place)| !wanted.contains(place));
        out.extend(empty.filter(|(_, place)| known.has_dropped_folder(place)).map(|one| one.0));
    }
    Ok(out)
}

/// Where a file is in the image; `None`: at no path that an image can have.
fn place(image: &Overlay, file: &File<'_>) -> Result<Option<ImagePath>, InstallError> {
    let Ok(path) = ImagePath::new(file.path()) else { return Ok(None) };
    Ok(Some(image.resolve_parent(&path)?))
}

/// The folders that something is in, the nearest first.
fn above(place: &ImagePath) -> impl Iterator<Item = ImagePath> {
    std::iter::successors(place.parent(), ImagePath::parent)
}

/// What the former packages say of the image.
#[derive(Default)]
struct Known {
    /// Their files, and whether the image has them.
    places: HashMap<ImagePath, bool>,
    kinds: HashMap<Of, bool>,
}

impl Known {
    fn add(&mut self, image: &Overlay, file: &File<'_>) -> Result<(), InstallError> {
        let Some(place) = place(image, file)? else { return Ok(()) };
        let is_there = image.lstat(&place).is_some();
        // what no package brings says nothing of what was thrown away
        if file.flags.has(FileFlags::GHOST) {
            return Ok(());
        }
        if !file.is_directory() {
            for kind in of(file, &place) {
                *self.kinds.entry(kind).or_default() |= is_there;
            }
        }
        *self.places.entry(place).or_default() |= is_there;
        Ok(())
    }

    fn has_dropped(&self, file: &File<'_>, place: &ImagePath) -> bool {
        let own = self.places.get(place).copied();
        let is_there =
            own.or_else(|| of(file, place).find_map(|kind| self.kinds.get(&kind).copied()));
        is_there == Some(false)
    }

    /// A folder in which nothing comes.
    fn has_dropped_folder(&self, place: &ImagePath) -> bool {
        let folders = above(place).map(Of::Folder);
        let own = self.places.get(place).copied();
        let is_there =
            own.or_else(|| folders.into_iter().find_map(|kind| self.kinds.get(&kind).copied()));
        is_there == Some(false)
    }
}

/// The kinds that a file is of, the narrowest first.
fn of(file: &File<'_>, place: &ImagePath) -> impl Iterator<Item = Of> {
    let documentation = file.flags.has(FileFlags::DOC).then_some(Of::Documentation);
    let language = (!file.langs.is_empty()).then(|| Of::Language(file.langs.to_vec()));
    documentation.into_iter().chain(language).chain(above(place).map(Of::Folder))
}
