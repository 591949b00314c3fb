//! Rules of a family that is made up: a version is written `name version`, then words:
//! `:other` for what it provides, `+a|b` for a need, `-a` for a ban. `a=2` is about that version
//! only. Two that provide a name that begins with `one-` are rivals.

use std::collections::BTreeSet;

use super::*;
use crate::pool::Change;

struct Made {
    name: Name,
    package: String,
    version: u32,
    offered: bool,
    provides: Vec<String>,
    needs: Vec<Vec<String>>,
    bans: Vec<String>,
}

impl Pooled for Made {
    type Relation = String;
    type Need = Vec<String>;
    type Ban = String;

    fn name(&self) -> Name {
        self.name
    }

    fn is_offered(&self) -> bool {
        self.offered
    }

    fn names(&self) -> BTreeSet<&str> {
        let provides = self.provides.iter().map(String::as_str);
        provides.chain([self.package.as_str()]).collect()
    }

    fn needs(&self) -> impl Iterator<Item = &Vec<String>> {
        self.needs.iter()
    }

    fn bans(&self) -> impl Iterator<Item = &String> {
        self.bans.iter()
    }

    fn one_of(need: &Vec<String>) -> &[String] {
        need
    }

    fn forbidden(ban: &String) -> &String {
        ban
    }

    fn subject(relation: &String) -> &str {
        relation.split('=').next().unwrap()
    }

    fn comparisons(&self) -> usize {
        1
    }

    fn label(&self) -> String {
        format!("{} {}", self.package, self.version)
    }

    fn need_text(&self, need: &Vec<String>) -> String {
        format!("needs {}", need.join("|"))
    }

    fn ban_text(&self, ban: &String) -> String {
        format!("bans {ban}")
    }
}

/// What is offered and not installed is looked up by its name.
struct Family {
    pool: Pool<Made>,
    repository: Vec<&'static str>,
}

impl Family {
    fn new(image: &[&'static str], repository: &[&'static str]) -> Self {
        Self::losing(image, repository, &[])
    }

    /// With packages that may go.
    fn losing(image: &[&'static str], repository: &[&'static str], loose: &[&str]) -> Self {
        let mut family =
            Self { pool: Pool::new(Effort::default()), repository: repository.to_vec() };
        for line in image {
            let name = family.pool.new_name();
            let installed = made(name, line, false);
            if loose.contains(&installed.package.as_str()) {
                family.pool.may_go.insert(name);
            }
            let package = installed.package.clone();
            family.pool.number(installed);
            family.number(&package, name);
            family.pool.file(&package, vec![name]);
        }
        family.pool.broken = broken(&family);
        family.pool.keep = with_a_choice(&family);
        family
    }

    fn number(&self, package: &str, name: Name) {
        for line in &self.repository {
            let offered = made(name, line, true);
            if offered.package == package {
                self.pool.number(offered);
            }
        }
    }

    fn find(&self, label: &str) -> Solvable {
        self.look_up(label.split(' ').next().unwrap());
        self.pool.all(|version| version.label() == label)[0].0
    }

    fn labels(&self, solvables: &[Solvable]) -> Vec<String> {
        solvables.iter().map(|&solvable| self.describe(solvable)).collect()
    }

    /// `text: alternatives` of what a version requires.
    fn requires(&self, label: &str) -> Vec<String> {
        let relations = self.relations(self.find(label));
        let requires = relations.requires.iter();
        requires
            .map(|one| format!("{}: {}", one.text, self.labels(&one.alternatives).join(", ")))
            .collect()
    }

    /// `text: with` of what a version excludes, and who says so.
    fn excludes(&self, label: &str) -> Vec<String> {
        let relations = self.relations(self.find(label));
        let excludes = relations.excludes.iter();
        excludes
            .map(|one| {
                let (with, by) = (self.describe(one.with), self.describe(one.declared_by));
                format!("{with}: {by} {}", one.text)
            })
            .collect()
    }

    fn impossible(&self, label: &str) -> Option<(String, Option<String>)> {
        let relations = self.relations(self.find(label));
        let found = relations.impossible.clone()?;
        Some((found.why, found.because_of.map(|one| self.describe(one))))
    }
}

fn made(name: Name, line: &str, offered: bool) -> Made {
    let mut words = line.split(' ');
    let package = words.next().unwrap().to_owned();
    let version = words.next().unwrap().parse().unwrap();
    let words: Vec<&str> = words.collect();
    let of = |sign| words.iter().filter_map(move |word| word.strip_prefix(sign));
    Made {
        name,
        package,
        version,
        offered,
        provides: of(':').map(str::to_owned).collect(),
        needs: of('+').map(|need| need.split('|').map(str::to_owned).collect()).collect(),
        bans: of('-').map(str::to_owned).collect(),
    }
}

fn is_about(relation: &str, version: &Made) -> bool {
    match relation.split_once('=') {
        Some((name, wanted)) => version.package == name && version.version.to_string() == wanted,
        None => version.names().contains(relation),
    }
}

impl Rules for Family {
    type Version = Made;

    const LOOKUP: usize = 1000;

    fn pool(&self) -> &Pool<Made> {
        &self.pool
    }

    fn satisfies(&self, relation: &String, _: &Made, other: &Made) -> bool {
        is_about(relation, other)
    }

    fn forbids(&self, ban: &String, _: &Made, other: &Made) -> bool {
        is_about(ban, other)
    }

    fn is_contested(&self, name: &str, _: &Made) -> bool {
        name.starts_with("one-")
    }

    fn rivalry(&self, name: &str, version: &Made, other: &Made) -> Option<Rivalry> {
        let text = format!("provides {name}");
        (version.package != other.package).then_some(Rivalry { text, mutual: true })
    }

    fn likeness(&self, before: &Vec<String>, need: &Vec<String>) -> Likeness {
        let subjects = |need: &Vec<String>| -> Vec<String> {
            need.iter().map(|one| Made::subject(one).to_owned()).collect()
        };
        match before == need {
            true => Likeness::Same,
            false if subjects(before) == subjects(need) => Likeness::SameSubject,
            false => Likeness::Different,
        }
    }

    fn alternatives(
        &self,
        need: &Vec<String>,
        asking: &Made,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide> {
        let mut found: Vec<(Change, Solvable)> = Vec::new();
        for relation in need {
            number_providers(self, Made::subject(relation), width)?;
            let mut providing = self.pool.providing(Made::subject(relation));
            providing.retain(|(_, version)| self.satisfies(relation, asking, version));
            let changes = providing.into_iter();
            found.extend(changes.map(|(one, version)| (self.pool.change(one, &version), one)));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, solvable)| solvable).collect())
    }

    fn providers(&self, name: &str) -> Vec<String> {
        let offered = self.repository.iter().map(|line| made(Name(0), line, true));
        offered
            .filter(|version| version.names().contains(name))
            .map(|version| version.package)
            .collect()
    }

    fn look_up(&self, package: &str) {
        self.pool.look_up(package, || {
            let name = self.pool.new_name();
            self.number(package, name);
            vec![name]
        });
    }
}

#[test]
fn only_what_can_change_is_told_to_the_solver() {
    let family = Family::new(
        &["a 1 +fast +b +c=1|d", "b 1", "c 1", "fast 1"],
        &["b 2", "c 2", "d 1", "e 1 :d +new", "new 1"],
    );
    // b has its name in every version, and only c can come into a state that does not do
    assert_eq!(family.requires("a 1"), ["needs c=1|d: c 1, d 1, e 1"]);
    let keep = family.pool.keep.iter();
    let keep: Vec<Solvable> = keep.map(|&name| family.candidates(name)[0]).collect();
    assert_eq!(family.labels(&keep), ["a 1", "b 1", "c 1"]);
    assert_eq!(family.requires("e 1"), ["needs new: new 1"]);
    let (before, after) = (family.find("c 1"), family.find("c 2"));
    assert_eq!(family.pool.installed(after), Some(before));
    assert_eq!(family.candidates(family.name(after)), [before, after]);
}

#[test]
fn what_may_go_holds_nothing() {
    let (image, repository) = (["a 1 +b", "b 1"], ["c 1 :b"]);
    assert_eq!(Family::new(&image, &repository).requires("a 1"), [] as [&str; 0]);
    let family = Family::losing(&image, &repository, &["b"]);
    assert_eq!(family.requires("a 1"), ["needs b: b 1, c 1"]);
    assert_eq!(family.pool.keep, [family.name(family.find("a 1"))]);
}

#[test]
fn what_nothing_satisfies_can_never_be() {
    let family = Family::new(&["a 1"], &["a 2 +b|c", "a 3 +a=9"]);
    let why = |need| format!("it has needs {need}, which nothing in the repositories satisfies");
    assert_eq!(family.impossible("a 2"), Some((why("b|c"), None)));
    assert_eq!(family.impossible("a 3"), Some((why("a=9"), None)));
    assert_eq!(family.impossible("a 1"), None);
}

#[test]
fn what_is_broken_already_may_stay_so() {
    let family = Family::new(
        &["a 1 +b +c=2", "c 1 -d", "d 1"],
        &["a 2 +b", "a 3 +b=7", "a 4 +c=3", "a 5 +e", "c 2 -d", "d 2"],
    );
    let is_possible = |label| family.impossible(label).is_none();
    // the same need, and one about the same name that nothing has
    assert!(is_possible("a 2") && is_possible("a 3"));
    // c is there, so a need of another version is another need
    assert!(!is_possible("a 4") && !is_possible("a 5"));
    assert_eq!(family.excludes("c 2"), [] as [&str; 0]);
    assert_eq!(family.excludes("d 2"), [] as [&str; 0]);
}

#[test]
fn of_two_that_exclude_each_other_the_one_that_is_asked_later_says_so() {
    let image = ["a 1", "b 1"];
    let repository = ["a 2 -b=1", "b 2 -a=1", "c 1 :one-x", "d 1 :one-x"];
    let family = Family::new(&image, &repository);
    assert_eq!(family.excludes("a 2"), ["b 1: a 2 bans b=1"]);
    assert_eq!(family.excludes("b 1"), ["a 2: a 2 bans b=1"]);
    assert_eq!(family.excludes("c 1"), [] as [&str; 0]);
    assert_eq!(family.excludes("d 1"), ["c 1: d 1 provides one-x"]);
}

#[test]
fn what_cannot_change_is_in_the_way() {
    let image = ["a 1", "b 1 -a=3", "r 1 :one-x"];
    let repository = ["a 2 -b", "a 3", "n 1 :one-x"];
    let family = Family::new(&image, &repository);
    let of_b = Some("b 1".to_owned());
    let want = ("it has bans b, and b 1 cannot change".to_owned(), of_b.clone());
    assert_eq!(family.impossible("a 2"), Some(want));
    let want = ("b 1 has bans a=3, and b 1 cannot change".to_owned(), of_b);
    assert_eq!(family.impossible("a 3"), Some(want));
    let want = ("it has provides one-x, as r 1 has".to_owned(), Some("r 1".to_owned()));
    assert_eq!(family.impossible("n 1"), Some(want));
    let family = Family::losing(&image, &repository, &["b", "r"]);
    for label in ["a 2", "a 3", "n 1"] {
        assert_eq!(family.impossible(label), None);
        assert_eq!(family.excludes(label).len(), 1);
    }
}

#[test]
fn looking_up_has_a_bound() {
    let family = Family::new(&["a 1"], &["a 2 +p"]);
    let mut width = Width::new(&family.pool.effort);
    assert_eq!(number_providers(&family, "a", &mut width), Ok(()));
    assert_eq!(width.compare(2_000_000 - 1000), Ok(()), "one package provides the name");
    assert_eq!(number_providers(&family, "a", &mut width), Ok(()), "it is done already");
    assert_eq!(width.compare(1), Err(TooWide));
}
