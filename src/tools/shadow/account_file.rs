//! One of the account files, edited as shadow's `lib/commonio.c` does: lines that do not
//! change keep their bytes, new entries come last, and the former file stays as `FILE-`.

use super::super::files::{read_optional, unusable};
use imgfix_shell::files::Owner;
use imgfix_shell::{Process, Stop};
use imgfix_vfs::Entry;

/// A file of lines whose first field is a name.
pub struct AccountFile {
    path: &'static str,
    lines: Vec<String>,
    /// Whether the file is there.
    pub present: bool,
    changed: bool,
}

/// What a file gets at first.
const NEW_MODE: u32 = 0o600;

/// Mode and group of files with secrets, which `pwconv` and `grpconv` make.
const SECRET: (u32, u32) = (0o440, 42);

impl AccountFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not text.
    pub fn load(process: &mut Process<'_>, path: &'static str) -> Result<Self, Stop> {
        let text = read_optional(process, path.as_bytes())?;
        let present = text.is_some();
        let text = String::from_utf8(text.unwrap_or_default().to_vec())
            .map_err(|_| process.unsupported(format!("{path}: not UTF-8")))?;
        let lines = text.lines().map(str::to_owned).collect();
        Ok(Self { path, lines, present, changed: false })
    }

    /// The fields of an entry.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<String>> {
        let line = self.lines.iter().find(|line| is_of(line, name))?;
        Some(line.split(':').map(str::to_owned).collect())
    }

    /// Whether an entry has the name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| is_of(line, name))
    }

    /// All entries' fields, in order.
    pub fn entries(&self) -> impl Iterator<Item = Vec<String>> {
        self.lines.iter().map(|line| line.split(':').map(str::to_owned).collect())
    }

    /// Changes the entry of the name, or adds one. Entries of a name service (`+`) stay last.
    pub fn set(&mut self, name: &str, fields: &[String]) {
        let line = fields.join(":");
        self.changed = true;
        match self.lines.iter_mut().find(|line| is_of(line, name)) {
            Some(old) => *old = line,
            None => {
                let is_remote = |line: &String| line.starts_with(['+', '-']);
                let at = self.lines.iter().position(is_remote).unwrap_or(self.lines.len());
                self.lines.insert(at, line);
            }
        }
    }

    /// Removes the entries of a name; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| !is_of(line, name));
        let removed = self.lines.len() != before;
        self.changed |= removed;
        removed
    }

    /// Marks the file as one to be written though nothing in it changed.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Writes the file and its backup when it changed.
    ///
    /// # Errors
    /// The directory is missing.
    pub fn save(self, process: &mut Process<'_>) -> Result<(), Stop> {
        let new = match self.path {
            "/etc/shadow" | "/etc/gshadow" => SECRET,
            _ => (NEW_MODE, 0),
        };
        self.save_as(process, new)
    }

    /// As [`Self::save`], with a mode for a file that was not there.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_with(self, process: &mut Process<'_>, mode: u32) -> Result<(), Stop> {
        self.save_as(process, (mode, 0))
    }

    fn save_as(self, process: &mut Process<'_>, new: (u32, u32)) -> Result<(), Stop> {
        if !self.changed {
            return Ok(());
        }
        let directory = process.call.directory.clone();
        let path = self.path.as_bytes();
        let (mut mode, gid) = new;
        let mut owner = Owner { uid: Some(0), gid: Some(gid) };
        if let Ok(entry) = process.machine.stat(&directory, path)? {
            mode = entry.mode;
            owner = Owner { uid: Some(entry.uid), gid: Some(entry.gid) };
            self.back_up(process, &entry)?;
        }
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        super::super::files::replace(process, path, text, mode)?;
        let done = process.machine.chown(&directory, path, owner)?;
        done.map_err(|errno| unusable(process, path, errno))?;
        let done = process.machine.chmod(&directory, path, mode)?;
        done.map_err(|errno| unusable(process, path, errno))
    }

    /// Copies the file as it is to `FILE-`, with its mode, owner and time.
    fn back_up(&self, process: &mut Process<'_>, entry: &Entry) -> Result<(), Stop> {
        let directory = process.call.directory.clone();
        let backup = [self.path.as_bytes(), b"-"].concat();
        let content = read_optional(process, self.path.as_bytes())?.unwrap_or_default();
        let owner = Owner { uid: Some(entry.uid), gid: Some(entry.gid) };
        for done in [
            process.machine.write_file(&directory, &backup, content, NEW_MODE)?,
            process.machine.chown(&directory, &backup, owner)?,
            process.machine.chmod(&directory, &backup, entry.mode)?,
            process.machine.set_mtime(&directory, &backup, entry.mtime)?,
        ] {
            done.map_err(|errno| unusable(process, &backup, errno))?;
        }
        Ok(())
    }
}

fn is_of(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
}
