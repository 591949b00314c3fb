//! `getopt` of util-linux: `-o`, `-l`, `-n`, `-a`, `-q`, `-u`, `-T`. It is what `ucf` reads its options with.

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Whether an option has an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument {
    None,
    Needed,
    Optional,
}

#[derive(Default)]
struct Request {
    short: Vec<(u8, Argument)>,
    long: Vec<(Vec<u8>, Argument)>,
    name: Vec<u8>,
    /// Long options may begin with one dash.
    one_dash: bool,
    quiet: bool,
    unquoted: bool,
    /// Options end at the first operand.
    in_order: bool,
}

/// Prints the parameters in a normal form.
///
/// # Errors
/// An option of its own that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = Request { name: b"getopt".to_vec(), ..Request::default() };
    let mut has_short = false;
    let mut words = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('o') | Long("options") => {
                has_short = true;
                let text = options.value()?;
                request.in_order = text.starts_with(b"+");
                request.short = short_options(text.strip_prefix(b"+").unwrap_or(&text));
            }
            Short('l') | Long("longoptions" | "long") => {
                request.long.extend(long_options(&options.value()?))
            }
            Short('n') | Long("name") => request.name = options.value()?,
            Short('a') | Long("alternative") => request.one_dash = true,
            Short('q') | Long("quiet") => request.quiet = true,
            Short('u') | Long("unquoted") => request.unquoted = true,
            Short('T') | Long("test") => return Ok(4),
            Value(word) => {
                words.push(word.into_encoded_bytes());
                words.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if !has_short {
        if words.is_empty() {
            return Err(process.unsupported("no options to be read"));
        }
        // The old form of a call has the old form of an answer.
        request.unquoted = true;
        let text = words.remove(0);
        request.in_order = text.starts_with(b"+");
        request.short = short_options(text.strip_prefix(b"+").unwrap_or(&text));
        if words.first().is_some_and(|word| word == b"--") {
            words.remove(0);
        }
    }
    let mut reader = Reader { request: &request, out: Vec::new(), problems: Vec::new() };
    let operands = reader.read(&words);
    let Reader { mut out, problems, .. } = reader;
    out.extend_from_slice(b" --");
    for operand in operands {
        out.push(b' ');
        out.extend(request.quoted(&operand));
    }
    out.push(b'\n');
    let status = u8::from(!problems.is_empty());
    if !request.quiet {
        for problem in problems {
            let line = [&request.name[..], b": ", &problem, b"\n"].concat();
            if let Some(stream) = process.call.descriptors.get(2).cloned() {
                let _unusable = process.machine.write(&stream, &line)?;
            }
        }
    }
    process.print(out)?;
    Ok(status)
}

fn short_options(text: &[u8]) -> Vec<(u8, Argument)> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&letter, behind)) = rest.split_first() {
        let colons = behind.iter().take(2).take_while(|&&b| b == b':').count();
        out.push((letter, argument(colons)));
        rest = behind.get(colons..).unwrap_or_default();
    }
    out
}

fn long_options(text: &[u8]) -> Vec<(Vec<u8>, Argument)> {
    let words = text.split(|b| b == &b',' || b.is_ascii_whitespace());
    let option = |word: &[u8]| {
        let colons = word.iter().rev().take_while(|&&b| b == b':').count();
        (word.get(..word.len() - colons).unwrap_or_default().to_vec(), argument(colons))
    };
    words.filter(|word| !word.is_empty()).map(option).collect()
}

fn argument(colons: usize) -> Argument {
    match colons {
        0 => Argument::None,
        1 => Argument::Needed,
        _ => Argument::Optional,
    }
}

impl Request {
    fn quoted(&self, word: &[u8]) -> Vec<u8> {
        if self.unquoted {
            return word.to_vec();
        }
        let inside = bstr::ByteSlice::replace(word, b"'", b"'\\''");
        [b"'", &inside[..], b"'"].concat()
    }

    fn short_option(&self, letter: u8) -> Option<Argument> {
        self.short.iter().find(|(known, _)| *known == letter).map(|(_, argument)| *argument)
    }

    /// A long option by its name or by a beginning that only it has.
    fn long_option(&self, name: &[u8]) -> Found<'_> {
        if let Some((name, argument)) = self.long.iter().find(|(known, _)| known == name) {
            return Found::One(name, *argument);
        }
        let fitting = self.long.iter().filter(|(known, _)| known.starts_with(name));
        match fitting.collect::<Vec<_>>()[..] {
            [] => Found::Nothing,
            [(name, argument)] => Found::One(name, *argument),
            ref several => Found::Several(several.iter().map(|(name, _)| &name[..]).collect()),
        }
    }
}

enum Found<'a> {
    Nothing,
    One(&'a [u8], Argument),
    Several(Vec<&'a [u8]>),
}

struct Reader<'a> {
    request: &'a Request,
    out: Vec<u8>,
    problems: Vec<Vec<u8>>,
}

impl Reader<'_> {
    /// Reads options and returns the operands.
    fn read(&mut self, words: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut operands = Vec::new();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            if word == b"--" {
                operands.extend_from_slice(words.get(at..).unwrap_or_default());
                break;
            }
            if !word.starts_with(b"-") || word.len() == 1 {
                operands.push(word.clone());
                if self.request.in_order {
                    operands.extend_from_slice(words.get(at..).unwrap_or_default());
                    break;
                }
                continue;
            }
            let next = words.get(at).map(Vec::as_slice);
            let taken = match word.strip_prefix(b"--") {
                Some(name) => self.long(name, next, b"--"),
                None => self.one_dash(word.get(1..).unwrap_or_default(), next),
            };
            at += usize::from(taken);
        }
        operands
    }

    /// Letters behind one dash, or a long option where those may begin so. Whether the next
    /// word was taken as argument.
    fn one_dash(&mut self, letters: &[u8], next: Option<&[u8]>) -> bool {
        let first = letters.first().copied().unwrap_or_default();
        let known = self.request.short_option(first).is_some();
        if self.request.one_dash && (letters.len() > 1 || !known) {
            let name = letters.split(|&b| b == b'=').next().unwrap_or_default();
            let is_long = matches!(self.request.long_option(name), Found::One(..));
            if is_long || !known {
                return self.long(letters, next, b"-");
            }
        }
        let mut rest = letters;
        while let Some((&letter, behind)) = rest.split_first() {
            rest = behind;
            match self.request.short_option(letter).filter(|_| letter != b':') {
                None => {
                    self.problems.push([b"invalid option -- '", &[letter][..], b"'"].concat());
                }
                Some(Argument::None) => self.out.extend([b' ', b'-', letter]),
                Some(Argument::Needed) if behind.is_empty() => match next {
                    Some(value) => {
                        self.with_value(&[b'-', letter], value);
                        return true;
                    }
                    None => self
                        .problems
                        .push([b"option requires an argument -- '", &[letter][..], b"'"].concat()),
                },
                Some(_) => {
                    self.with_value(&[b'-', letter], behind);
                    return false;
                }
            }
        }
        false
    }

    fn long(&mut self, text: &[u8], next: Option<&[u8]>, dashes: &[u8]) -> bool {
        let mut halves = text.splitn(2, |&b| b == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next());
        match (self.request.long_option(name), value) {
            (Found::Nothing, _) => {
                self.problems.push([b"unrecognized option '", dashes, name, b"'"].concat());
            }
            (Found::Several(names), _) => {
                let mut problem = [b"option '", dashes, text, b"' is ambiguous;"].concat();
                problem.extend_from_slice(b" possibilities:");
                names.iter().for_each(|name| problem.extend([b" '--", *name, b"'"].concat()));
                self.problems.push(problem);
            }
            (Found::One(name, Argument::None), Some(_)) => {
                let problem = [b"option '", dashes, name, b"' doesn't allow an argument"].concat();
                self.problems.push(problem);
            }
            (Found::One(name, Argument::None), None) => {
                self.out.extend_from_slice(b" --");
                self.out.extend_from_slice(name);
            }
            (Found::One(name, Argument::Needed), None) => match next {
                Some(value) => {
                    self.with_value(&[b"--", name].concat(), value);
                    return true;
                }
                None => {
                    let problem = [b"option '", dashes, name, b"' requires an argument"].concat();
                    self.problems.push(problem);
                }
            },
            (Found::One(name, _), value) => {
                self.with_value(&[b"--", name].concat(), value.unwrap_or_default());
            }
        }
        false
    }

    fn with_value(&mut self, option: &[u8], value: &[u8]) {
        self.out.push(b' ');
        self.out.extend_from_slice(option);
        self.out.push(b' ');
        self.out.extend(self.request.quoted(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Image;

    const UCF: [&str; 9] = [
        "getopt",
        "-a",
        "-o",
        "hs:d::nv",
        "-n",
        "ucf",
        "--long",
        "help,src-dir:,debug::,three-way,debconf-ok,debconf-template:",
        "--",
    ];

    /// Recorded from util-linux 2.38.
    #[test]
    fn command_lines_are_taken_apart_as_by_the_real_one() {
        for (line, status, output, error) in [
            (vec!["--three-way", "/a b", "/c"], 0, " --three-way -- '/a b' '/c'\n", ""),
            (vec!["/a", "-three-way", "/it's"], 0, " --three-way -- '/a' '/it'\\''s'\n", ""),
            (vec!["-vn", "-sx", "-d", "-d3"], 0, " -v -n -s 'x' -d '' -d '3' --\n", ""),
            (vec!["--src=x", "--debug", "--", "-v"], 0, " --src-dir 'x' --debug '' -- '-v'\n", ""),
            (vec!["-src-dir", "x", "-h"], 0, " --src-dir 'x' -h --\n", ""),
            (vec!["--debu=1", "x"], 0, " --debug '1' -- 'x'\n", ""),
            (
                vec!["--debc=1"],
                1,
                " --\n",
                "ucf: option '--debc=1' is ambiguous; possibilities: '--debconf-ok' '--debconf-template'\n",
            ),
            (vec!["-what"], 1, " --\n", "ucf: unrecognized option '-what'\n"),
            (vec!["-vy"], 1, " -v --\n", "ucf: invalid option -- 'y'\n"),
            (vec!["-hx"], 1, " -h --\n", "ucf: invalid option -- 'x'\n"),
            (vec!["--what", "x"], 1, " -- 'x'\n", "ucf: unrecognized option '--what'\n"),
            (vec!["-y"], 1, " --\n", "ucf: unrecognized option '-y'\n"),
            (vec!["-s"], 1, " --\n", "ucf: option requires an argument -- 's'\n"),
            (vec!["--help=1"], 1, " --\n", "ucf: option '--help' doesn't allow an argument\n"),
        ] {
            let mut image = Image::with(&["/x/"], &[("getopt", run)]);
            let argv: Vec<&str> = UCF.iter().copied().chain(line.iter().copied()).collect();
            assert_eq!(image.call(&argv, "").unwrap(), status, "{line:?}");
            assert_eq!(image.output(), output, "{line:?}");
            assert!(image.errors().starts_with(error), "{line:?}: {}", image.errors());
        }
    }
}
