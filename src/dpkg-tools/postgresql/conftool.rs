//! `pg_conftool`: a parameter of a configuration file.

use bstr::ByteSlice as _;

use super::cluster::{self, Cluster};
use super::configuration::{self, Parameters};
use imgfix_shell::{Process, Status, Stop};

#[derive(Default)]
struct Request {
    boolean: bool,
    short: bool,
    verbose: bool,
}

/// `[-b] [-s] [-v] FILE|VERSION CLUSTER [FILE] show PARAMETER`.
///
/// # Errors
/// Another call; a line that the program fails on.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let mut request = Request::default();
    let mut operands = Vec::new();
    for word in &words {
        match word.strip_prefix('-') {
            None => operands.push(word.as_str()),
            Some(letters) => set(process, &mut request, letters)?,
        }
    }
    let (file, parameters, name) = match operands[..] {
        [file, "show" | "get", name] if file.starts_with('/') => {
            (file, configuration::read(process, file.as_bytes())?, name)
        }
        [version, cluster, "show" | "get", name] => {
            let file = "postgresql.conf";
            (file, of_cluster(process, version, cluster, file)?, name)
        }
        [version, cluster, file, "show" | "get", name] if !file.starts_with('/') => {
            (file, of_cluster(process, version, cluster, file)?, name)
        }
        _ => return Err(process.unsupported("another call than FILE show PARAMETER")),
    };
    if name == "all" {
        return Err(process.unsupported("show all"));
    }
    show(process, &request, file, &parameters, name)
}

fn set(process: &Process<'_>, request: &mut Request, letters: &str) -> Result<(), Stop> {
    for letter in letters.chars() {
        match letter {
            'b' => request.boolean = true,
            's' => request.short = true,
            'v' => request.verbose = true,
            other => return Err(process.unsupported(format!("-{other}"))),
        }
    }
    Ok(())
}

fn of_cluster(
    process: &mut Process<'_>,
    version: &str,
    name: &str,
    file: &str,
) -> Result<Parameters, Stop> {
    let cluster = Cluster { version: version.to_owned(), name: name.to_owned() };
    if !cluster::of_version(process, version)?.contains(&cluster) {
        return Err(process.unsupported(format!("the missing cluster {version} {name}")));
    }
    cluster.parameters(process, file)
}

fn show(
    process: &mut Process<'_>,
    request: &Request,
    file: &str,
    parameters: &Parameters,
    name: &str,
) -> Status {
    let Some(value) = parameters.get(name.as_bytes().as_bstr()) else {
        if request.verbose {
            process.print(format!("# {name} not found in {file}\n"))?;
        }
        return Ok(1);
    };
    let value = match request.boolean {
        false => value.to_vec(),
        true if configuration::truth(value) == Some(true) => b"on".to_vec(),
        true => b"off".to_vec(),
    };
    match request.short {
        true => process.print([&value[..], b"\n"].concat())?,
        false => {
            let value = configuration::quoted(&value);
            process.print([name.as_bytes(), b" = ", &value, b"\n"].concat())?;
        }
    }
    Ok(0)
}
