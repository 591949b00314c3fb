//! Commands over the lines of the input.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::Request;
use super::input::Input;
use super::parse::{Action, Address, Command, End, Lines, Substitution};
use super::text::substituted;
use imgfix_shell::files::{Access, Owner};
use imgfix_shell::regex::Regex;
use imgfix_shell::{Process, Status, Stop, Stream};

/// Whether a range is open, and how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Closed,
    /// Until a line matches.
    Open,
    Until(usize),
}

/// What happens after a command.
enum Flow {
    Next,
    Jump(usize),
    /// The rest is skipped; the pattern space is printed.
    EndOfCycle,
    /// As [`Flow::EndOfCycle`], and nothing is printed.
    Deleted,
    /// The cycle begins again without reading a line.
    Restart,
    Quit(u8),
    QuitSilently(u8),
}

/// What waits for the end of the cycle.
enum Queued {
    Text(Vec<u8>),
    File(Vec<u8>),
}

struct Sed<'c> {
    commands: &'c [Command],
    ranges: Vec<Range>,
    input: Input,
    quiet: bool,
    end: u8,
    space: Vec<u8>,
    /// Whether the last line that was read had its newline.
    ended: bool,
    hold: Vec<u8>,
    number: usize,
    queue: Vec<Queued>,
    replaced: bool,
    last_regex: Option<Rc<Regex>>,
    outputs: BTreeMap<Vec<u8>, Stream>,
    /// With `-i`: what the file is to become. Otherwise what goes to standard output.
    out: Vec<u8>,
    /// The output lacks a newline that comes when more is written.
    owes_newline: bool,
}

/// Runs the commands over all files.
pub(super) fn run(process: &mut Process<'_>, commands: &[Command], request: Request) -> Status {
    let end = if request.zero { 0 } else { b'\n' };
    let mut sed = Sed {
        commands,
        ranges: vec![Range::Closed; commands.len()],
        input: Input::new(request.operands, end, request.separate),
        quiet: request.quiet,
        end,
        space: Vec::new(),
        ended: true,
        hold: Vec::new(),
        number: 0,
        queue: Vec::new(),
        replaced: false,
        last_regex: None,
        outputs: BTreeMap::new(),
        out: Vec::new(),
        owes_newline: false,
    };
    sed.open_outputs(process)?;
    let mut editing: Option<Vec<u8>> = None;
    let in_place = request.in_place.as_deref();
    let status = loop {
        if !sed.read(process)? {
            break 0;
        }
        if in_place.is_some() {
            sed.file_change(process, &mut editing, in_place)?;
        }
        if let Some(status) = sed.cycle(process)? {
            break status;
        }
        if in_place.is_none() {
            let out = std::mem::take(&mut sed.out);
            process.print(out)?;
        }
    };
    if in_place.is_some() {
        sed.file_change(process, &mut editing, in_place)?;
        if let Some(name) = editing.take() {
            sed.write_back(process, &name, in_place)?;
        }
    }
    let out = std::mem::take(&mut sed.out);
    process.print(out)?;
    Ok(match (status, sed.input.failed) {
        (0, true) => 2,
        (status, _) => status,
    })
}

impl Sed<'_> {
    /// Reads the next line into the pattern space.
    fn read(&mut self, process: &mut Process<'_>) -> Result<bool, Stop> {
        match self.input.next(process)? {
            Some(line) => {
                (self.space, self.ended) = (line.text, line.ended);
                if std::mem::take(&mut self.input.anew) {
                    self.number = 0;
                    self.ranges.fill(Range::Closed);
                }
                self.number += 1;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// One cycle over the line just read; a status when the script quits.
    fn cycle(&mut self, process: &mut Process<'_>) -> Result<Option<u8>, Stop> {
        loop {
            self.replaced = false;
            let flow = self.commands(process)?;
            let print = !self.quiet
                && !matches!(flow, Flow::Deleted | Flow::QuitSilently(_) | Flow::Restart);
            if print {
                self.print_space();
            }
            if !matches!(flow, Flow::QuitSilently(_)) {
                self.flush_queue(process)?;
            }
            match flow {
                Flow::Quit(status) | Flow::QuitSilently(status) => return Ok(Some(status)),
                Flow::Restart => process.machine.spend(1)?,
                _ => return Ok(None),
            }
        }
    }

    fn commands(&mut self, process: &mut Process<'_>) -> Result<Flow, Stop> {
        let mut at = 0;
        while let Some(command) = self.commands.get(at) {
            process.machine.spend(1)?;
            process.machine.spend_growth(self.out.len(), self.out.len())?;
            let selected = self.is_selected(process, at, &command.lines)?;
            if selected == command.lines.inverted {
                at = match command.action {
                    Action::Begin(end) => end + 1,
                    _ => at + 1,
                };
                continue;
            }
            match self.act(process, at, command)? {
                Flow::Next => at += 1,
                Flow::Jump(to) => at = to,
                other => return Ok(other),
            }
        }
        Ok(Flow::EndOfCycle)
    }

    fn is_selected(
        &mut self,
        process: &mut Process<'_>,
        at: usize,
        lines: &Lines,
    ) -> Result<bool, Stop> {
        let Some(from) = &lines.from else { return Ok(true) };
        let Some(to) = &lines.to else { return self.is_at(process, from) };
        let range = self.ranges.get(at).copied().unwrap_or(Range::Closed);
        let next = match range {
            // 0,/re/: open from the beginning.
            Range::Closed if lines.from_zero && self.number == 1 => {
                self.continued(process, Range::Open, to)?
            }
            Range::Closed if lines.from_zero => return Ok(false),
            Range::Closed => {
                if !self.is_at(process, from)? {
                    return Ok(false);
                }
                Some(self.opened(process, to)?)
            }
            Range::Open | Range::Until(_) => self.continued(process, range, to)?,
        };
        let Some(next) = next else {
            // The end was a line before this one: the range may begin anew here.
            self.set_range(at, Range::Closed);
            return Ok(match self.is_at(process, from)? {
                true => {
                    let opened = self.opened(process, to)?;
                    self.set_range(at, opened);
                    true
                }
                false => false,
            });
        };
        self.set_range(at, next);
        Ok(true)
    }

    fn set_range(&mut self, at: usize, range: Range) {
        if let Some(place) = self.ranges.get_mut(at) {
            *place = range;
        }
    }

    /// The state behind the first line of a range.
    fn opened(&mut self, process: &mut Process<'_>, to: &End) -> Result<Range, Stop> {
        let until = match to {
            End::At(Address::Line(line)) => *line,
            End::At(Address::Last) => {
                return Ok(match self.input.is_last(process)? {
                    true => Range::Closed,
                    false => Range::Open,
                });
            }
            End::At(_) => return Ok(Range::Open),
            End::Plus(count) => self.number + count,
            End::Multiple(0) => self.number,
            End::Multiple(count) => (self.number / count + 1) * count,
        };
        Ok(if until > self.number { Range::Until(until) } else { Range::Closed })
    }

    /// The state behind a line inside a range; `None` when the line is behind its end.
    fn continued(
        &mut self,
        process: &mut Process<'_>,
        range: Range,
        to: &End,
    ) -> Result<Option<Range>, Stop> {
        Ok(match (range, to) {
            (Range::Until(line), _) if self.number > line => None,
            (Range::Until(line), _) if self.number == line => Some(Range::Closed),
            (Range::Until(line), _) => Some(Range::Until(line)),
            (_, End::At(address)) => match self.is_at(process, address)? {
                true => Some(Range::Closed),
                false => Some(Range::Open),
            },
            (range, _) => Some(range),
        })
    }

    fn is_at(&mut self, process: &mut Process<'_>, address: &Address) -> Result<bool, Stop> {
        Ok(match address {
            Address::Line(line) => self.number == *line,
            Address::Step(first, 0) => self.number == *first,
            Address::Step(first, step) => {
                self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            Address::Last => self.input.is_last(process)?,
            Address::Pattern(regex) => self.regex(regex)?.is_match(&self.space)?,
        })
    }

    /// The expression itself, or the one used last.
    fn regex(&mut self, regex: &Option<Rc<Regex>>) -> Result<Rc<Regex>, Stop> {
        if let Some(regex) = regex {
            self.last_regex = Some(Rc::clone(regex));
        }
        self.last_regex.clone().ok_or_else(|| Stop::new("sed with an empty pattern first"))
    }

    fn act(
        &mut self,
        process: &mut Process<'_>,
        at: usize,
        command: &Command,
    ) -> Result<Flow, Stop> {
        let end = self.commands.len();
        match &command.action {
            Action::Begin(_) | Action::End => {}
            Action::LineNumber => self.print(format!("{}\n", self.number).as_bytes()),
            Action::Append(text) => self.queue.push(Queued::Text(text.clone())),
            Action::Insert(text) => self.print(text),
            Action::Change(text) => return Ok(self.change(at, command, text)),
            Action::Branch(to) => return Ok(Flow::Jump(to.unwrap_or(end))),
            Action::BranchIf(to) => {
                if std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(to.unwrap_or(end)));
                }
            }
            Action::BranchIfNot(to) => {
                if !std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(to.unwrap_or(end)));
                }
            }
            Action::Delete => return Ok(Flow::Deleted),
            Action::DeleteFirst => return Ok(self.delete_first()),
            Action::FileName => {
                let name = [&self.input.name[..], b"\n"].concat();
                self.print(&name);
            }
            Action::Get => self.space = self.hold.clone(),
            Action::GetAppend => {
                self.space.push(self.end);
                self.space.extend_from_slice(&self.hold);
            }
            Action::Hold => self.hold = self.space.clone(),
            Action::HoldAppend => {
                self.hold.push(self.end);
                self.hold.extend_from_slice(&self.space);
            }
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            Action::List => {
                let text = listed(&self.space);
                self.print(&text);
            }
            Action::Next => return self.next(process),
            Action::NextAppend => return self.next_append(process),
            Action::Print => self.print_space(),
            Action::PrintFirst => {
                let mut line = self.first_line().to_vec();
                line.push(self.end);
                self.print(&line);
            }
            Action::Quit(status) => return Ok(Flow::Quit(*status)),
            Action::QuitSilently(status) => return Ok(Flow::QuitSilently(*status)),
            Action::ReadFile(name) => self.queue.push(Queued::File(name.clone())),
            Action::Substitute(substitution) => self.substitute(process, substitution)?,
            Action::Write(name) => {
                let mut line = self.space.clone();
                line.push(self.end);
                self.write(process, name, &line)?;
            }
            Action::WriteFirst(name) => {
                let mut line = self.first_line().to_vec();
                line.push(b'\n');
                self.write(process, name, &line)?;
            }
            Action::Translate(table) => {
                for byte in &mut self.space {
                    *byte = table.get(usize::from(*byte)).copied().unwrap_or(*byte);
                }
            }
            Action::Zap => self.space.clear(),
        }
        process.machine.spend_data(self.space.len() + self.hold.len())?;
        Ok(Flow::Next)
    }

    fn first_line(&self) -> &[u8] {
        let length = self.space.iter().position(|&b| b == self.end);
        self.space.get(..length.unwrap_or(self.space.len())).unwrap_or_default()
    }

    /// The text stands for a whole range once, at its end.
    fn change(&mut self, at: usize, command: &Command, text: &[u8]) -> Flow {
        let is_range = command.lines.to.is_some() && !command.lines.inverted;
        if !is_range || self.ranges.get(at) == Some(&Range::Closed) {
            self.print(text);
        }
        Flow::Deleted
    }

    fn delete_first(&mut self) -> Flow {
        match self.space.iter().position(|&b| b == self.end) {
            None => Flow::Deleted,
            Some(newline) => {
                self.space.drain(..=newline);
                Flow::Restart
            }
        }
    }

    fn next(&mut self, process: &mut Process<'_>) -> Result<Flow, Stop> {
        // Without a next line GNU's sed prints and ends.
        if self.input.is_last(process)? {
            return Ok(Flow::EndOfCycle);
        }
        if !self.quiet {
            self.print_space();
        }
        self.flush_queue(process)?;
        match self.read(process)? {
            true => Ok(Flow::Next),
            false => Ok(Flow::Deleted),
        }
    }

    fn next_append(&mut self, process: &mut Process<'_>) -> Result<Flow, Stop> {
        if self.input.is_last(process)? {
            return Ok(Flow::EndOfCycle);
        }
        self.flush_queue(process)?;
        let mut before = std::mem::take(&mut self.space);
        if !self.read(process)? {
            return Ok(Flow::EndOfCycle);
        }
        before.push(self.end);
        before.append(&mut self.space);
        self.space = before;
        process.machine.spend_data(self.space.len())?;
        Ok(Flow::Next)
    }

    fn substitute(
        &mut self,
        process: &mut Process<'_>,
        request: &Substitution,
    ) -> Result<(), Stop> {
        let regex = self.regex(&request.pattern)?;
        let line = std::mem::take(&mut self.space);
        let mut out = Vec::new();
        let (mut at, mut count, mut replaced) = (0, 0, false);
        // Where the match before ended: an empty match there does not count.
        let mut ended = None;
        while at <= line.len() {
            let Some(found) = regex.find_at(&line, at)? else { break };
            process.machine.spend(1)?;
            process.machine.spend_growth(out.len(), out.len() + line.len())?;
            out.extend_from_slice(line.get(at..found.start).unwrap_or_default());
            let is_empty = found.start == found.end;
            if !(is_empty && ended == Some(found.start)) {
                count += 1;
                let text = line.get(found.start..found.end).unwrap_or_default();
                if count < request.number {
                    out.extend_from_slice(text);
                } else {
                    out.extend(substituted(&request.replacement, &line, &found));
                    replaced = true;
                }
                ended = Some(found.end);
            }
            at = found.end;
            if replaced && !request.global {
                break;
            }
            if is_empty {
                out.extend(line.get(at));
                at += 1;
            }
        }
        out.extend_from_slice(line.get(at..).unwrap_or_default());
        process.machine.spend_data(out.len())?;
        self.space = out;
        if replaced {
            self.replaced = true;
            if request.print {
                self.print_space();
            }
            if let Some(name) = &request.file {
                let mut line = self.space.clone();
                line.push(self.end);
                self.write(process, name, &line)?;
            }
        }
        Ok(())
    }

    fn print(&mut self, text: &[u8]) {
        if std::mem::take(&mut self.owes_newline) {
            self.out.push(self.end);
        }
        self.out.extend_from_slice(text);
    }

    /// The pattern space with its newline; the last line of a file has one only if it had.
    fn print_space(&mut self) {
        let space = self.space.clone();
        self.print(&space);
        match self.ended {
            true => self.out.push(self.end),
            false => self.owes_newline = true,
        }
    }

    fn flush_queue(&mut self, process: &mut Process<'_>) -> Result<(), Stop> {
        for queued in std::mem::take(&mut self.queue) {
            match queued {
                Queued::Text(text) => self.print(&text),
                Queued::File(name) => {
                    let name = if name == b"/dev/stdin" { b"-".to_vec() } else { name };
                    if let Ok(data) = process.read_operand(&name)?
                        && !data.is_empty()
                    {
                        self.print(&data);
                    }
                }
            }
        }
        Ok(())
    }

    /// Files of `w` are made before the first line is read.
    fn open_outputs(&mut self, process: &mut Process<'_>) -> Result<(), Stop> {
        for command in self.commands {
            let name = match &command.action {
                Action::Write(name) | Action::WriteFirst(name) => name,
                Action::Substitute(substitution) => match &substitution.file {
                    Some(name) => name,
                    None => continue,
                },
                _ => continue,
            };
            if name == b"/dev/stdout" || self.outputs.contains_key(name) {
                continue;
            }
            let access = Access::Truncate { mode: 0o666 & !process.call.umask };
            match process.machine.open(&process.call.directory, name, access)? {
                Ok(stream) => drop(self.outputs.insert(name.clone(), stream)),
                Err(errno) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    return Err(process.unsupported(format!("w {name}: {errno}")));
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, process: &mut Process<'_>, name: &[u8], line: &[u8]) -> Result<(), Stop> {
        match self.outputs.get(name).cloned() {
            Some(stream) => {
                let _unusable = process.machine.write(&stream, line)?;
            }
            None => self.print(line),
        }
        Ok(())
    }

    /// Ends files that were read to their end, so that the output is that of the last one.
    fn file_change(
        &mut self,
        process: &mut Process<'_>,
        editing: &mut Option<Vec<u8>>,
        suffix: Option<&[u8]>,
    ) -> Result<(), Stop> {
        for begun in std::mem::take(&mut self.input.begun) {
            if let Some(name) = editing.replace(begun) {
                self.write_back(process, &name, suffix)?;
            }
        }
        Ok(())
    }

    /// Replaces a file by what was printed for it: a new file with the old one's mode and owner.
    fn write_back(
        &mut self,
        process: &mut Process<'_>,
        name: &[u8],
        suffix: Option<&[u8]>,
    ) -> Result<(), Stop> {
        let content = std::mem::take(&mut self.out);
        self.owes_newline = false;
        if name == b"-" {
            return Err(process.unsupported("-i and standard input"));
        }
        if suffix.is_some_and(|suffix| suffix.contains(&b'*')) && name.contains(&b'/') {
            return Err(process.unsupported("-i with a pattern and a path"));
        }
        let directory = process.call.directory.clone();
        let Ok(old) = process.machine.stat(&directory, name)? else { return Ok(()) };
        if let Some(suffix) = suffix.filter(|suffix| !suffix.is_empty()) {
            let backup = backup_name(name, suffix);
            if process.machine.rename(&directory, name, &backup)?.is_err() {
                return Err(process.unsupported("a backup that cannot be made"));
            }
        } else {
            let _gone = process.machine.unlink(&directory, name)?;
        }
        let owner = Owner { uid: Some(old.uid), gid: Some(old.gid) };
        let made = process.machine.write_file(&directory, name, content, 0o600)?;
        if made.is_err() {
            return Err(process.unsupported("a file that cannot be replaced"));
        }
        let _there = process.machine.chown(&directory, name, owner)?;
        let _there = process.machine.chmod(&directory, name, old.mode)?;
        Ok(())
    }
}

/// A suffix with stars is a pattern for the name.
fn backup_name(name: &[u8], suffix: &[u8]) -> Vec<u8> {
    match suffix.contains(&b'*') {
        true => suffix.split(|&b| b == b'*').collect::<Vec<_>>().join(name),
        false => [name, suffix].concat(),
    }
}

/// The pattern space as `l` shows it, in lines of 70 bytes.
fn listed(space: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut width = 0;
    for &byte in space {
        let shown = match byte {
            b'\\' => "\\\\".into(),
            0x07 => "\\a".into(),
            0x08 => "\\b".into(),
            0x0c => "\\f".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            0x0b => "\\v".into(),
            byte if (32..127).contains(&byte) => char::from(byte).to_string(),
            byte => format!("\\{byte:03o}"),
        };
        if width + shown.len() > 69 {
            out.extend_from_slice(b"\\\n");
            width = 0;
        }
        width += shown.len();
        out.extend(shown.into_bytes());
    }
    out.extend_from_slice(b"$\n");
    out
}
