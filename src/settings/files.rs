//! The files that a program reads for its settings: each once, inside the image, within bounds.
//!
//! In come paths, as a file names them; out come indexes of files that are in memory.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, FileSystem, Kind, RootfsError};

use crate::error::SettingsError;
use crate::glob;

/// The largest file of settings, in bytes.
const MAX_FILE: u64 = 4 << 20;
/// How many files one program may read, a file that is included twice counted twice.
const MAX_FILES: usize = 512;
/// How many bytes in all, counted likewise.
const MAX_BYTES: usize = 16 << 20;
/// How deep files may include each other: sshd allows 16, the others 10 and none.
const MAX_DEPTH: usize = 16;

pub(crate) struct File {
    pub path: ImagePath,
    pub bytes: Bytes,
}

/// What was read so far.
pub(crate) struct Files<'a> {
    pub fs: &'a dyn FileSystem,
    list: Vec<File>,
    by_path: BTreeMap<ImagePath, usize>,
    /// The files that are being read, the outermost first.
    open: Vec<usize>,
    visits: usize,
    volume: usize,
}

impl<'a> Files<'a> {
    pub fn new(fs: &'a dyn FileSystem) -> Self {
        let (list, by_path, open) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { fs, list, by_path, open, visits: 0, volume: 0 }
    }

    pub fn path(&self, file: usize) -> ImagePath {
        self.list.get(file).map_or_else(ImagePath::root, |file| file.path.clone())
    }

    /// The content: cheap, and not bound to this borrow.
    pub fn bytes(&self, file: usize) -> Bytes {
        self.list.get(file).map(|file| file.bytes.clone()).unwrap_or_default()
    }

    pub fn unclear(&self, file: usize, line: u32, why: impl Into<String>) -> SettingsError {
        SettingsError::Unclear { file: self.path(file), line, why: why.into() }
    }

    /// Begins with a file; [`Files::close`] when it is read to its end.
    pub fn open(&mut self, path: &ImagePath) -> Result<usize, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { file: path.clone(), source };
        let real = self.fs.resolve(path).map_err(unreadable)?;
        let too_much = |why: &str| SettingsError::TooMuch { file: real.clone(), why: why.into() };
        let file = match self.by_path.get(&real) {
            Some(&file) => file,
            None => {
                let size = match self.fs.lstat(&real).map(|entry| &entry.kind) {
                    Some(Kind::File(data)) => data.size,
                    Some(_) => return Err(unreadable(RootfsError::NotAFile(real.clone()))),
                    None => return Err(unreadable(RootfsError::NotFound(real.clone()))),
                };
                if size > MAX_FILE {
                    return Err(too_much("larger than any file of settings"));
                }
                let bytes = self.fs.read(&real).map_err(unreadable)?;
                let file = self.list.len();
                self.list.push(File { path: real.clone(), bytes });
                self.by_path.insert(real.clone(), file);
                file
            }
        };
        self.visits += 1;
        self.volume += self.bytes(file).len();
        if self.open.contains(&file) {
            return Err(too_much("it includes itself"));
        }
        if self.open.len() >= MAX_DEPTH || self.visits > MAX_FILES || self.volume > MAX_BYTES {
            return Err(too_much("more files are included than any program reads"));
        }
        self.open.push(file);
        Ok(file)
    }

    pub fn close(&mut self) {
        self.open.pop();
    }

    /// What an include names: a path or a pattern, from the root or from the folder `base`.
    pub fn find(
        &self,
        from: (usize, u32),
        base: &ImagePath,
        name: &str,
    ) -> Result<Vec<ImagePath>, SettingsError> {
        let pattern = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("{base}/{name}"),
        };
        let (file, line) = from;
        let found = glob::expand(self.fs, &pattern)
            .map_err(|source| SettingsError::Unreadable { file: self.path(file), source })?;
        found.ok_or_else(|| self.unclear(file, line, "it includes more files than are read"))
    }

    /// The folder of a file.
    pub fn folder(&self, file: usize) -> ImagePath {
        self.path(file).parent().unwrap_or_else(ImagePath::root)
    }
}

/// The file system with other contents in some files.
pub(crate) struct Changed<'a> {
    fs: &'a dyn FileSystem,
    entries: BTreeMap<ImagePath, Entry>,
}

impl<'a> Changed<'a> {
    pub fn new(fs: &'a dyn FileSystem, contents: &[(ImagePath, Vec<u8>)]) -> Self {
        let entry = |bytes: &Vec<u8>| Entry::file(bytes.clone(), 0o644, 0);
        let entries = contents.iter().map(|(path, bytes)| (path.clone(), entry(bytes))).collect();
        Self { fs, entries }
    }
}

impl FileSystem for Changed<'_> {
    fn lstat(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.get(path).or_else(|| self.fs.lstat(path))
    }

    fn read_dir(&self, path: &ImagePath) -> Vec<ImagePath> {
        self.fs.read_dir(path)
    }

    fn walk(&self, path: &ImagePath) -> Vec<ImagePath> {
        self.fs.walk(path)
    }

    fn open(&self, path: &ImagePath) -> Result<Box<dyn std::io::Read + Send + '_>, RootfsError> {
        match self.entries.get(path).map(|entry| &entry.kind) {
            Some(Kind::File(data)) => match &data.content {
                imgfix_vfs::Content::Inline(bytes) => Ok(Box::new(&bytes[..])),
                _ => Err(RootfsError::NotAFile(path.clone())),
            },
            _ => self.fs.open(path),
        }
    }
}

/// Names of a folder that are files, for those who read whole folders.
pub(crate) fn files_in(fs: &dyn FileSystem, folder: &ImagePath) -> Option<Vec<ImagePath>> {
    let real = fs.resolve(folder).ok()?;
    if !fs.lstat(&real)?.is_dir() {
        return None;
    }
    let children: BTreeSet<ImagePath> = fs.read_dir(&real).into_iter().collect();
    let file = |path: &ImagePath| matches!(fs.stat(path).map(|e| &e.kind), Some(Kind::File(_)));
    Some(children.into_iter().filter(file).collect())
}

/// A path from the root, as the system goes it: links are followed, and `..` stops at the root.
pub(crate) fn inside(fs: &dyn FileSystem, name: &str) -> Option<ImagePath> {
    let mut place = ImagePath::root();
    for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
        place = match part {
            ".." => fs.resolve(&place).ok()?.parent().unwrap_or_else(ImagePath::root),
            part => place.join(part).ok()?,
        };
    }
    Some(place)
}
