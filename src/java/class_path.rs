//! The code that may use the libraries of a store: read once, before anything is changed.
//!
//! Of a fat jar or war: its classes and its archives. Of a folder: its archives, and what else of
//! Java lies below the folder above it (Tomcat's web applications beside its `lib`, classes beside
//! `WEB-INF/lib`), unless that is a folder of the system.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::rc::Rc;

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Content, FileSystem as _, Kind, LayerId, Overlay, RootfsError};
use imgfix_zip::{Archive, Names};

use crate::linkage::{Broken, ClassPath, Code, Words, broken, is_class};
use crate::listing::{LIMITS, MAX_FILE, is_archive};

/// Folders whose neighbours have nothing to do with each other.
const SHARED: [&str; 9] =
    ["/", "/usr", "/usr/share", "/usr/lib", "/usr/local", "/opt", "/home", "/srv", "/root"];

/// Code of a store and of what may use it.
#[derive(Default)]
pub struct CodeBase {
    words: Words,
    /// By path, the way inside behind the file's.
    parts: BTreeMap<String, Rc<Code>>,
    /// Parts of other folders, which have libraries of their own.
    others: BTreeMap<String, BTreeMap<String, Rc<Code>>>,
}

impl CodeBase {
    /// The code around the store at `place`.
    ///
    /// # Errors
    /// A layer cannot be read again.
    pub fn read(overlay: &Overlay, place: &ImagePath) -> Result<Self, RootfsError> {
        let mut base = Self::default();
        if overlay.lstat(place).is_some_and(imgfix_vfs::Entry::is_file) {
            let bytes = crate::place::read(overlay, place)?;
            let mut parts = Vec::new();
            archives(bytes, place.to_string(), &mut base.words, &mut parts);
            base.parts.extend(parts);
            return Ok(base);
        }
        let above = place.parent().unwrap_or_else(ImagePath::root);
        let is_shared = SHARED.contains(&above.to_string().as_str());
        let top = if is_shared { place.clone() } else { above };
        let mut files = BTreeSet::new();
        overlay.visit(&top, &mut |path, entry| {
            let name = path.file_name();
            let is_code = is_archive(name) || is_class(&String::from_utf8_lossy(name));
            if is_code && matches!(&entry.kind, Kind::File(data) if data.size <= MAX_FILE) {
                files.insert(path.clone());
            }
        });
        let mut loose = Code::default();
        read_all(overlay, &files, &mut |path, bytes| {
            if !is_archive(path.file_name()) {
                loose.add(&bytes, &mut base.words);
                return;
            }
            let mut parts = Vec::new();
            archives(bytes, path.to_string(), &mut base.words, &mut parts);
            let folder = path.parent().unwrap_or_else(ImagePath::root);
            match folder == *place {
                true => base.parts.extend(parts),
                false => base.others.entry(folder.to_string()).or_default().extend(parts),
            }
        })?;
        if !loose.is_empty() {
            base.parts.insert(format!("{top}/ (classes)"), Rc::new(loose));
        }
        Ok(base)
    }

    /// What does not go together when the archives at these paths are these.
    ///
    /// # Errors
    /// It is too much to be looked at; half a sentence.
    pub fn broken(&mut self, new: &BTreeMap<String, Bytes>) -> Result<Vec<Broken>, String> {
        let mut changed: BTreeMap<String, Code> = BTreeMap::new();
        for (path, bytes) in new {
            let archive = Archive::read(bytes.clone(), LIMITS, Names::LookedInto);
            let archive = archive.map_err(|error| error.to_string())?;
            changed.insert(path.clone(), Code::of(&archive, &mut self.words));
        }
        let of = |parts: &'_ BTreeMap<String, Rc<Code>>| -> Vec<(String, Rc<Code>)> {
            parts.iter().map(|(path, code)| (path.clone(), Rc::clone(code))).collect()
        };
        let own = of(&self.parts);
        let groups = self.others.values().map(&of).collect::<Vec<_>>();
        let mut found = Vec::new();
        for group in std::iter::once(Vec::new()).chain(groups) {
            let all = || own.iter().chain(&group);
            let before: ClassPath<'_> = all().map(|(path, code)| (path.clone(), &**code)).collect();
            let after: ClassPath<'_> = all()
                .map(|(path, code)| (path.clone(), changed.get(path).unwrap_or(code)))
                .collect();
            let mut faults = broken(&before, &after, &mut self.words)?;
            if !group.is_empty() {
                faults.retain(|fault| group.iter().any(|(path, _)| *path == fault.by));
            }
            found.extend(faults);
        }
        Ok(found)
    }
}

/// The code of an archive and of those in it. What is no archive has none.
fn archives(bytes: Bytes, path: String, words: &mut Words, parts: &mut Vec<(String, Rc<Code>)>) {
    let Ok(archive) = Archive::read(bytes, LIMITS, Names::LookedInto) else { return };
    let depth = 5;
    let mut waiting = vec![(archive, path, depth)];
    while let Some((archive, path, depth)) = waiting.pop() {
        for entry in archive.entries().iter().filter(|entry| depth > 0 && !entry.is_folder()) {
            if is_archive(entry.name().as_bytes())
                && let Ok(bytes) = archive.content(entry)
                && let Ok(nested) = Archive::read(bytes, LIMITS, Names::LookedInto)
            {
                waiting.push((nested, format!("{path}/{}", entry.name()), depth - 1));
            }
        }
        parts.push((path, Rc::new(Code::of(&archive, words))));
    }
}

/// Reads files, one at a time in memory, each layer once.
fn read_all(
    overlay: &Overlay,
    files: &BTreeSet<ImagePath>,
    sink: &mut dyn FnMut(&ImagePath, Bytes),
) -> Result<(), RootfsError> {
    let mut wanted: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
    let mut of: BTreeMap<(LayerId, u32), Vec<&ImagePath>> = BTreeMap::new();
    for path in files {
        match overlay.lstat(path).map(|entry| &entry.kind) {
            Some(Kind::File(data)) => match data.content {
                Content::Layer { layer, index } => {
                    wanted.entry(layer).or_default().insert(index);
                    of.entry((layer, index)).or_default().push(path);
                }
                _ => sink(path, crate::place::read(overlay, path)?),
            },
            _ => continue,
        }
    }
    let loaded = overlay.tree().loader().load_many(&wanted, &mut |layer, index, content| {
        let mut bytes = Vec::new();
        content.take(MAX_FILE).read_to_end(&mut bytes)?;
        let bytes = Bytes::from(bytes);
        for path in of.get(&(layer, index)).into_iter().flatten() {
            sink(path, bytes.clone());
        }
        Ok(())
    });
    loaded.map_err(|source| RootfsError::Io { what: "archives of Java".to_owned(), source })
}
