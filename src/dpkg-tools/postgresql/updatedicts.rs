//! `pg_updatedicts`: dictionaries for PostgreSQL, made from those of hunspell and myspell.
//!
//! Making one converts its character set, which is a stop; without dictionaries the program
//! removes what it made of those that were there before (postgresql-common).

use imgfix_shell::{Process, Status, Stop};

const SOURCES: [&[u8]; 2] = [b"/usr/share/hunspell", b"/usr/share/myspell/dicts"];
const MADE: &[u8] = b"/var/cache/postgresql/dicts";
const VERSIONS: &[u8] = b"/usr/share/postgresql/";

/// Makes the dictionaries anew.
///
/// # Errors
/// There is a dictionary to be made.
pub fn run(process: &mut Process<'_>) -> Status {
    process.run(["mkdir", "-p", "/var/cache/postgresql/dicts"])?;
    for folder in SOURCES {
        for path in visible(process, folder)? {
            if path.ends_with(b".aff") && !is_link(process, &path)? {
                return Err(process.unsupported([b"the dictionary ", &path[..]].concat()));
            }
        }
    }
    process.print(
        "Building PostgreSQL dictionaries from installed myspell/hunspell packages...\n\
         Removing obsolete dictionary files:\n",
    )?;
    for path in visible(process, MADE)? {
        remove(process, &path)?;
    }
    for suffix in [&b".affix"[..], b".dict"] {
        for version in visible(process, VERSIONS)? {
            for path in visible(process, &[&version[..], b"/tsearch_data"].concat())? {
                if path.ends_with(suffix) && is_link(process, &path)? {
                    remove(process, &path)?;
                }
            }
        }
    }
    Ok(0)
}

/// What `FOLDER/*` names.
fn visible(process: &mut Process<'_>, folder: &[u8]) -> Result<Vec<Vec<u8>>, Stop> {
    let directory = process.call.directory.clone();
    let names = process.machine.read_dir(&directory, folder)?.unwrap_or_default();
    let names = names.into_iter().filter(|name| !name.starts_with(b"."));
    Ok(names.map(|name| [folder, b"/", &name].concat()).collect())
}

fn is_link(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    let entry = process.machine.lstat(&process.call.directory, path)?;
    Ok(entry.is_ok_and(|entry| entry.is_symlink()))
}

fn remove(process: &mut Process<'_>, path: &[u8]) -> Result<(), Stop> {
    process.print([b"  ", path, b"\n"].concat())?;
    let directory = process.call.directory.clone();
    // a folder stays: the program does not look at what unlink(2) says
    let _left = process.machine.unlink(&directory, path)?;
    Ok(())
}
