//! Where sources go: the last operand, or the directory of `-t`, as `cp`, `mv`, `ln` and
//! `install` take them.

use super::operands::{inside, is_directory, last_component, quoted};
use imgfix_shell::{Process, Stop};

/// What the options say of the destination.
#[derive(Debug, Default)]
pub(super) struct Destination {
    /// `-t DIRECTORY`.
    pub(super) directory: Option<Vec<u8>>,
    /// `-T`: the last operand is no directory to go into.
    pub(super) as_file: bool,
}

/// A source and its destination.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

impl Destination {
    /// Pairs of source and destination; `None` after a message about operands that do not fit.
    ///
    /// # Errors
    /// A path of a running system.
    pub(super) fn pairs(
        &self,
        process: &mut Process<'_>,
        mut operands: Vec<Vec<u8>>,
    ) -> Result<Option<Vec<Pair>>, Stop> {
        let target = match &self.directory {
            Some(directory) => directory.clone(),
            None => match (operands.len(), operands.pop()) {
                (0, _) | (_, None) => return none(process, "missing file operand".into()),
                (1, Some(only)) => {
                    let only = quoted(&only);
                    return none(process, format!("missing destination file operand after {only}"));
                }
                (_, Some(last)) => last,
            },
        };
        if operands.is_empty() {
            return none(process, "missing file operand".into());
        }
        if self.as_file && operands.len() > 1 {
            return none(process, "extra operand".into());
        }
        let into = self.directory.is_some()
            || !self.as_file && (is_directory(process, &target)? || operands.len() > 1);
        if into && !is_directory(process, &target)? {
            let target = quoted(&target);
            return none(process, format!("target {target} is not a directory"));
        }
        let pair = |from: Vec<u8>| {
            let to = match into {
                true => inside(&target, last_component(&from)),
                false => target.clone(),
            };
            (from, to)
        };
        Ok(Some(operands.into_iter().map(pair).collect()))
    }
}

fn none(process: &mut Process<'_>, why: String) -> Result<Option<Vec<Pair>>, Stop> {
    process.complain(why)?;
    Ok(None)
}
