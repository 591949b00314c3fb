//! What becomes of every file of a transaction, decided before the first one is touched.
//!
//! In come the elements in their order, the installed packages and the image; each file gets its
//! [`Action`]. Paths are compared by where they lead: directories may be links, also links that
//! come with the transaction. Source: rpm `lib/transaction.cc` (`skipInstallFiles`,
//! `checkInstalledFiles`, `handleInstInstalledFile`, `handleOverlappedFiles`), `lib/fprint.cc`.

use std::collections::{HashMap, HashSet};

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Kind, Overlay};

use super::element::{Element, Part};
use super::fate::{self, Action, Side};
use super::{InstallError, Installed, Options};
use crate::header::installed::FileState;
use crate::package::files::FileFlags;
use crate::package::{File, FileHash};

/// A file of the transaction: its element, its place in it.
type Place = (usize, usize);

/// A file of an installed package whose state in the database changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replaced {
    /// The element that replaces it.
    pub by: usize,
    /// The installed package.
    pub number: u32,
    /// The file in it.
    pub file: usize,
    /// What becomes of it.
    pub state: FileState,
}

/// Decides about all files of all elements.
pub(super) fn decide(
    elements: &mut [Element<'_>],
    installed: &[Installed],
    overlay: &Overlay,
    options: &Options,
) -> Result<Vec<Replaced>, InstallError> {
    for element in elements.iter_mut() {
        element.actions = vec![Action::Unknown; element.files.len()];
        match element.is_install() {
            true => leave_out(element, options),
            false => keep_shared(element, options),
        }
    }
    let places = Places::of(elements, overlay)?;
    for (element, places) in elements.iter_mut().zip(&places.of) {
        element.places.clone_from(places);
    }
    let mut decision = Decision { elements, overlay, options, places, replaced: Vec::new() };
    decision.compare_with_installed(installed)?;
    decision.compare_with_each_other()?;
    Ok(decision.replaced)
}

/// Leaves alone what other machines share, when a package goes away.
fn keep_shared(element: &mut Element<'_>, options: &Options) {
    for (file, action) in element.files.iter().zip(&mut element.actions) {
        if options.is_shared(file) {
            *action = Action::SkipShared;
        }
    }
}

/// Leaves out what the image's settings do not want, or what it has dropped: other colours, what other
/// machines share, documentation, languages, and directories that are empty by that.
fn leave_out(element: &mut Element<'_>, options: &Options) {
    let mut left: HashMap<&[u8], (usize, bool)> = HashMap::new();
    let paths = &options.left_out;
    let is_left_out = |file: &File<'_>| !paths.is_empty() && paths.contains(&file.path());
    for (file, action) in element.files.iter().zip(&mut element.actions) {
        let (count, emptied) = left.entry(file.folder).or_default();
        let other_colour =
            options.colour != 0 && file.colour != 0 && options.colour & file.colour == 0;
        let out = match file.flags {
            _ if other_colour => Some(Action::SkipColour),
            _ if is_left_out(file) => Some(Action::SkipNotInstalled),
            _ if options.is_shared(file) => Some(Action::SkipShared),
            flags if flags.has(FileFlags::LICENSE) => None,
            _ if !options.wants_languages(file.langs) => Some(Action::SkipNotInstalled),
            flags if options.no_documentation && flags.has(FileFlags::DOC) => {
                Some(Action::SkipNotInstalled)
            }
            _ => None,
        };
        match out {
            None => *count += 1,
            Some(out) => {
                *action = out;
                *emptied = true;
            }
        }
    }
    let mut folders: Vec<&[u8]> = left.keys().copied().collect();
    folders.sort_unstable();
    for folder in folders.into_iter().rev() {
        if left.get(folder) != Some(&(0, true)) {
            continue;
        }
        let path = folder.strip_suffix(b"/").unwrap_or(folder);
        let own = element.files.iter().position(|file| file.is_directory() && file.path() == path);
        let Some(at) = own else { continue };
        let (Some(file), Some(action)) = (element.files.get(at), element.actions.get_mut(at))
        else {
            continue;
        };
        if !action.is_skipping() {
            *action = Action::SkipNotInstalled;
            let (count, emptied) = left.entry(file.folder).or_default();
            *count = count.saturating_sub(1);
            *emptied = true;
        }
    }
}

/// Where the files of a transaction are.
struct Places {
    /// Of each file of each element; `None`: it is left out, or its path is none of an image.
    of: Vec<Vec<Option<ImagePath>>>,
    /// The files at a place, in the order of elements.
    files: HashMap<ImagePath, Vec<Place>>,
    /// Their names, which are quick to look for.
    names: HashSet<Vec<u8>>,
    /// The image with the links to come, by which paths are resolved.
    view: Overlay,
}

impl Places {
    fn of(elements: &[Element<'_>], overlay: &Overlay) -> Result<Self, InstallError> {
        let mut places = Self {
            of: Vec::new(),
            files: HashMap::new(),
            names: HashSet::new(),
            view: overlay.clone(),
        };
        for element in elements.iter().filter(|element| element.is_install()) {
            let wanted = element.files.iter().zip(&element.actions);
            for (file, _) in
                wanted.filter(|(file, action)| file.is_symlink() && !action.is_skipping())
            {
                let Ok(path) = ImagePath::new(file.path()) else { continue };
                let place = overlay.resolve_parent(&path)?;
                if overlay.lstat(&place).is_none() {
                    // A file in the way is told of when it is unpacked.
                    let _in_the_way = places.view.set(place, Entry::symlink(file.link_target, 0));
                }
            }
        }
        let mut folders = Folders::default();
        for (number, element) in elements.iter().enumerate() {
            let mut own = Vec::with_capacity(element.files.len());
            for (at, (file, action)) in element.files.iter().zip(&element.actions).enumerate() {
                let place = folders.place(file, &places.view)?;
                if let Some(place) = place.as_ref().filter(|_| !action.is_skipping()) {
                    places.files.entry(place.clone()).or_default().push((number, at));
                    places.names.insert(file.name.to_vec());
                }
                own.push(place);
            }
            places.of.push(own);
        }
        Ok(places)
    }
}

/// Where folders lead.
#[derive(Default)]
struct Folders(HashMap<Vec<u8>, Option<ImagePath>>);

impl Folders {
    fn place(
        &mut self,
        file: &File<'_>,
        view: &Overlay,
    ) -> Result<Option<ImagePath>, InstallError> {
        if file.folder.is_empty() {
            let Ok(path) = ImagePath::new(file.path()) else { return Ok(None) };
            return Ok(Some(view.resolve_parent(&path)?));
        }
        let folder = match self.0.get(file.folder) {
            Some(known) => known,
            None => {
                let path = ImagePath::new(file.folder).ok();
                let path = path.map(|path| view.resolve(&path)).transpose()?;
                self.0.entry(file.folder.to_vec()).or_insert(path)
            }
        };
        Ok(folder.as_ref().and_then(|folder| folder.join(file.name).ok()))
    }
}

struct Decision<'d, 'a> {
    elements: &'d mut [Element<'a>],
    overlay: &'d Overlay,
    options: &'d Options,
    places: Places,
    replaced: Vec<Replaced>,
}

impl<'a> Decision<'_, 'a> {
    fn action(&self, (element, file): Place) -> Action {
        let action = self.elements.get(element).and_then(|element| element.actions.get(file));
        action.copied().unwrap_or(Action::Skip)
    }

    fn set(&mut self, (element, file): Place, action: Action) {
        let actions = self.elements.get_mut(element).map(|element| &mut element.actions);
        if let Some(place) = actions.and_then(|actions| actions.get_mut(file)) {
            *place = action;
        }
    }

    fn file(&self, (element, file): Place) -> Option<(File<'a>, FileHash)> {
        let element = self.elements.get(element)?;
        Some((*element.files.get(file)?, element.hash))
    }

    /// Files that installed packages have at the same places.
    fn compare_with_installed(&mut self, installed: &[Installed]) -> Result<(), InstallError> {
        let going: HashSet<u32> = self.elements.iter().filter_map(Element::erased).collect();
        let mut folders = Folders::default();
        for other in installed {
            let going = going.contains(&other.number);
            let files = super::element::files(&other.package)?;
            for file in files.iter() {
                if !self.places.names.contains(file.name) {
                    continue;
                }
                let Some(place) = folders.place(&file, &self.places.view)? else { continue };
                let Some(here) = self.places.files.get(&place).cloned() else { continue };
                for at in here {
                    let is_install = self.elements.get(at.0).is_some_and(Element::is_install);
                    if is_install {
                        let side = Side { file: &file, hash: files.hash() };
                        self.meet_installed(at, &place, other, side, going)?;
                    } else if !going && file.state == FileState::Normal {
                        self.set(at, Action::Skip);
                    }
                }
            }
        }
        Ok(())
    }

    /// A file that comes meets one of an installed package.
    fn meet_installed(
        &mut self,
        at: Place,
        place: &ImagePath,
        other: &Installed,
        theirs: Side<'_, '_>,
        going: bool,
    ) -> Result<(), InstallError> {
        let Some((file, hash)) = self.file(at) else { return Ok(()) };
        let ours = Side { file: &file, hash };
        if self.action(at).is_skipping() || theirs.file.state == FileState::NotInstalled {
            return Ok(());
        }
        let is_config =
            file.flags.has(FileFlags::CONFIG) || theirs.file.flags.has(FileFlags::CONFIG);
        if fate::differ(theirs, ours) {
            let mut conflicts = !going || self.removal_conflicts(place, ours.file, theirs.file);
            let mut state = FileState::Replaced;
            if conflicts && let Some(wins) = self.colour_wins(ours.file, theirs.file) {
                self.set(at, if wins { Action::Create } else { Action::SkipColour });
                if wins {
                    state = FileState::WrongColour;
                }
                conflicts = false;
            }
            if conflicts {
                return Err(self.conflict(at, place, other.package.label()));
            }
            if !is_config && !self.action(at).is_skipping() && !going {
                let (number, file) = (other.number, theirs.file.at);
                self.replaced.push(Replaced { by: at.0, number, file, state });
            }
        }
        if is_config {
            let action = fate::decide(self.overlay, place, theirs, ours)?;
            self.set(at, action);
        }
        Ok(())
    }

    /// A directory cannot become something else, nor a link to one a directory, unless a script
    /// has made that so.
    fn removal_conflicts(&self, place: &ImagePath, new: &File<'_>, old: &File<'_>) -> bool {
        let bad = match (old.is_directory(), old.is_symlink()) {
            (true, _) => !new.is_directory(),
            (_, true) if new.is_directory() => self.overlay.stat(place).is_some_and(Entry::is_dir),
            _ => false,
        };
        let is_new_type = |entry: &Entry| match &entry.kind {
            Kind::Directory => new.is_directory(),
            Kind::Symlink(_) => new.is_symlink(),
            Kind::File(_) => new.is_regular(),
            _ => false,
        };
        bad && self.overlay.lstat(place).is_some_and(|entry| !is_new_type(entry))
    }

    /// Of two ELF files of different colours the 64-bit one wins; `None`: colours decide nothing.
    fn colour_wins(&self, ours: &File<'_>, theirs: &File<'_>) -> Option<bool> {
        let (own, other) = (ours.colour & self.options.colour, theirs.colour & self.options.colour);
        if own == 0 || other == 0 || own == other {
            return None;
        }
        match (own & PREFERRED_COLOUR != 0, other & PREFERRED_COLOUR != 0) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    fn conflict(&self, at: Place, path: &ImagePath, owner: String) -> InstallError {
        let package = self.elements.get(at.0).map(|element| element.package.label());
        let path = path.clone();
        InstallError::Overwrite { package: package.unwrap_or_default(), path, owner }
    }

    /// Files that several elements have.
    fn compare_with_each_other(&mut self) -> Result<(), InstallError> {
        for element in 0..self.elements.len() {
            let files = self.elements.get(element).map_or(0, |element| element.files.len());
            for file in 0..files {
                let at = (element, file);
                if self.action(at).is_skipping() {
                    continue;
                }
                let place = self.places.of.get(element).and_then(|of| of.get(file));
                let Some(place) = place.cloned().flatten() else {
                    self.set(at, Action::Skip);
                    continue;
                };
                let is_install = self.elements.get(element).is_some_and(Element::is_install);
                let other = self.earlier(at, &place, is_install);
                match is_install {
                    true => self.meet_coming(at, other, &place)?,
                    false => self.meet_while_going(at, other, &place)?,
                }
            }
        }
        Ok(())
    }

    /// The last one before that has a file there and is decided.
    fn earlier(&self, at: Place, place: &ImagePath, installs_only: bool) -> Option<Place> {
        let here = self.places.files.get(place)?;
        let before = here.iter().position(|other| *other == at)?;
        here.get(..before)?.iter().rev().copied().find(|other| {
            let element = self.elements.get(other.0);
            (!installs_only || element.is_some_and(Element::is_install))
                && self.action(*other) != Action::Unknown
        })
    }

    fn meet_coming(
        &mut self,
        at: Place,
        other: Option<Place>,
        place: &ImagePath,
    ) -> Result<(), InstallError> {
        let Some((file, hash)) = self.file(at) else { return Ok(()) };
        let ours = Side { file: &file, hash };
        let is_noreplace = file.flags.has(FileFlags::NOREPLACE);
        let Some((other, (their_file, their_hash))) =
            other.and_then(|other| Some((other, self.file(other)?)))
        else {
            if self.action(at) == Action::Unknown {
                let conflicts = fate::config_conflicts(self.overlay, place, ours)?;
                let action = match (conflicts, is_noreplace) {
                    (false, _) => Action::Create,
                    (true, true) => Action::AltName,
                    (true, false) => Action::Backup,
                };
                self.set(at, action);
            }
            return Ok(());
        };
        if fate::differ(Side { file: &their_file, hash: their_hash }, ours) {
            match self.colour_wins(&file, &their_file) {
                Some(true) => {
                    if !self.action(at).is_skipping() {
                        self.set(other, Action::SkipColour);
                    }
                    self.set(at, Action::Create);
                }
                Some(false) => self.set(at, Action::SkipColour),
                None => {
                    let owner = self.elements.get(other.0).map(|other| other.package.label());
                    return Err(self.conflict(at, place, owner.unwrap_or_default()));
                }
            }
        } else {
            match self.action(other) {
                Action::SkipColour => self.set(at, Action::SkipColour),
                action if action.is_skipping() => {}
                _ if their_file.flags.has(FileFlags::GHOST) => {}
                _ => self.set(at, Action::Skip),
            }
        }
        if self.action(at).is_skipping() {
            return Ok(());
        }
        if fate::config_conflicts(self.overlay, place, ours)? {
            self.set(at, if is_noreplace { Action::AltName } else { Action::Skip });
        } else if self.action(at) == Action::Unknown {
            self.set(at, Action::Create);
        }
        Ok(())
    }

    fn meet_while_going(
        &mut self,
        at: Place,
        other: Option<Place>,
        place: &ImagePath,
    ) -> Result<(), InstallError> {
        if let Some(other) = other {
            if self.action(other) != Action::Erase {
                // It comes, or stays: it is not to be removed.
                self.set(at, Action::Skip);
                return Ok(());
            }
            self.set(other, Action::Skip);
        }
        let Some((file, hash)) = self.file(at) else { return Ok(()) };
        let action = match file.state {
            FileState::Normal => {
                let side = Side { file: &file, hash };
                match fate::config_conflicts(self.overlay, place, side)? {
                    true => Action::Save,
                    false => Action::Erase,
                }
            }
            _ => Action::Skip,
        };
        self.set(at, action);
        Ok(())
    }
}

/// 64-bit ELF files win over 32-bit ones (rpm's macro `_prefer_color`).
const PREFERRED_COLOUR: u32 = 2;

impl Options {
    /// Whether a file is shared, or below what is (rpm's macro `_netsharedpath`).
    fn is_shared(&self, file: &File<'_>) -> bool {
        if self.shared.is_empty() {
            return false;
        }
        let path = file.path();
        self.shared.iter().any(|shared| {
            let shared = shared.strip_suffix('/').unwrap_or(shared);
            let rest = path.strip_prefix(shared.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }

    /// Whether files for these languages are wanted (rpm's macro `_install_langs`).
    fn wants_languages(&self, langs: &[u8]) -> bool {
        let Some(wanted) = &self.languages else { return true };
        // rpm looks whether a wanted language begins with one of the file's: `de` is for `de_AT`.
        langs.is_empty()
            || langs
                .split(|byte| *byte == b'|')
                .filter(|lang| !lang.is_empty())
                .any(|lang| wanted.iter().any(|wanted| wanted.as_bytes().starts_with(lang)))
    }
}

impl Element<'_> {
    fn erased(&self) -> Option<u32> {
        match self.part {
            Part::Install(_) => None,
            Part::Erase(installed) => Some(installed.number),
        }
    }
}
