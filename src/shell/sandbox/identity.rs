//! [`Identity`]: whom the users of a sandbox are outside.
//!
//! In come the tables of this machine's accounts and subordinate numbers (passwd(5),
//! subuid(5), subgid(5)) and of the numbers that this user namespace has
//! (user_namespaces(7)); out come the lines of a new namespace's maps. Nobody inside is
//! anybody outside: not root, not the user who runs this program, no other account. What gets
//! out of the namespaces would have no rights there.

use std::path::Path;

use super::super::Stop;

/// So many numbers are those of every image: 0 to nobody's 65534, and one more.
const COMMON: u32 = 1 << 16;

/// So many numbers above them one image may use besides.
const MAX_HIGH: u32 = 300;

/// What an image uses in place of high numbers when a range has only [`COMMON`] numbers:
/// Debian reserves 65000 to 65533, and nobody else gives numbers away there either.
const HOLE: u32 = 65_534 - MAX_HIGH;

/// For root without subordinate numbers: above what systemd gives to containers (up to
/// 1879048191) and sssd to accounts of a directory (up to 2000200000), below systemd's foreign
/// numbers (from 2147352576).
const FIXED: Range = Range { first: 2_130_706_432, count: COMMON + MAX_HIGH };

const REMEDY: &str = "add a line `USER:100000:65536` with numbers that no account and no other \
                      line has to /etc/subuid and to /etc/subgid";

/// Numbers outside, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: u32,
    pub count: u32,
}

impl Range {
    fn holds(&self, number: u32) -> bool {
        number >= self.first && number - self.first < self.count
    }

    fn meets(&self, other: &Self) -> bool {
        self.holds(other.first) || other.holds(self.first)
    }
}

/// Who writes the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This process: it is root.
    Itself,
    /// `newuidmap(1)` and `newgidmap(1)`.
    Program,
}

/// The numbers that users and groups of a sandbox have outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub users: Range,
    pub groups: Range,
    pub writer: Writer,
}

/// A line of a map: first number inside, first number outside, how many.
pub type Line = (u32, u32, u32);

/// What this machine says of numbers of one kind.
#[derive(Debug, Default, Clone)]
struct Numbers {
    /// passwd(5) or group(5).
    accounts: String,
    /// subuid(5) or subgid(5).
    subordinate: String,
    /// `/proc/self/uid_map` or `gid_map`.
    map: String,
}

impl Numbers {
    fn read(accounts: &str, subordinate: &str, map: &str) -> Self {
        let read = |path: &str| {
            let bytes = std::fs::read(Path::new(path)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self { accounts: read(accounts), subordinate: read(subordinate), map: read(map) }
    }

    fn of_accounts(&self) -> impl Iterator<Item = u32> {
        self.accounts.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok())
    }

    /// Owners and ranges of the subordinate numbers.
    fn ranges(&self) -> impl Iterator<Item = (&str, Range)> {
        self.subordinate.lines().filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next().filter(|owner| !owner.is_empty())?;
            let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some((owner, Range { first, count }))
        })
    }

    /// Why nobody may have these numbers.
    fn objection(&self, range: Range) -> Option<String> {
        let last = range.first.checked_add(range.count);
        if range.count < COMMON || last.is_none() {
            return Some(format!("there are {} of them, and an image has {COMMON}", range.count));
        }
        if range.first == 0 {
            return Some("root is among them".to_owned());
        }
        if let Some(account) = self.of_accounts().find(|number| range.holds(*number)) {
            return Some(format!("the account with number {account} is among them"));
        }
        let is_there = self.map.lines().any(|line| {
            let mut fields = line.split_whitespace().map(str::parse);
            match (fields.next(), fields.next(), fields.next()) {
                (Some(Ok(first)), Some(Ok::<u32, _>(_)), Some(Ok(count))) => {
                    let all = Range { first, count };
                    all.holds(range.first) && all.holds(range.first + (range.count - 1))
                }
                _ => false,
            }
        });
        (!is_there).then(|| "this user namespace does not have them".to_owned())
    }

    /// The numbers for an owner with one of these names.
    fn choose(&self, kind: &str, owners: &[&str], fixed: Option<Range>) -> Result<Range, String> {
        let mut objections = Vec::new();
        let named = self.ranges().filter(|(owner, _)| owners.contains(owner));
        for range in named.map(|(_, range)| range) {
            match self.objection(range) {
                None => return Ok(range),
                Some(why) => objections.push(format!("not from {}: {why}", range.first)),
            }
        }
        if let Some(fixed) = fixed {
            let mut others = self.ranges().filter(|(owner, _)| !owners.contains(owner));
            let given = others.find(|(_, range)| range.meets(&fixed));
            match (self.objection(fixed), given) {
                (None, None) => return Ok(fixed),
                (Some(why), _) => objections.push(format!("not from {}: {why}", fixed.first)),
                (None, Some((owner, _))) => {
                    objections.push(format!("not from {}: {owner} has them", fixed.first));
                }
            }
        }
        if objections.is_empty() {
            objections.push("none are given to this user".to_owned());
        }
        Err(format!("subordinate {kind} numbers ({})", objections.join("; ")))
    }
}

impl Identity {
    /// # Errors
    /// There are no numbers that nobody else has.
    pub fn of_this_user() -> Result<Self, Stop> {
        let users = Numbers::read("/etc/passwd", "/etc/subuid", "/proc/self/uid_map");
        let groups = Numbers::read("/etc/group", "/etc/subgid", "/proc/self/gid_map");
        Self::choose(rustix::process::geteuid().as_raw(), &users, &groups)
    }

    fn choose(user: u32, users: &Numbers, groups: &Numbers) -> Result<Self, Stop> {
        let number = user.to_string();
        let account = users.accounts.lines().find(|line| line.split(':').nth(2) == Some(&number));
        let name = account.and_then(|line| line.split(':').next()).unwrap_or_default();
        let owners = [name, number.as_str()];
        let is_root = user == 0;
        let fixed = is_root.then_some(FIXED);
        let chosen = |numbers: &Numbers, kind| {
            numbers.choose(kind, &owners, fixed).map_err(|why| {
                Stop::new(format!("a sandbox needs {why}: {}", REMEDY.replace("USER", name)))
            })
        };
        Ok(Self {
            users: chosen(users, "user")?,
            groups: chosen(groups, "group")?,
            writer: if is_root { Writer::Itself } else { Writer::Program },
        })
    }
}

/// The numbers above [`COMMON`] that an image uses, in the order in which they were met:
/// what has a place once keeps it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct High(Vec<u32>);

impl High {
    pub fn meet(&mut self, number: u32) {
        if number >= COMMON && !self.0.contains(&number) && self.0.len() <= MAX_HIGH as usize {
            self.0.push(number);
        }
    }
}

/// The lines of a map to `range`.
///
/// # Errors
/// The image uses too many high numbers.
pub fn map(range: Range, high: &High) -> Result<Vec<Line>, Stop> {
    let count = high.0.len() as u32;
    if count > MAX_HIGH {
        return Err(Stop::new(format!(
            "its files have more than {MAX_HIGH} owners above {}",
            COMMON - 1
        )));
    }
    let (mut lines, place) = if count == 0 || range.count - COMMON >= count {
        (vec![(0, range.first, COMMON)], range.first + COMMON)
    } else {
        let (first, behind) = (range.first, HOLE + MAX_HIGH);
        (vec![(0, first, HOLE), (behind, first + behind, COMMON - behind)], first + HOLE)
    };
    lines.extend(high.0.iter().zip(place..).map(|(inside, outside)| (*inside, outside, 1)));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(accounts: &str, subordinate: &str, map: &str) -> Numbers {
        Numbers {
            accounts: accounts.to_owned(),
            subordinate: subordinate.to_owned(),
            map: map.to_owned(),
        }
    }

    const ALL: &str = "         0          0 4294967295\n";
    const ACCOUNTS: &str = "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n";

    #[test]
    fn the_numbers_are_nobodys_and_never_roots() {
        let fixed = FIXED.first;
        let cases: &[(u32, &str, &str, Result<u32, &str>)] = &[
            // root: its own line, else fixed ones
            (0, "root:100000:65536\n", ALL, Ok(100_000)),
            (0, "0:200000:65536\n", ALL, Ok(200_000)),
            (0, "me:100000:65536\n", ALL, Ok(fixed)),
            (0, "", ALL, Ok(fixed)),
            (0, "root:0:4294967295\n", ALL, Ok(fixed)),
            (0, "root:0:4294967295\n", "0 1000 1\n1 100000 65536", Err("root is among them")),
            (0, "", "0 1000 1\n1 100000 65536\n", Err("this user namespace does not have them")),
            (0, "someone:2130700000:100000\n", ALL, Err("someone has them")),
            // others: their own line, by name or number
            (1000, "# c\nother:100000:65536\nme:165536:65536\n", ALL, Ok(165_536)),
            (1000, "1000:300000:65536\n", ALL, Ok(300_000)),
            (1000, "me:1:2\nme:165536:65537\n", ALL, Ok(165_536)),
            (1000, "", ALL, Err("none are given to this user")),
            (1000, "me:100000:10\n", ALL, Err("there are 10 of them")),
            (1000, "me:0:65536\n", ALL, Err("root is among them")),
            (1000, "me:900:65536\n", ALL, Err("the account with number 1000 is among them")),
            (1000, "me:4294967295:65536\n", ALL, Err("there are 65536 of them")),
            (1001, ":100000:65536\n", ALL, Err("none are given to this user")),
        ];
        for (user, subordinate, map, wanted) in cases {
            let all = numbers(ACCOUNTS, subordinate, map);
            let chosen = Identity::choose(*user, &all, &all);
            match (chosen, wanted) {
                (Ok(chosen), Ok(first)) => {
                    assert_eq!(chosen.users.first, *first, "{subordinate}");
                    let writer = if *user == 0 { Writer::Itself } else { Writer::Program };
                    assert_eq!(chosen.writer, writer);
                }
                (Err(stop), Err(why)) => {
                    assert!(stop.detail.contains(why), "{subordinate}: {stop}");
                    assert!(stop.detail.contains("/etc/subuid"), "{stop}");
                }
                (chosen, wanted) => panic!("{subordinate}: {chosen:?}, not {wanted:?}"),
            }
        }
    }

    fn met(numbers: impl IntoIterator<Item = u32>) -> High {
        let mut high = High::default();
        numbers.into_iter().for_each(|number| high.meet(number));
        high
    }

    #[test]
    fn every_number_that_an_image_uses_has_its_own_outside() {
        let small = Range { first: 100_000, count: 65_536 };
        let large = Range { first: 100_000, count: 65_538 };
        let high = met([5, 70_000, 65_535, 1_000_650_000, 70_000]);
        assert_eq!(map(small, &met([])).unwrap(), [(0, 100_000, 65_536)]);
        assert_eq!(
            map(large, &high).unwrap(),
            [(0, 100_000, 65_536), (70_000, 165_536, 1), (1_000_650_000, 165_537, 1)]
        );
        assert_eq!(
            map(small, &high).unwrap(),
            [
                (0, 100_000, 65_234),
                (65_534, 165_534, 2),
                (70_000, 165_234, 1),
                (1_000_650_000, 165_235, 1)
            ]
        );
        assert_eq!(map(FIXED, &met(70_000..70_300)).unwrap().len(), 301);
        for range in [small, large, FIXED] {
            assert!(map(range, &met(70_000..70_301)).is_err());
        }
    }

    #[test]
    fn a_map_stays_in_its_range_and_gives_no_number_twice() {
        for count in [65_536, 65_540, FIXED.count] {
            let range = Range { first: 100_000, count };
            for high in [0, 1, 5, 300] {
                let lines = map(range, &met(1_000_000..1_000_000 + high)).unwrap();
                let mut outside: Vec<_> = lines.iter().map(|line| (line.1, line.2)).collect();
                outside.sort_unstable();
                assert!(
                    outside.iter().all(|(first, count)| *first >= 100_000
                        && first + count <= 100_000 + range.count)
                );
                assert!(outside.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0));
            }
        }
    }
}
