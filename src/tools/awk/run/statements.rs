//! Statements, and what they print.

use super::super::format::formatted;
use super::super::parse::{Expression, Lvalue, Statement, Target};
use super::super::value::Value;
use super::variables::{array_weight, weight};
use super::{Awk, Flow};
use imgfix_shell::Stop;
use imgfix_shell::files::Access;

impl Awk<'_, '_> {
    pub(super) fn statement(&mut self, statement: &Statement) -> Result<Flow, Stop> {
        self.process.machine.spend(1)?;
        match statement {
            Statement::Block(all) => {
                for one in all {
                    match self.statement(one)? {
                        Flow::Go => {}
                        other => return Ok(other),
                    }
                }
            }
            Statement::Expression(expression) => drop(self.value(expression)?),
            Statement::Print(values, target) => self.print(values, target)?,
            Statement::Printf(values, target) => {
                let text = self.formatted(values)?;
                self.put_out(target, text)?;
            }
            Statement::If(condition, then, otherwise) => {
                return match (self.condition(condition)?, otherwise) {
                    (true, _) => self.statement(then),
                    (false, Some(otherwise)) => self.statement(otherwise),
                    (false, None) => Ok(Flow::Go),
                };
            }
            Statement::While(condition, body) => {
                return self.repeat(None, Some(condition), None, body);
            }
            Statement::DoWhile(body, condition) => loop {
                match self.statement(body)? {
                    Flow::Go | Flow::Continue => {}
                    Flow::Break => break,
                    other => return Ok(other),
                }
                if !self.condition(condition)? {
                    break;
                }
            },
            Statement::For(first, condition, step, body) => {
                return self.repeat(first.as_deref(), condition.as_ref(), step.as_deref(), body);
            }
            Statement::ForIn(variable, array, body) => {
                return self.for_in(variable, array, body);
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Next => return Ok(Flow::Next),
            Statement::Exit(status) => {
                if let Some(status) = status {
                    let status = self.number(status)? as i64;
                    self.status = u8::try_from(status & 0xff).unwrap_or(0);
                }
                return Ok(Flow::Exit);
            }
            Statement::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.value(value)?,
                    None => Value::Nothing,
                }));
            }
            Statement::Delete(array, None) => {
                let gone = self.arrays.remove(array).unwrap_or_default();
                self.hold(array_weight(&gone), 0)?;
            }
            Statement::Delete(array, Some(index)) => {
                let key = self.key(index)?;
                let gone = self.arrays.get_mut(array).and_then(|array| array.remove(&key));
                if let Some(gone) = gone {
                    self.hold(weight(&key, &gone), 0)?;
                }
            }
        }
        Ok(Flow::Go)
    }

    fn repeat(
        &mut self,
        first: Option<&Statement>,
        condition: Option<&Expression>,
        step: Option<&Statement>,
        body: &Statement,
    ) -> Result<Flow, Stop> {
        if let Some(first) = first {
            self.statement(first)?;
        }
        loop {
            if let Some(condition) = condition
                && !self.condition(condition)?
            {
                return Ok(Flow::Go);
            }
            match self.statement(body)? {
                Flow::Go | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Go),
                other => return Ok(other),
            }
            if let Some(step) = step {
                self.statement(step)?;
            }
        }
    }

    /// The order of an array is that of mawk's hash table: only what has no order is evaluated,
    /// and the environment, which has none that a script could count on (ucf unsets it).
    fn for_in(&mut self, variable: &str, array: &str, body: &Statement) -> Result<Flow, Stop> {
        let keys: Vec<Vec<u8>> =
            self.arrays.get(array).map(|array| array.keys().cloned().collect()).unwrap_or_default();
        if keys.len() > 1 && array != "ENVIRON" {
            return Err(Stop::new("awk with a loop over an array of several elements"));
        }
        for key in keys {
            self.write(&Lvalue::Variable(variable.to_owned()), Value::String(key))?;
            match self.statement(body)? {
                Flow::Go | Flow::Continue => {}
                Flow::Break => break,
                other => return Ok(other),
            }
        }
        Ok(Flow::Go)
    }

    fn print(&mut self, values: &[Expression], target: &Target) -> Result<(), Stop> {
        let format = self.text("OFMT")?;
        let mut texts = Vec::new();
        for value in values {
            texts.push(self.value(value)?.string(&format)?);
        }
        if values.is_empty() {
            let record = self.read(&Lvalue::Field(Box::new(Expression::Number(0.0))))?;
            texts.push(record.string(&format)?);
        }
        let mut text = texts.join(&self.text("OFS")?[..]);
        text.extend(self.text("ORS")?);
        self.put_out(target, text)
    }

    pub(super) fn formatted(&mut self, values: &[Expression]) -> Result<Vec<u8>, Stop> {
        let Some((format, values)) = values.split_first() else {
            return Err(Stop::new("awk with printf of nothing"));
        };
        let format = self.text_of(format)?;
        let values: Result<Vec<Value>, Stop> =
            values.iter().map(|value| self.value(value)).collect();
        let text = formatted(&format, &values?, &self.text("CONVFMT")?)?;
        self.process.machine.spend_growth(0, text.len())?;
        Ok(text)
    }

    fn put_out(&mut self, target: &Target, text: Vec<u8>) -> Result<(), Stop> {
        let mode = 0o666 & !self.process.call.umask;
        let (name, access) = match target {
            Target::Output => return self.process.print(text),
            Target::File(name) => (name, Access::Truncate { mode }),
            Target::Append(name) => (name, Access::Append { mode }),
        };
        let name = self.text_of(name)?;
        let descriptor = match &name[..] {
            b"/dev/stdout" | b"-" => return self.process.print(text),
            b"/dev/stderr" => self.process.call.descriptors.get(2).cloned(),
            _ => None,
        };
        let stream = match (descriptor, self.outputs.get(&name)) {
            (Some(stream), _) => stream,
            (None, Some(stream)) => stream.clone(),
            (None, None) if name == b"/dev/stderr" => return Ok(()),
            (None, None) => {
                let directory = self.process.call.directory.clone();
                let Ok(stream) = self.process.machine.open(&directory, &name, access)? else {
                    return Err(Stop::new("awk with output to a file that cannot be opened"));
                };
                self.outputs.insert(name, stream.clone());
                stream
            }
        };
        let _unusable = self.process.machine.write(&stream, &text)?;
        Ok(())
    }
}
