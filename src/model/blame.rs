//! Findings whose fixed version is in no repository, when some repository could not be asked:
//! it may be there. Their reason names that repository instead of saying that there is none.

use super::left_out::LeftOut;
use super::plan::PlatformPlan;
use super::reason::Reason;

impl PlatformPlan {
    /// Gives the reason of what no repository has: `left_out` could not be used; `advice` is
    /// for an image that had none to ask.
    /// `limit` is why the repositories that were read may never have it.
    pub fn blame(&mut self, left_out: &[LeftOut], advice: Option<&str>, limit: Option<&str>) {
        let instead = match (left_out, advice) {
            ([], None) => return self.limited(limit),
            ([], Some(advice)) => Reason::NoRepository { advice: advice.to_owned() },
            ([first, others @ ..], _) => {
                let more = match others.len() {
                    0 => String::new(),
                    count => format!(" (and {count} more)"),
                };
                let (source, why) = (format!("{}{more}", first.source), first.why.clone());
                Reason::RepositoryUnreadable { source, why }
            }
        };
        let unfixed = self.unfixed.iter_mut().map(|one| &mut one.reason);
        for reason in unfixed.filter(|reason| matches!(reason, Reason::NotInRepositories { .. })) {
            *reason = instead.clone();
        }
    }

    fn limited(&mut self, limit: Option<&str>) {
        let Some(why) = limit else { return };
        for one in &mut self.unfixed {
            if let Reason::NotInRepositories { wanted, newest } = &one.reason {
                let (wanted, newest) = (wanted.clone(), newest.clone());
                one.reason = Reason::BeyondRepositories { wanted, newest, why: why.to_owned() };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::finding::Finding;
    use crate::plan::Unfixed;

    fn blamed(left_out: &[LeftOut], advice: Option<&str>, limit: Option<&str>) -> Vec<String> {
        let nowhere = Reason::NotInRepositories { wanted: "2".into(), newest: None };
        let reasons = [nowhere, Reason::NoFixedVersion];
        let unfixed = |reason| Unfixed { finding: Finding::system("CVE-1", "a", "1"), reason };
        let mut plan = PlatformPlan {
            platform: "linux/amd64".parse().unwrap(),
            manifest_digest: Digest::of(b""),
            steps: Vec::new(),
            removals: Vec::new(),
            unfixed: reasons.map(unfixed).into(),
            kept_back: Vec::new(),
            stores: Vec::new(),
        };
        plan.blame(left_out, advice, limit);
        plan.unfixed.iter().map(|one| one.reason.to_string()).collect()
    }

    #[test]
    fn what_no_repository_has_may_be_in_one_that_was_left_out() {
        let one = |source: &str| LeftOut { source: source.into(), why: "it is down".into() };
        let none = "the distribution has no fixed version";
        for (left_out, advice, want) in [
            (vec![], None, "the repositories do not have the package (2 wanted)"),
            (vec![], Some("give one"), "the image names no repository: give one"),
            (vec![one("u s")], None, "its repository could not be read: u s: it is down"),
            (
                vec![one("u s"), one("v s"), one("w s")],
                Some("not said"),
                "its repository could not be read: u s (and 2 more): it is down",
            ),
        ] {
            assert_eq!(blamed(&left_out, advice, None), [want, none]);
        }
        let limited = "the repositories do not have the package (2 wanted): it ended";
        assert_eq!(blamed(&[], None, Some("it ended")), [limited, none]);
        assert_eq!(
            blamed(&[one("u s")], None, Some("it ended"))[0],
            "its repository could not be read: u s: it is down"
        );
    }
}
