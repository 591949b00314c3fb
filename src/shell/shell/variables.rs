//! [`Variables`]: values, their attributes, and what `local` hides.

use std::collections::BTreeMap;
use std::rc::Rc;

use bstr::BString;

use crate::Environment;

/// What a variable costs beside its name and value, in bytes, as far as limits go.
const OVERHEAD: usize = 64;

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
    /// Shared with the copies of subshells.
    pub value: Option<Rc<Value>>,
    pub exported: bool,
    pub readonly: bool,
}

/// A variable was assigned to that is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadOnly;

/// The variables of a shell. A copy shares everything until it is changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    all: Rc<BTreeMap<BString, Variable>>,
    /// What the functions being run have hidden, the innermost last.
    hidden: Rc<Vec<BTreeMap<BString, Option<Variable>>>>,
    /// What all of them hold, hidden ones too, in bytes.
    size: usize,
}

impl Variable {
    fn size(&self) -> usize {
        let value = match self.value.as_deref() {
            None => 0,
            Some(Value::Text(text)) => text.len(),
            Some(Value::Array(elements)) => {
                elements.values().map(|text| text.len() + OVERHEAD).sum()
            }
        };
        value + OVERHEAD
    }
}

impl Variables {
    /// What all variables hold, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len() + self.hidden.len()
    }

    /// Puts a variable in the place of another one.
    fn put(&mut self, name: &[u8], variable: Option<Variable>) {
        let all = Rc::make_mut(&mut self.all);
        let new = variable.as_ref().map_or(0, |variable| variable.size() + name.len());
        let old = match variable {
            Some(variable) => all.insert(name.into(), variable),
            None => all.remove(name),
        };
        let old = old.map_or(0, |old| old.size() + name.len());
        self.size = self.size.saturating_add(new).saturating_sub(old);
    }

    /// Sets a variable that every shell has.
    pub(super) fn start(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.mark(name.as_bytes(), |variable| {
            variable.value = Some(Rc::new(Value::Text(value.as_ref().into())));
        });
    }

    /// Takes a variable from the environment.
    pub(super) fn import(&mut self, name: &[u8], value: BString) {
        let value = Some(Rc::new(Value::Text(value)));
        self.put(name, Some(Variable { value, exported: true, readonly: false }));
    }

    /// The text of a variable: of an array, its element 0.
    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Array(elements) => elements.get(&0).map(|text| &text[..]),
        }
    }

    pub(super) fn value(&self, name: &[u8]) -> Option<&Value> {
        self.all.get(name)?.value.as_deref()
    }

    pub(super) fn variable(&self, name: &[u8]) -> Option<&Variable> {
        self.all.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&BString, &Variable)> {
        self.all.iter()
    }

    /// Sets a value and keeps the attributes.
    pub(super) fn set(&mut self, name: &[u8], value: Value) -> Result<(), ReadOnly> {
        let mut variable = self.all.get(name).cloned().unwrap_or_default();
        if variable.readonly {
            return Err(ReadOnly);
        }
        let value = match (value, variable.value.as_deref()) {
            (Value::Text(text), Some(Value::Array(elements))) => {
                let mut elements = elements.clone();
                elements.insert(0, text);
                Value::Array(elements)
            }
            (value, _) => value,
        };
        variable.value = Some(Rc::new(value));
        self.put(name, Some(variable));
        Ok(())
    }

    /// Takes value and attributes away.
    pub(super) fn unset(&mut self, name: &[u8]) -> Result<(), ReadOnly> {
        if self.all.get(name).is_some_and(|variable| variable.readonly) {
            return Err(ReadOnly);
        }
        self.put(name, None);
        Ok(())
    }

    /// Changes the attributes of a variable, which need not have a value.
    pub(super) fn mark(&mut self, name: &[u8], change: impl FnOnce(&mut Variable)) {
        let mut variable = self.all.get(name).cloned().unwrap_or_default();
        change(&mut variable);
        self.put(name, Some(variable));
    }

    /// What programs see.
    pub(super) fn environment(&self) -> Environment {
        let exported = self.all.iter().filter(|(_, variable)| variable.exported);
        exported
            .filter_map(|(name, variable)| match variable.value.as_deref() {
                Some(Value::Text(text)) => Some((name.clone(), text.clone())),
                _ => None,
            })
            .collect()
    }

    /// Begins a scope for `local`.
    pub(super) fn enter(&mut self) {
        Rc::make_mut(&mut self.hidden).push(BTreeMap::new());
    }

    /// Ends a scope: what it has hidden comes back.
    pub(super) fn leave(&mut self) {
        for (name, variable) in Rc::make_mut(&mut self.hidden).pop().unwrap_or_default() {
            let size = variable.as_ref().map_or(0, Variable::size) + name.len();
            self.size = self.size.saturating_sub(size);
            self.put(&name, variable);
        }
    }

    /// Remembers a variable until the scope ends. Whether this is its first time.
    pub(super) fn hide(&mut self, name: &[u8]) -> bool {
        let variable = self.all.get(name).cloned();
        let Some(scope) = Rc::make_mut(&mut self.hidden).last_mut() else { return false };
        if scope.contains_key(name) {
            return false;
        }
        self.size += variable.as_ref().map_or(0, Variable::size) + name.len();
        scope.insert(name.into(), variable);
        true
    }
}
