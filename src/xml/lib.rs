//! XML of strangers (metadata of repositories, settings), read as a stream: one token at a time, bounded in every direction.
//!
//! In comes an unpacked stream; out come [`Token`]s. A document type is refused, and with it
//! every entity but XML's own five; a token longer than [`MAX_TOKEN`], a document deeper than
//! [`MAX_DEPTH`] or longer than it is told to be are errors.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The longest token, in bytes: descriptions of packages are some kilobytes.
pub const MAX_TOKEN: usize = 4 << 20;

/// Deeper than any metadata.
const MAX_DEPTH: usize = 32;

/// Why a document cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("byte {at}: {why}")]
pub struct XmlError {
    /// Where in the unpacked document, from 0.
    pub at: u64,
    /// What is wrong, for people.
    pub why: String,
}

/// A piece of a document.
pub enum Token<'a> {
    /// An element begins.
    Start(Element<'a>),
    /// An element ends: its name without a prefix.
    End(&'a str),
    /// Text, or a part of it.
    Text(Cow<'a, str>),
    /// The document ends.
    Eof,
}

/// The beginning of an element.
pub struct Element<'a> {
    start: BytesStart<'a>,
    at: u64,
}

impl Element<'_> {
    /// Its name without a prefix.
    pub fn name(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// The value of an attribute, by its name without a prefix.
    pub fn get(&self, name: &str) -> Result<Option<Cow<'_, str>>, XmlError> {
        for attribute in self.start.attributes().with_checks(false) {
            let attribute =
                attribute.map_err(|error| XmlError { at: self.at, why: error.to_string() })?;
            if attribute.key.local_name().into_inner() == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                let value =
                    value.map_err(|error| XmlError { at: self.at, why: error.to_string() })?;
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The same; empty when it is not there.
    pub fn text(&self, name: &str) -> Result<Cow<'_, str>, XmlError> {
        Ok(self.get(name)?.unwrap_or_default())
    }
}

/// A document, read to some place.
pub struct Xml<R: BufRead> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    token_left: Rc<Cell<usize>>,
    depth: usize,
}

impl<R: BufRead> Xml<R> {
    /// A document of at most `most` bytes.
    pub fn new(source: R, most: u64) -> Self {
        let token_left = Rc::new(Cell::new(MAX_TOKEN));
        let mut reader =
            Reader::from_reader(Metered { source, left: most, token_left: Rc::clone(&token_left) });
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), token_left, depth: 0 }
    }

    /// The next token.
    ///
    /// # Errors
    /// The document is not well-formed, or beyond the bounds.
    #[allow(clippy::should_implement_trait, reason = "what it gives borrows from the reader")]
    pub fn next(&mut self) -> Result<Token<'_>, XmlError> {
        loop {
            // the borrow checker wants the loop's other turns to begin anew
            if let Some(passed) = self.skip_one()? {
                return self.token(passed);
            }
        }
    }

    /// Reads one event into the buffer; `None` for what says nothing.
    fn skip_one(&mut self) -> Result<Option<Event<'static>>, XmlError> {
        self.buffer.clear();
        self.token_left.set(MAX_TOKEN);
        let at = self.reader.buffer_position();
        let fail = |why: String| XmlError { at, why };
        let event = self.reader.read_event_into(&mut self.buffer);
        let event = event.map_err(|error| fail(error.to_string()))?;
        Ok(match event {
            Event::DocType(_) => {
                return Err(fail("a document type, which no metadata has".to_owned()));
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => None,
            other => Some(other.into_owned()),
        })
    }

    fn token(&mut self, event: Event<'static>) -> Result<Token<'_>, XmlError> {
        let at = self.reader.buffer_position();
        let fail = |why: String| XmlError { at, why };
        Ok(match event {
            Event::Start(start) | Event::Empty(start) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(fail(format!("nested more than {MAX_DEPTH} deep")));
                }
                Token::Start(Element { start, at })
            }
            Event::End(end) => {
                self.depth = self.depth.saturating_sub(1);
                self.buffer.clear();
                self.buffer.extend_from_slice(end.local_name().into_inner().as_bytes());
                Token::End(std::str::from_utf8(&self.buffer).unwrap_or_default())
            }
            Event::Text(text) => Token::Text(Cow::Owned(text.into_inner().into_owned())),
            Event::CData(text) => Token::Text(Cow::Owned(text.into_inner().into_owned())),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let text = match name {
                    "amp" => "&".to_owned(),
                    "lt" => "<".to_owned(),
                    "gt" => ">".to_owned(),
                    "quot" => "\"".to_owned(),
                    "apos" => "'".to_owned(),
                    _ => match reference.resolve_char_ref() {
                        Ok(Some(one)) => one.to_string(),
                        _ => return Err(fail(format!("the entity &{name}; is not XML's own"))),
                    },
                };
                Token::Text(Cow::Owned(text))
            }
            Event::Eof if self.depth > 0 => return Err(fail("it ends in the middle".to_owned())),
            _ => Token::Eof,
        })
    }

    /// The text up to the end of the element that began last, without its children's.
    pub fn content(&mut self) -> Result<String, XmlError> {
        let depth = self.depth;
        let mut out = String::new();
        loop {
            let at = self.reader.buffer_position();
            match self.next()? {
                Token::Text(text) => {
                    if out.len() + text.len() > MAX_TOKEN {
                        return Err(XmlError { at, why: "a text longer than any real one".into() });
                    }
                    out.push_str(&text);
                }
                Token::End(_) => {
                    if self.depth < depth {
                        break;
                    }
                }
                Token::Start(_) => {}
                Token::Eof => break,
            }
        }
        let trimmed = out.trim();
        Ok(if trimmed.len() == out.len() { out } else { trimmed.to_owned() })
    }

    /// An error at the present place.
    pub fn error(&self, why: impl Into<String>) -> XmlError {
        XmlError { at: self.reader.buffer_position(), why: why.into() }
    }
}

/// A source that ends with an error when it gives too much, in all or for one token.
struct Metered<R> {
    source: R,
    left: u64,
    token_left: Rc<Cell<usize>>,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?;
        let count = got.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), got.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.token_left.get() == 0 {
            return Err(io::Error::other("a text longer than any real one"));
        }
        if self.left == 0 {
            return Err(io::Error::other("it unpacks to more than it says, or any real one has"));
        }
        // no more than may still come, or a source that has all of it at once has no bound
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.token_left.get());
        let bytes = self.source.fill_buf()?;
        Ok(bytes.get(..most).unwrap_or(bytes))
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.token_left.set(self.token_left.get().saturating_sub(count));
        self.source.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<String>, XmlError> {
        let mut xml = Xml::new(text.as_bytes(), 10_000_000);
        let mut out = Vec::new();
        loop {
            out.push(match xml.next()? {
                Token::Start(element) => {
                    format!("<{} {}>", element.name(), element.text("x")?)
                }
                Token::End(name) => format!("</{name}>"),
                Token::Text(text) => text.into_owned(),
                Token::Eof => return Ok(out),
            });
        }
    }

    #[test]
    fn elements_come_one_after_the_other() {
        let got = tokens("<?xml version=\"1.0\"?><a r:x='1&amp;2'><!-- c --><r:b/>t&lt;&#65;</a>");
        assert_eq!(got.unwrap().concat(), "<a 1&2><b ></b>t<A</a>");
        let mut xml = Xml::new(&b"<a> x &amp;<b>no</b> y </a>"[..], 1000);
        assert!(matches!(xml.next(), Ok(Token::Start(_))));
        assert_eq!(xml.content().unwrap(), "x &no y");
    }

    #[test]
    fn bombs_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cccc\">]><a>&b;</a>";
        assert!(tokens(bomb).unwrap_err().to_string().contains("document type"));
        assert!(tokens("<a>&b;</a>").unwrap_err().to_string().contains("&b;"));
        assert!(tokens("<a>").unwrap_err().to_string().contains("ends in the middle"));
        assert!(tokens(&"<a>".repeat(40)).unwrap_err().to_string().contains("32 deep"));
        let long = format!("<a>{}</a>", "x".repeat(MAX_TOKEN + 10_000));
        assert!(tokens(&long).unwrap_err().to_string().contains("longer than any real"));
        let mut xml = Xml::new(&b"<a>xxxxxxxxxxxxxxxxxxxx</a>"[..], 4);
        let bounded = std::iter::from_fn(|| Some(xml.next().is_err())).take(5).any(|error| error);
        assert!(bounded);
    }
}
