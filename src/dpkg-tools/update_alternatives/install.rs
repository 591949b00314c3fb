//! `--install` and `--remove`: a choice comes, changes or goes.

use super::group::{Choice, Follower, Group, Mode};
use super::links::At;
use super::{Failure, Session, Verbosity};

impl Session<'_, '_> {
    pub(super) fn install(&mut self, new: Group, choice: Choice) -> Result<(), Failure> {
        self.check_install(&new, &choice)?;
        let known = self.load_own(&new.name)?;
        let mut group = known.unwrap_or_else(|| Group::new(&new.name));
        let current = self.current(&group)?;
        self.select_mode(&mut group, current.as_deref())?;
        if group.link.is_empty() {
            group = new;
        } else {
            self.evolve(&mut group, new, current.as_deref(), &choice)?;
        }
        group.set_choice(choice);
        let best = match group.mode {
            Some(Mode::Auto) => group.best(current.as_deref()).map(|choice| choice.path.clone()),
            _ => {
                let own = self.own(&group.name);
                let text = format!("automatic updates of {own} are disabled; leaving it alone");
                self.say(Verbosity::Verbose, &text)?;
                let name = &group.name;
                let text = format!(
                    "to return to automatic updates use 'update-alternatives --auto {name}'"
                );
                self.say(Verbosity::Verbose, &text)?;
                None
            }
        };
        self.update(group, current, best)
    }

    /// Moves links whose place changed, and takes over new followers.
    pub(super) fn evolve(
        &mut self,
        group: &mut Group,
        new: Group,
        current: Option<&str>,
        choice: &Choice,
    ) -> Result<(), Failure> {
        let is_link = matches!(self.at(&group.link)?, At::Link(_));
        if is_link && group.link != new.link {
            let text = format!("renaming {} link from {} to {}", group.name, group.link, new.link);
            self.say(Verbosity::Normal, &text)?;
            self.rename(&group.link, &new.link)?;
        }
        group.set_link(&new.link);
        for mut follower in new.followers {
            follower.updated = match group.follower(&follower.name).cloned() {
                None => true,
                Some(old) => self.evolve_follower(&old, &follower, current, choice)?,
            };
            group.set_follower(follower);
        }
        Ok(())
    }

    pub(super) fn evolve_follower(
        &mut self,
        old: &Follower,
        new: &Follower,
        current: Option<&str>,
        choice: &Choice,
    ) -> Result<bool, Failure> {
        if old.link == new.link || !matches!(self.at(&old.link)?, At::Link(_)) {
            return Ok(false);
        }
        let file = if current == Some(choice.path.as_str()) {
            choice.file(&new.name).map(str::to_owned)
        } else {
            match self.at(&self.own(&new.name))? {
                At::Link(target) => Some(target),
                _ => None,
            }
        };
        let keeps = match file {
            Some(file) => !self.is_missing(&file)?,
            None => false,
        };
        if keeps {
            let text =
                format!("renaming {} slave link from {} to {}", new.name, old.link, new.link);
            self.say(Verbosity::Normal, &text)?;
            self.rename(&old.link, &new.link)?;
        } else {
            self.remove(&old.link)?;
        }
        Ok(true)
    }

    pub(super) fn remove_choice(&mut self, name: &str, path: &str) -> Result<(), Failure> {
        let Some(mut group) = self.load_own(name)? else {
            return self.say(Verbosity::Verbose, &format!("no alternatives for {name}"));
        };
        let current = self.current(&group)?;
        self.select_mode(&mut group, current.as_deref())?;
        let before = group.choices.len();
        group.choices.retain(|choice| choice.path != path);
        if group.choices.len() == before {
            let text = format!("alternative {path} for {name} not registered; not removing");
            self.say(Verbosity::Verbose, &text)?;
        } else {
            group.modified = true;
        }
        let mut best = None;
        if current.as_deref() == Some(path) {
            if group.mode == Some(Mode::Manual) {
                let text = format!(
                    "removing manually selected alternative - switching {name} to auto mode"
                );
                self.say(Verbosity::Normal, &text)?;
                group.set_mode(Mode::Auto);
            }
            best = group.best(current.as_deref()).map(|choice| choice.path.clone());
        }
        self.update(group, current, best)
    }

    /// Links and names belong to one group each.
    pub(super) fn check_install(&mut self, new: &Group, choice: &Choice) -> Result<(), Failure> {
        self.check_name(&new.name)?;
        self.check_link(&new.link)?;
        self.check_path(&choice.path)?;
        let groups = self.load_all()?;
        let by_name = |name: &str| {
            groups.iter().find(|group| group.name == name || group.follower(name).is_some())
        };
        let by_link = |link: &str| {
            let has = |group: &&Group| {
                group.link == link || group.followers.iter().any(|f| f.link == link)
            };
            groups.iter().find(has)
        };
        let name = &new.name;
        if let Some(other) = by_name(name).filter(|group| group.name != *name) {
            let other = &other.name;
            return Err(self
                .failure(format!("alternative {name} can't be master: it is a slave of {other}")));
        }
        if let Some(other) = by_link(&new.link).filter(|group| group.name != *name) {
            let (link, other) = (&new.link, &other.name);
            return Err(
                self.failure(format!("alternative link {link} is already managed by {other}"))
            );
        }
        if self.is_missing(&choice.path)? {
            let path = &choice.path;
            return Err(self.failure(format!("alternative path {path} doesn't exist")));
        }
        for follower in &new.followers {
            self.check_name(&follower.name)?;
            self.check_link(&follower.link)?;
            self.check_path(choice.file(&follower.name).unwrap_or_default())?;
            let taken = by_name(&follower.name).filter(|group| group.name != *name);
            if let Some(other) = taken {
                let (own, other) = (&follower.name, &other.name);
                let what = match own == other {
                    true => "it is a master alternative".to_owned(),
                    false => format!("it is a slave of {other}"),
                };
                return Err(
                    self.failure(format!("alternative {own} can't be slave of {name}: {what}"))
                );
            }
            let link = &follower.link;
            let Some(other) = by_link(link) else { continue };
            if other.name != *name {
                let other = &other.name;
                return Err(
                    self.failure(format!("alternative link {link} is already managed by {other}"))
                );
            }
            let holder = other.followers.iter().find(|f| f.link == *link);
            if let Some(holder) = holder.filter(|holder| holder.name != follower.name) {
                let (holder, other) = (&holder.name, &other.name);
                return Err(self.failure(format!(
                    "alternative link {link} is already managed by {holder} (slave of {other})"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn check_link(&self, link: &str) -> Result<(), Failure> {
        match link.starts_with('/') {
            true => Ok(()),
            false => {
                Err(self
                    .failure(format!("alternative link is not absolute as it should be: {link}")))
            }
        }
    }
}
