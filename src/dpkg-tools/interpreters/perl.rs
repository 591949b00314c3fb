//! `perl -e PROGRAM` for the programs that maintainer scripts have.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice as _};

use crate::files::read_or_empty;
use imgfix_shell::{Process, Status};

const PROFILES_WITH_MODULE: &[u8] = br#"BEGIN {$removed = shift;} /^Module: (.*)$/&&($profile = $1); /^[^#]*$removed/&&$profile&&($profiles{$profile} = 1); END {print join("\n",keys %profiles) if %profiles;}"#;

/// Runs a known program.
///
/// # Errors
/// Another one.
pub fn run(process: &mut Process<'_>) -> Status {
    let arguments = process.arguments().to_vec();
    let words: Vec<&[u8]> = arguments.iter().map(|word| &word[..]).collect();
    match words[..] {
        // "Is perl there and does it work?" (libc6.preinst and others)
        [b"-e", b"" | b"1" | b"exit 0"] | [b"-v" | b"--version"] => Ok(0),
        // The pattern that matches a text (ucf).
        [b"-nle", br#"print "\Q$_\E\n""#] => quote_lines(process),
        // The pam profiles that use a module (libpam-modules.preinst of pam 1.4).
        [b"-nle", PROFILES_WITH_MODULE, module, ref files @ ..] => {
            let files = files.iter().map(|file| file.to_vec()).collect();
            profiles_with_module(process, module, files)
        }
        _ => {
            let program = words.join(&b' ').to_str_lossy().into_owned();
            Err(process.unsupported(format!("the program {program}")))
        }
    }
}

/// Prints the names after `Module: ` under which a line, before any `#`, has the text. (Perl
/// prints them in an order by chance; the script sorts them.)
fn profiles_with_module(process: &mut Process<'_>, module: &[u8], files: Vec<Vec<u8>>) -> Status {
    if !module.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return Err(process.unsupported("a pattern as the name of a module"));
    }
    let mut profile = BString::default();
    let mut found = BTreeSet::new();
    for file in files {
        for line in read_or_empty(process, &file)?.lines() {
            if let Some(name) = line.strip_prefix(b"Module: ") {
                profile = name.into();
            }
            let before = line.find(module).map(|at| line.get(..at).unwrap_or_default());
            if before.is_some_and(|before| !before.contains(&b'#')) && !profile.is_empty() {
                found.insert(profile.clone());
            }
        }
    }
    if !found.is_empty() {
        process.print([&bstr::join("\n", found)[..], b"\n"].concat())?;
    }
    Ok(0)
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
    use imgfix_tools::testing::Image;

    #[test]
    fn known_programs_run_and_others_stop() {
        let mut image = Image::with(
            &["/auth=pam_tally\nModule: a\nx pam_tally.so\nModule: b\n# pam_tally\npam_unix\n"],
            super::super::COMMANDS,
        );
        assert_eq!(image.call(&["perl", "-e", ""], ""), Ok(0));
        let quote = ["perl", "-nle", r#"print "\Q$_\E\n""#];
        assert_eq!(image.call(&quote, "/etc/a-b_c.d\n"), Ok(0));
        assert_eq!(image.output(), "\\/etc\\/a\\-b_c\\.d\n\n");
        let profiles = super::PROFILES_WITH_MODULE;
        let profiles = std::str::from_utf8(profiles).unwrap();
        let words = ["perl", "-nle", profiles, "pam_tally", "/auth", "/none"];
        assert_eq!(image.call(&words, ""), Ok(0));
        assert_eq!(image.output(), "a\n");
        let stop = image.call(&["perl", "-pi", "-e", "s/a/b/"], "").unwrap_err();
        assert_eq!(stop.detail, "perl with the program -pi -e s/a/b/");
    }
}
