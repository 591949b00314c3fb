//! `passwd` without a person, `chage`, `pwconv`, `grpconv`.

use imgfix_shell::options::{Long, Short, Value};

use super::login_defs::LoginDefs;
use super::{Files, fail, set_field, today};
use imgfix_shell::{Process, Status, Stop};

/// What `passwd` is to do with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Lock,
    Unlock,
    Delete,
    Expire,
}

/// `passwd -l | -u | -d | -e USER`.
///
/// # Errors
/// A password that a person would type.
pub fn passwd(process: &mut Process<'_>) -> Status {
    let (mut what, mut quiet, mut names) = (None, false, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('l') | Long("lock") => what = Some(Change::Lock),
            Short('u') | Long("unlock") => what = Some(Change::Unlock),
            Short('d') | Long("delete") => what = Some(Change::Delete),
            Short('e') | Long("expire") => what = Some(Change::Expire),
            Short('q') | Long("quiet") => quiet = true,
            Value(name) => names.push(name.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let (Some(what), [name]) = (what, names.as_slice()) else {
        return Err(process.unsupported("a password that a person would type"));
    };
    let mut files = Files::load(process)?;
    if !files.users.has(name) {
        return fail(process, 1, format!("user '{name}' does not exist"));
    }
    let Some(mut entry) = files.shadow.get(name) else {
        return Err(process.unsupported("a user without a shadow entry"));
    };
    let password = entry.get(1).cloned().unwrap_or_default();
    match what {
        Change::Lock if !password.starts_with('!') => {
            set_field(&mut entry, 1, format!("!{password}"))
        }
        Change::Unlock => match password.strip_prefix('!') {
            Some("") => {
                return fail(
                    process,
                    3,
                    "unlocking the password would result in a passwordless account.\n\
                     You should set a password with usermod -p to unlock the password of this \
                     account.",
                );
            }
            Some(open) => set_field(&mut entry, 1, open),
            None => {}
        },
        Change::Delete => set_field(&mut entry, 1, ""),
        Change::Expire => set_field(&mut entry, 2, "0"),
        Change::Lock => {}
    }
    files.shadow.set(name, &entry);
    files.save(process)?;
    if !quiet {
        process.print("passwd: password changed.\n")?;
    }
    Ok(0)
}

/// `chage` with the day counts on the command line.
///
/// # Errors
/// Dates that a person would type, and `-l`.
pub fn chage(process: &mut Process<'_>) -> Status {
    let mut changes = Vec::new();
    let mut names = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        let at = match option {
            Short('d') | Long("lastday") => 2,
            Short('m') | Long("mindays") => 3,
            Short('M') | Long("maxdays") => 4,
            Short('W') | Long("warndays") => 5,
            Short('I') | Long("inactive") => 6,
            Short('E') | Long("expiredate") => 7,
            Value(name) => {
                names.push(name.to_string_lossy().into_owned());
                continue;
            }
            other => return Err(process.unsupported_option(&other)),
        };
        let value = options.text()?;
        changes.push((at, days(process, &value)?));
    }
    let [name] = names.as_slice() else { return Err(process.unsupported("no user, or several")) };
    if changes.is_empty() {
        return Err(process.unsupported("questions to a person"));
    }
    let mut files = Files::load(process)?;
    if !files.shadow.present {
        return fail(process, 15, "the shadow password file is not present");
    }
    if !files.users.has(name) {
        return fail(process, 1, format!("user '{name}' does not exist in /etc/passwd"));
    }
    let missing = || [name, "x", "", "", "", "", "", "", ""].map(|field| field.to_owned()).to_vec();
    let mut entry = files.shadow.get(name).unwrap_or_else(missing);
    for (at, value) in changes {
        set_field(&mut entry, at, value);
    }
    files.shadow.set(name, &entry);
    files.save(process)?;
    Ok(0)
}

/// A day count, empty for `-1`; or a date.
fn days(process: &Process<'_>, text: &str) -> Result<String, Stop> {
    if text.is_empty() || text == "-1" {
        return Ok(String::new());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    let format = time::macros::format_description!("[year]-[month]-[day]");
    match time::Date::parse(text, &format) {
        Ok(date) => {
            Ok(date.midnight().assume_utc().unix_timestamp().div_euclid(86_400).to_string())
        }
        Err(_) => Err(process.unsupported(format!("the date {text}"))),
    }
}

/// `pwconv`: passwords move to `/etc/shadow`.
///
/// # Errors
/// Options, and files that are not in step.
pub fn pwconv(process: &mut Process<'_>) -> Status {
    let mut files = Files::load(process)?;
    if !process.arguments().is_empty() {
        return Err(process.unsupported("options"));
    }
    let defs = LoginDefs::load(process, &[])?;
    let known: Vec<String> =
        files.shadow.entries().filter_map(|entry| entry.first().cloned()).collect();
    for name in known.iter().filter(|name| !files.users.has(name)) {
        files.shadow.remove(name);
    }
    let day = today(process).to_string();
    let all: Vec<Vec<String>> = files.users.entries().collect();
    for mut user in all {
        let (Some(name), Some(password)) = (user.first().cloned(), user.get(1).cloned()) else {
            continue;
        };
        if password == "x" && files.shadow.has(&name) {
            continue;
        }
        let limit = |key: &str| match defs.days(key) {
            -1 => String::new(),
            days => days.to_string(),
        };
        let limits = [limit("PASS_MIN_DAYS"), limit("PASS_MAX_DAYS"), limit("PASS_WARN_AGE")];
        let [least, most, warning] = limits;
        let empty = String::new;
        let new = vec![
            name.clone(),
            password.clone(),
            day.clone(),
            least,
            most,
            warning,
            empty(),
            empty(),
            empty(),
        ];
        let mut entry = files.shadow.get(&name).unwrap_or(new);
        set_field(&mut entry, 1, password);
        set_field(&mut entry, 2, day.as_str());
        files.shadow.set(&name, &entry);
        set_field(&mut user, 1, "x");
        files.users.set(&name, &user);
    }
    // The program writes both files whatever it found.
    files.users.touch();
    files.shadow.touch();
    files.save(process)?;
    let directory = process.call.directory.clone();
    let backup = b"/etc/passwd-";
    let done = process.machine.chmod(&directory, backup, 0o600)?;
    done.map_err(|errno| super::super::files::unusable(process, backup, errno))?;
    Ok(0)
}

/// `grpconv`: group passwords move to `/etc/gshadow`.
///
/// # Errors
/// Options, and files that are not in step.
pub fn grpconv(process: &mut Process<'_>) -> Status {
    let mut files = Files::load(process)?;
    if !process.arguments().is_empty() {
        return Err(process.unsupported("options"));
    }
    let known: Vec<String> =
        files.group_shadow.entries().filter_map(|entry| entry.first().cloned()).collect();
    for name in known.iter().filter(|name| !files.groups.has(name)) {
        files.group_shadow.remove(name);
    }
    let all: Vec<Vec<String>> = files.groups.entries().collect();
    for mut group in all {
        let (Some(name), Some(password)) = (group.first().cloned(), group.get(1).cloned()) else {
            continue;
        };
        if password == "x" && files.group_shadow.has(&name) {
            continue;
        }
        let members = group.get(3).cloned().unwrap_or_default();
        let new = vec![name.clone(), password.clone(), String::new(), members];
        let mut entry = files.group_shadow.get(&name).unwrap_or(new);
        set_field(&mut entry, 1, password);
        files.group_shadow.set(&name, &entry);
        set_field(&mut group, 1, "x");
        files.groups.set(&name, &group);
    }
    files.groups.touch();
    files.group_shadow.touch();
    files.save(process)?;
    Ok(0)
}
