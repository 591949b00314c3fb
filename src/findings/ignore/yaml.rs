//! YAML of ignore files: one document, whose keys are texts, no key twice. Brackets are bounded
//! before the parser sees them (its time grows with the square of their depth), other nesting
//! and what aliases may repeat by the parser.

use serde::de::DeserializeOwned;
use serde_yaml_ng::Value;

use crate::FindingsError;

/// Brackets that are open at a time; those in texts count, too.
const MAX_BRACKETS: i32 = 100;

/// The document; `None` when the file has nothing but comments.
pub(super) fn load(name: &str, bytes: &[u8]) -> Result<Option<Value>, FindingsError> {
    let unknown = |why: String| FindingsError::IgnoreUnknown { name: name.to_owned(), why };
    let text = std::str::from_utf8(bytes).map_err(|_| unknown("not UTF-8 text".to_owned()))?;
    let mut open = 0_i32;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open = open.saturating_add(1),
            b']' | b'}' => open -= 1,
            _ => {}
        }
        if open > MAX_BRACKETS {
            return Err(unknown(format!("YAML: more than {MAX_BRACKETS} brackets are open")));
        }
    }
    // A Value refuses keys that are there twice.
    let value: Value =
        serde_yaml_ng::from_str(text).map_err(|error| unknown(format!("YAML: {error}")))?;
    match value {
        Value::Null => Ok(None),
        Value::Mapping(_) => Ok(Some(value)),
        _ => Err(unknown("YAML without keys".to_owned())),
    }
}

/// A part of a document in its form; what is not in the form is an error that names the place.
pub(super) fn typed<T: DeserializeOwned>(name: &str, value: Value) -> Result<T, FindingsError> {
    serde_path_to_error::deserialize(value).map_err(|error| FindingsError::IgnoreRule {
        name: name.to_owned(),
        place: error.path().to_string(),
        why: error.inner().to_string(),
    })
}
