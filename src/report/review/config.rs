//! What the image's config says to who runs it, in a sentence: which of it changed, which did
//! not.
//!
//! Source of the names: the OCI image specification's config
//! (<https://github.com/opencontainers/image-spec/blob/main/config.md>).

use super::Review;
use crate::diff::ConfigChange;

/// Properties of `config` that decide how a container runs, with what people call them.
const PROPERTIES: [(&str, &str); 12] = [
    ("Entrypoint", "entrypoint"),
    ("Cmd", "command"),
    ("Env", "environment"),
    ("User", "user"),
    ("ExposedPorts", "ports"),
    ("Volumes", "volumes"),
    ("WorkingDir", "working directory"),
    ("Labels", "labels"),
    ("Healthcheck", "health check"),
    ("StopSignal", "stop signal"),
    ("Shell", "shell"),
    ("OnBuild", "build triggers"),
];

/// Those that a sentence names even when nothing changed.
const NAMED: usize = 8;

/// `Entrypoint, command, environment, user, ports, volumes, working directory and labels are
/// unchanged.` `None` when no platform was compared.
#[must_use]
pub fn sentence(review: &Review) -> Option<String> {
    let mut diffs = review.platforms.iter().filter_map(|one| one.diff.as_ref()).peekable();
    diffs.peek()?;
    let changes: Vec<&ConfigChange> = diffs.flat_map(|diff| &diff.config).collect();
    let is_changed = |key: &str| changes.iter().any(|change| concerns(&change.path, key));
    let (changed, same): (Vec<_>, Vec<_>) =
        PROPERTIES.iter().enumerate().partition(|(_, (key, _))| is_changed(key));
    let words = |list: &[(usize, &(&'static str, &'static str))], most: usize| {
        let named = list.iter().filter(|(at, _)| *at < most);
        and(&named.map(|(_, (_, word))| *word).collect::<Vec<_>>())
    };
    let same = words(&same, NAMED);
    let mut sentences = Vec::new();
    if !changed.is_empty() {
        sentences.push(format!("Changed: {}.", words(&changed, PROPERTIES.len())));
    }
    if !same.is_empty() {
        let are = if same.contains(',') || same.contains(" and ") { "are" } else { "is" };
        sentences.push(format!("{} {are} unchanged.", capital(&same)));
    }
    Some(sentences.join(" "))
}

/// Whether a place of the config (`config.Env[2]`) is in a property.
fn concerns(path: &str, key: &str) -> bool {
    let Some(rest) = path.strip_prefix("config") else { return false };
    // all of it came or went
    let Some(rest) = rest.strip_prefix('.') else { return rest.is_empty() };
    rest.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// `a, b and c`.
fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The text with a capital letter in front.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn said(paths: &[&str]) -> String {
        let mut review = samples::repair();
        let diff = review.platforms[0].diff.as_mut().unwrap();
        diff.config = paths
            .iter()
            .map(|path| ConfigChange { path: (*path).to_owned(), before: None, after: None })
            .collect();
        sentence(&review).unwrap()
    }

    #[test]
    fn what_runs_is_said() {
        let all = "Entrypoint, command, environment, user, ports, volumes, working directory and \
                   labels are unchanged.";
        assert_eq!(said(&[]), all);
        assert_eq!(
            said(&["history[3]", "rootfs.diff_ids[3]", "created", "config.Environment"]),
            all
        );
        assert_eq!(
            said(&["config.Env[0]", "config.User", "config.StopSignal"]),
            "Changed: environment, user and stop signal. Entrypoint, command, ports, volumes, \
             working directory and labels are unchanged."
        );
        assert!(said(&["config"]).starts_with("Changed: entrypoint, command, environment, user"));
        assert!(!said(&["config"]).contains("unchanged"));
        let untouched = samples::untouched();
        assert_eq!(sentence(&untouched), None);
    }
}
