//! OpenVEX documents: what is not affected, or fixed already, is left out. Of statements about
//! the same thing the last one counts.
//!
//! Source: <https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md> (0.2.0), and 0.0.1, where
//! vulnerabilities and products were texts.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Condition, IgnoreRule, Pattern, bad_rule, reason};
use crate::{FindingsError, purl};
use imgfix_json as json;

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "@context")]
    context: Option<String>,
    timestamp: Option<String>,
    statements: Vec<Statement>,
}

#[derive(Deserialize)]
struct Statement {
    vulnerability: Vulnerability,
    timestamp: Option<String>,
    products: Option<Vec<Product>>,
    /// 0.0.1.
    subcomponents: Option<Vec<Product>>,
    status: String,
    justification: Option<String>,
    impact_statement: Option<String>,
    status_notes: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a name, or an object with one")]
enum Vulnerability {
    Name(String),
    Object {
        #[serde(rename = "@id")]
        id: Option<String>,
        name: Option<String>,
        #[serde(default)]
        aliases: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "an identifier, or an object with one")]
enum Product {
    Id(String),
    Object {
        #[serde(rename = "@id")]
        id: Option<String>,
        identifiers: Option<Identifiers>,
        subcomponents: Option<Vec<Product>>,
    },
}

#[derive(Deserialize)]
struct Identifiers {
    purl: Option<String>,
}

/// Reads a document.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<IgnoreRule>, FindingsError> {
    let unknown = |why: String| FindingsError::IgnoreUnknown { name: name.to_owned(), why };
    let document: Document =
        json::read_with_paths(bytes).map_err(|error| unknown(error.to_string()))?;
    let context = document.context.unwrap_or_default();
    if !context.contains("openvex.dev/ns") {
        return Err(unknown("JSON whose @context is not OpenVEX's".to_owned()));
    }
    let mut said = Vec::new();
    for (at, statement) in document.statements.into_iter().enumerate() {
        let place = format!("statements[{at}]");
        let time = statement.timestamp.clone().or_else(|| document.timestamp.clone());
        said.push((time.unwrap_or_default(), Said::of(name, place, statement)?));
    }
    // Timestamps of RFC 3339 in UTC are in order as texts; of equal ones the later in the text.
    said.sort_by(|a, b| a.0.cmp(&b.0));
    one_image(name, said.iter().map(|(_, one)| one))?;
    let said: Vec<Said> = said.into_iter().map(|(_, one)| one).collect();
    let mut rules = Vec::new();
    for (at, one) in said.iter().enumerate() {
        let later = said.get(at + 1..).unwrap_or_default();
        if one.ignores && !later.iter().any(|other| other.takes_back(one)) {
            rules.extend(one.rules());
        }
    }
    Ok(rules)
}

/// A statement.
struct Said {
    place: String,
    names: Vec<String>,
    /// Conditions, one of which must hold; none: the whole image.
    about: Vec<Condition>,
    /// What `about` was made of.
    products: BTreeSet<String>,
    images: BTreeSet<String>,
    ignores: bool,
    reason: String,
}

impl Said {
    fn of(name: &str, place: String, statement: Statement) -> Result<Self, FindingsError> {
        let names = match statement.vulnerability {
            Vulnerability::Name(text) => vec![text],
            Vulnerability::Object { id, name, aliases } => {
                // Some have only the address of the vulnerability's page.
                let of_id = || id.and_then(|id| id.rsplit('/').next().map(str::to_owned));
                name.or_else(of_id).into_iter().chain(aliases).collect()
            }
        };
        let names: Vec<String> = names.into_iter().filter(|one| !one.trim().is_empty()).collect();
        if names.is_empty() {
            return Err(bad_rule(name, &place, "a statement needs a vulnerability"));
        }
        let ignores = match statement.status.as_str() {
            "not_affected" | "fixed" => true,
            "affected" | "under_investigation" => false,
            other => return Err(bad_rule(name, &place, format!("{other:?} is not a status"))),
        };
        let why = [statement.justification, statement.impact_statement, statement.status_notes];
        let why = why.into_iter().flatten().find(|text| !text.trim().is_empty());
        let why = why.map(|text| format!("{}: {text}", statement.status));
        let mut said = Self {
            reason: reason(name, &place, Some(&why.unwrap_or(statement.status))),
            place,
            names,
            about: Vec::new(),
            products: BTreeSet::new(),
            images: BTreeSet::new(),
            ignores,
        };
        let products = statement.products.unwrap_or_default();
        if products.is_empty() && ignores {
            return Err(bad_rule(name, &said.place, "a statement needs products"));
        }
        for product in products {
            said.product(name, product)?;
        }
        for part in statement.subcomponents.unwrap_or_default() {
            said.package(name, &identifier(part).0)?;
        }
        Ok(said)
    }

    fn product(&mut self, name: &str, product: Product) -> Result<(), FindingsError> {
        let (id, parts) = identifier(product);
        let kind = purl::parse(&id).map(|url| url.kind);
        match kind.as_deref() {
            Some("oci" | "docker") => {
                self.images.insert(id);
            }
            _ if parts.is_empty() => self.package(name, &id)?,
            // What holds the parts is the image, by whatever name.
            _ => {
                self.images.insert(id);
            }
        }
        for part in parts {
            self.package(name, &identifier(part).0)?;
        }
        Ok(())
    }

    /// A package by its URL or its name.
    fn package(&mut self, name: &str, id: &str) -> Result<(), FindingsError> {
        if id.trim().is_empty() {
            return Err(bad_rule(name, &self.place, "a product needs an identifier"));
        }
        let condition = match purl::parse(id) {
            Some(_) => Condition::Purl(vec![id.to_owned()]),
            None if id.starts_with("pkg:") => {
                let why = format!("{id:?} is not a package URL");
                return Err(bad_rule(name, &self.place, why));
            }
            None => {
                let bad = || bad_rule(name, &self.place, format!("{id:?} is not a name"));
                Condition::Name(Pattern::exact(id).ok_or_else(bad)?)
            }
        };
        self.products.insert(id.to_owned());
        self.about.push(condition);
        Ok(())
    }

    /// Whether this later statement says that what an earlier one leaves out is a problem.
    fn takes_back(&self, earlier: &Said) -> bool {
        let same = self.names.iter().any(|name| earlier.names.contains(name));
        let about = self.products.is_empty()
            || earlier.products.is_empty()
            || !self.products.is_disjoint(&earlier.products);
        !self.ignores && same && about
    }

    fn rules(&self) -> Vec<IgnoreRule> {
        let rule = |id: &String, conditions: Vec<Condition>| IgnoreRule {
            conditions,
            ..IgnoreRule::of_id(id, None, self.reason.clone())
        };
        let of_name = |id: &String| -> Vec<IgnoreRule> {
            match self.about.as_slice() {
                [] => vec![rule(id, Vec::new())],
                all => all.iter().map(|one| rule(id, vec![one.clone()])).collect(),
            }
        };
        self.names.iter().flat_map(of_name).collect()
    }
}

/// A document about several images cannot be for the one at hand alone.
fn one_image<'a>(name: &str, said: impl Iterator<Item = &'a Said>) -> Result<(), FindingsError> {
    let mut images: BTreeSet<&str> = BTreeSet::new();
    for one in said {
        images.extend(one.images.iter().map(String::as_str));
        if images.len() > 1 {
            let images: Vec<&str> = images.into_iter().take(3).collect();
            let why = format!(
                "the document is about several images ({}); give one of this image alone",
                images.join(", ")
            );
            return Err(bad_rule(name, &one.place, why));
        }
    }
    Ok(())
}

/// The identifier of a product and its parts: the package URL before the rest.
fn identifier(product: Product) -> (String, Vec<Product>) {
    match product {
        Product::Id(id) => (id, Vec::new()),
        Product::Object { id, identifiers, subcomponents } => {
            let url = identifiers.and_then(|all| all.purl);
            (url.or(id).unwrap_or_default(), subcomponents.unwrap_or_default())
        }
    }
}
