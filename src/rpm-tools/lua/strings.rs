//! The functions of Lua's `string` that take patterns, over [`super::pattern`].

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::arguments::{Arguments, string};
use super::host::Shared;
use super::pattern::{Capture, Fault, Match, Matcher};

/// Steps of a matcher that count as one of the machine's.
const PER_STEP: u64 = 256;

/// The most steps of one call.
const MAX_STEPS: u64 = 20_000_000;

/// Turns what a matcher could not do into an error, and counts what it did.
fn settle<T>(host: &Shared, left: u64, result: Result<T, Fault>) -> mlua::Result<T> {
    let mut host = host.borrow_mut();
    let used = MAX_STEPS.saturating_sub(left);
    let spent = host.machine.spend(used / PER_STEP);
    host.done(spent)?;
    match result {
        Ok(value) => Ok(value),
        Err(Fault::Malformed(why)) => Err(Error::runtime(why)),
        Err(Fault::TooLong) => Err(host.refuse("a Lua pattern takes too long to match")),
    }
}

/// Where a call begins to look: a position from 1, or from the end when it is negative. `None`
/// when it is behind the end.
fn start(init: i64, length: usize) -> Option<usize> {
    let at = match init {
        1.. => usize::try_from(init - 1).ok()?,
        0 => 0,
        _ => length.saturating_sub(usize::try_from(init.unsigned_abs()).unwrap_or(usize::MAX)),
    };
    (at <= length).then_some(at)
}

fn value(lua: &Lua, subject: &[u8], capture: Capture) -> mlua::Result<Value> {
    match capture {
        Capture::Text(from, to) => string(lua, subject.get(from..to).unwrap_or_default()),
        Capture::Position(at) => Ok(Value::Integer(at as i64 + 1)),
    }
}

/// The captures of a match; the whole match when there are none.
fn captured(lua: &Lua, subject: &[u8], found: &Match) -> mlua::Result<Vec<Value>> {
    if found.captures.is_empty() {
        return Ok(vec![value(lua, subject, Capture::Text(found.start, found.end))?]);
    }
    found.captures.iter().map(|capture| value(lua, subject, *capture)).collect()
}

fn find(lua: &Lua, host: &Shared, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let (subject, pattern) = (arguments.bytes(lua, 1)?, arguments.bytes(lua, 2)?);
    let Some(from) = start(arguments.integer_or(lua, 3, 1)?, subject.len()) else {
        return Ok(vec![Value::Nil]);
    };
    let is_plain = !matches!(arguments.value(4), Value::Nil | Value::Boolean(false))
        || !pattern.iter().any(|b| b"^$*+?.([%-".contains(b));
    let positions = |start: usize, end: usize| {
        vec![Value::Integer(start as i64 + 1), Value::Integer(end as i64)]
    };
    if is_plain {
        let rest = subject.get(from..).unwrap_or_default();
        let found = bstr::ByteSlice::find(rest, &pattern);
        return Ok(match found {
            Some(at) => positions(from + at, from + at + pattern.len()),
            None => vec![Value::Nil],
        });
    }
    let mut matcher = Matcher::new(&subject, &pattern, true, MAX_STEPS);
    let found = matcher.find(from);
    match settle(host, matcher.steps, found)? {
        None => Ok(vec![Value::Nil]),
        Some(found) => {
            let mut values = positions(found.start, found.end);
            for capture in &found.captures {
                values.push(value(lua, &subject, *capture)?);
            }
            Ok(values)
        }
    }
}

fn match_one(lua: &Lua, host: &Shared, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let (subject, pattern) = (arguments.bytes(lua, 1)?, arguments.bytes(lua, 2)?);
    let Some(from) = start(arguments.integer_or(lua, 3, 1)?, subject.len()) else {
        return Ok(vec![Value::Nil]);
    };
    let mut matcher = Matcher::new(&subject, &pattern, true, MAX_STEPS);
    let found = matcher.find(from);
    match settle(host, matcher.steps, found)? {
        None => Ok(vec![Value::Nil]),
        Some(found) => captured(lua, &subject, &found),
    }
}

fn gmatch(lua: &Lua, host: &Shared, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let (subject, pattern) = (arguments.bytes(lua, 1)?, arguments.bytes(lua, 2)?);
    let shared = host.clone();
    let (mut from, mut last) = (start(arguments.integer_or(lua, 3, 1)?, subject.len()), None);
    let next = lua.create_function_mut(move |lua, _: MultiValue| {
        let mut matcher = Matcher::new(&subject, &pattern, false, MAX_STEPS);
        while let Some(at) = from {
            let found = matcher.find(at);
            match settle(&shared, matcher.steps, found)? {
                None => break,
                // Nothing at the end of the last match is not found again.
                Some(found) if last == Some(found.end) => {
                    from = Some(found.start + 1).filter(|at| *at <= subject.len());
                }
                Some(found) => {
                    (from, last) = (Some(found.end), Some(found.end));
                    return captured(lua, &subject, &found).map(MultiValue::from_vec);
                }
            }
        }
        from = None;
        Ok(MultiValue::from_vec(vec![Value::Nil]))
    })?;
    Ok(vec![Value::Function(next)])
}

/// What stands in the place of a match.
fn replacement(
    lua: &Lua,
    with: &Value,
    subject: &[u8],
    found: &Match,
    result: &mut Vec<u8>,
) -> mlua::Result<()> {
    let whole = subject.get(found.start..found.end).unwrap_or_default();
    let value = match with {
        Value::Table(table) => {
            let key = captured(lua, subject, found)?.into_iter().next().unwrap_or(Value::Nil);
            table.get::<Value>(key)?
        }
        Value::Function(function) => {
            function.call::<Value>(MultiValue::from_vec(captured(lua, subject, found)?))?
        }
        other => {
            let text = lua.coerce_string(other.clone())?;
            let text = text.map(|text| text.as_bytes().to_vec()).unwrap_or_default();
            let mut bytes = text.iter();
            while let Some(&byte) = bytes.next() {
                match (byte, if byte == b'%' { bytes.next() } else { None }) {
                    (b'%', Some(b'%')) => result.push(b'%'),
                    (b'%', Some(b'0')) => result.extend_from_slice(whole),
                    (b'%', Some(digit @ b'1'..=b'9')) => {
                        let at = usize::from(digit - b'1');
                        let captures = captured(lua, subject, found)?;
                        let Some(capture) = captures.get(at) else {
                            return Err(Error::runtime(format!(
                                "invalid capture index %{} in replacement string",
                                at + 1
                            )));
                        };
                        if let Some(text) = lua.coerce_string(capture.clone())? {
                            result.extend_from_slice(&text.as_bytes());
                        }
                    }
                    (b'%', _) => {
                        return Err(Error::runtime("invalid use of '%' in replacement string"));
                    }
                    (byte, _) => result.push(byte),
                }
            }
            return Ok(());
        }
    };
    match value {
        Value::Nil | Value::Boolean(false) => result.extend_from_slice(whole),
        other => match lua.coerce_string(other.clone())? {
            Some(text) => result.extend_from_slice(&text.as_bytes()),
            None => {
                let kind = other.type_name();
                return Err(Error::runtime(format!("invalid replacement value (a {kind})")));
            }
        },
    }
    Ok(())
}

fn gsub(lua: &Lua, host: &Shared, arguments: &Arguments) -> mlua::Result<Vec<Value>> {
    let (subject, pattern) = (arguments.bytes(lua, 1)?, arguments.bytes(lua, 2)?);
    let with = arguments.value(3);
    let fits = matches!(
        with,
        Value::String(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Table(_)
            | Value::Function(_)
    );
    if !fits {
        let got = if arguments.len() < 3 { "no value" } else { with.type_name() };
        return Err(arguments.bad(3, format!("string/function/table expected, got {got}")));
    }
    let limit = arguments.integer_or(lua, 4, i64::MAX)?;
    let (mut result, mut count, mut at, mut last) = (Vec::new(), 0i64, 0usize, None);
    let mut matcher = Matcher::new(&subject, &pattern, true, MAX_STEPS);
    while count < limit {
        let found = matcher.match_at(at);
        if let Err(fault) = found {
            settle::<()>(host, matcher.steps, Err(fault))?;
            break;
        }
        match found.ok().flatten() {
            Some(found) if last != Some(found.end) => {
                count += 1;
                let before = result.len();
                replacement(lua, &with, &subject, &found, &mut result)?;
                let mut host = host.borrow_mut();
                let grown = host.machine.spend_growth(before, result.len());
                host.done(grown)?;
                (at, last) = (found.end, Some(found.end));
            }
            _ => match subject.get(at) {
                Some(&byte) => {
                    result.push(byte);
                    at += 1;
                }
                None => break,
            },
        }
        if matcher.is_anchored() {
            break;
        }
    }
    settle(host, matcher.steps, Ok(()))?;
    result.extend_from_slice(subject.get(at..).unwrap_or_default());
    Ok(vec![string(lua, result)?, Value::Integer(count)])
}

type Call = fn(&Lua, &Shared, &Arguments) -> mlua::Result<Vec<Value>>;

/// Puts the functions in the place of Lua's own, and takes `string.dump` away.
///
/// # Errors
/// Memory.
pub fn install(lua: &Lua, host: &Shared) -> mlua::Result<()> {
    let table: Table = lua.globals().get("string")?;
    let functions: [(&'static str, Call); 4] =
        [("find", find), ("match", match_one), ("gmatch", gmatch), ("gsub", gsub)];
    for (name, function) in functions {
        let shared = host.clone();
        let called = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new("string", name, values);
            function(lua, &shared, &arguments).map(MultiValue::from_vec)
        })?;
        table.set(name, called)?;
    }
    table.set("dump", Value::Nil)
}
