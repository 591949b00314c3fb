//! Parts of values that only bash takes: replaced, cut by position, in other letters.

use bstr::BString;

use crate::shell::Shell;
use crate::shell::expand::{Byte, pattern};
use crate::shell::flow::Eval;
use crate::syntax::tree::{LetterCase, Replaced};

impl Shell<'_> {
    /// `${x/pattern/with}`.
    pub(in crate::shell) fn replaced(
        &mut self,
        text: &[u8],
        pattern: &[Byte],
        with: &[u8],
        place: Replaced,
    ) -> Eval<BString> {
        let length = text.len() as u64;
        let work = length.saturating_mul(length).saturating_mul(pattern.len() as u64);
        self.machine.spend(work / 65_536)?;
        if pattern.is_empty() {
            return Ok(text.into());
        }
        let mut out = Vec::new();
        let mut at = 0;
        let mut done = false;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let allowed = !done && (place != Replaced::Prefix || at == 0);
            match allowed.then(|| longest(rest, pattern, place)).flatten() {
                Some(length) if length > 0 => {
                    out.extend_from_slice(with);
                    at += length;
                    done = place != Replaced::All;
                }
                _ => {
                    out.extend(rest.first());
                    at += 1;
                }
            }
        }
        self.machine.spend_data(out.len())?;
        Ok(out.into())
    }
}

/// How long the longest match at the beginning of a text is.
fn longest(text: &[u8], wanted: &[Byte], place: Replaced) -> Option<usize> {
    if place == Replaced::Suffix {
        return pattern::matches(wanted, text).then_some(text.len());
    }
    (1..=text.len())
        .rev()
        .find(|length| text.get(..*length).is_some_and(|piece| pattern::matches(wanted, piece)))
}

/// `${x^^}` and the like.
pub(in crate::shell) fn cased(text: &[u8], to: LetterCase, all: bool) -> BString {
    let change = |b: &u8| match to {
        LetterCase::Upper => b.to_ascii_uppercase(),
        LetterCase::Lower => b.to_ascii_lowercase(),
    };
    let mut out: Vec<u8> = text.to_vec();
    let last = if all { out.len() } else { out.len().min(1) };
    for b in out.iter_mut().take(last) {
        *b = change(b);
    }
    out.into()
}
