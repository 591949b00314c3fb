//! Maintainer scripts as a tree: enough of the POSIX shell's grammar to see which commands an
//! upgrade reaches.
//!
//! In comes the text of a script; out come [`Node`]s with line numbers. Constructs that are
//! parsed but not evaluated (loops, arithmetic) stay in the tree as such, so that they matter
//! only where they are reached. Grammar: POSIX.1-2017, Shell Command Language, section 2.10.

/// How deep constructs may nest.
const MAX_DEPTH: usize = 64;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Simple(Simple),
    Not(Box<Node>),
    /// `first && second || third`: the operator is that before each further command.
    AndOr(Box<Node>, Vec<(Operator, Node)>),
    Pipeline(Vec<Node>),
    /// Conditions with their bodies, and what `else` has.
    If(Vec<(Vec<Node>, Vec<Node>)>, Vec<Node>),
    Case {
        subject: Word,
        arms: Vec<(Vec<Word>, Vec<Node>)>,
    },
    Group(Vec<Node>, Vec<Redirect>),
    Subshell(Vec<Node>, Vec<Redirect>),
    Function {
        name: String,
        body: Box<Node>,
    },
    /// Parsed, not evaluated.
    Unsupported {
        line: u32,
        what: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    And,
    Or,
}

/// Assignments, then a command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    pub line: u32,
    pub assignments: Vec<(String, Word)>,
    pub words: Vec<Word>,
    pub redirects: Vec<Redirect>,
}

/// Output to (or input from) somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub direction: Direction,
    pub target: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
    /// `>&2`
    Duplicate,
}

/// A word before expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Literal {
        text: String,
        quoted: bool,
    },
    Variable {
        name: String,
        default: Option<Box<Word>>,
        quoted: bool,
    },
    Substitution {
        body: Vec<Node>,
        quoted: bool,
    },
    /// An expansion whose value is not worked out.
    Opaque {
        quoted: bool,
    },
}

/// Why a script could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub line: u32,
    pub problem: String,
}

/// Parses a script.
///
/// # Errors
/// The first thing that is not shell, or not this shell.
pub fn parse(text: &str) -> Result<Vec<Node>, SyntaxError> {
    let mut parser =
        Parser { text: text.chars().collect(), at: 0, line: 1, depth: 0, heredocs: Vec::new() };
    let nodes = parser.list(&[])?;
    match parser.peek() {
        None => Ok(nodes),
        Some(found) => Err(parser.error(format!("unexpected {found:?}"))),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    line: u32,
    depth: usize,
    /// Delimiters of here-documents whose text comes after this line, with `<<-`'s tabs.
    heredocs: Vec<(String, bool)>,
}

const RESERVED: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn error(&self, problem: impl Into<String>) -> SyntaxError {
        SyntaxError { line: self.line, problem: problem.into() }
    }

    fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("constructs nest too deep"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Blanks, line continuations and comments.
    fn blanks(&mut self) {
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(' ' | '\t' | '\r'), _) => self.at += 1,
                (Some('\\'), Some('\n')) => {
                    self.next();
                    self.next();
                }
                (Some('#'), _) => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Newlines too, with the here-documents they start.
    fn newlines(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return Ok(());
            }
            self.next();
            self.skip_heredocs()?;
        }
    }

    fn skip_heredocs(&mut self) -> Result<(), SyntaxError> {
        for (delimiter, strip) in std::mem::take(&mut self.heredocs) {
            loop {
                if self.peek().is_none() {
                    return Err(self.error(format!("the here-document {delimiter:?} has no end")));
                }
                let mut line = String::new();
                while let Some(c) = self.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                let line = if strip { line.trim_start_matches('\t') } else { &line };
                if line == delimiter {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether the reserved word `word` is next.
    fn at_word(&self, word: &str) -> bool {
        let mut at = self.at;
        for c in word.chars() {
            if self.text.get(at) != Some(&c) {
                return false;
            }
            at += 1;
        }
        self.text.get(at).is_none_or(|c| c.is_whitespace() || ";&|()<>".contains(*c))
    }

    fn take_word(&mut self, word: &'static str) -> bool {
        self.blanks();
        let there = self.at_word(word);
        if there {
            self.at += word.len();
        }
        there
    }

    fn expect_word(&mut self, word: &'static str) -> Result<(), SyntaxError> {
        self.newlines()?;
        if self.take_word(word) { Ok(()) } else { Err(self.error(format!("expected {word:?}"))) }
    }

    /// Commands up to one of the words (which stays), `)`, `;;` or the end.
    fn list(&mut self, until: &[&str]) -> Result<Vec<Node>, SyntaxError> {
        self.deeper(|parser| {
            let mut nodes = Vec::new();
            loop {
                parser.newlines()?;
                let Some(c) = parser.peek() else { return Ok(nodes) };
                if c == ')' || (c == ';' && parser.peek_at(1) == Some(';')) {
                    return Ok(nodes);
                }
                if until.iter().any(|word| parser.at_word(word)) {
                    return Ok(nodes);
                }
                if let Some(word) = RESERVED.iter().find(|word| parser.at_word(word)) {
                    return Err(parser.error(format!("unexpected {word:?}")));
                }
                let node = parser.and_or()?;
                parser.blanks();
                match (parser.peek(), parser.peek_at(1)) {
                    (Some(';'), Some(';')) => {}
                    (Some(';'), _) => parser.at += 1,
                    (Some('&'), _) => {
                        parser.at += 1;
                        let what = "a command in the background";
                        nodes.push(Node::Unsupported { line: parser.line, what });
                    }
                    (Some('\n' | ')') | None, _) => {}
                    (Some(found), _) => {
                        return Err(parser.error(format!("unexpected {found:?}")));
                    }
                }
                nodes.push(node);
            }
        })
    }

    fn and_or(&mut self) -> Result<Node, SyntaxError> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let operator = match (self.peek(), self.peek_at(1)) {
                (Some('&'), Some('&')) => Operator::And,
                (Some('|'), Some('|')) => Operator::Or,
                _ => break,
            };
            self.at += 2;
            self.newlines()?;
            rest.push((operator, self.pipeline()?));
        }
        Ok(if rest.is_empty() { first } else { Node::AndOr(Box::new(first), rest) })
    }

    fn pipeline(&mut self) -> Result<Node, SyntaxError> {
        self.blanks();
        let negated = self.take_word("!");
        let mut commands = vec![self.command()?];
        loop {
            self.blanks();
            if self.peek() != Some('|') || self.peek_at(1) == Some('|') {
                break;
            }
            self.at += 1;
            self.newlines()?;
            commands.push(self.command()?);
        }
        let node = match commands.len() {
            1 => commands.remove(0),
            _ => Node::Pipeline(commands),
        };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn command(&mut self) -> Result<Node, SyntaxError> {
        self.blanks();
        let line = self.line;
        if self.take_word("if") {
            return self.if_clause();
        }
        if self.take_word("case") {
            return self.case_clause();
        }
        if self.take_word("for") {
            self.blanks();
            while self.peek().is_some_and(|c| c != '\n' && c != ';') {
                self.word()?;
                self.blanks();
            }
            if self.peek() == Some(';') {
                self.at += 1;
            }
            return self.loop_body(line);
        }
        if self.take_word("while") || self.take_word("until") {
            self.list(&["do"])?;
            return self.loop_body(line);
        }
        if self.take_word("{") {
            let body = self.list(&["}"])?;
            self.expect_word("}")?;
            return Ok(Node::Group(body, self.redirects()?));
        }
        if self.peek() == Some('(') {
            self.at += 1;
            let body = self.list(&[])?;
            self.expect_char(')')?;
            return Ok(Node::Subshell(body, self.redirects()?));
        }
        self.simple()
    }

    fn expect_char(&mut self, want: char) -> Result<(), SyntaxError> {
        self.newlines()?;
        if self.peek() == Some(want) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(format!("expected {want:?}")))
    }

    fn if_clause(&mut self) -> Result<Node, SyntaxError> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let condition = self.list(&["then"])?;
            self.expect_word("then")?;
            let body = self.list(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            if !self.take_word("elif") {
                break;
            }
        }
        if self.take_word("else") {
            otherwise = self.list(&["fi"])?;
        }
        self.expect_word("fi")?;
        self.no_redirects(Node::If(branches, otherwise))
    }

    fn case_clause(&mut self) -> Result<Node, SyntaxError> {
        self.blanks();
        let subject = self.word()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.take_word("esac") {
                break;
            }
            if self.peek() == Some('(') {
                self.at += 1;
            }
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word()?);
                self.blanks();
                match self.next() {
                    Some('|') => {}
                    Some(')') => break,
                    _ => return Err(self.error("expected a pattern and \")\"")),
                }
            }
            let body = self.list(&["esac"])?;
            arms.push((patterns, body));
            self.blanks();
            if self.peek() == Some(';') && self.peek_at(1) == Some(';') {
                self.at += 2;
            }
        }
        self.no_redirects(Node::Case { subject, arms })
    }

    fn loop_body(&mut self, line: u32) -> Result<Node, SyntaxError> {
        self.expect_word("do")?;
        self.list(&["done"])?;
        self.expect_word("done")?;
        self.redirects()?;
        Ok(Node::Unsupported { line, what: "a loop" })
    }

    fn no_redirects(&mut self, node: Node) -> Result<Node, SyntaxError> {
        let redirects = self.redirects()?;
        Ok(if redirects.is_empty() { node } else { Node::Group(vec![node], redirects) })
    }

    fn redirects(&mut self) -> Result<Vec<Redirect>, SyntaxError> {
        let mut out = Vec::new();
        while let Some(redirect) = self.redirect()? {
            out.push(redirect);
        }
        Ok(out)
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, SyntaxError> {
        self.blanks();
        let mut ahead = 0;
        while self.peek_at(ahead).is_some_and(|c| c.is_ascii_digit()) {
            ahead += 1;
        }
        let Some(sign @ ('<' | '>')) = self.peek_at(ahead) else { return Ok(None) };
        self.at += ahead + 1;
        if sign == '<' && self.peek() == Some('<') {
            self.at += 1;
            let strip = self.peek() == Some('-');
            self.at += usize::from(strip);
            self.blanks();
            let delimiter = self.word()?;
            self.heredocs.push((plain_text(&delimiter), strip));
            let target = Word::default();
            return Ok(Some(Redirect { direction: Direction::Input, target }));
        }
        let direction = match (sign, self.peek()) {
            (_, Some('&')) => Direction::Duplicate,
            ('>', _) => Direction::Output,
            _ => Direction::Input,
        };
        if matches!(self.peek(), Some('&' | '>' | '|')) {
            self.at += 1;
        }
        self.blanks();
        Ok(Some(Redirect { direction, target: self.word()? }))
    }

    fn simple(&mut self) -> Result<Node, SyntaxError> {
        let line = self.line;
        let mut simple =
            Simple { line, assignments: Vec::new(), words: Vec::new(), redirects: Vec::new() };
        loop {
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => return self.function(&simple),
                Some(_) => {}
            }
            if simple.words.is_empty()
                && let Some(name) = self.assignment_name()
            {
                self.at += name.chars().count() + 1;
                let value = match self.peek() {
                    None => Word::default(),
                    Some(c) if c.is_whitespace() || ";&|)".contains(c) => Word::default(),
                    Some(_) => self.word()?,
                };
                simple.assignments.push((name, value));
                continue;
            }
            simple.words.push(self.word()?);
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            return Err(self.error("expected a command"));
        }
        Ok(Node::Simple(simple))
    }

    fn assignment_name(&self) -> Option<String> {
        let name: String = self
            .text
            .get(self.at..)?
            .iter()
            .take_while(|c| c.is_ascii_alphanumeric() || **c == '_')
            .collect();
        let starts_well = name.starts_with(|c: char| !c.is_ascii_digit());
        (starts_well && self.peek_at(name.chars().count()) == Some('=')).then_some(name)
    }

    fn function(&mut self, simple: &Simple) -> Result<Node, SyntaxError> {
        let name = match simple.words.as_slice() {
            [name] if simple.assignments.is_empty() => plain_text(name),
            _ => return Err(self.error("unexpected '('")),
        };
        self.at += 1;
        self.expect_char(')')?;
        self.newlines()?;
        let body = self.deeper(Self::command)?;
        Ok(Node::Function { name, body: Box::new(body) })
    }

    /// One word, at least a character long.
    fn word(&mut self) -> Result<Word, SyntaxError> {
        let start = self.at;
        let mut word = Word::default();
        loop {
            match self.peek() {
                None => break,
                Some(c) if c.is_whitespace() || ";&|()<>".contains(c) => break,
                Some('\'') => {
                    self.at += 1;
                    let text = self.until_quote()?;
                    word.parts.push(Part::Literal { text, quoted: true });
                }
                Some('"') => {
                    self.at += 1;
                    self.double_quoted(&mut word)?;
                }
                Some('\\') => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') => {}
                        Some(c) => word.parts.push(literal(c, true)),
                        None => return Err(self.error("a backslash at the end")),
                    }
                }
                Some('$' | '`') => {
                    let part = self.expansion(false)?;
                    word.parts.push(part);
                }
                Some(c) => {
                    self.at += 1;
                    push_char(&mut word, c, false);
                }
            }
        }
        if self.at == start {
            return Err(self.error("expected a word"));
        }
        Ok(word)
    }

    fn until_quote(&mut self) -> Result<String, SyntaxError> {
        let line = self.line;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(SyntaxError { line, problem: "a quote without end".into() }),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<(), SyntaxError> {
        let line = self.line;
        // An empty string is a word too.
        word.parts.push(Part::Literal { text: String::new(), quoted: true });
        loop {
            match self.peek() {
                None => return Err(SyntaxError { line, problem: "a quote without end".into() }),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => {
                    self.at += 1;
                    match self.next() {
                        Some('\n') => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => push_char(word, c, true),
                        Some(c) => {
                            push_char(word, '\\', true);
                            push_char(word, c, true);
                        }
                        None => {}
                    }
                }
                Some('$' | '`') => {
                    let part = self.expansion(true)?;
                    word.parts.push(part);
                }
                Some(_) => {
                    if let Some(c) = self.next() {
                        push_char(word, c, true);
                    }
                }
            }
        }
    }

    /// What starts with `$` or a backquote.
    fn expansion(&mut self, quoted: bool) -> Result<Part, SyntaxError> {
        let Some(sign) = self.next() else { return Err(self.error("expected an expansion")) };
        if sign == '`' {
            return self.backquoted(quoted);
        }
        match self.peek() {
            Some('(') if self.peek_at(1) == Some('(') => {
                self.balanced('(', ')')?;
                Ok(Part::Opaque { quoted })
            }
            Some('(') => {
                self.at += 1;
                let body = self.list(&[])?;
                self.expect_char(')')?;
                Ok(Part::Substitution { body, quoted })
            }
            Some('{') => self.braced(quoted),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.at += 1;
                }
                Ok(Part::Variable { name, default: None, quoted })
            }
            Some(c) if c.is_ascii_digit() || "@*#?-$!".contains(c) => {
                self.at += 1;
                Ok(Part::Variable { name: c.to_string(), default: None, quoted })
            }
            _ => Ok(literal('$', quoted)),
        }
    }

    /// The inner script of backquotes is parsed like that of `$(...)`, after its escapes.
    fn backquoted(&mut self, quoted: bool) -> Result<Part, SyntaxError> {
        let line = self.line;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('`') => break,
                Some('\\') => match self.next() {
                    Some(c @ ('$' | '`' | '\\')) => text.push(c),
                    Some(c) => text.extend(['\\', c]),
                    None => {}
                },
                Some(c) => text.push(c),
                None => {
                    return Err(SyntaxError { line, problem: "a backquote without end".into() });
                }
            }
        }
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(self.error("constructs nest too deep"));
        }
        let mut inner =
            Parser { text: text.chars().collect(), at: 0, line, depth, heredocs: Vec::new() };
        let body = inner.list(&[])?;
        if inner.peek().is_some() {
            return Err(inner.error("not understood"));
        }
        Ok(Part::Substitution { body, quoted })
    }

    /// `${...}`: plain and with a default; other forms are opaque.
    fn braced(&mut self, quoted: bool) -> Result<Part, SyntaxError> {
        let inside = self.balanced('{', '}')?;
        let name: String =
            inside.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let rest = inside.get(name.len()..).unwrap_or_default();
        if name.is_empty() {
            return Ok(Part::Opaque { quoted });
        }
        if rest.is_empty() {
            return Ok(Part::Variable { name, default: None, quoted });
        }
        let plain = |text: &str| !text.contains(['$', '`', '"', '\'', '\\']);
        match rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')) {
            Some(text) if plain(text) => {
                let part = Part::Literal { text: text.to_owned(), quoted: true };
                let default = Some(Box::new(Word { parts: vec![part] }));
                Ok(Part::Variable { name, default, quoted })
            }
            _ => Ok(Part::Opaque { quoted }),
        }
    }

    /// The text between a pair of brackets that may nest.
    fn balanced(&mut self, open: char, close: char) -> Result<String, SyntaxError> {
        let line = self.line;
        let mut text = String::new();
        let mut depth = 0_usize;
        while let Some(c) = self.next() {
            if c == '\\' {
                text.push(c);
                text.extend(self.next());
                continue;
            }
            if c == close {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(text);
                }
            }
            if depth > 0 {
                text.push(c);
            }
            if c == open {
                depth += 1;
            }
        }
        Err(SyntaxError { line, problem: format!("a {open:?} without end") })
    }
}

fn literal(c: char, quoted: bool) -> Part {
    Part::Literal { text: c.to_string(), quoted }
}

fn push_char(word: &mut Word, c: char, quoted: bool) {
    match word.parts.last_mut() {
        Some(Part::Literal { text, quoted: same }) if *same == quoted => text.push(c),
        _ => word.parts.push(literal(c, quoted)),
    }
}

/// The literal text of a word, expansions left out.
pub fn plain_text(word: &Word) -> String {
    word.parts
        .iter()
        .filter_map(|part| match part {
            Part::Literal { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn real_scripts_are_parsed() {
        for script in [
            "#!/bin/sh\nset -e\nif [ \"$1\" = x ] && ! test -e /a; then\n:\nelif true; then a; else b; fi\n",
            "case \"$1\" in\n  a|b) x;;\n  (c)\n y\n ;;\n *)\n exit 1\nesac\n",
            "f() {\n  local a=$1 b\n  return 0\n}\nf \"$@\" >/dev/null 2>&1 || true\n",
            "cat <<EOF\nif then $(\nEOF\necho `which a` ${b:-c} ${d%%x} $((1+2))\n",
            "for i in a b; do echo $i; done\nwhile read x; do :; done < /etc/passwd\n",
            "x=1 y= cmd a\\ b 'c d' \"e $f\"\n(cd /; ls) | grep -q x && { y; }\n",
            "for s; do\n x\ndone\n",
        ] {
            parse(script).unwrap_or_else(|error| panic!("{script}: {error:?}"));
        }
    }

    #[test]
    fn lines_are_known() {
        let nodes = parse("#!/bin/sh\n\ncat <<E\nx\nE\nfoo\n").unwrap();
        let Some(Node::Simple(simple)) = nodes.last() else { panic!("{nodes:?}") };
        assert_eq!(simple.line, 6);
        assert_eq!(parse("a\nif b; then\n").unwrap_err().line, 3);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn near_shell_never_panics(
            text in "((if|then|fi|case|in|esac|\\{|\\}|do|done|while|f\\(\\)|\\$\\(|\\$\\{|`|'|\"|<<E|;;|&&|\\||a|=|x)[ \n;]?){0,40}"
        ) {
            let _ = parse(&text);
        }
    }
}
