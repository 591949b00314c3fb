//! The examples that `--help` of each subcommand ends with: what people type first, as it is
//! typed. Every line that begins with the program's name is parsed by a test, so that an example
//! cannot name an option that is gone.

/// Of `imgfix repair`.
pub const REPAIR: &str = "\
Examples:
  # What a scanner found in an image of a registry; writes app:1.0_fix beside it
  trivy image --format json -o report.json registry.example/app:1.0
  imgfix repair registry.example/app:1.0 -r report.json

  # For a pipeline: fails when something critical is left, writes the page for the reviewer
  imgfix repair registry.example/app:1.0 -r report.json --fail-on critical --html review.html

  # Everything that the repositories have newer, in a folder with an OCI layout, to another tag
  imgfix repair oci:image:1.0 -o oci:image:1.1

  # Exactly what was reviewed
  imgfix repair registry.example/app:1.0 --plan plan.json";

/// Of `imgfix plan`.
pub const PLAN: &str = "\
Examples:
  imgfix plan registry.example/app:1.0 -r report.json
  imgfix plan registry.example/app:1.0 -r report.json --save plan.json --markdown plan.md

  # For scripts: exit code 5 when there is something to do
  imgfix plan oci:image:1.0 --detailed-exitcode -q";

/// Of `imgfix check`.
pub const CHECK: &str = "\
Examples:
  imgfix check registry.example/app:1.0
  imgfix check oci:image:1.0 --fail-on high --sarif check.sarif

  # Repair what it finds, also what may break something
  imgfix repair oci:image:1.0 --checks --recipe-level opt-in";

/// Of `imgfix inventory`.
pub const INVENTORY: &str = "\
Examples:
  imgfix inventory debian:12
  imgfix inventory oci:image:1.0 --format cyclonedx";

/// Of `imgfix diff`.
pub const DIFF: &str = "\
Examples:
  imgfix diff registry.example/app:1.0 registry.example/app:1.0_fix
  imgfix diff docker-archive:before.tar docker-archive:after.tar --format html";

/// Of `imgfix findings`.
pub const FINDINGS: &str = "\
Examples:
  imgfix findings report.json
  trivy image --format json debian:12 | imgfix findings -
  imgfix findings trivy.json grype.json --format json";

/// Of `imgfix config`.
pub const CONFIG: &str = "\
Examples:
  imgfix config init
  imgfix config check
  imgfix config show registry.example/app:1.0";

/// Of `imgfix cache`.
pub const CACHE: &str = "\
Examples:
  imgfix cache info
  imgfix cache prune --cache-max-size 1G";

/// Of `imgfix schema`.
pub const SCHEMA: &str = "\
Examples:
  imgfix schema report";

/// Of `imgfix login`.
pub const LOGIN: &str = "\
Examples:
  imgfix login registry.example
  printenv TOKEN | imgfix login registry.example -u robot --password-stdin";

/// Of `imgfix logout`.
pub const LOGOUT: &str = "\
Examples:
  imgfix logout registry.example";

/// Of `imgfix version`.
pub const VERSION: &str = "\
Examples:
  imgfix version --format json";

/// Of `imgfix completions`.
pub const COMPLETIONS: &str = "\
Examples:
  imgfix completions bash > ~/.local/share/bash-completion/completions/imgfix
  imgfix completions zsh > ~/.zfunc/_imgfix
  imgfix completions fish > ~/.config/fish/completions/imgfix.fish";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::cli::Arguments;

    /// The part of a line that is imgfix's: behind a pipe, before a redirection.
    fn command(line: &str) -> Option<&str> {
        let line = line.split(" > ").next()?;
        line.split(" | ").map(str::trim).find(|part| part.starts_with("imgfix "))
    }

    #[test]
    fn each_subcommand_has_examples_that_are_right_and_fit_a_terminal() {
        let program = Arguments::command();
        for subcommand in program.get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = subcommand.get_name();
            let help = subcommand.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("{name} has no examples"));
            assert!(help.starts_with("Examples:\n"), "{name}: {help}");
            let mut own = 0;
            for line in help.lines() {
                assert!(line.len() <= 98, "{name}: {line}");
                let Some(words) = command(line) else { continue };
                let words = shlex::split(words).unwrap();
                own += usize::from(words[1] == name);
                if let Err(error) = program.clone().try_get_matches_from(&words) {
                    panic!("{line}: {error}");
                }
            }
            assert!(own > 0, "{name}: no example is of {name}");
        }
    }
}
