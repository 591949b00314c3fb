//! Licences as records declare them, in SPDX's words
//! (<https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>).
//!
//! In come [`License`]s; out come expressions. What is no licence of SPDX's list keeps its name,
//! as a `LicenseRef-` of the document: nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::description::License;
use spdx::identifiers::LICENSES;
use spdx::{Expression, LicenseItem, ParseMode};

use super::Unique;

/// Ids that were taken from the list are known, too: records are older than it is.
const MODE: ParseMode = ParseMode {
    allow_slash_as_or_operator: false,
    allow_imprecise_license_names: false,
    allow_postfix_plus_on_gpl: true,
    allow_deprecated: true,
    allow_unknown: false,
};

/// A licence as a document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// One of SPDX's list.
    Id(String),
    /// One that is not, by the name that it has.
    Name(String),
    /// Several, or one with an exception.
    Expression(String),
}

/// Turns licences into expressions, and knows which names were no licences of the list.
#[derive(Default)]
pub struct Licenses {
    ids: Unique,
    /// By name, as `LicenseRef-Artistic`.
    references: BTreeMap<String, String>,
}

/// A part of an expression, and what joins it.
struct Part {
    text: String,
    joint: Option<&'static str>,
}

impl Licenses {
    /// A licence by id, name or expression.
    pub fn declared(&mut self, license: &License) -> Declared {
        let expression = self.expression(license);
        if spdx::license_id(&expression).is_some_and(|id| id.name == expression) {
            return Declared::Id(expression);
        }
        let mut names = self.references.iter().filter(|(_, id)| **id == expression);
        match names.next() {
            Some((name, _)) => Declared::Name(name.clone()),
            None => Declared::Expression(expression),
        }
    }

    /// A licence as an expression.
    pub fn expression(&mut self, license: &License) -> String {
        self.part(license).text
    }

    /// Names that are no licences of SPDX's list, by the ids that expressions have.
    pub fn references(&self) -> BTreeMap<&str, &str> {
        self.references.iter().map(|(name, id)| (id.as_str(), name.as_str())).collect()
    }

    fn part(&mut self, license: &License) -> Part {
        match license {
            License::Text(text) => self.text(text),
            License::All(parts) => self.joined(parts, "AND"),
            License::Any(parts) => self.joined(parts, "OR"),
        }
    }

    fn joined(&mut self, parts: &[License], joint: &'static str) -> Part {
        let mut seen = BTreeSet::new();
        let mut parts: Vec<Part> = parts.iter().map(|part| self.part(part)).collect();
        parts.retain(|part| seen.insert(part.text.clone()));
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let texts = parts.into_iter().map(|part| match part.joint {
            Some(other) if other != joint => format!("({})", part.text),
            _ => part.text,
        });
        let text = texts.collect::<Vec<_>>().join(&format!(" {joint} "));
        Part { text, joint: Some(joint) }
    }

    fn text(&mut self, text: &str) -> Part {
        let is_named = |name: &str| name.eq_ignore_ascii_case(text);
        let mut listed = LICENSES.iter().filter(|one| is_listed(one.name));
        if let Some(listed) = listed.find(|one| is_named(one.name) || is_named(one.full_name)) {
            return Part { text: listed.name.to_owned(), joint: None };
        }
        if let Some(text) = self.parsed(text) {
            // Whichever joins it: within another expression it stands by itself.
            let joint = text.contains(' ').then_some("");
            return Part { text, joint };
        }
        let id = match self.references.get(text) {
            Some(id) => id.clone(),
            None => {
                let id = self.ids.take(&reference(text), '-');
                self.references.insert(text.to_owned(), id.clone());
                id
            }
        };
        Part { text: id, joint: None }
    }

    /// The text, if it is an expression.
    fn parsed(&mut self, text: &str) -> Option<String> {
        let words = text.split_ascii_whitespace().map(|word| match word {
            "and" | "or" | "with" => word.to_ascii_uppercase(),
            _ => word.to_owned(),
        });
        let text = words.collect::<Vec<_>>().join(" ");
        let expression = Expression::parse_mode(&text, MODE).ok()?;
        let mut own = Vec::new();
        for requirement in expression.requirements() {
            if let LicenseItem::Other(other) = &requirement.req.license {
                // What other documents say is not known here.
                if other.doc_ref.is_some() {
                    return None;
                }
                own.push(other.lic_ref.clone());
            }
            if requirement.req.license.id().is_some_and(|id| !is_listed(id.name)) {
                return None;
            }
        }
        for name in own {
            let id = format!("LicenseRef-{name}");
            self.ids.take(&id, '-');
            self.references.entry(name).or_insert(id);
        }
        Some(text)
    }
}

/// Whether an id of the crate is one of SPDX's list: it has words beside, and parts of ids.
fn is_listed(id: &str) -> bool {
    !matches!(id, "NOASSERTION" | "NONE") && !id.ends_with("-invariants")
}

/// SPDX allows letters, digits, `.` and `-` in ids.
fn reference(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let id: String = name.chars().map(allowed).collect();
    let parts = id.split('-').filter(|part| !part.is_empty());
    format!("LicenseRef-{}", parts.collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> License {
        License::Text(text.to_owned())
    }

    #[test]
    fn what_is_on_the_list_has_its_id_and_nothing_else_has() {
        let id = |text: &str| Declared::Id(text.to_owned());
        let name = |text: &str| Declared::Name(text.to_owned());
        let expression = |text: &str| Declared::Expression(text.to_owned());
        for (license, want) in [
            ("MIT", id("MIT")),
            ("BSD-3-clause", id("BSD-3-Clause")),
            ("Apache License 2.0", id("Apache-2.0")),
            ("GPL-2.0", id("GPL-2.0")),
            ("GPL-2.0-or-later", id("GPL-2.0-or-later")),
            ("GPL-2.0+", expression("GPL-2.0+")),
            ("(MIT OR CC0-1.0)", expression("(MIT OR CC0-1.0)")),
            ("MIT and  ISC", expression("MIT AND ISC")),
            ("Apache-2.0 WITH LLVM-exception", expression("Apache-2.0 WITH LLVM-exception")),
            ("BSD", name("BSD")),
            ("Apache", name("Apache")),
            ("Artistic", name("Artistic")),
            ("MIT/X11", name("MIT/X11")),
            ("GPL", name("GPL")),
            ("NOASSERTION", name("NOASSERTION")),
            ("MIT OR NOASSERTION", name("MIT OR NOASSERTION")),
            ("GFDL-1.3-no-invariants", name("GFDL-1.3-no-invariants")),
            ("GFDL-1.3-no-invariants-only", id("GFDL-1.3-no-invariants-only")),
            ("MIT OR nothing", name("MIT OR nothing")),
            ("SEE LICENSE IN LICENSE.md", name("SEE LICENSE IN LICENSE.md")),
            ("DocumentRef-x:LicenseRef-y", name("DocumentRef-x:LicenseRef-y")),
            ("LicenseRef-own", name("own")),
            ("MIT AND (", name("MIT AND (")),
            ("\u{202e}", name("\u{202e}")),
        ] {
            assert_eq!(Licenses::default().declared(&text(license)), want, "{license}");
        }
    }

    #[test]
    fn parts_are_joined_and_names_have_one_id_each() {
        let mut licenses = Licenses::default();
        let license = License::All(vec![
            text("BSD-3-clause"),
            text("BSD-3-Clause"),
            License::Any(vec![text("GPL-1.0-or-later"), text("Artistic")]),
            License::All(vec![text("MIT OR ISC"), text("MIT/X11"), text("MIT_X11")]),
            text("Artistic"),
        ]);
        assert_eq!(
            licenses.expression(&license),
            "BSD-3-Clause AND (GPL-1.0-or-later OR LicenseRef-Artistic) AND (MIT OR ISC) AND \
             LicenseRef-MIT-X11 AND LicenseRef-MIT-X11-2 AND LicenseRef-Artistic"
        );
        let references: Vec<_> = licenses.references().into_iter().collect();
        assert_eq!(
            references,
            [
                ("LicenseRef-Artistic", "Artistic"),
                ("LicenseRef-MIT-X11", "MIT/X11"),
                ("LicenseRef-MIT-X11-2", "MIT_X11"),
            ]
        );
        let twice = License::All(vec![text("MIT"), text("mit")]);
        assert_eq!(licenses.declared(&twice), Declared::Id("MIT".to_owned()));
    }
}
