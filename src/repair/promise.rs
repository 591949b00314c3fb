//! What an index promises of a package, and whether the package keeps it: the planner went by
//! the relations in the index, and what is recorded in the image are those of the package.
//! An index and a package that differ are two packages under one name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgfix_model::package::PackageId;
use imgfix_model::plan::Step;
use imgfix_model::reason::Reason;
use imgfix_terminal::count;

/// Relations to other packages by field, in one spelling, without regard to their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Relations(BTreeMap<&'static str, Vec<String>>);

/// How many relations a message shows.
const SHOWN: usize = 5;

impl Relations {
    /// Sets a field; one without relations is as good as none.
    pub fn set(&mut self, field: &'static str, relations: impl IntoIterator<Item = String>) {
        let mut relations: Vec<String> = relations.into_iter().collect();
        relations.sort();
        relations.dedup();
        if !relations.is_empty() {
            self.0.insert(field, relations);
        }
    }

    /// How what a package says differs from this promise.
    pub fn difference(&self, package: &Self) -> Option<String> {
        let nothing = Vec::new();
        let fields = self.0.keys().chain(package.0.keys());
        for field in fields {
            let promised = self.0.get(field).unwrap_or(&nothing);
            let found = package.0.get(field).unwrap_or(&nothing);
            if promised != found {
                let (more, less) = (without(found, promised), without(promised, found));
                return Some(format!(
                    "its {field} in the package is not what the repository's index says ({more} \
                     more, {less} missing)"
                ));
            }
        }
        None
    }
}

/// What is in one list and not in the other, for a message.
fn without(these: &[String], those: &[String]) -> String {
    let mut rest = these.iter().filter(|one| !those.contains(one));
    let mut text = rest.by_ref().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let others = rest.count();
    if others > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {}", count(others, "other"));
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

/// The steps whose packages do not keep what was promised of them, each with why it cannot be
/// in the set.
pub fn broken(
    steps: &[Step],
    promised: impl Fn(&Step) -> Option<Relations>,
    found: impl Fn(&Step) -> Option<Relations>,
) -> Vec<(PackageId, Reason)> {
    let broken = |step: &Step| {
        let detail = promised(step)?.difference(&found(step)?)?;
        let package = step.package.name.to_string();
        Some((step.package.clone(), Reason::Conflict { package, detail }))
    };
    steps.iter().filter_map(broken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(fields: &[(&'static str, &[&str])]) -> Relations {
        let mut relations = Relations::default();
        for (field, texts) in fields {
            relations.set(field, texts.iter().map(|text| (*text).to_owned()));
        }
        relations
    }

    #[test]
    fn order_and_repetition_are_no_difference_and_all_else_is() {
        let promised = relations(&[("Depends", &["a", "b (>= 1)"]), ("Breaks", &[])]);
        let same = relations(&[("Depends", &["b (>= 1)", "a", "a"]), ("Conflicts", &[])]);
        assert_eq!(promised.difference(&same), None);
        for (other, want) in [
            (relations(&[("Depends", &["a"])]), "Depends in the package is not what"),
            (relations(&[("Depends", &["a"])]), "(none more, b (>= 1) missing)"),
            (relations(&[]), "(none more, a, b (>= 1) missing)"),
            (
                relations(&[("Depends", &["a", "b (>= 1)"]), ("Provides", &["p"])]),
                "Provides in the package",
            ),
            (relations(&[("Depends", &["a", "b (>= 2)"])]), "(b (>= 2) more, b (>= 1) missing)"),
            (
                relations(&[("Depends", &["a", "b (>= 1)", "c", "d", "e", "f", "g", "h"])]),
                "(c, d, e, f, g and 1 other more, none missing)",
            ),
        ] {
            let found = promised.difference(&other).unwrap_or_default();
            assert!(found.contains(want), "{found}");
        }
    }
}
