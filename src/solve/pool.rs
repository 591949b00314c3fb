//! [`Pool`]: the versions of packages that a family has met, by number.
//!
//! In come versions as a family knows them ([`Pooled`]), numbered as they are looked up; out
//! come those of a name, those that provide a name, and those that forbid one. What is there
//! already is in the pool from the start, with what the image breaks as it is
//! ([`super::rules::broken`]). Nothing here knows a package manager: what relations mean is in
//! [`super::rules`], and what a version is in the family.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::effort::Effort;
use super::solver::{Name, Relations, Solvable};

/// One version of a package, as its family knows it.
pub trait Pooled {
    /// A test of other versions, by a name that they have: `libc6 (>= 2.36)`.
    type Relation;
    /// Relations of which one has to be satisfied: `Depends: mta | postfix`.
    type Need: Clone;
    /// A relation that nothing may satisfy: `Breaks: libc6 (<< 2.36)`.
    type Ban: Clone;

    /// What it is a version of: from [`Pool::new_name`].
    fn name(&self) -> Name;
    /// Whether repositories have it; otherwise it is what the image has.
    fn is_offered(&self) -> bool;
    /// The names that relations find it by: its own and those that it provides.
    fn names(&self) -> BTreeSet<&str>;
    /// What has to be there with it.
    fn needs(&self) -> impl Iterator<Item = &Self::Need>;
    /// What must not be there with it.
    fn bans(&self) -> impl Iterator<Item = &Self::Ban>;
    /// The relations of a need. Any of them will do.
    fn one_of(need: &Self::Need) -> &[Self::Relation];
    /// The relation of a ban.
    fn forbidden(ban: &Self::Ban) -> &Self::Relation;
    /// The name that a relation is about.
    fn subject(relation: &Self::Relation) -> &str;
    /// How many comparisons it takes to hold a relation against it.
    fn comparisons(&self) -> usize;
    /// For people: `libc6 2.36-9`.
    fn label(&self) -> String;
    /// A need in the family's words: `Depends: mta | postfix`.
    fn need_text(&self, need: &Self::Need) -> String;
    /// A ban in the family's words: `Breaks: libc6 (<< 2.36)`.
    fn ban_text(&self, ban: &Self::Ban) -> String;
}

/// How much of a change a version is. The smaller is taken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It is what the image has.
    None,
    /// Another version with its name is installed.
    Upgrade,
    /// Nothing with its name is installed.
    New,
}

/// Versions, each with its number.
pub type Found<V> = Vec<(Solvable, Rc<V>)>;

/// What the image does not satisfy as it is: it may stay so.
pub struct Broken<V: Pooled> {
    /// Needs of installed versions.
    pub needs: BTreeMap<Name, Vec<V::Need>>,
    /// Pairs of names whose installed versions exclude each other, the smaller first.
    pub at_odds: BTreeSet<(Name, Name)>,
}

impl<V: Pooled> Default for Broken<V> {
    fn default() -> Self {
        Self { needs: BTreeMap::new(), at_odds: BTreeSet::new() }
    }
}

/// What a name can be.
#[derive(Default)]
struct Versions {
    installed: Option<Solvable>,
    /// Most wanted first.
    offered: Vec<Solvable>,
}

/// Everything numbered so far.
struct Numbered<V: Pooled> {
    versions: Vec<Rc<V>>,
    names: Vec<Versions>,
    /// By package, once it was looked up.
    looked_up: HashMap<String, Vec<Name>>,
    /// Names whose providers are all numbered.
    complete: HashSet<String>,
    /// By each of [`Pooled::names`].
    providing: HashMap<String, Vec<Solvable>>,
    /// By the subject.
    forbidding: HashMap<String, Vec<(Solvable, Rc<V::Ban>)>>,
    /// By the name whose installed version they may take the place of.
    replacing: BTreeMap<Name, Vec<Solvable>>,
}

/// Versions of packages by number: see the module.
pub struct Pool<V: Pooled> {
    /// What is installed and broken before any change.
    pub broken: Broken<V>,
    /// The names that the solver must keep ([`super::solver::Task::keep`]).
    pub keep: Vec<Name>,
    /// Installed names that go when nothing needs them ([`super::solver::Task::may_go`]).
    pub may_go: BTreeSet<Name>,
    /// What planning may take.
    pub effort: Effort,
    numbered: RefCell<Numbered<V>>,
    relations: RefCell<HashMap<Solvable, Rc<Relations>>>,
}

impl<V: Pooled> Pool<V> {
    /// Without any version.
    #[must_use]
    pub fn new(effort: Effort) -> Self {
        Self {
            broken: Broken::default(),
            keep: Vec::new(),
            may_go: BTreeSet::new(),
            effort,
            numbered: RefCell::new(Numbered {
                versions: Vec::new(),
                names: Vec::new(),
                looked_up: HashMap::new(),
                complete: HashSet::new(),
                providing: HashMap::new(),
                forbidding: HashMap::new(),
                replacing: BTreeMap::new(),
            }),
            relations: RefCell::default(),
        }
    }

    /// A name for versions of which one at most can be installed.
    pub fn new_name(&self) -> Name {
        let mut numbered = self.numbered.borrow_mut();
        numbered.names.push(Versions::default());
        Name(u32::try_from(numbered.names.len() - 1).unwrap_or(u32::MAX))
    }

    /// Numbers a version and files its names and bans. Of the offered versions of a name the
    /// most wanted is numbered first.
    pub fn number(&self, version: V) -> Solvable {
        let mut numbered = self.numbered.borrow_mut();
        let solvable = Solvable(u32::try_from(numbered.versions.len()).unwrap_or(u32::MAX));
        if let Some(versions) = numbered.names.get_mut(version.name().0 as usize) {
            match version.is_offered() {
                false => versions.installed = Some(solvable),
                true => versions.offered.push(solvable),
            }
        }
        for name in version.names() {
            numbered.providing.entry(name.to_owned()).or_default().push(solvable);
        }
        for ban in version.bans() {
            let subject = V::subject(V::forbidden(ban)).to_owned();
            let forbidding = numbered.forbidding.entry(subject).or_default();
            forbidding.push((solvable, Rc::new(ban.clone())));
        }
        numbered.versions.push(Rc::new(version));
        solvable
    }

    /// The version that has a number.
    #[must_use]
    pub fn get(&self, solvable: Solvable) -> Option<Rc<V>> {
        self.numbered.borrow().versions.get(solvable.0 as usize).cloned()
    }

    /// What is installed with the name of `solvable`.
    #[must_use]
    pub fn installed(&self, solvable: Solvable) -> Option<Solvable> {
        let numbered = self.numbered.borrow();
        let name = numbered.versions.get(solvable.0 as usize)?.name();
        numbered.names.get(name.0 as usize)?.installed
    }

    /// What repositories have with a name, most wanted first.
    #[must_use]
    pub fn offered(&self, name: Name) -> Vec<Solvable> {
        let numbered = self.numbered.borrow();
        numbered.names.get(name.0 as usize).map(|one| one.offered.clone()).unwrap_or_default()
    }

    /// All versions with a name, the installed one first.
    #[must_use]
    pub fn versions(&self, name: Name) -> Vec<Solvable> {
        let numbered = self.numbered.borrow();
        let versions = numbered.names.get(name.0 as usize).into_iter();
        versions.flat_map(|one| one.installed.iter().chain(&one.offered).copied()).collect()
    }

    /// Installed names in the order of their numbers, with what is installed and whether
    /// anything is offered.
    #[must_use]
    pub fn installed_names(&self) -> Vec<(Name, Solvable, bool)> {
        let numbered = self.numbered.borrow();
        let names = (0u32..).map(Name).zip(&numbered.names);
        names
            .filter_map(|(name, one)| Some((name, one.installed?, !one.offered.is_empty())))
            .collect()
    }

    /// Those numbered versions that `wanted` is true of, in the order of their numbers.
    pub fn all(&self, wanted: impl Fn(&V) -> bool) -> Found<V> {
        let numbered = self.numbered.borrow();
        let versions = (0u32..).map(Solvable).zip(&numbered.versions);
        versions
            .filter(|(_, version)| wanted(version))
            .map(|(solvable, version)| (solvable, Rc::clone(version)))
            .collect()
    }

    /// Everything installed, in the order of numbers.
    #[must_use]
    pub fn all_installed(&self) -> Found<V> {
        self.all(|version| !version.is_offered())
    }

    /// Numbered versions that have a name or provide it, in the order of their numbers.
    #[must_use]
    pub fn providing(&self, name: &str) -> Found<V> {
        let numbered = self.numbered.borrow();
        let providing = numbered.providing.get(name).into_iter().flatten();
        providing
            .filter_map(|&solvable| {
                Some((solvable, Rc::clone(numbered.versions.get(solvable.0 as usize)?)))
            })
            .collect()
    }

    /// Says that a version may take the place of another name's installed one.
    pub fn replace(&self, name: Name, by: Solvable) {
        let mut numbered = self.numbered.borrow_mut();
        let list = numbered.replacing.entry(name).or_default();
        if !list.contains(&by) {
            list.push(by);
        }
    }

    /// Versions of other names that may take the place of a name's installed one.
    #[must_use]
    pub fn replacing(&self, name: Name) -> Vec<Solvable> {
        self.numbered.borrow().replacing.get(&name).cloned().unwrap_or_default()
    }

    /// What is installed of other names, and what this may take the place of.
    #[must_use]
    pub fn replaced(&self, by: Solvable) -> Vec<Solvable> {
        let numbered = self.numbered.borrow();
        let names = numbered.replacing.iter().filter(|(_, list)| list.contains(&by));
        names.filter_map(|(name, _)| numbered.names.get(name.0 as usize)?.installed).collect()
    }

    /// Bans about a name, each with the version that has it.
    pub(super) fn forbidding(&self, name: &str) -> Vec<(Solvable, Rc<V::Ban>)> {
        self.numbered.borrow().forbidding.get(name).cloned().unwrap_or_default()
    }

    /// How many [`Self::forbidding`] gives.
    pub(super) fn count_forbidding(&self, name: &str) -> usize {
        self.numbered.borrow().forbidding.get(name).map_or(0, Vec::len)
    }

    /// How many [`Self::providing`] gives.
    pub(super) fn count_providing(&self, name: &str) -> usize {
        self.numbered.borrow().providing.get(name).map_or(0, Vec::len)
    }

    /// What it takes to hold a relation against everything that has a name.
    #[must_use]
    pub fn width_of(&self, name: &str) -> usize {
        let numbered = self.numbered.borrow();
        let providing = numbered.providing.get(name).into_iter().flatten();
        providing
            .filter_map(|solvable| numbered.versions.get(solvable.0 as usize))
            .map(|version| version.comparisons())
            .sum()
    }

    /// How much of a change a version is.
    #[must_use]
    pub fn change(&self, solvable: Solvable, version: &V) -> Change {
        match (version.is_offered(), self.installed(solvable)) {
            (false, _) => Change::None,
            (true, Some(_)) => Change::Upgrade,
            (true, None) => Change::New,
        }
    }

    /// Numbers a package's versions with `work`, once, which gives the names that it made.
    pub fn look_up(&self, package: &str, work: impl FnOnce() -> Vec<Name>) {
        if !self.numbered.borrow().looked_up.contains_key(package) {
            self.file(package, work());
        }
    }

    /// Says that a package is looked up, and which names it has.
    pub fn file(&self, package: &str, names: Vec<Name>) {
        self.numbered.borrow_mut().looked_up.insert(package.to_owned(), names);
    }

    /// The names of a package that was looked up.
    #[must_use]
    pub fn names_of(&self, package: &str) -> Vec<Name> {
        self.numbered.borrow().looked_up.get(package).cloned().unwrap_or_default()
    }

    /// Whether all providers of a name are numbered.
    pub(super) fn has_all_providers(&self, name: &str) -> bool {
        self.numbered.borrow().complete.contains(name)
    }

    /// Says that all providers of a name are numbered.
    pub(super) fn set_all_providers(&self, name: &str) {
        self.numbered.borrow_mut().complete.insert(name.to_owned());
    }

    /// Forgets relations that were worked out, as their rules have changed.
    pub fn forget_relations(&mut self) {
        self.relations.get_mut().clear();
    }

    /// The relations of a version, by `work` when they are asked for first.
    pub(super) fn relations(
        &self,
        solvable: Solvable,
        work: impl FnOnce() -> Relations,
    ) -> Rc<Relations> {
        if let Some(known) = self.relations.borrow().get(&solvable) {
            return Rc::clone(known);
        }
        let relations = Rc::new(work());
        self.relations.borrow_mut().insert(solvable, Rc::clone(&relations));
        relations
    }
}
