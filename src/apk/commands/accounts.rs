//! `addgroup` and `adduser` of busybox, as Alpine builds it.
//!
//! In comes a call; out come `/etc/passwd`, `/etc/shadow`, `/etc/group` and `/etc/gshadow` as
//! busybox leaves them: new entries last, the former file as `FILE-`, files with secrets only
//! when they are there. The behaviour is that of busybox 1.33 to 1.36 (`loginutils/adduser.c`,
//! `loginutils/addgroup.c`, `libbb/update_passwd.c`), and of Alpine's default shell of system
//! accounts; the cases are recorded from the real ones.

use imgfix_shell::options::{Long, Options, Short, Value};

use imgfix_model::path::ImagePath;
use imgfix_shell::files::Owner;
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Accounts;

/// Numbers of system accounts, and where others begin and end.
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;
const OTHER: std::ops::RangeInclusive<u32> = 1000..=60_000;

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// The longest name that is taken, in bytes.
const MAX_NAME: usize = 255;

/// `addgroup [-g GID] [-S] [USER] GROUP`.
///
/// # Errors
/// Other options; files that cannot be read.
pub fn addgroup(process: &mut Process<'_>) -> Status {
    let (mut gid, mut system) = (None, false);
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('S') | Long("system") => system = true,
            Short('g') | Long("gid") => gid = Some(number(process, &mut options)?),
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    match names.as_slice() {
        [name] => add_group(process, name, gid, if system { &SYSTEM } else { &OTHER }),
        [user, group] if gid.is_none() => add_member(process, "addgroup", user, group),
        _ => Err(process.unsupported("no group, or more than a user and a group")),
    }
}

/// What `adduser`'s command line says.
#[derive(Default)]
struct Request {
    names: Vec<String>,
    home: Option<String>,
    comment: Option<String>,
    shell: Option<String>,
    group: Option<String>,
    uid: Option<u32>,
    system: bool,
    without_password: bool,
    without_home: bool,
    options: usize,
}

/// `adduser [OPTIONS] USER [GROUP]`.
///
/// # Errors
/// The account of a person with a password; other options; a skeleton of homes.
pub fn adduser(process: &mut Process<'_>) -> Status {
    let request = read_request(process)?;
    let (name, group) = match request.names.as_slice() {
        [user, group] if request.options == 0 => {
            return add_member(process, "addgroup", user, group);
        }
        [name] | [name, _] => (name.clone(), request.group.clone()),
        _ => return Err(process.unsupported("no user, or more than a user and a group")),
    };
    if let Err(why) = check_name(&name) {
        return die(process, why);
    }
    if !(request.system || request.without_password) {
        return Err(process.unsupported("a password that a person types in"));
    }
    let accounts = accounts(process)?;
    let group = group.or_else(|| request.system.then(|| "nogroup".to_owned()));
    let gid = match &group {
        Some(group) => match accounts.group(group.as_bytes()) {
            Some(gid) => Some(gid),
            None => return die(process, format!("unknown group {group}")),
        },
        None => None,
    };
    let (uid, gid) = match choose(&accounts, &request, &name, gid) {
        Ok(chosen) => chosen,
        Err(why) => return die(process, why),
    };
    let home = request.home.clone().unwrap_or_else(|| format!("/home/{name}"));
    let comment = request.comment.as_deref().unwrap_or("Linux User,,,");
    let shell = shell(process, &request)?;
    let line = format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}");
    update(process, "/etc/passwd", |lines| lines.push(line))?;
    let day = process.machine.settings.now / SECONDS_OF_A_DAY;
    let secret = format!("{name}:!:{day}:0:99999:7:::");
    update_if_there(process, "/etc/shadow", |lines| lines.push(secret))?;
    match &group {
        Some(group) => add_member(process, "addgroup", &name, group)?,
        None => add_group(process, &name, Some(gid), &OTHER)?,
    };
    if !request.without_home {
        make_home(process, &home, Owner { uid: Some(uid), gid: Some(gid) })?;
    }
    Ok(0)
}

fn read_request(process: &Process<'_>) -> Result<Request, Stop> {
    let mut request = Request::default();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        request.options += usize::from(!matches!(option, Value(_)));
        let place = match option {
            Short('S') | Long("system") => {
                request.system = true;
                continue;
            }
            Short('D') | Long("disabled-password" | "empty-password" | "disabled-login") => {
                request.without_password = true;
                continue;
            }
            Short('H') | Long("no-create-home") => {
                request.without_home = true;
                continue;
            }
            Short('u') | Long("uid") => {
                request.uid = Some(number(process, &mut options)?);
                continue;
            }
            Value(name) => {
                request.names.push(name.to_string_lossy().into_owned());
                continue;
            }
            Short('h') | Long("home") => &mut request.home,
            Short('g') | Long("gecos") => &mut request.comment,
            Short('s') | Long("shell") => &mut request.shell,
            Short('G') | Long("ingroup") => &mut request.group,
            other => return Err(process.unsupported_option(&other)),
        };
        *place = Some(options.text()?);
    }
    Ok(request)
}

fn number(process: &Process<'_>, options: &mut Options) -> Result<u32, Stop> {
    let value = options.text()?;
    match value.parse() {
        Ok(number) if number <= *OTHER.end() => Ok(number),
        _ => Err(process.unsupported(format!("the number {value}"))),
    }
}

fn die(process: &mut Process<'_>, why: impl AsRef<str>) -> Status {
    process.complain(why.as_ref())?;
    Ok(1)
}

fn accounts(process: &mut Process<'_>) -> Result<Accounts, Stop> {
    let root = ImagePath::root();
    let passwd = process.machine.read_file(&root, b"/etc/passwd")?.unwrap_or_default();
    let group = process.machine.read_file(&root, b"/etc/group")?.unwrap_or_default();
    Ok(Accounts::parse(&passwd, &group))
}

/// Letters, digits, `_`, `.`, `@`, a `-` but in first place, a `$` in last place.
fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err("name is empty or too long".into());
    }
    let last = name.len() - 1;
    for (at, byte) in name.bytes().enumerate() {
        let fits = match byte {
            b'_' | b'.' | b'@' => true,
            b'-' => at > 0,
            b'$' => at > 0 && at == last,
            other => other.is_ascii_alphanumeric(),
        };
        if !fits {
            return Err(format!("illegal character with code {byte} at position {at}"));
        }
    }
    Ok(())
}

/// The numbers of a new user. Without a group it gets one of its own, of its own number.
fn choose(
    accounts: &Accounts,
    request: &Request,
    name: &str,
    gid: Option<u32>,
) -> Result<(u32, u32), String> {
    if accounts.user(name.as_bytes()).is_some() {
        return Err(format!("user '{name}' in use"));
    }
    let taken = |uid: u32| {
        accounts.user_name(uid).is_some() || (gid.is_none() && accounts.group_name(uid).is_some())
    };
    let uid = match request.uid {
        Some(uid) if taken(uid) => return Err(format!("uid '{uid}' in use")),
        Some(uid) => uid,
        None => {
            let mut range = if request.system { SYSTEM } else { OTHER };
            range.find(|uid| !taken(*uid)).ok_or("no uids left")?
        }
    };
    match gid {
        Some(gid) => Ok((uid, gid)),
        None if accounts.group(name.as_bytes()).is_some() => Err(format!("group '{name}' in use")),
        None => Ok((uid, uid)),
    }
}

/// The shell that is asked for; none for system accounts; for others, root's.
fn shell(process: &mut Process<'_>, request: &Request) -> Result<String, Stop> {
    if let Some(shell) = &request.shell {
        return Ok(shell.clone());
    }
    if request.system {
        return Ok("/sbin/nologin".into());
    }
    if let Some(shell) = process.variable("SHELL").filter(|shell| !shell.is_empty()) {
        return Ok(String::from_utf8_lossy(shell).into_owned());
    }
    let passwd = process.machine.read_file(&ImagePath::root(), b"/etc/passwd")?;
    let passwd = passwd.unwrap_or_default();
    let text = String::from_utf8_lossy(&passwd);
    let root = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let shell = root.filter(|fields| fields.get(2) == Some(&"0")).find_map(|fields| {
        fields.get(6).filter(|shell| !shell.is_empty()).map(|shell| (*shell).to_owned())
    });
    Ok(shell.unwrap_or_else(|| "/bin/sh".into()))
}

fn add_group(
    process: &mut Process<'_>,
    name: &str,
    gid: Option<u32>,
    range: &std::ops::RangeInclusive<u32>,
) -> Status {
    if let Err(why) = check_name(name) {
        return die(process, why);
    }
    let accounts = accounts(process)?;
    if accounts.group(name.as_bytes()).is_some() {
        return die(process, format!("group '{name}' in use"));
    }
    let taken = |gid: u32| accounts.group_name(gid).is_some();
    let gid = match gid {
        Some(gid) if taken(gid) => return die(process, format!("gid '{gid}' in use")),
        Some(gid) => gid,
        None => match range.clone().find(|gid| !taken(*gid)) {
            Some(gid) => gid,
            None => return die(process, "no gids left"),
        },
    };
    update(process, "/etc/group", |lines| lines.push(format!("{name}:x:{gid}:")))?;
    update_if_there(process, "/etc/gshadow", |lines| lines.push(format!("{name}:!::")))?;
    Ok(0)
}

/// Adds a user that is there to a group that is there. `program` is who complains.
fn add_member(process: &mut Process<'_>, program: &str, user: &str, group: &str) -> Status {
    let accounts = accounts(process)?;
    let unknown = if accounts.user(user.as_bytes()).is_none() {
        Some(format!("{program}: unknown user {user}\n"))
    } else if accounts.group(group.as_bytes()).is_none() {
        Some(format!("{program}: unknown group {group}\n"))
    } else {
        None
    };
    if let Some(text) = unknown {
        if let Some(stream) = process.call.descriptors.get(2).cloned() {
            let _unusable = process.machine.write(&stream, text.as_bytes())?;
        }
        return Ok(1);
    }
    let is_of =
        |line: &&mut String| line.strip_prefix(group).is_some_and(|rest| rest.starts_with(':'));
    let text = process.machine.read_file(&ImagePath::root(), b"/etc/group")?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| is_of(&&mut (*line).to_owned())).unwrap_or_default();
    let members = line.rsplit(':').next().unwrap_or_default();
    if members.split(',').any(|member| member == user) {
        return Ok(0);
    }
    let add = |lines: &mut Vec<String>| {
        if let Some(line) = lines.iter_mut().find(is_of) {
            let comma = if line.ends_with(':') { "" } else { "," };
            line.push_str(&format!("{comma}{user}"));
        }
    };
    update(process, "/etc/group", add)?;
    update_if_there(process, "/etc/gshadow", add)?;
    Ok(0)
}

/// As [`update`], for a file that is left missing.
fn update_if_there(
    process: &mut Process<'_>,
    path: &str,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<(), Stop> {
    match process.machine.stat(&ImagePath::root(), path.as_bytes())? {
        Ok(_) => update(process, path, change),
        Err(_) => Ok(()),
    }
}

/// Changes a file's lines: what was there becomes `FILE-`, and a new file with its mode and
/// owner takes its place.
fn update(
    process: &mut Process<'_>,
    path: &str,
    change: impl FnOnce(&mut Vec<String>),
) -> Result<(), Stop> {
    let root = ImagePath::root();
    let machine = &mut *process.machine;
    let fail = |errno: Errno| Stop::new(format!("{path} cannot be changed: {errno}"));
    // A link is followed: the file behind it is replaced.
    let real = machine.follow(&root, path.as_bytes())?.map_err(fail)?;
    let path = real.as_bytes();
    let before = machine.stat(&root, path)?.map_err(fail)?;
    let content = machine.read_file(&root, path)?.map_err(fail)?;
    let text = String::from_utf8(content.to_vec())
        .map_err(|_| Stop::new(format!("{real} is not UTF-8")))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    machine.rename(&root, path, &[path, b"-"].concat())?.map_err(fail)?;
    machine.write_file(&root, path, text, before.mode & 0o777)?.map_err(fail)?;
    let owner = Owner { uid: Some(before.uid), gid: Some(before.gid) };
    machine.chown(&root, path, owner)?.map_err(fail)
}

/// Makes a home, or takes what is there for it. A failure is told, and no failure.
fn make_home(process: &mut Process<'_>, home: &str, owner: Owner) -> Result<(), Stop> {
    let directory = process.call.directory.clone();
    let root = ImagePath::root();
    if process.machine.stat(&root, b"/etc/skel")?.is_ok() {
        return Err(process.unsupported("a home made from /etc/skel"));
    }
    let path = home.as_bytes();
    let made = match process.machine.make_dir(&directory, path, 0o755)? {
        Ok(()) | Err(Errno::Exists) => match process.machine.chown(&directory, path, owner)? {
            Ok(()) => process.machine.chmod(&directory, path, 0o2755)?,
            Err(errno) => Err(errno),
        },
        Err(errno) => Err(errno),
    };
    match made {
        Ok(()) => Ok(()),
        Err(errno) => process.complain(format!("{home}: {errno}")),
    }
}
