//! What becomes of repositories that cannot be used: they are left out, or end the run.
//!
//! In comes one failure after the other; out comes the list for warnings, plan and report, or
//! the one error when no repository is left or the user wants none to be missing.

use imgfix_host::progress::SharedProgress;
use imgfix_model::left_out::LeftOut;

/// What a repository that cannot be used means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strictness {
    /// It is left out with a warning, as long as another one is there.
    #[default]
    LeaveOut,
    /// The end of the run: `--strict-repositories`.
    Refuse,
}

/// The repositories do not suffice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// One cannot be used, and the user wants none to be missing ([`Strictness::Refuse`]).
    #[error("{source}: {why} (--strict-repositories)", source = .0.source, why = .0.why)]
    Refused(LeftOut),
    /// None of them can be used.
    #[error("{}", told(.0))]
    None(Vec<LeftOut>),
    /// A release's repositories have moved together.
    #[error("no repository can be used: {why}: go on with {mirrors}")]
    Moved {
        /// [`Moved::why`] of the first.
        why: String,
        /// The options that lead to where they are, with spaces between.
        mirrors: String,
    },
}

/// Why no repository can be used; when there was only one, just what is wrong with it.
fn told(all: &[LeftOut]) -> String {
    let one = |one: &LeftOut| {
        let url = one.source.split(' ').next().unwrap_or_default();
        match one.why.starts_with(url) {
            true => one.why.clone(),
            false => format!("{}: {}", one.source, one.why),
        }
    };
    match all {
        [only] => one(only),
        _ => {
            let all: Vec<String> = all.iter().map(one).collect();
            format!("no repository can be used: {}", all.join("; "))
        }
    }
}

/// Where a repository is now whose release has reached its end of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// `Debian 10 (buster) has reached its end of life (2024-06-30) and has moved`.
    pub why: String,
    /// The option that leads there: `--mirror FROM=TO`.
    pub mirror: String,
}

/// Collects what is left out.
#[derive(Debug)]
pub struct LeavingOut {
    strictness: Strictness,
    list: Vec<LeftOut>,
    moved: Vec<Moved>,
}

impl LeavingOut {
    /// Nothing is left out yet.
    #[must_use]
    pub fn new(strictness: Strictness) -> Self {
        Self { strictness, list: Vec::new(), moved: Vec::new() }
    }

    /// Leaves one out.
    ///
    /// # Errors
    /// None may be missing.
    pub fn leave_out(&mut self, source: String, why: String) -> Result<(), Unusable> {
        let left_out = LeftOut { source, why };
        match self.strictness {
            Strictness::Refuse => Err(Unusable::Refused(left_out)),
            Strictness::LeaveOut => {
                if !self.list.contains(&left_out) {
                    self.list.push(left_out);
                }
                Ok(())
            }
        }
    }

    /// Leaves one out that is somewhere else now.
    ///
    /// # Errors
    /// None may be missing.
    pub fn leave_out_moved(&mut self, source: String, moved: Moved) -> Result<(), Unusable> {
        let why = format!("{}: go on with {}", moved.why, moved.mirror);
        let before = self.list.len();
        self.leave_out(source, why)?;
        if self.list.len() > before {
            self.moved.push(moved);
        }
        Ok(())
    }

    /// Says what was left out, once the others have been read: `usable` of them can be used.
    ///
    /// # Errors
    /// None can be used, though there were some.
    pub fn settle(
        self,
        usable: usize,
        progress: &SharedProgress,
    ) -> Result<Vec<LeftOut>, Unusable> {
        if usable > 0 {
            for left_out in &self.list {
                progress.warn(&left_out.to_string());
            }
            return Ok(self.list);
        }
        match (self.list.as_slice(), self.moved.as_slice()) {
            ([], _) => Ok(Vec::new()),
            (list, [first, ..]) if list.len() == self.moved.len() => {
                let mut mirrors: Vec<&str> =
                    self.moved.iter().map(|moved| moved.mirror.as_str()).collect();
                mirrors.dedup();
                Err(Unusable::Moved { why: first.why.clone(), mirrors: mirrors.join(" ") })
            }
            _ => Err(Unusable::None(self.list)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_host::progress::Silent;

    fn silent() -> SharedProgress {
        Arc::new(Silent)
    }

    #[test]
    fn what_is_left_out_ends_the_run_only_when_nothing_is_left() {
        let full = || {
            let mut out = LeavingOut::new(Strictness::LeaveOut);
            for why in ["it is down", "it is gone", "it is down"] {
                out.leave_out("http://a x".into(), why.into()).unwrap();
            }
            out
        };
        let list = full().settle(1, &silent()).unwrap();
        assert_eq!(list.len(), 2, "{list:?}");
        assert_eq!(list[0].to_string(), "http://a x is left out: it is down");
        assert_eq!(
            full().settle(0, &silent()).unwrap_err().to_string(),
            "no repository can be used: http://a x: it is down; http://a x: it is gone"
        );
        let mut only = LeavingOut::new(Strictness::LeaveOut);
        only.leave_out("http://a x".into(), "http://a/x is down".into()).unwrap();
        assert_eq!(only.settle(0, &silent()).unwrap_err().to_string(), "http://a/x is down");
        let none = LeavingOut::new(Strictness::LeaveOut);
        assert_eq!(none.settle(0, &silent()), Ok(Vec::new()));
    }

    #[test]
    fn the_user_may_want_none_to_be_missing() {
        let mut strict = LeavingOut::new(Strictness::Refuse);
        assert_eq!(
            strict.leave_out("http://a x".into(), "it is down".into()).unwrap_err().to_string(),
            "http://a x: it is down (--strict-repositories)"
        );
    }

    #[test]
    fn a_release_that_has_moved_is_one_error_with_all_its_mirrors() {
        let mut out = LeavingOut::new(Strictness::LeaveOut);
        for path in ["debian", "debian", "debian-security"] {
            let mirror = format!("--mirror http://d/{path}=http://archive/{path}");
            let moved = Moved { why: "Debian 10 (buster) has moved".into(), mirror };
            out.leave_out_moved(format!("http://d/{path} buster"), moved).unwrap();
        }
        assert_eq!(
            out.settle(0, &silent()).unwrap_err().to_string(),
            "no repository can be used: Debian 10 (buster) has moved: go on with \
             --mirror http://d/debian=http://archive/debian \
             --mirror http://d/debian-security=http://archive/debian-security"
        );
    }
}
