//! `alternatives`, also called `update-alternatives`, of chkconfig (`alternatives(8)`): links that
//! several packages offer programs for.
//!
//! A set has a file under `/var/lib/alternatives`: the mode (`auto`, `manual`), the link, pairs of
//! name and link of its followers, an empty line; then for each alternative its path, its priority
//! (with `@FAMILY@` in front and an init script behind, where it has them) and a path for each
//! follower, empty where it has none. The link leads to `/etc/alternatives/NAME`, and that to the
//! path of the best or the chosen alternative.
//!
//! Debian's program of that name has another record and is not taken for this one.

use bstr::BString;

use imgfix_shell::{Process, Status, Stop};
use imgfix_tools::files::{is_there, make_directories, read_optional, remove, replace};
use imgfix_vfs::Kind;

/// Where the records are.
const RECORDS: &str = "/var/lib/alternatives";

/// Where links lead.
const LINKS: &str = "/etc/alternatives";

/// The most bytes of a record. Real ones stay below a few thousand.
const MAX_RECORD: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    target: String,
    /// As in the record: family, priority, init script.
    priority: String,
    /// One for each follower of the set, empty for none.
    followers: Vec<String>,
}

impl Choice {
    /// Its rank; a family stands before it, an init script behind.
    fn rank(&self) -> i64 {
        let text = self.priority.rsplit('@').next().unwrap_or_default();
        text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Set {
    is_automatic: bool,
    link: String,
    /// Name and link.
    followers: Vec<(String, String)>,
    choices: Vec<Choice>,
}

impl Set {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let is_automatic = match lines.next()? {
            "auto" => true,
            "manual" => false,
            _ => return None,
        };
        let link = lines.next().filter(|link| link.starts_with('/'))?.to_owned();
        let mut followers = Vec::new();
        loop {
            match lines.next()? {
                "" => break,
                name => followers.push((name.to_owned(), lines.next()?.to_owned())),
            }
        }
        let mut choices = Vec::new();
        while let Some(target) = lines.next() {
            if target.is_empty() {
                break;
            }
            let priority = lines.next()?.to_owned();
            let number = priority.rsplit('@').next()?.split(' ').next()?;
            number.parse::<i32>().ok()?;
            let paths = followers.iter().map(|_| lines.next().map(str::to_owned));
            let paths = paths.collect::<Option<Vec<_>>>()?;
            choices.push(Choice { target: target.to_owned(), priority, followers: paths });
        }
        Some(Self { is_automatic, link, followers, choices })
    }

    fn render(&self) -> String {
        let mut text =
            format!("{}\n{}\n", if self.is_automatic { "auto" } else { "manual" }, self.link);
        for (name, link) in &self.followers {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        for choice in &self.choices {
            text.push_str(&format!("{}\n{}\n", choice.target, choice.priority));
            for path in &choice.followers {
                text.push_str(&format!("{path}\n"));
            }
        }
        text
    }

    /// The first of the highest rank.
    fn best(&self) -> Option<&Choice> {
        self.choices.iter().reduce(|best, next| if next.rank() > best.rank() { next } else { best })
    }
}

struct Alternatives<'p, 'm> {
    process: &'p mut Process<'m>,
    name: String,
}

/// `alternatives`, `update-alternatives`.
///
/// # Errors
/// A form that is not evaluated, or a record that does not fit.
pub fn run(process: &mut Process<'_>) -> Status {
    let is_ours = ["/usr/sbin/alternatives", "/usr/bin/alternatives"];
    let mut found = false;
    for path in is_ours {
        found |= is_there(process, path.as_bytes())?;
    }
    if !found {
        return Err(process.unsupported("records that are not chkconfig's"));
    }
    let words: Vec<String> = process.arguments().iter().map(BString::to_string).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = words.strip_prefix(&["--verbose"]).unwrap_or(&words);
    let name = match words {
        ["--install", link, name, target, priority, rest @ ..] => {
            let request = Request { link, target, priority, rest };
            return Alternatives { process, name: (*name).to_owned() }.install(&request);
        }
        ["--remove" | "--set", name, _] | ["--auto", name] => *name,
        _ => {
            let word = words.first().copied().unwrap_or("no arguments").to_owned();
            return Err(process.unsupported(word));
        }
    };
    let mut alternatives = Alternatives { process, name: name.to_owned() };
    match words {
        ["--remove", _, target] => alternatives.remove(target),
        ["--set", _, target] => alternatives.set(target),
        _ => alternatives.automatic(),
    }
}

/// What `--install` is given.
struct Request<'a> {
    link: &'a str,
    target: &'a str,
    priority: &'a str,
    rest: &'a [&'a str],
}

impl Alternatives<'_, '_> {
    fn record(&self) -> String {
        format!("{RECORDS}/{}", self.name)
    }

    fn refuse(&self, why: &str) -> Stop {
        self.process.unsupported(format!("{}: {why}", self.name))
    }

    fn load(&mut self) -> Result<Option<Set>, Stop> {
        if self.name.contains('/') || self.name.is_empty() {
            return Err(self.refuse("a name that is none"));
        }
        let record = self.record();
        let Some(text) = read_optional(self.process, record.as_bytes())? else { return Ok(None) };
        let text = std::str::from_utf8(&text).ok().filter(|text| text.len() <= MAX_RECORD);
        match text.and_then(Set::parse) {
            Some(set) => Ok(Some(set)),
            None => Err(self.refuse("its record cannot be read")),
        }
    }

    /// What a link leads to; `None` where nothing is.
    ///
    /// # Errors
    /// Something is there that is no link: what becomes of it depends on the program's release.
    fn leads_to(&self, path: &str) -> Result<Option<String>, Stop> {
        let root = imgfix_model::path::ImagePath::root();
        match self.process.machine.lstat(&root, path.as_bytes())? {
            Err(_) => Ok(None),
            Ok(entry) => match entry.kind {
                Kind::Symlink(target) => Ok(Some(String::from_utf8_lossy(&target).into_owned())),
                _ => Err(self.refuse(&format!("{path} is no link"))),
            },
        }
    }

    /// The set's current choice. One that its links do not agree with is a stop: the program then
    /// changes the mode.
    fn current(&self, set: &Set) -> Result<Option<String>, Stop> {
        let target = self.leads_to(&format!("{LINKS}/{}", self.name))?;
        let is_known = |target: &String| set.choices.iter().any(|choice| &choice.target == target);
        let best = set.best().map(|choice| &choice.target);
        match &target {
            Some(known) if !is_known(known) => Err(self.refuse("its link leads elsewhere")),
            Some(other) if set.is_automatic && Some(other) != best => {
                Err(self.refuse("its link does not lead to the best"))
            }
            None if !set.choices.is_empty() => Err(self.refuse("its link is missing")),
            _ => Ok(target),
        }
    }

    fn point(&mut self, link: &str, target: &str) -> Result<(), Stop> {
        if self.leads_to(link)?.as_deref() == Some(target) {
            return Ok(());
        }
        remove(self.process, link.as_bytes())?;
        let root = imgfix_model::path::ImagePath::root();
        match self.process.machine.make_symlink(&root, link.as_bytes(), target.as_bytes())? {
            Ok(()) => Ok(()),
            Err(errno) => Err(self.refuse(&format!("{link}: {errno}"))),
        }
    }

    fn clear(&mut self, link: &str) -> Result<(), Stop> {
        self.leads_to(link)?;
        remove(self.process, link.as_bytes())
    }

    /// Writes the record and makes the links lead to a choice.
    fn save(&mut self, set: &Set, choice: &Choice) -> Result<(), Stop> {
        make_directories(self.process, LINKS.as_bytes(), 0o755)?;
        make_directories(self.process, RECORDS.as_bytes(), 0o755)?;
        let (record, text) = (self.record(), set.render());
        let before = read_optional(self.process, record.as_bytes())?;
        if before.as_deref() != Some(text.as_bytes()) {
            replace(self.process, record.as_bytes(), text, 0o644)?;
        }
        let name = self.name.clone();
        self.point(&set.link, &format!("{LINKS}/{name}"))?;
        self.point(&format!("{LINKS}/{name}"), &choice.target)?;
        for ((name, link), target) in set.followers.iter().zip(&choice.followers) {
            let middle = format!("{LINKS}/{name}");
            if target.is_empty() {
                self.clear(link)?;
                self.clear(&middle)?;
            } else {
                self.point(link, &middle)?;
                self.point(&middle, target)?;
            }
        }
        Ok(())
    }

    fn install(&mut self, request: &Request<'_>) -> Status {
        let mut followers = Vec::new();
        let mut priority = request.priority.to_owned();
        if priority.parse::<i32>().is_err() {
            return Err(self.refuse("a priority that is no number"));
        }
        let mut rest = request.rest;
        loop {
            match rest {
                [] => break,
                ["--slave" | "--follower", link, name, target, more @ ..] => {
                    followers.push(((*name).to_owned(), (*link).to_owned(), (*target).to_owned()));
                    rest = more;
                }
                ["--family", family, more @ ..] => {
                    priority = format!("@{family}@{priority}");
                    rest = more;
                }
                [word, ..] => return Err(self.process.unsupported(*word)),
            }
        }
        let names = followers.iter().map(|(name, link, _)| (name.clone(), link.clone()));
        let choice = Choice {
            target: request.target.to_owned(),
            priority,
            followers: followers.iter().map(|(_, _, target)| target.clone()).collect(),
        };
        let mut set = match self.load()? {
            None => Set {
                is_automatic: true,
                link: request.link.to_owned(),
                followers: names.collect(),
                choices: Vec::new(),
            },
            Some(set) if set.link != request.link || set.followers != names.collect::<Vec<_>>() => {
                return Err(self.refuse("its links change"));
            }
            Some(set) => set,
        };
        let current = match set.choices.is_empty() {
            true => None,
            false => self.current(&set)?,
        };
        match set.choices.iter_mut().find(|known| known.target == choice.target) {
            Some(known) => *known = choice,
            None => set.choices.push(choice),
        }
        self.finish(&set, current)
    }

    /// Saves a set with the links at its best choice, or the one that was chosen.
    fn finish(&mut self, set: &Set, current: Option<String>) -> Status {
        let chosen = current.filter(|_| !set.is_automatic);
        let choice = match chosen {
            Some(target) => set.choices.iter().find(|choice| choice.target == target),
            None => set.best(),
        };
        let Some(choice) = choice.cloned() else { return Err(self.refuse("nothing is chosen")) };
        self.save(set, &choice)?;
        Ok(0)
    }

    /// A set that must be there, with its current choice.
    fn known(&mut self) -> Result<(Set, Option<String>), Stop> {
        match self.load()? {
            Some(set) => {
                let current = self.current(&set)?;
                Ok((set, current))
            }
            None => Err(self.refuse("a set that is not there")),
        }
    }

    fn remove(&mut self, target: &str) -> Status {
        let (mut set, current) = self.known()?;
        let before = set.choices.len();
        set.choices.retain(|choice| choice.target != target);
        if set.choices.len() == before {
            return Err(self.refuse("an alternative that is not there is removed"));
        }
        if set.choices.is_empty() {
            let name = self.name.clone();
            self.clear(&set.link)?;
            self.clear(&format!("{LINKS}/{name}"))?;
            for (name, link) in &set.followers {
                self.clear(link)?;
                self.clear(&format!("{LINKS}/{name}"))?;
            }
            let record = self.record();
            remove(self.process, record.as_bytes())?;
            return Ok(0);
        }
        if current.as_deref() == Some(target) {
            set.is_automatic = true;
        }
        self.finish(&set, current)
    }

    fn set(&mut self, target: &str) -> Status {
        let (mut set, _) = self.known()?;
        if !set.choices.iter().any(|choice| choice.target == target) {
            return Err(self.refuse("an alternative that is not there is chosen"));
        }
        set.is_automatic = false;
        self.finish(&set, Some(target.to_owned()))
    }

    fn automatic(&mut self) -> Status {
        let (mut set, current) = self.known()?;
        set.is_automatic = true;
        self.finish(&set, current)
    }
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    const COMMANDS: &[(&str, imgfix_shell::Command)] =
        &[("alternatives", super::run), ("update-alternatives", super::run)];

    fn image() -> Image {
        Image::with(&["/usr/sbin/alternatives=", "/usr/lib64/", "/etc/", "/var/lib/"], COMMANDS)
    }

    fn leads(image: &Image, path: &str) -> String {
        match image.entry(path).kind {
            imgfix_vfs::Kind::Symlink(target) => String::from_utf8(target).unwrap(),
            kind => panic!("{kind:?}"),
        }
    }

    #[test]
    fn the_best_is_linked_until_one_is_chosen() {
        let mut image = image();
        let add = |target: &str, rank: u32| {
            format!("update-alternatives --install /usr/lib64/x.so x.so.64 {target} {rank}")
        };
        for _ in 0..2 {
            assert_eq!(run(&mut image, &add("/a", 30)), 0);
            let record = image.text("/var/lib/alternatives/x.so.64");
            assert_eq!(record, "auto\n/usr/lib64/x.so\n\n/a\n30\n");
        }
        assert_eq!(leads(&image, "/usr/lib64/x.so"), "/etc/alternatives/x.so.64");
        assert_eq!(leads(&image, "/etc/alternatives/x.so.64"), "/a");
        assert_eq!(run(&mut image, &add("/b", 40)), 0);
        assert_eq!(leads(&image, "/etc/alternatives/x.so.64"), "/b");
        assert_eq!(run(&mut image, "alternatives --set x.so.64 /a"), 0);
        assert_eq!(run(&mut image, &add("/c", 50)), 0);
        assert_eq!(leads(&image, "/etc/alternatives/x.so.64"), "/a");
        assert_eq!(run(&mut image, "alternatives --auto x.so.64"), 0);
        assert_eq!(leads(&image, "/etc/alternatives/x.so.64"), "/c");
        for target in ["/c", "/b", "/a"] {
            let line = format!("alternatives --remove x.so.64 {target}");
            assert_eq!(run(&mut image, &line), 0);
        }
        for path in
            ["/usr/lib64/x.so", "/etc/alternatives/x.so.64", "/var/lib/alternatives/x.so.64"]
        {
            assert!(!image.exists(path), "{path}");
        }
    }

    #[test]
    fn followers_go_with_their_leader() {
        let mut image = image();
        let line =
            "alternatives --install /usr/bin/ed ed /opt/a 5 --slave /usr/share/ed.1 ed.1 /opt/a.1";
        assert!(image.stop("alternatives --display ed").contains("--display"));
        run(&mut image, "mkdir -p /usr/share");
        assert_eq!(run(&mut image, line), 0);
        let record = image.text("/var/lib/alternatives/ed");
        assert_eq!(record, "auto\n/usr/bin/ed\ned.1\n/usr/share/ed.1\n\n/opt/a\n5\n/opt/a.1\n");
        assert_eq!(leads(&image, "/etc/alternatives/ed.1"), "/opt/a.1");
    }

    #[test]
    fn what_is_not_chkconfigs_or_does_not_fit_stops() {
        let mut other = Image::with(&[], &[("update-alternatives", super::run)]);
        assert!(other.stop("update-alternatives --auto x").contains("chkconfig's"));
        let mut image = image();
        run(&mut image, "mkdir -p /var/lib/alternatives");
        run(&mut image, "cp /usr/sbin/alternatives /var/lib/alternatives/x");
        assert!(image.stop("alternatives --auto x").contains("its record cannot be read"));
        run(&mut image, "touch /usr/lib64/real");
        let line = "alternatives --install /usr/lib64/real y /a 1";
        assert!(image.stop(line).contains("/usr/lib64/real is no link"));
    }
}
