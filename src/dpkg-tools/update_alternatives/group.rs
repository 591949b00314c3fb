//! A link group: the file that `update-alternatives` keeps of it under
//! `/var/lib/dpkg/alternatives`.

/// Who chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Auto,
    Manual,
}

impl Mode {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Manual => "manual",
        }
    }
}

/// A link that follows the group's main link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    pub name: String,
    pub link: String,
    /// Whether this call added or moved it.
    pub updated: bool,
}

/// One program that the group can mean, and the files of its followers by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub path: String,
    pub priority: i64,
    pub files: Vec<(String, String)>,
}

impl Choice {
    /// The file of a follower; `None` when this choice has none.
    #[must_use]
    pub fn file(&self, follower: &str) -> Option<&str> {
        let found = self.files.iter().find(|(name, _)| name == follower);
        found.map(|(_, file)| file.as_str()).filter(|file| !file.is_empty())
    }
}

/// A link group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    /// The main link; empty for a group that is not recorded yet.
    pub link: String,
    pub mode: Option<Mode>,
    pub followers: Vec<Follower>,
    pub choices: Vec<Choice>,
    pub modified: bool,
}

impl Group {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            link: String::new(),
            mode: None,
            followers: Vec::new(),
            choices: Vec::new(),
            modified: false,
        }
    }

    /// Reads a group's file. `exists` says of a program whether it is there: a choice whose
    /// program is gone is dropped.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(
        name: &str,
        text: &str,
        mut exists: impl FnMut(&str) -> bool,
    ) -> Result<Self, String> {
        let mut lines = text.strip_suffix('\n').unwrap_or_default().split('\n');
        let mut line = |what: &str| {
            lines
                .next()
                .ok_or_else(|| format!("unexpected end of file while trying to read {what}"))
        };
        let mut group = Self::new(name);
        group.mode = Some(match line("status")? {
            "auto" => Mode::Auto,
            "manual" => Mode::Manual,
            _ => return Err("invalid status".into()),
        });
        line("master link")?.clone_into(&mut group.link);
        loop {
            let name = line("slave name")?;
            if name.is_empty() {
                break;
            }
            if group.follower(name).is_some() {
                return Err(format!("duplicate slave name {name}"));
            }
            let link = line("slave link")?;
            if link == group.link || group.followers.iter().any(|other| other.link == link) {
                return Err(format!("duplicate slave link {link}"));
            }
            group.set_follower(Follower { name: name.into(), link: link.into(), updated: false });
        }
        let mut dropped = false;
        loop {
            let path = line("master file")?;
            if path.is_empty() {
                break;
            }
            if group.choice(path).is_some() {
                return Err(format!("duplicate path {path}"));
            }
            let priority = line("priority")?;
            let mut files = Vec::new();
            for follower in &group.followers {
                files.push((follower.name.clone(), line("slave file")?.to_owned()));
            }
            if exists(path) {
                let priority =
                    parse_priority(priority).ok_or(format!("priority of {path}: {priority}"))?;
                group.choices.push(Choice { path: path.into(), priority, files });
            } else {
                dropped = true;
            }
        }
        group.modified = dropped;
        Ok(group)
    }

    /// The file's text. Followers that no choice has are dropped; followers and choices are
    /// sorted by name.
    #[must_use]
    pub fn render(&mut self) -> String {
        let choices = &self.choices;
        self.followers.retain(|f| choices.iter().any(|choice| choice.file(&f.name).is_some()));
        self.followers.sort_by(|a, b| a.name.cmp(&b.name));
        self.choices.sort_by(|a, b| a.path.cmp(&b.path));
        let mode = self.mode.unwrap_or(Mode::Manual).word();
        let mut out = format!("{mode}\n{}\n", self.link);
        for follower in &self.followers {
            out += &format!("{}\n{}\n", follower.name, follower.link);
        }
        out.push('\n');
        for choice in &self.choices {
            out += &format!("{}\n{}\n", choice.path, choice.priority);
            for follower in &self.followers {
                out += choice.file(&follower.name).unwrap_or_default();
                out.push('\n');
            }
        }
        out.push('\n');
        out
    }

    #[must_use]
    pub fn choice(&self, path: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.path == path)
    }

    #[must_use]
    pub fn follower(&self, name: &str) -> Option<&Follower> {
        self.followers.iter().find(|follower| follower.name == name)
    }

    /// Adds a follower, or changes the one of that name.
    pub fn set_follower(&mut self, new: Follower) {
        match self.followers.iter_mut().find(|follower| follower.name == new.name) {
            Some(old) => *old = new,
            None => self.followers.push(new),
        }
    }

    /// Adds a choice, or replaces the one of that path.
    pub fn set_choice(&mut self, new: Choice) {
        match self.choices.iter_mut().find(|choice| choice.path == new.path) {
            Some(old) => *old = new,
            None => self.choices.push(new),
        }
        self.modified = true;
    }

    pub fn set_mode(&mut self, mode: Mode) {
        self.modified |= self.mode != Some(mode);
        self.mode = Some(mode);
    }

    pub fn set_link(&mut self, link: &str) {
        self.modified |= self.link != link;
        link.clone_into(&mut self.link);
    }

    /// The choice of automatic mode: the one of the highest priority; of equals the current,
    /// then the first.
    #[must_use]
    pub fn best(&self, current: Option<&str>) -> Option<&Choice> {
        let start = current.and_then(|path| self.choice(path)).or_else(|| self.choices.first())?;
        Some(self.choices.iter().fold(start, |best, choice| {
            if choice.priority > best.priority { choice } else { best }
        }))
    }
}

/// A priority as `strtol(3)` reads it.
#[must_use]
pub fn parse_priority(text: &str) -> Option<i64> {
    text.trim_ascii_start().parse::<i32>().ok().map(i64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "auto\n/usr/bin/vi\nvi.1.gz\n/usr/share/man/man1/vi.1.gz\n\n\
                        /usr/bin/nvi\n20\n\n/usr/bin/vim\n30\n/usr/share/man/man1/vim.1.gz\n\n";

    #[test]
    fn a_group_is_written_as_it_was_read() {
        let mut group = Group::parse("vi", TEXT, |_| true).unwrap();
        assert_eq!(group.best(None).unwrap().path, "/usr/bin/vim");
        assert_eq!(group.render(), TEXT);
        let mut less = Group::parse("vi", TEXT, |path| path == "/usr/bin/nvi").unwrap();
        assert!(less.modified);
        assert_eq!(less.render(), "auto\n/usr/bin/vi\n\n/usr/bin/nvi\n20\n\n");
    }

    #[test]
    fn damaged_groups_are_refused() {
        for bad in ["", "auto\n", "odd\n/a\n\n\n", "auto\n/a\n\n/b\nx\n\n", "auto\n/a\n\n/b\n1\n"] {
            assert!(Group::parse("x", bad, |_| true).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "([a-c/0-9]{0,3}\n){0,12}") {
            if let Ok(mut group) = Group::parse("x", &text, |_| true) {
                let rendered = group.render();
                prop_assert_eq!(Group::parse("x", &rendered, |_| true).unwrap().render(), rendered);
            }
        }
    }
}
