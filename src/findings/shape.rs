//! [`Shape`]: the outline of a JSON text by which report formats are told apart: which keys are
//! where, down to a few levels. Values are skipped unread, so this costs one pass and little
//! memory.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};

/// Places kept: no format needs more, and a hostile text shall not fill memory.
const MAX_PLACES: usize = 4096;
/// Keys of one object that are looked at: some formats have maps with thousands.
const MAX_KEYS: usize = 256;
/// Longer keys are not of any format.
const MAX_KEY: usize = 200;
/// Levels of objects and lists that are looked at.
const MAX_DEPTH: usize = 6;
/// Elements of one list that are looked at: not every element has every key.
const MAX_ELEMENTS: usize = 16;

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Null,
    /// A number, text, `true` or `false`.
    Scalar,
    List,
    Object,
}

/// The outline of a JSON text. Places are written `results[].packages`; of a text that is a
/// list, `[].id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape(BTreeMap<String, Kind>);

/// Whether a key is in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Present,
    /// It may be: the list that would hold it is empty.
    Possible,
    Absent,
}

impl Shape {
    pub fn is_object(&self) -> bool {
        self.0.get("") == Some(&Kind::Object)
    }

    pub fn is_list(&self) -> bool {
        self.0.get("") == Some(&Kind::List)
    }

    pub fn is_empty_list(&self) -> bool {
        self.is_list() && !self.0.contains_key("[]")
    }

    /// Whether there is something at a place.
    pub fn has(&self, place: &str) -> bool {
        self.look(place) == Look::Present
    }

    /// The keys of the top object.
    pub fn top_keys(&self) -> impl Iterator<Item = &str> {
        let inner = |place: &&String| !place.is_empty() && !place.contains(['.', '[']);
        self.0.keys().filter(inner).map(String::as_str)
    }

    /// Looks for a place; a name that ends in `*` stands for all that begin so.
    pub fn look(&self, place: &str) -> Look {
        if let Some(start) = place.strip_suffix('*') {
            let found = self.0.range(start.to_owned()..).next();
            let found = found.is_some_and(|(key, _)| key.starts_with(start));
            return if found { Look::Present } else { Look::Absent };
        }
        if self.0.contains_key(place) {
            return Look::Present;
        }
        let mut rest = place;
        while let Some(parent) = parent(rest) {
            match self.0.get(parent) {
                None => rest = parent,
                Some(Kind::Null) => return Look::Possible,
                Some(Kind::List) if !self.0.contains_key(&format!("{parent}[]")) => {
                    return Look::Possible;
                }
                Some(_) => return Look::Absent,
            }
        }
        Look::Absent
    }

    fn note(&mut self, place: &str, kind: Kind) {
        if let Some(known) = self.0.get_mut(place) {
            if *known == Kind::Null {
                *known = kind;
            }
        } else if self.0.len() < MAX_PLACES {
            self.0.insert(place.to_owned(), kind);
        }
    }
}

/// The place that holds a place.
fn parent(place: &str) -> Option<&str> {
    if let Some(list) = place.strip_suffix("[]") {
        return Some(list);
    }
    match place.rfind('.') {
        Some(at) => place.get(..at),
        None if place.is_empty() => None,
        None => Some(""),
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut shape = Shape::default();
        Walk { shape: &mut shape, place: String::new(), depth: 0 }.deserialize(deserializer)?;
        Ok(shape)
    }
}

/// Notes what is at a place and below.
struct Walk<'a> {
    shape: &'a mut Shape,
    place: String,
    depth: usize,
}

impl Walk<'_> {
    fn below(&mut self, step: &str) -> Walk<'_> {
        Walk {
            place: format!("{}{step}", self.place),
            depth: self.depth + 1,
            shape: &mut *self.shape,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.shape.note(&self.place, Kind::Object);
        let dot = if self.place.is_empty() { "" } else { "." };
        let mut seen = 0;
        while let Some(key) = map.next_key::<String>()? {
            seen += 1;
            if self.depth < MAX_DEPTH && seen <= MAX_KEYS && key.len() <= MAX_KEY {
                map.next_value_seed(self.below(&format!("{dot}{key}")))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.shape.note(&self.place, Kind::List);
        if self.depth < MAX_DEPTH {
            for _ in 0..MAX_ELEMENTS {
                if list.next_element_seed(self.below("[]"))?.is_none() {
                    return Ok(());
                }
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Scalar);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Scalar);
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Scalar);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Scalar);
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Scalar);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.shape.note(&self.place, Kind::Null);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn places_are_found_without_the_values() {
        let shape = shape(
            r#"{"a": [1, {"c": {"d": 2}}, {"e": 1}], "b": null, "f": [], "vnd/x; v=1.1": {}}"#,
        );
        for (place, want) in [
            ("a", Look::Present),
            ("a[]", Look::Present),
            ("a[].c", Look::Present),
            ("a[].c.d", Look::Present),
            ("a[].e", Look::Present),
            ("a[].x", Look::Absent),
            ("c", Look::Absent),
            ("b", Look::Present),
            ("b.x", Look::Possible),
            ("b[].x.y", Look::Possible),
            ("f[].x", Look::Possible),
            ("f.x", Look::Possible),
            ("a[].e.x", Look::Absent),
            ("vnd/x*", Look::Present),
            ("vnd/y*", Look::Absent),
        ] {
            assert_eq!(shape.look(place), want, "{place}");
        }
        assert!(shape.is_object());
    }

    #[test]
    fn lists_and_scalars_are_known() {
        assert_eq!(shape(r#"[{"a": 1}, {"b": 2}]"#).look("[].b"), Look::Present);
        assert!(shape("[]").is_empty_list());
        assert!(!shape("[[]]").is_empty_list());
        for scalar in ["1", "-1", "1.5", "true", "null", "\"text\""] {
            let shape = shape(scalar);
            assert!(!shape.is_list() && !shape.is_object(), "{scalar}");
        }
    }

    #[test]
    fn the_outline_is_bounded() {
        let keys: Vec<String> = (0..5000).map(|n| format!("\"k{n}\": [{{\"a\": 1}}]")).collect();
        assert!(shape(&format!("{{{}}}", keys.join(","))).0.len() <= MAX_PLACES);
        let deep = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(shape(&deep).0.len() <= MAX_DEPTH + 1);
        let long = format!("{{\"{}\": 1}}", "x".repeat(MAX_KEY + 1));
        assert_eq!(shape(&long).top_keys().count(), 0);
    }
}
