//! `getopt` (util-linux): takes command lines apart for shell scripts, in its enhanced form
//! (`-o SHORT`), with quoting for `sh`.

use bstr::{BStr, BString, ByteSlice as _};

use imgfix_shell::{Process, Status, Stop};

/// Whether an option has an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Argument,
    /// Only in the same word.
    OptionalArgument,
}

#[derive(Debug, Default)]
struct Grammar {
    short: Vec<(u8, Takes)>,
    long: Vec<(BString, Takes)>,
    /// `-a`: long options with one dash.
    alternative: bool,
    /// Operands end the options (`+` before the short ones).
    posix: bool,
    name: BString,
    quiet: bool,
}

/// What the command line becomes.
#[derive(Debug, Default)]
struct Parsed {
    text: Vec<u8>,
    errors: Vec<BString>,
    operands: Vec<BString>,
}

/// Parses its arguments.
///
/// # Errors
/// Its old form, or options that no script uses.
pub fn run(process: &mut Process<'_>) -> Status {
    let words = process.arguments().to_vec();
    if let [test] = &words[..]
        && (test == "-T" || test == "--test")
    {
        return Ok(4);
    }
    let (grammar, rest) = grammar(process, words)?;
    let parsed = grammar.parse(rest);
    process.print([&parsed.text[..], b" --"].concat())?;
    for operand in &parsed.operands {
        process.print([b" ", &quote(operand)[..]].concat())?;
    }
    process.print("\n")?;
    if !grammar.quiet
        && let Some(errors) = process.call.descriptors.get(2).cloned()
    {
        for error in &parsed.errors {
            let line = [&grammar.name[..], b": ", error, b"\n"].concat();
            let _unusable = process.machine.write(&errors, &line)?;
        }
    }
    Ok(u8::from(!parsed.errors.is_empty()))
}

/// Takes getopt's own options, up to `--` or the first operand.
fn grammar(process: &Process<'_>, words: Vec<BString>) -> Result<(Grammar, Vec<BString>), Stop> {
    let mut grammar = Grammar { name: "getopt".into(), ..Grammar::default() };
    let mut has_short = false;
    let mut words = words.into_iter();
    for_each_option(process, &mut words, &mut |option, value| match option {
        b"-o" | b"--options" => {
            has_short = true;
            grammar.set_short(value);
        }
        b"-l" | b"--long" | b"--longoptions" => grammar.add_long(value),
        b"-n" | b"--name" => grammar.name = value.into(),
        b"-a" | b"--alternative" => grammar.alternative = true,
        _ => grammar.quiet = true,
    })?;
    if !has_short {
        return Err(process.unsupported("its old form"));
    }
    Ok((grammar, words.collect()))
}

fn for_each_option(
    process: &Process<'_>,
    words: &mut std::vec::IntoIter<BString>,
    take: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Stop> {
    while let Some(word) = words.next() {
        let (name, joined) = match word.strip_prefix(b"--") {
            Some(b"") => return Ok(()),
            Some(_) => match word.split_once_str("=") {
                Some((name, value)) => (name, Some(value)),
                None => (&word[..], None),
            },
            None if word.starts_with(b"-") && word.len() > 2 => {
                let (name, value) = word.split_at_checked(2).unwrap_or((&word, b""));
                (name, Some(value))
            }
            None => (&word[..], None),
        };
        match name {
            b"-a" | b"--alternative" | b"-q" | b"--quiet" if joined.is_none() => take(name, b""),
            b"-o" | b"--options" | b"-l" | b"--long" | b"--longoptions" | b"-n" | b"--name" => {
                let value = match joined {
                    Some(value) => BString::from(value),
                    None => words.next().unwrap_or_default(),
                };
                take(name, &value);
            }
            _ => return Err(process.unsupported(format!("option {word}"))),
        }
    }
    Ok(())
}

impl Grammar {
    fn set_short(&mut self, text: &[u8]) {
        self.posix = text.starts_with(b"+");
        let mut rest = text.strip_prefix(b"+").unwrap_or(text);
        while let Some((&letter, after)) = rest.split_first() {
            let (takes, after) = split_colons(after);
            self.short.push((letter, takes));
            rest = after;
        }
    }

    fn add_long(&mut self, text: &[u8]) {
        let words = text.split(|b| b", \t\n".contains(b)).filter(|word| !word.is_empty());
        self.long.extend(words.map(|word| {
            let name = word.trim_end_with(|c| c == ':');
            let (takes, _) = split_colons(word.get(name.len()..).unwrap_or_default());
            (BString::from(name), takes)
        }));
    }

    fn parse(&self, words: Vec<BString>) -> Parsed {
        let mut parsed = Parsed::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            if !word.starts_with(b"-") || word == "-" {
                parsed.operands.push(word);
                if self.posix {
                    break;
                }
                continue;
            }
            match self.long_word(&word) {
                Some(rest) => self.take_long(&word, rest, &mut words, &mut parsed),
                None => self.take_short(&word, &mut words, &mut parsed),
            }
        }
        parsed.operands.extend(words);
        parsed
    }

    /// The part of a word that may name a long option.
    fn long_word<'w>(&self, word: &'w [u8]) -> Option<&'w [u8]> {
        if let Some(rest) = word.strip_prefix(b"--") {
            return Some(rest);
        }
        let rest = word.strip_prefix(b"-")?;
        let letter = rest.first()?;
        let is_short = self.short.iter().any(|(short, _)| short == letter);
        if !self.alternative || (rest.len() == 1 && is_short) {
            return None;
        }
        let name = rest.split(|&b| b == b'=').next().unwrap_or_default();
        // What is no long option may still be short ones.
        (!is_short || self.find_long(name).len() == 1).then_some(rest)
    }

    /// The long options that a name means: itself, or those it begins.
    fn find_long(&self, name: &[u8]) -> Vec<&(BString, Takes)> {
        if let Some(exact) = self.long.iter().find(|(long, _)| *long == name) {
            return vec![exact];
        }
        self.long.iter().filter(|(long, _)| long.starts_with(name)).collect()
    }

    fn take_long(
        &self,
        word: &[u8],
        rest: &[u8],
        words: &mut std::vec::IntoIter<BString>,
        parsed: &mut Parsed,
    ) {
        let (name, value) = match rest.split_once_str("=") {
            Some((name, value)) => (name, Some(BString::from(value))),
            None => (rest, None),
        };
        let word = word.as_bstr();
        let dashes = if word.starts_with(b"--") { "--" } else { "-" };
        let [(long, takes)] = self.find_long(name)[..] else {
            return parsed.errors.push(self.no_long(word));
        };
        let value = match (takes, value) {
            (Takes::Nothing, Some(_)) => {
                let error = format!("option '{dashes}{long}' doesn't allow an argument");
                return parsed.errors.push(error.into());
            }
            (Takes::Nothing, None) => None,
            (Takes::OptionalArgument, value) => Some(value.unwrap_or_default()),
            (Takes::Argument, Some(value)) => Some(value),
            (Takes::Argument, None) => match words.next() {
                Some(value) => Some(value),
                None => {
                    let error = format!("option '{dashes}{long}' requires an argument");
                    return parsed.errors.push(error.into());
                }
            },
        };
        parsed.text.extend_from_slice(&[b" --", &long[..]].concat());
        parsed.push_value(value);
    }

    /// The complaint about a word that names no long option, or several.
    fn no_long(&self, word: &BStr) -> BString {
        let name = word.trim_start_with(|c| c == '-');
        let name = name.split(|&b| b == b'=').next().unwrap_or_default();
        let shown = word.split(|&b| b == b'=').next().unwrap_or_default().as_bstr();
        let all = self.find_long(name);
        if all.is_empty() {
            return format!("unrecognized option '{shown}'").into();
        }
        let names: String = all.iter().map(|(long, _)| format!(" '--{long}'")).collect();
        format!("option '{word}' is ambiguous; possibilities:{names}").into()
    }

    fn take_short(
        &self,
        word: &[u8],
        words: &mut std::vec::IntoIter<BString>,
        parsed: &mut Parsed,
    ) {
        let mut rest = word.get(1..).unwrap_or_default();
        while let Some((&letter, after)) = rest.split_first() {
            rest = after;
            let shown = [letter];
            let Some((_, takes)) = self.short.iter().find(|(short, _)| *short == letter) else {
                parsed.errors.push(format!("invalid option -- '{}'", shown.as_bstr()).into());
                continue;
            };
            let value = match takes {
                Takes::Nothing => None,
                Takes::OptionalArgument => Some(std::mem::take(&mut rest).into()),
                Takes::Argument if !rest.is_empty() => Some(std::mem::take(&mut rest).into()),
                Takes::Argument => match words.next() {
                    Some(value) => Some(value),
                    None => {
                        let shown = shown.as_bstr();
                        let error = format!("option requires an argument -- '{shown}'");
                        return parsed.errors.push(error.into());
                    }
                },
            };
            parsed.text.extend_from_slice(&[b' ', b'-', letter]);
            parsed.push_value(value);
        }
    }
}

impl Parsed {
    fn push_value(&mut self, value: Option<BString>) {
        if let Some(value) = value {
            self.text.extend_from_slice(&[b" ", &quote(&value)[..]].concat());
        }
    }
}

fn split_colons(text: &[u8]) -> (Takes, &[u8]) {
    match text {
        [b':', b':', rest @ ..] => (Takes::OptionalArgument, rest),
        [b':', rest @ ..] => (Takes::Argument, rest),
        rest => (Takes::Nothing, rest),
    }
}

/// A word in single quotes.
fn quote(word: &[u8]) -> Vec<u8> {
    [b"'", &word.replace("'", "'\\''")[..], b"'"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_tools::testing::Image;

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
