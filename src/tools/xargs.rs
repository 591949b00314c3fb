//! `xargs` of findutils: `-0 -d -r -n -L -I -i -a -t -P -s -x`, `--show-limits`. Programs run one after
//! the other, whatever `-P` says.

use bstr::BString;

use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Call, Process, Status, Stop, Stream};

/// The longest command line by default, in bytes.
const MAX_COMMAND: usize = 128 << 10;

struct Request {
    words: Vec<Vec<u8>>,
    /// Items end with this byte and are taken as they are.
    delimiter: Option<u8>,
    not_if_empty: bool,
    most_items: usize,
    most_lines: Option<usize>,
    replaced: Option<Vec<u8>>,
    most_bytes: usize,
    file: Option<Vec<u8>>,
    shows_limits: bool,
    trace: bool,
}

/// Builds command lines from items of its input and runs them.
///
/// # Errors
/// An option that is not evaluated; a program that cannot be evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = options(process)?;
    if request.words.is_empty() {
        request.words.push(b"echo".to_vec());
    }
    if request.shows_limits {
        show_limits(process)?;
    }
    let input = match &request.file {
        None => process.input()?,
        Some(file) => match process.machine.read_file(&process.call.directory, file)? {
            Ok(data) => data,
            Err(_) => return Err(process.unsupported("-a a file that is not there")),
        },
    };
    let items = items(process, &request, &input)?;
    let mut status = 0;
    for batch in batches(&request, items) {
        process.machine.spend(1)?;
        let result = start(process, &request, batch)?;
        match result {
            0 => {}
            126 | 127 => return Ok(result),
            255 => return Ok(124),
            _ => status = 123,
        }
    }
    Ok(status)
}

fn options(process: &mut Process<'_>) -> Result<Request, Stop> {
    let mut request = Request {
        words: Vec::new(),
        delimiter: None,
        not_if_empty: false,
        most_items: usize::MAX,
        most_lines: None,
        replaced: None,
        most_bytes: MAX_COMMAND,
        file: None,
        shows_limits: false,
        trace: false,
    };
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('0') | Long("null") => request.delimiter = Some(0),
            Short('d') | Long("delimiter") => {
                request.delimiter = Some(match &options.value()?[..] {
                    b"\\n" => b'\n',
                    b"\\t" => b'\t',
                    b"\\0" => 0,
                    [byte] if *byte != b'\\' => *byte,
                    _ => return Err(process.unsupported("this delimiter")),
                });
            }
            Short('r') | Long("no-run-if-empty") => request.not_if_empty = true,
            Short('n') | Long("max-args") => {
                request.most_items = number(process, &options.value()?)?
            }
            Short('L') | Long("max-lines") => {
                request.most_lines = Some(number(process, &options.value()?)?);
            }
            Short('I') => request.replaced = Some(options.value()?),
            Short('i') | Long("replace") => {
                request.replaced = Some(options.optional_value().unwrap_or_else(|| b"{}".to_vec()));
            }
            Short('s') | Long("max-chars") => {
                request.most_bytes = number(process, &options.value()?)?;
            }
            Short('a') | Long("arg-file") => request.file = Some(options.value()?),
            Short('P') | Long("max-procs") => drop(options.value()?),
            Short('t') | Long("verbose") => request.trace = true,
            Short('x') | Long("exit") => {}
            Long("show-limits") => request.shows_limits = true,
            Value(word) => {
                request.words.push(word.into_encoded_bytes());
                request.words.extend(options.rest()?);
            }
            other => return Err(process.unsupported_option(&other)),
        }
    }
    Ok(request)
}

fn number(process: &Process<'_>, text: &[u8]) -> Result<usize, Stop> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.filter(|&n| n > 0).ok_or_else(|| process.unsupported([b"number ", text].concat()))
}

/// An item and the line it ends on, lines that end with a blank continued by the next.
struct Item {
    text: Vec<u8>,
    line: usize,
}

fn items(process: &Process<'_>, request: &Request, input: &[u8]) -> Result<Vec<Item>, Stop> {
    if let Some(delimiter) = request.delimiter {
        let mut all: Vec<&[u8]> = input.split(|&b| b == delimiter).collect();
        if all.last().is_some_and(|last| last.is_empty()) {
            all.pop();
        }
        let item = |(line, text): (usize, &[u8])| Item { text: text.to_vec(), line };
        return Ok(all.into_iter().enumerate().map(item).collect());
    }
    if request.replaced.is_some() || request.most_lines.is_some() {
        // Whole lines: what is quoted in them is rare.
        if input.iter().any(|b| b"'\"\\".contains(b)) {
            return Err(process.unsupported("quotes in lines"));
        }
    }
    if request.replaced.is_some() {
        let lines = input.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_start);
        let lines = lines.filter(|line| !line.is_empty()).enumerate();
        return Ok(lines.map(|(line, text)| Item { text: text.to_vec(), line }).collect());
    }
    quoted_items(process, input)
}

/// Items between blanks, with quotes and backslashes.
fn quoted_items(process: &Process<'_>, input: &[u8]) -> Result<Vec<Item>, Stop> {
    let mut out = Vec::new();
    let mut item: Option<Vec<u8>> = None;
    let (mut line, mut blank_before) = (0, false);
    let mut rest = input.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b' ' | b'\t' | b'\n' => {
                out.extend(item.take().map(|text| Item { text, line }));
                if byte == b'\n' && !blank_before {
                    line += 1;
                }
                blank_before = byte != b'\n';
                continue;
            }
            b'\'' | b'"' => {
                let word = item.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some(&end) if end == byte => break,
                        None | Some(b'\n') => return Err(process.unsupported("an unmatched quote")),
                        Some(&inside) => word.push(inside),
                    }
                }
            }
            b'\\' => item.get_or_insert_default().extend(rest.next()),
            other => item.get_or_insert_default().push(other),
        }
        blank_before = false;
    }
    out.extend(item.take().map(|text| Item { text, line }));
    Ok(out)
}

/// Items of each command line.
fn batches(request: &Request, items: Vec<Item>) -> Vec<Vec<Vec<u8>>> {
    if items.is_empty() {
        let runs = !request.not_if_empty && request.replaced.is_none();
        return if runs { vec![Vec::new()] } else { Vec::new() };
    }
    let fixed: usize = request.words.iter().map(|word| word.len() + 1).sum();
    let mut out: Vec<Vec<Vec<u8>>> = Vec::new();
    let (mut bytes, mut first_line) = (0, 0);
    for Item { text, line } in items {
        let full = out.last().is_none_or(|batch| {
            batch.len() >= request.most_items
                || request.replaced.is_some()
                || request.most_lines.is_some_and(|most| line - first_line >= most)
                || fixed + bytes + text.len() + 1 > request.most_bytes
        });
        if full {
            out.push(Vec::new());
            (bytes, first_line) = (0, line);
        }
        bytes += text.len() + 1;
        if let Some(batch) = out.last_mut() {
            batch.push(text);
        }
    }
    out
}

fn start(process: &mut Process<'_>, request: &Request, batch: Vec<Vec<u8>>) -> Status {
    let words: Vec<Vec<u8>> = match (&request.replaced, batch.first()) {
        (Some(mark), Some(item)) => {
            let fill = |word: &Vec<u8>| bstr::ByteSlice::replace(&word[..], &mark[..], item);
            request.words.iter().map(fill).collect()
        }
        _ => request.words.iter().cloned().chain(batch).collect(),
    };
    if request.trace {
        return Err(process.unsupported("-t"));
    }
    let mut call =
        Call { argv: words.into_iter().map(BString::from).collect(), ..process.call.clone() };
    if request.file.is_none() {
        call.descriptors.set(0, Stream::null());
    }
    process.machine.execute(call)
}

/// What Linux says to a process with this environment (`ARG_MAX` of 2 MiB).
fn show_limits(process: &mut Process<'_>) -> Result<(), Stop> {
    const ARG_MAX: usize = 2 << 20;
    const HEADROOM: usize = 2048;
    let environment = &process.call.environment;
    let size: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let usable = (ARG_MAX - HEADROOM).saturating_sub(size);
    let text = format!(
        "Your environment variables take up {size} bytes\n\
         POSIX upper limit on argument length (this system): {usable}\n\
         POSIX smallest allowable upper limit on argument length (all systems): 4096\n\
         Maximum length of command we could actually use: {}\n\
         Size of command buffer we are actually using: {MAX_COMMAND}\n\
         Maximum parallelism (--max-procs must be no greater): 2147483647\n",
        usable.saturating_sub(size)
    );
    if let Some(stream) = process.call.descriptors.get(2).cloned() {
        let _unusable = process.machine.write(&stream, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn limits_are_those_of_linux_for_the_environment() {
        let mut image = Image::new(&[]);
        // The image's environment is PATH of 29 bytes: 35 with its name and the signs around.
        assert_eq!(run(&mut image, "xargs -r --show-limits"), 0);
        let limits = image.errors();
        assert!(limits.contains("environment variables take up 35 bytes\n"), "{limits}");
        assert!(limits.contains("could actually use: 2095034\n"), "{limits}");
    }

    #[test]
    fn what_is_not_known_stops() {
        let mut image = Image::new(&[]);
        assert_eq!(image.stop("xargs -E x"), "xargs with -E");
        assert_eq!(image.stop("find -ls"), "find with -ls");
        assert_eq!(image.stop("grep -P x"), "grep with -P");
        assert_eq!(image.stop("sed -n --debug p"), "sed with --debug");
        assert_eq!(image.stop("ls -l"), "ls with -l");
        assert_eq!(image.stop("pgrep -f x"), "pgrep with -f");
    }
}
