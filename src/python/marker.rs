//! Environment markers: `python_version < "3.8" and extra == "socks"`
//! (<https://packaging.python.org/en/latest/specifications/dependency-specifiers/>).
//!
//! In comes what stands behind the semicolon of a requirement; out comes whether it holds in an
//! environment. What the tree does not say of an environment (the kernel's release) holds: a
//! requirement that may apply applies.

use std::str::FromStr as _;

use crate::cursor::Cursor;
use crate::names::{normalized, same_name};
use crate::specifiers::{Specifiers, Version};

/// How deep parentheses may be.
const MAX_DEPTH: usize = 32;

/// A marker as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// All hold.
    All(Vec<Marker>),
    /// One holds.
    Any(Vec<Marker>),
    /// A comparison with a variable of the environment.
    Compare {
        /// The variable, by its present name.
        variable: Variable,
        /// As it is written, with the variable on its left.
        operator: Operator,
        /// What it is compared with.
        value: String,
        /// Whether the variable stands on the right: `"win" in sys_platform`.
        is_turned: bool,
    },
}

/// What of an environment markers ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// `3.11`.
    PythonVersion,
    /// `3.11.7`.
    PythonFullVersion,
    /// `posix`.
    OsName,
    /// `linux`.
    SysPlatform,
    /// The kernel's release.
    PlatformRelease,
    /// `Linux`.
    PlatformSystem,
    /// The kernel's version.
    PlatformVersion,
    /// `x86_64`.
    PlatformMachine,
    /// `CPython`.
    PlatformPythonImplementation,
    /// `cpython`.
    ImplementationName,
    /// `3.11.7`.
    ImplementationVersion,
    /// The extra that is asked for.
    Extra,
    /// `extras` and `dependency_groups`, of lock files only.
    LockFile,
}

const VARIABLES: [(&str, Variable); 19] = [
    ("python_version", Variable::PythonVersion),
    ("python_full_version", Variable::PythonFullVersion),
    ("os_name", Variable::OsName),
    ("os.name", Variable::OsName),
    ("sys_platform", Variable::SysPlatform),
    ("sys.platform", Variable::SysPlatform),
    ("platform_release", Variable::PlatformRelease),
    ("platform_system", Variable::PlatformSystem),
    ("platform_version", Variable::PlatformVersion),
    ("platform.version", Variable::PlatformVersion),
    ("platform_machine", Variable::PlatformMachine),
    ("platform.machine", Variable::PlatformMachine),
    ("platform_python_implementation", Variable::PlatformPythonImplementation),
    ("platform.python_implementation", Variable::PlatformPythonImplementation),
    ("python_implementation", Variable::PlatformPythonImplementation),
    ("implementation_name", Variable::ImplementationName),
    ("implementation_version", Variable::ImplementationVersion),
    ("extra", Variable::Extra),
    ("extras", Variable::LockFile),
];

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `in`.
    In,
    /// `not in`.
    NotIn,
    /// One of specifiers'.
    Sign(&'static str),
}

const SIGNS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

/// What markers are evaluated in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// `3.11`; `None`: it is not known.
    pub python_version: Option<String>,
    /// `3.11.7`; `None`: the last number is not known.
    pub python_full_version: Option<String>,
    /// `x86_64`.
    pub platform_machine: String,
}

impl Variables {
    /// The value of a variable; `None`: the tree does not say it.
    fn get(&self, variable: Variable) -> Option<&str> {
        match variable {
            Variable::PythonVersion => self.python_version.as_deref(),
            Variable::PythonFullVersion | Variable::ImplementationVersion => {
                self.python_full_version.as_deref()
            }
            Variable::OsName => Some("posix"),
            Variable::SysPlatform => Some("linux"),
            Variable::PlatformSystem => Some("Linux"),
            Variable::PlatformMachine => Some(&self.platform_machine),
            Variable::PlatformPythonImplementation => Some("CPython"),
            Variable::ImplementationName => Some("cpython"),
            Variable::PlatformRelease
            | Variable::PlatformVersion
            | Variable::Extra
            | Variable::LockFile => None,
        }
    }
}

impl Marker {
    /// Reads a marker to the end of the text.
    pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let marker = any(cursor, 0)?;
        cursor.blanks();
        if cursor.is_at_end() { Ok(marker) } else { Err(wrong(cursor)) }
    }

    /// Whether it holds where `extra` is asked for (empty: none).
    #[must_use]
    pub fn holds(&self, variables: &Variables, extra: &str) -> bool {
        match self {
            Marker::All(markers) => markers.iter().all(|one| one.holds(variables, extra)),
            Marker::Any(markers) => markers.iter().any(|one| one.holds(variables, extra)),
            Marker::Compare { variable: Variable::Extra, operator, value, .. } => {
                let extra = normalized(extra);
                match operator {
                    Operator::Sign("!=") => !same_name(&extra, value),
                    Operator::In => value.contains(&extra),
                    Operator::NotIn => !value.contains(&extra),
                    _ => same_name(&extra, value),
                }
            }
            Marker::Compare { variable, operator, value, is_turned } => {
                let Some(own) = variables.get(*variable) else { return true };
                let (left, right) =
                    if *is_turned { (value.as_str(), own) } else { (own, value.as_str()) };
                compare(variable.is_version(), left, *operator, right)
            }
        }
    }
}

impl Variable {
    /// Whether it is compared as a version.
    fn is_version(self) -> bool {
        matches!(
            self,
            Variable::PythonVersion | Variable::PythonFullVersion | Variable::ImplementationVersion
        )
    }
}

fn compare(is_version: bool, left: &str, operator: Operator, right: &str) -> bool {
    let sign = match operator {
        Operator::In => return right.contains(left),
        Operator::NotIn => return !right.contains(left),
        Operator::Sign(sign) => sign,
    };
    if is_version
        && let Ok(specifiers) = Specifiers::from_str(&format!("{sign}{right}"))
        && !right.contains(',')
    {
        let version = Version::from_str(left);
        return version.is_ok_and(|version| specifiers.allow(&version));
    }
    // Texts have no order: `packaging` says no to `<`, and takes `<=` for `==`.
    match sign {
        "!=" => left != right,
        "==" | "===" | "<=" | ">=" | "~=" => left == right,
        _ => false,
    }
}

fn any(cursor: &mut Cursor<'_>, depth: usize) -> Result<Marker, String> {
    let mut markers = vec![all(cursor, depth)?];
    loop {
        cursor.blanks();
        if !cursor.word("or") {
            break;
        }
        markers.push(all(cursor, depth)?);
    }
    Ok(one_or(markers, Marker::Any))
}

fn all(cursor: &mut Cursor<'_>, depth: usize) -> Result<Marker, String> {
    let mut markers = vec![atom(cursor, depth)?];
    loop {
        cursor.blanks();
        if !cursor.word("and") {
            break;
        }
        markers.push(atom(cursor, depth)?);
    }
    Ok(one_or(markers, Marker::All))
}

fn one_or(mut markers: Vec<Marker>, several: fn(Vec<Marker>) -> Marker) -> Marker {
    match (markers.len(), markers.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            markers.extend(last);
            several(markers)
        }
    }
}

fn atom(cursor: &mut Cursor<'_>, depth: usize) -> Result<Marker, String> {
    cursor.blanks();
    if cursor.take("(") {
        if depth == MAX_DEPTH {
            return Err(format!("its marker has more than {MAX_DEPTH} parentheses in each other"));
        }
        let marker = any(cursor, depth + 1)?;
        cursor.blanks();
        return if cursor.take(")") { Ok(marker) } else { Err(wrong(cursor)) };
    }
    let left = operand(cursor)?;
    cursor.blanks();
    let operator = operator(cursor)?;
    cursor.blanks();
    let right = operand(cursor)?;
    let (variable, value, is_turned) = match (left, right) {
        (Operand::Variable(variable), Operand::Text(value)) => (variable, value, false),
        (Operand::Text(value), Operand::Variable(variable)) => (variable, value, true),
        _ => return Err("its marker compares two texts or two variables".to_owned()),
    };
    let value = value.to_owned();
    Ok(Marker::Compare { variable, operator, value, is_turned })
}

enum Operand<'a> {
    Variable(Variable),
    Text(&'a str),
}

fn operand<'a>(cursor: &mut Cursor<'a>) -> Result<Operand<'a>, String> {
    for quote in ['"', '\''] {
        if let Some(rest) = cursor.0.strip_prefix(quote) {
            let (text, rest) = rest.split_once(quote).ok_or_else(|| wrong(cursor))?;
            cursor.0 = rest;
            return Ok(Operand::Text(text));
        }
    }
    let found = VARIABLES.iter().find(|(name, _)| cursor.word(name));
    found.map(|(_, variable)| Operand::Variable(*variable)).ok_or_else(|| wrong(cursor))
}

fn operator(cursor: &mut Cursor<'_>) -> Result<Operator, String> {
    if cursor.word("in") {
        return Ok(Operator::In);
    }
    if cursor.word("not") {
        cursor.blanks();
        return if cursor.word("in") { Ok(Operator::NotIn) } else { Err(wrong(cursor)) };
    }
    let sign = SIGNS.iter().find(|sign| cursor.take(sign));
    sign.map(|sign| Operator::Sign(sign)).ok_or_else(|| wrong(cursor))
}

fn wrong(cursor: &Cursor<'_>) -> String {
    let rest: String = cursor.0.chars().take(40).collect();
    if rest.is_empty() {
        "its marker ends too early".to_owned()
    } else {
        format!("its marker cannot be read at {rest:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, extra: &str) -> bool {
        let variables = Variables {
            python_version: Some("3.11".into()),
            python_full_version: Some("3.11.7".into()),
            platform_machine: "x86_64".into(),
        };
        Marker::parse(&mut Cursor(text)).unwrap().holds(&variables, extra)
    }

    /// What `packaging` 26.4 answers.
    #[test]
    fn markers_hold_as_with_packaging() {
        for (text, extra, want) in [
            ("python_version >= '3.8'", "", true),
            ("python_version >= '3.8' and sys_platform == 'win32'", "", false),
            ("sys_platform == 'win32' or python_version < '3.12'", "", true),
            ("python_version < '3.8' or python_version > '3.9' and os_name == 'nt'", "", false),
            ("(python_version < '3.8' or python_version > '3.9') and os_name == 'posix'", "", true),
            ("python_version == '3.11.*'", "", true),
            ("python_full_version < '3.11.4'", "", false),
            ("python_full_version ~= '3.11.0'", "", true),
            ("'linux' in sys_platform", "", true),
            ("sys_platform in 'linux darwin'", "", true),
            ("platform_machine not in 'x86_64 X86_64'", "", false),
            ("extra == 'Socks_Proxy'", "socks-proxy", true),
            ("extra == 'socks'", "", false),
            ("\"test\" == extra", "test", true),
            ("platform_python_implementation != 'PyPy'", "", true),
            ("implementation_name == \"cpython\"", "", true),
            ("os.name == 'posix' and platform.machine == 'x86_64'", "", true),
            ("platform_system == \"Linux\"", "", true),
            ("platform_release >= '5'", "", true),
            ("python_version in '2.7 3.11'", "", true),
            ("python_version<'3'and extra=='a'", "a", false),
            ("'3.8' <= python_version", "", true),
            ("sys_platform <= 'linux'", "", true),
            ("sys_platform < 'win'", "", false),
        ] {
            assert_eq!(holds(text, extra), want, "{text} with {extra:?}");
        }
    }

    #[test]
    fn what_the_tree_does_not_say_may_apply() {
        let variables = Variables {
            python_version: None,
            python_full_version: None,
            platform_machine: "aarch64".into(),
        };
        let holds = |text| Marker::parse(&mut Cursor(text)).unwrap().holds(&variables, "");
        assert!(holds("python_version < '3'"));
        assert!(holds("python_full_version == '3.11.1'"));
        assert!(!holds("platform_machine == 'x86_64'"));
    }

    #[test]
    fn what_is_none_is_refused() {
        let deep = "(".repeat(40);
        for text in [
            "",
            "python_version",
            "python_version >=",
            "python >= '3'",
            "'a' == 'b'",
            "os_name == os_name",
            "os_name == 'posix",
            "(os_name == 'posix'",
            "os_name = 'a'",
            "os_name == 'a' and",
            "os_name == 'a' x",
            "os_name not 'a'",
            "os_name == 'a')",
            &deep,
        ] {
            assert!(Marker::parse(&mut Cursor(text)).is_err(), "{text}");
        }
    }
}
