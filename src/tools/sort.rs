//! `sort` of coreutils in the C locale: `-u`, `-n`, `-g`, `-r`, `-k`, `-t`, `-f`, `-b`, `-d`, `-i`, `-s`, `-c`, `-C`, `-o`, `-z`,
//! `-m`.

use std::cmp::Ordering;

use super::lines::{lines, read_all};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};

/// How a key is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Order {
    numeric: bool,
    reverse: bool,
    fold: bool,
    skip_blanks: bool,
    /// Only blanks and alphanumerics count.
    dictionary: bool,
    printable: bool,
}

/// A field and a byte in it, from 1; byte 0 is the field's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyPosition {
    field: usize,
    byte: usize,
    skip_blanks: bool,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    from: KeyPosition,
    to: Option<KeyPosition>,
    /// `None`: as the options say.
    order: Option<Order>,
}

#[derive(Default)]
struct Request {
    order: Order,
    keys: Vec<Key>,
    separator: Option<u8>,
    unique: bool,
    stable: bool,
    check: Option<bool>,
    output: Option<Vec<u8>>,
    zero: bool,
    /// `-g`: as `-n` here, where all lines are plain decimal numbers.
    general: bool,
    operands: Vec<Vec<u8>>,
}

/// Sorts lines.
///
/// # Errors
/// An option that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut request = options(process)?;
    let operands = std::mem::take(&mut request.operands);
    let complaint =
        |name: &[u8], reason| format!("cannot read: {}: {reason}", String::from_utf8_lossy(name));
    let (texts, whole) = read_all(process, operands, complaint)?;
    if !whole {
        return Ok(2);
    }
    let end = if request.zero { 0 } else { b'\n' };
    let mut all: Vec<&[u8]> = texts.iter().flat_map(|text| lines(&text.data, end)).collect();
    process.machine.spend(all.len() as u64 / 16)?;
    if request.general && !all.iter().all(|line| is_plain_number(line)) {
        return Err(process.unsupported("-g over other than plain decimal numbers"));
    }
    if let Some(quiet) = request.check {
        return check(process, &request, &all, quiet);
    }
    all.sort_by(|a, b| request.compare(a, b));
    if request.unique {
        all.dedup_by(|a, b| request.compare_keys(a, b) == Ordering::Equal);
    }
    let mut out = Vec::new();
    for line in all {
        out.extend_from_slice(line);
        out.push(end);
    }
    match request.output {
        None => process.print(out)?,
        Some(path) => {
            let mode = 0o666 & !process.call.umask;
            let directory = &process.call.directory;
            if let Err(errno) = process.machine.write_file(directory, &path, out, mode)? {
                let path = String::from_utf8_lossy(&path).into_owned();
                process.complain(format!("open failed: {path}: {errno}"))?;
                return Ok(2);
            }
        }
    }
    Ok(0)
}

fn check(process: &mut Process<'_>, request: &Request, all: &[&[u8]], quiet: bool) -> Status {
    let wrong = |pair: &[&[u8]]| match pair {
        [a, b] => {
            let order = request.compare(a, b);
            order == Ordering::Greater
                || request.unique && request.compare_keys(a, b) == Ordering::Equal
        }
        _ => false,
    };
    match all.windows(2).position(wrong) {
        None => Ok(0),
        Some(at) => {
            if !quiet {
                let line = all.get(at + 1).copied().unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                process.complain(format!("-:{}: disorder: {line}", at + 2))?;
            }
            Ok(1)
        }
    }
}

fn options(process: &Process<'_>) -> Result<Request, Stop> {
    let mut request = Request::default();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('u') | Long("unique") => request.unique = true,
            Short('n') | Long("numeric-sort") => request.order.numeric = true,
            Short('g') | Long("general-numeric-sort") => {
                request.order.numeric = true;
                request.general = true;
            }
            Short('r') | Long("reverse") => request.order.reverse = true,
            Short('f') | Long("ignore-case") => request.order.fold = true,
            Short('b') | Long("ignore-leading-blanks") => request.order.skip_blanks = true,
            Short('d') | Long("dictionary-order") => request.order.dictionary = true,
            Short('i') | Long("ignore-nonprinting") => request.order.printable = true,
            Short('s') | Long("stable") => request.stable = true,
            Short('c') | Long("check") => request.check = Some(false),
            Short('C') => request.check = Some(true),
            // Sorted input merged is sorted input sorted.
            Short('m') | Long("merge") => {}
            Short('o') | Long("output") => request.output = Some(options.value()?),
            Short('z') | Long("zero-terminated") => request.zero = true,
            Short('k') | Long("key") => {
                let text = options.value()?;
                let key =
                    key(&text).ok_or_else(|| process.unsupported([b"-k ", &text[..]].concat()));
                request.keys.push(key?);
            }
            Short('t') | Long("field-separator") => match &options.value()?[..] {
                [byte] => request.separator = Some(*byte),
                b"\\0" => request.separator = Some(0),
                _ => return Err(process.unsupported("this -t")),
            },
            Value(path) => request.operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    Ok(request)
}

/// `F[.C][OPTIONS][,F[.C][OPTIONS]]`.
fn key(text: &[u8]) -> Option<Key> {
    let mut halves = text.splitn(2, |&b| b == b',');
    let (from, mut order) = key_position(halves.next()?, 1)?;
    let mut to = None;
    if let Some(half) = halves.next() {
        let (end, more) = key_position(half, 0)?;
        to = Some(end);
        order = match (order, more) {
            (Some(a), Some(b)) => Some(Order {
                numeric: a.numeric || b.numeric,
                reverse: a.reverse || b.reverse,
                fold: a.fold || b.fold,
                skip_blanks: a.skip_blanks || b.skip_blanks,
                dictionary: a.dictionary || b.dictionary,
                printable: a.printable || b.printable,
            }),
            (a, b) => a.or(b),
        };
    }
    Some(Key { from, to, order })
}

fn key_position(text: &[u8], default_byte: usize) -> Option<(KeyPosition, Option<Order>)> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
    let (field, mut rest) = text.split_at(digits(text));
    let field = number(field).filter(|field| *field > 0)?;
    let mut byte = default_byte;
    if let Some(behind) = rest.strip_prefix(b".") {
        let (value, behind) = behind.split_at(digits(behind));
        byte = number(value)?;
        rest = behind;
    }
    let mut order = Order::default();
    for letter in rest {
        match letter {
            b'n' => order.numeric = true,
            b'r' => order.reverse = true,
            b'f' => order.fold = true,
            b'b' => order.skip_blanks = true,
            b'd' => order.dictionary = true,
            b'i' => order.printable = true,
            _ => return None,
        }
    }
    let given = (!rest.is_empty()).then_some(order);
    Some((KeyPosition { field, byte, skip_blanks: order.skip_blanks }, given))
}

impl Request {
    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = self.compare_keys(a, b);
        if order != Ordering::Equal || self.stable || self.unique {
            return order;
        }
        // The last resort: all bytes.
        match self.order.reverse {
            true => b.cmp(a),
            false => a.cmp(b),
        }
    }

    fn compare_keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            return compare(a, b, self.order);
        }
        for key in &self.keys {
            let order = key.order.unwrap_or(self.order);
            let result = compare(self.part(key, a), self.part(key, b), order);
            if result != Ordering::Equal {
                return result;
            }
        }
        Ordering::Equal
    }

    /// What a key takes of a line.
    fn part<'l>(&self, key: &Key, line: &'l [u8]) -> &'l [u8] {
        let blanks = match key.order {
            Some(_) => (key.from.skip_blanks, key.to.is_some_and(|to| to.skip_blanks)),
            None => (self.order.skip_blanks, self.order.skip_blanks),
        };
        let skipped = |at: usize, skip: bool| match skip {
            true => at + line.iter().skip(at).take_while(|b| is_blank(b)).count(),
            false => at,
        };
        let (start, _) = self.field(line, key.from.field);
        let from = skipped(start, blanks.0) + key.from.byte.saturating_sub(1);
        let to = match key.to {
            None => line.len(),
            Some(KeyPosition { field, byte: 0, .. }) => self.field(line, field).1,
            Some(to) => skipped(self.field(line, to.field).0, blanks.1) + to.byte,
        };
        let to = to.min(line.len());
        line.get(from.min(to)..to).unwrap_or_default()
    }

    /// Where a field begins and ends. Without a separator blanks before it belong to it.
    fn field(&self, line: &[u8], number: usize) -> (usize, usize) {
        let (mut start, mut current) = (0, 1);
        loop {
            let end = match self.separator {
                Some(separator) => {
                    let rest = line.get(start..).unwrap_or_default();
                    start + rest.iter().position(|&b| b == separator).unwrap_or(rest.len())
                }
                None => {
                    let rest = line.get(start..).unwrap_or_default();
                    let blanks = rest.iter().take_while(|b| is_blank(b)).count();
                    let word = rest.iter().skip(blanks).take_while(|b| !is_blank(b)).count();
                    start + blanks + word
                }
            };
            if current == number {
                return (start, end);
            }
            if end >= line.len() {
                return (line.len(), line.len());
            }
            start = end + usize::from(self.separator.is_some());
            current += 1;
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn compare(a: &[u8], b: &[u8], order: Order) -> Ordering {
    let result = if order.numeric {
        compare_numbers(a, b)
    } else {
        let kept = |text: &[u8]| -> Vec<u8> {
            let skipped =
                if order.skip_blanks { text.iter().take_while(|b| is_blank(b)).count() } else { 0 };
            let bytes = text.iter().skip(skipped).copied().filter(|byte| {
                (!order.dictionary || byte.is_ascii_alphanumeric() || is_blank(byte))
                    && (!order.printable || (32..127).contains(byte))
            });
            bytes.map(|byte| if order.fold { byte.to_ascii_uppercase() } else { byte }).collect()
        };
        kept(a).cmp(&kept(b))
    };
    if order.reverse { result.reverse() } else { result }
}

/// Whether `-g` and `-n` see the same number: no exponent, no sign but a minus, nothing behind.
fn is_plain_number(line: &[u8]) -> bool {
    let (_, text) = line.split_at(line.iter().take_while(|b| is_blank(b)).count());
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let mut halves = text.splitn(2, |&b| b == b'.');
    let all_digits = |half: &[u8]| half.iter().all(u8::is_ascii_digit);
    let whole = halves.next().unwrap_or_default();
    !whole.is_empty() && all_digits(whole) && halves.next().is_none_or(all_digits)
}

/// A decimal number taken apart: sign, digits before and behind the point without needless
/// zeros.
fn number(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits(text));
    let zeros = whole.iter().take_while(|&&b| b == b'0').count();
    let whole = whole.get(zeros..).unwrap_or_default();
    let behind = rest.strip_prefix(b".").unwrap_or_default();
    let behind = behind.get(..digits(behind)).unwrap_or_default();
    let end = behind.iter().rposition(|&b| b != b'0').map_or(0, |last| last + 1);
    let behind = behind.get(..end).unwrap_or_default();
    (negative && !(whole.is_empty() && behind.is_empty()), whole, behind)
}

fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let ((a_negative, a, a_behind), (b_negative, b, b_behind)) = (number(a), number(b));
    let size = (a.len(), a, a_behind).cmp(&(b.len(), b, b_behind));
    match (a_negative, b_negative) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => size,
        (true, true) => size.reverse(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Image;

    #[test]
    fn general_numbers_are_sorted_where_they_are_plain() {
        let mut image = Image::new(&["/etc/"]);
        assert_eq!(image.call(&["sort", "-g"], "13\n9.6\n\t-2\n13.0\n").unwrap(), 0);
        assert_eq!(image.output(), "\t-2\n9.6\n13\n13.0\n");
        let stop = image.call(&["sort", "-g"], "1e3\n").unwrap_err();
        assert!(stop.detail.contains("plain decimal numbers"), "{stop}");
    }
}
