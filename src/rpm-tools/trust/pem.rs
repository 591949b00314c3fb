//! PEM as p11-kit reads and writes it (p11-kit's `common/pem.c`): blocks may stand anywhere in a
//! text, and one that does not end as it began ends the reading.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice as _;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// Width of a line of base64.
const WIDTH: usize = 64;

/// A block and what it says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub label: Vec<u8>,
    pub content: Vec<u8>,
}

/// All blocks of a text that can be decoded.
#[must_use]
pub fn read(mut text: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Some((label, rest)) = begin(text) {
        let Some(length) = rest.find(END) else { break };
        let (body, end) = rest.split_at(length);
        let ends = end.strip_prefix(END).and_then(|end| end.strip_prefix(label));
        let Some(behind) = ends.filter(|end| end.starts_with(DASHES)) else { break };
        if let Some(content) = decode(body) {
            blocks.push(Block { label: label.to_vec(), content });
        }
        text = behind;
    }
    blocks
}

/// The label of the next block and what is behind its first line.
fn begin(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = text.get(text.find(BEGIN)? + BEGIN.len()..)?;
    let (label, rest) = rest.split_once_str(DASHES)?;
    (!label.contains(&b'\n')).then_some((label, rest))
}

/// A body without its headers, which a blank line ends.
fn decode(body: &[u8]) -> Option<Vec<u8>> {
    if body.is_empty() {
        return None;
    }
    let encoded = without_headers(body);
    let digits: Vec<u8> = encoded.iter().copied().filter(|byte| !is_space(*byte)).collect();
    STANDARD.decode(digits).ok()
}

fn without_headers(body: &[u8]) -> &[u8] {
    let mut rest = body;
    while let Some(end) = rest.find_byte(b'\n') {
        rest = rest.get(end + 1..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| is_space(**byte)).position(|&b| b == b'\n');
        if let Some(blank) = blank {
            return rest.get(blank..).unwrap_or_default();
        }
    }
    body
}

/// `isspace(3)` in the C locale.
#[must_use]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// A block.
#[must_use]
pub fn write(label: &str, content: &[u8]) -> Vec<u8> {
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for line in STANDARD.encode(content).as_bytes().chunks(WIDTH) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> Vec<Vec<u8>> {
        read(text.as_bytes()).into_iter().map(|block| block.content).collect()
    }

    #[test]
    fn blocks_stand_anywhere_and_damage_ends_or_skips() {
        let one = "text -----BEGIN X-----\nAQID\nBA==\n-----END X----- text\n";
        assert_eq!(contents(one), [[1, 2, 3, 4]]);
        assert_eq!(contents(&format!("{one}{one}")).len(), 2);
        assert_eq!(contents("-----BEGIN X-----\nH: v\n\nAQID\n-----END X-----"), [[1, 2, 3]]);
        // One that cannot be decoded is passed over; one with another end ends all.
        let damaged = "-----BEGIN X-----\n?\n-----END X-----\n";
        assert_eq!(contents(&format!("{damaged}{one}")), [[1, 2, 3, 4]]);
        let other = "-----BEGIN X-----\nAQID\n-----END Y-----\n";
        assert_eq!(contents(&format!("{other}{one}")).len(), 0);
    }

    #[test]
    fn a_block_is_written_in_lines_of_64() {
        let text = String::from_utf8(write("X", &[0; 49])).unwrap();
        let lines: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lines, [17, 64, 4, 15]);
        assert_eq!(contents(&text), [vec![0; 49]]);
    }
}
