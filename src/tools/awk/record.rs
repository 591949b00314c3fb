//! The current record and its fields.

use super::value::Value;
use imgfix_shell::Stop;
use imgfix_shell::regex::{Options, Regex, Syntax};

/// The most fields of a record.
const MAX_FIELDS: usize = 1 << 20;

/// A record. Fields are taken apart when first asked for.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: Value,
    fields: Option<Vec<Value>>,
    /// A field was changed since the text was made.
    changed: bool,
}

impl Default for Value {
    fn default() -> Self {
        Self::Input(Vec::new())
    }
}

impl Record {
    pub(super) fn set(&mut self, text: Value) {
        *self = Self { text, fields: None, changed: false };
    }

    fn fields(&mut self, separator: &[u8]) -> Result<&mut Vec<Value>, Stop> {
        if self.fields.is_none() {
            let text = match &self.text {
                Value::String(text) | Value::Input(text) => text.clone(),
                other => other.string(b"%.6g")?,
            };
            let parts = split(&text, separator)?;
            self.fields = Some(parts.into_iter().map(Value::Input).collect());
        }
        Ok(self.fields.get_or_insert_default())
    }

    pub(super) fn count(&mut self, separator: &[u8]) -> Result<usize, Stop> {
        Ok(self.fields(separator)?.len())
    }

    pub(super) fn set_count(&mut self, count: usize, separator: &[u8]) -> Result<(), Stop> {
        if count > MAX_FIELDS {
            return Err(Stop::new("awk with too many fields"));
        }
        self.fields(separator)?.resize(count, Value::Input(Vec::new()));
        self.changed = true;
        Ok(())
    }

    /// Field `index`; 0 is the whole record.
    pub(super) fn get(
        &mut self,
        index: usize,
        separator: &[u8],
        joined: &[u8],
    ) -> Result<Value, Stop> {
        if index == 0 {
            self.join(joined)?;
            return Ok(self.text.clone());
        }
        Ok(self.fields(separator)?.get(index - 1).cloned().unwrap_or(Value::Nothing))
    }

    pub(super) fn put(&mut self, index: usize, value: Value, separator: &[u8]) -> Result<(), Stop> {
        if index == 0 {
            self.set(value);
            return Ok(());
        }
        if index > MAX_FIELDS {
            return Err(Stop::new("awk with too many fields"));
        }
        let fields = self.fields(separator)?;
        if fields.len() < index {
            fields.resize(index, Value::Input(Vec::new()));
        }
        if let Some(place) = fields.get_mut(index - 1) {
            *place = value;
        }
        self.changed = true;
        Ok(())
    }

    fn join(&mut self, joined: &[u8]) -> Result<(), Stop> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let fields = self.fields.iter().flatten();
        let texts: Result<Vec<Vec<u8>>, Stop> = fields.map(|field| field.string(b"%.6g")).collect();
        self.text = Value::Input(texts?.join(joined));
        Ok(())
    }
}

/// A text between separators: a blank for runs of blanks, one byte, or an expression.
pub(super) fn split(text: &[u8], separator: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    match separator {
        b" " => {
            let words = text.split(|b| matches!(b, b' ' | b'\t' | b'\n'));
            Ok(words.filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect())
        }
        b"" => Ok(text.iter().map(|byte| vec![*byte]).collect()),
        [byte] if *byte != b'\\' => Ok(text.split(|b| b == byte).map(<[u8]>::to_vec).collect()),
        pattern => {
            let regex = Regex::new(pattern, Syntax::Awk, Options::default())?;
            let (mut out, mut from, mut at) = (Vec::new(), 0, 0);
            while let Some(found) = regex.find_at(text, at)? {
                if found.end == found.start {
                    at = found.end + 1;
                    continue;
                }
                out.push(text.get(from..found.start).unwrap_or_default().to_vec());
                (from, at) = (found.end, found.end);
            }
            out.push(text.get(from..).unwrap_or_default().to_vec());
            Ok(out)
        }
    }
}
