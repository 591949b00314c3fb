//! `[[replace]]`: which file or folder of an image a download takes the place of.
//!
//! In comes the table; out comes a checked [`Replacement`], relative files of which count from the
//! policy's folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use imgfix_model::digest::Digest;
use imgfix_model::path::ImagePath;
use imgfix_model::platform::Platform;
use imgfix_model::replacement::{Replaced, Replacement};

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replace {
    path: Option<String>,
    content_sha256: Option<String>,
    url: Option<String>,
    file: Option<PathBuf>,
    sha256: String,
    #[serde(default)]
    strip: u32,
    member: Option<String>,
    platform: Option<String>,
}

impl Replace {
    /// What it says.
    ///
    /// # Errors
    /// Half of it is missing, or it contradicts itself: a main clause.
    pub fn check(&self, folder: &Path) -> Result<Replacement, String> {
        let what = match (&self.path, &self.content_sha256) {
            (Some(path), None) => Replaced::Path(image_path(path)?),
            (None, Some(hex)) => Replaced::Content(digest("content-sha256", hex)?),
            _ => return Err("a replacement names one of path and content-sha256".to_owned()),
        };
        let url = match (&self.url, &self.file) {
            (Some(url), None) => fetched(url)?,
            (None, Some(file)) => url::Url::from_file_path(folder.join(file))
                .map_err(|()| format!("{}: not a path", file.display()))?
                .to_string(),
            _ => return Err("a replacement has one of url and file".to_owned()),
        };
        if self.strip > 0 && self.member.is_some() {
            return Err("member is a whole name: strip does not count beside it".to_owned());
        }
        if self.strip > 0 && self.content_sha256.is_some() {
            return Err("strip is for a folder, which has no content-sha256".to_owned());
        }
        let rule = match &what {
            Replaced::Path(path) => format!("[[replace]] {path}"),
            Replaced::Content(digest) => format!("[[replace]] {digest}"),
        };
        Ok(Replacement {
            what,
            platform: self.platform.as_deref().map(str::parse::<Platform>).transpose()?,
            url,
            digest: digest("sha256", &self.sha256)?,
            strip: self.strip,
            member: self.member.clone(),
            rule,
        })
    }
}

fn image_path(text: &str) -> Result<ImagePath, String> {
    let path = ImagePath::new(text).map_err(|error| format!("{text:?}: {error}"))?;
    match path.is_root() || !text.starts_with('/') {
        true => Err(format!("{text:?} is no absolute path of a file or folder")),
        false => Ok(path),
    }
}

fn digest(key: &str, hex: &str) -> Result<Digest, String> {
    Digest::from_hex(hex).map_err(|error| format!("{key}: {error}"))
}

/// A URL without a login: policies are shown and shared.
fn fetched(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| format!("{text:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("url has to be http or https: name files with file".to_owned());
    }
    match url.username().is_empty() && url.password().is_none() {
        true => Ok(text.to_owned()),
        false => Err("url has a login: a file that is read by many is no place for it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn checked(text: &str) -> Result<Replacement, String> {
        let text = text.replace("HASH", HASH);
        let rule: Replace = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
        rule.check(Path::new("/project"))
    }

    #[test]
    fn a_rule_names_what_and_by_what() {
        let rule = checked(
            "path = '/opt/jdk'\nfile = 'jdk.tar.gz'\nsha256 = 'HASH'\nstrip = 1\n\
             platform = 'linux/arm64'",
        )
        .unwrap();
        assert_eq!(rule.what, Replaced::Path(ImagePath::literal("/opt/jdk")));
        assert_eq!((rule.url.as_str(), rule.strip), ("file:///project/jdk.tar.gz", 1));
        assert_eq!(rule.platform.unwrap().to_string(), "linux/arm64");
        assert_eq!(rule.rule, "[[replace]] /opt/jdk");
        let rule = checked(
            "content-sha256 = 'HASH'\nurl = 'https://h/k.tgz'\nsha256 = 'HASH'\nmember = 'bin/k'",
        )
        .unwrap();
        assert_eq!(rule.rule, format!("[[replace]] sha256:{HASH}"));
        assert_eq!(rule.member.as_deref(), Some("bin/k"));
    }

    #[test]
    fn what_is_half_is_refused() {
        for (text, want) in [
            ("url = 'https://h/x'\nsha256 = 'HASH'", "a replacement names one of path and"),
            (
                "path = '/a'\ncontent-sha256 = 'HASH'\nurl = 'https://h/x'\nsha256 = 'HASH'",
                "a replacement names one of path and",
            ),
            ("path = '/a'\nsha256 = 'HASH'", "a replacement has one of url and file"),
            ("path = '/a'\nurl = 'https://h/x'", "missing field `sha256`"),
            ("path = 'a'\nurl = 'https://h/x'\nsha256 = 'HASH'", "\"a\" is no absolute path"),
            ("path = '/'\nurl = 'https://h/x'\nsha256 = 'HASH'", "\"/\" is no absolute path"),
            ("path = '/../a'\nurl = 'https://h/x'\nsha256 = 'HASH'", "\"/../a\": "),
            ("path = '/a'\nurl = 'https://h/x'\nsha256 = 'abc'", "sha256: "),
            ("path = '/a'\nurl = 'file:///x'\nsha256 = 'HASH'", "url has to be http or https"),
            ("path = '/a'\nurl = 'https://u:p@h/x'\nsha256 = 'HASH'", "url has a login"),
            (
                "path = '/a'\nurl = 'https://h/x'\nsha256 = 'HASH'\nstrip = 1\nmember = 'x'",
                "member is a whole name",
            ),
            (
                "path = '/a'\nurl = 'https://h/x'\nsha256 = 'HASH'\nplatform = 'a/b/c/d'",
                "\"a/b/c/d\"",
            ),
        ] {
            let error = checked(text).unwrap_err();
            assert!(error.starts_with(want), "{text}: {error}");
            assert!(!error.contains("u:p"), "{error}");
        }
    }
}
