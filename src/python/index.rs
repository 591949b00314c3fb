//! The simple index
//! (<https://packaging.python.org/en/latest/specifications/simple-repository-api/>): which files
//! a repository has of a project.
//!
//! In comes its answer, JSON (PEP 691) or HTML (PEP 503); out come the files with their hash and
//! what is said of each. An entry that is no file of a project is passed over, as pip does; a
//! document of another major version is refused.

mod html;

pub(crate) use html::percent_decoded;

use serde::Deserialize;

/// What is asked for: JSON first.
pub const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                          application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// The largest answer that is read, in bytes. The largest of PyPI's have some 40 MB.
pub const MAX_INDEX: u64 = 128 << 20;

/// The most files of one project.
const MAX_FILES: usize = 200_000;

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexFile {
    /// Its name: `urllib3-1.26.19-py2.py3-none-any.whl`.
    pub name: String,
    /// Where it is: absolute, or relative to the index, without a fragment.
    pub url: String,
    /// SHA-256 in hexadecimal digits, when the index says it.
    pub sha256: Option<String>,
    /// For which Python it is, as written.
    pub requires_python: Option<String>,
    /// Taken back by its makers, with the reason that they give (it may be empty).
    pub yanked: Option<String>,
    /// Bytes, when the index says it.
    pub size: Option<u64>,
    /// Where it is said who built it (PEP 740).
    pub provenance: Option<String>,
}

/// Reads an index: JSON, or else HTML.
///
/// # Errors
/// It is neither, or of another major version: half a sentence.
pub fn read(answer: &[u8]) -> Result<Vec<IndexFile>, String> {
    let first = answer.iter().find(|byte| !byte.is_ascii_whitespace());
    let files = match first {
        Some(b'{') => json(answer)?,
        Some(b'<') => html::read(answer)?,
        _ => return Err("it is neither JSON nor HTML".to_owned()),
    };
    if files.len() > MAX_FILES {
        return Err(format!("it has more than {MAX_FILES} files"));
    }
    Ok(files)
}

#[derive(Deserialize)]
struct Document {
    meta: Meta,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "api-version")]
    api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: Hashes,
    requires_python: Option<String>,
    yanked: Option<Yanked>,
    size: Option<u64>,
    provenance: Option<String>,
}

#[derive(Deserialize, Default)]
struct Hashes {
    sha256: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Yanked {
    Flag(bool),
    Why(String),
}

fn json(answer: &[u8]) -> Result<Vec<IndexFile>, String> {
    let document: Document = imgfix_json::read(answer).map_err(|error| error.to_string())?;
    known_version(&document.meta.api_version)?;
    let file = |file: File| IndexFile {
        url: without_fragment(&file.url).to_owned(),
        name: file.filename,
        sha256: file.hashes.sha256,
        requires_python: file.requires_python.filter(|text| !text.trim().is_empty()),
        yanked: match file.yanked {
            None | Some(Yanked::Flag(false)) => None,
            Some(Yanked::Flag(true)) => Some(String::new()),
            Some(Yanked::Why(why)) => Some(why),
        },
        size: file.size,
        provenance: file.provenance,
    };
    Ok(document.files.into_iter().map(file).collect())
}

/// Refuses what says that it is of another major version than 1.
fn known_version(version: &str) -> Result<(), String> {
    let major = version.split('.').next().unwrap_or_default();
    if major == "1" { Ok(()) } else { Err(format!("it is of version {version:?}, not 1")) }
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: &str = r#"{
        "meta": {"api-version": "1.1", "_last-serial": 7},
        "name": "a",
        "versions": ["1", "2"],
        "files": [
            {"filename": "a-1-py3-none-any.whl", "url": "https://f.example/a-1-py3-none-any.whl#x",
             "hashes": {"sha256": "00ff", "md5": "1"}, "requires-python": ">=3.8", "yanked": false,
             "size": 12, "upload-time": "2024-01-01T00:00:00Z", "core-metadata": {"sha256": "aa"},
             "provenance": null},
            {"filename": "a-2.tar.gz", "url": "../../a-2.tar.gz", "hashes": {}, "yanked": "broken"},
            {"filename": "a-3.tar.gz", "url": "a-3.tar.gz", "requires-python": "", "yanked": true}
        ]
    }"#;

    #[test]
    fn json_is_read() {
        let files = read(JSON.as_bytes()).unwrap();
        assert_eq!(
            files[0],
            IndexFile {
                name: "a-1-py3-none-any.whl".into(),
                url: "https://f.example/a-1-py3-none-any.whl".into(),
                sha256: Some("00ff".into()),
                requires_python: Some(">=3.8".into()),
                size: Some(12),
                ..IndexFile::default()
            }
        );
        assert_eq!(files[1].yanked.as_deref(), Some("broken"));
        assert_eq!(files[2].yanked.as_deref(), Some(""));
        assert_eq!(files[2].requires_python, None);
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn what_is_none_is_refused() {
        for (answer, want) in [
            ("", "it is neither JSON nor HTML"),
            ("[]", "it is neither JSON nor HTML"),
            (r#"{"meta": {"api-version": "2.0"}, "files": []}"#, "it is of version \"2.0\", not 1"),
        ] {
            assert_eq!(read(answer.as_bytes()).unwrap_err(), want, "{answer}");
        }
        for answer in ["{", r#"{"files": []}"#, r#"{"meta": {"api-version": "1.0"}}"#] {
            assert!(read(answer.as_bytes()).is_err(), "{answer}");
        }
        let twice = r#"{"meta": {"api-version": "1.0"}, "files": [], "files": []}"#;
        assert!(read(twice.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in "[<{][<>a-z=\"'#/!&;{}:, -]{0,60}") {
            let _ = read(&bytes);
            let _ = read(text.as_bytes());
        }
    }
}
