//! The symbolic links of a group: made, repaired and removed as dpkg's
//! `utils/update-alternatives.c` does.

use super::super::files::make_directories;
use super::group::{Choice, Follower, Group};
use super::{Failure, Session};
use imgfix_shell::Errno;
use imgfix_vfs::Kind;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    Missing,
    Link(String),
    Other,
}

/// A step that waits until all new links are made.
enum Step {
    Move {
        from: String,
        to: String,
    },
    Remove(String),
    /// The link gets the time of what it points to.
    Date {
        link: String,
        target: String,
    },
}

/// Why links have to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Nothing,
    ChangedFollowers,
    Broken,
}

/// Steps that wait.
#[derive(Default)]
pub struct Pending(Vec<Step>);

impl Session<'_, '_> {
    pub fn at(&self, path: &str) -> Result<At, Failure> {
        let found = self.process.machine.lstat(&self.process.call.directory, path.as_bytes())?;
        match found.map(|entry| entry.kind) {
            Ok(Kind::Symlink(target)) => Ok(At::Link(String::from_utf8_lossy(&target).into())),
            Ok(_) => Ok(At::Other),
            Err(Errno::NotFound) => Ok(At::Missing),
            Err(errno) => Err(self.failure(format!("cannot stat file '{path}': {errno}"))),
        }
    }

    /// Whether nothing is there, links followed.
    pub fn is_missing(&self, path: &str) -> Result<bool, Failure> {
        match self.process.machine.stat(&self.process.call.directory, path.as_bytes())? {
            Ok(_) => Ok(false),
            Err(Errno::NotFound) => Ok(true),
            Err(errno) => Err(self.failure(format!("cannot stat file '{path}': {errno}"))),
        }
    }

    pub fn remove(&mut self, path: &str) -> Result<(), Failure> {
        let directory = self.process.call.directory.clone();
        match self.process.machine.unlink(&directory, path.as_bytes())? {
            Ok(()) | Err(Errno::NotFound) => Ok(()),
            Err(errno) => Err(self.failure(format!("unable to remove '{path}': {errno}"))),
        }
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let directory = self.process.call.directory.clone();
        let moved = self.process.machine.rename(&directory, from.as_bytes(), to.as_bytes())?;
        moved
            .map_err(|errno| self.failure(format!("unable to install '{from}' as '{to}': {errno}")))
    }

    fn symlink(&mut self, target: &str, link: &str) -> Result<(), Failure> {
        self.remove(link)?;
        let directory = self.process.call.directory.clone();
        let made =
            self.process.machine.make_symlink(&directory, link.as_bytes(), target.as_bytes())?;
        made.map_err(|errno| {
            self.failure(format!("error creating symbolic link '{link}': {errno}"))
        })
    }

    /// Where the group's link in `/etc/alternatives` points.
    pub fn current(&self, group: &Group) -> Result<Option<String>, Failure> {
        let link = self.own(&group.name);
        match self.at(&link)? {
            At::Link(target) => Ok(Some(target)),
            At::Missing => Ok(None),
            At::Other => {
                Err(self.failure(format!("cannot stat file '{link}': {}", Errno::Invalid)))
            }
        }
    }

    fn can_have(&self, choice: &Choice, follower: &str) -> Result<bool, Failure> {
        match choice.file(follower) {
            Some(file) => Ok(!self.is_missing(file)?),
            None => Ok(false),
        }
    }

    fn needs_new_link(&mut self, link: &str, own: &str) -> Result<bool, Failure> {
        if self.force {
            return Ok(true);
        }
        match self.at(link)? {
            At::Link(target) => Ok(target != own),
            At::Missing => Ok(true),
            At::Other => {
                self.warn(&format!("not replacing {link} with a link"))?;
                Ok(false)
            }
        }
    }

    fn may_remove(&self, link: &str) -> Result<bool, Failure> {
        Ok(self.force || self.at(link)? != At::Other)
    }

    fn prepare_one(
        &mut self,
        pending: &mut Pending,
        name: &str,
        link: &str,
        file: &str,
    ) -> Result<(), Failure> {
        if self.is_missing(&self.altdir)? {
            let altdir = self.altdir.clone();
            make_directories(self.process, altdir.as_bytes(), 0o755)?;
        }
        let own = self.own(name);
        self.prepare_link(pending, &own, file)?;
        if self.needs_new_link(link, &own)? {
            self.prepare_link(pending, link, &own)?;
        }
        Ok(())
    }

    fn prepare_link(
        &mut self,
        pending: &mut Pending,
        link: &str,
        target: &str,
    ) -> Result<(), Failure> {
        let temporary = format!("{link}.dpkg-tmp");
        self.symlink(target, &temporary)?;
        pending.0.push(Step::Move { from: temporary, to: link.into() });
        if self.dates_links && self.is_missing(link)? {
            pending.0.push(Step::Date { link: link.into(), target: target.into() });
        }
        Ok(())
    }

    /// Makes all links for a choice under temporary names.
    pub fn prepare(
        &mut self,
        pending: &mut Pending,
        group: &Group,
        path: &str,
    ) -> Result<(), Failure> {
        let Some(choice) = group.choice(path) else {
            return Err(self.failure(format!("can't install unknown choice {path}")));
        };
        self.prepare_one(pending, &group.name, &group.link, path)?;
        for Follower { name, link, .. } in &group.followers {
            if self.can_have(choice, name)? {
                let file = choice.file(name).unwrap_or_default();
                self.prepare_one(pending, name, link, file)?;
                continue;
            }
            if let Some(file) = choice.file(name) {
                let group = &group.name;
                self.warn(&format!(
                    "skip creation of {link} because associated file {file} (of link group \
                     {group}) doesn't exist"
                ))?;
            }
            if self.may_remove(link)? {
                pending.0.push(Step::Remove(link.clone()));
            } else {
                self.warn(&format!("not removing {link} since it's not a symlink"))?;
            }
            pending.0.push(Step::Remove(self.own(name)));
        }
        Ok(())
    }

    /// Puts the new links in their places.
    pub fn commit(&mut self, pending: Pending) -> Result<(), Failure> {
        for step in pending.0 {
            match step {
                Step::Move { from, to } => self.rename(&from, &to)?,
                Step::Remove(path) => self.remove(&path)?,
                Step::Date { link, target } => self.date(&link, &target)?,
            }
        }
        Ok(())
    }

    fn date(&mut self, link: &str, target: &str) -> Result<(), Failure> {
        let machine = &mut self.process.machine;
        let directory = &self.process.call.directory;
        let Ok(entry) = machine.lstat(directory, target.as_bytes())? else { return Ok(()) };
        if let Ok(path) = machine.locate(directory, link.as_bytes())? {
            // The link was made just now; were it gone, there would be nothing to date.
            let _gone = machine.overlay.modify(&path, |link| link.mtime = entry.mtime);
        }
        Ok(())
    }

    /// Removes the links and the file of a group that has no choice left.
    pub fn remove_all(&mut self, group: &Group) -> Result<(), Failure> {
        let main = (group.link.as_str(), group.name.as_str());
        let followers = group.followers.iter().map(|f| (f.link.as_str(), f.name.as_str()));
        for (link, name) in std::iter::once(main).chain(followers) {
            self.remove(&format!("{link}.dpkg-tmp"))?;
            if self.may_remove(link)? {
                self.remove(link)?;
            }
            let own = self.own(name);
            self.remove(&format!("{own}.dpkg-tmp"))?;
            self.remove(&own)?;
        }
        let record = self.record(&group.name);
        self.remove(&record)
    }

    /// Whether the links are as they should be.
    pub fn need(&self, group: &Group, current: Option<&str>) -> Result<Need, Failure> {
        let own = self.own(&group.name);
        let (true, Some(current)) = (self.at(&group.link)? == At::Link(own), current) else {
            return Ok(Need::Broken);
        };
        let Some(choice) = group.choice(current) else { return Ok(Need::Nothing) };
        let mut need = Need::Nothing;
        for follower in &group.followers {
            if self.is_broken(follower, choice)? {
                match follower.updated {
                    true => need = Need::ChangedFollowers,
                    false => return Ok(Need::Broken),
                }
            }
        }
        Ok(need)
    }

    fn is_broken(&self, follower: &Follower, choice: &Choice) -> Result<bool, Failure> {
        let own = self.own(&follower.name);
        let (link, target) = (self.at(&follower.link)?, self.at(&own)?);
        if self.can_have(choice, &follower.name)? {
            let file = choice.file(&follower.name).unwrap_or_default().to_owned();
            return Ok(link != At::Link(own) || target != At::Link(file));
        }
        Ok(link != At::Missing || target != At::Missing)
    }
}
