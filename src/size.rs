//! Sizes as people write them: `512M`, `4G`, `2TiB`.

/// Bytes of a number with an optional suffix K, M, G or T, each 1024 of the one before.
///
/// # Errors
/// It is none; what is wanted instead.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size (want a number with an optional K, M, G or T)");
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let (digits, shift) = match upper.chars().last() {
        Some('K') => (&upper[..upper.len() - 1], 10),
        Some('M') => (&upper[..upper.len() - 1], 20),
        Some('G') => (&upper[..upper.len() - 1], 30),
        Some('T') => (&upper[..upper.len() - 1], 40),
        _ => (upper, 0),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_suffixes() {
        for (text, want) in [("0", 0), ("12", 12), ("4K", 4096), ("1g", 1 << 30), ("2MiB", 2 << 20)]
        {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
        for bad in ["", "x", "-1", "1.5G", "99999999999T"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
