//! `(( ... ))`, `for (( ... ))` and `let`.

use bstr::BString;

use crate::shell::Shell;
use crate::shell::evaluate::Round;
use crate::shell::flow::{Eval, Failure};
use crate::syntax::tree::{AndOr, Word};

impl Shell<'_> {
    /// The status of an expression: 0 when its value is not zero.
    pub(in crate::shell) fn arithmetic_command(&mut self, word: &Word) -> Eval {
        let text = self.expand_quoted(word)?;
        Ok(u8::from(self.arithmetic(&text)? == 0))
    }

    pub(in crate::shell) fn arithmetic_for(
        &mut self,
        (start, condition, step): (&Word, &Word, &Word),
        body: &[AndOr],
        failure: Failure,
    ) -> Eval {
        self.expression(start)?;
        let mut status = 0;
        self.state.loops += 1;
        loop {
            self.machine.spend(1)?;
            if self.expression(condition)? == Some(0) {
                break;
            }
            match self.round(body, failure)? {
                Round::Ended(ended) => status = ended,
                Round::Broken(ended) => {
                    status = ended;
                    break;
                }
            }
            self.expression(step)?;
        }
        self.state.loops = self.state.loops.saturating_sub(1);
        Ok(status)
    }

    /// The value of an expression; an empty one has none.
    fn expression(&mut self, word: &Word) -> Eval<Option<i64>> {
        let text = self.expand_quoted(word)?;
        match text.trim_ascii().is_empty() {
            true => Ok(None),
            false => self.arithmetic(&text).map(Some),
        }
    }
}

pub(in crate::shell) fn let_(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut value = 0;
    for expression in argv.get(1..).unwrap_or_default() {
        value = shell.arithmetic(expression)?;
    }
    Ok(u8::from(value == 0))
}
