//! Input of text commands: their file operands one after the other, and lines.

use bytes::Bytes;

use imgfix_shell::{Process, Stop};

/// An operand that could be read.
pub(super) struct Text {
    pub(super) name: Vec<u8>,
    pub(super) data: Bytes,
}

/// What could be read of the operands, standard input when there are none. Complains about the
/// rest in the words of the command.
pub(super) fn read_all(
    process: &mut Process<'_>,
    operands: Vec<Vec<u8>>,
    complaint: impl Fn(&[u8], String) -> String,
) -> Result<(Vec<Text>, bool), Stop> {
    let operands = if operands.is_empty() { vec![b"-".to_vec()] } else { operands };
    let (mut out, mut whole, mut size) = (Vec::new(), true, 0_usize);
    for name in operands {
        match process.read_operand(&name)? {
            Ok(data) => {
                // They are all held together.
                process.machine.spend_growth(size, size.saturating_add(data.len()))?;
                size += data.len();
                out.push(Text { name, data });
            }
            Err(errno) => {
                process.complain(complaint(&name, errno.to_string()))?;
                whole = false;
            }
        }
    }
    Ok((out, whole))
}

/// `NAME: REASON`.
pub(super) fn plainly(name: &[u8], reason: String) -> String {
    format!("{}: {reason}", String::from_utf8_lossy(name))
}

/// Lines without the byte that ends them; the last may lack it.
pub(super) fn lines(data: &[u8], end: u8) -> Vec<&[u8]> {
    let mut all: Vec<&[u8]> = data.split(|&b| b == end).collect();
    if all.last().is_some_and(|last| last.is_empty()) {
        all.pop();
    }
    all
}

/// A number that an option has.
pub(super) fn number(process: &Process<'_>, text: &[u8]) -> Result<usize, Stop> {
    let digits = text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|n| n.parse().ok());
    number.ok_or_else(|| process.unsupported([b"number ", text].concat()))
}
