//! Braces: `a{b,c}d` and `{1..3}` make several words before anything else is expanded.

use bstr::BString;

use crate::Stop;
use crate::syntax::tree::{Part, Word};

/// How many words one may become.
const MAX_WORDS: usize = 10_000;

/// A piece of a word: a byte without quotes, or something that braces do not look into.
#[derive(Clone)]
enum Piece {
    Byte(u8),
    Part(Part),
}

/// The words that a word with braces means.
///
/// # Errors
/// They are too many.
pub(in crate::shell) fn expand_braces(word: &Word) -> Result<Vec<Word>, Stop> {
    let has_brace = |part: &Part| matches!(part, Part::Literal(text) if text.contains(&b'{'));
    if !word.parts.iter().any(has_brace) {
        return Ok(vec![word.clone()]);
    }
    let mut pieces = Vec::new();
    for part in &word.parts {
        match part {
            Part::Literal(text) => pieces.extend(text.iter().map(|b| Piece::Byte(*b))),
            other => pieces.push(Piece::Part(other.clone())),
        }
    }
    let mut out = Vec::new();
    expand(&pieces, &mut out, 0)?;
    Ok(out.iter().map(|pieces| joined(pieces)).collect())
}

fn joined(pieces: &[Piece]) -> Word {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        match (piece, parts.last_mut()) {
            (Piece::Byte(b), Some(Part::Literal(text))) => text.push(*b),
            (Piece::Byte(b), _) => parts.push(Part::Literal(BString::from(vec![*b]))),
            (Piece::Part(part), _) => parts.push(part.clone()),
        }
    }
    Word { parts }
}

fn is(piece: &Piece, value: u8) -> bool {
    matches!(piece, Piece::Byte(b) if *b == value)
}

fn expand(pieces: &[Piece], out: &mut Vec<Vec<Piece>>, depth: usize) -> Result<(), Stop> {
    if out.len() > MAX_WORDS || depth > 50 {
        return Err(Stop::new("braces that become very many words"));
    }
    let Some((start, end, items)) = first_braces(pieces) else {
        out.push(pieces.to_vec());
        return Ok(());
    };
    let before = pieces.get(..start).unwrap_or_default();
    let after = pieces.get(end..).unwrap_or_default();
    let mut tails = Vec::new();
    expand(after, &mut tails, depth + 1)?;
    for item in items {
        let mut heads = Vec::new();
        expand(&item, &mut heads, depth + 1)?;
        for head in &heads {
            for tail in &tails {
                if out.len() > MAX_WORDS {
                    return Err(Stop::new("braces that become very many words"));
                }
                out.push([before, head, tail].concat());
            }
        }
    }
    Ok(())
}

/// The first braces that have a comma or a sequence in them: where they begin and end, and
/// their items.
fn first_braces(pieces: &[Piece]) -> Option<(usize, usize, Vec<Vec<Piece>>)> {
    for (start, _) in pieces.iter().enumerate().filter(|(_, piece)| is(piece, b'{')) {
        // `${` is an expansion, which is a piece of its own; a lone `$` before it is text.
        let mut depth = 0_usize;
        let mut items = vec![Vec::new()];
        for (at, piece) in pieces.iter().enumerate().skip(start + 1) {
            if is(piece, b'}') && depth == 0 {
                let items = match items.len() {
                    1 => sequence(items.first()?),
                    _ => Some(items),
                };
                match items {
                    Some(items) => return Some((start, at + 1, items)),
                    None => break,
                }
            }
            if is(piece, b',') && depth == 0 {
                items.push(Vec::new());
                continue;
            }
            depth += usize::from(is(piece, b'{'));
            depth = depth.saturating_sub(usize::from(is(piece, b'}')));
            items.last_mut()?.push(piece.clone());
        }
    }
    None
}

/// `1..3` or `a..c`, without steps.
fn sequence(pieces: &[Piece]) -> Option<Vec<Vec<Piece>>> {
    let bytes: Option<Vec<u8>> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Byte(b) => Some(*b),
            Piece::Part(_) => None,
        })
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    let (from, to) = text.split_once("..")?;
    let pieces = |text: String| text.bytes().map(Piece::Byte).collect::<Vec<_>>();
    if let (Ok(from), Ok(to)) = (from.parse::<i32>(), to.parse::<i32>()) {
        if from.abs_diff(to) as usize > MAX_WORDS || text.starts_with('0') && text.len() > 4 {
            return None;
        }
        let numbers: Vec<i32> = match from <= to {
            true => (from..=to).collect(),
            false => (to..=from).rev().collect(),
        };
        return Some(numbers.into_iter().map(|number| pieces(number.to_string())).collect());
    }
    match (from.as_bytes(), to.as_bytes()) {
        ([from], [to]) if from.is_ascii_alphabetic() && to.is_ascii_alphabetic() => {
            let letters: Vec<u8> = match from <= to {
                true => (*from..=*to).collect(),
                false => (*to..=*from).rev().collect(),
            };
            Some(letters.into_iter().map(|letter| vec![Piece::Byte(letter)]).collect())
        }
        _ => None,
    }
}
