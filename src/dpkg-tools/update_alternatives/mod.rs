//! `update-alternatives`: link groups, their files under `/var/lib/dpkg/alternatives`, and
//! their links. The log is not written.
//!
//! - `group`: a group's file
//! - `links`: its symbolic links
//! - this file: the command line, and what each action means

mod group;
mod links;

use bstr::BString;

use super::database::{Database, Place};
use super::files::{make_directories, names_in, read_optional, replace};
use group::{Choice, Follower, Group, Mode, parse_priority};
use imgfix_shell::{Process, Status, Stop};
use links::{At, Need, Pending};

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

/// What is asked.
enum Action {
    Install(Box<(Group, Choice)>),
    Remove { name: String, path: String },
    Set { name: String, path: String },
    RemoveAll(String),
    Auto(String),
    Display(String),
    Query(String),
    List(String),
    GetSelections,
    SetSelections,
}

/// `update-alternatives`.
///
/// # Errors
/// An option that is not evaluated, or a choice that a person would make.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(BString::to_string).collect();
    let place = Place::of(process)?;
    let admindir = String::from_utf8_lossy(&place.file("alternatives")).into_owned();
    let dates_links = !Database::load(process, place)?.dpkg_is_before("1.21.2");
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
    fn parse(&mut self, words: &[String]) -> Result<Action, Failure> {
        let mut words = words.iter();
        let mut action = None;
        let bad = |text: String| {
            let advice = "Use 'update-alternatives --help' for program usage information.";
            Failure::Exit(format!("{text}\n\n{advice}"))
        };
        while let Some(word) = words.next() {
            let mut take = |what: &str| {
                words.next().cloned().ok_or_else(|| bad(format!("{word} needs {what}")))
            };
            let new = match word.as_str() {
                "--quiet" => {
                    self.verbosity = Verbosity::Quiet;
                    continue;
                }
                "--verbose" => {
                    self.verbosity = Verbosity::Verbose;
                    continue;
                }
                "--force" => {
                    self.force = true;
                    continue;
                }
                "--skip-auto" => continue,
                "--log" => {
                    take("a <file> argument")?;
                    continue;
                }
                "--altdir" => {
                    self.altdir = take("a <directory> argument")?;
                    continue;
                }
                "--admindir" => {
                    self.admindir = take("a <directory> argument")?;
                    continue;
                }
                "--slave" => {
                    let what = "<link> <name> <path>";
                    let (link, name, path) = (take(what)?, take(what)?, take(what)?);
                    let Some(Action::Install(install)) = &mut action else {
                        return Err(bad("--slave only allowed with --install".into()));
                    };
                    add_follower(install, link, name, path).map_err(bad)?;
                    continue;
                }
                "--install" => {
                    let what = "<link> <name> <path> <priority>";
                    let (link, name) = (take(what)?, take(what)?);
                    let (path, priority) = (take(what)?, take(what)?);
                    if link == path {
                        return Err(bad(format!("<link> '{link}' is the same as <path>")));
                    }
                    let priority = parse_priority(&priority)
                        .ok_or_else(|| bad(format!("priority '{priority}' must be an integer")))?;
                    let mut group = Group::new(&name);
                    group.set_mode(Mode::Auto);
                    group.set_link(&link);
                    let choice = Choice { path, priority, files: Vec::new() };
                    Action::Install(Box::new((group, choice)))
                }
                "--remove" | "--set" => {
                    let what = "<name> <path>";
                    let (name, path) = (take(what)?, take(what)?);
                    self.check_name(&name)?;
                    self.check_path(&path)?;
                    match word.as_str() {
                        "--set" => Action::Set { name, path },
                        _ => Action::Remove { name, path },
                    }
                }
                "--remove-all" | "--auto" | "--display" | "--query" | "--list" => {
                    let name = take("<name>")?;
                    self.check_name(&name)?;
                    match word.as_str() {
                        "--remove-all" => Action::RemoveAll(name),
                        "--auto" => Action::Auto(name),
                        "--display" => Action::Display(name),
                        "--query" => Action::Query(name),
                        _ => Action::List(name),
                    }
                }
                "--get-selections" => Action::GetSelections,
                "--set-selections" => Action::SetSelections,
                other => return Err(self.process.unsupported(other).into()),
            };
            if action.replace(new).is_some() {
                return Err(bad("two commands specified".into()));
            }
        }
        action.ok_or_else(|| bad("need an action".into()))
    }

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

    fn check_name(&self, name: &str) -> Result<(), Failure> {
        match name.contains(['/', ' ', '\t']) {
            true => {
                Err(self
                    .failure(format!("alternative name ({name}) must not contain '/' and spaces")))
            }
            false => Ok(()),
        }
    }

    fn check_path(&self, path: &str) -> Result<(), Failure> {
        match path.starts_with('/') {
            true => Ok(()),
            false => {
                Err(self
                    .failure(format!("alternative path is not absolute as it should be: {path}")))
            }
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

    fn install(&mut self, new: Group, choice: Choice) -> Result<(), Failure> {
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
    fn evolve(
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

    fn evolve_follower(
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

    fn remove_choice(&mut self, name: &str, path: &str) -> Result<(), Failure> {
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

    /// Links and names belong to one group each.
    fn check_install(&mut self, new: &Group, choice: &Choice) -> Result<(), Failure> {
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

    fn check_link(&self, link: &str) -> Result<(), Failure> {
        match link.starts_with('/') {
            true => Ok(()),
            false => {
                Err(self
                    .failure(format!("alternative link is not absolute as it should be: {link}")))
            }
        }
    }

    fn get_selections(&mut self) -> Result<(), Failure> {
        for group in self.load_all()? {
            let current = self.current(&group)?.unwrap_or_default();
            let mode = group.mode.unwrap_or(Mode::Manual).word();
            self.print(&format!("{:<30} {mode:<8} {current}\n", group.name))?;
        }
        Ok(())
    }

    fn set_selections(&mut self) -> Result<(), Failure> {
        let input = self.process.input()?;
        let groups = self.load_all()?;
        for line in String::from_utf8_lossy(&input).lines() {
            let mut words = line.splitn(2, [' ', '\t']);
            let name = words.next().unwrap_or_default();
            let rest = words.next().unwrap_or_default().trim_start_matches([' ', '\t']);
            let Some((mode, path)) = rest.split_once([' ', '\t']) else {
                self.say(Verbosity::Normal, &format!("skip invalid selection line: {line}"))?;
                continue;
            };
            let path = path.trim_start_matches([' ', '\t']);
            let Some(group) = groups.iter().find(|group| group.name == name) else {
                self.say(Verbosity::Normal, &format!("skip unknown alternative {name}"))?;
                continue;
            };
            let mut group = group.clone();
            let current = self.current(&group)?;
            let new = if mode == "auto" {
                self.say(Verbosity::Normal, &format!("selecting alternative {name} as auto"))?;
                self.set_auto(&mut group, current.as_deref())?
            } else if group.choice(path).is_some() {
                let text = format!("selecting alternative {name} as choice {path}");
                self.say(Verbosity::Normal, &text)?;
                self.set_manual(&mut group, path)?;
                Some(path.to_owned())
            } else {
                let text =
                    format!("alternative {name} unchanged because choice {path} is not available");
                self.say(Verbosity::Normal, &text)?;
                None
            };
            if new.is_some() {
                self.select_mode(&mut group, current.as_deref())?;
                self.update(group, current, new)?;
            }
        }
        Ok(())
    }
}

fn add_follower(
    (group, choice): &mut (Group, Choice),
    link: String,
    name: String,
    path: String,
) -> Result<(), String> {
    if link == path {
        return Err(format!("<link> '{link}' is the same as <path>"));
    }
    if group.name == name {
        return Err(format!("<name> '{name}' is both primary and slave"));
    }
    if group.link == link {
        return Err(format!("<link> '{link}' is both primary and slave"));
    }
    if group.follower(&name).is_some() {
        return Err(format!("duplicate slave <name> '{name}'"));
    }
    if group.followers.iter().any(|follower| follower.link == link) {
        return Err(format!("duplicate slave <link> '{link}'"));
    }
    choice.files.push((name.clone(), path));
    group.followers.push(Follower { name, link, updated: false });
    Ok(())
}

fn display(group: &Group, current: Option<&str>) -> String {
    let mode = group.mode.unwrap_or(Mode::Manual).word();
    let mut out = format!("{} - {mode} mode\n", group.name);
    match group.best(current) {
        Some(best) => out += &format!("  link best version is {}\n", best.path),
        None => out += "  link best version not available\n",
    }
    match current {
        Some(path) => out += &format!("  link currently points to {path}\n"),
        None => out += "  link currently absent\n",
    }
    out += &format!("  link {} is {}\n", group.name, group.link);
    for Follower { name, link, .. } in &group.followers {
        out += &format!("  slave {name} is {link}\n");
    }
    for choice in &group.choices {
        out += &format!("{} - priority {}\n", choice.path, choice.priority);
        for Follower { name, .. } in &group.followers {
            if let Some(file) = choice.file(name) {
                out += &format!("  slave {name}: {file}\n");
            }
        }
    }
    out
}

fn query(group: &Group, current: Option<&str>) -> String {
    let mut out = format!("Name: {}\nLink: {}\n", group.name, group.link);
    if !group.followers.is_empty() {
        out += "Slaves:\n";
    }
    for Follower { name, link, .. } in &group.followers {
        out += &format!(" {name} {link}\n");
    }
    out += &format!("Status: {}\n", group.mode.unwrap_or(Mode::Manual).word());
    if let Some(best) = group.best(current) {
        out += &format!("Best: {}\n", best.path);
    }
    out += &format!("Value: {}\n", current.unwrap_or("none"));
    for choice in &group.choices {
        out += &format!("\nAlternative: {}\nPriority: {}\n", choice.path, choice.priority);
        if !group.followers.is_empty() {
            out += "Slaves:\n";
        }
        for Follower { name, .. } in &group.followers {
            if let Some(file) = choice.file(name) {
                out += &format!(" {name} {file}\n");
            }
        }
    }
    out
}
