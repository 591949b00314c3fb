//! Bytes as hexadecimal digits, and back.

/// Two lower-case digits a byte.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |half: u8| DIGITS.get(usize::from(half & 0xf)).copied().unwrap_or_default();
    bytes.as_ref().iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

/// So many bytes from digits of whichever case; `None` when it is another number of digits, or
/// something else.
#[must_use]
pub fn decode<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    if text.len() != 2 * LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_digits_are_the_same() {
        let all: [u8; 256] = std::array::from_fn(|byte| u8::try_from(byte).unwrap());
        let text = encode(all);
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"), "{text}");
        assert_eq!(decode(&text), Some(all));
        assert_eq!(encode([]), "");
    }

    #[test]
    fn hashes_have_all_their_digits() {
        assert_eq!(decode("00fFa0"), Some([0, 255, 160]));
        for wrong in ["00ff", "00ff000", "00ffgg", "+0+1+2", "00ffé", ""] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }
}
