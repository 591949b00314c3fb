//! Which packages the user lets be changed, by patterns of their names.

use imgfix_model::package::PackageId;
use imgfix_model::reason::Reason;
use imgfix_model::upgrade::UpgradeLevel;

/// Patterns of names, in which `*` is any text. The default allows everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageChoice {
    /// When not empty: only these.
    pub allow: Vec<String>,
    /// Not these.
    pub deny: Vec<String>,
    /// How far libraries of applications may be upgraded.
    pub library_upgrades: UpgradeLevel,
}

impl PackageChoice {
    /// Why a package is not to be changed; `None`: it may be.
    #[must_use]
    pub fn refusal(&self, id: &PackageId) -> Option<Reason> {
        self.refusal_of(id.name.as_ref())
    }

    /// Why what has this name is not to be changed; `None`: it may be.
    #[must_use]
    pub fn refusal_of(&self, name: &str) -> Option<Reason> {
        let held = |by: String| Some(Reason::Held { package: name.to_owned(), by });
        if let Some(pattern) = self.deny.iter().find(|pattern| is_like(pattern, name)) {
            return held(format!("the policy (denied: {pattern})"));
        }
        if !self.allow.is_empty() && !self.allow.iter().any(|pattern| is_like(pattern, name)) {
            return held("the policy (not among the allowed packages)".to_owned());
        }
        None
    }
}

/// Whether a name is as the pattern, in which `*` is any text: its parts between `*` follow one
/// another in the name.
#[must_use]
pub fn is_like(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = rest.split('*').collect();
    let Some((last, middle)) = parts.split_last() else { return true };
    for part in middle {
        let Some(at) = name.find(part) else { return false };
        name = name.get(at + part.len()..).unwrap_or_default();
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, want) in [
            ("libc6", "libc6", true),
            ("libc6", "libc6-dev", false),
            ("linux-*", "linux-libc-dev", true),
            ("linux-*", "gnu-linux-", false),
            ("*", "", true),
            ("*-dev", "libc6-dev", true),
            ("lib*-dev", "lib-dev", true),
            ("lib*ssl*dev", "libxssl-y-dev", true),
            ("a*a", "a", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(is_like(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn denied_goes_before_allowed() {
        let choice = PackageChoice {
            allow: vec!["lib*".into()],
            deny: vec!["libc*".into()],
            ..Default::default()
        };
        let refused = |name: &str| {
            choice.refusal(&PackageId { name: name.into(), architecture: "amd64".into() }).is_some()
        };
        assert!(refused("libc6") && refused("bash") && !refused("libssl3"));
    }
}
