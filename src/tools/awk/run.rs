//! The program over its input.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use bytes::Bytes;

use super::format::formatted;
use super::lex::unescaped;
use super::parse::{Expression, Pattern, Place, Program, Statement, Target};
use super::record::{Record, split};
use super::value::Value;
use imgfix_shell::files::Access;
use imgfix_shell::regex::{Options, Regex, Syntax};
use imgfix_shell::{Process, Status, Stop, Stream};

/// How deep functions may call each other.
const MAX_CALLS: usize = 100;

/// What the command line gives.
pub(super) struct Given {
    pub(super) separator: Option<Vec<u8>>,
    pub(super) settings: Vec<Vec<u8>>,
    pub(super) operands: Vec<Vec<u8>>,
}

type Array = BTreeMap<Vec<u8>, Value>;

/// What a statement leads to.
#[derive(Clone)]
enum Flow {
    Go,
    Break,
    Continue,
    Next,
    Exit,
    Return(Value),
}

struct Awk<'p, 'm> {
    process: &'p mut Process<'m>,
    program: &'p Program,
    variables: HashMap<String, Value>,
    arrays: HashMap<String, Array>,
    /// Parameters of the functions being called, the innermost last.
    frames: Vec<HashMap<String, Value>>,
    record: Record,
    /// Records still to be read of the current file.
    input: Option<(Bytes, usize)>,
    operands: Vec<Vec<u8>>,
    read_operand: bool,
    files: HashMap<Vec<u8>, (Bytes, usize)>,
    outputs: HashMap<Vec<u8>, Stream>,
    regexes: HashMap<Vec<u8>, Rc<Regex>>,
    ranges: Vec<bool>,
    status: u8,
    failed: bool,
    /// What variables and arrays hold, in bytes.
    held: usize,
}

/// What variables and arrays of a program may hold, in bytes.
const MAX_HELD: usize = 64 << 20;

/// What an element costs beside its key and value, in bytes.
const ELEMENT: usize = 96;

fn weight(key: &[u8], value: &Value) -> usize {
    let text = match value {
        Value::String(text) | Value::Input(text) => text.len(),
        Value::Nothing | Value::Number(_) => 0,
    };
    key.len() + text + ELEMENT
}

fn array_weight(array: &Array) -> usize {
    array.iter().map(|(key, value)| weight(key, value)).sum()
}

/// Runs a program.
pub(super) fn run(process: &mut Process<'_>, program: &Program, given: Given) -> Status {
    let Given { separator, settings, mut operands } = given;
    let environment: Array = process
        .call
        .environment
        .iter()
        .map(|(name, value)| (name.to_vec(), Value::Input(value.to_vec())))
        .collect();
    let mut awk = Awk {
        process,
        program,
        variables: HashMap::new(),
        arrays: HashMap::from([("ENVIRON".into(), environment)]),
        frames: Vec::new(),
        record: Record::default(),
        input: None,
        operands: Vec::new(),
        read_operand: false,
        files: HashMap::new(),
        outputs: HashMap::new(),
        regexes: HashMap::new(),
        ranges: vec![false; program.rules.len()],
        status: 0,
        failed: false,
        held: 0,
    };
    for (name, value) in [
        ("FS", &b" "[..]),
        ("OFS", b" "),
        ("ORS", b"\n"),
        ("RS", b"\n"),
        ("SUBSEP", b"\x1c"),
        ("CONVFMT", b"%.6g"),
        ("OFMT", b"%.6g"),
    ] {
        awk.variables.insert(name.into(), Value::String(value.to_vec()));
    }
    if let Some(separator) = separator {
        awk.variables.insert("FS".into(), Value::String(unescaped(&separator)));
    }
    for setting in settings {
        awk.set_from_word(&setting);
    }
    operands.reverse();
    awk.operands = operands;
    awk.main()?;
    Ok(if awk.failed { 2 } else { awk.status })
}

impl Awk<'_, '_> {
    fn main(&mut self) -> Result<(), Stop> {
        let program = self.program;
        for block in &program.begin {
            if let Flow::Exit = self.statement(block)? {
                return self.end();
            }
        }
        if program.rules.is_empty() && program.end.is_empty() {
            return Ok(());
        }
        while let Some(text) = self.next_record()? {
            self.record.set(Value::Input(text));
            self.count("NR");
            self.count("FNR");
            if let Flow::Exit = self.rules()? {
                break;
            }
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), Stop> {
        // mawk ends at once when it cannot open a file.
        if self.failed {
            return Ok(());
        }
        let program = self.program;
        for block in &program.end {
            if let Flow::Exit = self.statement(block)? {
                break;
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &str) {
        let number = self.variable(name).number() + 1.0;
        self.variables.insert(name.into(), Value::Number(number));
    }

    fn rules(&mut self) -> Result<Flow, Stop> {
        let program = self.program;
        for (at, (pattern, body)) in program.rules.iter().enumerate() {
            let selected = match pattern {
                Pattern::Always => true,
                Pattern::When(condition) => self.condition(condition)?,
                Pattern::Range(from, to) => {
                    let open = self.ranges.get(at) == Some(&true) || self.condition(from)?;
                    let stays = open && !self.condition(to)?;
                    if let Some(place) = self.ranges.get_mut(at) {
                        *place = stays;
                    }
                    open
                }
            };
            if !selected {
                continue;
            }
            match self.statement(body)? {
                Flow::Go => {}
                Flow::Next => break,
                other => return Ok(other),
            }
        }
        Ok(Flow::Go)
    }

    fn set_from_word(&mut self, word: &[u8]) -> bool {
        let Some(equals) = word.iter().position(|&b| b == b'=') else { return false };
        let (name, value) = word.split_at(equals);
        let is_name = name
            .iter()
            .enumerate()
            .all(|(at, b)| b.is_ascii_alphabetic() || *b == b'_' || at > 0 && b.is_ascii_digit());
        if name.is_empty() || !is_name {
            return false;
        }
        let value = Value::Input(unescaped(value.get(1..).unwrap_or_default()));
        self.variables.insert(String::from_utf8_lossy(name).into_owned(), value);
        true
    }

    /// The next record of the operands, or of standard input when there are none.
    fn next_record(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        self.process.machine.spend(1)?;
        let separator = self.text("RS")?;
        loop {
            if let Some((data, at)) = &mut self.input {
                if let Some(record) = record(data, at, &separator)? {
                    return Ok(Some(record));
                }
                self.input = None;
            }
            let name = match self.operands.pop() {
                Some(word) if self.set_from_word(&word) => continue,
                Some(word) => word,
                None if self.read_operand => return Ok(None),
                None => b"-".to_vec(),
            };
            self.read_operand = true;
            match self.process.read_operand(&name)? {
                Ok(data) => self.input = Some((data, 0)),
                Err(errno) => {
                    let shown = String::from_utf8_lossy(&name).into_owned();
                    self.process.complain(format!("cannot open {shown} ({errno})"))?;
                    self.failed = true;
                    self.operands.clear();
                    return Ok(None);
                }
            }
            self.variables.insert("FNR".into(), Value::Number(0.0));
            self.variables.insert("FILENAME".into(), Value::String(name));
        }
    }

    fn variable(&self, name: &str) -> Value {
        let local = self.frames.last().and_then(|frame| frame.get(name));
        local.or_else(|| self.variables.get(name)).cloned().unwrap_or(Value::Nothing)
    }

    fn text(&self, name: &str) -> Result<Vec<u8>, Stop> {
        self.variable(name).string(b"%.6g")
    }

    fn string(&self, value: &Value) -> Result<Vec<u8>, Stop> {
        value.string(&self.text("CONVFMT")?)
    }

    fn read(&mut self, place: &Place) -> Result<Value, Stop> {
        match place {
            Place::Variable(name) if name == "NF" => {
                let separator = self.text("FS")?;
                Ok(Value::Number(self.record.count(&separator)? as f64))
            }
            Place::Variable(name) => Ok(self.variable(name)),
            Place::Element(array, index) => {
                let key = self.key(index)?;
                let known = self.arrays.get(array).and_then(|array| array.get(&key));
                if let Some(value) = known {
                    return Ok(value.clone());
                }
                self.hold(0, weight(&key, &Value::Nothing))?;
                self.arrays.entry(array.clone()).or_default().insert(key, Value::Nothing);
                Ok(Value::Nothing)
            }
            Place::Field(index) => {
                let index = self.index(index)?;
                let (separator, joined) = (self.text("FS")?, self.text("OFS")?);
                self.record.get(index, &separator, &joined)
            }
        }
    }

    fn write(&mut self, place: &Place, value: Value) -> Result<(), Stop> {
        match place {
            Place::Variable(name) if name == "NF" => {
                let separator = self.text("FS")?;
                self.record.set_count(value.number() as usize, &separator)?;
            }
            Place::Variable(name) => {
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
            Place::Element(array, index) => {
                let key = self.key(index)?;
                self.process.machine.spend_data(key.len())?;
                let new = weight(&key, &value);
                let array = self.arrays.entry(array.clone()).or_default();
                let old = array.get(&key).map_or(0, |old| weight(&key, old));
                array.insert(key, value);
                self.hold(old, new)?;
            }
            Place::Field(index) => {
                let index = self.index(index)?;
                let separator = self.text("FS")?;
                self.record.put(index, value, &separator)?;
            }
        }
        Ok(())
    }

    /// Counts what takes the place of something else.
    fn hold(&mut self, old: usize, new: usize) -> Result<(), Stop> {
        self.held = self.held.saturating_add(new).saturating_sub(old);
        match self.held > MAX_HELD {
            true => Err(Stop::new("awk with variables that hold too much")),
            false => Ok(()),
        }
    }

    fn index(&mut self, index: &Expression) -> Result<usize, Stop> {
        let number = self.value(index)?.number();
        if number < 0.0 {
            return Err(Stop::new("awk with a negative field"));
        }
        Ok(number as usize)
    }

    fn key(&mut self, index: &[Expression]) -> Result<Vec<u8>, Stop> {
        let mut parts = Vec::new();
        for part in index {
            let value = self.value(part)?;
            parts.push(self.string(&value)?);
        }
        Ok(parts.join(&self.text("SUBSEP")?[..]))
    }

    fn regex(&mut self, pattern: &[u8]) -> Result<Rc<Regex>, Stop> {
        if let Some(regex) = self.regexes.get(pattern) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern, Syntax::Awk, Options::default())?);
        self.regexes.insert(pattern.to_vec(), Rc::clone(&regex));
        Ok(regex)
    }

    /// An expression as a pattern: a literal one, or the string of a value.
    fn pattern(&mut self, expression: &Expression) -> Result<Vec<u8>, Stop> {
        match expression {
            Expression::Regex(pattern) => Ok(pattern.clone()),
            Expression::Grouped(inner) => self.pattern(inner),
            other => {
                let value = self.value(other)?;
                self.string(&value)
            }
        }
    }

    fn condition(&mut self, expression: &Expression) -> Result<bool, Stop> {
        Ok(self.value(expression)?.is_true())
    }

    fn number(&mut self, expression: &Expression) -> Result<f64, Stop> {
        Ok(self.value(expression)?.number())
    }

    fn text_of(&mut self, expression: &Expression) -> Result<Vec<u8>, Stop> {
        let value = self.value(expression)?;
        self.string(&value)
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, Stop> {
        self.process.machine.spend(1)?;
        let truth = |value: bool| Value::Number(f64::from(u8::from(value)));
        Ok(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::String(text) => Value::String(text.clone()),
            Expression::Regex(pattern) => {
                let regex = self.regex(pattern)?;
                let record = self.read(&Place::Field(Box::new(Expression::Number(0.0))))?;
                truth(regex.is_match(&self.string(&record)?)?)
            }
            Expression::Place(place) => self.read(place)?,
            Expression::Grouped(inner) => self.value(inner)?,
            Expression::Assign(place, operator, value) => {
                let mut value = self.value(value)?;
                if *operator != "=" {
                    let before = self.read(place)?.number();
                    let operator = operator.strip_suffix('=').unwrap_or(operator);
                    value = Value::Number(arithmetic(operator, before, value.number())?);
                }
                self.write(place, value.clone())?;
                value
            }
            Expression::Condition(condition, then, otherwise) => match self.condition(condition)? {
                true => self.value(then)?,
                false => self.value(otherwise)?,
            },
            Expression::Or(a, b) => truth(self.condition(a)? || self.condition(b)?),
            Expression::And(a, b) => truth(self.condition(a)? && self.condition(b)?),
            Expression::In(index, array) => {
                let key = self.key(index)?;
                truth(self.arrays.get(array).is_some_and(|array| array.contains_key(&key)))
            }
            Expression::Matches { text, pattern, inverted } => {
                let text = self.text_of(text)?;
                let pattern = self.pattern(pattern)?;
                truth(self.regex(&pattern)?.is_match(&text)? != *inverted)
            }
            Expression::Compare(operator, a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                let order = a.compare(&b, &self.text("CONVFMT")?)?;
                truth(match *operator {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Expression::Concat(a, b) => {
                let mut text = self.text_of(a)?;
                text.extend(self.text_of(b)?);
                self.process.machine.spend_data(text.len())?;
                Value::String(text)
            }
            Expression::Arithmetic(operator, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                Value::Number(arithmetic(operator, a, b)?)
            }
            Expression::Not(inner) => truth(!self.condition(inner)?),
            Expression::Negative(inner) => Value::Number(-self.number(inner)?),
            Expression::Positive(inner) => Value::Number(self.number(inner)?),
            Expression::Step { place, by, before } => {
                let old = self.read(place)?.number();
                self.write(place, Value::Number(old + by))?;
                Value::Number(if *before { old + by } else { old })
            }
            Expression::Builtin(name, arguments) => self.builtin(name, arguments)?,
            Expression::Call(name, arguments) => self.call(name, arguments)?,
            Expression::Getline { place, file, command } => {
                self.getline(place.as_ref(), file.as_deref(), command.as_deref())?
            }
        })
    }

    fn getline(
        &mut self,
        place: Option<&Place>,
        file: Option<&Expression>,
        command: Option<&Expression>,
    ) -> Result<Value, Stop> {
        let from_main = file.is_none() && command.is_none();
        let found = match (file, command) {
            (None, None) => self.next_record()?,
            (Some(source), _) | (None, Some(source)) => {
                let name = self.text_of(source)?;
                if !self.files.contains_key(&name) {
                    let data = match command {
                        None => self.process.read_operand(&name)?,
                        Some(_) => {
                            let words = [b"sh".to_vec(), b"-c".to_vec(), name.clone()];
                            let input = self.process.input()?;
                            Ok(Bytes::from(self.process.run_for_output(words, input)?.1))
                        }
                    };
                    match data {
                        Ok(data) => drop(self.files.insert(name.clone(), (data, 0))),
                        Err(_) => return Ok(Value::Number(-1.0)),
                    }
                }
                let separator = self.text("RS")?;
                match self.files.get_mut(&name) {
                    Some((data, at)) => record(data, at, &separator)?,
                    None => None,
                }
            }
        };
        let Some(text) = found else { return Ok(Value::Number(0.0)) };
        if from_main {
            self.count("FNR");
        }
        if from_main || command.is_some() {
            self.count("NR");
        }
        match place {
            Some(place) => self.write(place, Value::Input(text))?,
            None => self.record.set(Value::Input(text)),
        }
        Ok(Value::Number(1.0))
    }

    fn call(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, Stop> {
        let program = self.program;
        let function = program
            .functions
            .get(name)
            .ok_or_else(|| Stop::new(format!("awk with the function {name}")))?;
        if self.frames.len() >= MAX_CALLS {
            return Err(Stop::new("awk with functions that call each other too deep"));
        }
        let mut frame = HashMap::new();
        for (at, parameter) in function.parameters.iter().enumerate() {
            let value = match arguments.get(at) {
                Some(Expression::Place(Place::Variable(name)))
                    if self.arrays.contains_key(name) =>
                {
                    return Err(Stop::new("awk with an array as argument"));
                }
                Some(argument) => self.value(argument)?,
                None => Value::Nothing,
            };
            frame.insert(parameter.clone(), value);
        }
        let weight_of = |frame: &HashMap<String, Value>| {
            frame.values().map(|value| weight(b"", value)).sum::<usize>()
        };
        self.hold(0, weight_of(&frame))?;
        self.frames.push(frame);
        let flow = self.statement(&function.body);
        let gone = self.frames.pop().unwrap_or_default();
        self.hold(weight_of(&gone), 0)?;
        match flow? {
            Flow::Return(value) => Ok(value),
            Flow::Go => Ok(Value::Nothing),
            _ => Err(Stop::new("awk with a function that ends the program")),
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow, Stop> {
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
            self.write(&Place::Variable(variable.to_owned()), Value::String(key))?;
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
            let record = self.read(&Place::Field(Box::new(Expression::Number(0.0))))?;
            texts.push(record.string(&format)?);
        }
        let mut text = texts.join(&self.text("OFS")?[..]);
        text.extend(self.text("ORS")?);
        self.put_out(target, text)
    }

    fn formatted(&mut self, values: &[Expression]) -> Result<Vec<u8>, Stop> {
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

    fn builtin(&mut self, name: &str, arguments: &[Expression]) -> Result<Value, Stop> {
        let unfit = || Stop::new(format!("awk with {name} called in an unusual way"));
        Ok(match (name, arguments) {
            ("length", []) => {
                let record = self.read(&Place::Field(Box::new(Expression::Number(0.0))))?;
                Value::Number(self.string(&record)?.len() as f64)
            }
            ("length", [Expression::Place(Place::Variable(name))])
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
            ("split", [text, Expression::Place(Place::Variable(array)), rest @ ..]) => {
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
                let place = Place::Field(Box::new(Expression::Number(0.0)));
                self.substitute(pattern, with, &place, name == "gsub")?
            }
            ("sub" | "gsub", [pattern, with, Expression::Place(place)]) => {
                self.substitute(pattern, with, place, name == "gsub")?
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
        place: &Place,
        all: bool,
    ) -> Result<Value, Stop> {
        let pattern = self.pattern(pattern)?;
        let regex = self.regex(&pattern)?;
        let with = self.text_of(with)?;
        let before = self.read(place)?;
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
            self.write(place, Value::String(out))?;
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

fn arithmetic(operator: &str, a: f64, b: f64) -> Result<f64, Stop> {
    Ok(match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "^" => a.powf(b),
        _ if b == 0.0 => return Err(Stop::new("awk with a division by zero")),
        "/" => a / b,
        _ => a % b,
    })
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

/// The next record from a position on.
fn record(data: &Bytes, at: &mut usize, separator: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    let [end] = separator else {
        return Err(Stop::new("awk with records that do not end with one byte"));
    };
    let rest = data.get(*at..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(None);
    }
    let length = rest.iter().position(|b| b == end).unwrap_or(rest.len());
    *at += length + 1;
    Ok(Some(rest.get(..length).unwrap_or_default().to_vec()))
}
