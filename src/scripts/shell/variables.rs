//! [`Variables`]: values, their attributes, and what `local` hides.

use std::collections::BTreeMap;

use bstr::BString;

use crate::scripts::Environment;

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(BString),
    /// Elements by index (bash).
    Array(BTreeMap<u64, BString>),
}

/// A variable: it may have attributes and no value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variable {
    pub value: Option<Value>,
    pub exported: bool,
    pub readonly: bool,
}

/// A variable was assigned to that is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadOnly;

#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    all: BTreeMap<BString, Variable>,
    /// What the functions being run have hidden, the innermost last.
    hidden: Vec<BTreeMap<BString, Option<Variable>>>,
}

impl Variables {
    /// Sets a variable that every shell has.
    pub(super) fn start(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let variable = self.all.entry(name.into()).or_default();
        variable.value = Some(Value::Text(value.as_ref().into()));
    }

    /// Takes a variable from the environment.
    pub(super) fn import(&mut self, name: BString, value: BString) {
        let value = Some(Value::Text(value));
        self.all.insert(name, Variable { value, exported: true, readonly: false });
    }

    /// The text of a variable: of an array, its element 0.
    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match self.all.get(name)?.value.as_ref()? {
            Value::Text(text) => Some(text),
            Value::Array(elements) => elements.get(&0).map(|text| &text[..]),
        }
    }

    pub(super) fn variable(&self, name: &[u8]) -> Option<&Variable> {
        self.all.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&BString, &Variable)> {
        self.all.iter()
    }

    /// Sets a value and keeps the attributes.
    pub(super) fn set(&mut self, name: &[u8], value: Value) -> Result<(), ReadOnly> {
        let variable = self.all.entry(name.into()).or_default();
        if variable.readonly {
            return Err(ReadOnly);
        }
        variable.value = match (value, variable.value.take()) {
            (Value::Text(text), Some(Value::Array(mut elements))) => {
                elements.insert(0, text);
                Some(Value::Array(elements))
            }
            (value, _) => Some(value),
        };
        Ok(())
    }

    /// Takes value and attributes away.
    pub(super) fn unset(&mut self, name: &[u8]) -> Result<(), ReadOnly> {
        if self.all.get(name).is_some_and(|variable| variable.readonly) {
            return Err(ReadOnly);
        }
        self.all.remove(name);
        Ok(())
    }

    /// Changes the attributes of a variable, which need not have a value.
    pub(super) fn mark(&mut self, name: &[u8], change: impl FnOnce(&mut Variable)) {
        change(self.all.entry(name.into()).or_default());
    }

    /// What programs see.
    pub(super) fn environment(&self) -> Environment {
        let exported = self.all.iter().filter(|(_, variable)| variable.exported);
        exported
            .filter_map(|(name, variable)| match &variable.value {
                Some(Value::Text(text)) => Some((name.clone(), text.clone())),
                _ => None,
            })
            .collect()
    }

    /// Begins a scope for `local`.
    pub(super) fn enter(&mut self) {
        self.hidden.push(BTreeMap::new());
    }

    /// Ends a scope: what it has hidden comes back.
    pub(super) fn leave(&mut self) {
        for (name, variable) in self.hidden.pop().unwrap_or_default() {
            match variable {
                Some(variable) => self.all.insert(name, variable),
                None => self.all.remove(&name),
            };
        }
    }

    /// Remembers a variable until the scope ends. Whether this is its first time.
    pub(super) fn hide(&mut self, name: &[u8]) -> bool {
        let Some(scope) = self.hidden.last_mut() else { return false };
        if scope.contains_key(name) {
            return false;
        }
        scope.insert(name.into(), self.all.get(name).cloned());
        true
    }
}
