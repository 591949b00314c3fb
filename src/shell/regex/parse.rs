//! Patterns read as GNU's regcomp reads them, in the C locale.

use super::Syntax;

/// The largest count of an interval (`RE_DUP_MAX`).
const MAX_COUNT: u32 = 32767;

/// How deep groups may nest.
const MAX_DEPTH: usize = 100;

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

impl Set {
    pub(super) const EMPTY: Self = Self([0; 4]);
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    pub(super) fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word & (1 << (byte & 63)) != 0)
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut out = *self;
        for (word, more) in out.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        out
    }

    fn of(keep: impl Fn(u8) -> bool) -> Self {
        let mut out = Self::EMPTY;
        (0..=255).filter(|&byte| keep(byte)).for_each(|byte| out.add(byte));
        out
    }

    fn one(byte: u8) -> Self {
        let mut out = Self::EMPTY;
        out.add(byte);
        out
    }

    fn inverted(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// With both cases of every letter.
    pub(super) fn folded(self) -> Self {
        Self::of(|byte| {
            self.has(byte)
                || self.has(byte.to_ascii_lowercase())
                || self.has(byte.to_ascii_uppercase())
        })
    }
}

/// What a word is made of.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A pattern as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Empty,
    Set(Set),
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordStart,
    WordEnd,
    WordBoundary,
    NoWordBoundary,
    NoWordBefore,
    NoWordAfter,
    /// Groups are counted from 1.
    Group(usize, Box<Node>),
    Back(usize),
    Concat(Vec<Node>),
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
    },
}

/// A read pattern.
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) groups: usize,
}

/// Reads a pattern.
pub(super) fn parse(pattern: &[u8], syntax: Syntax) -> Result<Parsed, &'static str> {
    if syntax == Syntax::Literal {
        let bytes = pattern.iter().map(|&byte| Node::Set(Set::one(byte)));
        return Ok(Parsed { node: Node::Concat(bytes.collect()), groups: 0 });
    }
    let mut parser = Parser { pattern, at: 0, syntax, groups: 0, closed: Vec::new(), depth: 0 };
    let node = parser.alternatives()?;
    if parser.at < pattern.len() {
        return Err("a closing parenthesis without an opening one");
    }
    Ok(Parsed { node, groups: parser.groups })
}

struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    syntax: Syntax,
    groups: usize,
    /// Groups that have ended: only those can be referred to.
    closed: Vec<usize>,
    depth: usize,
}

/// An element of the pattern, escapes taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Bar,
    Star,
    Plus,
    Question,
    Brace,
    Bracket,
    Dot,
    Caret,
    Dollar,
    Escaped(u8),
    Byte(u8),
}

impl Parser<'_> {
    fn is_basic(&self) -> bool {
        self.syntax == Syntax::Basic
    }

    /// The next token and its length.
    fn peek(&self) -> Result<Option<(Token, usize)>, &'static str> {
        let Some(&byte) = self.pattern.get(self.at) else { return Ok(None) };
        let extended = !self.is_basic();
        let token = match byte {
            b'\\' => {
                let &next = self.pattern.get(self.at + 1).ok_or("a backslash at the end")?;
                let token = match next {
                    b'(' if !extended => Token::Open,
                    b')' if !extended => Token::Close,
                    b'{' if !extended => Token::Brace,
                    b'|' if !extended => Token::Bar,
                    b'+' if !extended => Token::Plus,
                    b'?' if !extended => Token::Question,
                    other => Token::Escaped(other),
                };
                return Ok(Some((token, 2)));
            }
            b'(' if extended => Token::Open,
            b')' if extended => Token::Close,
            b'{' if self.syntax == Syntax::Extended => Token::Brace,
            b'|' if extended => Token::Bar,
            b'+' if extended => Token::Plus,
            b'?' if extended => Token::Question,
            b'*' => Token::Star,
            b'[' => Token::Bracket,
            b'.' => Token::Dot,
            b'^' => Token::Caret,
            b'$' => Token::Dollar,
            other => Token::Byte(other),
        };
        Ok(Some((token, 1)))
    }

    fn alternatives(&mut self) -> Result<Node, &'static str> {
        let mut all = vec![self.sequence()?];
        while let Some((Token::Bar, length)) = self.peek()? {
            self.at += length;
            all.push(self.sequence()?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Node::Either(all),
        })
    }

    fn sequence(&mut self) -> Result<Node, &'static str> {
        let mut parts = Vec::new();
        // Whether nothing that can be repeated is before: a star is then itself.
        let mut first = true;
        while let Some((token, length)) = self.peek()? {
            if matches!(token, Token::Bar | Token::Close) {
                if token == Token::Close && self.depth == 0 {
                    match self.syntax {
                        Syntax::Basic => {
                            return Err("a closing parenthesis without an opening one");
                        }
                        _ => return Err("a closing parenthesis alone"),
                    }
                }
                break;
            }
            self.at += length;
            let node = self.atom(token, first)?;
            let is_anchor = matches!(node, Node::LineStart) && self.is_basic();
            first = is_anchor && first;
            parts.push(if first { node } else { self.repeated(node)? });
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.remove(0),
            _ => Node::Concat(parts),
        })
    }

    fn atom(&mut self, token: Token, first: bool) -> Result<Node, &'static str> {
        Ok(match token {
            Token::Open => self.group()?,
            Token::Star | Token::Plus | Token::Question | Token::Brace if first => {
                match (self.is_basic(), token) {
                    (true, Token::Star) => Node::Set(Set::one(b'*')),
                    _ => return Err("a repetition of nothing"),
                }
            }
            Token::Star | Token::Plus | Token::Question | Token::Brace => {
                return Err("a repetition in an unusual place");
            }
            Token::Bracket => Node::Set(self.bracket()?),
            Token::Dot => Node::Set(Set::ALL),
            Token::Caret if !self.is_basic() || first => Node::LineStart,
            Token::Caret => Node::Set(Set::one(b'^')),
            Token::Dollar if !self.is_basic() || self.ends_here() => Node::LineEnd,
            Token::Dollar => Node::Set(Set::one(b'$')),
            Token::Escaped(byte) => self.escaped(byte)?,
            Token::Byte(byte) => Node::Set(Set::one(byte)),
            Token::Bar | Token::Close => return Err("an operator in an unusual place"),
        })
    }

    /// Whether a basic expression or a part of it ends: `$` is an anchor there.
    fn ends_here(&self) -> bool {
        let rest = self.pattern.get(self.at..).unwrap_or_default();
        rest.is_empty() || rest.starts_with(b"\\)") || rest.starts_with(b"\\|")
    }

    fn group(&mut self) -> Result<Node, &'static str> {
        self.groups += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("groups nested too deep");
        }
        let number = self.groups;
        let inside = self.alternatives()?;
        match self.peek()? {
            Some((Token::Close, length)) => self.at += length,
            _ => return Err("an opening parenthesis without a closing one"),
        }
        self.depth -= 1;
        self.closed.push(number);
        Ok(Node::Group(number, Box::new(inside)))
    }

    fn escaped(&self, byte: u8) -> Result<Node, &'static str> {
        if self.syntax == Syntax::Awk {
            return Ok(Node::Set(Set::one(match byte {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'f' => 0x0c,
                b'v' => 0x0b,
                b'a' => 0x07,
                b'b' => 0x08,
                b'0'..=b'9' => return Err("a number after a backslash"),
                other => other,
            })));
        }
        Ok(match byte {
            b'w' => Node::Set(Set::of(is_word)),
            b'W' => Node::Set(Set::of(is_word).inverted()),
            b's' => Node::Set(Set::of(is_space)),
            b'S' => Node::Set(Set::of(is_space).inverted()),
            b'<' => Node::WordStart,
            b'>' => Node::WordEnd,
            b'b' => Node::WordBoundary,
            b'B' => Node::NoWordBoundary,
            b'`' => Node::TextStart,
            b'\'' => Node::TextEnd,
            b'1'..=b'9' => {
                let number = usize::from(byte - b'0');
                if !self.closed.contains(&number) {
                    return Err("a reference to a group that is not there");
                }
                Node::Back(number)
            }
            other if other.is_ascii_alphanumeric() => return Err("an unusual escape"),
            other => Node::Set(Set::one(other)),
        })
    }

    /// The node with the repetitions that follow it.
    fn repeated(&mut self, node: Node) -> Result<Node, &'static str> {
        let mut node = node;
        while let Some((token, length)) = self.peek()? {
            let (min, max) = match token {
                Token::Star => (0, None),
                Token::Plus => (1, None),
                Token::Question => (0, Some(1)),
                Token::Brace => {
                    self.at += length;
                    let (min, max) = self.interval()?;
                    node = Node::Repeat { node: Box::new(node), min, max };
                    continue;
                }
                _ => break,
            };
            self.at += length;
            node = Node::Repeat { node: Box::new(node), min, max };
        }
        Ok(node)
    }

    /// What is between `{` and `}`, and the closing brace.
    fn interval(&mut self) -> Result<(u32, Option<u32>), &'static str> {
        let low = self.count();
        let (min, max) = match self.pattern.get(self.at) {
            Some(b',') => {
                self.at += 1;
                (low.unwrap_or(0), self.count())
            }
            _ => (low.ok_or("an interval without a number")?, low),
        };
        let end: &[u8] = if self.is_basic() { b"\\}" } else { b"}" };
        if !self.pattern.get(self.at..).unwrap_or_default().starts_with(end) {
            return Err("an interval that does not end");
        }
        self.at += end.len();
        if min > MAX_COUNT || max.is_some_and(|max| max < min || max > MAX_COUNT) {
            return Err("an interval out of range");
        }
        Ok((min, max))
    }

    fn count(&mut self) -> Option<u32> {
        let rest = self.pattern.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += digits;
        std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
    }

    /// What is behind `[`.
    fn bracket(&mut self) -> Result<Set, &'static str> {
        let mut set = Set::EMPTY;
        let inverted = self.pattern.get(self.at) == Some(&b'^');
        self.at += usize::from(inverted);
        let mut first = true;
        loop {
            let &byte = self.pattern.get(self.at).ok_or("a bracket that does not end")?;
            if byte == b']' && !first {
                self.at += 1;
                break;
            }
            first = false;
            match self.bracket_item()? {
                Item::Class(class) => set = set.union(&class),
                Item::Byte(low) => {
                    let is_range = self.pattern.get(self.at) == Some(&b'-')
                        && self.pattern.get(self.at + 1).is_some_and(|&b| b != b']');
                    if !is_range {
                        set.add(low);
                        continue;
                    }
                    self.at += 1;
                    let Item::Byte(high) = self.bracket_item()? else {
                        return Err("a range that ends with a class");
                    };
                    if high < low {
                        return Err("a range that ends before it begins");
                    }
                    (low..=high).for_each(|byte| set.add(byte));
                }
            }
        }
        Ok(if inverted { set.inverted() } else { set })
    }

    fn bracket_item(&mut self) -> Result<Item, &'static str> {
        let rest = self.pattern.get(self.at..).unwrap_or_default();
        let &byte = rest.first().ok_or("a bracket that does not end")?;
        if byte == b'\\' && self.syntax == Syntax::Awk {
            let &next = rest.get(1).ok_or("a bracket that does not end")?;
            self.at += 2;
            return match self.escaped(next)? {
                Node::Set(set) => {
                    Ok(Item::Class(set)).map(|item| single(&set).map_or(item, Item::Byte))
                }
                _ => Err("an unusual escape"),
            };
        }
        let kind = match (byte, rest.get(1)) {
            (b'[', Some(&kind @ (b':' | b'.' | b'='))) => kind,
            _ => {
                self.at += 1;
                return Ok(Item::Byte(byte));
            }
        };
        let inside = rest.get(2..).unwrap_or_default();
        let end = inside.windows(2).position(|pair| pair == [kind, b']']);
        let name = end.and_then(|end| inside.get(..end)).ok_or("a class that does not end")?;
        self.at += name.len() + 4;
        match kind {
            b':' => Ok(Item::Class(class(name).ok_or("an unknown class")?)),
            _ => match name {
                [byte] => Ok(Item::Byte(*byte)),
                _ => Err("an unknown collating element"),
            },
        }
    }
}

enum Item {
    Byte(u8),
    Class(Set),
}

fn single(set: &Set) -> Option<u8> {
    let mut bytes = (0..=255).filter(|&byte| set.has(byte));
    let first = bytes.next()?;
    bytes.next().is_none().then_some(first)
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || (9..=13).contains(&byte)
}

fn class(name: &[u8]) -> Option<Set> {
    Some(match name {
        b"alpha" => Set::of(|b| b.is_ascii_alphabetic()),
        b"digit" => Set::of(|b| b.is_ascii_digit()),
        b"alnum" => Set::of(|b| b.is_ascii_alphanumeric()),
        b"upper" => Set::of(|b| b.is_ascii_uppercase()),
        b"lower" => Set::of(|b| b.is_ascii_lowercase()),
        b"space" => Set::of(is_space),
        b"blank" => Set::of(|b| b == b' ' || b == b'\t'),
        b"punct" => Set::of(|b| b.is_ascii_punctuation()),
        b"print" => Set::of(|b| (32..127).contains(&b)),
        b"graph" => Set::of(|b| b.is_ascii_graphic()),
        b"cntrl" => Set::of(|b| b.is_ascii_control()),
        b"xdigit" => Set::of(|b| b.is_ascii_hexdigit()),
        _ => return None,
    })
}

/// A named class of bytes for `tr`.
pub fn class_bytes(name: &[u8]) -> Option<Vec<u8>> {
    class(name).map(|set| (0..=255).filter(|&byte| set.has(byte)).collect())
}
