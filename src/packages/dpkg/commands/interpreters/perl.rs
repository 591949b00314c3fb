//! `perl -e PROGRAM` for the programs that maintainer scripts have.

use bstr::ByteSlice as _;

use crate::scripts::{Process, Status};

/// Runs a known program.
///
/// # Errors
/// Another one.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<&[u8]> = process.arguments().iter().map(|word| &word[..]).collect();
    match words[..] {
        // "Is perl there and does it work?" (libc6.preinst and others)
        [b"-e", b"" | b"1" | b"exit 0"] | [b"-v" | b"--version"] => Ok(0),
        // The pattern that matches a text (ucf).
        [b"-nle", br#"print "\Q$_\E\n""#] => quote_lines(process),
        _ => {
            let program = words.join(&b' ').to_str_lossy().into_owned();
            Err(process.unsupported(format!("the program {program}")))
        }
    }
}

/// Each line with a backslash before everything but letters, digits and underscores, and an
/// empty line after it.
fn quote_lines(process: &mut Process<'_>) -> Status {
    let mut quoted = Vec::new();
    for line in process.input()?.lines() {
        for byte in line {
            if !byte.is_ascii_alphanumeric() && *byte != b'_' {
                quoted.push(b'\\');
            }
            quoted.push(*byte);
        }
        quoted.extend_from_slice(b"\n\n");
    }
    process.print(quoted)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use crate::scripts::commands::testing::Image;

    #[test]
    fn known_programs_run_and_others_stop() {
        let mut image = Image::with(&["/x/"], super::super::COMMANDS);
        assert_eq!(image.call(&["perl", "-e", ""], ""), Ok(0));
        let quote = ["perl", "-nle", r#"print "\Q$_\E\n""#];
        assert_eq!(image.call(&quote, "/etc/a-b_c.d\n"), Ok(0));
        assert_eq!(image.output(), "\\/etc\\/a\\-b_c\\.d\n\n");
        let stop = image.call(&["perl", "-pi", "-e", "s/a/b/"], "").unwrap_err();
        assert_eq!(stop.detail, "perl with the program -pi -e s/a/b/");
    }
}
