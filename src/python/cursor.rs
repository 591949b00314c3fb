//! What is left of a text of requirements and markers: taken from its front, piece by piece.

/// The rest of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub &'a str);

impl<'a> Cursor<'a> {
    /// Takes blanks.
    pub fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    /// Takes `text`, if that is next.
    pub fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `word`, if that is next and no longer word begins with it.
    pub fn word(&mut self, word: &str) -> bool {
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        match self.0.strip_prefix(word) {
            Some(rest) if !goes_on(rest) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes what `belongs` says yes to.
    pub fn while_it(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !belongs(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// Takes a name: letters, digits, `-`, `_` and `.`, the first and the last one of the first
    /// two.
    pub fn name(&mut self) -> Option<&'a str> {
        let text = self.0;
        let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
        let name = text.get(..end)?.trim_end_matches(['-', '_', '.']);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        self.0 = text.get(name.len()..)?;
        Some(name)
    }

    /// Whether nothing is left.
    pub fn is_at_end(self) -> bool {
        self.0.is_empty()
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}
