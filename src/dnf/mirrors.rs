//! Lists of a repository's mirrors: a URL a line, or a metalink.
//!
//! In comes the text that a server gave; out come URLs with a slash at the end, in order of
//! preference, and what a metalink says `repomd.xml` has to be. Source: dnf.conf(5) `mirrorlist`
//! and `metalink`; <https://metalink.github.io/> version 3, and MirrorManager's `alternates`.

use super::variables::Variables;
use super::xml::{Token, Xml, XmlError};
use imgfix_model::digest::Digest;
use imgfix_repository::repository_url::{Origin, locate};

/// The largest list, in bytes.
pub const MAX_LIST: u64 = 4 << 20;

/// The most mirrors that are kept.
const MAX_MIRRORS: usize = 20;

/// Where `repomd.xml` is below a repository.
pub const REPOMD: &str = "repodata/repomd.xml";

/// What a list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// With a slash at the end, most wanted first.
    pub urls: Vec<String>,
    /// What `repomd.xml` may be, the newest first; nothing: it does not say.
    pub repomd: Vec<(u64, Digest)>,
}

impl Mirrors {
    /// Whether a `repomd.xml` is one of those that the list knows.
    #[must_use]
    pub fn know(&self, text: &[u8]) -> bool {
        let found = (text.len() as u64, Digest::of(text));
        self.repomd.is_empty() || self.repomd.contains(&found)
    }
}

/// Reads a list in either form; its text says which.
///
/// # Errors
/// A metalink that is not the XML that it should be.
pub fn parse(text: &[u8], variables: &Variables) -> Result<Mirrors, XmlError> {
    let start = String::from_utf8_lossy(text.get(..1024).unwrap_or(text)).into_owned();
    if start.contains("<metalink") {
        return metalink(text);
    }
    let mut mirrors = Mirrors::default();
    for line in String::from_utf8_lossy(text).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') || line.contains("..") {
            continue;
        }
        let Ok(url) = variables.replace(line) else { continue };
        if let Ok(located) = locate(&url, Origin::Image)
            && mirrors.urls.len() < MAX_MIRRORS
        {
            mirrors.urls.push(located.url);
        }
    }
    Ok(mirrors)
}

fn metalink(text: &[u8]) -> Result<Mirrors, XmlError> {
    let mut xml = Xml::new(text, MAX_LIST);
    let mut found: Vec<(i64, String)> = Vec::new();
    let mut mirrors = Mirrors::default();
    // Whether the elements are about repomd.xml, and what is known of one of its states.
    let mut is_repomd = false;
    let (mut size, mut digest): (Option<u64>, Option<Digest>) = (None, None);
    loop {
        let (name, kind, preference) = match xml.next()? {
            Token::Eof => break,
            Token::Text(_) => continue,
            Token::End(name) => {
                // the state of now ends with its verification, older ones with their element
                if matches!(name, "verification" | "alternate")
                    && let (Some(size), Some(digest)) = (size, digest)
                {
                    mirrors.repomd.push((size, digest));
                    if mirrors.repomd.len() > 100 {
                        return Err(xml.error("more states than any real list has"));
                    }
                }
                if name == "alternate" {
                    (size, digest) = (None, None);
                }
                continue;
            }
            Token::Start(element) => match element.name() {
                "file" => {
                    is_repomd = element.text("name")? == "repomd.xml";
                    continue;
                }
                "alternate" => {
                    (size, digest) = (None, None);
                    continue;
                }
                name => (
                    name.to_owned(),
                    element.text("type")?.into_owned(),
                    element.text("preference")?.parse::<i64>().unwrap_or(0),
                ),
            },
        };
        match name.as_str() {
            "size" if is_repomd => size = xml.content()?.parse().ok(),
            "hash" if is_repomd && kind == "sha256" => {
                digest = Digest::from_hex(&xml.content()?).ok();
            }
            "url" if is_repomd => {
                let url = xml.content()?;
                if let Some(base) = url.strip_suffix(REPOMD)
                    && let Ok(located) = locate(base, Origin::Image)
                    && !base.split('/').any(|part| part == "..")
                {
                    found.push((preference, located.url));
                }
            }
            _ => {}
        }
    }
    mirrors.repomd.dedup();
    // what cannot be intercepted first, then as the list prefers
    found.sort_by_key(|(preference, url)| (!url.starts_with("https:"), -preference));
    mirrors.urls = found.into_iter().map(|(_, url)| url).take(MAX_MIRRORS).collect();
    Ok(mirrors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_forms() {
        let plain = b"# mirrors\nhttps://a/os/\nhttp://b/os\nftp://c\nhttps://d/../x\n\n";
        let got = parse(plain, &Variables::default()).unwrap();
        assert_eq!(got.urls, ["https://a/os/", "http://b/os/"]);
        assert!(got.know(b"anything"));
        let (now, old) = (b"new".as_slice(), b"old!".as_slice());
        let text = format!(
            "<?xml version=\"1.0\"?><metalink xmlns=\"m\"><files><file name=\"repomd.xml\">\
             <mm0:timestamp>1</mm0:timestamp><size>3</size><verification>\
             <hash type=\"md5\">x</hash><hash type=\"sha256\">{}</hash></verification>\
             <mm0:alternates><mm0:alternate><size>4</size><verification>\
             <hash type=\"sha256\">{}</hash></verification></mm0:alternate></mm0:alternates>\
             <resources maxconnections=\"1\">\
             <url protocol=\"http\" preference=\"100\">http://a/os/repodata/repomd.xml</url>\
             <url protocol=\"rsync\" preference=\"99\">rsync://b/os/repodata/repomd.xml</url>\
             <url protocol=\"https\" preference=\"90\">https://c/os/repodata/repomd.xml</url>\
             <url protocol=\"https\" preference=\"95\">https://d/os/repodata/repomd.xml</url>\
             </resources></file></files></metalink>",
            Digest::of(now).hex(),
            Digest::of(old).hex()
        );
        let got = parse(text.as_bytes(), &Variables::default()).unwrap();
        assert_eq!(got.urls, ["https://d/os/", "https://c/os/", "http://a/os/"]);
        assert!(got.know(now) && got.know(old) && !got.know(b"else"), "{got:?}");
        assert!(parse(b"<metalink><file>", &Variables::default()).is_err());
    }
}
