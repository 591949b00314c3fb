//! What rpm's relations mean: capabilities with versions, paths, and rich dependencies.
//!
//! In come relations as headers and metadata have them; out come [`Need`]s and [`Ban`]s over
//! plain [`Relation`]s, as the solver asks for them. Source: rpm's `lib/rpmds.c`
//! (`rpmdsCompareIndex`) and <https://rpm.org/docs/latest/manual/boolean_dependencies.html>.

use imgfix_rpm::relation::{Rich, versions_overlap};
use imgfix_versions::rpm::Evr;

use crate::primary::{Flag, RelationText};

/// Deeper and wider than any real rich dependency.
const MAX_DEPTH: usize = 16;
const MAX_CLAUSES: usize = 256;

/// A capability in some versions, or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `libc.so.6()(64bit)`, `/bin/sh`.
    pub name: String,
    /// How versions are compared with `evr`.
    pub flag: Flag,
    /// `None` for [`Flag::Any`].
    pub evr: Option<Evr>,
    /// What one package has to provide besides (`with`), or must not (`without`).
    pub besides: Vec<(Besides, Relation)>,
}

/// How a further relation about the same package counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Besides {
    /// It has to hold.
    With,
    /// It must not.
    Without,
}

/// That something is not there, by a name that stands for it: what `(a if b)` may be met by
/// instead of `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// `not b`: no package provides what is called so.
    pub token: String,
    /// What is not there.
    pub of: Vec<Relation>,
}

/// Relations of which one has to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Any of them will do.
    pub one_of: Vec<Relation>,
    /// `Requires: (a or b)`.
    pub text: String,
}

/// What nothing may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// What it is about.
    pub relation: Relation,
    /// Whether it is about a package's own name (`Obsoletes`), or all that it provides.
    pub by_name: bool,
    /// `Conflicts: a < 2`.
    pub text: String,
}

impl Relation {
    /// A capability as metadata has it; `None` for a rich dependency, and for a version that is
    /// none.
    #[must_use]
    pub fn plain(text: &RelationText<'_>) -> Option<Self> {
        if text.name.starts_with('(') || text.name.is_empty() {
            return None;
        }
        let evr = match text.flag {
            Flag::Any => None,
            _ => Some(Evr::parse(text.evr).ok()?),
        };
        Some(Self { name: text.name.to_owned(), flag: text.flag, evr, besides: Vec::new() })
    }

    /// Whether a provided capability of the same name meets it.
    #[must_use]
    pub fn meets(&self, flag: Flag, evr: Option<&Evr>) -> bool {
        let (Some(wanted), Some(evr)) = (&self.evr, evr) else { return true };
        versions_overlap(evr, flag.flags(), wanted, self.flag.flags())
    }
}

impl From<&imgfix_rpm::Relation> for Relation {
    fn from(relation: &imgfix_rpm::Relation) -> Self {
        Self {
            name: relation.name().to_owned(),
            flag: relation.flags().into(),
            evr: relation.evr().cloned(),
            besides: Vec::new(),
        }
    }
}

impl std::fmt::Display for Relation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.evr {
            Some(evr) => write!(f, "{} {} {evr}", self.name, self.flag.sign()),
            None => f.write_str(&self.name),
        }
    }
}

/// Whether something is there, as the image is.
pub type IsThere<'a> = &'a dyn Fn(&Relation) -> bool;

/// A rich dependency, or a plain one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    Plain(Relation),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    If(Box<Expression>, Box<Expression>, Option<Box<Expression>>),
    Unless(Box<Expression>, Box<Expression>, Option<Box<Expression>>),
}

/// What has to be there for a relation of the kind that `label` names. Conditions (`if`) are
/// judged by what the image has: `is_there`. Where a condition does not hold as it is, its absence
/// is one of the things that will do, and is added to `absences`. What cannot be read asks for
/// itself by its text, which nothing provides.
#[must_use]
pub fn needs(
    text: &RelationText<'_>,
    label: &str,
    is_there: IsThere<'_>,
    absences: &mut Vec<Absence>,
) -> Vec<Need> {
    // rpm's own features, which the program has that installs
    if text.name.starts_with("rpmlib(") {
        return Vec::new();
    }
    let shown = format!("{label}: {text}");
    let unknown = || {
        let name = text.name.to_owned();
        Expression::Plain(Relation { name, flag: Flag::Any, evr: None, besides: Vec::new() })
    };
    let expression = match text.name.starts_with('(') {
        true => parse(text.name).unwrap_or_else(unknown),
        false => Relation::plain(text).map_or_else(unknown, Expression::Plain),
    };
    let clauses = clauses(&expression, is_there, absences);
    let clauses = clauses.unwrap_or_else(|| {
        vec![vec![match unknown() {
            Expression::Plain(relation) => relation,
            _ => return Vec::new(),
        }]]
    });
    clauses.into_iter().map(|one_of| Need { one_of, text: shown.clone() }).collect()
}

/// What must not be there for a relation. A rich conflict counts when its condition holds in the
/// image.
#[must_use]
pub fn bans(text: &RelationText<'_>, label: &str, is_there: IsThere<'_>) -> Vec<Ban> {
    let by_name = label == "Obsoletes";
    let ban = |relation| Ban { relation, by_name, text: format!("{label}: {text}") };
    if let Some(relation) = Relation::plain(text) {
        return vec![ban(relation)];
    }
    fn collect(expression: &Expression, is_there: IsThere<'_>, into: &mut Vec<Relation>) {
        match expression {
            Expression::Plain(relation) => into.push(relation.clone()),
            // all of them at once are meant, which no single one is to blame for
            Expression::And(list) => {
                let absent: Vec<&Expression> =
                    list.iter().filter(|one| !holds(one, is_there)).collect();
                if let [only] = absent.as_slice() {
                    collect(only, is_there, into);
                }
            }
            Expression::Or(list) => list.iter().for_each(|one| collect(one, is_there, into)),
            Expression::If(what, condition, other) | Expression::Unless(what, condition, other) => {
                let wanted = matches!(expression, Expression::If(..));
                if holds(condition, is_there) == wanted {
                    collect(what, is_there, into);
                } else if let Some(other) = other {
                    collect(other, is_there, into);
                }
            }
        }
    }
    let mut relations = Vec::new();
    if let Some(expression) = parse(text.name) {
        collect(&expression, is_there, &mut relations);
    }
    relations.into_iter().map(ban).collect()
}

/// Whether a rich dependency, or a plain one, holds in the image as it is.
#[must_use]
pub fn holds_now(text: &RelationText<'_>, is_there: IsThere<'_>) -> bool {
    match Relation::plain(text) {
        Some(relation) => is_there(&relation),
        None => parse(text.name).is_some_and(|expression| holds(&expression, is_there)),
    }
}

fn holds(expression: &Expression, is_there: IsThere<'_>) -> bool {
    match expression {
        Expression::Plain(relation) => is_there(relation),
        Expression::And(list) => list.iter().all(|one| holds(one, is_there)),
        Expression::Or(list) => list.iter().any(|one| holds(one, is_there)),
        Expression::If(what, condition, other) => match holds(condition, is_there) {
            true => holds(what, is_there),
            false => other.as_ref().is_none_or(|other| holds(other, is_there)),
        },
        Expression::Unless(what, condition, other) => match holds(condition, is_there) {
            false => holds(what, is_there),
            true => other.as_ref().is_none_or(|other| holds(other, is_there)),
        },
    }
}

/// The expression as relations of which in each list one has to hold; `None`: too many.
fn clauses(
    expression: &Expression,
    is_there: IsThere<'_>,
    absences: &mut Vec<Absence>,
) -> Option<Vec<Vec<Relation>>> {
    let out = match expression {
        Expression::Plain(relation) => vec![vec![relation.clone()]],
        Expression::And(list) => {
            let mut all = Vec::new();
            for one in list {
                all.extend(clauses(one, is_there, absences)?);
            }
            all
        }
        Expression::Or(list) => {
            let mut all: Vec<Vec<Relation>> = vec![Vec::new()];
            for one in list {
                let further = clauses(one, is_there, absences)?;
                if all.len().checked_mul(further.len())? > MAX_CLAUSES {
                    return None;
                }
                all = all
                    .iter()
                    .flat_map(|have| further.iter().map(move |more| [&have[..], more].concat()))
                    .collect();
            }
            all
        }
        Expression::If(what, condition, other) | Expression::Unless(what, condition, other) => {
            let wanted = matches!(expression, Expression::If(..));
            match (holds(condition, is_there) == wanted, other) {
                (true, _) => clauses(what, is_there, absences)?,
                (false, Some(other)) => clauses(other, is_there, absences)?,
                (false, None) if wanted => {
                    let Some(absence) = absence(condition, is_there) else {
                        return Some(Vec::new());
                    };
                    let mut all = clauses(what, is_there, absences)?;
                    let token = Relation {
                        name: absence.token.clone(),
                        flag: Flag::Any,
                        evr: None,
                        besides: Vec::new(),
                    };
                    all.iter_mut().for_each(|one_of| one_of.insert(0, token.clone()));
                    if !absences.contains(&absence) {
                        absences.push(absence);
                    }
                    all
                }
                (false, None) => Vec::new(),
            }
        }
    };
    (out.len() <= MAX_CLAUSES).then_some(out)
}

/// What is not there while a condition does not hold: of several that have to be there together,
/// the first that is not.
fn absence(condition: &Expression, is_there: IsThere<'_>) -> Option<Absence> {
    fn absent(condition: &Expression, is_there: IsThere<'_>) -> Option<Vec<Relation>> {
        match condition {
            Expression::Plain(relation) => Some(vec![relation.clone()]),
            Expression::And(list) => {
                let mut missing = list.iter().filter(|one| !holds(one, is_there));
                missing.find_map(|one| absent(one, is_there))
            }
            Expression::Or(list) => {
                let lists: Option<Vec<_>> = list.iter().map(|one| absent(one, is_there)).collect();
                lists.map(|lists| lists.concat())
            }
            Expression::If(..) | Expression::Unless(..) => None,
        }
    }
    let of = absent(condition, is_there)?;
    let names: Vec<String> = of.iter().map(ToString::to_string).collect();
    Some(Absence { token: format!("not {}", names.join(" or ")), of })
}

/// Reads `(a and (b or c >= 1))`.
fn parse(text: &str) -> Option<Expression> {
    expression(&Rich::parse(text.trim()).ok()?, 0)
}

/// A rich dependency with `with` and `without` as conditions of one relation; `None`: they are
/// about more than that, or it is too deep or too wide.
fn expression(rich: &Rich, depth: usize) -> Option<Expression> {
    if depth > MAX_DEPTH && !matches!(rich, Rich::Plain(_)) {
        return None;
    }
    let of = |one: &Rich| expression(one, depth + 1);
    let boxed = |one: &Rich| of(one).map(Box::new);
    let list = |all: &[Rich]| -> Option<Vec<Expression>> {
        (all.len() <= MAX_CLAUSES).then(|| all.iter().map(of).collect())?
    };
    let besides = |kind: Besides, all: &[Rich]| -> Option<Expression> {
        let mut all = list(all)?.into_iter();
        let Expression::Plain(mut relation) = all.next()? else { return None };
        for one in all {
            let Expression::Plain(one) = one else { return None };
            relation.besides.push((kind, one));
        }
        Some(Expression::Plain(relation))
    };
    Some(match rich {
        Rich::Plain(relation) => Expression::Plain(Relation::from(relation)),
        Rich::And(all) => Expression::And(list(all)?),
        Rich::Or(all) => Expression::Or(list(all)?),
        Rich::With(all) => besides(Besides::With, all)?,
        Rich::Without(two) => besides(Besides::Without, two.as_slice())?,
        Rich::If(what) | Rich::Unless(what) => {
            let (then, condition) = (boxed(&what.then)?, boxed(&what.condition)?);
            let otherwise = match &what.otherwise {
                Some(otherwise) => Some(boxed(otherwise)?),
                None => None,
            };
            match rich {
                Rich::If(_) => Expression::If(then, condition, otherwise),
                _ => Expression::Unless(then, condition, otherwise),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text<'a>(name: &'a str, flag: Flag, evr: &'a str) -> RelationText<'a> {
        RelationText { name, flag, evr }
    }

    #[test]
    fn ranges_meet_as_rpm_says() {
        use Flag::{Any, Equal, Greater, GreaterEqual, Less, LessEqual};
        for (have, version, want, wanted, meets) in [
            (Equal, "1-1", GreaterEqual, "1", true),
            (Equal, "1-1", Equal, "1-2", false),
            (Equal, "1-1", Equal, "1", true),
            (Equal, "1:1-1", Less, "2", false),
            (Equal, "2-1", Greater, "2", false),
            (Equal, "2-1", LessEqual, "2", true),
            (Less, "2", Greater, "1", true),
            (GreaterEqual, "3", Less, "3", false),
            (Less, "3", Less, "3", true),
            (Any, "", GreaterEqual, "9", true),
        ] {
            let wanted = Relation::plain(&text("x", want, wanted)).unwrap();
            let evr = Evr::parse(version).ok();
            assert_eq!(wanted.meets(have, evr.as_ref()), meets, "{have:?} {version} {wanted}");
        }
    }

    fn shown(name: &str, there: &[&str]) -> Vec<String> {
        let is_there = |relation: &Relation| there.contains(&relation.name.as_str());
        let mut absences = Vec::new();
        let text = text(name, Flag::Any, "");
        let needs = needs(&text, "Requires", &is_there, &mut absences).into_iter();
        needs
            .map(|need| {
                let names = need.one_of.iter().map(ToString::to_string);
                names.collect::<Vec<_>>().join(" | ")
            })
            .collect()
    }

    #[test]
    fn rich_dependencies_become_needs() {
        for (name, there, want) in [
            ("(a or b >= 1:2-3)", &[][..], &["a | b >= 1:2-3"][..]),
            ("(a and libx.so(V1)(64bit))", &[], &["a", "libx.so(V1)(64bit)"]),
            ("(a if b)", &[], &["not b | a"]),
            ("(a if (b or c))", &[], &["not b or c | a"]),
            ("(a if (b and c))", &["b"], &["not c | a"]),
            ("(a if b)", &["b"], &["a"]),
            ("(a if b else c)", &[], &["c"]),
            ("((a or b) if (c and d))", &["c", "d"], &["a | b"]),
            ("(a or (b and c))", &[], &["a | b", "a | c"]),
            ("(a unless b)", &["b"], &[]),
            ("(a or b or c)", &[], &["a | b | c"]),
            ("(a or b and c)", &[], &["(a or b and c)"]),
            ("(a", &[], &["(a"]),
            ("rpmlib(X)", &[], &[]),
        ] {
            assert_eq!(shown(name, there), want, "{name}");
        }
        let with = text("(a >= 1 with a < 2)", Flag::Any, "");
        let with = needs(&with, "Requires", &|_| false, &mut Vec::new());
        assert_eq!(with[0].one_of[0].besides.len(), 1);
    }

    #[test]
    fn conflicts_become_bans() {
        let names = |name: &str, there: &[&str]| {
            let is_there = |relation: &Relation| there.contains(&relation.name.as_str());
            let bans = bans(&text(name, Flag::Any, ""), "Conflicts", &is_there).into_iter();
            bans.map(|ban| ban.relation.name).collect::<Vec<_>>()
        };
        assert_eq!(names("a", &[]), ["a"]);
        assert_eq!(names("(a and b)", &["a"]), ["b"]);
        assert!(names("(a and b)", &[]).is_empty());
        assert_eq!(names("(a unless b)", &[]), ["a"]);
        assert!(names("(a unless b)", &["b"]).is_empty());
    }

    proptest! {
        #[test]
        fn any_rich_dependency_is_read_or_asks_for_itself(name in "[(]?[ab() ]{0,10}( (or|and|if|with|<|else) [ab(). 0-9]{0,6}){0,6}") {
            let _ = shown(&name, &["a"]);
        }
    }
}
