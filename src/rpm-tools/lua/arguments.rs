//! [`Arguments`]: a function's arguments as Lua's C functions check them (`luaL_checkstring` and its
//! kin), and how functions are put into tables.

use mlua::{Error, Lua, MultiValue, Table, Value};

use super::host::{Host, Shared};

/// A function of the host: what it is called with, and what it returns.
pub type Function = fn(&Lua, &mut Host, &Arguments) -> mlua::Result<Vec<Value>>;

/// The arguments of one call.
pub struct Arguments {
    values: Vec<Value>,
    module: &'static str,
    name: &'static str,
}

impl Arguments {
    /// Those of a function with this name, of a table with that one.
    #[must_use]
    pub fn new(module: &'static str, name: &'static str, values: MultiValue) -> Self {
        Self { values: values.into_iter().collect(), module, name }
    }

    /// The name of the function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The function as scripts call it.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.module {
            "_G" => self.name.to_owned(),
            module => format!("{module}.{}", self.name),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument at a place, from 1; nil when there is none.
    #[must_use]
    pub fn value(&self, place: usize) -> Value {
        place.checked_sub(1).and_then(|at| self.values.get(at)).cloned().unwrap_or(Value::Nil)
    }

    /// Whether there is none, or nil.
    #[must_use]
    pub fn is_nil(&self, place: usize) -> bool {
        self.value(place).is_nil()
    }

    /// The error for an argument.
    #[must_use]
    pub fn bad(&self, place: usize, why: impl AsRef<str>) -> Error {
        let name = self.full_name();
        Error::runtime(format!("bad argument #{place} to '{name}' ({})", why.as_ref()))
    }

    fn expected(&self, place: usize, wanted: &str) -> Error {
        let given = match place > self.values.len() {
            true => "no value",
            false => self.value(place).type_name(),
        };
        self.bad(place, format!("{wanted} expected, got {given}"))
    }

    /// A text, or a number as text: all of its bytes.
    ///
    /// # Errors
    /// It is neither.
    pub fn bytes(&self, lua: &Lua, place: usize) -> mlua::Result<Vec<u8>> {
        match lua.coerce_string(self.value(place))? {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(self.expected(place, "string")),
        }
    }

    /// As [`Arguments::bytes`], as C reads it: up to its first zero byte.
    ///
    /// # Errors
    /// As [`Arguments::bytes`].
    pub fn text(&self, lua: &Lua, place: usize) -> mlua::Result<Vec<u8>> {
        let mut text = self.bytes(lua, place)?;
        if let Some(end) = text.iter().position(|&b| b == 0) {
            text.truncate(end);
        }
        Ok(text)
    }

    /// As [`Arguments::text`], with another text where there is none.
    ///
    /// # Errors
    /// As [`Arguments::text`].
    pub fn text_or(&self, lua: &Lua, place: usize, default: &str) -> mlua::Result<Vec<u8>> {
        match self.is_nil(place) {
            true => Ok(default.as_bytes().to_vec()),
            false => self.text(lua, place),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none.
    pub fn integer(&self, lua: &Lua, place: usize) -> mlua::Result<i64> {
        match lua.coerce_integer(self.value(place))? {
            Some(number) => Ok(number),
            None => Err(self.expected(place, "number")),
        }
    }

    /// A whole number, or another where there is none.
    ///
    /// # Errors
    /// It is something else.
    pub fn integer_or(&self, lua: &Lua, place: usize, default: i64) -> mlua::Result<i64> {
        match self.is_nil(place) {
            true => Ok(default),
            false => self.integer(lua, place),
        }
    }

    /// A table.
    ///
    /// # Errors
    /// It is none.
    pub fn table(&self, place: usize) -> mlua::Result<Table> {
        match self.value(place) {
            Value::Table(table) => Ok(table),
            _ => Err(self.expected(place, "table")),
        }
    }
}

/// Puts functions into a table.
///
/// # Errors
/// Memory.
pub fn fill(
    lua: &Lua,
    host: &Shared,
    table: &Table,
    module: &'static str,
    functions: &[(&'static str, Function)],
) -> mlua::Result<()> {
    for &(name, function) in functions {
        let host = host.clone();
        let called = lua.create_function(move |lua, values: MultiValue| {
            let arguments = Arguments::new(module, name, values);
            let mut host = host.borrow_mut();
            let spent = host.machine.spend(1);
            host.done(spent)?;
            function(lua, &mut host, &arguments).map(MultiValue::from_vec)
        })?;
        table.set(name, called)?;
    }
    Ok(())
}

/// A text as a value.
///
/// # Errors
/// Memory.
pub fn string(lua: &Lua, text: impl AsRef<[u8]>) -> mlua::Result<Value> {
    lua.create_string(text).map(Value::String)
}
