//! `update-alternatives`: link groups, their files under `/var/lib/dpkg/alternatives`, and
//! their links. The log is not written.
//!
//! - `group`: a group's file
//! - `links`: its symbolic links
//! - `arguments`: the command line
//! - `install`: a choice comes, changes or goes
//! - `selections`: what is chosen, told and set
//! - this file: what each action means, and modes

mod arguments;
mod group;
mod install;
mod links;
mod selections;

use bstr::BString;

use super::database::{AdminDir, Database};
use super::files::{make_directories, names_in, read_optional, replace};
use arguments::Action;
use group::{Follower, Group, Mode};
use imgfix_shell::{Process, Status, Stop};
use links::{Need, Pending};
use selections::{display, query};

/// How a call ends early.
pub enum Failure {
    /// As the real one would: words on standard error, and status 2.
    Exit(String),
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// One call.
pub struct Session<'p, 'm> {
    process: &'p mut Process<'m>,
    altdir: String,
    admindir: String,
    force: bool,
    verbosity: Verbosity,
    /// New links get the time of their target, and messages are in one form: since dpkg
    /// 1.21.2.
    dates_links: bool,
}

/// `update-alternatives`.
///
/// # Errors
/// An option that is not evaluated, or a choice that a person would make.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(BString::to_string).collect();
    let admin = AdminDir::of(process)?;
    let admindir = String::from_utf8_lossy(&admin.file("alternatives")).into_owned();
    let dates_links = !Database::load(process, admin)?.dpkg_is_before("1.21.2");
    let mut session = Session {
        process,
        altdir: "/etc/alternatives".into(),
        admindir,
        force: false,
        verbosity: Verbosity::Normal,
        dates_links,
    };
    let done = session.parse(&words).and_then(|action| session.act(action));
    match done {
        Ok(()) => Ok(0),
        Err(Failure::Stop(stop)) => Err(stop),
        Err(Failure::Exit(text)) => {
            process.complain(text)?;
            Ok(2)
        }
    }
}

impl Session<'_, '_> {
    fn act(&mut self, action: Action) -> Result<(), Failure> {
        match action {
            Action::Install(install) => {
                let (new, choice) = *install;
                self.install(new, choice)
            }
            Action::Remove { name, path } => self.remove_choice(&name, &path),
            Action::Set { name, path } => {
                let mut group = self.load_known(&name)?;
                let current = self.current(&group)?;
                self.select_mode(&mut group, current.as_deref())?;
                self.set_manual(&mut group, &path)?;
                self.update(group, current, Some(path))
            }
            Action::Auto(name) => {
                let mut group = self.load_known(&name)?;
                let current = self.current(&group)?;
                self.select_mode(&mut group, current.as_deref())?;
                let best = self.set_auto(&mut group, current.as_deref())?;
                self.update(group, current, best)
            }
            Action::RemoveAll(name) => {
                let mut group = self.load_known(&name)?;
                let current = self.current(&group)?;
                self.select_mode(&mut group, current.as_deref())?;
                group.choices.clear();
                self.update(group, current, None)
            }
            Action::Display(name) => {
                let group = self.load_known(&name)?;
                let current = self.current(&group)?;
                self.print(&display(&group, current.as_deref()))
            }
            Action::Query(name) => {
                let group = self.load_known(&name)?;
                let current = self.current(&group)?;
                self.print(&query(&group, current.as_deref()))
            }
            Action::List(name) => {
                let group = self.load_known(&name)?;
                let text: String =
                    group.choices.iter().map(|choice| format!("{}\n", choice.path)).collect();
                self.print(&text)
            }
            Action::GetSelections => self.get_selections(),
            Action::SetSelections => self.set_selections(),
        }
    }

    /// The group's own link.
    fn own(&self, name: &str) -> String {
        format!("{}/{name}", self.altdir)
    }

    /// The group's file.
    fn record(&self, name: &str) -> String {
        format!("{}/{name}", self.admindir)
    }

    fn failure(&self, text: String) -> Failure {
        Failure::Exit(format!("error: {text}"))
    }

    fn print(&mut self, text: &str) -> Result<(), Failure> {
        Ok(self.process.print(text)?)
    }

    fn warn(&mut self, text: &str) -> Result<(), Failure> {
        match self.verbosity {
            Verbosity::Quiet => Ok(()),
            _ => Ok(self.process.complain(format!("warning: {text}"))?),
        }
    }

    fn say(&mut self, from: Verbosity, text: &str) -> Result<(), Failure> {
        match self.verbosity >= from {
            true => self.print(&format!("update-alternatives: {text}\n")),
            false => Ok(()),
        }
    }

    /// A group as it is recorded; `None` when it is not.
    fn load(&mut self, name: &str) -> Result<Option<Result<Group, String>>, Failure> {
        let record = self.record(name);
        let Some(text) = read_optional(self.process, record.as_bytes())? else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| self.process.unsupported(format!("{record}: not UTF-8")))?;
        let mut failed = None;
        let group = Group::parse(name, &text, |path| match self.is_missing(path) {
            Ok(missing) => !missing,
            Err(failure) => {
                failed = Some(failure);
                true
            }
        });
        match failed {
            Some(failure) => Err(failure),
            None => Ok(Some(group)),
        }
    }

    /// As [`Session::load`], for a group that this call is about.
    fn load_own(&mut self, name: &str) -> Result<Option<Group>, Failure> {
        let before = self.record(name);
        match self.load(name)? {
            None => Ok(None),
            Some(Ok(group)) => Ok(Some(group)),
            Some(Err(problem)) => Err(self.failure(format!("{before} corrupt: {problem}"))),
        }
    }

    fn load_known(&mut self, name: &str) -> Result<Group, Failure> {
        match self.load_own(name)? {
            Some(group) => Ok(group),
            None => Err(self.failure(format!("no alternatives for {name}"))),
        }
    }

    /// All groups that can be read, by name.
    fn load_all(&mut self) -> Result<Vec<Group>, Failure> {
        let admindir = self.admindir.clone();
        let mut groups = Vec::new();
        for name in names_in(self.process, admindir.as_bytes())? {
            let name = String::from_utf8_lossy(&name).into_owned();
            if name.ends_with(".dpkg-tmp") {
                continue;
            }
            self.process.machine.spend(1)?;
            if let Some(Ok(group)) = self.load(&name)? {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    /// What somebody changed by hand is respected; what leads nowhere is not.
    fn select_mode(&mut self, group: &mut Group, current: Option<&str>) -> Result<(), Failure> {
        let own = self.own(&group.name);
        match current {
            None => {
                let text = format!("setting up automatic selection of {}", group.name);
                self.say(Verbosity::Verbose, &text)?;
                group.set_mode(Mode::Auto);
            }
            Some(path) if group.choice(path).is_none() => {
                if self.is_missing(path)? {
                    self.warn(&format!("{own} is dangling; it will be updated with best choice"))?;
                    group.set_mode(Mode::Auto);
                } else if group.mode != Some(Mode::Manual) {
                    self.warn(&format!(
                        "{own} has been changed (manually or by a script); switching to manual \
                         updates only"
                    ))?;
                    group.set_mode(Mode::Manual);
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn set_manual(&mut self, group: &mut Group, path: &str) -> Result<(), Failure> {
        if group.choice(path).is_none() {
            let name = &group.name;
            return Err(
                self.failure(format!("alternative {path} for {name} not registered; not setting"))
            );
        }
        group.set_mode(Mode::Manual);
        Ok(())
    }

    fn set_auto(
        &mut self,
        group: &mut Group,
        current: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        group.set_mode(Mode::Auto);
        let best = group.best(current).map(|choice| choice.path.clone());
        if best.is_none() {
            let name = &group.name;
            match self.dates_links {
                true => {
                    let text = format!("there is no program which provides {name}");
                    self.say(Verbosity::Normal, &text)?;
                }
                false => self.print(&format!("There is no program which provides {name}.\n"))?,
            }
        }
        Ok(best)
    }

    /// Brings links and file to what the group says.
    fn update(
        &mut self,
        mut group: Group,
        current: Option<String>,
        new: Option<String>,
    ) -> Result<(), Failure> {
        if group.choices.is_empty() {
            return self.remove_all(&group);
        }
        let mut pending = Pending::default();
        match new {
            Some(path) if current.as_deref() != Some(path.as_str()) => {
                let mode = group.mode.unwrap_or(Mode::Manual).word();
                let (link, name) = (&group.link, &group.name);
                let text = format!("using {path} to provide {link} ({name}) in {mode} mode");
                self.say(Verbosity::Normal, &text)?;
                self.prepare(&mut pending, &group, &path)?;
            }
            _ => self.repair(&mut pending, &mut group, current)?,
        }
        if group.modified {
            let text = self.render(&mut group)?;
            let admindir = self.admindir.clone();
            make_directories(self.process, admindir.as_bytes(), 0o755)?;
            let record = self.record(&group.name);
            replace(self.process, record.as_bytes(), text, 0o644)?;
        }
        self.commit(pending)
    }

    fn render(&mut self, group: &mut Group) -> Result<String, Failure> {
        for Follower { name, link, .. } in &group.followers {
            if !group.choices.iter().any(|choice| choice.file(name).is_some()) {
                let text = format!("discarding obsolete slave link {name} ({link})");
                self.say(Verbosity::Verbose, &text)?;
            }
        }
        Ok(group.render())
    }

    fn repair(
        &mut self,
        pending: &mut Pending,
        group: &mut Group,
        current: Option<String>,
    ) -> Result<(), Failure> {
        let shown = current.as_deref().unwrap_or("(null)");
        match self.need(group, current.as_deref())? {
            Need::Nothing => return Ok(()),
            Need::ChangedFollowers => {
                let name = &group.name;
                let text = format!(
                    "updating alternative {shown} because link group {name} has changed slave \
                     links"
                );
                self.say(Verbosity::Normal, &text)?;
            }
            Need::Broken => {
                let name = &group.name;
                self.warn(&format!(
                    "forcing reinstallation of alternative {shown} because link group {name} is \
                     broken"
                ))?;
            }
        }
        let Some(mut path) = current else { return Ok(()) };
        if group.choice(&path).is_none() {
            let best = group.best(Some(&path)).map(|choice| choice.path.clone());
            let best = best.unwrap_or_default();
            self.warn(&format!(
                "current alternative {path} is unknown, switching to {best} for link group {}",
                group.name
            ))?;
            path = best;
            group.set_mode(Mode::Auto);
        }
        self.prepare(pending, group, &path)
    }
}
