//! [`Rules`]: what relations between versions mean, and what follows from it for the solver.
//!
//! In come a family's rules over its [`Pool`]; out comes a [`Universe`]: for each version what
//! it requires and excludes, and why it can never be. Two things are alike in all families: what
//! holds whatever is chosen is not told to the solver, and what the image breaks already may
//! stay broken in the same way. Only what can be reached from newer versions of installed
//! packages is ever looked up, so that a plan costs what changes and not what repositories hold.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use super::effort::{Effort, TooWide, Width};
use super::pool::{Broken, Pool, Pooled};
use super::solver::{Exclusion, Impossible, Name, Relations, Requirement, Solvable, Universe};

/// What a family's relations mean.
pub trait Rules {
    /// What it knows of a version.
    type Version: Pooled;
    /// How many comparisons are charged for looking up a package in the index.
    const LOOKUP: usize;

    /// What is numbered so far.
    fn pool(&self) -> &Pool<Self::Version>;

    /// Whether `other` satisfies a relation of a need of `asking`.
    fn satisfies(
        &self,
        relation: &RelationOf<Self>,
        asking: &Self::Version,
        other: &Self::Version,
    ) -> bool;

    /// Whether a ban of `by` is about `other`.
    fn forbids(&self, ban: &BanOf<Self>, by: &Self::Version, other: &Self::Version) -> bool;

    /// Whether others that have `name` too may exclude `version` for that.
    fn is_contested(&self, name: &str, version: &Self::Version) -> bool;

    /// Whether two versions that both have a contested name exclude each other, and how that is
    /// said.
    fn rivalry(
        &self,
        name: &str,
        version: &Self::Version,
        other: &Self::Version,
    ) -> Option<Rivalry>;

    /// How much a need says the same as one that was broken before.
    fn likeness(&self, before: &NeedOf<Self>, need: &NeedOf<Self>) -> Likeness;

    /// All versions that satisfy a need, most wanted first, looked up with
    /// [`number_providers`].
    ///
    /// # Errors
    /// It is about more than any real one.
    fn alternatives(
        &self,
        need: &NeedOf<Self>,
        asking: &Self::Version,
        width: &mut Width<'_>,
    ) -> Result<Vec<Solvable>, TooWide>;

    /// Packages of the index that provide a name, one for each version that does.
    fn providers(&self, name: &str) -> Vec<String>;

    /// Numbers the offered versions of a package that is not installed
    /// ([`Pool::look_up`]).
    fn look_up(&self, package: &str);

    /// Whether a version satisfies its own need.
    ///
    /// # Errors
    /// Comparing takes more than with any real one.
    fn holds_alone(
        &self,
        _version: &Self::Version,
        _need: &NeedOf<Self>,
        _width: &mut Width<'_>,
    ) -> Result<bool, TooWide> {
        Ok(false)
    }

    /// Why a version can never be installed, for what it says of itself.
    ///
    /// # Errors
    /// Comparing takes more than with any real one.
    fn against_itself(
        &self,
        _version: &Self::Version,
        _width: &mut Width<'_>,
    ) -> Result<Option<String>, TooWide> {
        Ok(None)
    }

    /// For people, among packages of all architectures: `libc6:i386 2.36-9`.
    fn shown(&self, version: &Self::Version) -> String {
        version.label()
    }
}

/// [`Pooled::Relation`] of a family's versions.
pub type RelationOf<R> = <<R as Rules>::Version as Pooled>::Relation;
/// [`Pooled::Need`] of a family's versions.
pub type NeedOf<R> = <<R as Rules>::Version as Pooled>::Need;
/// [`Pooled::Ban`] of a family's versions.
pub type BanOf<R> = <<R as Rules>::Version as Pooled>::Ban;

/// Why two versions exclude each other without either's ban.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rivalry {
    /// In the family's words: `provides: so:libz.so.1`.
    pub text: String,
    /// Whether it is said of both.
    pub mutual: bool,
}

/// How much a need says the same as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Word by word.
    Same,
    /// About the same names: it is the same need as long as nothing there has one of them.
    SameSubject,
    /// It asks for something else.
    Different,
}

impl<R: Rules> Universe for R {
    fn name(&self, solvable: Solvable) -> Name {
        self.pool().get(solvable).map_or(Name(u32::MAX), |version| version.name())
    }

    fn candidates(&self, name: Name) -> Vec<Solvable> {
        self.pool().versions(name)
    }

    fn replacing(&self, name: Name) -> Vec<Solvable> {
        self.pool().replacing(name)
    }

    fn is_installed(&self, solvable: Solvable) -> bool {
        self.pool().get(solvable).is_some_and(|version| !version.is_offered())
    }

    fn relations(&self, solvable: Solvable) -> Rc<Relations> {
        self.pool().relations(solvable, || {
            let mut width = Width::new(&self.pool().effort);
            relations_of(self, solvable, &mut width)
                .unwrap_or_else(|too_wide| never(too_wide.to_string()))
        })
    }

    fn describe(&self, solvable: Solvable) -> String {
        self.pool().get(solvable).map(|version| self.shown(&version)).unwrap_or_default()
    }

    fn effort(&self) -> &Effort {
        &self.pool().effort
    }
}

/// Finds what the image does not satisfy as it is. All that is installed is numbered before.
#[must_use]
pub fn broken<R: Rules>(rules: &R) -> Broken<R::Version> {
    let pool = rules.pool();
    let mut broken = Broken::default();
    for (_, version) in pool.all_installed() {
        for need in version.needs() {
            let satisfied = R::Version::one_of(need).iter().any(|relation| {
                pool.providing(R::Version::subject(relation)).iter().any(|(_, other)| {
                    !other.is_offered() && rules.satisfies(relation, &version, other)
                })
            });
            if !satisfied {
                broken.needs.entry(version.name()).or_default().push(need.clone());
            }
        }
        let mut exclude = |other: Rc<R::Version>| {
            broken.at_odds.insert(pair(version.name(), other.name()));
        };
        for ban in version.bans() {
            let subject = R::Version::subject(R::Version::forbidden(ban));
            let there = pool.providing(subject).into_iter().map(|(_, other)| other);
            there
                .filter(|other| !other.is_offered() && rules.forbids(ban, &version, other))
                .for_each(&mut exclude);
        }
        for name in version.names() {
            if !rules.is_contested(name, &version) {
                continue;
            }
            let there = pool.providing(name).into_iter().map(|(_, other)| other);
            there
                .filter(|other| !other.is_offered())
                .filter(|other| rules.rivalry(name, &version, other).is_some())
                .for_each(&mut exclude);
        }
    }
    broken
}

/// The installed names that the solver must know from the start: those that stay and have a
/// newer version, or a relation that an upgrade of another package could break.
#[must_use]
pub fn with_a_choice<R: Rules>(rules: &R) -> Vec<Name> {
    let pool = rules.pool();
    let names = pool.installed_names().into_iter();
    names
        .filter(|(name, ..)| !pool.may_go.contains(name))
        .filter(|(name, installed, choice)| {
            *choice
                || !pool.replacing(*name).is_empty()
                || !rules.relations(*installed).requires.is_empty()
        })
        .map(|(name, ..)| name)
        .collect()
}

/// Whether a need of a newer version was broken before, in the same form: word by word, or about
/// the same names that nothing there has.
#[must_use]
pub fn was_broken<R: Rules>(rules: &R, name: Name, need: &NeedOf<R>) -> bool {
    let pool = rules.pool();
    let absent = || {
        R::Version::one_of(need).iter().all(|relation| {
            let there = pool.providing(R::Version::subject(relation));
            there.iter().all(|(_, version)| version.is_offered())
        })
    };
    let mut before = pool.broken.needs.get(&name).into_iter().flatten();
    before.any(|before| match rules.likeness(before, need) {
        Likeness::Same => true,
        Likeness::SameSubject => absent(),
        Likeness::Different => false,
    })
}

/// Numbers all packages that provide a name, once.
///
/// # Errors
/// They are more than of any real name.
pub fn number_providers<R: Rules>(
    rules: &R,
    name: &str,
    width: &mut Width<'_>,
) -> Result<(), TooWide> {
    if rules.pool().has_all_providers(name) {
        return Ok(());
    }
    let providers = rules.providers(name);
    width.compare(providers.len().saturating_mul(R::LOOKUP))?;
    for package in providers {
        rules.look_up(&package);
    }
    rules.pool().set_all_providers(name);
    Ok(())
}

/// Relations of what can never be installed.
fn never(why: String) -> Relations {
    Relations { impossible: Some(Impossible { why, because_of: None }), ..Relations::default() }
}

fn relations_of<R: Rules>(
    rules: &R,
    solvable: Solvable,
    width: &mut Width<'_>,
) -> Result<Relations, TooWide> {
    let pool = rules.pool();
    let Some(version) = pool.get(solvable) else { return Ok(Relations::default()) };
    let mut relations = Relations::default();
    for need in version.needs() {
        for relation in R::Version::one_of(need) {
            width.compare(1 + pool.width_of(R::Version::subject(relation)))?;
        }
        if rules.holds_alone(&version, need, width)?
            || was_broken(rules, version.name(), need)
            || always_holds(rules, need, &version)
        {
            continue;
        }
        let alternatives = rules.alternatives(need, &version, width)?;
        let text = version.need_text(need);
        if alternatives.is_empty() {
            let why = format!("it has {text}, which nothing in the repositories satisfies");
            relations.impossible = Some(Impossible { why, because_of: None });
            return Ok(relations);
        }
        relations.requires.push(Requirement { alternatives, text });
    }
    if let Some(why) = rules.against_itself(&version, width)? {
        relations.impossible = Some(Impossible { why, because_of: None });
    }
    exclude(rules, solvable, &version, &mut relations, width)?;
    Ok(relations)
}

/// Whether something that is installed, and stays, satisfies a need whatever is upgraded.
fn always_holds<R: Rules>(rules: &R, need: &NeedOf<R>, asking: &R::Version) -> bool {
    let pool = rules.pool();
    R::Version::one_of(need).iter().any(|relation| {
        let mut satisfying = pool.providing(R::Version::subject(relation));
        satisfying.retain(|(_, version)| rules.satisfies(relation, asking, version));
        let satisfied_by: HashSet<Solvable> =
            satisfying.iter().map(|(solvable, _)| *solvable).collect();
        let mut stay = satisfying
            .iter()
            .filter(|(_, version)| !version.is_offered() && !pool.may_go.contains(&version.name()));
        stay.any(|(_, version)| {
            let mut others = pool.offered(version.name());
            others.extend(pool.replacing(version.name()));
            others.iter().all(|other| satisfied_by.contains(other))
        })
    })
}

/// What excludes another version.
struct Excluded {
    text: String,
    declared_by: Solvable,
    mutual: bool,
}

/// Exclusions with everything numbered so far. Of two versions the one whose relations are
/// worked out later finds the other, so that no pair is missed.
fn exclude<R: Rules>(
    rules: &R,
    solvable: Solvable,
    version: &R::Version,
    relations: &mut Relations,
    width: &mut Width<'_>,
) -> Result<(), TooWide> {
    let pool = rules.pool();
    for (with, excluded) in excluded(rules, solvable, version, width)? {
        let Some(other) = pool.get(with) else { continue };
        if other.name() == version.name()
            || pool.broken.at_odds.contains(&pair(other.name(), version.name()))
        {
            continue;
        }
        let Excluded { text, declared_by, mutual } = excluded;
        let fixed = !other.is_offered()
            && pool.offered(other.name()).is_empty()
            && pool.replacing(other.name()).is_empty()
            && !pool.may_go.contains(&other.name());
        if fixed && version.is_offered() && relations.impossible.is_none() {
            let label = other.label();
            let who = if declared_by == solvable { "it" } else { label.as_str() };
            let why = match mutual {
                true => format!("{who} has {text}, as {label} has"),
                false => format!("{who} has {text}, and {label} cannot change"),
            };
            relations.impossible = Some(Impossible { why, because_of: Some(with) });
        }
        relations.excludes.push(Exclusion { with, text, declared_by });
    }
    Ok(())
}

/// What a version and others say against each other, one thing for each of them.
fn excluded<R: Rules>(
    rules: &R,
    solvable: Solvable,
    version: &R::Version,
    width: &mut Width<'_>,
) -> Result<BTreeMap<Solvable, Excluded>, TooWide> {
    let pool = rules.pool();
    let own = version.comparisons();
    let mut found = BTreeMap::new();
    for ban in version.bans() {
        let subject = R::Version::subject(R::Version::forbidden(ban));
        width.compare(1 + pool.width_of(subject))?;
        for (other, hit) in pool.providing(subject) {
            if rules.forbids(ban, version, &hit) {
                let text = version.ban_text(ban);
                found.insert(other, Excluded { text, declared_by: solvable, mutual: false });
            }
        }
    }
    for name in version.names() {
        // It is paid for before it is listed.
        width.compare(1 + own.saturating_mul(pool.count_forbidding(name)))?;
        for (by, ban) in pool.forbidding(name) {
            if let Some(other) = pool.get(by)
                && rules.forbids(&ban, &other, version)
            {
                let text = other.ban_text(&ban);
                let excluded = Excluded { text, declared_by: by, mutual: false };
                found.entry(by).or_insert(excluded);
            }
        }
        if !rules.is_contested(name, version) {
            continue;
        }
        width.compare(own.saturating_mul(pool.count_providing(name)))?;
        width.compare(pool.width_of(name))?;
        for (with, other) in pool.providing(name) {
            if let Some(Rivalry { text, mutual }) = rules.rivalry(name, version, &other) {
                let excluded = Excluded { text, declared_by: solvable, mutual };
                found.entry(with).or_insert(excluded);
            }
        }
    }
    Ok(found)
}

fn pair(a: Name, b: Name) -> (Name, Name) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests;
