//! `su USER -c COMMAND` for the commands of which it does not matter that everything here runs
//! as root: tests of who owns a file.

use super::accounts::{AccountList, User};
use super::files::unusable;
use imgfix_shell::{Errno, Process, Status, Stop};

/// Whether others may look for names in a directory.
const SEARCH: u32 = 0o001;

/// `su [-s SHELL] USER -c 'test -O PATH [&& test -G PATH]...'`, as another user.
///
/// # Errors
/// Another call or command.
pub fn run(process: &mut Process<'_>) -> Status {
    let words: Vec<String> = process.arguments().iter().map(ToString::to_string).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (name, command) = match words[..] {
        ["-s", "/bin/sh", name, "-c", command] | [name, "-c", command] => (name, command),
        _ => return Err(process.unsupported("another call than USER -c COMMAND")),
    };
    let Some(user) = AccountList::load(process)?.user(name).cloned() else {
        return Err(process.unsupported(format!("the missing user {name}")));
    };
    for test in command.split("&&") {
        let words: Vec<&str> = test.split_ascii_whitespace().collect();
        let owned = match words[..] {
            ["test", option @ ("-O" | "-G"), path] if path.bytes().all(is_plain) => {
                is_owned(process, &user, option, path)?
            }
            _ => return Err(process.unsupported(format!("the command {command}"))),
        };
        if !owned {
            return Ok(1);
        }
    }
    Ok(0)
}

/// What the shell leaves as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'+')
}

fn is_owned(process: &Process<'_>, user: &User, test: &str, path: &str) -> Result<bool, Stop> {
    if user.uid != 0 && !is_reachable(process, path.as_bytes())? {
        return Err(process.unsupported(format!("{path}, which {} may not see", user.name)));
    }
    match process.machine.stat(&process.call.directory, path.as_bytes())? {
        Ok(entry) if test == "-O" => Ok(entry.uid == user.uid),
        Ok(entry) => Ok(entry.gid == user.gid),
        Err(Errno::NotFound | Errno::NotADirectory) => Ok(false),
        Err(errno) => Err(unusable(process, path.as_bytes(), errno)),
    }
}

/// Whether everyone may look for the path, by the directories above it and above where it
/// leads.
fn is_reachable(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    let Ok(real) = process.follow(path)? else { return Ok(true) };
    let mut folder = real.parent();
    while let Some(here) = folder {
        let entry = process.machine.stat(&process.call.directory, here.as_bytes())?;
        if entry.is_ok_and(|entry| entry.mode & SEARCH == 0) {
            return Ok(false);
        }
        folder = here.parent();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    fn image() -> Image {
        let users = "/etc/passwd=root:x:0:0::/root:/bin/sh\npg:x:7:8::/home:/bin/sh\n";
        Image::with(&[users, "/data/own/", "/locked/in/"], &[("su", super::run)])
    }

    #[test]
    fn owners_are_tested_as_the_other_user() {
        let mut image = image();
        run(&mut image, "chown 7:0 /data/own");
        for (command, status) in [
            ("test -O /data/own", 0),
            ("test -G /data/own", 1),
            ("test -O /data/own &&\n  test -G /data/own", 1),
            ("test -O /data", 1),
            ("test -O /none", 1),
        ] {
            assert_eq!(image.call(&["su", "-s", "/bin/sh", "pg", "-c", command], ""), Ok(status));
        }
        run(&mut image, "chown 7:8 /data/own");
        let both = "test -O /data/own && test -G /data/own";
        assert_eq!(image.call(&["su", "pg", "-c", both], ""), Ok(0));
    }

    #[test]
    fn other_commands_and_hidden_places_stop() {
        let mut image = image();
        run(&mut image, "chmod 700 /locked");
        for (command, want) in [
            ("id", "su with the command id"),
            ("test -O $HOME", "su with the command test -O $HOME"),
            ("test -O /locked/in", "su with /locked/in, which pg may not see"),
        ] {
            assert_eq!(image.call(&["su", "pg", "-c", command], "").unwrap_err().detail, want);
        }
        assert_eq!(image.stop("su no -c id"), "su with the missing user no");
    }
}
