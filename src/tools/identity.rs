//! Who and where: `id` (`-u`, `-g`, `-G`, `-n`, `-r`), `whoami`, and `uname` where its answer does not
//! depend on the kernel that runs. Everything runs as root.

use super::operands::{accounts, quoted};
use imgfix_model::path::ImagePath;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::Accounts;
use imgfix_vfs::account_lines::GroupLine;

/// What `id` prints.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    All,
    User,
    Group,
    Groups,
}

/// Prints the numbers and names of a user.
///
/// # Errors
/// An option that is not evaluated.
pub fn id(process: &mut Process<'_>) -> Status {
    let (mut shown, mut names) = (Shown::All, false);
    let mut operand = None;
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('u') | Long("user") => shown = Shown::User,
            Short('g') | Long("group") => shown = Shown::Group,
            Short('G') | Long("groups") => shown = Shown::Groups,
            Short('n') | Long("name") => names = true,
            Short('r') | Long("real") => {}
            Value(name) if operand.is_none() => operand = Some(name.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let accounts = accounts(process)?;
    let uid = match &operand {
        None => 0,
        Some(name) => match accounts.user(name).or_else(|| numbered(&accounts, name)) {
            Some(uid) => uid,
            None => {
                process.complain(format!("{}: no such user", quoted(name)))?;
                return Ok(1);
            }
        },
    };
    // A user that is asked for by number has the groups of its name.
    let user = match operand.filter(|name| accounts.user(name).is_some()) {
        Some(name) => name,
        None => accounts.user_name(uid).unwrap_or(b"root").to_vec(),
    };
    let gid = accounts.login_group(&user).unwrap_or(0);
    let groups = groups(process, &user, gid)?;
    let text = match (shown, names) {
        (Shown::User, false) => uid.to_string(),
        (Shown::Group, false) => gid.to_string(),
        (Shown::User, true) => named(uid, accounts.user_name(uid)),
        (Shown::Group, true) => named(gid, accounts.group_name(gid)),
        (Shown::Groups, _) => {
            let word = |gid: &u32| match names {
                true => named(*gid, accounts.group_name(*gid)),
                false => gid.to_string(),
            };
            groups.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        (Shown::All, _) => all(uid, gid, &groups, &accounts),
    };
    process.print(format!("{text}\n"))?;
    Ok(0)
}

fn numbered(accounts: &Accounts, text: &[u8]) -> Option<u32> {
    let uid = std::str::from_utf8(text).ok()?.parse().ok()?;
    accounts.user_name(uid).is_some().then_some(uid)
}

fn named(number: u32, name: Option<&[u8]>) -> String {
    name.map_or_else(|| number.to_string(), |name| String::from_utf8_lossy(name).into_owned())
}

fn all(uid: u32, gid: u32, groups: &[u32], accounts: &Accounts) -> String {
    let both = |number: u32, name: Option<&[u8]>| match name {
        Some(name) => format!("{number}({})", String::from_utf8_lossy(name)),
        None => number.to_string(),
    };
    let groups: Vec<String> =
        groups.iter().map(|gid| both(*gid, accounts.group_name(*gid))).collect();
    format!(
        "uid={} gid={} groups={}",
        both(uid, accounts.user_name(uid)),
        both(gid, accounts.group_name(gid)),
        groups.join(",")
    )
}

/// The login group, then those of `group(5)` that list the user.
fn groups(process: &mut Process<'_>, user: &[u8], login: u32) -> Result<Vec<u32>, Stop> {
    let text = process.machine.read_file(&ImagePath::root(), b"/etc/group")?.unwrap_or_default();
    let mut out = vec![login];
    for group in GroupLine::all(&text) {
        if group.members().any(|member| member == user) && !out.contains(&group.gid) {
            out.push(group.gid);
        }
    }
    Ok(out)
}

/// `whoami`.
///
/// # Errors
/// Operands.
pub fn whoami(process: &mut Process<'_>) -> Status {
    if let Some(word) = process.arguments().first() {
        return Err(process.unsupported(word));
    }
    let accounts = accounts(process)?;
    let name = accounts.user_name(0).unwrap_or(b"root");
    process.print([name, b"\n"].concat())?;
    Ok(0)
}

/// What `uname -r` says: a kernel on which images are built today. Scripts compare it with the oldest
/// kernel that a package supports (libc6); no script keeps it.
pub const KERNEL: &str = "6.1.0-imgfix";

/// `uname` with `-s`, `-o`, `-m` or `-r`; everything else is the running kernel's.
///
/// # Errors
/// A question about the running kernel.
pub fn uname(process: &mut Process<'_>) -> Status {
    let text = match process.arguments() {
        [] => "Linux",
        [one] => match &one[..] {
            b"-s" => "Linux",
            b"-r" => KERNEL,
            b"-o" => "GNU/Linux",
            b"-m" => match process.machine.settings.architecture.as_str() {
                "amd64" | "x86_64" => "x86_64",
                "arm64" | "aarch64" => "aarch64",
                _ => return Err(process.unsupported("-m on this architecture")),
            },
            other => return Err(process.unsupported(other)),
        },
        _ => return Err(process.unsupported("several options")),
    };
    process.print(format!("{text}\n"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn users_are_known_by_name_and_number_and_root_by_what_it_is_called() {
        let mut image = Image::new(&[
            "/etc/passwd=toor:x:0:0::/root:/bin/sh\nweb:x:80:81::/:/bin/sh\n",
            "/etc/group=toor:x:0:\nweb:x:81:\ndata:x:90:web,x\n",
        ]);
        for (line, status, output) in [
            ("id", 0, "uid=0(toor) gid=0(toor) groups=0(toor)\n"),
            ("id web", 0, "uid=80(web) gid=81(web) groups=81(web),90(data)\n"),
            ("id 80", 0, "uid=80(web) gid=81(web) groups=81(web),90(data)\n"),
            ("id -Gn web", 0, "web data\n"),
            ("id -u 81", 1, ""),
            ("id -un", 0, "toor\n"),
            ("whoami", 0, "toor\n"),
        ] {
            assert_eq!(run(&mut image, line), status, "{line}");
            assert_eq!(image.output(), output, "{line}");
        }
        assert_eq!(image.stop("whoami x"), "whoami with x");
    }
}
