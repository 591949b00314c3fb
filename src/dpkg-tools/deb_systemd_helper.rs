//! `deb-systemd-helper`: enables, disables and masks units by links, and remembers what it did
//! under `/var/lib/systemd`.

use super::files::{
    exists, is_directory, is_there, make_directories, names_in, read_optional, remove, replace,
    unusable,
};
use super::unit_file::{Instance, Link, Reading, find, links};
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Kind;

/// One call.
struct Helper<'p, 'm> {
    process: &'p mut Process<'m>,
    instance: Instance,
    reading: Reading,
    purge: bool,
    has_systemctl: bool,
}

/// How a call ends early: with a status, or a stop.
enum Failure {
    Exit(u8),
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Whether links are made, or only remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Making {
    Links,
    NotesOnly,
}

/// `deb-systemd-helper`.
///
/// # Errors
/// An action that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut quiet, mut instance, mut words) = (false, Instance::System, Vec::new());
    for word in process.arguments() {
        match word.to_string().as_str() {
            "--quiet" | "-quiet" => quiet = true,
            "--user" | "-user" => instance = Instance::User,
            "--system" | "-system" => instance = Instance::System,
            option if option.starts_with('-') => return Err(process.unsupported(option)),
            word => words.push(word.to_owned()),
        }
    }
    if words.is_empty() {
        return Err(process.unsupported("no action"));
    }
    if process.variable("DPKG_MAINTSCRIPT_PACKAGE").is_none_or(<[u8]>::is_empty) {
        process.complain("was not called from dpkg. Exiting.")?;
        return Ok(1);
    }
    let mut action = words.remove(0);
    let mut purge = process.variable("_DEB_SYSTEMD_HELPER_PURGE") == Some(b"1");
    if action == "purge" {
        purge = true;
        action = "disable".into();
    }
    let reading = reading(process)?;
    let root = imgfix_model::path::ImagePath::root();
    let has_systemctl = process.machine.is_program(&root, b"/bin/systemctl")?
        || process.machine.is_program(&root, b"/usr/bin/systemctl")?;
    let mut helper = Helper { process, instance, reading, purge, has_systemctl };
    match helper.act(&action, &words, quiet) {
        Ok(status) | Err(Failure::Exit(status)) => Ok(status),
        Err(Failure::Stop(stop)) => Err(stop),
    }
}

/// What the image's own helper does shows in its text.
fn reading(process: &mut Process<'_>) -> Result<Reading, Stop> {
    let text = read_optional(process, b"/usr/bin/deb-systemd-helper")?.unwrap_or_default();
    let marker = b"DefaultInstance";
    Ok(match text.windows(marker.len()).any(|window| window == marker) {
        true => Reading::Templates,
        false => Reading::Plain,
    })
}

impl Helper<'_, '_> {
    fn act(&mut self, action: &str, units: &[String], quiet: bool) -> Result<u8, Failure> {
        let is_question = matches!(action, "is-enabled" | "was-enabled" | "debian-installed");
        let mut status = u8::from(is_question);
        for unit in units {
            let path = find(self.process, self.instance, unit)?;
            match action {
                "is-enabled" | "was-enabled" => {
                    let enabled = match action {
                        "is-enabled" => self.has_all_links(unit, &path)?,
                        _ => self.was_enabled(unit)?,
                    };
                    if !quiet {
                        self.say(if enabled { "enabled" } else { "disabled" })?;
                    }
                    if enabled {
                        status = 0;
                    }
                }
                "debian-installed" => {
                    status = status.min(u8::from(!self.is_installed(unit)?));
                }
                "update-state" => self.update_state(unit, &path)?,
                "reenable" => {
                    self.remove_links(&path, 0)?;
                    self.make_links(unit, &path, Making::Links)?;
                }
                "disable" => {
                    self.remove_links(&path, 0)?;
                    self.tidy_notes("enabled")?;
                    self.tidy_links()?;
                }
                "enable" => self.enable(unit, &path)?,
                "mask" => self.mask(&path)?,
                "unmask" => {
                    self.unmask(&path)?;
                    self.tidy_notes("masked")?;
                }
                // The program does nothing for an action it does not know.
                _ => {}
            }
        }
        Ok(status)
    }

    fn say(&mut self, text: &str) -> Result<(), Stop> {
        if let Some(errors) = self.process.call.descriptors.get(2).cloned() {
            let _unusable = self.process.machine.write(&errors, format!("{text}\n").as_bytes())?;
        }
        Ok(())
    }

    fn fail(&mut self, text: &str) -> Failure {
        match self.process.complain(format!("error: {text}")) {
            Ok(()) => Failure::Exit(1),
            Err(stop) => Failure::Stop(stop),
        }
    }

    fn notes(&self, kind: &str) -> String {
        match self.instance {
            Instance::System => format!("/var/lib/systemd/deb-systemd-helper-{kind}"),
            Instance::User => format!("/var/lib/systemd/deb-systemd-user-helper-{kind}"),
        }
    }

    /// The file that lists a unit's links.
    fn state_file(&self, unit: &str) -> String {
        let base = unit.rsplit('/').next().unwrap_or_default();
        format!("{}/{base}.dsh-also", self.notes("enabled"))
    }

    /// The note that a link was made.
    fn note_of(&self, link: &str, kind: &str) -> String {
        match link.strip_prefix(&format!("{}/", self.instance.etc())) {
            Some(rest) => format!("{}/{rest}", self.notes(kind)),
            None => link.to_owned(),
        }
    }

    fn is_link(&self, path: &str) -> Result<bool, Stop> {
        let entry = self.process.machine.lstat(&self.process.call.directory, path.as_bytes())?;
        Ok(entry.is_ok_and(|entry| entry.is_symlink()))
    }

    fn read_state(&mut self, file: &str) -> Result<Vec<String>, Stop> {
        let text = read_optional(self.process, file.as_bytes())?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// Replaces a state file, also one that has the text already.
    fn write_state(&mut self, file: &str, text: String) -> Result<(), Stop> {
        self.make_parent(file)?;
        replace(self.process, file.as_bytes(), text, 0o644)
    }

    fn make_parent(&mut self, path: &str) -> Result<(), Stop> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        make_directories(self.process, parent.as_bytes(), 0o777 & !self.process.call.umask)
    }

    fn touch(&mut self, path: &str) -> Result<(), Stop> {
        self.make_parent(path)?;
        match exists(self.process, path.as_bytes())? {
            true => Ok(()),
            false => {
                let mode = 0o666 & !self.process.call.umask;
                replace(self.process, path.as_bytes(), "", mode)
            }
        }
    }

    fn links(&mut self, unit: &str, path: &str) -> Result<Vec<Link>, Failure> {
        match links(self.process, self.instance, self.reading, unit, path)? {
            Ok(links) => Ok(links),
            Err(path) => Err(self.fail(&format!("unable to read {path}"))),
        }
    }

    fn has_all_links(&mut self, unit: &str, path: &str) -> Result<bool, Failure> {
        for link in self.links(unit, path)? {
            if !self.is_link(&link.path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_no_link(&mut self, unit: &str, path: &str) -> Result<bool, Failure> {
        for link in self.links(unit, path)? {
            if self.is_link(&link.path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_installed(&self, unit: &str) -> Result<bool, Stop> {
        let state = self.state_file(unit);
        let found = self.process.machine.stat(&self.process.call.directory, state.as_bytes())?;
        Ok(found.is_ok_and(|entry| entry.is_file()))
    }

    fn was_enabled(&mut self, unit: &str) -> Result<bool, Stop> {
        let state = self.state_file(unit);
        for link in self.read_state(&state)? {
            if !self.is_link(&link)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn enable(&mut self, unit: &str, path: &str) -> Result<(), Failure> {
        if !self.has_systemctl {
            return self.make_links(unit, path, Making::Links);
        }
        if !self.is_installed(unit)? {
            let scope = match self.instance {
                Instance::System => "--system",
                Instance::User => "--global",
            };
            let words = ["systemctl", "--root=/", scope, "--preset-mode=enable-only", "preset"];
            let status = self.process.run(words.into_iter().chain([unit]))?;
            if status != 0 {
                return Err(self.fail(&format!("systemctl preset failed on {unit}")));
            }
            return self.make_links(unit, path, Making::NotesOnly);
        }
        let making = match self.has_no_link(unit, path)? {
            true => Making::NotesOnly,
            false => Making::Links,
        };
        self.make_links(unit, path, making)
    }

    fn make_links(&mut self, unit: &str, path: &str, making: Making) -> Result<(), Failure> {
        let state = self.state_file(unit);
        for link in self.links(unit, path)? {
            let mut lines = self.read_state(&state)?;
            if !lines.contains(&link.path) {
                lines.push(link.path.clone());
            }
            self.write_state(&state, lines.iter().map(|line| format!("{line}\n")).collect())?;
            let note = self.note_of(&link.path, "enabled");
            if exists(self.process, note.as_bytes())? {
                continue;
            }
            if making == Making::Links && !self.is_link(&link.path)? {
                self.make_parent(&link.path)?;
                self.symlink(&link.path, &link.target)?;
            }
            self.touch(&note)?;
        }
        Ok(())
    }

    fn symlink(&mut self, path: &str, target: &str) -> Result<(), Failure> {
        let directory = self.process.call.directory.clone();
        let machine = &mut self.process.machine;
        match machine.make_symlink(&directory, path.as_bytes(), target.as_bytes())? {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.fail(&format!("unable to link {path} to {target}: {errno}"))),
        }
    }

    fn update_state(&mut self, unit: &str, path: &str) -> Result<(), Failure> {
        let state = self.state_file(unit);
        let links = self.links(unit, path)?;
        let text = links.iter().map(|link| format!("{}\n", link.path)).collect();
        Ok(self.write_state(&state, text)?)
    }

    fn remove_links(&mut self, path: &str, depth: usize) -> Result<(), Failure> {
        if depth > 16 {
            return Err(self.process.unsupported("units that name each other too deep").into());
        }
        let state = self.state_file(path);
        let entries = self.read_state(&state)?;
        if self.purge {
            remove(self.process, state.as_bytes())?;
        }
        for link in entries {
            let is_link = self.is_link(&link)?;
            if self.purge || is_link {
                let note = self.note_of(&link, "enabled");
                remove(self.process, note.as_bytes())?;
            }
            if is_link {
                remove(self.process, link.as_bytes())?;
            }
        }
        let text = read_optional(self.process, path.as_bytes())?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().map(str::trim_start) {
            if let Some((key, also)) = line.split_once('=')
                && key.eq_ignore_ascii_case("also")
                && !also.is_empty()
            {
                let other = find(self.process, self.instance, also)?;
                self.remove_links(&other, depth + 1)?;
            }
        }
        Ok(())
    }

    fn mask(&mut self, path: &str) -> Result<(), Failure> {
        let base = path.rsplit('/').next().unwrap_or_default();
        let link = format!("{}/{base}", self.instance.etc());
        if exists(self.process, link.as_bytes())? {
            return Ok(());
        }
        self.make_parent(&link)?;
        remove(self.process, link.as_bytes())?;
        self.symlink(&link, "/dev/null")?;
        let note = self.note_of(&link, "masked");
        Ok(self.touch(&note)?)
    }

    fn unmask(&mut self, path: &str) -> Result<(), Failure> {
        let base = path.rsplit('/').next().unwrap_or_default();
        let link = format!("{}/{base}", self.instance.etc());
        let entry = self.process.machine.lstat(&self.process.call.directory, link.as_bytes())?;
        let is_mask = entry.is_ok_and(|entry| entry.kind == Kind::Symlink(b"/dev/null".to_vec()));
        let note = self.note_of(&link, "masked");
        if is_mask && exists(self.process, note.as_bytes())? {
            remove(self.process, link.as_bytes())?;
            remove(self.process, note.as_bytes())?;
        }
        Ok(())
    }

    /// Removes the directories of notes that are empty, of both instances.
    fn tidy_notes(&mut self, kind: &str) -> Result<(), Stop> {
        for user in ["", "user-"] {
            let folder = format!("/var/lib/systemd/deb-systemd-{user}helper-{kind}");
            self.remove_if_empty(folder.as_bytes(), 0)?;
        }
        Ok(())
    }

    fn tidy_links(&mut self) -> Result<(), Stop> {
        for folder in ["/etc/systemd/system", "/etc/systemd/user"] {
            for name in names_in(self.process, folder.as_bytes())? {
                let path = [folder.as_bytes(), b"/", &name].concat();
                if !name.starts_with(b".") && is_directory(self.process, &path)? {
                    self.remove_if_empty(&path, 0)?;
                }
            }
        }
        Ok(())
    }

    fn remove_if_empty(&mut self, folder: &[u8], depth: usize) -> Result<(), Stop> {
        if depth > 64 || !is_there(self.process, folder)? {
            return Ok(());
        }
        for name in names_in(self.process, folder)? {
            let path = [folder, b"/", &name].concat();
            if !name.starts_with(b".") && is_directory(self.process, &path)? {
                self.remove_if_empty(&path, depth + 1)?;
            }
        }
        let directory = self.process.call.directory.clone();
        match self.process.machine.remove_dir(&directory, folder)? {
            Ok(()) | Err(Errno::NotEmpty | Errno::NotADirectory | Errno::NotFound) => Ok(()),
            Err(errno) => Err(unusable(self.process, folder, errno)),
        }
    }
}
