//! What is chosen, told and set: `--display`, `--query`, `--get-selections` and
//! `--set-selections`.

use super::group::{Follower, Group, Mode};
use super::{Failure, Session, Verbosity};

impl Session<'_, '_> {
    pub(super) fn get_selections(&mut self) -> Result<(), Failure> {
        for group in self.load_all()? {
            let current = self.current(&group)?.unwrap_or_default();
            let mode = group.mode.unwrap_or(Mode::Manual).word();
            self.print(&format!("{:<30} {mode:<8} {current}\n", group.name))?;
        }
        Ok(())
    }

    pub(super) fn set_selections(&mut self) -> Result<(), Failure> {
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

pub(super) fn display(group: &Group, current: Option<&str>) -> String {
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

pub(super) fn query(group: &Group, current: Option<&str>) -> String {
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
