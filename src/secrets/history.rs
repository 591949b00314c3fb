//! Entries of an image's history, as builders write them: `RUN |2 TOKEN=x DIR=/y /bin/sh -c ...`
//! has the build arguments in front of its command, `ENV A=x y B=z` values as they are, with
//! their spaces. So a value goes on until the next name.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::{MASKED, Secrets};

/// The shell that follows build arguments.
static SHELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r" /[^\s=]{0,100}(?:sh|cmd|powershell|pwsh)(?:\.exe)? [-/][A-Za-z]").ok()
});

/// A name and its sign at the beginning of a word.
static NAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[ \t])([A-Za-z_][A-Za-z0-9_.-]{0,99})=").ok());

impl Secrets {
    /// An entry of an image's history (`created_by`) without secrets.
    #[must_use]
    pub fn mask_history<'t>(&self, entry: &'t str) -> Cow<'t, str> {
        let Some((from, to)) = assignments(entry) else { return self.mask(entry) };
        let (before, rest) = entry.split_at(from);
        let (list, behind) = rest.split_at(to - from);
        let list = self.mask_assignments(list);
        match self.mask(&format!("{before}{list}{behind}")) {
            masked if masked == entry => Cow::Borrowed(entry),
            masked => Cow::Owned(masked.into_owned()),
        }
    }

    /// `A=x y B=z`
    fn mask_assignments(&self, list: &str) -> String {
        let Some(pattern) = NAME.as_ref() else { return MASKED.to_owned() };
        let mut starts: Vec<usize> = Vec::new();
        starts
            .extend(pattern.captures_iter(list).filter_map(|groups| Some(groups.get(1)?.start())));
        let mut out = String::with_capacity(list.len());
        out.push_str(list.get(..starts.first().copied().unwrap_or(list.len())).unwrap_or_default());
        for (index, &start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(list.len());
            let whole = list.get(start..end).unwrap_or_default();
            let variable = whole.trim_end();
            out.push_str(&self.mask_variable(variable));
            out.push_str(whole.get(variable.len()..).unwrap_or_default());
        }
        out
    }
}

/// Where the build arguments are, or the variables or labels that an instruction sets.
fn assignments(entry: &str) -> Option<(usize, usize)> {
    let nop = entry.find("#(nop)").map_or(0, |at| at + "#(nop)".len());
    let instruction = entry.get(nop..)?.trim_start();
    let start = entry.len() - instruction.len();
    for word in ["ENV ", "ARG ", "LABEL "] {
        if instruction.starts_with(word) {
            return Some((start + word.len(), entry.len()));
        }
    }
    let arguments = instruction.strip_prefix("RUN ").unwrap_or(instruction).strip_prefix('|')?;
    let arguments = arguments.trim_start_matches(|c: char| c.is_ascii_digit());
    let from = entry.len() - arguments.len();
    let shell = SHELL.as_ref()?.find(arguments).map(|found| from + found.start());
    Some((from, shell.unwrap_or(entry.len())))
}
