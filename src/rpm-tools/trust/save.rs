//! Files and directories as p11-kit leaves them: nobody may write to them, and what was there before
//! goes in one step (p11-kit's `trust/save.c`).

use std::collections::{BTreeMap, BTreeSet};

use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_tools::files::{exists, is_directory, is_there, names_in, remove, replace};

/// Modes of what is written.
const FILE_MODE: u32 = 0o444;
const DIRECTORY_MODE: u32 = 0o555;

/// The longest name of a file, and what p11-kit keeps free in it for a number.
const MAX_NAME: usize = 255;
const FOR_NUMBER: usize = 16;

/// How files are written.
#[derive(Debug, Clone, Copy)]
pub struct Save {
    /// Whether what is there already goes.
    pub overwrite: bool,
}

impl Save {
    /// Writes a file; status 1 when it cannot be.
    ///
    /// # Errors
    /// Limits, and paths of a running system.
    pub fn file(&self, process: &mut Process<'_>, path: &[u8], content: Vec<u8>) -> Status {
        let shown = String::from_utf8_lossy(path).into_owned();
        let folder = match path.iter().rposition(|&byte| byte == b'/') {
            Some(0) => &b"/"[..],
            Some(end) => path.get(..end).unwrap_or_default(),
            None => b".",
        };
        if !is_directory(process, folder)? {
            process
                .complain(format!("couldn't create file: {shown}: No such file or directory"))?;
            return Ok(1);
        }
        if is_directory(process, path)? {
            // p11-kit leaves a file of a random name there.
            return Err(process.unsupported(format!("{shown}, a directory")));
        }
        if !self.overwrite && is_there(process, path)? {
            process.complain(format!("couldn't complete writing file: {shown}: File exists"))?;
            return Ok(1);
        }
        replace(process, path, content, FILE_MODE)?;
        Ok(0)
    }
}

/// A directory that is being filled.
pub struct Directory<'s> {
    path: Vec<u8>,
    save: &'s Save,
    /// What was written.
    names: BTreeSet<String>,
    /// By name and ending, the first number that may not be taken.
    next: BTreeMap<String, u32>,
}

impl<'s> Directory<'s> {
    /// Makes it, or takes what is there; `None` after a complaint.
    ///
    /// # Errors
    /// Limits, and paths of a running system.
    pub fn open(
        process: &mut Process<'_>,
        path: &[u8],
        save: &'s Save,
    ) -> Result<Option<Self>, Stop> {
        let working = process.call.directory.clone();
        let shown = String::from_utf8_lossy(path).into_owned();
        match process.machine.make_dir(&working, path, 0o700)? {
            Ok(()) => {}
            Err(Errno::Exists) if save.overwrite && is_directory(process, path)? => {}
            Err(Errno::Exists) => {
                process.complain(format!("directory already exists: {shown}"))?;
                return Ok(None);
            }
            Err(errno) => {
                process.complain(format!("couldn't create directory: {shown}: {errno}"))?;
                return Ok(None);
            }
        }
        Ok(Some(Self { path: path.to_vec(), save, names: BTreeSet::new(), next: BTreeMap::new() }))
    }

    /// Writes a file under a name that is not taken, which is given back; `None` after a complaint.
    ///
    /// # Errors
    /// Limits.
    pub fn file(
        &mut self,
        process: &mut Process<'_>,
        name: &str,
        ending: &str,
        content: Vec<u8>,
    ) -> Result<Option<String>, Stop> {
        let name = self.free_name(name, ending);
        let path = self.inside(&name);
        if self.save.file(process, &path, content)? != 0 {
            return Ok(None);
        }
        self.names.insert(name.clone());
        Ok(Some(name))
    }

    /// Makes the link `NAME.0`, or with the next number that is not taken; whether it could be.
    ///
    /// # Errors
    /// Limits.
    pub fn link(
        &mut self,
        process: &mut Process<'_>,
        name: &str,
        target: &str,
    ) -> Result<bool, Stop> {
        let working = process.call.directory.clone();
        let name = self.free_name(name, ".0");
        let path = self.inside(&name);
        if is_directory(process, &path)? {
            process.complain(format!("couldn't create symlink: {name}: File exists"))?;
            return Ok(false);
        }
        remove(process, &path)?;
        if let Err(errno) = process.machine.make_symlink(&working, &path, target.as_bytes())? {
            process.complain(format!("couldn't create symlink: {name}: {errno}"))?;
            return Ok(false);
        }
        self.names.insert(name);
        Ok(true)
    }

    /// Removes the files that were not written, links that lead nowhere not among them.
    ///
    /// # Errors
    /// Limits.
    pub fn close(self, process: &mut Process<'_>) -> Status {
        let mut old = Vec::new();
        if self.save.overwrite {
            for name in names_in(process, &self.path)? {
                let path = [&self.path[..], b"/", &name].concat();
                let is_new = std::str::from_utf8(&name).is_ok_and(|name| self.names.contains(name));
                if !is_new && exists(process, &path)? && !is_directory(process, &path)? {
                    old.push(path);
                }
            }
        }
        for path in old {
            remove(process, &path)?;
        }
        let working = process.call.directory.clone();
        match process.machine.chmod(&working, &self.path, DIRECTORY_MODE)? {
            Ok(()) => Ok(0),
            Err(errno) => process.failed("set permissions of", &self.path, errno),
        }
    }

    fn inside(&self, name: &str) -> Vec<u8> {
        [&self.path[..], b"/", name.as_bytes()].concat()
    }

    /// `NAMEENDING`, `NAME.1ENDING`, …; after `NAME.0` comes `NAME.1`. Names are ASCII.
    fn free_name(&mut self, name: &str, ending: &str) -> String {
        let length = name.len().min(MAX_NAME.saturating_sub(FOR_NUMBER + ending.len()));
        let name = name.get(..length).unwrap_or(name);
        let first = format!("{name}{ending}");
        if !self.names.contains(&first) {
            return first;
        }
        let later = if ending == ".0" { "" } else { ending };
        let next = self.next.entry(first).or_insert(1);
        loop {
            let numbered = format!("{name}.{next}{later}");
            *next += 1;
            if !self.names.contains(&numbered) {
                return numbered;
            }
        }
    }
}
