//! [`Client`]: the perl library `Debconf::Client::ConfModule`, for native commands that ask
//! debconf questions as those perl programs do.

use bstr::{BStr, BString, ByteSlice as _};

use super::text::{skip_one_space, unescape};
use imgfix_shell::{Process, Status, Stop, Stream};

const FRONTEND: &str = "/usr/share/debconf/frontend";

/// The conversation with the frontend that runs this program.
pub struct Client {
    input: Stream,
    output: Stream,
}

/// What a program finds when it starts.
pub enum Connection {
    /// A frontend is there.
    Open(Client),
    /// There was none: it has been started, has run this program, and ended with this status.
    Done(u8),
}

impl Client {
    /// Connects to the frontend, or starts one that runs the program anew.
    ///
    /// # Errors
    /// What the frontend or the program in it stops at.
    pub fn connect(process: &mut Process<'_>) -> Result<Connection, Stop> {
        let has =
            |process: &Process<'_>, name| process.variable(name).is_some_and(|v| !v.is_empty());
        if !has(process, "DEBIAN_HAS_FRONTEND") {
            return start_frontend(process).map(Connection::Done);
        }
        let output = if has(process, "DEBCONF_REDIR") { 3 } else { 1 };
        let descriptors = &process.call.descriptors;
        match (descriptors.get(0).cloned(), descriptors.get(output).cloned()) {
            (Some(input), Some(output)) => Ok(Connection::Open(Self { input, output })),
            _ => Err(process.unsupported("debconf's descriptors closed")),
        }
    }

    /// Says a line; the text that is answered.
    ///
    /// # Errors
    /// debconf cannot answer it.
    pub fn say(&self, process: &mut Process<'_>, line: impl AsRef<[u8]>) -> Result<BString, Stop> {
        let line = line.as_ref();
        if line.contains(&b'\n') {
            return Err(process.unsupported("a newline in what it says to debconf"));
        }
        let unusable = || Stop::new("debconf's descriptors cannot be used");
        let said = process.machine.write(&self.output, &[line, b"\n"].concat())?;
        said.map_err(|_| unusable())?;
        let answer = process.machine.read_line(&self.input)?.map_err(|_| unusable())?;
        let answer = answer.strip_suffix(b"\n").unwrap_or(&answer);
        let end = answer.iter().position(super::text::is_space).unwrap_or(answer.len());
        let (code, text) = answer.split_at_checked(end).unwrap_or((answer, b""));
        let text = skip_one_space(text);
        Ok(if code == b"1" { unescape(text) } else { text.into() })
    }

    /// `GET`: the value of a question.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub fn get(&self, process: &mut Process<'_>, question: &str) -> Result<BString, Stop> {
        self.say(process, format!("GET {question}"))
    }

    /// `SET`: gives a question a value.
    ///
    /// # Errors
    /// As [`Client::say`].
    pub fn set(&self, process: &mut Process<'_>, question: &str, value: &BStr) -> Result<(), Stop> {
        let line = [b"SET ", question.as_bytes(), b" ", value.as_bytes()].concat();
        self.say(process, line).map(drop)
    }
}

/// Runs the frontend with this program, by its full name, and its arguments.
fn start_frontend(process: &mut Process<'_>) -> Status {
    let mut words: Vec<BString> = vec![FRONTEND.into()];
    let name = process.call.argv.first().cloned().unwrap_or_default();
    let program = match name.contains(&b'/') {
        true => Some(name.to_vec()),
        false => process.machine.which(&process.call, &name)?,
    };
    words.push(program.map(BString::from).unwrap_or(name));
    words.extend(process.arguments().iter().cloned());
    process.call.environment.insert("PERL_DL_NONLAZY".into(), "1".into());
    process.run(words)
}
