//! Requirements: `requests[socks]>=2.8,<3; python_version < "3.12"`
//! (<https://packaging.python.org/en/latest/specifications/dependency-specifiers/>).
//!
//! In comes the value of a `Requires-Dist`; out comes what it wants, of whom, and when.

use std::str::FromStr;

use crate::cursor::Cursor;
use crate::marker::{Marker, Variables};
use crate::specifiers::Specifiers;

/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 16 << 10;

/// What one distribution wants of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The other one, as it is written.
    pub name: String,
    /// Extras of it, as they are written.
    pub extras: Vec<String>,
    /// Its versions; of one that is wanted by its URL: any.
    pub specifiers: Specifiers,
    /// Where it is wanted from, if that is said.
    pub url: Option<String>,
    /// When it is wanted; `None`: always.
    pub marker: Option<Marker>,
}

impl Requirement {
    /// Whether it applies to a distribution of which `extras` are wanted.
    #[must_use]
    pub fn applies<S: AsRef<str>>(&self, variables: &Variables, extras: &[S]) -> bool {
        self.marker.as_ref().is_none_or(|marker| {
            let mut extras = extras.iter().map(AsRef::as_ref);
            marker.holds(variables, "") || extras.any(|extra| marker.holds(variables, extra))
        })
    }
}

impl FromStr for Requirement {
    /// Half a sentence.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("it has more than {MAX_TEXT} bytes"));
        }
        let mut cursor = Cursor(text.trim());
        let name = cursor.name().ok_or("it does not begin with a name")?.to_owned();
        cursor.blanks();
        let extras = extras(&mut cursor)?;
        cursor.blanks();
        let mut url = None;
        let mut specifiers = Specifiers::default();
        if cursor.take("@") {
            cursor.blanks();
            let text = cursor.while_it(|c| !c.is_whitespace());
            url = Some(text.to_owned()).filter(|url| !url.is_empty());
            url.as_ref().ok_or("it has no URL behind @")?;
        } else if cursor.take("(") {
            let inside = cursor.while_it(|c| c != ')');
            specifiers = inside.parse()?;
            if !cursor.take(")") {
                return Err("it has no closing parenthesis".to_owned());
            }
        } else {
            specifiers = cursor.while_it(|c| c != ';').parse()?;
        }
        cursor.blanks();
        let marker = match cursor.take(";") {
            true => Some(Marker::parse(&mut cursor)?),
            false if cursor.is_at_end() => None,
            false => return Err(format!("it cannot be read at {:?}", cursor.0)),
        };
        Ok(Self { name, extras, specifiers, url, marker })
    }
}

fn extras(cursor: &mut Cursor<'_>) -> Result<Vec<String>, String> {
    let mut extras = Vec::new();
    if !cursor.take("[") {
        return Ok(extras);
    }
    loop {
        cursor.blanks();
        if cursor.take("]") && extras.is_empty() {
            return Ok(extras);
        }
        extras.push(cursor.name().ok_or("its extras cannot be read")?.to_owned());
        cursor.blanks();
        if cursor.take("]") {
            return Ok(extras);
        }
        if !cursor.take(",") {
            return Err("its extras cannot be read".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requirements_are_read() {
        for (text, name, extras, specifiers, url, has_marker) in [
            ("requests", "requests", "", "", "", false),
            ("requests (>=2.8,<3)", "requests", "", ">=2.8,<3", "", false),
            ("requests>=2.8 , <3 ;python_version<'4'", "requests", "", ">=2.8,<3", "", true),
            ("a[x, Y.z] == 1.*", "a", "x Y.z", "==1.*", "", false),
            ("a[] >1", "a", "", ">1", "", false),
            (
                "a @ https://e.example/a.whl ; os_name=='nt'",
                "a",
                "",
                "",
                "https://e.example/a.whl",
                true,
            ),
            ("zope.interface>=5", "zope.interface", "", ">=5", "", false),
            ("a-b_c.d~=1.0", "a-b_c.d", "", "~=1.0", "", false),
        ] {
            let found = Requirement::from_str(text).unwrap();
            assert_eq!(found.name, name, "{text}");
            assert_eq!(found.extras.join(" "), extras, "{text}");
            assert_eq!(found.specifiers.to_string(), specifiers, "{text}");
            assert_eq!(found.url.as_deref().unwrap_or_default(), url, "{text}");
            assert_eq!(found.marker.is_some(), has_marker, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "-a",
            "a b",
            "a >=",
            "a (>=1",
            "a [x",
            "a[x y]",
            "a[,]",
            "a[x,]",
            "a @",
            "a>=1;",
            "a;os_name",
            "a>=1 ; x == 'y'",
            "é",
        ] {
            assert!(Requirement::from_str(text).is_err(), "{text}");
        }
    }

    #[test]
    fn extras_make_requirements_apply() {
        let variables = Variables {
            python_version: Some("3.11".into()),
            python_full_version: None,
            platform_machine: "x86_64".into(),
        };
        let socks = Requirement::from_str("PySocks!=1.5.7; extra == 'socks'").unwrap();
        assert!(!socks.applies::<&str>(&variables, &[]));
        assert!(!socks.applies(&variables, &["test"]));
        assert!(socks.applies(&variables, &["test", "socks"]));
        assert!(Requirement::from_str("idna<3").unwrap().applies::<&str>(&variables, &[]));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}|[a-z]{1,3}[\\[\\]<>=!~0-9.,;()'\" a-z_@]{0,40}") {
            if let Ok(found) = Requirement::from_str(&text) {
                prop_assert!(!found.name.is_empty());
            }
        }
    }
}
