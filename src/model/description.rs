//! What records say of a component beside its name and version: who supplies it, under which
//! licence, and what it needs. SBOMs have it; a repair does not ask.

use super::package::PackageId;

/// The longest text that is taken over, in bytes.
const MAX_TEXT: usize = 256;

/// What the records of a component say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Who supplies it; `None`: nobody is named.
    pub supplier: Option<Party>,
    /// What it is licensed under; `None`: not said, or not in a form that is understood.
    pub license: Option<License>,
    /// The installed packages that it needs, sorted; `None`: not known.
    pub needs: Option<Vec<PackageId>>,
}

/// A person or an organization; records do not say which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Never empty, one line.
    pub name: String,
    /// An address for mail.
    pub email: Option<String>,
}

impl Party {
    /// Reads `Name <mail@example.org>`, as `Maintainer:` fields have it. A mail address alone is
    /// a name, too. `None`: there is nothing that can be shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = shown(text)?;
        let (name, email) = match text.split_once('<') {
            Some((name, rest)) => (name.trim(), rest.split('>').next().map(str::trim)),
            None => (text, None),
        };
        let email = email.filter(|email| is_address(email));
        let name = match name.trim_matches('"').trim() {
            "" => email?,
            name => name,
        };
        Some(Self { name: name.to_owned(), email: email.map(str::to_owned) })
    }
}

/// Something like `mail@example.org`.
fn is_address(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"()<>,;@".contains(&b))
    };
    text.split_once('@').is_some_and(|(user, host)| is_part(user) && is_part(host))
}

/// What a component is licensed under, as its record has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum License {
    /// A name or an SPDX expression: which of the two is for the reader to find out.
    Text(String),
    /// All of these apply. Never empty.
    All(Vec<License>),
    /// One of these may be chosen. Never empty.
    Any(Vec<License>),
}

impl License {
    /// The words of a record; `None`: there are none that can be shown (a whole licence is none).
    #[must_use]
    pub fn text(text: &str) -> Option<Self> {
        shown(text).map(|text| Self::Text(text.to_owned()))
    }

    /// All of these, each once; `None` of nothing.
    #[must_use]
    pub fn all(mut parts: Vec<Self>) -> Option<Self> {
        parts.sort();
        parts.dedup();
        match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(Self::All(parts)),
        }
    }
}

/// A text of one line, without blanks around it.
fn shown(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_shown =
        !text.is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    is_shown.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_have_names() {
        let long = "x".repeat(MAX_TEXT + 1);
        for (text, want) in [
            ("GNU Libc Maintainers <debian-glibc@lists.debian.org>", {
                "GNU Libc Maintainers|debian-glibc@lists.debian.org"
            }),
            ("  Natanael Copa <ncopa@alpinelinux.org>\n", "Natanael Copa|ncopa@alpinelinux.org"),
            ("\"A, B\" <a@b.example>", "A, B|a@b.example"),
            ("<a@b.example>", "a@b.example|a@b.example"),
            ("a@b.example", "a@b.example|"),
            ("Wolfi", "Wolfi|"),
            ("A <no address>", "A|"),
            ("A <a@b(c)>", "A|"),
            ("A <a@b", "A|a@b"),
            ("<>", ""),
            ("", ""),
            ("a\x1b[2J", ""),
            ("a\nb", ""),
            (&long, ""),
        ] {
            let got = Party::parse(text);
            let got =
                got.map(|party| format!("{}|{}", party.name, party.email.unwrap_or_default()));
            assert_eq!(got.unwrap_or_default(), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_licensed_twice_the_same_is_said_once() {
        let text = |text: &str| License::text(text).unwrap();
        assert_eq!(License::all(vec![]), None);
        assert_eq!(License::all(vec![text("MIT"), text(" MIT ")]), Some(text("MIT")));
        let all = License::all(vec![text("b"), text("a"), text("b")]);
        assert_eq!(all, Some(License::All(vec![text("a"), text("b")])));
        assert_eq!(License::text("Permission is hereby\ngranted"), None);
    }
}
