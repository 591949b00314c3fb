//! `.trivyignore`: one id a line, `#` starts a comment, `exp:YYYY-MM-DD` ends a rule on that day.
//! Further words of a line are remarks.
//!
//! Source: `pkg/result/ignore.go` of Trivy and
//! <https://trivy.dev/latest/docs/configuration/filtering/#trivyignore>.

use time::Date;

use super::IgnoreRule;
use crate::FindingsError;
use crate::filter::DATE;

/// Ids have no other characters: a line with one is of another kind of file.
fn is_id(word: &str) -> bool {
    word.chars().all(|c| c.is_alphanumeric() || "-_.:/+@()".contains(c)) && !word.ends_with(':')
}

/// Reads the file. Trivy skips a bad line with a warning; here it is an error.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<IgnoreRule>, FindingsError> {
    let mut rules = Vec::new();
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let error =
            |why: String| FindingsError::IgnoreFile { name: name.to_owned(), line: index + 1, why };
        let line = std::str::from_utf8(line).map_err(|_| error("not UTF-8 text".to_owned()))?;
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(id) = words.next() else { continue };
        let short = |text: &str| text.chars().take(40).collect::<String>();
        if !is_id(id) {
            return Err(error(format!("{:?} is not an id", short(id))));
        }
        let expires = words
            .find_map(|word| word.strip_prefix("exp:"))
            .map(|day| {
                Date::parse(day, DATE).map_err(|_| error(format!("{:?} is not a date", short(day))))
            })
            .transpose()?;
        rules.push(IgnoreRule::of_id(id, expires, format!("{name}:{}", index + 1)));
    }
    Ok(rules)
}
