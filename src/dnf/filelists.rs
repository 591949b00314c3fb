//! `filelists.xml`: every file of every package. Read only for paths that a dependency names and
//! `primary.xml` does not have.
//!
//! In come the unpacked stream and the wanted paths; out come those that are there, with the
//! SHA-256 of their packages. Source: createrepo_c, `src/xml_dump_filelists.c`.

use std::collections::BTreeSet;
use std::io::BufRead;

use super::xml::{Token, Xml, XmlError};
use imgfix_model::digest::Digest;

/// The most unpacked bytes that are read.
pub const MAX_UNPACKED: u64 = 8 << 30;

/// The most packages that are given for the wanted paths.
const MAX_FOUND: usize = 1_000_000;

/// The wanted files that are there.
///
/// # Errors
/// Not the XML that it should be.
pub fn find(
    text: impl BufRead,
    wanted: &BTreeSet<String>,
) -> Result<Vec<(String, Digest)>, XmlError> {
    let mut xml = Xml::new(text, MAX_UNPACKED);
    let mut found = Vec::new();
    let mut package: Option<Digest> = None;
    let mut rooted = false;
    loop {
        let is_file = match xml.next()? {
            Token::Eof if rooted => return Ok(found),
            Token::Eof => return Err(xml.error("no element")),
            Token::Text(_) | Token::End(_) => continue,
            Token::Start(element) => match element.name() {
                "filelists" if !rooted => {
                    rooted = true;
                    continue;
                }
                _ if !rooted => return Err(xml.error("the document is no list of files")),
                "package" => {
                    package = Digest::from_hex(&element.text("pkgid")?).ok();
                    continue;
                }
                name => name == "file",
            },
        };
        if !is_file {
            continue;
        }
        let path = xml.content()?;
        if let (Some(package), true) = (package, wanted.contains(&path)) {
            if found.len() >= MAX_FOUND {
                return Err(xml.error("more packages have these files than is real"));
            }
            found.push((path, package));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_paths_are_found() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let text = format!(
            "<filelists><package pkgid=\"{}\" name=\"a\"><version ver=\"1\"/><file>/x</file>\
             <file type=\"dir\">/y &amp; z</file></package><package pkgid=\"{}\">\
             <file>/x</file><file>/w</file></package><package pkgid=\"sha1\"><file>/x</file>\
             </package></filelists>",
            a.hex(),
            b.hex()
        );
        let wanted = BTreeSet::from(["/x".to_owned(), "/y & z".to_owned()]);
        let got = find(text.as_bytes(), &wanted).unwrap();
        let want = [("/x".to_owned(), a), ("/y & z".to_owned(), a), ("/x".to_owned(), b)];
        assert_eq!(got, want);
        assert!(find(&b"<metadata/>"[..], &wanted).is_err());
        assert!(find(&b""[..], &wanted).is_err());
    }
}
