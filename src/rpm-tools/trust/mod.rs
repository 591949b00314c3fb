//! `trust extract` and `p11-kit extract`: the bundles of certificates that the distributions of Red
//! Hat's line and SUSE make of what administrators and packages trust (p11-kit's `trust/`).
//!
//! In come the folders of sources, as the trust module of the image names them; out go files and
//! directories, byte for byte those of p11-kit. `update-ca-trust` and `update-ca-certificates` are
//! shell scripts of the image, which call this.
//!
//! - `module`: where the sources are
//! - `sources`: files into objects, with `pem`, `persist` and `trusted` for their formats
//! - `certificate`, `names`: what is read from a certificate
//! - `selection`: which certificates a call asks for
//! - `formats`, `openssl`: what they become
//! - `save`: files and directories as p11-kit leaves them

mod certificate;
mod formats;
mod module;
mod names;
mod openssl;
mod pem;
mod persist;
mod save;
mod selection;
mod sources;
mod trusted;

use imgfix_shell::options::{Long, Options, Short, Value};
use imgfix_shell::{Process, Status, Stop};

use formats::Format;
use selection::{Filter, Purposes, Selection};

/// What a call asks for.
#[derive(Default)]
struct Request {
    filter: Option<Filter>,
    /// How the blocklist was called, when it is asked for.
    blocklist: Option<String>,
    purposes: Purposes,
    format: Option<Format>,
    overwrite: bool,
    comment: bool,
    destination: Option<Vec<u8>>,
}

/// How a wrong command line ends.
const MISUSED: u8 = 2;

/// `trust`, and `p11-kit`, whose `extract` is the same.
///
/// # Errors
/// Another subcommand than `extract`, and options that are not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut words = process.arguments().iter().map(|word| word.to_vec());
    let command =
        words.find(|word| !matches!(&word[..], b"-v" | b"-q" | b"--verbose" | b"--quiet"));
    let rest: Vec<Vec<u8>> = words.collect();
    match command {
        Some(command) if command == b"extract" => extract(process, rest),
        Some(command) => Err(process.unsupported(command)),
        None => Err(process.unsupported("no subcommand")),
    }
}

fn extract(process: &mut Process<'_>, words: Vec<Vec<u8>>) -> Status {
    let mut request = match parse(process, words)? {
        Ok(request) => request,
        Err(complaint) => {
            process.complain(complaint)?;
            return Ok(MISUSED);
        }
    };
    let Some(destination) = request.destination.take() else {
        process.complain("specify one destination file or directory")?;
        return Ok(MISUSED);
    };
    let Some(format) = request.format else {
        process.complain("no output format specified")?;
        return Ok(MISUSED);
    };
    // A filter that is not named is not looked at here.
    if !format.has_trust() {
        match request.filter {
            Some(Filter::TrustPolicy) => {
                process.complain("format does not support trust policy")?;
                return Ok(1);
            }
            Some(Filter::Anchors) if request.purposes.count() != 1 => {
                process.complain("format takes one purpose, defaulting to 'server-auth'")?;
                request.purposes.add("server-auth");
            }
            _ => {}
        }
    }
    let filter = request.filter.unwrap_or(Filter::Anchors);
    let places = module::places(process)?;
    if let Some(name) = request.blocklist.filter(|name| !places.blocklists.contains(&&name[..])) {
        process.complain(format!("unsupported or unrecognized filter: {name}"))?;
        return Ok(MISUSED);
    }
    let tokens = sources::load(process, &places)?;
    let selection = Selection { filter, purposes: &request.purposes };
    let chosen = selection.of(process, &tokens)?;
    let save = save::Save { overwrite: request.overwrite };
    formats::write(process, format, &chosen, request.comment, &save, &destination)
}

/// The command line; `Err` is what p11-kit complains about.
fn parse(
    process: &Process<'_>,
    words: Vec<Vec<u8>>,
) -> Result<Result<Request, &'static str>, Stop> {
    let mut options = Options::from_words("p11-kit", words);
    let mut request = Request::default();
    while let Some(option) = options.next()? {
        match option {
            Short('f') | Long("overwrite") => request.overwrite = true,
            Long("comment") => request.comment = true,
            Short('v' | 'q') | Long("verbose" | "quiet") => {}
            Long("filter") => {
                let name = options.text()?;
                match Filter::named(&name) {
                    Some(filter) if request.filter.is_none_or(|other| other == filter) => {
                        request.filter = Some(filter);
                        request.blocklist = (filter == Filter::Blocklist).then_some(name);
                    }
                    _ => return Err(process.unsupported(format!("--filter={name}"))),
                }
            }
            Long("purpose") => {
                let name = options.text()?;
                if !request.purposes.add(&name) {
                    return Ok(Err("unsupported or unrecognized purpose"));
                }
            }
            Long("format") => {
                let name = options.text()?;
                if request.format.is_some() {
                    return Ok(Err("a format was already specified"));
                }
                request.format = Format::named(&name);
                if request.format.is_none() {
                    return Ok(Err("unsupported or unrecognized format"));
                }
            }
            Value(path) => {
                if request.destination.is_some() {
                    return Ok(Err("specify one destination file or directory"));
                }
                request.destination = Some(path.into_encoded_bytes());
            }
            option => return Err(process.unsupported_option(&option)),
        }
    }
    Ok(Ok(request))
}

#[cfg(test)]
mod tests;
