//! `repodata/repomd.xml`: which files a repository's metadata is in, with their digests.
//!
//! In comes the text, after its signature held where it has to have one; out comes a
//! [`Repomd`]. Source: createrepo_c, `src/repomd.c` and `src/xml_parser_repomd.c`.

use std::collections::BTreeMap;

use super::xml::{Token, Xml, XmlError};
use imgfix_model::digest::Digest;

/// The largest `repomd.xml`, in bytes. Real ones have some kilobytes.
pub const MAX_REPOMD: u64 = 4 << 20;

/// The most files it may list.
const MAX_FILES: usize = 1000;

/// What a repository's metadata is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repomd {
    /// When it was made, in seconds since the epoch: its revision when that is a time, or else
    /// the newest time of its files.
    pub made: i64,
    /// By type: `primary`, `updateinfo`.
    pub files: BTreeMap<String, MetadataFile>,
}

/// A file of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataFile {
    /// Its path below the repository.
    pub path: String,
    /// Its SHA-256 as served.
    pub digest: Digest,
    /// Bytes as served.
    pub size: u64,
    /// Bytes when unpacked, as it says.
    pub open_size: Option<u64>,
}

/// The first second of 2000, before which no repository was made: smaller revisions count.
const FIRST: i64 = 946_684_800;

#[derive(Default)]
struct Entry {
    path: String,
    digest: Option<Digest>,
    size: Option<u64>,
    open_size: Option<u64>,
    timestamp: i64,
}

impl Repomd {
    /// Reads the text.
    ///
    /// # Errors
    /// Not the XML that it has to be. A file with no SHA-256 or no size is passed over.
    pub fn parse(text: &[u8]) -> Result<Self, XmlError> {
        let mut xml = Xml::new(text, MAX_REPOMD);
        let mut repomd = Self::default();
        let mut revision = None;
        let mut current: Option<(String, Entry)> = None;
        let mut rooted = false;
        loop {
            let (name, kind, href) = match xml.next()? {
                Token::Eof => break,
                Token::Text(_) => continue,
                Token::End(name) => {
                    if name == "data"
                        && let Some((kind, entry)) = current.take()
                    {
                        repomd.add(kind, entry);
                        if repomd.files.len() > MAX_FILES {
                            return Err(xml.error("more files than in any real one"));
                        }
                    }
                    continue;
                }
                Token::Start(element) => (
                    element.name().to_owned(),
                    element.text("type")?.into_owned(),
                    element.text("href")?.into_owned(),
                ),
            };
            if !rooted {
                if name != "repomd" {
                    return Err(xml.error(format!("the document is a {name:?}, not a repomd")));
                }
                rooted = true;
                continue;
            }
            match (name.as_str(), &mut current) {
                ("revision", None) => revision = xml.content()?.parse::<i64>().ok(),
                ("data", None) => current = Some((kind, Entry::default())),
                ("checksum", Some((_, entry))) => {
                    let text = xml.content()?;
                    if kind == "sha256" {
                        entry.digest = Digest::from_hex(&text).ok();
                    }
                }
                ("size", Some((_, entry))) => entry.size = xml.content()?.parse().ok(),
                ("open-size", Some((_, entry))) => entry.open_size = xml.content()?.parse().ok(),
                ("timestamp", Some((_, entry))) => {
                    let text = xml.content()?;
                    let whole = text.split('.').next().unwrap_or_default();
                    entry.timestamp = whole.parse().unwrap_or_default();
                }
                ("location", Some((_, entry))) => entry.path = href,
                _ => {}
            }
        }
        if !rooted {
            return Err(xml.error("no element"));
        }
        if let Some(revision) = revision.filter(|one| *one >= FIRST) {
            repomd.made = revision;
        }
        Ok(repomd)
    }

    fn add(&mut self, kind: String, entry: Entry) {
        self.made = self.made.max(entry.timestamp);
        if let (Some(digest), Some(size), true) = (entry.digest, entry.size, is_below(&entry.path))
        {
            let file = MetadataFile { path: entry.path, digest, size, open_size: entry.open_size };
            self.files.insert(kind, file);
        }
    }

    /// The file of a type; where there is none, the same data as zchunk (`primary_zck`).
    #[must_use]
    pub fn file(&self, kind: &str) -> Option<&MetadataFile> {
        self.files.get(kind).or_else(|| self.files.get(&format!("{kind}_zck")))
    }
}

/// Whether a path stays below its repository.
#[must_use]
pub fn is_below(path: &str) -> bool {
    let harmless = |c: char| !c.is_control() && !matches!(c, '\\' | '?' | '#');
    !path.is_empty()
        && !path.starts_with('/')
        && !path.contains("://")
        && path.chars().all(harmless)
        && path.split('/').all(|part| part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo">
  <revision>1712779292</revision>
  <data type="primary">
    <checksum type="sha256">30f63c7f873ffe9d028eb94c4b44bb986673c21ad664e07f0f55cef228080c8e</checksum>
    <open-checksum type="sha256">d7acb137d2fc1e3ea814a6b5af15074ef884146eb46ce19ddc6ab448923129bc</open-checksum>
    <location href="repodata/x-primary.xml.gz"/>
    <timestamp>1712779999.5</timestamp><size>193305</size><open-size>2762272</open-size>
  </data>
  <data type="old"><checksum type="sha">a</checksum><location href="a"/><size>1</size></data>
  <data type="bad">
    <checksum type="sha256">30f63c7f873ffe9d028eb94c4b44bb986673c21ad664e07f0f55cef228080c8e</checksum>
    <location href="../../x"/><size>1</size></data>
</repomd>"#;

    #[test]
    fn files_have_their_digests() {
        let repomd = Repomd::parse(TEXT.as_bytes()).unwrap();
        assert_eq!(repomd.made, 1_712_779_292);
        assert_eq!(repomd.files.len(), 1);
        let primary = repomd.file("primary").unwrap();
        assert_eq!((primary.path.as_str(), primary.size), ("repodata/x-primary.xml.gz", 193_305));
        assert_eq!(primary.open_size, Some(2_762_272));
        let zchunk = TEXT.replace("\"primary\"", "\"primary_zck\"");
        assert_eq!(Repomd::parse(zchunk.as_bytes()).unwrap().file("primary"), Some(primary));
        assert!(primary.digest.hex().starts_with("30f63c7f"));
        let counted = TEXT.replace("<revision>1712779292", "<revision>7");
        assert_eq!(Repomd::parse(counted.as_bytes()).unwrap().made, 1_712_779_999);
        assert!(Repomd::parse(b"<html></html>").is_err());
        assert!(Repomd::parse(b"").is_err());
    }
}
