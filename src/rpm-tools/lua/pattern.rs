//! Lua's patterns (Lua 5.4 manual, section 6.4.1), with every step counted: the C library's own
//! matcher can be kept busy without end by one call, where no hook of the interpreter sees it.
//!
//! In come a subject, a pattern and where to begin; out comes a [`Match`], or a [`Fault`].

/// The most captures of a pattern, as in Lua.
const MAX_CAPTURES: usize = 32;

/// How deep a pattern may be matched within itself, as in Lua.
const MAX_DEPTH: usize = 200;

/// Why a match has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error that the script can catch, in Lua's words.
    Malformed(&'static str),
    /// More steps than were allowed.
    TooLong,
}

/// What a pair of parentheses holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// Bytes of the subject, from and up to these positions.
    Text(usize, usize),
    /// `()`: a position, counted from 0.
    Position(usize),
}

/// Where a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The first byte, counted from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// What the pattern's parentheses hold; none when it has none.
    pub captures: Vec<Capture>,
}

#[derive(Clone, Copy)]
enum Open {
    Unfinished(usize),
    Done(Capture),
}

/// A pattern being matched.
pub struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    anchored: bool,
    captures: Vec<Open>,
    depth: usize,
    /// How many more steps it may take.
    pub steps: u64,
}

type Found = Result<Option<usize>, Fault>;

impl<'a> Matcher<'a> {
    /// A pattern over a subject; `anchors` says whether `^` in front of it has a meaning.
    #[must_use]
    pub fn new(subject: &'a [u8], pattern: &'a [u8], anchors: bool, steps: u64) -> Self {
        let rest = if anchors { pattern.strip_prefix(b"^") } else { None };
        Self {
            subject,
            pattern: rest.unwrap_or(pattern),
            anchored: rest.is_some(),
            captures: Vec::new(),
            depth: 0,
            steps,
        }
    }

    /// Whether it matches in one place only.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// The first match at or behind a position.
    ///
    /// # Errors
    /// The pattern is malformed, or matching takes too long.
    pub fn find(&mut self, from: usize) -> Result<Option<Match>, Fault> {
        let mut at = from;
        while at <= self.subject.len() {
            if let Some(found) = self.match_at(at)? {
                return Ok(Some(found));
            }
            if self.anchored {
                break;
            }
            at += 1;
        }
        Ok(None)
    }

    /// The match that begins at a position.
    ///
    /// # Errors
    /// As [`Matcher::find`].
    pub fn match_at(&mut self, start: usize) -> Result<Option<Match>, Fault> {
        self.captures.clear();
        self.depth = 0;
        let Some(end) = self.matches(start, 0)? else { return Ok(None) };
        let mut captures = Vec::with_capacity(self.captures.len());
        for capture in &self.captures {
            match capture {
                Open::Done(capture) => captures.push(*capture),
                Open::Unfinished(_) => return Err(Fault::Malformed("unfinished capture")),
            }
        }
        Ok(Some(Match { start, end, captures }))
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps = self.steps.checked_sub(1).ok_or(Fault::TooLong)?;
        Ok(())
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.pattern.get(at).copied()
    }

    fn matches(&mut self, at: usize, item: usize) -> Found {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Malformed("pattern too complex"));
        }
        let found = self.sequence(at, item);
        self.depth -= 1;
        found
    }

    fn sequence(&mut self, mut at: usize, mut item: usize) -> Found {
        loop {
            self.step()?;
            let Some(first) = self.byte(item) else { return Ok(Some(at)) };
            match (first, self.byte(item + 1)) {
                (b'(', Some(b')')) => {
                    return self.open(at, item + 2, Open::Done(Capture::Position(at)));
                }
                (b'(', _) => return self.open(at, item + 1, Open::Unfinished(at)),
                (b')', _) => return self.close(at, item + 1),
                (b'$', None) => return Ok((at == self.subject.len()).then_some(at)),
                (b'%', Some(b'b')) => match self.balanced(at, item + 2)? {
                    Some(end) => (at, item) = (end, item + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => {
                    item += 2;
                    if self.byte(item) != Some(b'[') {
                        return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
                    }
                    let end = self.class_end(item)?;
                    let before = at.checked_sub(1).and_then(|at| self.subject.get(at)).copied();
                    let now = self.subject.get(at).copied().unwrap_or(0);
                    let is_edge =
                        !self.in_set(before.unwrap_or(0), item, end) && self.in_set(now, item, end);
                    if !is_edge {
                        return Ok(None);
                    }
                    item = end;
                }
                (b'%', Some(digit @ b'0'..=b'9')) => match self.again(at, digit)? {
                    Some(end) => (at, item) = (end, item + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.class_end(item)?;
                    match self.byte(end) {
                        Some(b'?') => {
                            if self.single(at, item, end)
                                && let Some(found) = self.matches(at + 1, end + 1)?
                            {
                                return Ok(Some(found));
                            }
                            item = end + 1;
                        }
                        Some(b'+') => {
                            return match self.single(at, item, end) {
                                true => self.longest(at + 1, item, end),
                                false => Ok(None),
                            };
                        }
                        Some(b'*') => return self.longest(at, item, end),
                        Some(b'-') => return self.shortest(at, item, end),
                        _ if self.single(at, item, end) => (at, item) = (at + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn longest(&mut self, at: usize, item: usize, end: usize) -> Found {
        let mut count = 0;
        while self.single(at + count, item, end) {
            self.step()?;
            count += 1;
        }
        loop {
            if let Some(found) = self.matches(at + count, end + 1)? {
                return Ok(Some(found));
            }
            match count.checked_sub(1) {
                Some(less) => count = less,
                None => return Ok(None),
            }
        }
    }

    fn shortest(&mut self, mut at: usize, item: usize, end: usize) -> Found {
        loop {
            self.step()?;
            if let Some(found) = self.matches(at, end + 1)? {
                return Ok(Some(found));
            }
            if !self.single(at, item, end) {
                return Ok(None);
            }
            at += 1;
        }
    }

    fn open(&mut self, at: usize, item: usize, capture: Open) -> Found {
        if self.captures.len() >= MAX_CAPTURES {
            return Err(Fault::Malformed("too many captures"));
        }
        let level = self.captures.len();
        self.captures.push(capture);
        let found = self.matches(at, item)?;
        if found.is_none() {
            self.captures.truncate(level);
        }
        Ok(found)
    }

    fn close(&mut self, at: usize, item: usize) -> Found {
        let open = self.captures.iter().rposition(|open| matches!(open, Open::Unfinished(_)));
        let Some(level) = open else { return Err(Fault::Malformed("invalid pattern capture")) };
        let Some(slot) = self.captures.get_mut(level) else { return Ok(None) };
        let before = *slot;
        if let Open::Unfinished(start) = before {
            *slot = Open::Done(Capture::Text(start, at));
        }
        let found = self.matches(at, item)?;
        if found.is_none()
            && let Some(slot) = self.captures.get_mut(level)
        {
            *slot = before;
        }
        Ok(found)
    }

    /// `%bxy`.
    fn balanced(&mut self, at: usize, item: usize) -> Found {
        let (Some(open), Some(close)) = (self.byte(item), self.byte(item + 1)) else {
            return Err(Fault::Malformed("malformed pattern (missing arguments to '%b')"));
        };
        if self.subject.get(at) != Some(&open) {
            return Ok(None);
        }
        let mut level = 1usize;
        let mut end = at + 1;
        while let Some(&byte) = self.subject.get(end) {
            self.step()?;
            end += 1;
            if byte == close {
                level -= 1;
                if level == 0 {
                    return Ok(Some(end));
                }
            } else if byte == open {
                level += 1;
            }
        }
        Ok(None)
    }

    /// `%1`: what a capture holds, once more.
    fn again(&mut self, at: usize, digit: u8) -> Found {
        let level = usize::from(digit.wrapping_sub(b'1'));
        let Some(Open::Done(Capture::Text(start, end))) = self.captures.get(level).copied() else {
            return Err(Fault::Malformed("invalid capture index in pattern"));
        };
        let text = self.subject.get(start..end).unwrap_or_default();
        self.steps = self.steps.checked_sub(text.len() as u64 / 16).ok_or(Fault::TooLong)?;
        let is_there = self.subject.get(at..).unwrap_or_default().starts_with(text);
        Ok(is_there.then_some(at + text.len()))
    }

    /// Where the class that begins at `item` ends.
    fn class_end(&mut self, item: usize) -> Result<usize, Fault> {
        let mut at = item + 1;
        match self.byte(item) {
            Some(b'%') => match self.byte(at) {
                Some(_) => Ok(at + 1),
                None => Err(Fault::Malformed("malformed pattern (ends with '%')")),
            },
            Some(b'[') => {
                if self.byte(at) == Some(b'^') {
                    at += 1;
                }
                let mut is_first = true;
                loop {
                    self.step()?;
                    match self.byte(at) {
                        None => {
                            return Err(Fault::Malformed("malformed pattern (missing ']')"));
                        }
                        Some(b']') if !is_first => return Ok(at + 1),
                        Some(b'%') => at += 2,
                        Some(_) => at += 1,
                    }
                    is_first = false;
                }
            }
            _ => Ok(at),
        }
    }

    fn single(&self, at: usize, item: usize, end: usize) -> bool {
        let Some(&byte) = self.subject.get(at) else { return false };
        match self.byte(item) {
            Some(b'.') => true,
            Some(b'%') => self.byte(item + 1).is_some_and(|class| is_in_class(byte, class)),
            Some(b'[') => self.in_set(byte, item, end),
            other => other == Some(byte),
        }
    }

    /// Whether a byte is in the set `[...]` from `item` up to `end`, brackets among them.
    fn in_set(&self, byte: u8, item: usize, end: usize) -> bool {
        let last = end.saturating_sub(1);
        let mut at = item + 1;
        let negated = self.byte(at) == Some(b'^');
        if negated {
            at += 1;
        }
        let mut found = false;
        while at < last && !found {
            let Some(first) = self.byte(at) else { break };
            if first == b'%' {
                found = self.byte(at + 1).is_some_and(|class| is_in_class(byte, class));
                at += 2;
            } else if self.byte(at + 1) == Some(b'-') && at + 2 < last {
                let to = self.byte(at + 2).unwrap_or(first);
                found = (first..=to).contains(&byte);
                at += 3;
            } else {
                found = first == byte;
                at += 1;
            }
        }
        found != negated
    }
}

/// Whether a byte is of a class (`%a`); a letter that is none stands for itself.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_member = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    is_member != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(subject: &str, pattern: &str) -> Result<Option<Match>, Fault> {
        Matcher::new(subject.as_bytes(), pattern.as_bytes(), true, 100_000).find(0)
    }

    #[test]
    fn patterns_end_early_when_they_would_take_too_long() {
        let long = "a".repeat(5000);
        assert_eq!(find(&long, ".-.-.-.-b"), Err(Fault::TooLong));
        let mut exact = Matcher::new(long.as_bytes(), b"a+b", true, u64::MAX);
        assert_eq!(exact.find(0), Ok(None));
    }

    #[test]
    fn malformed_patterns_have_luas_words() {
        for (pattern, why) in [
            ("[a", "malformed pattern (missing ']')"),
            ("%", "malformed pattern (ends with '%')"),
            ("(a", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("%bx", "malformed pattern (missing arguments to '%b')"),
            ("%f", "missing '[' after '%f' in pattern"),
            ("%1", "invalid capture index in pattern"),
        ] {
            assert_eq!(find("aa", pattern), Err(Fault::Malformed(why)), "{pattern}");
        }
    }
}
