//! `chkstat` and `permctl`, by which packages of SUSE have modes, owners and capabilities set as the
//! administrator's level of security wants them (openSUSE's `permissions`, `permissions(5)`).
//!
//! In come the configuration and the profiles of the image, and the files that a scriptlet names;
//! out go changed modes, owners and capabilities.

use std::collections::BTreeMap;

use bstr::ByteSlice as _;
use imgfix_shell::files::Owner;
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};
use imgfix_tools::accounts::AccountList;
use imgfix_tools::files::{exists, names_in, read_optional};
use imgfix_vfs::capabilities::{ATTRIBUTE, Capabilities};
use imgfix_vfs::{Entry, Kind};

/// Levels that the distribution defines; all others are the administrator's.
const PREDEFINED: &[&str] = &["easy", "secure", "paranoid"];

/// Where profiles are since permissions 2020, and before; the administrator's are always in the
/// second.
const FOLDERS: [&str; 2] = ["/usr/share/permissions", "/etc"];

/// How many paths one with variables may stand for. Variables have a handful of values.
const MAX_PATHS: usize = 1000;

const CONFIGURATION: &str = "/etc/sysconfig/security";

/// What the configuration says.
#[derive(Default)]
struct Settings {
    levels: Vec<String>,
    /// `None`: what is not said, releases see differently.
    has_capabilities: Option<bool>,
}

/// A file of a profile, as it should be.
struct Wanted {
    user: String,
    group: String,
    mode: u32,
    capabilities: Option<Vec<u8>>,
    /// It is for files of named packages.
    is_of_packages: bool,
    /// It has an access control list.
    has_list: bool,
}

/// `chkstat --system [--set] [-n] [FILE...]`.
///
/// # Errors
/// Other options; access control lists; entries that depend on rpm's database and would change
/// something.
pub fn run(process: &mut Process<'_>) -> Status {
    let (mut is_system, mut is_warning, mut files) = (false, false, Vec::new());
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long("system") => is_system = true,
            Short('n' | 's') | Long("noheader" | "no-header" | "set") => {}
            Long("warn") => is_warning = true,
            Short('e') | Long("examine") => files.push(options.value()?),
            Value(file) => files.push(file.into_encoded_bytes()),
            option => return Err(process.unsupported_option(&option)),
        }
    }
    if !is_system || is_warning {
        return Err(process.unsupported("anything but --system --set"));
    }
    let is_new = exists(process, format!("{}/permissions", FOLDERS[0]).as_bytes())?;
    let Some(settings) = settings(process)? else {
        if is_new {
            return Ok(0);
        }
        return Err(process.unsupported(format!("no {CONFIGURATION}")));
    };
    let mut wanted = BTreeMap::new();
    let variables = variables(process)?;
    for path in profiles(process, &settings.levels, is_new)? {
        read_profile(process, &path, &settings, &variables, &mut wanted)?;
    }
    let accounts = AccountList::load(process)?;
    let files: Vec<&[u8]> = files.iter().map(|file| bare(file)).collect();
    let mut has_failed = false;
    process.machine.spend_items(wanted.len())?;
    for (path, one) in &wanted {
        if !files.is_empty() && !files.contains(&bare(path)) {
            continue;
        }
        has_failed |= !set(process, path, one, &accounts)?;
    }
    Ok(u8::from(has_failed))
}

fn bare(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    path.get(..end).unwrap_or_default()
}

fn settings(process: &mut Process<'_>) -> Result<Option<Settings>, Stop> {
    let Some(text) = read_optional(process, CONFIGURATION.as_bytes())? else { return Ok(None) };
    let mut settings = Settings::default();
    for line in String::from_utf8_lossy(&text).lines().map(str::trim) {
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim_matches(['"', '\'']);
        match key {
            "PERMISSION_SECURITY" => {
                let levels = value.split_ascii_whitespace().filter(|level| *level != "local");
                settings.levels = levels.map(str::to_owned).collect();
            }
            "PERMISSION_FSCAPS" => settings.has_capabilities = Some(value != "no"),
            "CHECK_PERMISSIONS" if !matches!(value, "set" | "") => {
                return Err(process.unsupported(line));
            }
            _ => {}
        }
    }
    if settings.levels.is_empty() {
        settings.levels.push("secure".to_owned());
    }
    settings.levels.push("local".to_owned());
    Ok(Some(settings))
}

/// The files of profiles; what a later one says of a file counts.
fn profiles(
    process: &mut Process<'_>,
    levels: &[String],
    is_new: bool,
) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    let (predefined, own): (Vec<&String>, Vec<&String>) =
        levels.iter().partition(|level| PREDEFINED.contains(&level.as_str()));
    let central = std::iter::once("/permissions".to_owned())
        .chain(predefined.iter().map(|level| format!("/permissions.{level}")));
    for name in central {
        for folder in FOLDERS {
            let path = format!("{folder}{name}");
            if exists(process, path.as_bytes())? {
                found.push(path);
                break;
            }
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for folder in [
        "/usr/share/permissions/packages.d",
        "/usr/share/permissions/permissions.d",
        "/etc/permissions.d",
    ] {
        let names = names_in(process, folder.as_bytes())?;
        let names: Vec<String> =
            names.iter().map(|name| name.to_str_lossy().into_owned()).collect();
        let is_backup = |name: &&String| {
            name.ends_with('~') || name.contains(".rpmnew") || name.contains(".rpmsave")
        };
        let names: Vec<&String> = names.iter().filter(|name| !is_backup(name)).collect();
        let stem = |name: &&String| name.split('.').next().unwrap_or_default().to_owned();
        let mut stems: Vec<String> = names.iter().map(stem).collect();
        stems.sort();
        stems.dedup();
        for stem in stems {
            let has_base = names.contains(&&stem);
            if seen.contains(&stem) || is_new && !has_base {
                continue;
            }
            let of_levels = levels.iter().map(|level| format!("{stem}.{level}"));
            let all = std::iter::once(stem.clone()).chain(of_levels);
            found.extend(
                all.filter(|name| names.contains(&name)).map(|name| format!("{folder}/{name}")),
            );
            seen.push(stem);
        }
    }
    for level in own {
        let path = format!("/etc/permissions.{level}");
        if exists(process, path.as_bytes())? {
            found.push(path);
        }
    }
    Ok(found)
}

/// What `%{NAME}` in a path stands for: several paths.
fn variables(process: &mut Process<'_>) -> Result<BTreeMap<String, Vec<String>>, Stop> {
    let path = format!("{}/variables.conf", FOLDERS[0]);
    let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let variable = |line: &str| {
        let (name, values) = line.split_once('=')?;
        let values =
            values.split_ascii_whitespace().map(|value| value.trim_matches('/').to_owned());
        Some((name.trim().to_owned(), values.collect()))
    };
    Ok(lines.filter_map(variable).collect())
}

fn read_profile(
    process: &mut Process<'_>,
    path: &str,
    settings: &Settings,
    variables: &BTreeMap<String, Vec<String>>,
    wanted: &mut BTreeMap<Vec<u8>, Wanted>,
) -> Result<(), Stop> {
    let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let (mut last, mut is_of_packages): (Vec<Vec<u8>>, bool) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', '$']) {
            continue;
        }
        if let Some(packages) = line.strip_prefix(":package:") {
            is_of_packages = !packages.split('#').next().unwrap_or_default().trim().is_empty();
            continue;
        }
        if let Some(extra) = line.strip_prefix('+') {
            for path in &last {
                if let Some(one) = wanted.get_mut(path) {
                    add_extra(process, path, one, extra, settings)?;
                }
            }
            continue;
        }
        last.clear();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [file, owner, mode] = words[..] else { continue };
        let owner = owner.split_once(':').or_else(|| owner.split_once('.'));
        let (Some((user, group)), Ok(mode)) = (owner, u32::from_str_radix(mode, 8)) else {
            continue;
        };
        let Some(files) = expanded(file, variables) else { return Err(process.unsupported(line)) };
        for file in files {
            let one = Wanted {
                user: user.to_owned(),
                group: group.to_owned(),
                mode,
                capabilities: None,
                is_of_packages,
                has_list: false,
            };
            wanted.insert(file.clone().into_bytes(), one);
            last.push(file.into_bytes());
        }
    }
    Ok(())
}

fn add_extra(
    process: &Process<'_>,
    path: &[u8],
    one: &mut Wanted,
    extra: &str,
    settings: &Settings,
) -> Result<(), Stop> {
    let Some((kind, text)) = extra.split_once(' ') else { return Ok(()) };
    match (kind, settings.has_capabilities) {
        ("capabilities", Some(false)) => {}
        ("capabilities", Some(true)) => {
            let bytes =
                Capabilities::parse(text.trim().as_bytes()).and_then(Capabilities::to_bytes);
            let unknown = || process.unsupported(format!("{}: {extra}", path.as_bstr()));
            one.capabilities = Some(bytes.ok_or_else(unknown)?);
            // They stand for the special bits.
            one.mode &= 0o777;
        }
        ("capabilities", None) => {
            return Err(process.unsupported(format!("no PERMISSION_FSCAPS in {CONFIGURATION}")));
        }
        ("acl", _) => one.has_list = true,
        _ => {}
    }
    Ok(())
}

/// The paths that one with variables stands for; none with a variable that is not known. `None`:
/// more than any real one.
fn expanded(path: &str, variables: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    if !path.contains("%{") {
        return Some(vec![path.to_owned()]);
    }
    let mut paths = vec![String::new()];
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let name = part.strip_prefix("%{").and_then(|part| part.strip_suffix('}'));
        let values = match name {
            Some(name) => variables.get(name).cloned().unwrap_or_default(),
            None => vec![part.to_owned()],
        };
        if paths.len().saturating_mul(values.len()) > MAX_PATHS {
            return None;
        }
        let with = |path: &String| -> Vec<String> {
            values.iter().map(|value| format!("{path}/{value}")).collect()
        };
        paths = paths.iter().flat_map(with).collect();
    }
    Some(paths)
}

/// Sets what is wrong of a file; whether nothing failed.
fn set(
    process: &mut Process<'_>,
    path: &[u8],
    wanted: &Wanted,
    accounts: &AccountList,
) -> Result<bool, Stop> {
    let number = |name: &str, known: Option<u32>| known.or_else(|| name.parse().ok());
    let uid = number(&wanted.user, accounts.user(&wanted.user).map(|user| user.uid));
    let gid = number(&wanted.group, accounts.group(&wanted.group).map(|group| group.gid));
    let (Some(uid), Some(gid)) = (uid, gid) else { return Ok(true) };
    let shown = String::from_utf8_lossy(path).into_owned();
    let is_directory = path.ends_with(b"/");
    let path = bare(path);
    let Some((entry, is_insecure)) = reach(process, path, uid, gid)? else { return Ok(true) };
    if matches!(entry.kind, Kind::Symlink(_)) {
        // With a slash behind it, releases differ.
        return match is_directory {
            true => Err(process.unsupported(format!("a link: {shown}"))),
            false => Ok(true),
        };
    }
    let has = entry.xattrs.get(ATTRIBUTE).cloned();
    let is_mode_wrong = entry.mode & 0o7777 != wanted.mode;
    let is_owner_wrong = (entry.uid, entry.gid) != (uid, gid);
    let are_capabilities_wrong = has != wanted.capabilities;
    if wanted.has_list {
        return Err(process.unsupported(format!("an access control list of {shown}")));
    }
    if !is_mode_wrong && !is_owner_wrong && !are_capabilities_wrong {
        return Ok(true);
    }
    if wanted.is_of_packages {
        return Err(process.unsupported(format!("{shown}, which is for some packages alone")));
    }
    let is_special = wanted.capabilities.is_some() || wanted.mode & 0o6000 != 0;
    if is_special && !entry.is_file() && !entry.is_dir()
        || is_special && is_insecure && (entry.is_file() || wanted.mode & 0o4000 != 0)
    {
        process.complain(format!("{shown}: will not give away capabilities or setXid bits"))?;
        return Ok(false);
    }
    process.print(format!(
        "setting {shown} to {}:{} {:04o}\n",
        wanted.user, wanted.group, wanted.mode
    ))?;
    let directory = process.call.directory.clone();
    if is_owner_wrong {
        let owner = Owner { uid: Some(uid), gid: Some(gid) };
        let _there = process.machine.lchown(&directory, path, owner)?;
    }
    if is_mode_wrong || is_owner_wrong {
        let _there = process.machine.chmod(&directory, path, wanted.mode)?;
    }
    if wanted.capabilities.is_some() || are_capabilities_wrong {
        let value = wanted.capabilities.as_deref();
        let _there = process.machine.set_xattr(&directory, path, ATTRIBUTE, value)?;
    }
    Ok(true)
}

/// The file, and whether somebody else than root could put another one in its place; `None` when it
/// is not there, or on a path that nobody is to be trusted with.
fn reach(
    process: &mut Process<'_>,
    path: &[u8],
    uid: u32,
    gid: u32,
) -> Result<Option<(Entry, bool)>, Stop> {
    let directory = process.call.directory.clone();
    let mut is_insecure = false;
    let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    for end in ends.map(|(end, _)| end).collect::<Vec<_>>() {
        let above = path.get(..end).unwrap_or_default();
        let Ok(entry) = process.machine.lstat(&directory, above)? else {
            return Ok(None);
        };
        let is_roots = entry.uid == 0 && (entry.gid == 0 || entry.mode & 0o020 == 0);
        if !entry.is_dir() {
            // Links of root's lead somewhere that is checked as well.
            let Ok(real) = process.follow(above)? else { return Ok(None) };
            let real = process.machine.stat(&directory, real.as_bytes())?;
            let is_safe = real.is_ok_and(|real| real.uid == 0 && real.mode & 0o022 == 0);
            if !is_roots || !is_safe {
                return Err(process.unsupported(format!("a link: {}", above.as_bstr())));
            }
            continue;
        }
        if !is_trusted(&entry, uid, gid) {
            process.complain(format!("{}: on an insecure path", path.as_bstr()))?;
            return Ok(None);
        }
        is_insecure |= !is_roots || entry.mode & 0o002 != 0;
    }
    let Ok(entry) = process.machine.lstat(&directory, path)? else {
        return Ok(None);
    };
    if !is_trusted(&entry, uid, gid) || entry.is_file() && entry.mode & 0o002 != 0 {
        process.complain(format!("{}: unknown integrity", path.as_bstr()))?;
        return Ok(None);
    }
    Ok(Some((entry, is_insecure)))
}

/// Nobody but root and the owner to be may change it.
fn is_trusted(entry: &Entry, uid: u32, gid: u32) -> bool {
    (entry.uid == 0 || entry.uid == uid)
        && (entry.gid == 0 || entry.gid == gid || entry.mode & 0o020 == 0)
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    const COMMANDS: &[(&str, imgfix_shell::Command)] =
        &[("chkstat", super::run), ("permctl", super::run)];

    fn image(profile: &str) -> Image {
        let central = format!("/etc/permissions=# all\n{profile}");
        Image::with(
            &[
                "/etc/passwd=root:x:0:0::/:/bin/sh\n",
                "/etc/group=root:x:0:\nshadow:x:15:\n",
                "/etc/sysconfig/security=PERMISSION_SECURITY=\"easy local\"\nPERMISSION_FSCAPS=\"\"\n",
                "/etc/permissions.easy=/usr/sbin/check root:shadow 4755\n/usr/sbin/ping root:root 4755\n +capabilities cap_net_raw=ep\n",
                "/etc/permissions.local=/usr/sbin/other root:root 0700\n",
                "/etc/permissions.d/pack.easy=/usr/sbin/pack root:nobody 0700\n",
                &central,
                "/usr/sbin/check=x",
                "/usr/sbin/ping=x",
                "/usr/sbin/other=x",
                "/usr/sbin/pack=x",
            ],
            COMMANDS,
        )
    }

    #[test]
    fn the_level_and_the_administrator_decide() {
        let mut image = image("/usr/sbin/other root:root 0755\n/usr/sbin/check root:root 0755\n");
        assert_eq!(run(&mut image, "chkstat -n --set --system /usr/sbin/check"), 0);
        assert_eq!(image.output(), "setting /usr/sbin/check to root:shadow 4755\n");
        assert_eq!(image.entry("/usr/sbin/check").gid, 15);
        assert_eq!((image.mode("/usr/sbin/check"), image.mode("/usr/sbin/other")), (0o4755, 0o644));
        assert_eq!(run(&mut image, "chkstat -n --set --system"), 0, "{}", image.errors());
        assert_eq!((image.mode("/usr/sbin/other"), image.mode("/usr/sbin/ping")), (0o700, 0o755));
        assert!(
            image.entry("/usr/sbin/ping").xattrs.contains_key("security.capability".as_bytes())
        );
        // A group that is not there is nobody's.
        assert_eq!(image.mode("/usr/sbin/pack"), 0o644);
        assert_eq!(run(&mut image, "chkstat -n --set --system"), 0);
        assert_eq!(image.output(), "");
    }

    #[test]
    fn variables_stand_for_so_many_paths() {
        let variables = [("v".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
        let path = |count| format!("/x{}", "/%{v}".repeat(count));
        assert_eq!(super::expanded(&path(1), &variables), Some(vec!["/x/a".into(), "/x/b".into()]));
        assert_eq!(super::expanded(&path(9), &variables).map(|paths| paths.len()), Some(512));
        assert_eq!(super::expanded(&path(60), &variables), None);
    }

    #[test]
    fn what_asks_more_is_a_stop() {
        let mut image = image(":package: check\n/usr/sbin/check root:root 0700\n");
        assert_eq!(
            image.stop("chkstat --set /etc/permissions"),
            "chkstat with anything but --system --set"
        );
        run(&mut image, "rm /etc/permissions.easy");
        assert_eq!(
            image.stop("permctl -n --set --system /usr/sbin/check"),
            "permctl with /usr/sbin/check, which is for some packages alone"
        );
    }
}
