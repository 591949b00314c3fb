//! Exit codes, documented in README and `--help`, and the one error type that leaves a
//! subcommand.

use std::fmt;

use imgfix_host::unfinished::Published;

/// Done.
pub const DONE: u8 = 0;
/// Failed; the image was not published.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// Findings at or above `--fail-on` remain, or, of a plan, would remain. A repair was published
/// all the same, unless an option said otherwise.
pub const REMAINING: u8 = 3;

/// Published, but what comes after it failed: a report that was not written, an image that
/// could not be read back, scanned again, or whose original was not dealt with.
pub const PUBLISHED_BUT: u8 = 4;

/// With `plan --detailed-exitcode`: there is something to do. Terraform and OpenTofu end with 2
/// then (<https://opentofu.org/docs/cli/commands/plan/>), which here, as in most programs, says
/// that the command line is wrong: a slip of the pen must not pass for a change.
pub const CHANGES: u8 = 5;

/// The exit codes as `--help` shows them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed, nothing published
  2  usage
  3  findings at or above --fail-on remain; published, unless --no-publish-on-failed-gate or
     --skip-unchanged said otherwise. Of a plan: such findings would remain
  4  published, or perhaps, but a later step failed: a report was not written, the image could
     not be read back or scanned; the message names the image
  5  plan --detailed-exitcode: there is something to do (and nothing speaks for 3)
  130, 143  interrupted (SIGINT, SIGTERM); the message says whether something was published";

/// The exit code that shells give to a process ended by a signal.
#[must_use]
pub fn of_signal(signal: i32) -> i32 {
    128 + signal
}

/// Why a subcommand failed.
#[derive(Debug)]
pub enum Failure {
    /// The arguments do not fit together; exit code 2.
    Usage(String),
    /// The work failed; exit code 1.
    Work(Box<dyn std::error::Error + Send + Sync>),
    /// The image was published, or may have been, and then this failed; exit code 4.
    AfterPublishing(String),
}

impl Failure {
    /// The process's exit code for this failure.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Work(_) => FAILED,
            Failure::AfterPublishing(_) => PUBLISHED_BUT,
        }
    }

    /// The same failure, told as what it is when something was published before it.
    #[must_use]
    pub fn after(self, published: &Published) -> Self {
        let text = match (&self, published) {
            (_, Published::Nothing) | (Failure::AfterPublishing(_), _) => return self,
            (_, Published::Perhaps(tag)) => {
                format!("{self}; {tag} may have moved all the same: see what it points at")
            }
            (_, Published::Tag(tag)) => {
                let text = self.to_string();
                match text.contains("published") {
                    true => text,
                    false => format!("{tag} was published, but then: {text}"),
                }
            }
        };
        Failure::AfterPublishing(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::AfterPublishing(text) => f.write_str(text),
            Failure::Work(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Work(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_after_publishing_has_a_code_of_its_own_and_names_the_image() {
        let tag = || "oci:a:1_fix".to_owned();
        let usage = || Failure::Usage("--html x: cannot write".to_owned());
        for (published, code, want) in [
            (Published::Nothing, USAGE, "--html x: cannot write"),
            (
                Published::Tag(tag()),
                PUBLISHED_BUT,
                "oci:a:1_fix was published, but then: --html x: cannot write",
            ),
            (
                Published::Perhaps(tag()),
                PUBLISHED_BUT,
                "--html x: cannot write; oci:a:1_fix may have moved all the same: see what it \
                 points at",
            ),
        ] {
            let failure = usage().after(&published);
            assert_eq!((failure.code(), failure.to_string().as_str()), (code, want));
            let again = failure.after(&published);
            assert_eq!((again.code(), again.to_string().as_str()), (code, want));
        }
        let named = Failure::Work("the image was published as oci:a:1_fix, but".into());
        assert_eq!(named.after(&Published::Tag(tag())).code(), PUBLISHED_BUT);
    }
}
