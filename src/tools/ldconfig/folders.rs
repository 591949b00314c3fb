//! The folders that `ldconfig` searches, each once, with those for better processors below
//! them.

use super::configuration::Line;
use super::program::Program;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Process, Stop};

/// How many folders there may be.
const MAX_FOLDERS: usize = 10_000;

/// Where a folder is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub file: Vec<u8>,
    /// From 1; 0 when it is not in a file.
    pub line: usize,
}

/// A folder to be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// As named, without slashes at its end: entries of the cache start with it.
    pub path: Vec<u8>,
    /// What it is: folders are the same when this is.
    pub real: ImagePath,
    pub origin: Origin,
    /// Its name, for one below `glibc-hwcaps`.
    pub level: Option<Vec<u8>>,
    /// What plain ELF files in it count as, when the configuration says so.
    pub flags: Option<u32>,
}

/// Folders without duplicates, in the order they were added.
#[derive(Default)]
pub struct Folders(pub Vec<Folder>);

impl Folders {
    /// Adds a folder unless it is there; whether it was added.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, folder: Folder) -> Result<bool, Stop> {
        if let Some(present) = self.0.iter_mut().find(|present| present.real == folder.real) {
            present.flags = folder.flags;
            return Ok(false);
        }
        if self.0.len() >= MAX_FOLDERS {
            return Err(Stop::new("ldconfig has too many folders to search"));
        }
        self.0.push(folder);
        Ok(true)
    }

    /// Adds the folder of a configuration line, and the folders of its `glibc-hwcaps`. One
    /// that is not there is left out.
    ///
    /// # Errors
    /// A path of a running system; a kind of library that is not known.
    pub fn add_line(
        &mut self,
        process: &mut Process<'_>,
        program: &Program,
        line: &Line,
        verbose: bool,
    ) -> Result<(), Stop> {
        let mut text = &line.text[..];
        let mut flags = None;
        if program.release.knows_capabilities()
            && let Some(equals) = text.iter().position(|&b| b == b'=')
        {
            flags = match text.get(equals + 1..) {
                Some(b"libc6" | b"glibc2") => Some(super::processor::LIBC6),
                _ => return Err(process.unsupported("a kind of library in its configuration")),
            };
            text = text.get(..equals).unwrap_or_default();
        }
        let mut path = text.trim_ascii_end();
        while let Some(shorter) = path.strip_suffix(b"/") {
            path = shorter;
        }
        if path.is_empty() {
            return Ok(());
        }
        let missing = match process.follow(path)? {
            Ok(real) if process.machine.stat(&process.call.directory, path)?.is_ok() => {
                let folder = Folder {
                    path: path.to_vec(),
                    real,
                    origin: line.origin.clone(),
                    level: None,
                    flags,
                };
                if self.add(folder.clone())? {
                    self.add_levels(process, program, &folder)?;
                }
                return Ok(());
            }
            Ok(_) => imgfix_shell::Errno::NotFound,
            Err(errno) => errno,
        };
        if verbose {
            let path = String::from_utf8_lossy(path).into_owned();
            process.complain(format!("Can't stat {path}: {missing}"))?;
        }
        Ok(())
    }

    fn add_levels(
        &mut self,
        process: &mut Process<'_>,
        program: &Program,
        folder: &Folder,
    ) -> Result<(), Stop> {
        if !program.release.has_extensions() {
            return Ok(());
        }
        let root = ImagePath::root();
        let levels = [folder.real.as_bytes(), b"/glibc-hwcaps"].concat();
        let Ok(names) = process.machine.read_dir(&root, &levels)? else { return Ok(()) };
        for name in names {
            if name.starts_with(b".") || name.contains(&b':') {
                continue;
            }
            let below = [&levels[..], b"/", &name].concat();
            let is_folder = process.machine.stat(&root, &below)?.is_ok_and(|entry| entry.is_dir());
            let Ok(real) = process.machine.follow(&root, &below)? else { continue };
            if !is_folder {
                continue;
            }
            self.add(Folder {
                path: [&folder.path[..], b"/glibc-hwcaps/", &name].concat(),
                real,
                level: Some(name),
                ..folder.clone()
            })?;
        }
        Ok(())
    }
}
