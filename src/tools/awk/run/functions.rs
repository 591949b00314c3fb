//! The functions that awk has itself (POSIX awk, "Functions"; mawk(1)).

use std::collections::BTreeMap;

use super::super::parse::{Expression, Lvalue};
use super::super::record::split;
use super::super::value::Value;
use super::variables::array_weight;
use super::{Array, Awk};
use imgfix_shell::Stop;

impl Awk<'_, '_> {
    pub(super) fn builtin(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, Stop> {
        let unfit = || Stop::new(format!("awk with {name} called in an unusual way"));
        Ok(match (name, arguments) {
            ("length", []) => {
                let record = self.read(&Lvalue::Field(Box::new(Expression::Number(0.0))))?;
                Value::Number(self.string(&record)?.len() as f64)
            }
            ("length", [Expression::Lvalue(Lvalue::Variable(name))])
                if self.arrays.contains_key(name) =>
            {
                Value::Number(self.arrays.get(name).map_or(0, BTreeMap::len) as f64)
            }
            ("length", [text]) => Value::Number(self.text_of(text)?.len() as f64),
            ("substr", [text, from]) => {
                let (text, from) = (self.text_of(text)?, self.number(from)?);
                substring(&text, from, None)?
            }
            ("substr", [text, from, length]) => {
                let text = self.text_of(text)?;
                let (from, length) = (self.number(from)?, self.number(length)?);
                substring(&text, from, Some(length))?
            }
            ("index", [text, part]) => {
                let (text, part) = (self.text_of(text)?, self.text_of(part)?);
                let at = bstr::ByteSlice::find(&text[..], &part);
                Value::Number(at.map_or(0, |at| at + 1) as f64)
            }
            ("split", [text, Expression::Lvalue(Lvalue::Variable(array)), rest @ ..]) => {
                let text = self.text_of(text)?;
                let separator = match rest {
                    [] => self.text("FS")?,
                    [separator] => self.pattern(separator)?,
                    _ => return Err(unfit()),
                };
                let parts = split(&text, &separator)?;
                let count = parts.len();
                let numbered = parts.into_iter().enumerate();
                let elements = numbered
                    .map(|(at, part)| ((at + 1).to_string().into_bytes(), Value::Input(part)));
                let new: Array = elements.collect();
                let weight = array_weight(&new);
                let old = self.arrays.insert(array.clone(), new).unwrap_or_default();
                self.hold(array_weight(&old), weight)?;
                Value::Number(count as f64)
            }
            ("sub" | "gsub", [pattern, with]) => {
                let lvalue = Lvalue::Field(Box::new(Expression::Number(0.0)));
                self.substitute(pattern, with, &lvalue, name == "gsub")?
            }
            ("sub" | "gsub", [pattern, with, Expression::Lvalue(lvalue)]) => {
                self.substitute(pattern, with, lvalue, name == "gsub")?
            }
            ("match", [text, pattern]) => {
                let text = self.text_of(text)?;
                let pattern = self.pattern(pattern)?;
                let found = self.regex(&pattern)?.find_at(&text, 0)?;
                let (start, length) = match found {
                    Some(found) => ((found.start + 1) as f64, (found.end - found.start) as f64),
                    None => (0.0, -1.0),
                };
                self.variables.insert("RSTART".into(), Value::Number(start));
                self.variables.insert("RLENGTH".into(), Value::Number(length));
                Value::Number(start)
            }
            ("sprintf", values) => Value::String(self.formatted(values)?),
            ("tolower", [text]) => Value::String(self.text_of(text)?.to_ascii_lowercase()),
            ("toupper", [text]) => Value::String(self.text_of(text)?.to_ascii_uppercase()),
            ("int", [number]) => Value::Number(self.number(number)?.trunc()),
            ("sqrt", [number]) => Value::Number(self.number(number)?.sqrt()),
            ("exp", [number]) => Value::Number(self.number(number)?.exp()),
            ("log", [number]) => Value::Number(self.number(number)?.ln()),
            ("system", [command]) => {
                let command = self.text_of(command)?;
                let status = self.process.run([b"sh".to_vec(), b"-c".to_vec(), command])?;
                Value::Number(status.into())
            }
            ("close", [file]) => {
                let file = self.text_of(file)?;
                let read = self.files.remove(&file).is_some();
                let written = self.outputs.remove(&file).is_some();
                Value::Number(if read || written { 0.0 } else { -1.0 })
            }
            ("fflush", _) => Value::Number(0.0),
            _ => return Err(unfit()),
        })
    }

    fn substitute(
        &mut self,
        pattern: &Expression,
        with: &Expression,
        lvalue: &Lvalue,
        all: bool,
    ) -> Result<Value, Stop> {
        let pattern = self.pattern(pattern)?;
        let regex = self.regex(&pattern)?;
        let with = self.text_of(with)?;
        let before = self.read(lvalue)?;
        let text = self.string(&before)?;
        let (mut out, mut at, mut count) = (Vec::new(), 0, 0);
        let mut ended = None;
        while at <= text.len() {
            let Some(found) = regex.find_at(&text, at)? else { break };
            self.process.machine.spend(1)?;
            let before = out.len();
            out.extend_from_slice(text.get(at..found.start).unwrap_or_default());
            let is_empty = found.start == found.end;
            if !(is_empty && ended == Some(found.start)) {
                count += 1;
                let matched = text.get(found.start..found.end).unwrap_or_default();
                out.extend(replaced(&with, matched));
                ended = Some(found.end);
            }
            self.process.machine.spend_growth(before, out.len())?;
            at = found.end;
            if !all {
                break;
            }
            if is_empty {
                out.extend(text.get(at));
                at += 1;
            }
        }
        if count > 0 {
            out.extend_from_slice(text.get(at..).unwrap_or_default());
            self.process.machine.spend_data(out.len())?;
            self.write(lvalue, Value::String(out))?;
        }
        Ok(Value::Number(f64::from(count)))
    }
}

/// A replacement with `&` for the match.
fn replaced(with: &[u8], matched: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = with.iter().peekable();
    while let Some(&byte) = rest.next() {
        match (byte, rest.peek()) {
            (b'\\', Some(&&next @ (b'&' | b'\\'))) => {
                out.push(next);
                rest.next();
            }
            (b'&', _) => out.extend_from_slice(matched),
            _ => out.push(byte),
        }
    }
    out
}

/// Positions before the first byte are taken differently by versions of mawk.
fn substring(text: &[u8], from: f64, length: Option<f64>) -> Result<Value, Stop> {
    if from.fract() != 0.0 || length.is_some_and(|length| length.fract() != 0.0) {
        return Err(Stop::new("awk with a part of a string between bytes"));
    }
    if from < 1.0 && length.is_some() {
        return Err(Stop::new("awk with a part of a string from before it"));
    }
    let start = (from.max(1.0) - 1.0) as usize;
    let rest = text.get(start.min(text.len())..).unwrap_or_default();
    let length = length.map_or(rest.len(), |length| (length.max(0.0) as usize).min(rest.len()));
    Ok(Value::String(rest.get(..length).unwrap_or_default().to_vec()))
}
