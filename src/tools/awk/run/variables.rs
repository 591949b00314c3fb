//! Variables, arrays and fields of a running program: read, written, and what they hold
//! counted.

use super::super::parse::{Expression, Lvalue};
use super::super::value::Value;
use super::{Array, Awk};
use imgfix_shell::Stop;

/// What variables and arrays of a program may hold, in bytes.
const MAX_HELD: usize = 64 << 20;

/// What an element costs beside its key and value, in bytes.
const ELEMENT: usize = 96;

impl Awk<'_, '_> {
    pub(super) fn variable(&self, name: &str) -> Value {
        let local = self.frames.last().and_then(|frame| frame.get(name));
        local.or_else(|| self.variables.get(name)).cloned().unwrap_or(Value::Nothing)
    }

    pub(super) fn text(&self, name: &str) -> Result<Vec<u8>, Stop> {
        self.variable(name).string(b"%.6g")
    }

    pub(super) fn string(&self, value: &Value) -> Result<Vec<u8>, Stop> {
        value.string(&self.text("CONVFMT")?)
    }

    pub(super) fn read(&mut self, lvalue: &Lvalue) -> Result<Value, Stop> {
        match lvalue {
            Lvalue::Variable(name) if name == "NF" => {
                let separator = self.text("FS")?;
                Ok(Value::Number(self.record.count(&separator)? as f64))
            }
            Lvalue::Variable(name) => Ok(self.variable(name)),
            Lvalue::Element(array, index) => {
                let key = self.key(index)?;
                let known = self.arrays.get(array).and_then(|array| array.get(&key));
                if let Some(value) = known {
                    return Ok(value.clone());
                }
                self.hold(0, weight(&key, &Value::Nothing))?;
                self.arrays.entry(array.clone()).or_default().insert(key, Value::Nothing);
                Ok(Value::Nothing)
            }
            Lvalue::Field(index) => {
                let index = self.index(index)?;
                let (separator, joined) = (self.text("FS")?, self.text("OFS")?);
                self.record.get(index, &separator, &joined)
            }
        }
    }

    pub(super) fn write(&mut self, lvalue: &Lvalue, value: Value) -> Result<(), Stop> {
        match lvalue {
            Lvalue::Variable(name) if name == "NF" => {
                let separator = self.text("FS")?;
                self.record.set_count(value.number() as usize, &separator)?;
            }
            Lvalue::Variable(name) => {
                if name == "FS" {
                    // Fields of this record are those of the separator before.
                    let separator = self.text("FS")?;
                    self.record.count(&separator)?;
                }
                let new = weight(b"", &value);
                let local = self.frames.last_mut().and_then(|frame| frame.get_mut(name));
                let old = match local {
                    Some(local) => Some(std::mem::replace(local, value)),
                    None => self.variables.insert(name.clone(), value),
                };
                self.hold(old.map_or(0, |old| weight(b"", &old)), new)?;
            }
            Lvalue::Element(array, index) => {
                let key = self.key(index)?;
                self.process.machine.spend_data(key.len())?;
                let new = weight(&key, &value);
                let array = self.arrays.entry(array.clone()).or_default();
                let old = array.get(&key).map_or(0, |old| weight(&key, old));
                array.insert(key, value);
                self.hold(old, new)?;
            }
            Lvalue::Field(index) => {
                let index = self.index(index)?;
                let separator = self.text("FS")?;
                self.record.put(index, value, &separator)?;
            }
        }
        Ok(())
    }

    /// Counts what takes the place of something else.
    pub(super) fn hold(&mut self, old: usize, new: usize) -> Result<(), Stop> {
        self.held = self.held.saturating_add(new).saturating_sub(old);
        match self.held > MAX_HELD {
            true => Err(Stop::new("awk with variables that hold too much")),
            false => Ok(()),
        }
    }

    pub(super) fn index(&mut self, index: &Expression) -> Result<usize, Stop> {
        let number = self.value(index)?.number();
        if number < 0.0 {
            return Err(Stop::new("awk with a negative field"));
        }
        Ok(number as usize)
    }

    pub(super) fn key(&mut self, index: &[Expression]) -> Result<Vec<u8>, Stop> {
        let mut parts = Vec::new();
        for part in index {
            let value = self.value(part)?;
            parts.push(self.string(&value)?);
        }
        Ok(parts.join(&self.text("SUBSEP")?[..]))
    }
}

pub(super) fn weight(key: &[u8], value: &Value) -> usize {
    let text = match value {
        Value::String(text) | Value::Input(text) => text.len(),
        Value::Nothing | Value::Number(_) => 0,
    };
    key.len() + text + ELEMENT
}

pub(super) fn array_weight(array: &Array) -> usize {
    array.iter().map(|(key, value)| weight(key, value)).sum()
}
