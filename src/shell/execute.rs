//! Finding and running programs: which file a name means, and what stands for it.

use bytes::Bytes;

use super::machine::MAX_DEPTH;
use super::shell::{self, Dialect};
use super::{Call, Command, Machine, Process, Status, Stop, Sys};
use imgfix_model::path::ImagePath;
use imgfix_vfs::Entry;

/// Shells whose scripts are evaluated.
const SHELLS: &[(&str, Dialect)] = &[
    ("sh", Dialect::Posix),
    ("dash", Dialect::Posix),
    ("ash", Dialect::Ash),
    ("bash", Dialect::Bash),
];

impl Machine {
    /// The program that a name without directories means, by `PATH`.
    ///
    /// # Errors
    /// A directory of `PATH` belongs to a running system.
    pub fn which(&self, call: &Call, name: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let path = call.environment.get(&b"PATH"[..]).map(|path| path.to_vec()).unwrap_or_default();
        for folder in path.split(|&b| b == b':') {
            let folder = if folder.is_empty() { b"." } else { folder };
            let candidate = [folder, b"/", name].concat();
            if self.is_program(&call.directory, &candidate)? {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }

    /// Whether root could run the file.
    ///
    /// # Errors
    /// The path belongs to a running system.
    pub fn is_program(&self, directory: &ImagePath, path: &[u8]) -> Result<bool, Stop> {
        let entry = self.stat(directory, path)?;
        Ok(entry.is_ok_and(|entry| entry.is_file() && entry.mode & 0o111 != 0))
    }

    /// Runs a program as `execvp(3)` would find it; 127 when there is none, 126 when it is
    /// not a program.
    ///
    /// # Errors
    /// The program cannot be evaluated.
    pub fn execute(&mut self, call: Call) -> Status {
        self.spend(1)?;
        let name = call.argv.first().cloned().unwrap_or_default();
        let path = match name.contains(&b'/') {
            true => Some(name.to_vec()),
            false => self.which(&call, &name)?,
        };
        let Some(path) = path else { return self.not_run(call, "not found", 127) };
        if self.stat(&call.directory, &path)?.is_err() {
            return self.not_run(call, "not found", 127);
        }
        if !self.is_program(&call.directory, &path)? {
            return self.not_run(call, "Permission denied", 126);
        }
        self.deeper(|machine| machine.execute_file(&path, call))
    }

    /// What stands for programs of this name.
    #[must_use]
    pub fn command(&self, name: &[u8]) -> Option<Command> {
        self.table.get(name)
    }

    /// Runs the program at a path that [`Machine::which`] gave.
    pub(super) fn start(&mut self, path: &[u8], call: Call) -> Status {
        self.spend(1)?;
        self.deeper(|machine| machine.execute_file(path, call))
    }

    fn deeper(&mut self, run: impl FnOnce(&mut Self) -> Status) -> Status {
        if self.depth >= MAX_DEPTH {
            return Err(Stop::new("programs call each other too deep"));
        }
        self.depth += 1;
        let status = run(self);
        self.depth -= 1;
        status
    }

    fn execute_file(&mut self, path: &[u8], call: Call) -> Status {
        let Ok(real) = self.follow(&call.directory, path)? else {
            return Err(Stop::new("a program vanished"));
        };
        let base = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let command = [path, real.as_bytes(), base, real.file_name()]
            .into_iter()
            .find_map(|name| self.table.get(name));
        match command {
            Some(command) => command(&mut Process { machine: self, call }),
            None => self.execute_script(path, &real, call),
        }
    }

    /// Evaluates a program of the image that is a shell script.
    fn execute_script(&mut self, path: &[u8], real: &ImagePath, call: Call) -> Status {
        let name = String::from_utf8_lossy(path).into_owned();
        let large = self.overlay_entry(real).is_none_or(|entry| entry.size() > MAX_SCRIPT);
        if large {
            return Err(Stop::new(format!("the program {name} is not known")));
        }
        let text: Sys<Bytes> = self.read_file(&call.directory, path);
        let Ok(text) = text? else { return Err(Stop::new(format!("{name} cannot be read"))) };
        self.evaluate(name, text, call)
    }

    /// Evaluates a script that is in no directory; it knows itself by the first word of its call.
    ///
    /// # Errors
    /// It cannot be evaluated.
    pub fn execute_text(&mut self, text: Bytes, call: Call) -> Status {
        self.spend(1)?;
        let name = call.argv.first().cloned().unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        if text.len() as u64 > MAX_SCRIPT {
            return Err(Stop::new(format!("the program {name} is not known")));
        }
        self.deeper(|machine| machine.evaluate(name, text, call))
    }

    fn evaluate(&mut self, name: String, text: Bytes, call: Call) -> Status {
        if !text.starts_with(b"#!") {
            return Err(Stop::new(format!("the program {name} is not known")));
        }
        match interpreter(&text) {
            Some(Interpreter { program, dialect, options }) => {
                let dialect = self.dialect_of(&program, dialect)?;
                let script = shell::Script { name, text, dialect, options };
                shell::run(self, &script, call)
            }
            None => {
                let first = text.split(|&b| b == b'\n').next().unwrap_or_default();
                let first = String::from_utf8_lossy(first).into_owned();
                Err(Stop::new(format!("the program {name} is not known ({first})")))
            }
        }
    }

    /// The dialect of a shell that is called by a path: busybox is ash by any name, and `sh` is bash
    /// where it leads to bash.
    ///
    /// # Errors
    /// The path belongs to a running system.
    pub fn dialect_of(&self, program: &[u8], dialect: Dialect) -> Result<Dialect, Stop> {
        let real = self.follow(&ImagePath::root(), program)?;
        Ok(match real.as_ref().map_or(&b""[..], |real| real.file_name()) {
            b"busybox" => Dialect::Ash,
            b"bash" => Dialect::Bash,
            _ => dialect,
        })
    }

    fn overlay_entry(&self, path: &ImagePath) -> Option<&Entry> {
        use imgfix_vfs::FileSystem as _;
        self.overlay.lstat(path)
    }

    fn not_run(&mut self, call: Call, why: &str, status: u8) -> Status {
        let name = call.argv.first().cloned().unwrap_or_default();
        if let Some(stream) = call.descriptors.get(2).cloned() {
            let text = [&b"sh: "[..], &name, b": ", why.as_bytes(), b"\n"].concat();
            let _unusable = self.write(&stream, &text)?;
        }
        Ok(status)
    }
}

/// The largest script that is read, in bytes.
const MAX_SCRIPT: u64 = 4 << 20;

/// What the first line of a script asks for.
pub struct Interpreter {
    /// Its path, as the line has it.
    pub program: Vec<u8>,
    /// The one that the program evaluates.
    pub dialect: Dialect,
    /// Options after the shell's name: `-e`.
    pub options: Vec<Vec<u8>>,
}

/// The shell that a script is for; `None` when it is for something else.
#[must_use]
pub fn interpreter(text: &[u8]) -> Option<Interpreter> {
    let line = text.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let path = words.next()?;
    let mut program = path.rsplit(|&b| b == b'/').next()?;
    if matches!(program, b"env" | b"busybox") {
        program = words.next()?;
    }
    let (_, dialect) = SHELLS.iter().find(|(name, _)| name.as_bytes() == program)?;
    let options = words.map(<[u8]>::to_vec).collect();
    Some(Interpreter { program: path.to_vec(), dialect: *dialect, options })
}
