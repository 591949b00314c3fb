//! Macros of rpm, as far as scriptlets have them at installation (`%post -e`, `rpm.expand`).
//!
//! In comes a text; out comes the text with its macros expanded, or a stop that names the first one:
//! no scriptlet of the distributions looked at has any, and what they mean is in files of rpm's own.

use imgfix_shell::Stop;

/// Expands a text that has no macro besides `%%`.
///
/// # Errors
/// It has another one.
pub fn expand(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut expanded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        expanded.push(byte);
        if byte != b'%' {
            continue;
        }
        match rest.first() {
            Some(b'%') => rest = rest.get(1..).unwrap_or_default(),
            // What no macro can begin with stays.
            Some(next) if !next.is_ascii_alphabetic() && !b"_{([!?-*#0123456789".contains(next) => {
            }
            None => {}
            Some(_) => {
                let shown: Vec<u8> = rest.iter().take(40).copied().collect();
                let shown = String::from_utf8_lossy(&shown).into_owned();
                return Err(Stop::new(format!("a macro of rpm: %{}", shown.escape_debug())));
            }
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn only_doubled_signs_are_expanded() {
        assert_eq!(expand(b"a 100%% b % c").unwrap(), b"a 100% b % c");
        let stop = expand(b"cd %{_libdir}\n").unwrap_err();
        assert_eq!(stop.detail, "a macro of rpm: %{_libdir}\\n");
    }
}
