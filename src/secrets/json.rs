//! A document of JSON without secrets, such as an image's config: it keeps its form, only texts
//! in it change.

use serde_json::Value;

use super::mask::mask_parts;
use super::{MASKED, Secrets};

/// The longest command of which the words are looked at together, in bytes.
const MAX_COMMAND: usize = 64 << 10;

/// How deep a document is looked at; what is deeper is masked as a whole.
const MAX_DEPTH: usize = 256;

impl Secrets {
    /// Masks what looks like a secret in the texts of `document`: the values of keys that name
    /// one, variables (`Env`), entries of a history (`created_by`), words of commands, and tokens
    /// anywhere. Objects keep their keys and lists their length.
    pub fn mask_json(&self, document: &mut Value) {
        self.mask_value(None, document, 0);
    }

    fn mask_value(&self, key: Option<&str>, value: &mut Value, depth: usize) {
        if depth > MAX_DEPTH {
            *value = Value::from(MASKED);
            return;
        }
        let named = key.is_some_and(|key| self.names_a_secret(key));
        match value {
            Value::String(text) => {
                let masked = match key {
                    _ if named && self.is_value(text) => MASKED.into(),
                    Some("created_by" | "CreatedBy" | "createdBy") => self.mask_history(text),
                    Some("Env") => self.mask_variable(text),
                    _ => self.mask(text),
                };
                if masked != text.as_str() {
                    *text = masked.into_owned();
                }
            }
            Value::Number(_) if named => *value = Value::from(MASKED),
            Value::Array(list) => {
                list.iter_mut().for_each(|item| self.mask_value(key, item, depth + 1));
                if key != Some("Env") {
                    self.mask_words(list);
                }
            }
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    self.mask_value(Some(key), value, depth + 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A list of words may be a command: what is a secret may be told by the word before it.
    fn mask_words(&self, list: &mut [Value]) {
        let mut words: Vec<&mut String> = Vec::new();
        for item in list {
            match item {
                Value::String(word) => words.push(word),
                _ => return,
            }
        }
        let length: usize = words.iter().map(|word| word.len() + 1).sum();
        if words.len() < 2 || length > MAX_COMMAND {
            return;
        }
        let joined = words.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(" ");
        let stretches = self.stretches(&joined);
        mask_parts(&mut words, &stretches);
    }
}
