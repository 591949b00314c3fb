//! Telling people of a repair, as the policy says. What fails is a warning.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::notify::{Event, Message, Sender, Target, send_all};

use super::output::Output;

/// Tells every target that wants to know.
pub fn send(targets: &[Target], event: Event<'_>, certificates: &[PathBuf], output: &Output) {
    if targets.is_empty() {
        return;
    }
    let progress = output.progress();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return progress.warn(&format!("nobody was told: {error}")),
    };
    // Files that cannot be read were an error of the repair already.
    let certificates: Vec<Vec<u8>> =
        certificates.iter().filter_map(|path| std::fs::read(path).ok()).collect();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let sender = Sender {
        runtime: &runtime,
        certificates: &certificates,
        variable: &|name| std::env::var(name).ok(),
        now,
    };
    let page = page_of_run(sender.variable);
    for why in send_all(targets, &Message::of(event).linked(page.as_deref()), &sender) {
        progress.warn(&why);
    }
}

/// The page of the run in the pipeline that this is a step of.
///
/// Source: <https://docs.github.com/actions/reference/workflows-and-actions/variables>,
/// <https://docs.gitlab.com/ci/variables/predefined_variables/>, and Jenkins' `/env-vars.html`.
fn page_of_run(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let github = || {
        let (server, repository) = (set("GITHUB_SERVER_URL")?, set("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{repository}/actions/runs/{}", set("GITHUB_RUN_ID")?))
    };
    set("CI_JOB_URL").or_else(github).or_else(|| set("BUILD_URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_run_is_known_where_pipelines_say_it() {
        let page = |set: &[(&str, &str)]| {
            let look = |name: &str| {
                let found = set.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            page_of_run(&look)
        };
        let github = [
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "a/b"),
            ("GITHUB_RUN_ID", "7"),
        ];
        assert_eq!(page(&github).as_deref(), Some("https://github.com/a/b/actions/runs/7"));
        assert_eq!(page(&github[..2]), None);
        assert_eq!(page(&[("CI_JOB_URL", "https://g/1")]).as_deref(), Some("https://g/1"));
        assert_eq!(page(&[("CI_JOB_URL", ""), ("BUILD_URL", "j")]).as_deref(), Some("j"));
    }
}
