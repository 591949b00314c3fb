//! `dpkg --compare-versions A RELATION B`.

use std::cmp::Ordering;

use super::files::fatal;
use imgfix_shell::{Process, Status};
use imgfix_versions::dpkg::Version;

/// Which side of every version an empty one is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    First,
    Last,
}

/// Compares two versions: status 0 when the relation holds, 1 when not, 2 for bad words.
///
/// # Errors
/// Data limits.
pub fn run(process: &mut Process<'_>, operands: &[String]) -> Status {
    let [a, relation, b] = operands else {
        return fatal(
            process,
            "--compare-versions takes three arguments: <version> <relation> <version>",
        );
    };
    let Some((holds, empty)) = relation_of(relation) else {
        return fatal(process, "--compare-versions bad relation");
    };
    let (Some(a), Some(b)) = (read(process, a)?, read(process, b)?) else { return Ok(2) };
    let order = match (&a, &b) {
        (Some(a), Some(b)) => a.cmp(b),
        (None, None) => Ordering::Equal,
        (one, _) => match (one.is_none(), empty) {
            (true, Empty::First) | (false, Empty::Last) => Ordering::Less,
            _ => Ordering::Greater,
        },
    };
    Ok(u8::from(!holds.contains(&order)))
}

fn relation_of(word: &str) -> Option<(&'static [Ordering], Empty)> {
    use Ordering::{Equal, Greater, Less};
    let (name, empty) = match word.strip_suffix("-nl") {
        Some(name @ ("lt" | "le" | "ge" | "gt")) => (name, Empty::Last),
        _ => (word, Empty::First),
    };
    let orders: &[Ordering] = match name {
        "lt" | "<<" => &[Less],
        "le" | "<" | "<=" => &[Less, Equal],
        "eq" | "=" => &[Equal],
        "ne" => &[Less, Greater],
        "ge" | ">" | ">=" => &[Greater, Equal],
        "gt" | ">>" => &[Greater],
        _ => return None,
    };
    Some((orders, empty))
}

/// A version; `Some(None)` for a text that stands for no version, `None` for a bad one.
fn read(
    process: &mut Process<'_>,
    text: &str,
) -> Result<Option<Option<Version>>, imgfix_shell::Stop> {
    if text.is_empty() || text == "<unknown>" {
        return Ok(Some(None));
    }
    let trimmed = text.trim_matches([' ', '\t', '\n']);
    match Version::parse_recorded(trimmed) {
        Ok(version) => {
            if !version.upstream().starts_with(|c: char| c.is_ascii_digit()) {
                process.complain(format!(
                    "warning: version '{text}' has bad syntax: version number does not start \
                     with digit"
                ))?;
            } else if Version::parse(trimmed).is_err() {
                process.complain(format!(
                    "warning: version '{text}' has bad syntax: invalid character in version number"
                ))?;
            }
            Ok(Some(Some(version)))
        }
        Err(_) => {
            fatal(process, format!("version '{text}' has bad syntax"))?;
            Ok(None)
        }
    }
}
