//! What `sysusers.d(5)` asks for, line by line: users, groups, members, ranges of numbers.

use std::ops::RangeInclusive;

/// A user or group that has to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// The number that it should have.
    pub number: Option<u32>,
    /// Of a user: its group, by name or number, which is not made then.
    pub group: Option<Group>,
    pub description: String,
    pub home: Option<String>,
    pub shell: Option<String>,
    /// Nobody can log in, whatever the password.
    pub is_locked: bool,
}

/// The group of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    Named(String),
    Numbered(u32),
}

/// Everything that is asked for; of two lines for one name the first counts.
#[derive(Debug, Default)]
pub struct Wanted {
    pub users: Vec<Account>,
    pub groups: Vec<Account>,
    /// Groups with the users that are to be in them.
    pub members: Vec<(String, Vec<String>)>,
    /// Where free numbers are looked for; none: where systemd looks.
    pub ranges: Vec<RangeInclusive<u32>>,
}

/// Why a line has no effect.
pub enum Trouble {
    /// It is none.
    Wrong,
    /// It may be one.
    Unknown,
}

impl Wanted {
    /// Adds a line.
    pub fn add(&mut self, line: &str) -> Result<(), Trouble> {
        let words = words(line).ok_or(Trouble::Wrong)?;
        if words.iter().any(|word| word.contains('%')) {
            return Err(Trouble::Unknown);
        }
        let word = |at: usize| words.get(at).filter(|word| !word.is_empty() && *word != "-");
        if words.len() > 6 {
            return Err(Trouble::Wrong);
        }
        let (Some(action), name, id) = (words.first(), word(1), word(2)) else {
            return Err(Trouble::Wrong);
        };
        match (action.as_str(), name, id) {
            ("r", None, Some(id)) => {
                let (low, high) = id.split_once('-').unwrap_or((id, id));
                let (low, high) = (number(low)?, number(high)?);
                self.ranges.push(low..=high);
            }
            ("m", Some(user), Some(group)) => {
                let (user, group) = (is_name(user)?, is_name(group)?);
                match self.members.iter_mut().find(|(other, _)| *other == group) {
                    Some((_, members)) => members.push(user),
                    None => self.members.push((group, vec![user])),
                }
            }
            ("g", Some(name), id) => {
                let account = Account {
                    name: is_name(name)?,
                    number: id.map(|id| number(id)).transpose()?,
                    ..Account::default()
                };
                add(&mut self.groups, account);
            }
            ("u" | "u!", Some(name), id) => {
                let (id, group) = match id.and_then(|id| id.split_once(':')) {
                    Some((id, group)) => (Some(id), Some(group)),
                    None => (id.map(String::as_str), None),
                };
                let group = group.map(|group| match group.parse() {
                    Ok(number) => Ok(Group::Numbered(number)),
                    Err(_) => is_name(group).map(Group::Named),
                });
                let account = Account {
                    name: is_name(name)?,
                    number: id.filter(|id| *id != "-").map(number).transpose()?,
                    group: group.transpose()?,
                    description: word(3).cloned().unwrap_or_default(),
                    home: word(4).cloned(),
                    shell: word(5).cloned(),
                    is_locked: action == "u!",
                };
                add(&mut self.users, account);
            }
            _ => return Err(Trouble::Wrong),
        }
        Ok(())
    }

    /// Adds the users and groups that only lines about members name.
    pub fn add_implied(&mut self) {
        let named = |name: &String| Account { name: name.clone(), ..Account::default() };
        for (group, members) in &self.members {
            for member in members {
                add(&mut self.users, named(member));
            }
            let is_there = |all: &[Account]| all.iter().any(|account| account.name == *group);
            if !is_there(&self.users) && !is_there(&self.groups) {
                self.groups.push(named(group));
            }
        }
    }
}

fn add(accounts: &mut Vec<Account>, account: Account) {
    if !accounts.iter().any(|other| other.name == account.name) {
        accounts.push(account);
    }
}

/// A number; a path, whose owner has it, is not evaluated.
fn number(text: &str) -> Result<u32, Trouble> {
    match text.parse() {
        Ok(number) => Ok(number),
        Err(_) if text.starts_with('/') => Err(Trouble::Unknown),
        Err(_) => Err(Trouble::Wrong),
    }
}

fn is_name(name: &str) -> Result<String, Trouble> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match name.chars().all(is_plain) && !name.starts_with(['-', '.']) {
        true => Ok(name.to_owned()),
        false => Err(Trouble::Wrong),
    }
}

/// Words as a shell has them, in quotes or not; `None` when a quote is left open.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (_, '\\') => word.get_or_insert_default().push(characters.next()?),
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_ascii_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
