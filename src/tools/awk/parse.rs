//! Tokens to a program.

use std::collections::BTreeMap;

use super::lex::{Token, lex, wrong};
use imgfix_shell::Stop;

/// How deep expressions and statements may nest.
const MAX_DEPTH: usize = 200;

/// Something that can be assigned to.
#[derive(Debug, Clone)]
pub(super) enum Lvalue {
    Variable(String),
    Element(String, Vec<Expression>),
    Field(Box<Expression>),
}

#[derive(Debug, Clone)]
pub(super) enum Expression {
    Number(f64),
    String(Vec<u8>),
    /// Alone it is compared with the record.
    Regex(Vec<u8>),
    Lvalue(Lvalue),
    Assign(Lvalue, &'static str, Box<Expression>),
    Condition(Box<Expression>, Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    In(Vec<Expression>, String),
    Matches {
        text: Box<Expression>,
        pattern: Box<Expression>,
        inverted: bool,
    },
    Compare(&'static str, Box<Expression>, Box<Expression>),
    Concat(Box<Expression>, Box<Expression>),
    Arithmetic(&'static str, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    Step {
        lvalue: Lvalue,
        by: f64,
        before: bool,
    },
    Builtin(String, Vec<Expression>),
    Call(String, Vec<Expression>),
    /// `getline [lvalue] [< file]`, or from a command.
    Getline {
        lvalue: Option<Lvalue>,
        file: Option<Box<Expression>>,
        command: Option<Box<Expression>>,
    },
    Grouped(Box<Expression>),
}

/// Where output goes.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Output,
    File(Expression),
    Append(Expression),
}

#[derive(Debug, Clone)]
pub(super) enum Statement {
    Expression(Expression),
    Print(Vec<Expression>, Target),
    Printf(Vec<Expression>, Target),
    If(Expression, Box<Statement>, Option<Box<Statement>>),
    While(Expression, Box<Statement>),
    DoWhile(Box<Statement>, Expression),
    For(Option<Box<Statement>>, Option<Expression>, Option<Box<Statement>>, Box<Statement>),
    ForIn(String, String, Box<Statement>),
    Block(Vec<Statement>),
    Break,
    Continue,
    Next,
    Exit(Option<Expression>),
    Return(Option<Expression>),
    Delete(String, Option<Vec<Expression>>),
}

#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Always,
    When(Expression),
    Range(Expression, Expression),
}

#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) parameters: Vec<String>,
    pub(super) body: Statement,
}

/// A read program.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) begin: Vec<Statement>,
    pub(super) rules: Vec<(Pattern, Statement)>,
    pub(super) end: Vec<Statement>,
    pub(super) functions: BTreeMap<String, Function>,
}

const BUILTINS: &[&str] = &[
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "tolower", "toupper",
    "int", "system", "close", "fflush", "sqrt", "exp", "log", "sin", "cos", "atan2",
];

/// Reads a program.
pub(super) fn parse(text: &[u8]) -> Result<Program, Stop> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0, no_greater: false };
    parser.program()
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// `>` is where output goes.
    no_greater: bool,
}

type Parsed<T> = Result<T, Stop>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.peek(), Token::Operator(found) if *found == operator)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if *found == word)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accept(&mut self, operator: &str) -> bool {
        let found = self.is(operator);
        self.at += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, operator: &str) -> Parsed<()> {
        match self.accept(operator) {
            true => Ok(()),
            false => Err(wrong(&format!("no {operator} where one is expected"))),
        }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.take() {
            Token::Name(name) | Token::Call(name) => Ok(name),
            _ => Err(wrong("no name where one is expected")),
        }
    }

    fn newlines(&mut self) {
        while matches!(self.peek(), Token::Newline) {
            self.at += 1;
        }
    }

    fn separators(&mut self) {
        while matches!(self.peek(), Token::Newline) || self.is(";") {
            self.at += 1;
        }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => Err(wrong("parts nested too deep")),
            false => Ok(()),
        }
    }

    fn program(&mut self) -> Parsed<Program> {
        let mut program = Program::default();
        loop {
            self.separators();
            if matches!(self.peek(), Token::End) {
                return Ok(program);
            }
            if self.accept_word("BEGIN") {
                program.begin.push(self.block()?);
            } else if self.accept_word("END") {
                program.end.push(self.block()?);
            } else if self.accept_word("function") {
                let name = self.name()?;
                self.expect("(")?;
                let mut parameters = Vec::new();
                while !self.accept(")") {
                    self.newlines();
                    parameters.push(self.name()?);
                    self.accept(",");
                }
                self.newlines();
                let body = self.block()?;
                program.functions.insert(name, Function { parameters, body });
            } else {
                program.rules.push(self.rule()?);
            }
        }
    }

    fn rule(&mut self) -> Parsed<(Pattern, Statement)> {
        let pattern = match self.is("{") {
            true => Pattern::Always,
            false => {
                let from = self.expression()?;
                match self.accept(",") {
                    true => {
                        self.newlines();
                        Pattern::Range(from, self.expression()?)
                    }
                    false => Pattern::When(from),
                }
            }
        };
        let body = match self.is("{") {
            true => self.block()?,
            false => Statement::Print(Vec::new(), Target::Output),
        };
        Ok((pattern, body))
    }

    fn block(&mut self) -> Parsed<Statement> {
        self.expect("{")?;
        let mut all = Vec::new();
        loop {
            self.separators();
            if self.accept("}") {
                return Ok(Statement::Block(all));
            }
            all.push(self.statement()?);
        }
    }

    /// The body of a loop or condition.
    fn body(&mut self) -> Parsed<Statement> {
        self.newlines();
        match self.accept(";") {
            true => Ok(Statement::Block(Vec::new())),
            false => self.statement(),
        }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        self.deeper()?;
        let statement = self.any_statement();
        self.depth -= 1;
        statement
    }

    fn any_statement(&mut self) -> Parsed<Statement> {
        if self.is("{") {
            return self.block();
        }
        if self.accept_word("if") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            let then = self.body()?;
            let before = self.at;
            self.separators();
            let otherwise = match self.accept_word("else") {
                true => Some(Box::new(self.body()?)),
                false => {
                    self.at = before;
                    None
                }
            };
            return Ok(Statement::If(condition, Box::new(then), otherwise));
        }
        if self.accept_word("while") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            return Ok(Statement::While(condition, Box::new(self.body()?)));
        }
        if self.accept_word("do") {
            let body = self.body()?;
            self.separators();
            if !self.accept_word("while") {
                return Err(wrong("do without while"));
            }
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            return Ok(Statement::DoWhile(Box::new(body), condition));
        }
        if self.accept_word("for") {
            return self.for_loop();
        }
        let statement = self.simple()?;
        if !self.is("}") && !self.is(";") && !matches!(self.peek(), Token::Newline | Token::End) {
            return Err(wrong("something behind a statement"));
        }
        Ok(statement)
    }

    fn for_loop(&mut self) -> Parsed<Statement> {
        self.expect("(")?;
        let ahead = |at: usize| self.tokens.get(self.at + at);
        if let (Some(Token::Name(variable)), Some(Token::Word("in")), Some(Token::Name(array))) =
            (ahead(0), ahead(1), ahead(2))
            && ahead(3) == Some(&Token::Operator(")"))
        {
            let (variable, array) = (variable.clone(), array.clone());
            self.at += 4;
            return Ok(Statement::ForIn(variable, array, Box::new(self.body()?)));
        }
        let first = match self.is(";") {
            true => None,
            false => Some(Box::new(self.simple()?)),
        };
        self.expect(";")?;
        self.newlines();
        let condition = match self.is(";") {
            true => None,
            false => Some(self.expression()?),
        };
        self.expect(";")?;
        self.newlines();
        let step = match self.is(")") {
            true => None,
            false => Some(Box::new(self.simple()?)),
        };
        self.expect(")")?;
        Ok(Statement::For(first, condition, step, Box::new(self.body()?)))
    }

    fn ends(&self) -> bool {
        self.is(";") || self.is("}") || matches!(self.peek(), Token::Newline | Token::End)
    }

    fn simple(&mut self) -> Parsed<Statement> {
        let Token::Word(word) = *self.peek() else {
            return Ok(Statement::Expression(self.expression()?));
        };
        if word == "getline" {
            return Ok(Statement::Expression(self.expression()?));
        }
        self.at += 1;
        Ok(match word {
            "print" | "printf" => self.print(word == "printf")?,
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "next" => Statement::Next,
            "exit" | "return" => {
                let value = if self.ends() { None } else { Some(self.expression()?) };
                if word == "exit" { Statement::Exit(value) } else { Statement::Return(value) }
            }
            "delete" => {
                let name = self.name()?;
                let index = match self.accept("[") {
                    true => {
                        let index = self.list()?;
                        self.expect("]")?;
                        Some(index)
                    }
                    false => None,
                };
                Statement::Delete(name, index)
            }
            other => return Err(wrong(&format!("{other} in an unusual place"))),
        })
    }

    fn print(&mut self, formatted: bool) -> Parsed<Statement> {
        let before = std::mem::replace(&mut self.no_greater, true);
        let values = self.printed();
        self.no_greater = before;
        let values = values?;
        let target = if self.accept(">>") {
            Target::Append(self.concatenation()?)
        } else if self.accept(">") {
            Target::File(self.concatenation()?)
        } else if self.is("|") {
            return Err(wrong("output to a command"));
        } else {
            Target::Output
        };
        Ok(match formatted {
            true => Statement::Printf(values, target),
            false => Statement::Print(values, target),
        })
    }

    /// What is printed: a list, in parentheses or not.
    fn printed(&mut self) -> Parsed<Vec<Expression>> {
        if self.ends() || self.is(">") || self.is(">>") || self.is("|") {
            return Ok(Vec::new());
        }
        if self.is("(") {
            // Only when the parentheses hold everything are they those of the list.
            let start = self.at;
            self.at += 1;
            let outside = std::mem::take(&mut self.no_greater);
            let values = self.list();
            self.no_greater = outside;
            let values = values?;
            let closed = self.accept(")");
            if closed && (self.ends() || self.is(">") || self.is(">>") || self.is("|")) {
                return Ok(values);
            }
            self.at = start;
        }
        self.list()
    }

    fn list(&mut self) -> Parsed<Vec<Expression>> {
        let mut all = vec![self.expression()?];
        while self.accept(",") {
            self.newlines();
            all.push(self.expression()?);
        }
        Ok(all)
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let expression = self.assignment();
        self.depth -= 1;
        expression
    }

    fn assignment(&mut self) -> Parsed<Expression> {
        let left = self.condition()?;
        if let (Expression::Lvalue(lvalue), Token::Operator(operator)) = (&left, self.peek())
            && matches!(*operator, "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=")
        {
            let (lvalue, operator) = (lvalue.clone(), *operator);
            self.at += 1;
            self.newlines();
            return Ok(Expression::Assign(lvalue, operator, Box::new(self.expression()?)));
        }
        Ok(left)
    }

    fn condition(&mut self) -> Parsed<Expression> {
        let condition = self.or()?;
        if !self.accept("?") {
            return Ok(condition);
        }
        self.newlines();
        let then = self.expression()?;
        self.newlines();
        self.expect(":")?;
        self.newlines();
        let otherwise = self.expression()?;
        Ok(Expression::Condition(Box::new(condition), Box::new(then), Box::new(otherwise)))
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.accept("||") {
            self.newlines();
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.membership()?;
        while self.accept("&&") {
            self.newlines();
            left = Expression::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed<Expression> {
        let mut left = self.matching()?;
        while self.accept_word("in") {
            left = Expression::In(vec![left], self.name()?);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed<Expression> {
        let mut left = self.comparison()?;
        while self.is("~") || self.is("!~") {
            let inverted = self.is("!~");
            self.at += 1;
            let pattern = Box::new(self.comparison()?);
            left = Expression::Matches { text: Box::new(left), pattern, inverted };
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.concatenation()?;
        let operator = match self.peek() {
            Token::Operator(">") if self.no_greater => return Ok(left),
            Token::Operator(operator @ ("<" | "<=" | "==" | "!=" | ">" | ">=")) => *operator,
            Token::Operator("|") => return self.command_input(left),
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.concatenation()?;
        Ok(Expression::Compare(operator, Box::new(left), Box::new(right)))
    }

    fn command_input(&mut self, command: Expression) -> Parsed<Expression> {
        if self.tokens.get(self.at + 1) != Some(&Token::Word("getline")) {
            return Ok(command);
        }
        self.at += 2;
        let lvalue = self.optional_lvalue()?;
        Ok(Expression::Getline { lvalue, file: None, command: Some(Box::new(command)) })
    }

    fn concatenation(&mut self) -> Parsed<Expression> {
        let mut left = self.sum()?;
        while self.begins_value() {
            left = Expression::Concat(Box::new(left), Box::new(self.sum()?));
        }
        Ok(left)
    }

    fn begins_value(&self) -> bool {
        matches!(
            self.peek(),
            Token::Number(_)
                | Token::String(_)
                | Token::Regex(_)
                | Token::Name(_)
                | Token::Call(_)
                | Token::Operator("$" | "!" | "(" | "-" | "+" | "++" | "--")
        )
    }

    fn sum(&mut self) -> Parsed<Expression> {
        let mut left = self.product()?;
        loop {
            let operator = if self.accept("+") {
                "+"
            } else if self.accept("-") {
                "-"
            } else {
                return Ok(left);
            };
            left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Parsed<Expression> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.accept("*") {
                "*"
            } else if self.accept("/") {
                "/"
            } else if self.accept("%") {
                "%"
            } else {
                return Ok(left);
            };
            left = Expression::Arithmetic(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let found = if self.accept("!") {
            Ok(Expression::Not(Box::new(self.unary()?)))
        } else if self.accept("-") {
            Ok(Expression::Negative(Box::new(self.unary()?)))
        } else if self.accept("+") {
            Ok(Expression::Positive(Box::new(self.unary()?)))
        } else {
            self.power()
        };
        self.depth -= 1;
        found
    }

    fn power(&mut self) -> Parsed<Expression> {
        let base = self.step()?;
        match self.accept("^") {
            true => Ok(Expression::Arithmetic("^", Box::new(base), Box::new(self.unary()?))),
            false => Ok(base),
        }
    }

    fn step(&mut self) -> Parsed<Expression> {
        for (operator, by) in [("++", 1.0), ("--", -1.0)] {
            if self.accept(operator) {
                let Expression::Lvalue(lvalue) = self.primary()? else {
                    return Err(wrong("a step of something that is no variable"));
                };
                return Ok(Expression::Step { lvalue, by, before: true });
            }
        }
        let value = self.primary()?;
        if let Expression::Lvalue(lvalue) = &value {
            for (operator, by) in [("++", 1.0), ("--", -1.0)] {
                if self.accept(operator) {
                    return Ok(Expression::Step { lvalue: lvalue.clone(), by, before: false });
                }
            }
        }
        Ok(value)
    }

    fn optional_lvalue(&mut self) -> Parsed<Option<Lvalue>> {
        if !matches!(self.peek(), Token::Name(_)) && !self.is("$") {
            return Ok(None);
        }
        match self.primary()? {
            Expression::Lvalue(lvalue) => Ok(Some(lvalue)),
            _ => Err(wrong("getline into something that is no variable")),
        }
    }

    fn primary(&mut self) -> Parsed<Expression> {
        Ok(match self.take() {
            Token::Number(number) => Expression::Number(number),
            Token::String(text) => Expression::String(text),
            Token::Regex(pattern) => Expression::Regex(pattern),
            Token::Operator("$") => {
                self.deeper()?;
                let index = match self.is("++") || self.is("--") {
                    true => self.step()?,
                    false => self.primary_or_sign()?,
                };
                self.depth -= 1;
                Expression::Lvalue(Lvalue::Field(Box::new(index)))
            }
            Token::Operator("(") => self.parentheses()?,
            Token::Word("getline") => {
                let lvalue = self.optional_lvalue()?;
                let file = match self.accept("<") {
                    true => Some(Box::new(self.primary()?)),
                    false => None,
                };
                Expression::Getline { lvalue, file, command: None }
            }
            Token::Name(name) if name == "length" => {
                Expression::Builtin("length".into(), Vec::new())
            }
            Token::Name(name) if BUILTINS.contains(&&name[..]) => {
                return Err(wrong("a function without parentheses"));
            }
            Token::Name(name) => match self.accept("[") {
                true => {
                    let index = self.list()?;
                    self.expect("]")?;
                    Expression::Lvalue(Lvalue::Element(name, index))
                }
                false => Expression::Lvalue(Lvalue::Variable(name)),
            },
            Token::Call(name) => {
                self.expect("(")?;
                self.newlines();
                let outside = std::mem::take(&mut self.no_greater);
                let arguments = if self.is(")") { Vec::new() } else { self.list()? };
                self.no_greater = outside;
                self.newlines();
                self.expect(")")?;
                match BUILTINS.contains(&&name[..]) {
                    true => Expression::Builtin(name, arguments),
                    false => Expression::Call(name, arguments),
                }
            }
            _ => return Err(wrong("no value where one is expected")),
        })
    }

    /// What follows `$`.
    fn primary_or_sign(&mut self) -> Parsed<Expression> {
        match self.accept("-") {
            true => Ok(Expression::Negative(Box::new(self.primary()?))),
            false => self.primary(),
        }
    }

    fn parentheses(&mut self) -> Parsed<Expression> {
        let outside = std::mem::take(&mut self.no_greater);
        let mut all = self.list()?;
        self.expect(")")?;
        self.no_greater = outside;
        if all.len() == 1 {
            return Ok(Expression::Grouped(Box::new(all.remove(0))));
        }
        match self.accept_word("in") {
            true => Ok(Expression::In(all, self.name()?)),
            false => Err(wrong("a list in an unusual place")),
        }
    }
}
