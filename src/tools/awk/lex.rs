//! Tokens of an awk program.

use imgfix_shell::Stop;

/// A token. Operators and reserved words are kept as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    String(Vec<u8>),
    Regex(Vec<u8>),
    Name(String),
    /// A name with a parenthesis right behind it.
    Call(String),
    Word(&'static str),
    Operator(&'static str),
    Newline,
    End,
}

const WORDS: &[&str] = &[
    "BEGIN", "END", "function", "if", "else", "while", "for", "do", "break", "continue", "next",
    "nextfile", "exit", "return", "delete", "in", "getline", "print", "printf",
];

/// Longest first.
const OPERATORS: &[&str] = &[
    "**=", "**", "^=", "+=", "-=", "*=", "/=", "%=", "==", "<=", ">=", "!=", "++", "--", "&&",
    "||", ">>", "!~", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!",
    "<", ">", "|", "?", ":", "~", "$", "=",
];

/// Reads a program.
pub(super) fn lex(text: &[u8]) -> Result<Vec<Token>, Stop> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\n' => {
                out.push(Token::Newline);
                at += 1;
            }
            b'\\' if text.get(at + 1) == Some(&b'\n') => at += 2,
            b'#' => {
                while text.get(at).is_some_and(|&b| b != b'\n') {
                    at += 1;
                }
            }
            b'"' => {
                let (string, end) = string(text, at + 1)?;
                out.push(Token::String(string));
                at = end;
            }
            b'/' if regex_may_begin(out.last()) => {
                let (regex, end) = regex(text, at + 1)?;
                out.push(Token::Regex(regex));
                at = end;
            }
            b'0'..=b'9' | b'.' => {
                let (number, length) =
                    super::value::leading_number(text.get(at..).unwrap_or_default());
                if length == 0 {
                    return Err(wrong("a lonely period"));
                }
                out.push(Token::Number(number));
                at += length;
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                let rest = text.get(at..).unwrap_or_default();
                let length =
                    rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                let name = String::from_utf8_lossy(rest.get(..length).unwrap_or_default());
                at += length;
                let word = WORDS
                    .iter()
                    .find(|word| **word == name || (name == "func" && **word == "function"));
                out.push(match word {
                    Some(word) => Token::Word(word),
                    None if text.get(at) == Some(&b'(') => Token::Call(name.into_owned()),
                    None => Token::Name(name.into_owned()),
                });
            }
            _ => {
                let rest = text.get(at..).unwrap_or_default();
                let operator =
                    OPERATORS.iter().find(|operator| rest.starts_with(operator.as_bytes()));
                let operator = *operator.ok_or_else(|| wrong("an unknown character"))?;
                at += operator.len();
                out.push(Token::Operator(match operator {
                    "**" => "^",
                    "**=" => "^=",
                    other => other,
                }));
            }
        }
    }
    out.push(Token::Newline);
    out.push(Token::End);
    Ok(out)
}

pub(super) fn wrong(what: &str) -> Stop {
    Stop::new(format!("awk with a program that has {what}"))
}

/// A slash divides behind a value and begins an expression elsewhere.
fn regex_may_begin(last: Option<&Token>) -> bool {
    !matches!(
        last,
        Some(
            Token::Number(_)
                | Token::String(_)
                | Token::Name(_)
                | Token::Operator(")" | "]" | "$" | "++" | "--")
        )
    )
}

fn regex(text: &[u8], from: usize) -> Result<(Vec<u8>, usize), Stop> {
    let mut out = Vec::new();
    let mut at = from;
    let mut bracket = false;
    loop {
        let &byte = text
            .get(at)
            .filter(|b| **b != b'\n')
            .ok_or_else(|| wrong("a pattern that does not end"))?;
        at += 1;
        match byte {
            b'/' if !bracket => return Ok((out, at)),
            b'\\' => {
                let &next = text.get(at).ok_or_else(|| wrong("a pattern that does not end"))?;
                at += 1;
                if next == b'/' {
                    out.push(b'/');
                } else {
                    out.extend([b'\\', next]);
                }
                continue;
            }
            b'[' => bracket = true,
            b']' => bracket = false,
            _ => {}
        }
        out.push(byte);
    }
}

fn string(text: &[u8], from: usize) -> Result<(Vec<u8>, usize), Stop> {
    let mut at = from;
    loop {
        match text.get(at) {
            Some(b'"') => break,
            Some(b'\\') => at += 2,
            Some(b'\n') | None => return Err(wrong("a string that does not end")),
            Some(_) => at += 1,
        }
    }
    let inside = text.get(from..at).unwrap_or_default();
    Ok((unescaped(inside), at + 1))
}

/// A string without its escapes. An unknown one keeps its backslash, as mawk does.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&next) = text.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match next {
            b'"' | b'\\' => out.push(next),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'a' => out.push(0x07),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'v' => out.push(0x0b),
            b'\n' => {}
            b'0'..=b'7' => {
                let digits =
                    text.iter().skip(at - 1).take(3).take_while(|b| (b'0'..=b'7').contains(b));
                let digits: Vec<u32> = digits.map(|b| u32::from(b - b'0')).collect();
                let value = digits.iter().fold(0, |value, digit| value * 8 + digit);
                out.push(u8::try_from(value & 0xff).unwrap_or(0));
                at += digits.len() - 1;
            }
            b'x' if text.get(at).is_some_and(u8::is_ascii_hexdigit) => {
                let digits = text.iter().skip(at).take(2).take_while(|b| b.is_ascii_hexdigit());
                let digits: Vec<u8> = digits.copied().collect();
                let value = u8::from_str_radix(&String::from_utf8_lossy(&digits), 16);
                out.push(value.unwrap_or(0));
                at += digits.len();
            }
            other => out.extend([b'\\', other]),
        }
    }
    out
}
