//! A small image for tests of commands: each call is one command line, split at blanks.

use std::sync::Arc;

use bstr::BString;

use imgfix_model::path::ImagePath;
use imgfix_shell::{
    Call, Descriptors, Environment, Machine, Settings, Status, Stop, Stream, Table,
};
use imgfix_vfs::{BrokenDisk, Entry, FileSystem, Overlay, Tree};

/// An image with commands.
#[allow(dead_code)] // each test needs a part of it
pub struct Image {
    /// The machine that the commands run on, with what they have done so far.
    pub machine: Machine,
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl Image {
    /// An image with every command of [`super::COMMANDS`], directories (paths that end in a
    /// slash) and files whose content is `PATH=CONTENT`.
    pub fn new(paths: &[&str]) -> Self {
        Self::with(paths, &[])
    }

    /// As [`Image::new`], with more commands.
    pub fn with(paths: &[&str], commands: &[(&'static str, imgfix_shell::Command)]) -> Self {
        let table = Table::new().with(super::COMMANDS).with(commands);
        let mut entries: Vec<(ImagePath, Entry)> = Vec::new();
        for (name, _) in super::COMMANDS.iter().chain(commands) {
            let path =
                if name.starts_with('/') { (*name).to_owned() } else { format!("/usr/bin/{name}") };
            entries.push((ImagePath::new(path).unwrap(), Entry::file("\x7fELF", 0o755, 1)));
        }
        for path in paths {
            let (name, content) = path.split_once('=').unwrap_or((path, ""));
            let entry = match name.ends_with('/') {
                true => Entry::directory(0o755, 1),
                false => Entry::file(content.to_owned(), 0o644, 1),
            };
            entries.push((ImagePath::new(name).unwrap(), entry));
        }
        let tree = Tree::from_entries(entries, Arc::new(BrokenDisk));
        let settings = Settings::new(1_000_000_000, "amd64");
        let machine = Machine::new(Overlay::new(Arc::new(tree)), settings, Arc::new(table));
        Self { machine, output: Vec::new(), errors: Vec::new() }
    }

    /// Puts a file there that this machine cannot read.
    pub fn break_file(&mut self, path: &str) {
        self.machine.overlay.set(ImagePath::new(path).unwrap(), BrokenDisk::file(100)).unwrap();
    }

    /// Runs a program with an input.
    pub fn call(&mut self, argv: &[&str], input: &str) -> Status {
        let (output, errors) = (Stream::collector(), Stream::collector());
        let environment: Environment =
            [(BString::from("PATH"), BString::from("/usr/sbin:/usr/bin:/sbin:/bin"))].into();
        let input = Stream::input(input.to_owned());
        let call = Call {
            argv: argv.iter().map(|word| BString::from(*word)).collect(),
            environment,
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(input, output.clone(), errors.clone()),
        };
        let status = self.machine.execute(call);
        self.output = output.collected();
        self.errors.extend(errors.collected());
        status
    }

    /// Standard output of the last call.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Standard error of all calls.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors).into_owned()
    }

    /// The words of the stop that a command line ends with.
    pub fn stop(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        self.call(&words, "").unwrap_err().detail
    }

    /// What is at a path, which must be there; a link itself.
    pub fn entry(&self, path: &str) -> Entry {
        let path = ImagePath::new(path).unwrap();
        self.machine.overlay.lstat(&path).unwrap_or_else(|| panic!("{path} is missing")).clone()
    }

    /// The permission bits of what is at a path, which must be there.
    pub fn mode(&self, path: &str) -> u32 {
        self.entry(path).mode
    }

    /// Whether something is at a path; a link that leads nowhere is something.
    pub fn exists(&self, path: &str) -> bool {
        self.machine.overlay.lstat(&ImagePath::new(path).unwrap()).is_some()
    }

    /// The text of a file, links followed.
    pub fn text(&self, path: &str) -> String {
        let text = self.machine.overlay.read(&ImagePath::new(path).unwrap()).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Runs a command line, which must not stop.
pub fn run(image: &mut Image, line: &str) -> u8 {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    image.call(&words, "").unwrap_or_else(|stop: Stop| panic!("{line}: {stop}"))
}
