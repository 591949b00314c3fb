//! `systemctl` in an image: units are enabled and masked by links; what asks a running
//! systemd fails, as where there is none.

mod presets;

use super::files::{exists, make_directories, names_in, read_optional, remove, unusable};
use super::unit_file::{Instance, Link};
use imgfix_shell::{Errno, Process, Status, Stop};
use imgfix_vfs::Kind;
use presets::{preset_all, preset_enables};

/// Verbs that a running systemd answers.
const ASKING: &[&str] = &[
    "cat",
    "condreload",
    "condrestart",
    "condstop",
    "daemon-reexec",
    "daemon-reload",
    "force-reload",
    "is-active",
    "is-failed",
    "kill",
    "list-jobs",
    "list-timers",
    "list-units",
    "reload",
    "reload-or-restart",
    "reset-failed",
    "restart",
    "set-property",
    "show",
    "start",
    "status",
    "stop",
    "try-reload-or-restart",
    "try-restart",
];

/// How deep `Also=` is followed.
const MAX_DEPTH: usize = 16;

/// Whose units, and where systemd looks for them.
#[derive(Clone, Copy)]
struct Units {
    instance: Instance,
    /// It does not look into `/lib`, which may be a link to `/usr/lib`.
    is_merged: bool,
}

struct Request {
    units_of: Units,
    quiet: bool,
    enable_only: bool,
    verb: String,
    units: Vec<String>,
}

/// `systemctl`.
///
/// # Errors
/// A form that is not evaluated.
pub fn run(process: &mut Process<'_>) -> Status {
    let is_merged = is_merged(process)?;
    call(process, is_merged)
}

/// `systemctl` of rpm's distributions, whose systemd has never looked into `/lib`.
///
/// # Errors
/// As [`run`].
pub fn run_of_rpm(process: &mut Process<'_>) -> Status {
    call(process, true)
}

/// Debian's systemd looks into `/lib` first, up to 254: its library has the number in its name.
fn is_merged(process: &mut Process<'_>) -> Result<bool, Stop> {
    let triplets = names_in(process, b"/usr/lib")?.into_iter();
    for triplet in triplets.filter(|name| name.windows(7).any(|part| part == b"-linux-")) {
        for name in names_in(process, &[b"/usr/lib/", &triplet[..], b"/systemd"].concat())? {
            let name = String::from_utf8_lossy(&name).into_owned();
            let Some(rest) = name.strip_prefix("libsystemd-shared-") else { continue };
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            return Ok(digits.parse().is_ok_and(|number: u32| number >= 255));
        }
    }
    Ok(false)
}

fn call(process: &mut Process<'_>, is_merged: bool) -> Status {
    let request = read_request(process, is_merged)?;
    if ASKING.contains(&request.verb.as_str()) {
        process.complain(
            "System has not been booted with systemd as init system (PID 1). Can't operate.",
        )?;
        return Ok(1);
    }
    let mut status = 0;
    match request.verb.as_str() {
        "is-system-running" => {
            if !request.quiet {
                process.print("offline\n")?;
            }
            return Ok(1);
        }
        "is-enabled" => {
            status = 1;
            for unit in &request.units {
                if is_enabled(process, &request, unit)? {
                    status = 0;
                }
            }
        }
        "preset" => {
            for unit in &request.units {
                if preset_enables(process, request.units_of.instance, unit)? {
                    status |= enable(process, &request, unit)?;
                } else if !request.enable_only {
                    disable(process, &request, unit)?;
                }
            }
        }
        "preset-all" if request.units.is_empty() => status = preset_all(process, &request)?,
        "enable" | "disable" => {
            for unit in &request.units {
                refuse_init_script(process, unit)?;
                match request.verb.as_str() {
                    "enable" => status |= enable(process, &request, unit)?,
                    _ => disable(process, &request, unit)?,
                }
            }
        }
        "mask" | "unmask" => {
            for unit in &request.units {
                mask(process, &request, unit)?;
            }
        }
        verb => return Err(process.unsupported(verb)),
    }
    Ok(status)
}

fn read_request(process: &Process<'_>, is_merged: bool) -> Result<Request, Stop> {
    use imgfix_shell::options::{Long, Short, Value};
    let (mut words, mut instance) = (Vec::new(), Instance::System);
    let (mut quiet, mut enable_only) = (false, false);
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Long(
                "system" | "no-reload" | "no-ask-password" | "no-pager" | "no-legend" | "value"
                | "full",
            ) => {}
            Long("global") => instance = Instance::User,
            Short('q') | Long("quiet") => quiet = true,
            Short('p') | Long("property" | "signal") => {
                options.value()?;
            }
            Long("root") => {
                let root = options.value()?;
                if root != b"/" {
                    return Err(process.unsupported("another root"));
                }
            }
            Long("preset-mode") => {
                let mode = options.value()?;
                enable_only = mode == b"enable-only";
            }
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if words.is_empty() {
        return Err(process.unsupported("no verb"));
    }
    let verb = words.remove(0);
    Ok(Request {
        units_of: Units { instance, is_merged },
        quiet,
        enable_only,
        verb,
        units: words.iter().map(|w| full(w)).collect(),
    })
}

const SUFFIXES: &[&str] = &[
    ".service",
    ".socket",
    ".target",
    ".timer",
    ".path",
    ".mount",
    ".automount",
    ".swap",
    ".slice",
    ".scope",
    ".device",
];

/// A unit's name with its suffix.
fn full(name: &str) -> String {
    match SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        true => name.to_owned(),
        false => format!("{name}.service"),
    }
}

/// Where units are; the first file of a name counts.
fn folders(units: Units) -> [String; 5] {
    let Units { instance, is_merged } = units;
    let word = instance.word();
    // The manager of users does not look into `/lib`, either.
    let lib = match instance {
        Instance::System if !is_merged => "/lib",
        _ => "/usr/lib",
    };
    [
        instance.etc(),
        format!("/run/systemd/{word}"),
        format!("/usr/local/lib/systemd/{word}"),
        format!("{lib}/systemd/{word}"),
        format!("/usr/lib/systemd/{word}"),
    ]
}

/// A unit's file.
fn file_of(process: &Process<'_>, units: Units, unit: &str) -> Result<Option<String>, Stop> {
    let template = unit.split_once('@').and_then(|(name, rest)| {
        rest.rsplit_once('.').map(|(_, suffix)| format!("{name}@.{suffix}"))
    });
    for name in std::iter::once(unit).chain(template.as_deref()) {
        for folder in folders(units) {
            let path = format!("{folder}/{name}");
            if exists(process, path.as_bytes())? {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

fn refuse_init_script(process: &Process<'_>, unit: &str) -> Result<(), Stop> {
    let name = unit.strip_suffix(".service").unwrap_or_default();
    match !name.is_empty() && exists(process, format!("/etc/init.d/{name}").as_bytes())? {
        true => Err(process.unsupported(format!("{unit}, which is an init script too"))),
        false => Ok(()),
    }
}

/// The settings of a unit's `[Install]` section; `None` when it has none.
fn install_section(text: &str) -> Option<Vec<(String, String)>> {
    let (mut inside, mut found, mut settings) = (false, false, Vec::new());
    let text = text.replace("\\\n", " ");
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
            found |= inside;
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            settings.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found.then_some(settings)
}

/// The links that enabling a unit makes, those of units named by `Also=` among them.
fn links(
    process: &mut Process<'_>,
    units: Units,
    unit: &str,
    depth: usize,
) -> Result<Option<Vec<Link>>, Stop> {
    if depth > MAX_DEPTH {
        return Err(process.unsupported("units that name each other too deep"));
    }
    let Some(path) = file_of(process, units, unit)? else { return Ok(None) };
    let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
    let settings = install_section(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let etc = units.instance.etc();
    let (mut links, mut others, mut default) = (Vec::new(), Vec::new(), None);
    for (key, value) in &settings {
        if value.contains('%') {
            return Err(process.unsupported(format!("specifiers in {path}")));
        }
        let mut words = value.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\'']));
        let target = || path.clone();
        match key.as_str() {
            "Alias" => links
                .extend(words.map(|word| Link { path: format!("{etc}/{word}"), target: target() })),
            "WantedBy" | "RequiredBy" => {
                let kind = if key == "WantedBy" { "wants" } else { "requires" };
                links.extend(words.map(|word| Link {
                    path: format!("{etc}/{word}.{kind}/{unit}"),
                    target: target(),
                }));
            }
            "Also" => others.extend(words.map(str::to_owned)),
            "DefaultInstance" => default = words.next_back().map(str::to_owned),
            _ => {}
        }
    }
    if unit.contains("@.") {
        let Some(instance) = default else {
            return Err(process.unsupported(format!("{unit}, a template without an instance")));
        };
        let named = unit.replacen("@.", &format!("@{instance}."), 1);
        for link in &mut links {
            if let Some(folder) = link.path.strip_suffix(&format!("/{unit}")) {
                link.path = format!("{folder}/{named}");
            }
        }
    }
    for other in others.iter().filter(|other| *other != unit) {
        links.extend(self::links(process, units, other, depth + 1)?.unwrap_or_default());
    }
    Ok(Some(links))
}

fn enable(process: &mut Process<'_>, request: &Request, unit: &str) -> Status {
    let Some(links) = links(process, request.units_of, unit, 0)? else {
        process.complain(format!("Failed to enable unit: Unit file {unit} does not exist."))?;
        return Ok(1);
    };
    for Link { path, target } in links {
        let directory = process.call.directory.clone();
        let there = process.machine.lstat(&directory, path.as_bytes())?.ok();
        match there.map(|entry| entry.kind) {
            Some(Kind::Symlink(old)) if old == target.as_bytes() => continue,
            // It leads to the same file by another way.
            Some(Kind::Symlink(_))
                if matches!(
                    (process.follow(path.as_bytes())?, process.follow(target.as_bytes())?),
                    (Ok(old), Ok(new)) if old == new
                ) =>
            {
                continue;
            }
            Some(Kind::Symlink(_)) => remove(process, path.as_bytes())?,
            Some(_) => return Err(process.unsupported(format!("{path}, which is in the way"))),
            None => {}
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        make_directories(process, parent.as_bytes(), 0o755)?;
        let made = process.machine.make_symlink(&directory, path.as_bytes(), target.as_bytes())?;
        made.map_err(|errno| unusable(process, path.as_bytes(), errno))?;
        if !request.quiet {
            process.complain(format!("Created symlink {path} \u{2192} {target}."))?;
        }
    }
    Ok(0)
}

/// Removes every link to the unit below the administrator's folder, and to those that it
/// names with `Also=`.
fn disable(process: &mut Process<'_>, request: &Request, unit: &str) -> Result<(), Stop> {
    let mut units = vec![unit.to_owned()];
    if let Some(path) = file_of(process, request.units_of, unit)? {
        let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
        let settings = install_section(&String::from_utf8_lossy(&text)).unwrap_or_default();
        let also = settings.iter().filter(|(key, _)| key == "Also");
        units.extend(also.flat_map(|(_, value)| value.split_ascii_whitespace()).map(str::to_owned));
    }
    for unit in &units {
        disable_one(process, request, unit)?;
    }
    Ok(())
}

fn disable_one(process: &mut Process<'_>, request: &Request, unit: &str) -> Result<(), Stop> {
    let etc = request.units_of.instance.etc();
    for link in links_of(process, &etc, unit)? {
        remove(process, link.as_bytes())?;
        let parent = link.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        let directory = process.call.directory.clone();
        if parent != etc {
            let removed = process.machine.remove_dir(&directory, parent.as_bytes())?;
            match removed {
                Ok(()) | Err(Errno::NotEmpty) => {}
                Err(errno) => return Err(unusable(process, parent.as_bytes(), errno)),
            }
        }
    }
    Ok(())
}

/// Links named as the unit in folders of targets, and aliases of it.
fn links_of(process: &mut Process<'_>, etc: &str, unit: &str) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for name in names_in(process, etc.as_bytes())? {
        let name = String::from_utf8_lossy(&name).into_owned();
        let path = format!("{etc}/{name}");
        let candidate = match name.ends_with(".wants") || name.ends_with(".requires") {
            true => format!("{path}/{unit}"),
            false => path,
        };
        let entry = process.machine.lstat(&process.call.directory, candidate.as_bytes())?;
        if let Ok(Kind::Symlink(target)) = entry.map(|entry| entry.kind) {
            let base = target.rsplit(|&b| b == b'/').next().unwrap_or_default();
            let in_folder = candidate.ends_with(&format!("/{unit}"));
            if target != b"/dev/null" && (in_folder || base == unit.as_bytes()) {
                found.push(candidate);
            }
        }
    }
    Ok(found)
}

fn is_enabled(process: &mut Process<'_>, request: &Request, unit: &str) -> Result<bool, Stop> {
    let etc = request.units_of.instance.etc();
    let own = format!("{etc}/{unit}");
    let entry = process.machine.lstat(&process.call.directory, own.as_bytes())?;
    let masked = entry.is_ok_and(|entry| entry.kind == Kind::Symlink(b"/dev/null".to_vec()));
    let file = file_of(process, request.units_of, unit)?;
    let (word, enabled) = match file {
        _ if masked => ("masked", false),
        None => {
            refuse_init_script(process, unit)?;
            process.complain(format!(
                "Failed to get unit file state for {unit}: No such file or directory"
            ))?;
            return Ok(false);
        }
        Some(_) if !links_of(process, &etc, unit)?.is_empty() => ("enabled", true),
        Some(path) => {
            let text = read_optional(process, path.as_bytes())?.unwrap_or_default();
            match install_section(&String::from_utf8_lossy(&text)) {
                None => ("static", true),
                Some(settings) if settings.iter().all(|(key, _)| key == "Also") => {
                    ("indirect", true)
                }
                Some(_) => ("disabled", false),
            }
        }
    };
    if !request.quiet {
        process.print(format!("{word}\n"))?;
    }
    Ok(enabled)
}

fn mask(process: &mut Process<'_>, request: &Request, unit: &str) -> Result<(), Stop> {
    let path = format!("{}/{unit}", request.units_of.instance.etc());
    let directory = process.call.directory.clone();
    let there = process.machine.lstat(&directory, path.as_bytes())?.ok();
    let null = Kind::Symlink(b"/dev/null".to_vec());
    match (request.verb.as_str(), there.map(|entry| entry.kind)) {
        ("unmask", Some(kind)) if kind == null => remove(process, path.as_bytes()),
        ("unmask", _) => Ok(()),
        (_, Some(kind)) if kind == null => Ok(()),
        (_, Some(_)) => Err(process.unsupported(format!("{path}, which is in the way"))),
        (_, None) => {
            let made = process.machine.make_symlink(&directory, path.as_bytes(), b"/dev/null")?;
            made.map_err(|errno| unusable(process, path.as_bytes(), errno))
        }
    }
}
