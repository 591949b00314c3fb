//! The command line: what is asked, and whether names and paths are such as
//! `update-alternatives` takes.

use super::group::{Choice, Follower, Group, Mode, parse_priority};
use super::{Failure, Session, Verbosity};

/// What is asked.
pub(super) enum Action {
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

impl Session<'_, '_> {
    pub(super) fn parse(&mut self, words: &[String]) -> Result<Action, Failure> {
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

    pub(super) fn check_name(&self, name: &str) -> Result<(), Failure> {
        match name.contains(['/', ' ', '\t']) {
            true => {
                Err(self
                    .failure(format!("alternative name ({name}) must not contain '/' and spaces")))
            }
            false => Ok(()),
        }
    }

    pub(super) fn check_path(&self, path: &str) -> Result<(), Failure> {
        match path.starts_with('/') {
            true => Ok(()),
            false => {
                Err(self
                    .failure(format!("alternative path is not absolute as it should be: {path}")))
            }
        }
    }
}

pub(super) fn add_follower(
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
