//! `grep`, `egrep` and `fgrep` of GNU grep: `-E -F -G -e -f -i -v -w -x -c -l -L -q -s -n -o -h -H -m -r -a
//! -z -A -B -C`.

use bytes::Bytes;

use super::operands::{is_directory, lstat, tree_of};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::regex::{Around, Match, Options as RegexOptions, Regex, Syntax};
use imgfix_shell::{Process, Status, Stop};

/// What is printed of a file.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Shown {
    #[default]
    Lines,
    Parts,
    Count,
    NamesWith,
    NamesWithout,
    Nothing,
}

#[derive(Default)]
struct Request {
    syntax: Option<Syntax>,
    patterns: Vec<Vec<u8>>,
    regex: RegexOptions,
    inverted: bool,
    shown: Shown,
    quiet: bool,
    silent_errors: bool,
    numbered: bool,
    named: Option<bool>,
    limit: Option<usize>,
    recursive: bool,
    as_text: bool,
    end: u8,
    before: usize,
    after: usize,
    operands: Vec<Vec<u8>>,
}

/// Prints lines that match; 0 when there were any, 1 when not, 2 after an error.
///
/// # Errors
/// An option or pattern that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = options(process)?;
    let syntax = request.syntax.unwrap_or(match process.name() {
        b"egrep" => Syntax::Extended,
        b"fgrep" => Syntax::Literal,
        _ => Syntax::Basic,
    });
    let regexes: Result<Vec<Regex>, _> =
        request.patterns.iter().map(|pattern| Regex::new(pattern, syntax, request.regex)).collect();
    let regexes = regexes?;
    let files = files(process, &mut request)?;
    let named = request.named.unwrap_or(files.len() > 1 || request.recursive);
    let (mut found, mut failed) = (false, false);
    for path in files {
        if path != b"-" && is_directory(process, &path)? {
            if !request.recursive {
                failed = true;
                say(process, &request, format!("{}: Is a directory", lossy(&path)))?;
            }
            continue;
        }
        let data = match process.read_operand(&path)? {
            Ok(data) => data,
            Err(errno) => {
                failed = true;
                say(process, &request, format!("{}: {errno}", lossy(&path)))?;
                continue;
            }
        };
        let name = if path == b"-" { b"(standard input)".to_vec() } else { path };
        let file = File { name: named.then_some(&name[..]), shown_name: &name, data };
        if search(process, &request, &regexes, &file)? {
            found = true;
            if request.quiet {
                return Ok(0);
            }
        }
    }
    Ok(match (found, failed) {
        (_, true) => 2,
        (true, false) => 0,
        (false, false) => 1,
    })
}

fn options(process: &Process<'_>) -> Result<Request, Stop> {
    let mut request = Request { end: b'\n', ..Request::default() };
    let mut given: Option<Vec<u8>> = None;
    let mut files_of_patterns = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('E') | Long("extended-regexp") => request.syntax = Some(Syntax::Extended),
            Short('F') | Long("fixed-strings") => request.syntax = Some(Syntax::Literal),
            Short('G') | Long("basic-regexp") => request.syntax = Some(Syntax::Basic),
            Short('e') | Long("regexp") => add(&mut given, &options.value()?),
            Short('f') | Long("file") => files_of_patterns.push(options.value()?),
            Short('i' | 'y') | Long("ignore-case") => request.regex.ignore_case = true,
            Short('v') | Long("invert-match") => request.inverted = true,
            Short('w') | Long("word-regexp") if request.regex.around == Around::Anything => {
                request.regex.around = Around::NoWord;
            }
            Short('w') | Long("word-regexp") => {}
            Short('x') | Long("line-regexp") => request.regex.around = Around::Nothing,
            Short('c') | Long("count") => request.shown = Shown::Count,
            Short('l') | Long("files-with-matches") => request.shown = Shown::NamesWith,
            Short('L') | Long("files-without-match") => request.shown = Shown::NamesWithout,
            Short('q') | Long("quiet" | "silent") => request.quiet = true,
            Short('s') | Long("no-messages") => request.silent_errors = true,
            Short('n') | Long("line-number") => request.numbered = true,
            Short('o') | Long("only-matching") => request.shown = Shown::Parts,
            Short('h') | Long("no-filename") => request.named = Some(false),
            Short('H') | Long("with-filename") => request.named = Some(true),
            Short('m') | Long("max-count") => {
                request.limit = Some(number(process, options.value()?)?)
            }
            Short('r') | Long("recursive") => request.recursive = true,
            Short('a') | Long("text") => request.as_text = true,
            Short('z') | Long("null-data") => request.end = 0,
            Short('A') | Long("after-context") => {
                request.after = number(process, options.value()?)?
            }
            Short('B') | Long("before-context") => {
                request.before = number(process, options.value()?)?;
            }
            Short('C') | Long("context") => {
                request.after = number(process, options.value()?)?;
                request.before = request.after;
            }
            Long("color" | "colour") => match options.optional_value().as_deref() {
                Some(b"never" | b"auto") => {}
                _ => return Err(process.unsupported("--color")),
            },
            Long("line-buffered") => {}
            Value(word) => request.operands.push(word.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !files_of_patterns.is_empty() {
        return Err(process.unsupported("-f"));
    }
    let patterns = match given {
        Some(patterns) => patterns,
        None if request.operands.is_empty() => return Err(process.unsupported("no pattern")),
        None => request.operands.remove(0),
    };
    request.patterns = patterns.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if request.quiet {
        request.shown = Shown::Nothing;
    }
    Ok(request)
}

fn add(given: &mut Option<Vec<u8>>, pattern: &[u8]) {
    match given {
        Some(before) => {
            before.push(b'\n');
            before.extend_from_slice(pattern);
        }
        None => *given = Some(pattern.to_vec()),
    }
}

fn number(process: &Process<'_>, text: Vec<u8>) -> Result<usize, Stop> {
    let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| process.unsupported([b"number ", &text[..]].concat()))
}

fn files(process: &mut Process<'_>, request: &mut Request) -> Result<Vec<Vec<u8>>, Stop> {
    let operands = std::mem::take(&mut request.operands);
    if !request.recursive {
        return Ok(if operands.is_empty() { vec![b"-".to_vec()] } else { operands });
    }
    let mut out = Vec::new();
    let here = operands.is_empty();
    for top in if here { vec![b".".to_vec()] } else { operands } {
        if !is_directory(process, &top)? {
            out.push(top);
            continue;
        }
        for path in tree_of(process, &top)? {
            if lstat(process, &path)?.is_ok_and(|entry| entry.is_file()) {
                out.push(if here { path.get(2..).unwrap_or_default().to_vec() } else { path });
            }
        }
    }
    Ok(out)
}

struct File<'a> {
    name: Option<&'a [u8]>,
    shown_name: &'a [u8],
    data: Bytes,
}

/// Searches one file and prints what is to be shown; whether a line was selected.
fn search(
    process: &mut Process<'_>,
    request: &Request,
    regexes: &[Regex],
    file: &File<'_>,
) -> Result<bool, Stop> {
    let mut lines: Vec<&[u8]> = file.data.split(|&b| b == request.end).collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    process.machine.spend(lines.len() as u64 / 64 + 1)?;
    let prints = matches!(request.shown, Shown::Lines | Shown::Parts);
    let is_binary = file.data.contains(&0) && request.end != 0 && !request.as_text;
    let mut count = 0;
    let mut out = Printer { request, file, out: Vec::new(), printed: 0 };
    for (index, line) in lines.iter().enumerate() {
        if request.limit.is_some_and(|limit| count >= limit) {
            break;
        }
        let selected = is_selected(regexes, line)? != request.inverted;
        if !selected {
            continue;
        }
        count += 1;
        if prints && is_binary {
            return Err(process.unsupported("a binary file"));
        }
        match request.shown {
            Shown::Lines => out.line(&lines, index),
            Shown::Parts if !request.inverted => out.parts(regexes, index, line)?,
            Shown::NamesWith | Shown::NamesWithout | Shown::Nothing => break,
            Shown::Parts | Shown::Count => {}
        }
    }
    if prints {
        out.context_after(&lines, lines.len());
    }
    let mut text = std::mem::take(&mut out.out);
    match request.shown {
        Shown::Count => {
            if let Some(name) = file.name {
                text.extend([name, b":"].concat());
            }
            text.extend(format!("{count}\n").into_bytes());
        }
        Shown::NamesWith if count > 0 => text.extend([file.shown_name, b"\n"].concat()),
        Shown::NamesWithout if count == 0 => text.extend([file.shown_name, b"\n"].concat()),
        _ => {}
    }
    process.print(text)?;
    Ok(count > 0)
}

fn is_selected(regexes: &[Regex], line: &[u8]) -> Result<bool, Stop> {
    for regex in regexes {
        if regex.is_match(line)? {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Printer<'a> {
    request: &'a Request,
    file: &'a File<'a>,
    out: Vec<u8>,
    /// How many lines of the file have been printed or passed.
    printed: usize,
}

impl Printer<'_> {
    fn start(&mut self, index: usize, separator: u8) {
        if let Some(name) = self.file.name {
            self.out.extend_from_slice(name);
            self.out.push(separator);
        }
        if self.request.numbered {
            self.out.extend_from_slice((index + 1).to_string().as_bytes());
            self.out.push(separator);
        }
    }

    fn whole(&mut self, lines: &[&[u8]], index: usize, separator: u8) {
        self.start(index, separator);
        self.out.extend_from_slice(lines.get(index).copied().unwrap_or_default());
        self.out.push(self.request.end);
        self.printed = index + 1;
    }

    /// A selected line with the lines before it that are asked for.
    fn line(&mut self, lines: &[&[u8]], index: usize) {
        self.context_after(lines, index);
        let from = index.saturating_sub(self.request.before).max(self.printed);
        let has_context = self.request.before + self.request.after > 0;
        if has_context && from > self.printed && !self.out.is_empty() {
            self.out.extend_from_slice(b"--\n");
        }
        for before in from..index {
            self.whole(lines, before, b'-');
        }
        self.whole(lines, index, b':');
    }

    /// The lines behind the last one that was printed, up to `until`.
    fn context_after(&mut self, lines: &[&[u8]], until: usize) {
        if self.out.is_empty() || self.request.shown != Shown::Lines {
            return;
        }
        let last_selected = self.printed;
        for index in last_selected..until.min(last_selected + self.request.after).min(lines.len()) {
            self.whole(lines, index, b'-');
        }
    }

    /// Every part of a line that matches.
    fn parts(&mut self, regexes: &[Regex], index: usize, line: &[u8]) -> Result<(), Stop> {
        let mut at = 0;
        while at <= line.len() {
            let mut best: Option<Match> = None;
            for regex in regexes {
                let found = regex.find_at(line, at)?;
                let better = |found: &Match, best: &Match| {
                    (found.start, std::cmp::Reverse(found.end))
                        < (best.start, std::cmp::Reverse(best.end))
                };
                best = match (best, found) {
                    (Some(best), Some(found)) if better(&found, &best) => Some(found),
                    (None, found) => found,
                    (best, _) => best,
                };
            }
            let Some(Match { start, end, .. }) = best else { break };
            if end > start {
                self.start(index, b':');
                self.out.extend_from_slice(line.get(start..end).unwrap_or_default());
                self.out.push(self.request.end);
            }
            at = if end > start { end } else { start + 1 };
        }
        Ok(())
    }
}

fn say(process: &mut Process<'_>, request: &Request, what: String) -> Result<(), Stop> {
    if request.silent_errors {
        return Ok(());
    }
    process.complain(what)
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
