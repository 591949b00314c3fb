//! Lines of the input files, read one file at a time.

use bytes::Bytes;

use imgfix_shell::{Errno, Process, Stop};

/// A line and whether its file had the byte that ends it.
pub(super) struct Line {
    pub(super) text: Vec<u8>,
    pub(super) ended: bool,
}

/// The files still to be read.
pub(super) struct Input {
    /// Operands, the next one last.
    files: Vec<Vec<u8>>,
    data: Bytes,
    at: usize,
    end: u8,
    /// Each file is a stream of its own: `-s`, `-i`.
    separate: bool,
    /// A file could not be read.
    pub(super) failed: bool,
    /// The file that the last line is from; `-` for standard input.
    pub(super) name: Vec<u8>,
    /// Files that began since this was last emptied, for `-i`.
    pub(super) begun: Vec<Vec<u8>>,
    /// A stream of its own begins with the last line read.
    pub(super) anew: bool,
}

impl Input {
    pub(super) fn new(mut files: Vec<Vec<u8>>, end: u8, separate: bool) -> Self {
        if files.is_empty() {
            files.push(b"-".to_vec());
        }
        files.reverse();
        Self {
            files,
            data: Bytes::new(),
            at: 0,
            end,
            separate,
            failed: false,
            name: Vec::new(),
            begun: Vec::new(),
            anew: false,
        }
    }

    /// The next line; `None` at the end of all files.
    pub(super) fn next(&mut self, process: &mut Process<'_>) -> Result<Option<Line>, Stop> {
        process.machine.spend(1)?;
        while self.at >= self.data.len() {
            if !self.open_next(process)? {
                return Ok(None);
            }
        }
        let rest = self.data.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&b| b == self.end);
        let text = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default().to_vec();
        self.at += text.len() + 1;
        Ok(Some(Line { text, ended: length.is_some() }))
    }

    fn open_next(&mut self, process: &mut Process<'_>) -> Result<bool, Stop> {
        let Some(name) = self.files.pop() else { return Ok(false) };
        match process.read_operand(&name)? {
            Ok(data) => {
                (self.data, self.at) = (data, 0);
                self.begun.push(name.clone());
                self.anew = self.separate;
                self.name = name;
            }
            Err(errno) => {
                if errno == Errno::IsADirectory {
                    return Err(process.unsupported("a directory as input"));
                }
                let name = String::from_utf8_lossy(&name);
                process.complain(format!("can't read {name}: {errno}"))?;
                self.failed = true;
            }
        }
        Ok(true)
    }

    /// Whether no line follows the last one that was read.
    pub(super) fn is_last(&mut self, process: &mut Process<'_>) -> Result<bool, Stop> {
        if self.at < self.data.len() {
            return Ok(false);
        }
        if self.separate {
            return Ok(true);
        }
        // Empty and missing files behind do not count.
        while let Some(name) = self.files.last().cloned() {
            if name == b"-" {
                let data = process.input()?;
                if data.is_empty() {
                    self.files.pop();
                    continue;
                }
                return Err(process.unsupported("standard input behind a file and $"));
            }
            let there = process.machine.read_file(&process.call.directory, &name)?;
            if there.is_ok_and(|data| !data.is_empty()) {
                return Ok(false);
            }
            self.open_next(process)?;
        }
        Ok(true)
    }
}
