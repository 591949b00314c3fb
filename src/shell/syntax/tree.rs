//! The tree of a script: commands and words before expansion.

use std::cell::OnceCell;
use std::rc::Rc;

use bstr::BString;

/// Commands one after the other.
pub type List = Vec<AndOr>;

/// `first && second || third`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndOr {
    pub first: Pipeline,
    pub rest: Vec<(Connective, Pipeline)>,
    pub ground: Ground,
}

/// Whether the shell waits for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    Foreground,
    /// It ends in `&`.
    Background,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connective {
    And,
    Or,
}

/// One command, or several with pipes between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// It begins with `!`.
    pub negated: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Where it begins.
    pub line: u32,
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Simple(Simple),
    Group(List),
    Subshell(List),
    /// Conditions with their bodies, and what `else` has.
    If {
        branches: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    Case {
        subject: Word,
        arms: Vec<Arm>,
    },
    For {
        name: BString,
        /// `None`: the positional parameters.
        words: Option<Vec<Word>>,
        body: List,
    },
    Loop {
        goes: Goes,
        condition: List,
        body: List,
    },
    Function {
        name: BString,
        body: Rc<Command>,
    },
    /// `[[ ... ]]`
    Condition(Condition),
    /// `(( ... ))`
    Arithmetic(Word),
    /// `for (( start; condition; step ))`
    ArithmeticFor {
        start: Word,
        condition: Word,
        step: Word,
        body: List,
    },
}

/// While its condition holds, or until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    While,
    Until,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simple {
    pub assignments: Vec<Assignment>,
    pub words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arm {
    pub patterns: Vec<Word>,
    pub body: List,
    pub end: ArmEnd,
}

/// What comes after the body of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmEnd {
    /// `;;`
    Leave,
    /// `;&` (bash)
    FallThrough,
    /// `;;&` (bash)
    TestNext,
}

/// `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub name: BString,
    /// `NAME[INDEX]=VALUE` (bash).
    pub index: Option<Word>,
    /// `NAME+=VALUE` (bash).
    pub append: bool,
    pub value: AssignedValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignedValue {
    Word(Word),
    /// `(a b [5]=c)` (bash).
    Array(Vec<(Option<Word>, Word)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The number before the operator.
    pub descriptor: Option<u32>,
    pub operator: RedirectOperator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectOperator {
    /// `<`
    Input(Word),
    /// `>`
    Output(Word),
    /// `>|`
    Clobber(Word),
    /// `>>`
    Append(Word),
    /// `<>`
    ReadWrite(Word),
    /// `<&`
    DuplicateInput(Word),
    /// `>&`
    DuplicateOutput(Word),
    /// `<<`: the text is known once the line has ended.
    Here(Rc<OnceCell<Word>>),
    /// `<<<` (bash)
    HereString(Word),
    /// `&>` (bash)
    Both(Word),
    /// `&>>` (bash)
    AppendBoth(Word),
}

/// A word before expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text without quotes: patterns and tildes in it count.
    Literal(BString),
    /// Text that stands for itself.
    Quoted(BString),
    /// `"..."`
    DoubleQuoted(Vec<Part>),
    Parameter(Box<Parameter>),
    /// `$(...)` or backquotes.
    Command(Rc<List>),
    /// `$((...))`
    Arithmetic(Word),
    /// `<(...)` or `>(...)` (bash), which is not evaluated.
    Process,
    /// `(a b)` after `declare NAME=` (bash).
    Array(Vec<(Option<Word>, Word)>),
}

/// `${NAME...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// A variable's name, a number, or one of `@*#?-$!`.
    pub name: BString,
    /// `${NAME[INDEX]}` (bash).
    pub index: Option<Index>,
    /// `${!NAME}` (bash).
    pub indirect: bool,
    pub operation: Operation,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// `[@]`
    All,
    /// `[*]`
    Joined,
    At(Word),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Value,
    /// `${#x}`
    Length,
    /// `-`, `=`, `?`, `+`.
    Alternative {
        kind: Alternative,
        /// With a colon: a value that is empty counts as none.
        or_empty: bool,
        word: Word,
    },
    /// `#`, `##`, `%`, `%%`.
    Remove {
        side: Side,
        extent: Extent,
        pattern: Word,
    },
    /// `/` (bash).
    Replace {
        place: Replaced,
        pattern: Word,
        with: Word,
    },
    /// `^`, `^^`, `,`, `,,` (bash).
    Case {
        to: LetterCase,
        all: bool,
    },
    /// `:offset:length` (bash).
    Substring {
        offset: Word,
        length: Option<Word>,
    },
    /// `${!x@}`, `${!x*}` (bash): names with a prefix.
    Names,
    /// `${!x[@]}` (bash).
    Keys,
    /// What the dialect does not know.
    Unknown(BString),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    Default,
    Assign,
    Require,
    Instead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Prefix,
    Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Shortest,
    Longest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    First,
    All,
    Prefix,
    Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterCase {
    Upper,
    Lower,
}

/// `[[ ... ]]` (bash).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    /// `-f x`
    Unary(BString, Word),
    /// `a == b`
    Binary(Word, BString, Word),
}

impl Word {
    /// The text of a word that has neither quotes nor expansions.
    #[must_use]
    pub fn bare(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// A word of text that stands for itself.
    #[must_use]
    pub fn quoted(text: impl Into<BString>) -> Self {
        Self { parts: vec![Part::Quoted(text.into())] }
    }
}
