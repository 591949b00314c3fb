//! [`Profile`]: what a file of `/usr/share/pam-configs` asks for.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice as _};

/// Modules that are not there any more: profiles with them do not count.
const INVALID_MODULE: &str = "pam_tally";

/// Who sees sessions of a profile, which changed with pam 1.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InteractiveOnly {
    /// Any value of `Session-Interactive-Only` counts.
    WhenSet,
    /// Only `yes` counts.
    WhenYes,
}

/// One profile: fields by name, several lines in one value.
#[derive(Debug, Default)]
pub struct Profile {
    fields: BTreeMap<BString, BString>,
    pub conflicts: BTreeSet<BString>,
}

impl Profile {
    /// Reads a profile; `None` when it uses a module that is not there any more.
    #[must_use]
    pub fn parse(text: &[u8], rule: InteractiveOnly) -> Option<Self> {
        let mut profile = Self::default();
        let mut field = BString::default();
        let mut usable = true;
        for line in text.lines_with_terminator() {
            match split_field(line) {
                Some((name, value)) => {
                    let name = name.strip_suffix(b"-Final").unwrap_or(name);
                    field = name.into();
                    if name == b"Conflicts" {
                        profile.conflicts.extend(value.split_str(", ").map(BString::from));
                    } else {
                        profile.fields.insert(field.clone(), value.into());
                    }
                }
                None => usable &= profile.add_line(&field, line),
            }
        }
        profile.copy_session(rule);
        usable.then_some(profile)
    }

    /// Adds a line below a field; false when the field names a module that is gone.
    fn add_line(&mut self, field: &BString, line: &[u8]) -> bool {
        let line = line.trim_with(|c| c.is_ascii_whitespace() || c == '\x0b');
        let value = self.fields.entry(field.clone()).or_default();
        if !line.is_empty() && line != b"0" {
            value.push(b'\n');
            value.extend_from_slice(line);
        }
        let usable = !value.contains_str(INVALID_MODULE);
        *value = value.trim_start_with(|c| c.is_ascii_whitespace() || c == '\x0b').into();
        usable
    }

    /// Sessions are for non-interactive ones too, when the profile does not say otherwise.
    fn copy_session(&mut self, rule: InteractiveOnly) {
        let only = self.fields.get("Session-Interactive-Only".as_bytes().as_bstr());
        let is_only = match rule {
            InteractiveOnly::WhenSet => only.is_some(),
            InteractiveOnly::WhenYes => only.is_some_and(|only| only == "yes"),
        };
        if is_only {
            return;
        }
        for rest in ["-Type", "", "-Initial"] {
            let to = BString::from(format!("Session-noninteractive{rest}"));
            match self.fields.get(format!("Session{rest}").as_bytes().as_bstr()).cloned() {
                Some(value) => drop(self.fields.insert(to, value)),
                None => drop(self.fields.remove(&to)),
            }
        }
    }

    /// A field's value; empty when it has none.
    #[must_use]
    pub fn get(&self, field: &str) -> &[u8] {
        self.fields.get(field.as_bytes().as_bstr()).map(|value| &value[..]).unwrap_or_default()
    }

    /// Where it stands among others: higher first.
    #[must_use]
    pub fn priority(&self) -> i64 {
        let text = self.get("Priority").as_bstr();
        text.to_str().ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// The block (`Primary`, `Additional`) that it is in for a type like `Auth`; empty for none.
    #[must_use]
    pub fn block(&self, kind: &str) -> &BStr {
        let block = self.get(&format!("{kind}-Type")).as_bstr();
        if block == "0" { BStr::new("") } else { block }
    }

    /// Its lines for a type, which may be others for the first profile of a block.
    #[must_use]
    pub fn lines(&self, kind: &str, position: usize) -> &[u8] {
        let initial = self.get(&format!("{kind}-Initial"));
        match position == 0 && !initial.is_empty() && initial != b"0" {
            true => initial,
            false => self.get(kind),
        }
    }
}

/// `NAME: VALUE`, the blanks after the colon not counting.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let word = line.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    let name = line.get(..word)?.strip_suffix(b":")?;
    let rest = line.get(word..)?;
    if name.is_empty() || rest.is_empty() {
        return None;
    }
    let value = rest.trim_start_with(|c| c.is_ascii_whitespace());
    Some((name, value.strip_suffix(b"\n").unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIX: &[u8] = b"Name: Unix authentication\nDefault: yes\nPriority: 256\n\
        Conflicts: a, b\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so\n\
        \tsecond\nAuth-Initial:\n\tfirst\nSession-Type: Additional\nSession:\n\trequired\tx.so\n";

    #[test]
    fn a_profile_has_its_lines_by_type() {
        let profile = Profile::parse(UNIX, InteractiveOnly::WhenSet).unwrap();
        assert_eq!(profile.priority(), 256);
        assert_eq!(profile.block("Auth"), "Primary");
        let lines = profile.lines("Auth", 1).as_bstr();
        assert_eq!(lines, "[success=end default=ignore]\tpam_unix.so\nsecond");
        assert_eq!(profile.lines("Auth", 0), b"first");
        assert_eq!(profile.lines("Session-noninteractive", 0), b"required\tx.so");
        assert!(profile.conflicts.contains("b".as_bytes().as_bstr()));
    }

    #[test]
    fn interactive_sessions_are_told_apart_by_the_version_of_pam() {
        let text = [UNIX, b"Session-Interactive-Only: no\n"].concat();
        for (rule, block) in
            [(InteractiveOnly::WhenSet, ""), (InteractiveOnly::WhenYes, "Additional")]
        {
            let profile = Profile::parse(&text, rule).unwrap();
            assert_eq!(profile.block("Session-noninteractive"), block);
        }
        let gone = [UNIX, b"Account:\n\trequired pam_tally.so\n"].concat();
        assert!(Profile::parse(&gone, InteractiveOnly::WhenSet).is_none());
    }
}
