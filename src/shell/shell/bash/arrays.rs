//! Arrays: values by index.

use std::collections::BTreeMap;

use bstr::BString;

use crate::Stop;
use crate::shell::flow::Eval;
use crate::shell::variables::Value;
use crate::shell::{Dialect, Shell};
use crate::syntax::tree::{AssignedValue, Assignment, Word};

/// The largest index: an array is a map, but its holes are seen by nobody.
const MAX_INDEX: i64 = 1 << 32;

/// What an assignment sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) enum Element {
    /// The variable, or the element 0 of an array.
    Whole,
    At(u64),
}

impl Shell<'_> {
    /// The index that an expression gives; negative ones count from the end.
    pub(in crate::shell) fn element_index(&mut self, name: &[u8], index: &Word) -> Eval<u64> {
        let text = self.expand_quoted(index)?;
        let value = self.arithmetic(&text)?;
        let value = match value < 0 {
            true => value.saturating_add(self.array_end(name)),
            false => value,
        };
        match u64::try_from(value) {
            Ok(index) if value < MAX_INDEX => Ok(index),
            _ => Err(Stop::new(format!("the array index {value}")).into()),
        }
    }

    fn array_end(&self, name: &[u8]) -> i64 {
        let last = match self.state.variables.value(name) {
            Some(Value::Array(elements)) => elements.keys().next_back().copied(),
            Some(Value::Text(_)) => Some(0),
            None => None,
        };
        last.map_or(0, |last| i64::try_from(last).unwrap_or(i64::MAX).saturating_add(1))
    }

    /// The elements of an array: a variable of text is an array of one.
    pub(in crate::shell) fn elements(&self, name: &[u8]) -> BTreeMap<u64, BString> {
        if name == b"PIPESTATUS" {
            let statuses = self.state.pipe_statuses.iter();
            return (0..).zip(statuses.map(|status| status.to_string().into())).collect();
        }
        match self.state.variables.value(name).cloned() {
            Some(Value::Array(elements)) => elements,
            Some(Value::Text(text)) => [(0, text)].into(),
            None => BTreeMap::new(),
        }
    }

    /// The elements of `(a b [5]=c)`.
    pub(in crate::shell) fn array_value(
        &mut self,
        name: &[u8],
        words: &[(Option<Word>, Word)],
        mut elements: BTreeMap<u64, BString>,
    ) -> Eval<Value> {
        let mut next = elements.keys().next_back().map_or(0, |last| last + 1);
        for (index, word) in words {
            self.machine.spend(1)?;
            if let Some(index) = index {
                next = self.element_index(name, index)?;
                let value = self.expand_value(word)?;
                elements.insert(next, value);
                next += 1;
                continue;
            }
            let mut fields = Vec::new();
            self.expand_word(word, &mut fields)?;
            for field in fields {
                elements.insert(next, field);
                next += 1;
            }
        }
        Ok(Value::Array(elements))
    }

    /// What an assignment of the script sets, and to what.
    pub(in crate::shell) fn assigned(&mut self, assignment: &Assignment) -> Eval<(Element, Value)> {
        let name = &assignment.name;
        let element = match &assignment.index {
            Some(index) => Element::At(self.element_index(name, index)?),
            None => Element::Whole,
        };
        let value = match (&assignment.value, &element) {
            (AssignedValue::Array(words), Element::Whole) => {
                let before = match assignment.append {
                    true => self.elements(name),
                    false => BTreeMap::new(),
                };
                return Ok((element, self.array_value(name, words, before)?));
            }
            (AssignedValue::Array(_), Element::At(_)) => {
                return Err(Stop::new("an array in an array").into());
            }
            (AssignedValue::Word(word), _) => self.expand_value(word)?,
        };
        let value = match assignment.append {
            true => {
                let at = if let Element::At(at) = element { at } else { 0 };
                let before = self.elements(name).remove(&at).unwrap_or_default();
                BString::from([&before[..], &value].concat())
            }
            false => value,
        };
        Ok((element, Value::Text(value)))
    }

    /// Sets a variable, or an element of one.
    pub(in crate::shell) fn assign_element(
        &mut self,
        name: &[u8],
        element: Element,
        value: Value,
    ) -> Eval<()> {
        match (element, value) {
            (Element::Whole, Value::Text(text)) => self.assign(name, text),
            (Element::At(at), Value::Text(text)) => {
                let mut elements = self.elements(name);
                elements.insert(at, text);
                self.assign_array(name, elements)
            }
            (_, Value::Array(elements)) => self.assign_array(name, elements),
        }
    }

    pub(in crate::shell) fn assign_array(
        &mut self,
        name: &[u8],
        elements: BTreeMap<u64, BString>,
    ) -> Eval<()> {
        let size = elements.values().map(|text| text.len() + 8).sum();
        self.machine.spend_data(size)?;
        self.room_for(size)?;
        debug_assert_eq!(self.dialect, Dialect::Bash);
        match self.state.variables.set(name, Value::Array(elements)) {
            Ok(()) => Ok(()),
            Err(_) => Err(Stop::new("an assignment to a read-only array").into()),
        }
    }
}
