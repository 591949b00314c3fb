//! Compound commands: `if`, `case`, loops, groups, functions, and bash's `[[` and `((`.

use bstr::BString;

use super::parser::{Parsed, Parser, ends_word};
use super::tree::{Arm, ArmEnd, Condition, Goes, Kind, Word};
use super::{Dialect, is_name};

impl Parser<'_> {
    /// A compound command, if one is next.
    pub(super) fn compound(&mut self) -> Parsed<Option<Kind>> {
        let bash = self.dialect == Dialect::Bash;
        if bash && self.rest().starts_with(b"((") {
            self.at += 2;
            return Ok(Some(Kind::Arithmetic(self.arithmetic_text(b"))")?)));
        }
        if self.peek() == Some(b'(') {
            self.at += 1;
            let list = self.body(&[])?;
            self.expect_parenthesis()?;
            return Ok(Some(Kind::Subshell(list)));
        }
        if self.take_word("{") {
            let list = self.body(&["}"])?;
            self.expect_word("}")?;
            return Ok(Some(Kind::Group(list)));
        }
        if self.take_word("if") {
            return self.if_clause().map(Some);
        }
        if self.take_word("case") {
            return self.case_clause().map(Some);
        }
        if self.take_word("for") {
            return self.for_clause().map(Some);
        }
        for (word, goes) in [("while", Goes::While), ("until", Goes::Until)] {
            if self.take_word(word) {
                let condition = self.body(&["do"])?;
                let body = self.do_group()?;
                return Ok(Some(Kind::Loop { goes, condition, body }));
            }
        }
        if self.dialect != Dialect::Posix && self.take_word("function") {
            return self.function_clause().map(Some);
        }
        if bash && self.take_word("[[") {
            let condition = self.condition_or()?;
            self.expect_word("]]")?;
            return Ok(Some(Kind::Condition(condition)));
        }
        if bash {
            for word in ["select", "coproc", "time"] {
                if self.at_word(word) {
                    return Err(self.error(format!("{word:?} is not evaluated")));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn expect_parenthesis(&mut self) -> Parsed<()> {
        self.newlines()?;
        match self.take(")") {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }

    fn do_group(&mut self) -> Parsed<Vec<super::tree::AndOr>> {
        self.expect_word("do")?;
        let body = self.body(&["done"])?;
        self.expect_word("done")?;
        Ok(body)
    }

    fn if_clause(&mut self) -> Parsed<Kind> {
        let mut branches = Vec::new();
        let mut otherwise = None;
        loop {
            let condition = self.body(&["then"])?;
            self.expect_word("then")?;
            branches.push((condition, self.body(&["elif", "else", "fi"])?));
            if !self.take_word("elif") {
                break;
            }
        }
        if self.take_word("else") {
            otherwise = Some(self.body(&["fi"])?);
        }
        self.expect_word("fi")?;
        Ok(Kind::If { branches, otherwise })
    }

    fn case_clause(&mut self) -> Parsed<Kind> {
        self.blanks();
        let subject = self.required_word()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.newlines()?;
            if self.take_word("esac") {
                return Ok(Kind::Case { subject, arms });
            }
            self.take("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.required_word()?);
                self.blanks();
                match self.peek() {
                    Some(b'|') => self.at += 1,
                    Some(b')') => {
                        self.at += 1;
                        break;
                    }
                    _ => return Err(self.unexpected()),
                }
            }
            let body = self.list(&["esac"])?;
            let end = self.arm_end()?;
            arms.push(Arm { patterns, body, end });
        }
    }

    fn arm_end(&mut self) -> Parsed<ArmEnd> {
        if self.dialect == Dialect::Bash {
            if self.take(";;&") {
                return Ok(ArmEnd::TestNext);
            }
            if self.take(";&") {
                return Ok(ArmEnd::FallThrough);
            }
        }
        if self.take(";;") || self.at_word("esac") {
            return Ok(ArmEnd::Leave);
        }
        Err(self.unexpected())
    }

    fn for_clause(&mut self) -> Parsed<Kind> {
        self.blanks();
        if self.dialect == Dialect::Bash && self.take("((") {
            let start = self.arithmetic_text(b";")?;
            let condition = self.arithmetic_text(b";")?;
            let step = self.arithmetic_text(b"))")?;
            self.blanks();
            self.take(";");
            let body = self.do_group()?;
            return Ok(Kind::ArithmeticFor { start, condition, step, body });
        }
        let name = self.required_word()?;
        let Some(name) = name.bare().filter(|name| is_name(name)) else {
            return Err(self.error("a loop's variable has no proper name"));
        };
        let name = BString::from(name);
        self.newlines()?;
        let mut words = None;
        if self.take_word("in") {
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    Some(b) if !ends_word(b) || self.at_process_substitution() => {
                        list.push(self.word()?);
                    }
                    Some(b';' | b'\n') => break,
                    _ => return Err(self.unexpected()),
                }
            }
            self.take(";");
            words = Some(list);
        } else {
            self.take(";");
        }
        let body = self.do_group()?;
        Ok(Kind::For { name, words, body })
    }

    fn function_clause(&mut self) -> Parsed<Kind> {
        self.blanks();
        let line = self.line;
        let name = self.required_word()?;
        let Some(name) = name.bare().map(<[u8]>::to_vec) else {
            return Err(self.error("a function's name has quotes or expansions"));
        };
        self.blanks();
        if self.take("(") {
            self.blanks();
            if !self.take(")") {
                return Err(self.unexpected());
            }
        }
        Ok(self.function_body(name, line)?.kind)
    }

    fn required_word(&mut self) -> Parsed<Word> {
        match self.peek() {
            Some(b) if !ends_word(b) => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    fn condition_or(&mut self) -> Parsed<Condition> {
        self.deeper(|parser| {
            let mut left = parser.condition_and()?;
            loop {
                parser.newlines()?;
                if !parser.take("||") {
                    return Ok(left);
                }
                left = Condition::Or(Box::new(left), Box::new(parser.condition_and()?));
            }
        })
    }

    fn condition_and(&mut self) -> Parsed<Condition> {
        let mut left = self.condition_primary()?;
        loop {
            self.newlines()?;
            if !self.take("&&") {
                return Ok(left);
            }
            left = Condition::And(Box::new(left), Box::new(self.condition_primary()?));
        }
    }

    fn condition_primary(&mut self) -> Parsed<Condition> {
        self.newlines()?;
        if self.take_word("!") {
            return self.deeper(|parser| Ok(Condition::Not(Box::new(parser.condition_primary()?))));
        }
        if self.take("(") {
            let inner = self.condition_or()?;
            self.expect_parenthesis()?;
            return Ok(inner);
        }
        let left = self.required_word()?;
        self.blanks();
        let unary = left.bare().is_some_and(|op| op.len() == 2 && op.starts_with(b"-"));
        if unary && !self.condition_ends() {
            let operator = left.bare().unwrap_or_default().into();
            return Ok(Condition::Unary(operator, self.required_word()?));
        }
        if self.condition_ends() {
            return Ok(Condition::Unary("-n".into(), left));
        }
        let operator = match self.peek() {
            Some(b @ (b'<' | b'>')) => {
                self.at += 1;
                BString::from(vec![b])
            }
            _ => {
                let word = self.required_word()?;
                let Some(operator) = word.bare() else { return Err(self.unexpected()) };
                operator.into()
            }
        };
        self.blanks();
        let right = match &operator[..] {
            b"=~" => self.regex_word()?,
            _ => self.required_word()?,
        };
        Ok(Condition::Binary(left, operator, right))
    }

    fn condition_ends(&self) -> bool {
        self.at_word("]]")
            || self.rest().starts_with(b"&&")
            || self.rest().starts_with(b"||")
            || matches!(self.peek(), Some(b')' | b'\n') | None)
    }
}
