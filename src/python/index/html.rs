//! The index as a page: the attributes of its anchors. In comes the page; out come files.
//!
//! It is read as far as pip reads it: tags with their attributes, comments and what scripts have
//! apart. Only `&amp;`, `&lt;`, `&gt;`, `&quot;` and numbers are taken for characters.

use super::{IndexFile, MAX_FILES, known_version};

/// The most attributes of one tag.
const MAX_ATTRIBUTES: usize = 32;

pub(super) fn read(answer: &[u8]) -> Result<Vec<IndexFile>, String> {
    let page = std::str::from_utf8(answer).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut files = Vec::new();
    let mut base = None;
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let (tag, behind) = tag(after)?;
        rest = behind;
        match tag.name.as_str() {
            "meta" if tag.get("name") == Some("pypi:repository-version") => {
                known_version(tag.get("content").unwrap_or_default())?;
            }
            "base" if base.is_none() => base = tag.get("href").map(str::to_owned),
            "a" => files.extend(file(&tag, base.as_deref())),
            "script" | "style" => {
                let end = rest.to_ascii_lowercase().find(&format!("</{}", tag.name));
                rest = end.and_then(|end| rest.get(end..)).unwrap_or_default();
            }
            _ => {}
        }
        if files.len() > MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} files"));
        }
    }
    Ok(files)
}

/// What an anchor leads to.
fn file(tag: &Tag, base: Option<&str>) -> Option<IndexFile> {
    let href = tag.get("href")?;
    let (url, fragment) = href.split_once('#').unwrap_or((href, ""));
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = percent_decoded(path.rsplit('/').next().filter(|name| !name.is_empty())?)?;
    let sha256 = fragment.split('&').find_map(|part| part.strip_prefix("sha256="));
    let url = match base {
        Some(base) if !url.contains("://") => joined(base, url),
        _ => url.to_owned(),
    };
    Some(IndexFile {
        name,
        url,
        sha256: sha256.map(str::to_owned),
        requires_python: tag
            .get("data-requires-python")
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned),
        yanked: tag.get("data-yanked").map(str::to_owned),
        size: None,
        provenance: tag.get("data-provenance").map(str::to_owned),
    })
}

/// A relative URL behind the page's base, which ends a folder.
fn joined(base: &str, url: &str) -> String {
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let folder = base.rsplit_once('/').map_or(base, |(folder, _)| folder);
    format!("{folder}/{url}")
}

/// With `%41` as what it stands for; `None`: it is no text then.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

/// A tag with its attributes, names in lower case.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// Of an attribute that is there twice, the first.
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads what stands behind `<`; what is behind the tag, too.
fn tag(text: &str) -> Result<(Tag, &str), String> {
    let name_end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    let mut tag = Tag { name: name.to_ascii_lowercase(), attributes: Vec::new() };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(behind) = rest.strip_prefix('>') {
            return Ok((tag, behind));
        }
        if rest.is_empty() {
            return Ok((tag, rest));
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len())
            .max(usize::from(rest.starts_with('=')));
        let (key, behind) = rest.split_at(end);
        let (value, behind) = value(behind);
        if tag.attributes.len() == MAX_ATTRIBUTES {
            return Err(format!("a tag has more than {MAX_ATTRIBUTES} attributes"));
        }
        tag.attributes.push((key.to_ascii_lowercase(), unescaped(value)));
        rest = behind;
    }
}

/// What an attribute is set to; nothing, where it has no `=`.
fn value(text: &str) -> (&str, &str) {
    let Some(text) = text.trim_start().strip_prefix('=') else { return ("", text) };
    let text = text.trim_start();
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(text.len());
    text.split_at(end)
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        match known.and_then(|(name, behind)| Some((character(name)?, behind))) {
            Some((character, behind)) => {
                out.push(character);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    let number = |digits: &str, radix| char::from_u32(u32::from_str_radix(digits, radix).ok()?);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
            Some(digits) => number(digits, 16),
            None => number(name.strip_prefix('#')?, 10),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read() {
        let page = r##"<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.3"><title>Links</title>
<script>var a = "<a href='x-1-py3-none-any.whl'>";</script></head>
<body><!-- <a href="no-1.tar.gz">no</a> -->
<a href="../../packages/a-1-py3-none-any.whl#sha256=00ff&amp;x=1" data-requires-python="&gt;=3.8, &lt;4"
   data-dist-info-metadata="sha256=aa">a-1-py3-none-any.whl</a><br/>
<A HREF='https://f.example/a%2Bb/a-2%2Bl.tar.gz?t=1' data-yanked>x</A>
<a data-yanked="why &#39;so&#39; &unknown; &" href=a-3.tar.gz>x</a>
<a>none</a><a href="">none</a><a href="folder/">none</a>
</body></html>"##;
        let files = read(page.as_bytes()).unwrap();
        let shown: Vec<String> = files
            .iter()
            .map(|one| {
                format!(
                    "{} | {} | {:?} | {:?} | {:?}",
                    one.name, one.url, one.sha256, one.requires_python, one.yanked
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "a-1-py3-none-any.whl | ../../packages/a-1-py3-none-any.whl | Some(\"00ff\") | \
                 Some(\">=3.8, <4\") | None",
                "a-2+l.tar.gz | https://f.example/a%2Bb/a-2%2Bl.tar.gz?t=1 | None | None | \
                 Some(\"\")",
                "a-3.tar.gz | a-3.tar.gz | None | None | Some(\"why 'so' &unknown; &\")",
            ]
        );
        let based = "<base href=\"https://h.example/p/x.html\"><a href=\"a-1.tar.gz\">";
        assert_eq!(read(based.as_bytes()).unwrap()[0].url, "https://h.example/p/a-1.tar.gz");
        let newer = "<meta name=\"pypi:repository-version\" content=\"2.0\">";
        assert!(read(newer.as_bytes()).is_err());
        assert!(read(b"<\xff").is_err());
        let many = format!("<a {}>", "x=1 ".repeat(40));
        assert!(read(many.as_bytes()).is_err());
    }
}
