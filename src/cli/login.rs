//! `imgfix login` and `imgfix logout`: logins for registries, kept where docker keeps them. The
//! password comes from stdin or is typed, never from the command line, which other users of the
//! machine can see.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::Args;
use imgfix_oci::RegistryOptions;
use imgfix_oci::registry::account::{self, Account, Kept};

use super::confine::Start;
use super::exit::{self, Failure};
use super::registry_options::RegistryAccess;
use super::{CommandResult, output::Output};

/// The longest password or token, in bytes.
const MAX_PASSWORD: u64 = 64 << 10;

/// What `--authfile` is to a login.
const KEPT_IN: &str =
    "Keep the login in this file [default: docker's config.json, or the helper that it names]";

/// Arguments of `imgfix login`.
#[derive(Debug, Args)]
#[command(
    mut_arg("authfile", |arg| arg.help(KEPT_IN)),
    mut_arg("ca_file", |arg| arg.help("Trust the certificates in this PEM file too (repeatable)")),
    mut_arg("insecure_skip_tls_verify", |arg| arg.help("Take any certificate of the registry")),
)]
pub struct LoginArguments {
    /// The registry, HOST or HOST:PORT
    #[arg(default_value = "docker.io")]
    host: String,
    /// The user name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    registry: RegistryAccess,
}

/// Arguments of `imgfix logout`.
#[derive(Debug, Args)]
pub struct LogoutArguments {
    /// The registry, HOST or HOST:PORT
    #[arg(default_value = "docker.io")]
    host: String,
    /// The login is kept in this file [default: docker's config.json, or the helper that it names]
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE")]
    authfile: Option<PathBuf>,
}

/// Runs `imgfix login`.
///
/// # Errors
/// No name or password; the registry refuses them; they cannot be kept.
pub fn log_in(arguments: LoginArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    // It writes the user's own file and may run the user's own helper; of the registry it reads
    // whether the login is taken.
    start.unconfined();
    let user = match arguments.username.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => typed(&format!("User name for {}: ", arguments.host), "--username NAME", false)?,
    };
    let password = match arguments.password_stdin {
        true => from_stdin()?,
        false => typed("Password: ", "--password-stdin", true)?,
    };
    if user.contains(':') || password.is_empty() {
        let why = "want a user name without a colon, and a password that is not empty";
        return Err(Failure::Usage(why.to_owned()));
    }
    let account = Account { host: arguments.host, user, password };
    // The file is where the login goes, not where one is taken from.
    let options = RegistryOptions { auth_file: None, ..arguments.registry.options() };
    account::check(&account, &options)?;
    let file = arguments.registry.authfile.as_deref();
    let kept = account::keep(&account, file, &|name| std::env::var_os(name), output.unfinished())
        .map_err(|why| Failure::Work(why.into()))?;
    match kept {
        Kept::Helper(helper) => tell(output, &format!("{} has the login", helper)),
        Kept::File(path) => tell(
            output,
            &format!("{} has the login, not encrypted; a credential helper would", path.display()),
        ),
    }
    Ok(exit::DONE)
}

/// Runs `imgfix logout`.
///
/// # Errors
/// The file or the helper that has the login does not let it go.
pub fn log_out(arguments: LogoutArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    start.unconfined();
    let file = arguments.authfile.as_deref();
    let variable = |name: &str| std::env::var_os(name);
    let kept = account::forget(&arguments.host, file, &variable, output.unfinished())
        .map_err(|why| Failure::Work(why.into()))?;
    let place = match kept {
        Kept::Helper(helper) => helper,
        Kept::File(path) => path.display().to_string(),
    };
    tell(output, &format!("{place} has no login for {} any more", arguments.host));
    Ok(exit::DONE)
}

fn tell(output: &Output, text: &str) {
    output.progress().message(text);
}

/// One line of stdin, without its end.
fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("--password-stdin: {error}")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// What somebody types at the terminal; without one, `option` is what is missing.
fn typed(prompt: &str, option: &str, secret: bool) -> Result<String, Failure> {
    let missing = || Failure::Usage(format!("there is no terminal to ask at; give {option}"));
    if !std::io::stdin().is_terminal() {
        return Err(missing());
    }
    let terminal = console::Term::stderr();
    let ask = || {
        terminal.write_str(prompt)?;
        match secret {
            true => terminal.read_secure_line(),
            false => terminal.read_line(),
        }
    };
    ask().map_err(|_: std::io::Error| missing())
}
