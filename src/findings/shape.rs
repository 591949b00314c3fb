//! [`Shape`]: the outline of a JSON text by which report formats are told apart: the keys of
//! the top object, or of the first object of a list. Values are skipped unread, so this costs
//! one pass and no memory.

use std::collections::BTreeSet;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Keys kept: no format has more at its top, and a hostile text shall not fill memory.
const MAX_KEYS: usize = 512;

/// The outline of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object with these keys.
    Object(Keys),
    /// A list whose first element is an object with these keys; without keys when the first
    /// element is no object.
    List(Keys),
    EmptyList,
    /// A number, text, `true`, `false` or `null`.
    Scalar,
}

/// The keys of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys(BTreeSet<String>);

impl Keys {
    pub fn has(&self, key: &str) -> bool {
        self.0.contains(key)
    }

    pub fn has_all(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.has(key))
    }

    pub fn has_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.has(key))
    }

    /// Whether a key starts with `prefix`.
    pub fn any_starts_with(&self, prefix: &str) -> bool {
        self.0.iter().any(|key| key.starts_with(prefix))
    }
}

impl Shape {
    /// Of an object.
    pub fn object(&self) -> Option<&Keys> {
        match self {
            Shape::Object(keys) => Some(keys),
            _ => None,
        }
    }

    /// Of a list's first object.
    pub fn list(&self) -> Option<&Keys> {
        match self {
            Shape::List(keys) => Some(keys),
            _ => None,
        }
    }

    /// Of an object, or of a list's first object: for formats that some tools wrap in a list.
    pub fn either(&self) -> Option<&Keys> {
        self.object().or_else(|| self.list())
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;
        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut keys = Keys::default();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    if keys.0.len() < MAX_KEYS {
                        keys.0.insert(key);
                    }
                }
                Ok(Shape::Object(keys))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let shape = match list.next_element::<Shape>()? {
                    None => Shape::EmptyList,
                    Some(Shape::Object(keys)) => Shape::List(keys),
                    Some(_) => Shape::List(Keys::default()),
                };
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(shape)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }
        }
        deserializer.deserialize_any(ShapeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_is_read_without_the_values() {
        let shape = |text: &str| serde_json::from_str::<Shape>(text).unwrap();
        assert!(shape(r#"{"a": [1, {"c": 2}], "b": null}"#).object().unwrap().has_all(&["a", "b"]));
        assert!(!shape(r#"{"a": {"c": 2}}"#).object().unwrap().has("c"));
        assert!(shape(r#"[{"a": 1}, {"b": 2}]"#).list().unwrap().has("a"));
        assert_eq!(shape("[[]]"), Shape::List(Keys::default()));
        assert_eq!(shape("[]"), Shape::EmptyList);
        for scalar in ["1", "-1", "1.5", "true", "null", "\"text\""] {
            assert_eq!(shape(scalar), Shape::Scalar, "{scalar}");
        }
    }
}
