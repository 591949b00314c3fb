//! `--mirror FROM=TO`: what is under one URL is fetched from another. Only the place of the
//! download changes: signatures, digests and the plan keep the repository's own URL.

use std::str::FromStr;

/// One rewrite of URL prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    from: String,
    to: String,
}

impl Mirror {
    /// Where things are fetched from; no slash at the end.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }
}

impl FromStr for Mirror {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is not FROM=TO with two URLs: {why}");
        let at = text
            .find("=http")
            .or_else(|| text.find("=file"))
            .ok_or_else(|| wrong("no '=' before an http://, https:// or file:// URL"))?;
        let (from, to) = (&text[..at], &text[at + 1..]);
        for url in [from, to] {
            let parsed = url::Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
            if !matches!(parsed.scheme(), "http" | "https" | "file") {
                return Err(wrong("want http://, https:// or file://"));
            }
        }
        let trim = |url: &str| url.trim_end_matches('/').to_owned();
        Ok(Self { from: trim(from), to: trim(to) })
    }
}

/// The URL to fetch from: rewritten by the first mirror whose prefix fits at a `/`.
#[must_use]
pub fn apply(mirrors: &[Mirror], url: &str) -> String {
    for mirror in mirrors {
        if let Some(rest) = url.strip_prefix(&mirror.from)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            return format!("{}{rest}", mirror.to);
        }
    }
    url.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced_at_slashes() {
        let mirrors: Vec<Mirror> = vec!["http://a/debian=https://m/x/".parse().unwrap()];
        for (url, want) in [
            ("http://a/debian/dists/x", "https://m/x/dists/x"),
            ("http://a/debian", "https://m/x"),
            ("http://a/debian-security/d", "http://a/debian-security/d"),
        ] {
            assert_eq!(apply(&mirrors, url), want);
        }
        for bad in ["", "x=y", "http://a", "ftp://a=http://b", "http://a=ftp://b"] {
            assert!(bad.parse::<Mirror>().is_err(), "{bad}");
        }
    }
}
