//! [`Fields`]: expanded text with its quotes remembered, split at the bytes of `IFS`.

use bstr::BString;

use super::Mode;

/// A byte of expanded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Byte {
    pub value: u8,
    /// It stands for itself: it neither separates fields nor has a meaning in a pattern.
    pub quoted: bool,
}

impl Byte {
    pub fn quoted(value: u8) -> Self {
        Self { value, quoted: true }
    }

    pub fn plain(value: u8) -> Self {
        Self { value, quoted: false }
    }
}

/// The text without the quotes.
pub(super) fn text(bytes: &[Byte]) -> BString {
    bytes.iter().map(|byte| byte.value).collect::<Vec<u8>>().into()
}

/// The fields of a word being expanded.
pub(super) struct Fields {
    separators: Vec<u8>,
    done: Vec<Vec<Byte>>,
    current: Vec<Byte>,
    /// There is a field even if nothing is in it.
    begun: bool,
    /// Blanks have just ended a field: a separator that is no blank belongs to them.
    after_blanks: bool,
}

impl Fields {
    pub fn new(separators: Vec<u8>) -> Self {
        Self {
            separators,
            done: Vec::new(),
            current: Vec::new(),
            begun: false,
            after_blanks: false,
        }
    }

    /// A field begins, even if nothing comes into it.
    pub fn begin(&mut self) {
        self.begun = true;
        self.after_blanks = false;
    }

    pub fn push_quoted(&mut self, text: &[u8]) {
        self.begin();
        self.current.extend(text.iter().map(|b| Byte::quoted(*b)));
    }

    pub fn push_literal(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.begin();
        }
        self.current.extend(text.iter().map(|b| Byte::plain(*b)));
    }

    /// The result of an expansion.
    pub fn push_result(&mut self, text: &[u8], mode: Mode) {
        match mode {
            Mode { quoted: true, .. } => self.push_inside_quotes(text),
            Mode { split: true, .. } => self.push_split(text),
            _ => self.push_literal(text),
        }
    }

    fn push_inside_quotes(&mut self, text: &[u8]) {
        self.begin();
        self.current.extend(text.iter().map(|b| Byte::quoted(*b)));
    }

    /// Text that is split into fields.
    pub fn push_split(&mut self, text: &[u8]) {
        for &b in text {
            if !self.separators.contains(&b) {
                self.current.push(Byte::plain(b));
                self.after_blanks = false;
            } else if matches!(b, b' ' | b'\t' | b'\n') {
                if self.begun || !self.current.is_empty() {
                    self.end();
                    self.after_blanks = true;
                }
            } else if self.after_blanks {
                self.after_blanks = false;
            } else {
                self.end();
            }
        }
    }

    /// The field ends, and there is one.
    pub fn end(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
        self.begun = false;
        self.after_blanks = false;
    }

    /// The field ends if there is one.
    pub fn end_if_begun(&mut self) {
        if self.begun || !self.current.is_empty() {
            self.end();
        }
    }

    pub fn finish(mut self) -> Vec<Vec<Byte>> {
        self.end_if_begun();
        self.done
    }
}
