//! The program over its input.
//!
//! - [`variables`]: variables, arrays and fields
//! - [`statements`]: statements, and what they print
//! - [`functions`]: awk's own functions

mod functions;
mod statements;
mod variables;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use bytes::Bytes;

use super::lex::unescaped;
use super::parse::{Expression, Lvalue, Pattern, Program};
use super::record::Record;
use super::value::Value;
use imgfix_shell::regex::{Options, Regex, Syntax};
use imgfix_shell::{Process, Status, Stop, Stream};
use variables::weight;

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
                let record = self.read(&Lvalue::Field(Box::new(Expression::Number(0.0))))?;
                truth(regex.is_match(&self.string(&record)?)?)
            }
            Expression::Lvalue(lvalue) => self.read(lvalue)?,
            Expression::Grouped(inner) => self.value(inner)?,
            Expression::Assign(lvalue, operator, value) => {
                let mut value = self.value(value)?;
                if *operator != "=" {
                    let before = self.read(lvalue)?.number();
                    let operator = operator.strip_suffix('=').unwrap_or(operator);
                    value = Value::Number(arithmetic(operator, before, value.number())?);
                }
                self.write(lvalue, value.clone())?;
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
            Expression::Step { lvalue, by, before } => {
                let old = self.read(lvalue)?.number();
                self.write(lvalue, Value::Number(old + by))?;
                Value::Number(if *before { old + by } else { old })
            }
            Expression::Builtin(name, arguments) => self.builtin(name, arguments)?,
            Expression::Call(name, arguments) => self.call(name, arguments)?,
            Expression::Getline { lvalue, file, command } => {
                self.getline(lvalue.as_ref(), file.as_deref(), command.as_deref())?
            }
        })
    }

    fn getline(
        &mut self,
        lvalue: Option<&Lvalue>,
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
        match lvalue {
            Some(lvalue) => self.write(lvalue, Value::Input(text))?,
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
                Some(Expression::Lvalue(Lvalue::Variable(name)))
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
