//! Instructions that a search follows, made from a pattern's tree.

use super::Options;
use super::parse::{Node, Set};

/// The most instructions of a pattern.
const MAX_LENGTH: usize = 50_000;

/// One instruction. Targets are indices of instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Instruction {
    Set(Set),
    /// Tries the first, then the second.
    Split(usize, usize),
    Jump(usize),
    /// Keeps the position in a slot.
    Save(usize),
    Assert(Assertion),
    Back(usize),
    /// Fails when nothing was consumed since the slot was saved: only searches that do not
    /// remember where they were need it.
    Progress(usize),
    Match,
}

/// What must hold at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assertion {
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
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) code: Vec<Instruction>,
    pub(super) groups: usize,
    /// Positions kept: two for each group, then one for each loop.
    pub(super) slots: usize,
    pub(super) has_references: bool,
    pub(super) ignore_case: bool,
    pub(super) multiline: bool,
    /// What a match begins with; `None` when it may be empty.
    pub(super) first: Option<Set>,
    /// A match begins where the text does.
    pub(super) anchored: bool,
}

impl Program {
    pub(super) fn new(node: &Node, groups: usize, options: Options) -> Result<Self, &'static str> {
        let mut compiler =
            Compiler { code: Vec::new(), slots: groups * 2, ignore_case: options.ignore_case };
        compiler.node(node)?;
        compiler.push(Instruction::Match)?;
        let Compiler { code, slots, .. } = compiler;
        let has_references = code.iter().any(|one| matches!(one, Instruction::Back(_)));
        let first = first_bytes(&code);
        let anchored = is_anchored(node, options.multiline);
        let Options { ignore_case, multiline, .. } = options;
        Ok(Self { code, groups, slots, has_references, ignore_case, multiline, first, anchored })
    }
}

fn is_anchored(node: &Node, multiline: bool) -> bool {
    match node {
        Node::LineStart => !multiline,
        Node::TextStart => true,
        Node::Concat(parts) => parts.first().is_some_and(|part| is_anchored(part, multiline)),
        Node::Group(_, inside) => is_anchored(inside, multiline),
        Node::Either(all) => all.iter().all(|one| is_anchored(one, multiline)),
        _ => false,
    }
}

struct Compiler {
    code: Vec<Instruction>,
    slots: usize,
    ignore_case: bool,
}

impl Compiler {
    fn push(&mut self, instruction: Instruction) -> Result<usize, &'static str> {
        if self.code.len() >= MAX_LENGTH {
            return Err("it is too large");
        }
        self.code.push(instruction);
        Ok(self.code.len() - 1)
    }

    fn set(&mut self, at: usize, instruction: Instruction) {
        if let Some(place) = self.code.get_mut(at) {
            *place = instruction;
        }
    }

    fn assert(&mut self, assertion: Assertion) -> Result<(), &'static str> {
        self.push(Instruction::Assert(assertion)).map(drop)
    }

    fn node(&mut self, node: &Node) -> Result<(), &'static str> {
        match node {
            Node::Empty => Ok(()),
            Node::Set(set) => {
                let set = if self.ignore_case { set.folded() } else { *set };
                self.push(Instruction::Set(set)).map(drop)
            }
            Node::LineStart => self.assert(Assertion::LineStart),
            Node::LineEnd => self.assert(Assertion::LineEnd),
            Node::TextStart => self.assert(Assertion::TextStart),
            Node::TextEnd => self.assert(Assertion::TextEnd),
            Node::WordStart => self.assert(Assertion::WordStart),
            Node::WordEnd => self.assert(Assertion::WordEnd),
            Node::WordBoundary => self.assert(Assertion::WordBoundary),
            Node::NoWordBoundary => self.assert(Assertion::NoWordBoundary),
            Node::NoWordBefore => self.assert(Assertion::NoWordBefore),
            Node::NoWordAfter => self.assert(Assertion::NoWordAfter),
            Node::Back(number) => self.push(Instruction::Back(*number)).map(drop),
            Node::Group(number, inside) => {
                let slot = (number - 1) * 2;
                self.push(Instruction::Save(slot))?;
                self.node(inside)?;
                self.push(Instruction::Save(slot + 1)).map(drop)
            }
            Node::Concat(parts) => parts.iter().try_for_each(|part| self.node(part)),
            Node::Either(all) => self.either(all),
            Node::Repeat { node, min, max } => self.repeat(node, *min, *max),
        }
    }

    fn either(&mut self, all: &[Node]) -> Result<(), &'static str> {
        let mut exits = Vec::new();
        for (index, one) in all.iter().enumerate() {
            if index + 1 == all.len() {
                self.node(one)?;
                break;
            }
            let split = self.push(Instruction::Match)?;
            self.node(one)?;
            exits.push(self.push(Instruction::Match)?);
            self.set(split, Instruction::Split(split + 1, self.code.len()));
        }
        let end = self.code.len();
        exits.into_iter().for_each(|exit| self.set(exit, Instruction::Jump(end)));
        Ok(())
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>) -> Result<(), &'static str> {
        for _ in 0..min {
            self.node(node)?;
        }
        let Some(max) = max else { return self.endless(node) };
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.push(Instruction::Match)?);
            self.node(node)?;
        }
        let end = self.code.len();
        splits.into_iter().for_each(|at| self.set(at, Instruction::Split(at + 1, end)));
        Ok(())
    }

    fn endless(&mut self, node: &Node) -> Result<(), &'static str> {
        let slot = self.slots;
        self.slots += 1;
        let split = self.push(Instruction::Match)?;
        self.push(Instruction::Save(slot))?;
        self.node(node)?;
        self.push(Instruction::Progress(slot))?;
        self.push(Instruction::Jump(split))?;
        self.set(split, Instruction::Split(split + 1, self.code.len()));
        Ok(())
    }
}

/// The bytes that a match can begin with, unless it can be empty.
fn first_bytes(code: &[Instruction]) -> Option<Set> {
    let mut out = Set::EMPTY;
    let mut seen = vec![false; code.len()];
    let mut pending = vec![0];
    while let Some(at) = pending.pop() {
        if std::mem::replace(seen.get_mut(at)?, true) {
            continue;
        }
        match code.get(at)? {
            Instruction::Set(set) => out = out.union(set),
            Instruction::Split(a, b) => pending.extend([*a, *b]),
            Instruction::Jump(to) => pending.push(*to),
            Instruction::Back(_) | Instruction::Match => return None,
            Instruction::Save(_) | Instruction::Assert(_) | Instruction::Progress(_) => {
                pending.push(at + 1);
            }
        }
    }
    Some(out)
}
