//! The cleartext signature framework (RFC 9580, 7): takes a clear-signed file apart.
//!
//! In come the bytes of an `InRelease` file; out go the signed text and the armored
//! signatures. It is as strict as apt's `SplitClearSignedFile` (apt-pkg/contrib/gpgv.cc):
//! one message, nothing before it and nothing after it but blank lines, and no line in it
//! that two readers could take for different things.

/// A clear-signed file, taken apart. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleartext<'a> {
    /// The lines of the text: dash escapes removed, blanks at the ends of lines removed, as
    /// they are signed.
    lines: Vec<&'a [u8]>,
    /// The armored signature block with its first and last line.
    pub signature: &'a [u8],
}

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

impl<'a> Cleartext<'a> {
    /// Takes `bytes` apart.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn split(bytes: &'a [u8]) -> Result<Self, String> {
        let mut lines = Lines { rest: bytes, number: 0, position: 0 };
        if lines.next().map(|line| line.text) != Some(MESSAGE) {
            return Err("it does not begin with a signed message".to_owned());
        }
        lines.headers()?;
        let (text, start) = lines.body()?;
        let end = lines
            .find(|line| line.text == END)
            .ok_or_else(|| "the signature has no end".to_owned())?;
        if let Some(line) = lines.find(|line| !line.text.is_empty()) {
            return Err(format!("line {}: there is text after the signature", line.number));
        }
        let signature = bytes.get(start..end.after).unwrap_or_default();
        Ok(Self { lines: text, signature })
    }

    /// The octets that are signed: lines joined by CR LF, none at the end.
    #[must_use]
    pub fn signed_octets(&self) -> Vec<u8> {
        self.lines.join(&b"\r\n"[..])
    }

    /// The text for a reader: every line ends in LF.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let mut text = self.lines.join(&b'\n');
        text.push(b'\n');
        text
    }
}

struct Line<'a> {
    /// Without its end and the blanks before it.
    text: &'a [u8],
    /// From 1.
    number: usize,
    /// Where it starts, and where the next one does.
    start: usize,
    after: usize,
}

struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    position: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&b| b == b'\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.number += 1;
        let start = self.position;
        self.position += end;
        let blanks = line.iter().rev().take_while(|b| b" \t\r\n".contains(b)).count();
        let text = line.get(..line.len() - blanks).unwrap_or_default();
        Some(Line { text, number: self.number, start, after: self.position })
    }
}

impl<'a> Lines<'a> {
    /// Armor headers up to the empty line: only `Hash`, which says nothing that the
    /// signatures do not say again.
    fn headers(&mut self) -> Result<(), String> {
        for line in self.by_ref() {
            if line.text.is_empty() {
                return Ok(());
            }
            if !line.text.starts_with(b"Hash: ") {
                return Err(format!("line {}: only Hash headers may be here", line.number));
            }
        }
        Err("the message has no text".to_owned())
    }

    /// The text up to the signature, and where the signature starts.
    fn body(&mut self) -> Result<(Vec<&'a [u8]>, usize), String> {
        let mut text = Vec::new();
        for line in self.by_ref() {
            if line.text == SIGNATURE {
                return Ok((text, line.start));
            }
            let plain = match line.text.strip_prefix(b"-") {
                None => line.text,
                Some(b"") => {
                    // "- " whose blank was trimmed with the end of the line
                    b""
                }
                Some(rest) => rest
                    .strip_prefix(b" ")
                    .ok_or_else(|| format!("line {}: a '-' that is not escaped", line.number))?,
            };
            if plain.iter().any(|b| matches!(b, b'\r' | 0)) {
                return Err(format!("line {}: a control character in the text", line.number));
            }
            text.push(plain);
        }
        Err("it has no signature".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(body: &str) -> String {
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{body}\
             -----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
        )
    }

    #[test]
    fn text_and_signature_come_apart() {
        for (body, octets, text) in [
            ("a\nb\n", "a\r\nb", "a\nb\n"),
            ("a  \t\r\n- -b\r\n\n", "a\r\n-b\r\n", "a\n-b\n\n"),
            ("- \nx\n", "\r\nx", "\nx\n"),
            ("", "", "\n"),
        ] {
            let whole = message(body);
            let split = Cleartext::split(whole.as_bytes()).unwrap();
            assert_eq!(split.signed_octets(), octets.as_bytes(), "{body:?}");
            assert_eq!(split.text(), text.as_bytes(), "{body:?}");
            let signature = std::str::from_utf8(split.signature).unwrap();
            assert!(signature.starts_with("-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END"));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let good = message("a\n");
        for (bad, why) in [
            (format!("x\n{good}"), "does not begin"),
            (format!("\n{good}"), "does not begin"),
            (format!("{good}x\n"), "text after the signature"),
            (format!("{good}{good}"), "text after the signature"),
            (message("-----BEGIN PGP SIGNED MESSAGE-----\n"), "'-' that is not escaped"),
            (message("-x\n"), "'-' that is not escaped"),
            (message("a\rb\n"), "control character"),
            (good.replace("Hash: ", "Comment: "), "only Hash headers"),
            (good.replace("-----END PGP SIGNATURE-----", ""), "no end"),
            (good.replace("-----BEGIN PGP SIGNATURE-----\n", ""), "'-' that is not escaped"),
            ("-----BEGIN PGP SIGNED MESSAGE-----\n\na\n".to_owned(), "no signature"),
            ("-----BEGIN PGP SIGNED MESSAGE-----\n".to_owned(), "no text"),
            (String::new(), "does not begin"),
        ] {
            let error = Cleartext::split(bad.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
        assert!(Cleartext::split(format!("{good}\n \n").as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Cleartext::split(&bytes);
        }

        #[test]
        fn what_is_escaped_comes_back(body in "([a-c\\- ]{0,6}\n){0,8}") {
            let escaped: String = body
                .lines()
                .map(|line| {
                    if line.starts_with('-') { format!("- {line}\n") } else { format!("{line}\n") }
                })
                .collect();
            let whole = message(&escaped);
            let split = Cleartext::split(whole.as_bytes()).unwrap();
            let want: String = body.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            let want = if want.is_empty() { "\n".to_owned() } else { want };
            prop_assert_eq!(split.text(), want.as_bytes());
        }
    }
}
