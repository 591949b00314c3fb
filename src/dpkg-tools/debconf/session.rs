//! [`Session`]: debconf talking with one script, line by line, as the noninteractive frontend.
//!
//! Source of the behaviour: debconf-devel(7) for the commands, and the perl Debconf for what
//! it really answers: the texts behind the codes, `CAPB` with a blank at its end, `VISIBLE`
//! always true, `DATA` without effect but for types.

use bstr::{BStr, BString, ByteSlice as _};

use super::configuration::Configuration;
use super::databases::{Databases, Role, Wording};
use super::text::{escape, split_choices, unescaped_words, words, wrap};
use imgfix_shell::{Call, Coprocess, Machine, Stop};

/// Which commands a client gets its texts escaped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    Plain,
    Escaped,
}

/// Whether the script still talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// `STOP` was said: what comes is not read any more.
    Stopped,
}

/// A question that waits for `GO`.
#[derive(Debug)]
struct PendingQuestion {
    question: BString,
    kind: Kind,
    /// Whether it counts as seen once asked.
    mark: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Seen,
    Unseen,
}

/// How a question of a type is answered without a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Keeps its value, or takes the default.
    Kept,
    /// As [`Kind::Kept`], but a value that is no choice becomes the first choice.
    Select,
    /// Gets an empty value.
    Text,
    /// Printed, then an empty value.
    Error,
}

impl Kind {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"boolean" | b"multiselect" | b"note" | b"password" | b"string" | b"" => Self::Kept,
            b"select" => Self::Select,
            b"text" => Self::Text,
            b"error" => Self::Error,
            _ => return None,
        })
    }
}

/// The conversation with one script.
pub struct Session {
    pub databases: Databases,
    configuration: Configuration,
    /// The frontend's own call: its environment, and where it prints.
    call: Call,
    owner: BString,
    title: BString,
    texts: Texts,
    state: State,
    pending: Vec<PendingQuestion>,
    seen: Vec<BString>,
    /// Whether a progress bar is shown.
    progress: bool,
}

/// How many bytes long the lines of messages may be.
const WIDTH: usize = 75;

/// A reply: a code and a text.
type Reply = Result<Vec<u8>, Stop>;

fn reply(code: u8, text: impl AsRef<[u8]>) -> Reply {
    Ok([code.to_string().as_bytes(), b" ", text.as_ref()].concat())
}

fn done() -> Reply {
    Ok(b"0".to_vec())
}

fn wrong_count() -> Reply {
    reply(20, "Incorrect number of arguments")
}

fn missing(question: &BStr) -> Reply {
    reply(10, [question.as_bytes(), b" doesn't exist"].concat())
}

fn missing_quoted(question: &BStr) -> Reply {
    reply(10, [b"\"", question.as_bytes(), b"\" doesn't exist"].concat())
}

impl Session {
    #[must_use]
    pub fn new(databases: Databases, configuration: Configuration, call: Call) -> Self {
        Self {
            databases,
            configuration,
            call,
            owner: "unknown".into(),
            title: BString::default(),
            texts: Texts::Plain,
            state: State::Open,
            pending: Vec::new(),
            seen: Vec::new(),
            progress: false,
        }
    }

    /// Begins the conversation with another script of `owner`.
    pub fn start(&mut self, owner: &BStr, title: BString) {
        self.owner = owner.into();
        self.title = title;
        self.texts = Texts::Plain;
        self.state = State::Open;
        self.pending.clear();
        self.seen.clear();
    }

    /// Ends the conversation: what was asked for counts as seen now.
    pub fn finish(&mut self) {
        for question in std::mem::take(&mut self.seen) {
            self.databases.set_flag(question.as_bstr(), b"seen", "true".into());
        }
    }

    fn setting(&self, variable: &str, name: &str, usual: &'static str) -> BString {
        let environment = self.call.environment.get(variable.as_bytes().as_bstr());
        let value = environment.map(|value| &value[..]);
        value.or_else(|| self.configuration.setting(name)).unwrap_or(usual.as_bytes()).into()
    }

    /// What is answered to a line; `None` for `STOP`.
    ///
    /// # Errors
    /// A command that is not evaluated, or that the real debconf dies of.
    pub fn process(&mut self, machine: &mut Machine, line: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let words = match self.texts {
            Texts::Plain => words(line),
            Texts::Escaped => unescaped_words(line),
        };
        let Some((command, arguments)) = words.split_first() else {
            let text = [b"Bad line \"", line, b"\" received from confmodule."].concat();
            return reply(20, text).map(Some);
        };
        let command = command.to_ascii_lowercase();
        if command == b"stop" {
            self.state = State::Stopped;
            return Ok(None);
        }
        let mut answer = self.command(machine, &command, arguments, line)?;
        if let Some(newline) = answer.find_byte(b'\n') {
            answer.truncate(newline);
        }
        Ok(Some(answer))
    }

    fn command(
        &mut self,
        machine: &mut Machine,
        command: &[u8],
        arguments: &[BString],
        line: &[u8],
    ) -> Reply {
        match (command, arguments) {
            (b"beginblock" | b"endblock", _) => done(),
            (b"capb", _) => self.capb(arguments),
            (b"title", _) => {
                self.title = bstr::join(" ", arguments).into();
                done()
            }
            (b"version", []) => reply(0, "2.0"),
            (b"version", [version]) => self.version(version.as_bstr()),
            (b"clear", []) => {
                self.pending.clear();
                done()
            }
            (b"go", []) => self.go(machine),
            (b"purge", []) => self.purge(),
            (b"info", []) => done(),
            (b"info" | b"settitle", [question]) => self.show(command, question.as_bstr()),
            (b"get", [question]) => self.get(question.as_bstr()),
            (b"exist", [question]) => {
                let exists = self.databases.exists(Role::Questions, question.as_bstr());
                reply(0, exists.to_string())
            }
            (b"reset", [question]) => self.reset(question.as_bstr()),
            (b"unregister", [question]) => self.unregister(question.as_bstr()),
            (b"input", [priority, question]) => self.input(priority, question.as_bstr()),
            (b"visible", [_, question]) => self.if_known(question.as_bstr(), |_| reply(0, "true")),
            (b"register", [template, question]) => {
                self.register(template.as_bstr(), question.as_bstr())
            }
            (b"metaget", [question, field]) => self.metaget(question.as_bstr(), field),
            (b"fget", [question, flag]) => self.fget(question.as_bstr(), flag),
            (b"set", [question, value @ ..]) => self.set(question.as_bstr(), value),
            (b"subst", [question, variable, value @ ..]) => {
                self.subst(question.as_bstr(), variable, value)
            }
            (b"fset", [question, flag, _, ..]) => {
                self.fset(question.as_bstr(), flag, arguments.get(2..).unwrap_or_default())
            }
            (b"progress", [subcommand, rest @ ..]) => self.progress(subcommand, rest),
            (b"data", [template, item, _, ..]) => {
                let value = arguments.get(2..).unwrap_or_default();
                self.data(template.as_bstr(), item, value)
            }
            (b"x_loadtemplatefile", [file]) => self.load(machine, file, self.owner.clone()),
            (b"x_loadtemplatefile", [file, owner]) => self.load(machine, file, owner.clone()),
            (
                b"version"
                | b"clear"
                | b"go"
                | b"purge"
                | b"info"
                | b"settitle"
                | b"get"
                | b"exist"
                | b"reset"
                | b"unregister"
                | b"input"
                | b"visible"
                | b"register"
                | b"metaget"
                | b"fget"
                | b"set"
                | b"subst"
                | b"fset"
                | b"progress"
                | b"data"
                | b"x_loadtemplatefile",
                _,
            ) => wrong_count(),
            _ => {
                let full =
                    [b"\" (full line was \"", line, b"\") received from confmodule."].concat();
                reply(20, [b"Unsupported command \"", command, &full].concat())
            }
        }
    }

    fn if_known(&mut self, question: &BStr, then: impl FnOnce(&mut Self) -> Reply) -> Reply {
        match self.databases.exists(Role::Questions, question) {
            true => then(self),
            false => missing(question),
        }
    }

    fn capb(&mut self, capabilities: &[BString]) -> Reply {
        let escapes = capabilities.iter().any(|capability| capability == "escape");
        self.texts = if escapes { Texts::Escaped } else { Texts::Plain };
        reply(0, "multiselect escape ")
    }

    fn version(&self, version: &BStr) -> Reply {
        let (problem, text) = match leading_number(version) {
            2 => return reply(0, "2.0"),
            ..2 => ("low", version),
            _ => ("high", version),
        };
        reply(30, format!("Version too {problem} ({text})"))
    }

    fn show(&mut self, command: &[u8], question: &BStr) -> Reply {
        if !self.databases.exists(Role::Questions, question) {
            return missing_quoted(question);
        }
        if command == b"settitle" {
            self.title = self.databases.text(question, b"description", Wording::Translated);
        }
        done()
    }

    fn input(&mut self, priority: &[u8], question: &BStr) -> Reply {
        if !self.databases.exists(Role::Questions, question) {
            return missing_quoted(question);
        }
        let Some(rank) = rank(priority) else {
            return reply(20, [b"\"", priority, b"\" is not a valid priority"].concat());
        };
        let kind_name = self.databases.field(question, b"type").unwrap_or_default();
        let wanted = kind_name == "error"
            || (rank >= self.least_rank()
                && self.databases.flag(question, "seen".into()) != "true");
        let seen = self.setting("DEBCONF_NONINTERACTIVE_SEEN", "noninteractive_seen", "false");
        let mark = if wanted && seen == "true" { Mark::Seen } else { Mark::Unseen };
        let Some(kind) = Kind::of(&kind_name) else {
            return Err(Stop::new(format!(
                "debconf INPUT of {question}, whose type is {kind_name}"
            )));
        };
        if !self.pending.iter().any(|pending| pending.question == question) {
            self.pending.push(PendingQuestion { question: question.into(), kind, mark });
        }
        reply(30, "question skipped")
    }

    /// The rank of the least important questions that are asked.
    fn least_rank(&self) -> u8 {
        let value = self.databases.value("debconf/priority".into()).filter(|set| !set.is_empty());
        let set = self.setting("DEBIAN_PRIORITY", "priority", "");
        let name = if set.is_empty() { value.unwrap_or_else(|| "high".into()) } else { set };
        rank(&name).unwrap_or(0)
    }

    fn go(&mut self, machine: &mut Machine) -> Reply {
        let pending = std::mem::take(&mut self.pending);
        // All are answered before the first answer is kept.
        let mut answers = Vec::new();
        for PendingQuestion { question, kind, mark } in pending {
            let answer = self.answer_of(machine, question.as_bstr(), kind)?;
            answers.push((question, answer, mark));
        }
        for (question, answer, mark) in answers {
            self.databases.set_value(question.as_bstr(), answer);
            if mark == Mark::Seen {
                self.seen.push(question);
            }
        }
        reply(0, "ok")
    }

    fn answer_of(
        &mut self,
        machine: &mut Machine,
        question: &BStr,
        kind: Kind,
    ) -> Result<BString, Stop> {
        let value = self.databases.value(question).unwrap_or_default();
        Ok(match kind {
            Kind::Kept => value,
            Kind::Text => BString::default(),
            Kind::Select => {
                let choices = self.databases.text(question, b"choices", Wording::C);
                let choices = split_choices(&choices);
                match choices.contains(&value) {
                    true => value,
                    false => choices.into_iter().next().unwrap_or_default(),
                }
            }
            Kind::Error => {
                if self.databases.flag(question, "seen".into()) != "true" {
                    self.print_error(machine, question)?;
                }
                BString::default()
            }
        })
    }

    /// Prints an error message, which debconf would send by mail too.
    fn print_error(&mut self, machine: &mut Machine, question: &BStr) -> Result<(), Stop> {
        let address = self.setting("DEBCONF_ADMIN_EMAIL", "admin_email", "root");
        if !address.is_empty() && machine.which(&self.call, b"mail")?.is_some() {
            return Err(Stop::new(format!("debconf would mail the message {question}")));
        }
        let text = |field: &[u8]| self.databases.text(question, field, Wording::Translated);
        let text =
            [&text(b"description")[..], b"\n\n", &text(b"extended_description"), b"\n"].concat();
        let mut message = Vec::new();
        let title = std::mem::take(&mut self.title);
        if !title.is_empty() {
            let line = "-".repeat(title.len());
            message.extend_from_slice(&[&title[..], b"\n", line.as_bytes(), b"\n\n"].concat());
        }
        message.extend_from_slice(&wrap(&text, WIDTH));
        message.push(b'\n');
        if let Some(output) = self.call.descriptors.get(1) {
            let _unusable = machine.write(output, &message)?;
        }
        Ok(())
    }

    fn get(&mut self, question: &BStr) -> Reply {
        self.if_known(question, |this| {
            let value = this.databases.value(question);
            this.text_reply(value.unwrap_or_default())
        })
    }

    fn text_reply(&self, text: BString) -> Reply {
        match self.texts {
            Texts::Plain => reply(0, &text),
            Texts::Escaped => reply(1, escape(&text)),
        }
    }

    fn set(&mut self, question: &BStr, value: &[BString]) -> Reply {
        self.if_known(question, |this| {
            this.databases.set_value(question, bstr::join(" ", value).into());
            reply(0, "value set")
        })
    }

    fn reset(&mut self, question: &BStr) -> Reply {
        self.if_known(question, |this| {
            let Some(default) = this.databases.field(question, b"default") else {
                return Err(Stop::new(format!("debconf RESET of {question}, without template")));
            };
            this.databases.set_value(question, default);
            this.databases.set_flag(question, b"seen", "false".into());
            done()
        })
    }

    fn subst(&mut self, question: &BStr, variable: &BString, value: &[BString]) -> Reply {
        self.if_known(question, |this| {
            let value = bstr::join(" ", value).into();
            this.databases.set_variable(question, variable.clone(), value);
            done()
        })
    }

    fn register(&mut self, template: &BStr, question: &BStr) -> Reply {
        if !self.databases.exists(Role::Questions, template) {
            return reply(10, [b"No such template, \"", template.as_bytes(), b"\""].concat());
        }
        let kind = self.databases.field(template, b"type").unwrap_or_default();
        if !self.databases.exists(Role::Questions, question) {
            if kind.is_empty() {
                return Err(Stop::new(format!("debconf REGISTER of {template}, without a type")));
            }
            if !self.databases.new_question(question, self.owner.as_bstr(), &kind) {
                return reply(100, "Internal error making question");
            }
        }
        if !self.databases.add_question_owner(question, self.owner.as_bstr(), &kind) {
            return reply(100, "Internal error adding owner");
        }
        self.databases.set_template(question, template);
        if self.databases.template_of(question).is_none() {
            return reply(100, "Internal error setting template");
        }
        done()
    }

    fn unregister(&mut self, question: &BStr) -> Reply {
        if self.pending.iter().any(|pending| pending.question == question) {
            let text = [question.as_bytes(), b" is busy, cannot unregister right now"].concat();
            return reply(10, text);
        }
        self.if_known(question, |this| {
            this.databases.remove_question_owner(question, this.owner.as_bstr());
            done()
        })
    }

    fn purge(&mut self) -> Reply {
        for question in self.databases.question_names() {
            self.databases.remove_question_owner(question.as_bstr(), self.owner.as_bstr());
        }
        done()
    }

    fn metaget(&mut self, question: &BStr, field: &BString) -> Reply {
        if !self.databases.exists(Role::Questions, question) {
            return missing(question);
        }
        let text = |name: &[u8]| Some(self.databases.text(question, name, Wording::Translated));
        let name = field.to_ascii_lowercase();
        let value = match &name[..] {
            b"description" | b"extended_description" | b"choices" => text(&name),
            b"value" => self.databases.value(question),
            b"template" => self.databases.template_of(question).cloned(),
            b"owners" => {
                let owners = self.databases.owners(Role::Questions, question);
                Some(bstr::join(", ", owners).into())
            }
            b"type" | b"default" => self.databases.field(question, &name),
            other if other.contains(&b'-') => {
                let value = self.databases.field(question, other);
                let texts: [&[u8]; 3] = [b"description-", b"extended_description-", b"choices-"];
                match texts.iter().any(|prefix| other.starts_with(prefix)) {
                    true => value.map(|value| self.databases.expand(question, &value)),
                    false => value,
                }
            }
            _ => return Err(Stop::new(format!("debconf METAGET of the field {field}"))),
        };
        match value {
            Some(value) => self.text_reply(value),
            None => reply(10, format!("{field} does not exist")),
        }
    }

    fn fget(&mut self, question: &BStr, flag: &BString) -> Reply {
        self.if_known(question, |this| match flag == "isdefault" {
            true => {
                let seen = this.databases.flag(question, "seen".into()) == "true";
                reply(0, (!seen).to_string())
            }
            false => reply(0, this.databases.flag(question, flag.as_bstr())),
        })
    }

    fn fset(&mut self, question: &BStr, flag: &BString, value: &[BString]) -> Reply {
        let value: BString = bstr::join(" ", value).into();
        self.if_known(question, |this| {
            if flag == "seen" {
                this.seen.retain(|seen| seen != question);
            }
            if flag == "isdefault" {
                let seen = if value == "true" { "false" } else { "true" };
                this.databases.set_flag(question, b"seen", seen.into());
                return reply(0, if seen == "true" { "false" } else { "true" });
            }
            this.databases.set_flag(question, flag, value.clone());
            reply(0, value)
        })
    }

    fn progress(&mut self, subcommand: &[u8], arguments: &[BString]) -> Reply {
        let subcommand = subcommand.to_ascii_lowercase();
        match (&subcommand[..], arguments) {
            (b"start", [min, max, question]) => {
                if leading_number(min.as_bstr()) > leading_number(max.as_bstr()) {
                    return reply(20, format!("min ({min}) > max ({max})"));
                }
                if !self.databases.exists(Role::Questions, question.as_bstr()) {
                    return missing(question.as_bstr());
                }
                self.progress = true;
            }
            (b"info", [question])
                if !self.databases.exists(Role::Questions, question.as_bstr()) =>
            {
                return missing(question.as_bstr());
            }
            (b"set" | b"step" | b"info", [_]) | (b"stop", []) if !self.progress => {
                return Err(Stop::new("debconf PROGRESS before its START"));
            }
            (b"set" | b"step" | b"info", [_]) => {}
            (b"stop", []) => self.progress = false,
            (b"start" | b"set" | b"step" | b"info" | b"stop", _) => return wrong_count(),
            _ => return reply(20, "Unknown subcommand"),
        }
        reply(0, "OK")
    }

    fn data(&mut self, template: &BStr, item: &BString, value: &[BString]) -> Reply {
        if self.databases.exists(Role::Templates, template) {
            // Anything but the type goes through a conversion that only works with
            // Text::Iconv, and is lost without it.
            return match item == "type" {
                true => reply(10, "Template type already set"),
                false => done(),
            };
        }
        if item != "type" {
            return reply(10, format!("Template data field '{item}' received before type field"));
        }
        let kind = super::text::unescape(&bstr::join(" ", value));
        match self.databases.new_template(template, self.owner.as_bstr(), &kind)? {
            true => done(),
            false => reply(100, "Internal error making template"),
        }
    }

    fn load(&mut self, machine: &mut Machine, file: &[u8], owner: BString) -> Reply {
        match machine.read_file(&self.call.directory, file)? {
            Err(why) => reply(10, format!("failed to open {}: {why}", file.as_bstr())),
            Ok(text) => {
                let templates = super::templates_file::parse(&text, &file.to_str_lossy())?;
                self.databases.load_templates(templates, owner.as_bstr())?;
                done()
            }
        }
    }
}

impl Coprocess for Session {
    fn answer(&mut self, machine: &mut Machine, line: &[u8]) -> Result<Vec<u8>, Stop> {
        if self.state == State::Stopped {
            // The real one never answers: whoever asks waits for ever.
            return Err(Stop::new("debconf is spoken to after STOP"));
        }
        let answer = self.process(machine, line)?;
        Ok(answer.map(|answer| [&answer[..], b"\n"].concat()).unwrap_or_default())
    }
}

/// Priorities by importance.
fn rank(priority: &[u8]) -> Option<u8> {
    let names: [&[u8]; 4] = [b"low", b"medium", b"high", b"critical"];
    names.iter().position(|name| *name == priority).and_then(|rank| u8::try_from(rank).ok())
}

/// The number that a text begins with, 0 for none.
fn leading_number(text: &BStr) -> i64 {
    let text = text.trim_start();
    let end = text.iter().skip(1).take_while(|b| b.is_ascii_digit()).count() + 1;
    let number = text.get(..end.min(text.len())).unwrap_or_default();
    std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()).unwrap_or(0)
}
