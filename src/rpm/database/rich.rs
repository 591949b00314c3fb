//! The names inside a rich dependency, as rpm's indexes have them
//! (<https://rpm-software-management.github.io/rpm/manual/boolean_dependencies.html>).
//!
//! In comes a text like `(a or (b >= 2 if c))`; out come its names, sorted, each once; those whose
//! absence would fulfil it have a `!` before them (`updateRichDep` in `lib/rpmdb.cc`).

use std::collections::BTreeSet;

use crate::relation::Rich;
use crate::relation::rich::Conditional;

/// The names, or none where the text is no rich dependency.
pub(super) fn names(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let rich = Rich::parse(std::str::from_utf8(text).ok()?).ok()?;
    let mut names = BTreeSet::new();
    collect(&rich, false, &mut names);
    let shown = |(is_negated, name): (bool, String)| match is_negated {
        true => format!("!{name}").into_bytes(),
        false => name.into_bytes(),
    };
    Some(names.into_iter().map(shown).collect())
}

/// Files each name with whether its absence fulfils. What is not negated comes first in rpm's
/// order. Nesting is bounded by the parser.
fn collect(rich: &Rich, is_negated: bool, into: &mut BTreeSet<(bool, String)>) {
    match rich {
        Rich::Plain(relation) if relation.is_rpmlib() => {}
        Rich::Plain(relation) => {
            into.insert((is_negated, relation.name().to_owned()));
        }
        Rich::And(all) | Rich::Or(all) | Rich::With(all) => {
            all.iter().for_each(|one| collect(one, is_negated, into));
        }
        Rich::Without(two) => two.iter().for_each(|one| collect(one, is_negated, into)),
        Rich::If(what) | Rich::Unless(what) => {
            let Conditional { then, condition, otherwise } = &**what;
            collect(then, is_negated, into);
            collect(condition, !is_negated, into);
            if let Some(otherwise) = otherwise {
                // The condition counts in both ways then.
                collect(condition, is_negated, into);
                collect(otherwise, is_negated, into);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_those_of_a_condition_are_negated() {
        for (text, expected) in [
            ("(a)", Some(vec!["a"])),
            ("(b and a and b)", Some(vec!["a", "b"])),
            ("(a >= 1:2-3 or b(x)(64bit) = 2)", Some(vec!["a", "b(x)(64bit)"])),
            ("(a if b)", Some(vec!["a", "!b"])),
            ("(a if b else c)", Some(vec!["a", "b", "c", "!b"])),
            ("(a if (b or c))", Some(vec!["a", "!b", "!c"])),
            ("((a if b) and c)", Some(vec!["a", "c", "!b"])),
            ("(rpmlib(X) <= 1 or a)", Some(vec!["a"])),
            ("(a and b or c)", None),
            ("(a", None),
            ("()", None),
            ("(a if b if c)", None),
        ] {
            let found = names(text.as_bytes()).map(|names| {
                names.into_iter().map(|name| String::from_utf8(name).unwrap()).collect::<Vec<_>>()
            });
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(names(&b"(".repeat(100_000)), None);
    }
}
