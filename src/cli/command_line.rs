//! The command line of this process as a line for a shell, so that a review can say how to
//! make the same image again. Logins in URLs are left out.

use std::ffi::OsString;

/// This process's command line, quoted for a POSIX shell, with the `variables` that were followed
/// before it.
#[must_use]
pub fn of_this_process(variables: &[(String, OsString)]) -> String {
    let text = |word: OsString| word.to_string_lossy().into_owned();
    let arguments: Vec<String> = std::env::args_os().skip(1).map(text).collect();
    let mut set: Vec<(String, String)> =
        variables.iter().map(|(name, value)| (name.clone(), text(value.clone()))).collect();
    if let Ok(epoch) = std::env::var("SOURCE_DATE_EPOCH") {
        set.push(("SOURCE_DATE_EPOCH".to_owned(), epoch));
    }
    quoted(&set, &arguments)
}

fn quoted(set: &[(String, String)], arguments: &[String]) -> String {
    let mut words = Vec::with_capacity(arguments.len() + set.len() + 1);
    words.extend(set.iter().map(|(name, value)| format!("{name}={}", word(&without_login(value)))));
    words.push("imgfix".to_owned());
    words.extend(arguments.iter().map(|argument| word(&without_login(argument))));
    words.join(" ")
}

/// One word: as it is when no shell could read it otherwise, else in single quotes.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `https://user:secret@host` without `user:secret@`, wherever it stands in the argument.
pub fn without_login(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(['/', '?', '#', ' ', '=']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        out.push_str(authority.rsplit('@').next().unwrap_or_default());
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_logins_left_out() {
        let arguments = [
            "repair",
            "registry.example:5000/app:1.0",
            "-r",
            "my report.json",
            "--mirror",
            "http://deb.debian.org=https://me:s3cret@mirror.example/debian",
            "it's",
            "",
        ]
        .map(str::to_owned);
        assert_eq!(
            quoted(
                &[
                    ("IMGFIX_MIRROR".to_owned(), "http://a=https://me:s3cret@b".to_owned()),
                    ("SOURCE_DATE_EPOCH".to_owned(), "0".to_owned()),
                ],
                &arguments
            ),
            "IMGFIX_MIRROR=http://a=https://b SOURCE_DATE_EPOCH=0 imgfix repair registry.example:5000/app:1.0 -r 'my report.json' \
             --mirror http://deb.debian.org=https://mirror.example/debian 'it'\\''s' ''"
        );
    }

    #[test]
    fn a_login_with_signs_in_it_is_left_out_too() {
        for (text, want) in [
            ("https://u:p@h/x", "https://h/x"),
            ("https://u:p@ss@h", "https://h"),
            (
                "deb [signed-by=/k] http://t@h/debian x main",
                "deb [signed-by=/k] http://h/debian x main",
            ),
            ("plain@word", "plain@word"),
        ] {
            assert_eq!(without_login(text), want);
        }
    }
}
