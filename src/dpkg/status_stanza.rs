//! One stanza of `/var/lib/dpkg/status`, written exactly as dpkg writes it.
//!
//! In comes a package's own control stanza and what the database adds (its state, conffile
//! hashes, and the former section and priority), or a stanza of the database that somebody
//! else wrote; out comes the text dpkg would dump: known fields in dpkg's order and spelling,
//! relations with normalised spacing, archive details left out, all other fields after them in
//! the package's order. The order and the rules are those of dpkg's `lib/dpkg/parse.c`, `fields.c` and `dump.c` (1.19 to 1.23).

use super::conffiles::{ConffileRecord, parse_conffiles, render_conffiles};
use super::control::Stanza;

/// Why a control stanza cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {problem}")]
pub struct StanzaError {
    /// As the package writes it.
    pub field: String,
    /// What dpkg would not accept in it.
    pub problem: String,
}

/// Whether the image's dpkg knows `Protected` (since 1.20.1) or treats it as any other field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtectedField {
    /// A field with a place of its own in the order.
    Known,
    /// A field like any that dpkg does not know.
    Unknown,
}

/// What the database adds to the package's own control stanza.
#[derive(Debug, Clone)]
pub struct Recorded<'a> {
    /// The stanza that is replaced: dpkg keeps its section and priority when the new
    /// package has none.
    pub former: Option<&'a Stanza>,
    /// What becomes the field `Conffiles`; empty: none is written.
    pub conffiles: &'a [ConffileRecord],
    /// By the version of the image's dpkg.
    pub protected: ProtectedField,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Name,
    Flag,
    Status,
    Priority,
    Text,
    MultiArch,
    Version,
    Relations,
    Conffiles,
    Triggers,
}

/// Where a stanza comes from.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Package(&'a Recorded<'a>),
    /// The database itself: it has its own state and conffiles.
    Database(ProtectedField),
}

impl Origin<'_> {
    fn protected(self) -> ProtectedField {
        match self {
            Self::Package(recorded) => recorded.protected,
            Self::Database(protected) => protected,
        }
    }
}

/// Known fields in the order of the dump.
const KNOWN: &[(&str, Shape)] = &[
    ("Package", Shape::Name),
    ("Essential", Shape::Flag),
    ("Protected", Shape::Flag),
    ("Status", Shape::Status),
    ("Priority", Shape::Priority),
    ("Section", Shape::Text),
    ("Installed-Size", Shape::Text),
    ("Origin", Shape::Text),
    ("Maintainer", Shape::Text),
    ("Bugs", Shape::Text),
    ("Architecture", Shape::Text),
    ("Multi-Arch", Shape::MultiArch),
    ("Source", Shape::Text),
    ("Version", Shape::Version),
    ("Config-Version", Shape::Version),
    ("Replaces", Shape::Relations),
    ("Provides", Shape::Relations),
    ("Depends", Shape::Relations),
    ("Pre-Depends", Shape::Relations),
    ("Recommends", Shape::Relations),
    ("Suggests", Shape::Relations),
    ("Breaks", Shape::Relations),
    ("Conflicts", Shape::Relations),
    ("Enhances", Shape::Relations),
    ("Conffiles", Shape::Conffiles),
    ("Description", Shape::Text),
    ("Triggers-Pending", Shape::Triggers),
    ("Triggers-Awaited", Shape::Triggers),
];

/// Fields of archive indexes, which the status file does not have.
const DROPPED: &[&str] = &["Filename", "Size", "MD5sum"];

/// Fields a package archive may not have: dpkg refuses or rewrites them.
const REFUSED: &[&str] = &[
    "Status",
    "Config-Version",
    "Triggers-Pending",
    "Triggers-Awaited",
    "Recommended",
    "Optional",
    "Class",
    "Revision",
    "Package-Revision",
    "Package_Revision",
];

/// Former names of fields, which dpkg still reads from its database.
const OUTDATED: &[&str] =
    &["Recommended", "Optional", "Class", "Revision", "Package-Revision", "Package_Revision"];

const PRIORITIES: &[&str] = &["required", "important", "standard", "optional", "extra"];

/// The stanza of an installed package, without the blank line that follows it.
///
/// # Errors
/// A field whose value dpkg would refuse, or a field that may not be in a package.
pub fn render(control: &Stanza, recorded: &Recorded<'_>) -> Result<Vec<u8>, StanzaError> {
    if let Some(field) = REFUSED.iter().find(|field| control.get_bytes(field).is_some()) {
        return Err(error(field, "not allowed in a package"));
    }
    write(control, Origin::Package(recorded))
}

/// A stanza of the database as dpkg writes it again: the same bytes, if dpkg wrote it before.
///
/// # Errors
/// A value that dpkg would refuse, or that only dpkg itself can bring into today's form.
pub fn rewrite(stanza: &Stanza, protected: ProtectedField) -> Result<Vec<u8>, StanzaError> {
    if let Some(field) = OUTDATED.iter().find(|field| stanza.get_bytes(field).is_some()) {
        return Err(error(field, "is called otherwise today"));
    }
    write(stanza, Origin::Database(protected))
}

fn write(control: &Stanza, origin: Origin<'_>) -> Result<Vec<u8>, StanzaError> {
    let mut out = Vec::with_capacity(control.text().len() + 64);
    for &(name, shape) in KNOWN {
        if name == "Protected" && origin.protected() == ProtectedField::Unknown {
            continue;
        }
        if let Some(value) = known_value(control, origin, name, shape)? {
            push_field(&mut out, name, &value);
        }
    }
    for field in control.fields() {
        let is = |name: &&str| name.eq_ignore_ascii_case(field.name);
        let known = KNOWN.iter().any(|(name, _)| is(name))
            && !(origin.protected() == ProtectedField::Unknown && is(&"Protected"));
        if !known && !DROPPED.iter().any(is) {
            push_field(&mut out, field.name, field.value);
        }
    }
    Ok(out)
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    // dpkg writes conffiles from the next line on, with no blank after the colon; all other
    // values get their blank even when they start with a newline.
    if name != "Conffiles" {
        out.push(b' ');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The value to write for a known field; `None` when the dump leaves the field out.
fn known_value(
    control: &Stanza,
    origin: Origin<'_>,
    name: &str,
    shape: Shape,
) -> Result<Option<Vec<u8>>, StanzaError> {
    let own = control.get_bytes(name).filter(|value| !value.is_empty());
    let former = match (shape, origin) {
        (Shape::Status, Origin::Package(_)) => return Ok(Some(b"install ok installed".to_vec())),
        (Shape::Conffiles, Origin::Package(recorded)) => {
            let text = render_conffiles(recorded.conffiles);
            return Ok((!text.is_empty()).then_some(text));
        }
        (Shape::Conffiles, Origin::Database(_)) => {
            let records = parse_conffiles(own.unwrap_or_default());
            let records = records.map_err(|problem| error(name, problem.to_string()))?;
            let text = render_conffiles(&records);
            return Ok((!text.is_empty()).then_some(text));
        }
        (_, Origin::Package(recorded)) => recorded.former,
        (_, Origin::Database(_)) => None,
    };
    let kept = || former.and_then(|former| former.get_bytes(name));
    let value = match name {
        "Section" | "Priority" => own.or_else(kept),
        _ => own,
    };
    let Some(value) = value else { return Ok(None) };
    let text = || std::str::from_utf8(value).map_err(|_| error(name, "not UTF-8"));
    Ok(match shape {
        Shape::Name => Some(text()?.to_ascii_lowercase().into_bytes()),
        Shape::Flag => flag(name, text()?)?,
        Shape::Priority => priority(value),
        Shape::MultiArch => multi_arch(text()?)?,
        Shape::Version => Some(canonical_version(text()?).into_bytes()),
        Shape::Relations => Some(normal_relations(name, text()?)?.into_bytes()),
        Shape::Status | Shape::Triggers => {
            let words: Vec<&str> = text()?.split_ascii_whitespace().collect();
            let words = words.join(" ");
            Some(if shape == Shape::Status { words.to_ascii_lowercase() } else { words }.into())
        }
        Shape::Text | Shape::Conffiles => Some(value.to_vec()),
    })
}

fn flag(name: &str, value: &str) -> Result<Option<Vec<u8>>, StanzaError> {
    match value.to_ascii_lowercase().as_str() {
        "yes" => Ok(Some(b"yes".to_vec())),
        "no" => Ok(None),
        _ => Err(error(name, format!("{value:?} is neither yes nor no"))),
    }
}

fn priority(value: &[u8]) -> Option<Vec<u8>> {
    if value.eq_ignore_ascii_case(b"unknown") {
        return None;
    }
    let known = PRIORITIES.iter().find(|known| value.eq_ignore_ascii_case(known.as_bytes()));
    Some(known.map_or_else(|| value.to_vec(), |known| known.as_bytes().to_vec()))
}

fn multi_arch(value: &str) -> Result<Option<Vec<u8>>, StanzaError> {
    let value = value.to_ascii_lowercase();
    match value.as_str() {
        "no" => Ok(None),
        "same" | "allowed" | "foreign" => Ok(Some(value.into_bytes())),
        _ => Err(error("Multi-Arch", format!("{value:?} is not same, allowed, foreign or no"))),
    }
}

/// A version as dpkg prints it: without blanks around and without an epoch of zero.
#[must_use]
pub fn canonical_version(version: &str) -> String {
    let version = version.trim_ascii();
    match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => {
            let epoch = epoch.trim_start_matches('0');
            if epoch.is_empty() && !rest.contains(':') {
                rest.to_owned()
            } else if epoch.is_empty() {
                format!("0:{rest}")
            } else {
                format!("{epoch}:{rest}")
            }
        }
        _ => version.to_owned(),
    }
}

/// A relation field with dpkg's spacing: `a (>= 1) | b, c:any`.
fn normal_relations(field: &str, value: &str) -> Result<String, StanzaError> {
    let mut out = String::with_capacity(value.len());
    for (at, group) in value.split(',').enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        for (at, one) in group.split('|').enumerate() {
            if at > 0 {
                out.push_str(" | ");
            }
            push_relation(&mut out, field, one.trim_ascii())?;
        }
    }
    Ok(out)
}

fn push_relation(out: &mut String, field: &str, one: &str) -> Result<(), StanzaError> {
    let bad = || error(field, format!("{one:?} is not a package relation"));
    let (target, constraint) = match one.split_once('(') {
        Some((target, rest)) => {
            (target.trim_ascii_end(), Some(rest.trim_ascii().strip_suffix(')').ok_or_else(bad)?))
        }
        None => (one, None),
    };
    let (name, architecture) = match target.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (target, None),
    };
    let valid = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b))
    };
    if !valid(name) || !architecture.is_none_or(valid) {
        return Err(bad());
    }
    out.push_str(&name.to_ascii_lowercase());
    if let Some(architecture) = architecture {
        out.push(':');
        out.push_str(architecture);
    }
    if let Some(constraint) = constraint {
        let (operator, version) = split_operator(constraint.trim_ascii());
        if version.is_empty() || version.contains(|c: char| c.is_ascii_whitespace() || c == '(') {
            return Err(bad());
        }
        out.push_str(&format!(" ({operator} {})", canonical_version(version)));
    }
    Ok(())
}

/// The operator in its modern spelling (a lone `<` or `>` includes equality, none means
/// equality) and the version.
fn split_operator(constraint: &str) -> (&'static str, &str) {
    for (spelling, operator) in [
        ("<<", "<<"),
        ("<=", "<="),
        (">>", ">>"),
        (">=", ">="),
        ("<", "<="),
        (">", ">="),
        ("=", "="),
    ] {
        if let Some(version) = constraint.strip_prefix(spelling) {
            return (operator, version.trim_ascii());
        }
    }
    ("=", constraint)
}

fn error(field: &str, problem: impl Into<String>) -> StanzaError {
    StanzaError { field: field.to_owned(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::super::control::parse_stanzas;
    use super::*;

    fn stanza(text: &str) -> Stanza {
        parse_stanzas(text.to_owned()).unwrap().remove(0)
    }

    fn rendered(text: &str, former: Option<&str>) -> Result<String, StanzaError> {
        let former = former.map(stanza);
        let recorded =
            Recorded { former: former.as_ref(), conffiles: &[], protected: ProtectedField::Known };
        render(&stanza(text), &recorded).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn fields_go_to_the_dumps_order_and_spelling() {
        let text = "Package: Foo\nversion: 0:1.0-1\nX-Own: b\nArchitecture: amd64\nFilename: x\n\
                    Description: d\n more\nHomepage: h\nEssential: no\nmulti-arch: Same\n\
                    Depends: b(>=2) |c , D:any\nPriority: Optional\nTag: \n one\nSize: 3\n";
        let want = "Package: foo\nStatus: install ok installed\nPriority: optional\n\
                    Architecture: amd64\nMulti-Arch: same\nVersion: 1.0-1\n\
                    Depends: b (>= 2) | c, d:any\nDescription: d\n more\nX-Own: b\nHomepage: h\n\
                    Tag: \n one\n";
        assert_eq!(rendered(text, None).unwrap(), want);
    }

    #[test]
    fn section_and_priority_of_the_former_version_stay_when_the_new_has_none() {
        let former = "Package: a\nSection: libs\nPriority: important\nOrigin: x\n";
        let want = "Package: a\nStatus: install ok installed\nPriority: important\n\
                    Section: libs\nVersion: 2\n";
        assert_eq!(rendered("Package: a\nVersion: 2\n", Some(former)).unwrap(), want);
    }

    /// What dpkg 1.21.22 makes of each when it writes its database.
    #[test]
    fn a_stanza_that_somebody_else_wrote_gets_dpkgs_form() {
        let again = |text: &str| {
            let bytes = rewrite(&stanza(text), ProtectedField::Known);
            bytes.map(|bytes| String::from_utf8(bytes).unwrap())
        };
        let own = "Package: a\nStatus: hold ok half-configured\nPriority: optional\nVersion: 1:2\n\
                   Config-Version: 1\nDepends: b (>= 1), c | d\nConffiles:\n /etc/a 0123 obsolete\n\
                   Description: x\n y\nTriggers-Pending: /b c\nHomepage: h\n";
        assert_eq!(again(own).unwrap(), own);
        let other = "Description: x\n y\nhomepage: h\nTriggers-Pending:  /b   c\nversion: 1:2\n\
                     CONFFILES:\n /etc/a 0123 obsolete\nDepends: b(>=1),c|d\nPackage: A\n\
                     status: Hold  ok half-configured\nConfig-Version: 0:1\npriority: Optional\n\
                     Filename: x\n";
        assert_eq!(again(other).unwrap(), own.replace("Homepage", "homepage"));
        assert!(again("Package: a\nStatus: install ok installed\nClass: x\n").is_err());
    }

    #[test]
    fn operators_are_modernised() {
        for (from, want) in [
            ("a(<<1)", "a (<< 1)"),
            ("a (< 1)", "a (<= 1)"),
            ("a (>1:2)", "a (>= 1:2)"),
            ("a (2)", "a (= 2)"),
            ("a ( = 0:2 )", "a (= 2)"),
            ("a|b,c", "a | b, c"),
            ("a\n , b", "a, b"),
        ] {
            assert_eq!(normal_relations("Depends", from).unwrap(), want, "{from}");
        }
        for bad in ["a,", "", "a (>= 1", "a (>=)", "a b", "(>= 1)", "a (>= 1 2)"] {
            assert!(normal_relations("Depends", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_package_may_not_say_is_refused() {
        assert_eq!(rendered("Package: a\nStatus: x y z\n", None).unwrap_err().field, "Status");
        assert_eq!(rendered("Package: a\nMulti-Arch: x\n", None).unwrap_err().field, "Multi-Arch");
    }
}
