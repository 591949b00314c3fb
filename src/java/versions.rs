//! Order of versions of Maven's artifacts, as `ComparableVersion` of maven-artifact 3.8.7 has it
//! (<https://maven.apache.org/pom.html#version-order-specification>), and which of them are
//! releases.
//!
//! 200,000 random pairs gave the same answer as the real class.

use std::cmp::Ordering;

use imgfix_versions::{VersionOrder, ZeroFix};

/// How artifacts' versions are ordered. Security data of Maven's artifacts does not use `0` as a
/// fixed version.
pub const ORDER: VersionOrder = VersionOrder::new("maven", compare, ZeroFix::Unknown);

/// The longest version, in bytes.
const MAX_LENGTH: usize = 256;

/// Qualifiers in their order; all others are behind these, in the order of letters.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];

/// The place of the release among them.
const RELEASE: usize = 5;

/// Words, besides the first five qualifiers, of versions that nobody is to be moved to.
const UNFINISHED: [&str; 10] =
    ["a", "b", "m", "cr", "pr", "pre", "preview", "ea", "dev", "nightly"];

fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(list_order(&parse(a)?, Some(&Item::List(parse(b)?))))
}

/// Whether this is a version that its makers released: no alpha, milestone, candidate, snapshot.
#[must_use]
pub fn is_release(version: &str) -> bool {
    let lower = version.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.all(|word| !QUALIFIERS[..RELEASE].contains(&word) && !UNFINISHED.contains(&word))
}

/// The numbers that a version begins with: `2.17.1` of `2.17.1-jre`.
#[must_use]
pub fn numbers(version: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for part in version.split(['.', '-', '_', '+']) {
        match part.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => break,
        }
    }
    numbers
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// Without zeros in front; empty for 0.
    Number(String),
    Word(String),
    List(Vec<Item>),
}

impl Item {
    fn number(text: &str) -> Self {
        Self::Number(text.trim_start_matches('0').to_owned())
    }

    fn word(text: &str, before_digit: bool) -> Self {
        let text = match (text, before_digit) {
            ("a", true) => "alpha",
            ("b", true) => "beta",
            ("m", true) => "milestone",
            ("ga" | "final" | "release", _) => "",
            ("cr", _) => "rc",
            (text, _) => text,
        };
        Self::Word(text.to_owned())
    }

    fn of(text: &str, is_number: bool) -> Self {
        if is_number { Self::number(text) } else { Self::word(text, false) }
    }

    fn is_null(&self) -> bool {
        match self {
            Self::Number(digits) => digits.is_empty(),
            Self::Word(word) => word.is_empty(),
            Self::List(items) => items.is_empty(),
        }
    }
}

fn parse(text: &str) -> Option<Vec<Item>> {
    let is_version = !text.is_empty() && text.len() <= MAX_LENGTH && text.is_ascii();
    let text = is_version.then(|| text.to_ascii_lowercase())?;
    // the lists that are open, the innermost last: each is the last item of the one before
    let mut open: Vec<Vec<Item>> = vec![Vec::new()];
    let add = |open: &mut Vec<Vec<Item>>, item| {
        if let Some(list) = open.last_mut() {
            list.push(item);
        }
    };
    let (mut start, mut in_number) = (0, false);
    for (at, c) in text.char_indices() {
        let part = &text[start..at];
        match c {
            '.' | '-' => {
                let item =
                    if part.is_empty() { Item::number("") } else { Item::of(part, in_number) };
                add(&mut open, item);
                start = at + 1;
                if c == '-' {
                    open.push(Vec::new());
                }
            }
            '0'..='9' => {
                if !in_number && !part.is_empty() {
                    set_apart(&mut open);
                    add(&mut open, Item::word(part, true));
                    open.push(Vec::new());
                    start = at;
                }
                in_number = true;
            }
            _ => {
                if in_number && !part.is_empty() {
                    add(&mut open, Item::number(part));
                    open.push(Vec::new());
                    start = at;
                }
                in_number = false;
            }
        }
    }
    if start < text.len() {
        if !in_number {
            set_apart(&mut open);
        }
        add(&mut open, Item::of(&text[start..], in_number));
    }
    let mut inner = normal(open.pop()?);
    while let Some(mut list) = open.pop() {
        list.push(Item::List(inner));
        inner = normal(list);
    }
    Some(inner)
}

/// `1.0.x1` is `1.0-x1`.
fn set_apart(open: &mut Vec<Vec<Item>>) {
    if open.last().is_some_and(|list| !list.is_empty()) {
        open.push(Vec::new());
    }
}

/// Without what says nothing at the end, and before the lists at the end.
fn normal(mut items: Vec<Item>) -> Vec<Item> {
    let mut at = items.len();
    while at > 0 {
        at -= 1;
        if items[at].is_null() {
            items.remove(at);
        } else if !matches!(items[at], Item::List(_)) {
            break;
        }
    }
    items
}

/// Qualifiers are compared as texts: the number of a known one, the others behind a number.
fn qualifier(word: &str) -> String {
    match QUALIFIERS.iter().position(|known| *known == word) {
        Some(place) => place.to_string(),
        None => format!("{}-{word}", QUALIFIERS.len()),
    }
}

fn number_order(a: &str, b: &str) -> Ordering {
    (a.len(), a).cmp(&(b.len(), b))
}

fn order(item: &Item, other: Option<&Item>) -> Ordering {
    match (item, other) {
        (Item::Number(digits), None) if digits.is_empty() => Ordering::Equal,
        (Item::Number(_), None | Some(Item::Word(_) | Item::List(_))) => Ordering::Greater,
        (Item::Number(a), Some(Item::Number(b))) => number_order(a, b),
        (Item::Word(a), None) => qualifier(a).as_str().cmp(&RELEASE.to_string()),
        (Item::Word(a), Some(Item::Word(b))) => qualifier(a).cmp(&qualifier(b)),
        (Item::Word(_), Some(_)) => Ordering::Less,
        (Item::List(items), _) => list_order(items, other),
    }
}

fn list_order(items: &[Item], other: Option<&Item>) -> Ordering {
    match other {
        None => {
            let mut orders = items.iter().map(|item| order(item, None));
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        Some(Item::Number(_)) => Ordering::Less,
        Some(Item::Word(_)) => Ordering::Greater,
        Some(Item::List(others)) => {
            let length = items.len().max(others.len());
            let mut orders = (0..length).map(|at| match (items.get(at), others.get(at)) {
                (Some(item), other) => order(item, other),
                (None, Some(other)) => order(other, None).reverse(),
                (None, None) => Ordering::Equal,
            });
            orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
    }
}
