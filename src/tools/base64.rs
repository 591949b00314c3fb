//! `base64` of coreutils: `-d`, `-w COLUMNS`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::lines::{number, plainly, read_all};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status};

/// Encodes or decodes a file.
///
/// # Errors
/// An option that is not evaluated; input that is not valid.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut decodes, mut width) = (false, 76);
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('d') | Long("decode") => decodes = true,
            Short('w') | Long("wrap") => width = number(process, &options.value()?)?,
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let (texts, whole) = read_all(process, operands, plainly)?;
    let [text] = &texts[..] else { return Ok(u8::from(!whole)) };
    if decodes {
        let text: Vec<u8> = text.data.iter().copied().filter(|b| *b != b'\n').collect();
        let Ok(data) = STANDARD.decode(text) else {
            return Err(process.unsupported("-d and input that is not base64"));
        };
        process.print(data)?;
        return Ok(0);
    }
    let encoded = STANDARD.encode(&text.data);
    let out = match width {
        0 => encoded.into_bytes(),
        width => encoded.as_bytes().chunks(width).flat_map(|line| [line, b"\n"].concat()).collect(),
    };
    process.print(out)?;
    Ok(0)
}
