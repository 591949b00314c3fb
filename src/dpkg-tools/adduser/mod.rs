//! `adduser`, `addgroup`, `deluser`, `delgroup` as maintainer scripts call them: system
//! accounts, groups, and members of groups. They call the shadow tools, as Debian's do.

mod configuration;
mod deluser;

pub use deluser::{delgroup, deluser};

use regex::bytes::Regex;

use super::accounts::AccountList;
use super::files::{exists, is_directory, make_directories, unusable};
use configuration::{Configuration, Release};
use imgfix_shell::files::Owner;
use imgfix_shell::{Process, Status, Stop};

/// What the command line says.
#[derive(Default)]
struct Request {
    names: Vec<String>,
    system: bool,
    group: bool,
    quiet: bool,
    force_name: u8,
    disabled_login: bool,
    no_create_home: bool,
    ingroup: Option<String>,
    gid: Option<u32>,
    uid: Option<u32>,
    home: Option<String>,
    shell: Option<String>,
    comment: Option<String>,
    first_uid: Option<u32>,
    last_uid: Option<u32>,
    first_gid: Option<u32>,
    last_gid: Option<u32>,
}

/// `adduser`.
///
/// # Errors
/// Accounts of people, and other options.
pub fn adduser(process: &mut Process<'_>) -> Status {
    run(process, false)
}

/// `addgroup`.
///
/// # Errors
/// As [`adduser`].
pub fn addgroup(process: &mut Process<'_>) -> Status {
    run(process, true)
}

fn run(process: &mut Process<'_>, group_only: bool) -> Status {
    let request = read_request(process)?;
    let configuration = Configuration::load(process, &["/etc/adduser.conf"])?;
    let names = request.names.clone();
    match names.as_slice() {
        [user, group] if !(group_only || request.group || request.system) => {
            add_member(process, &request, &configuration, user, group)
        }
        [name] => {
            if let Err(status) = check_name(process, &request, &configuration, name)? {
                return Ok(status);
            }
            if group_only || (request.group && !request.system) {
                return add_group(process, &request, &configuration, name);
            }
            if !request.system {
                return Err(process.unsupported("the account of a person"));
            }
            add_system_user(process, &request, &configuration, name)
        }
        _ => die(process, "Only one or two names allowed."),
    }
}

fn read_request(process: &Process<'_>) -> Result<Request, Stop> {
    use imgfix_shell::options::{Long, Short, Value};
    let mut request = Request::default();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        let name = match option {
            Short('q') => "quiet".to_owned(),
            Short('c') => "conf".to_owned(),
            Long(name) => name.replace('_', "-"),
            Value(name) => {
                request.names.push(name.to_string_lossy().into_owned());
                continue;
            }
            other => return Err(process.unsupported_option(&other)),
        };
        match name.as_str() {
            "system" => request.system = true,
            "group" => request.group = true,
            "quiet" => request.quiet = true,
            "force-badname" | "allow-badname" | "allow-bad-names" => {
                request.force_name = request.force_name.max(1);
            }
            "allow-all-names" => request.force_name = 2,
            "disabled-login" => request.disabled_login = true,
            "disabled-password" | "verbose" => {}
            "no-create-home" => request.no_create_home = true,
            "ingroup" | "home" | "shell" | "gecos" | "comment" | "uid" | "gid" | "firstuid"
            | "lastuid" | "firstgid" | "lastgid" => {
                let value = options.text()?;
                let number = || {
                    let number = value.parse::<u32>();
                    number.map(Some).map_err(|_| process.unsupported(format!("--{name} {value}")))
                };
                match name.as_str() {
                    "ingroup" => request.ingroup = Some(value),
                    "home" => request.home = Some(value),
                    "shell" => request.shell = Some(value),
                    "gecos" | "comment" => request.comment = Some(value),
                    "uid" => request.uid = number()?,
                    "gid" => request.gid = number()?,
                    "firstuid" => request.first_uid = number()?,
                    "lastuid" => request.last_uid = number()?,
                    "firstgid" => request.first_gid = number()?,
                    _ => request.last_gid = number()?,
                }
            }
            other => return Err(process.unsupported(format!("--{other}"))),
        }
    }
    Ok(request)
}

/// Complains, and gives the status of all of adduser's failures.
fn die(process: &mut Process<'_>, text: &str) -> Status {
    process.complain(text)?;
    Ok(1)
}

impl Request {
    fn say(&self, process: &mut Process<'_>, text: String) -> Result<(), Stop> {
        if self.quiet { Ok(()) } else { process.print(text + "\n") }
    }

    fn warn(&self, process: &mut Process<'_>, text: &str) -> Result<(), Stop> {
        if self.quiet { Ok(()) } else { process.complain(text) }
    }
}

/// Whether a name may be used; `Err` with a status when not.
fn check_name(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
) -> Result<Result<(), u8>, Stop> {
    let ieee = regex(process, configuration.get("ieee_name_regex"))?;
    let is_new = configuration.release == Release::New;
    let key = if is_new && request.system { "sys_name_regex" } else { "name_regex" };
    let usual = regex(process, configuration.get(key))?;
    let least = regex(process, r"^[^-+~:,\s/][^:,\s/]*$")?;
    let matches = |regex: &Regex| regex.is_match(name.as_bytes());
    let all_digits = name.bytes().all(|b| b.is_ascii_digit());
    let refused = match is_new {
        true if all_digits || name.len() > 32 || !matches(&least) => true,
        true if matches(&usual) => return Ok(Ok(())),
        true => !matches(&ieee) && request.force_name < 2 || request.force_name == 0,
        false if !matches(&ieee) => true,
        false if matches(&usual) => return Ok(Ok(())),
        false => request.force_name == 0,
    };
    if refused {
        process.complain("Please enter a username matching the regular expression configured")?;
        return Ok(Err(1));
    }
    request.say(process, "Allowing use of questionable username.".into())?;
    Ok(Ok(()))
}

fn regex(process: &Process<'_>, text: &str) -> Result<Regex, Stop> {
    let built = regex::bytes::RegexBuilder::new(text).size_limit(1 << 20).unicode(false).build();
    built.map_err(|_| process.unsupported(format!("the expression {text}")))
}

/// Runs a tool; `Err` with adduser's status when it fails.
fn call(process: &mut Process<'_>, words: &[&str]) -> Result<Result<(), u8>, Stop> {
    match process.run(words.iter().copied())? {
        0 => Ok(Ok(())),
        status => {
            let line = words.join(" ");
            process.complain(format!("`{line}' returned error code {status}. Exiting."))?;
            Ok(Err(1))
        }
    }
}

/// What newer releases lock while they work. It stays behind, empty.
const LOCK: &[u8] = b"/run/adduser";

/// Makes the file that newer releases lock, where it is missing.
fn lock(process: &mut Process<'_>, configuration: &Configuration) -> Result<(), Stop> {
    if configuration.release == Release::Old || exists(process, LOCK)? {
        return Ok(());
    }
    let directory = process.call.directory.clone();
    let mode = 0o666 & !process.call.umask;
    let made = process.machine.write_file(&directory, LOCK, "", mode)?;
    made.map_err(|errno| unusable(process, LOCK, errno))
}

/// As `?` for [`call`] and its like.
macro_rules! done {
    ($result:expr) => {
        if let Err(status) = $result? {
            return Ok(status);
        }
    };
}
use done;

fn add_member(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    user: &str,
    group: &str,
) -> Status {
    let accounts = AccountList::load(process)?;
    if accounts.user(user).is_none() {
        return die(process, &format!("The user `{user}' does not exist."));
    }
    let Some(found) = accounts.group(group) else {
        return die(process, &format!("The group `{group}' does not exist."));
    };
    if found.members.iter().any(|member| member == user) {
        let text = format!("The user `{user}' is already a member of `{group}'.");
        match configuration.release {
            Release::Old => request.say(process, text)?,
            Release::New => request.warn(process, &text)?,
        }
        return Ok(0);
    }
    request.say(process, format!("Adding user `{user}' to group `{group}' ..."))?;
    lock(process, configuration)?;
    match configuration.release {
        Release::Old => done!(call(process, &["gpasswd", "-a", user, group])),
        Release::New => done!(call(process, &["usermod", "-a", "-G", group, user])),
    }
    request.say(process, "Done.".into())?;
    Ok(0)
}

/// How a group that is there fits what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    None,
    System,
    Other,
    OtherNumber,
}

fn group_fit(
    accounts: &AccountList,
    configuration: &Configuration,
    name: &str,
    gid: Option<u32>,
) -> Fit {
    let Some(group) = accounts.group(name) else { return Fit::None };
    let system = configuration.number("first_system_gid")..=configuration.number("last_system_gid");
    match gid {
        _ if system.contains(&group.gid) => Fit::System,
        Some(gid) if gid != group.gid => Fit::OtherNumber,
        _ => Fit::Other,
    }
}

fn add_group(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
) -> Status {
    lock(process, configuration)?;
    let accounts = AccountList::load(process)?;
    if request.system {
        match group_fit(&accounts, configuration, name, request.gid) {
            Fit::None => {}
            Fit::System => {
                let text = format!("The group `{name}' already exists as a system group. Exiting.");
                request.warn(process, &text)?;
                return Ok(0);
            }
            Fit::Other | Fit::OtherNumber => {
                return die(process, &format!("The group `{name}' already exists. Exiting."));
            }
        }
    } else if accounts.group(name).is_some() {
        return die(process, &format!("The group `{name}' already exists."));
    }
    let gid = match request.gid {
        Some(gid) if accounts.group_numbered(gid).is_some() => {
            return die(process, &format!("The GID `{gid}' is already in use."));
        }
        Some(gid) => gid,
        None => {
            let kind = if request.system { "system_" } else { "" };
            let range = request.gids(configuration, kind);
            match range.clone().find(|gid| accounts.group_numbered(*gid).is_none()) {
                Some(gid) => gid,
                None => return die(process, &format!("The group `{name}' was not created.")),
            }
        }
    };
    request.say(process, format!("Adding group `{name}' (GID {gid}) ..."))?;
    done!(call(process, &["groupadd", "-g", &gid.to_string(), name]));
    request.say(process, "Done.".into())?;
    Ok(0)
}

impl Request {
    fn gids(&self, configuration: &Configuration, kind: &str) -> std::ops::RangeInclusive<u32> {
        let number = |end: &str| configuration.number(&format!("{end}_{kind}gid"));
        let first = self.first_gid.unwrap_or_else(|| number("first"));
        let last = self.last_gid.unwrap_or_else(|| number("last"));
        first..=last
    }

    fn system_uids(&self, configuration: &Configuration) -> std::ops::RangeInclusive<u32> {
        // The older program looks at the configuration only.
        let given = |value: Option<u32>| match configuration.release {
            Release::Old => None,
            Release::New => value,
        };
        let first = given(self.first_uid);
        let last = given(self.last_uid);
        first.unwrap_or_else(|| configuration.number("first_system_uid"))
            ..=last.unwrap_or_else(|| configuration.number("last_system_uid"))
    }
}

fn add_system_user(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
) -> Status {
    lock(process, configuration)?;
    let accounts = AccountList::load(process)?;
    let exclusive = [request.group, request.ingroup.is_some(), request.gid.is_some()];
    if exclusive.iter().filter(|given| **given).count() > 1 {
        return die(process, "The --group, --ingroup, and --gid options are mutually exclusive.");
    }
    if request.home.as_ref().is_some_and(|home| !home.starts_with('/')) {
        return die(process, "The home dir must be an absolute path.");
    }
    warn_of_home(process, request, configuration)?;
    if let Some(user) = accounts.user(name) {
        let system =
            configuration.number("first_system_uid")..=configuration.number("last_system_uid");
        if request.uid.is_none_or(|uid| uid == user.uid) {
            if system.contains(&user.uid) {
                let text = format!("The system user `{name}' already exists. Exiting.");
                request.say(process, text)?;
                return Ok(0);
            }
            let text =
                format!("The user `{name}' already exists, but is not a system user. Exiting.");
            return die(process, &text);
        }
        let text = format!("The user `{name}' already exists with a different UID. Exiting.");
        return die(process, &text);
    }
    let chosen = match choose(process, request, configuration, &accounts, name)? {
        Ok(chosen) => chosen,
        Err(status) => return Ok(status),
    };
    let Chosen { uid, gid, group } = &chosen;
    request.say(process, format!("Adding system user `{name}' (UID {uid}) ..."))?;
    if request.group && accounts.group(name).is_none() {
        request.say(process, format!("Adding new group `{name}' (GID {gid}) ..."))?;
        done!(call(process, &["groupadd", "-g", &gid.to_string(), name]));
    }
    request
        .say(process, format!("Adding new user `{name}' (UID {uid}) with group `{group}' ..."))?;
    let home = home_of(request, configuration, name, group);
    let shell = request.shell.clone().unwrap_or_else(|| "/usr/sbin/nologin".into());
    done!(make_user(process, request, configuration, name, &chosen, &home, &shell));
    match &request.comment {
        Some(comment) if configuration.whole_comments => {
            done!(call(process, &["usermod", "-c", comment, name]));
        }
        Some(comment) => done!(set_comment(process, name, comment)),
        None => {}
    }
    make_home(process, request, configuration, &home, &chosen)
}

fn warn_of_home(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
) -> Result<(), Stop> {
    let Some(home) = request.home.clone().filter(|_| !request.quiet) else { return Ok(()) };
    let text = match (request.no_create_home, is_directory(process, home.as_bytes())?) {
        (false, true) => format!("Warning: The home dir {home} you specified already exists."),
        (true, false) => format!(
            "Warning: The home dir {home} you specified can't be accessed: No such file or \
             directory"
        ),
        _ => return Ok(()),
    };
    match configuration.release {
        Release::Old => process.print(text + "\n"),
        Release::New => process.complain(text),
    }
}

/// The numbers of a new user.
struct Chosen {
    uid: u32,
    gid: u32,
    group: String,
}

fn choose(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    accounts: &AccountList,
    name: &str,
) -> Result<Result<Chosen, u8>, Stop> {
    let nogroup = accounts.group("nogroup").map_or(65_534, |group| group.gid);
    let mut gid = request.gid;
    if request.ingroup.is_none() && gid.is_none() && !request.group {
        gid = Some(nogroup);
    }
    let mut refuse = |text: String| die(process, &text).map(Err);
    if request.uid.is_some_and(|uid| accounts.user_numbered(uid).is_some()) {
        let uid = request.uid.unwrap_or_default();
        return refuse(format!("The UID {uid} is already in use."));
    }
    if request.group {
        let fit = group_fit(accounts, configuration, name, request.uid);
        if fit == Fit::None && request.uid.is_some_and(|uid| accounts.group_numbered(uid).is_some())
        {
            let uid = request.uid.unwrap_or_default();
            return refuse(format!("The GID {uid} is already in use."));
        }
    } else {
        if let Some(group) = request.ingroup.as_ref().filter(|g| accounts.group(g).is_none()) {
            return refuse(format!("The group `{group}' does not exist."));
        }
        if let Some(gid) = gid.filter(|gid| accounts.group_numbered(*gid).is_none()) {
            return refuse(format!("The GID {gid} does not exist."));
        }
    }
    let free_uid = || {
        let mut range = request.system_uids(configuration);
        range.find(|uid| accounts.user_numbered(*uid).is_none())
    };
    let Some(uid) = request.uid.or_else(free_uid) else {
        return refuse(format!("The user `{name}' was not created."));
    };
    if request.group {
        let free_gid = || {
            let mut range = request.gids(configuration, "system_");
            range.find(|gid| accounts.group_numbered(*gid).is_none())
        };
        let Some(gid) = request.uid.or_else(free_gid) else {
            return refuse(format!("The user `{name}' was not created."));
        };
        return Ok(Ok(Chosen { uid, gid, group: name.to_owned() }));
    }
    let found = match (gid, &request.ingroup) {
        (Some(gid), _) => accounts.group_numbered(gid),
        (None, Some(group)) => accounts.group(group),
        (None, None) => None,
    };
    match found {
        Some(group) => Ok(Ok(Chosen { uid, gid: group.gid, group: group.name.clone() })),
        None => refuse("Internal error".into()),
    }
}

fn home_of(request: &Request, configuration: &Configuration, name: &str, group: &str) -> String {
    if let Some(home) = request.home.clone().filter(|home| !home.is_empty()) {
        return home;
    }
    if configuration.release == Release::New {
        return "/nonexistent".into();
    }
    let mut home = configuration.get("dhome").to_owned();
    if configuration.is_yes("grouphomes") {
        home += &format!("/{group}");
    }
    if configuration.is_yes("letterhomes") {
        home += &format!("/{}", name.get(..1).unwrap_or_default());
    }
    format!("{home}/{name}")
}

fn make_user(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    name: &str,
    chosen: &Chosen,
    home: &str,
    shell: &str,
) -> Result<Result<(), u8>, Stop> {
    let uid = chosen.uid.to_string();
    let mut words = vec!["useradd"];
    let uids = request.system_uids(configuration);
    let limits = [format!("SYS_UID_MIN={}", uids.start()), format!("SYS_UID_MAX={}", uids.end())];
    if configuration.release == Release::New {
        words.push("-r");
        words.extend(limits.iter().flat_map(|limit| ["-K", limit]));
    }
    words.extend(["-d", home, "-g", &chosen.group, "-s", shell, "-u", &uid, name]);
    let made = call(process, &words)?;
    if made.is_err() || configuration.release == Release::New {
        return Ok(made);
    }
    if !request.disabled_login {
        let set = call(process, &["usermod", "-p", "*", name])?;
        if set.is_err() {
            return Ok(set);
        }
    }
    match process.run(["chage", "-M", "99999", name])? {
        0 | 15 => Ok(Ok(())),
        _ => Ok(Err(1)),
    }
}

fn set_comment(
    process: &mut Process<'_>,
    name: &str,
    comment: &str,
) -> Result<Result<(), u8>, Stop> {
    if !comment.contains(',') {
        return call(process, &["chfn", "-f", comment, name]);
    }
    let mut parts: Vec<&str> = comment.split(',').collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let part = |at: usize| parts.get(at).copied();
    let (full, room) = (part(0).unwrap_or_default(), part(1).unwrap_or_default());
    let first = call(process, &["chfn", "-f", full, "-r", room, name])?;
    if first.is_err() {
        return Ok(first);
    }
    for (option, at) in [("-w", 2), ("-h", 3), ("-o", 4)] {
        if let Some(value) = part(at) {
            let set = call(process, &["chfn", option, value, name])?;
            if set.is_err() {
                return Ok(set);
            }
        }
    }
    Ok(Ok(()))
}

fn make_home(
    process: &mut Process<'_>,
    request: &Request,
    configuration: &Configuration,
    home: &str,
    chosen: &Chosen,
) -> Status {
    let nowhere = home.trim_start_matches('/');
    if configuration.release == Release::New
        && (nowhere == "nonexistent" || nowhere.starts_with("nonexistent/"))
    {
        request.say(process, format!("Not creating `{home}'."))?;
        return Ok(0);
    }
    if request.no_create_home {
        request.say(process, format!("Not creating home directory `{home}'."))?;
        return Ok(0);
    }
    if exists(process, home.as_bytes())? {
        let text = match configuration.release {
            Release::Old => {
                format!(
                    "The home directory `{home}' already exists.  Not copying from `/etc/skel'."
                )
            }
            Release::New => {
                format!("The home directory `{home}' already exists.  Not touching this directory.")
            }
        };
        match configuration.release {
            Release::Old => request.say(process, text)?,
            Release::New => request.warn(process, &text)?,
        }
        let entry = process.machine.stat(&process.call.directory, home.as_bytes())?;
        if entry.is_ok_and(|entry| (entry.uid, entry.gid) != (chosen.uid, chosen.gid)) {
            process.complain(format!(
                "Warning: The home directory `{home}' does not belong to the user you are \
                 currently creating."
            ))?;
        }
        return Ok(0);
    }
    request.say(process, format!("Creating home directory `{home}' ..."))?;
    make_directories(process, home.as_bytes(), 0o755)?;
    let directory = process.call.directory.clone();
    let owner = Owner { uid: Some(chosen.uid), gid: Some(chosen.gid) };
    let mode = home_mode(request, configuration);
    for done in [
        process.machine.chown(&directory, home.as_bytes(), owner)?,
        process.machine.chmod(&directory, home.as_bytes(), mode)?,
    ] {
        done.map_err(|errno| unusable(process, home.as_bytes(), errno))?;
    }
    Ok(0)
}

fn home_mode(request: &Request, configuration: &Configuration) -> u32 {
    let setgid = configuration.is_yes("setgid_home");
    let (key, setgid) = match configuration.release {
        Release::Old => ("dir_mode", setgid && request.group),
        Release::New => ("sys_dir_mode", setgid),
    };
    let mode = u32::from_str_radix(configuration.get(key), 8).unwrap_or(0o755) & 0o7777;
    if setgid { mode | 0o2000 } else { mode }
}
