//! XML with the place of everything in it, for edits; what it says is the word of the room `xml`,
//! which reads the document, too, and has to see the same elements and attributes.

use std::ops::Range;

use imgfix_xml::{Token, Xml};

use crate::text::{part, text};

/// An attribute.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub name: String,
    pub value: String,
    /// Between its quotes.
    pub at: Range<usize>,
    /// With the blanks before it.
    pub whole: Range<usize>,
}

/// An element.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub name: String,
    pub parent: Option<usize>,
    pub attributes: Vec<Attribute>,
    /// Where the name in its start tag ends.
    pub named: usize,
    /// Between its tags; empty, and at the end, of `<a/>`.
    pub inner: Range<usize>,
    pub whole: Range<usize>,
    /// Written as `<a/>`.
    pub closed: bool,
    pub children: usize,
}

/// More than settings have.
const MAX_ELEMENTS: usize = 50_000;

/// Where, and what is wrong.
pub(crate) type Fault = (usize, String);

/// The text that entities and character references make; `None`: others than XML's own.
pub(crate) fn decoded(raw: &[u8]) -> Option<String> {
    let raw = text(raw);
    let mut out = String::new();
    let mut rest = raw.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, behind) = after.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = behind;
    }
    out.push_str(rest);
    Some(out)
}

/// A text as it stands in an element or between double quotes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

/// All elements in the order of their start tags.
pub(crate) fn elements(bytes: &[u8]) -> Result<Vec<Element>, Fault> {
    let found = scan(bytes)?;
    agree(bytes, &found)?;
    Ok(found)
}

fn position(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = part(bytes, from..bytes.len());
    rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
}

fn scan(bytes: &[u8]) -> Result<Vec<Element>, Fault> {
    let mut out: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(start) = position(bytes, at, b"<") {
        let fail = |why: &str| (start, why.to_owned());
        let rest = part(bytes, start..bytes.len());
        let skip = [(&b"<?"[..], &b"?>"[..]), (b"<!--", b"-->"), (b"<![CDATA[", b"]]>")];
        if let Some((begin, end)) = skip.iter().find(|(begin, _)| rest.starts_with(begin)) {
            let end = position(bytes, start + begin.len(), end).map(|at| at + end.len());
            at = end.ok_or_else(|| fail("something that does not end"))?;
            continue;
        }
        if rest.starts_with(b"<!") {
            return Err(fail("a document type"));
        }
        if rest.starts_with(b"</") {
            let end =
                position(bytes, start, b">").ok_or_else(|| fail("a tag that does not end"))?;
            let name = text(part(bytes, start + 2..end).trim_ascii_end());
            let Some(element) = open.pop().and_then(|element| out.get_mut(element)) else {
                return Err(fail("the end of nothing"));
            };
            if element.name != name {
                return Err(fail("the end of another element"));
            }
            element.inner.end = start;
            element.whole.end = end + 1;
            at = end + 1;
            continue;
        }
        if out.len() >= MAX_ELEMENTS {
            return Err(fail("more elements than settings have"));
        }
        let element = start_tag(bytes, start, open.last().copied())?;
        at = element.whole.end;
        if let Some(parent) = open.last().and_then(|parent| out.get_mut(*parent)) {
            parent.children += 1;
        }
        if !element.closed {
            open.push(out.len());
        }
        out.push(element);
    }
    match open.is_empty() {
        true => Ok(out),
        false => Err((bytes.len(), "it ends in the middle".to_owned())),
    }
}

fn start_tag(bytes: &[u8], start: usize, parent: Option<usize>) -> Result<Element, Fault> {
    let fail = |why: &str| (start, why.to_owned());
    let get = |at: usize| bytes.get(at).copied();
    let blank = |at: usize| get(at).is_some_and(|c| c.is_ascii_whitespace());
    let named = |mut at: usize| {
        while get(at).is_some_and(|c| !c.is_ascii_whitespace() && !b"/>=<\"'".contains(&c)) {
            at += 1;
        }
        at
    };
    let name_end = named(start + 1);
    let mut attributes = Vec::new();
    let mut at = name_end;
    loop {
        let from = at;
        while blank(at) {
            at += 1;
        }
        let closed = get(at) == Some(b'/');
        if closed || get(at) == Some(b'>') {
            let end = at + usize::from(closed);
            if get(end) != Some(b'>') || name_end == start + 1 {
                return Err(fail("no tag of XML"));
            }
            let end = end + 1;
            return Ok(Element {
                name: text(part(bytes, start + 1..name_end)),
                parent,
                attributes,
                named: name_end,
                inner: end..end,
                whole: start..end,
                closed,
                children: 0,
            });
        }
        let end = named(at);
        let name = text(part(bytes, at..end));
        at = end;
        while blank(at) {
            at += 1;
        }
        let equals = get(at) == Some(b'=');
        at += 1;
        while blank(at) {
            at += 1;
        }
        let quote = get(at).filter(|c| b"\"'".contains(c));
        let Some(quote) = quote.filter(|_| equals && !name.is_empty()) else {
            return Err(fail("no attribute of XML"));
        };
        let close =
            position(bytes, at + 1, &[quote]).ok_or_else(|| fail("a quote that does not end"))?;
        let value = decoded(part(bytes, at + 1..close))
            .ok_or_else(|| fail("an entity that is not XML's own"))?;
        attributes.push(Attribute { name, value, at: at + 1..close, whole: from..close + 1 });
        at = close + 1;
    }
}

/// Whether the reader of XML sees the same.
fn agree(bytes: &[u8], elements: &[Element]) -> Result<(), Fault> {
    let mut xml = Xml::new(bytes, bytes.len() as u64 + 1);
    let mut ours = elements.iter();
    let fault =
        |error: imgfix_xml::XmlError| (usize::try_from(error.at).unwrap_or_default(), error.why);
    let differ = |at: usize| (at, "two readers of XML do not agree about it".to_owned());
    loop {
        match xml.next().map_err(fault)? {
            Token::Start(theirs) => {
                let Some(our) = ours.next() else { return Err(differ(bytes.len())) };
                let local = |name: &str| name.rsplit(':').next().unwrap_or_default().to_owned();
                let mut same = theirs.name() == local(&our.name);
                for attribute in our.attributes.iter().filter(|one| !one.name.contains(':')) {
                    let seen = theirs.get(&attribute.name).map_err(fault)?;
                    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                    same &= seen.is_some_and(|seen| words(&seen) == words(&attribute.value));
                }
                if !same {
                    return Err(differ(our.whole.start));
                }
            }
            Token::Eof => break,
            _ => {}
        }
    }
    match ours.next() {
        None => Ok(()),
        Some(more) => Err(differ(more.whole.start)),
    }
}
