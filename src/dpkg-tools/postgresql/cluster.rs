//! The database clusters that an image has: by the files below `/etc/postgresql`.

use bstr::{BString, ByteSlice as _};

use super::configuration::{self, Parameters};
use crate::accounts::AccountList;
use crate::files::{exists, is_there, names_in, read_or_empty};
use imgfix_shell::{Process, Stop};

const CONFIGURATION: &str = "/etc/postgresql";
const PROGRAMS: &str = "/usr/lib/postgresql";
const SOCKETS: &str = "/var/run/postgresql";
const PORT: &str = "5432";

/// A cluster's place: its version and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub version: String,
    pub name: String,
}

/// What `pg_lsclusters` shows of one.
#[derive(Debug, Clone)]
pub struct Information {
    pub parameters: Parameters,
    pub port: BString,
    pub data: BString,
    pub owner: String,
    /// `down`, and what is to be said besides.
    pub status: String,
    /// `auto`, `manual` or `disabled`.
    pub start: &'static str,
    pub log: BString,
}

/// The versions that there are programs or clusters of, the lowest first.
///
/// # Errors
/// Data limits.
pub fn versions(process: &mut Process<'_>) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for version in version_folders(process, PROGRAMS)? {
        if has_programs(process, &version)? {
            found.push(version);
        }
    }
    for version in version_folders(process, CONFIGURATION)? {
        let folder = format!("{CONFIGURATION}/{version}");
        for name in names_in(process, folder.as_bytes())? {
            let path = [folder.as_bytes(), b"/", &name, b"/postgresql.conf"].concat();
            if exists(process, &path)? && !found.contains(&version) {
                found.push(version.clone());
            }
        }
    }
    found.sort_by_key(|version| numbers(version));
    Ok(found)
}

/// `9.6` and `13` as numbers to sort by.
fn numbers(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or(u32::MAX), minor.parse().unwrap_or(u32::MAX))
}

fn version_folders(process: &mut Process<'_>, folder: &str) -> Result<Vec<String>, Stop> {
    let names = names_in(process, folder.as_bytes())?;
    Ok(names
        .iter()
        .filter_map(|name| name.to_str().ok())
        .filter(|n| is_version(n))
        .map(str::to_owned)
        .collect())
}

/// Digits, with one point between: two characters or more.
fn is_version(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match name.split_once('.') {
        Some((major, minor)) => digits(major) && digits(minor),
        None => digits(name) && name.len() > 1,
    }
}

fn has_programs(process: &Process<'_>, version: &str) -> Result<bool, Stop> {
    let path = format!("{PROGRAMS}/{version}/bin/postgres");
    process.machine.is_program(&process.call.directory, path.as_bytes())
}

/// The clusters of a version, by name.
///
/// # Errors
/// Data limits; a name that is not text.
pub fn of_version(process: &mut Process<'_>, version: &str) -> Result<Vec<Cluster>, Stop> {
    let folder = format!("{CONFIGURATION}/{version}");
    let mut clusters = Vec::new();
    for name in names_in(process, folder.as_bytes())? {
        let path = [folder.as_bytes(), b"/", &name, b"/postgresql.conf"].concat();
        if is_there(process, &path)? {
            let Ok(name) = String::from_utf8(name) else {
                return Err(process.unsupported("the name of a cluster"));
            };
            clusters.push(Cluster { version: version.to_owned(), name });
        }
    }
    Ok(clusters)
}

impl Cluster {
    fn folder(&self) -> String {
        format!("{CONFIGURATION}/{}/{}", self.version, self.name)
    }

    /// From which version on something is so.
    fn since(&self, major: u32, minor: u32) -> bool {
        numbers(&self.version) >= (major, minor)
    }

    /// The parameters of one of its files; for `postgresql.conf`, those that were set by SQL
    /// go over the others.
    ///
    /// # Errors
    /// A line that the programs fail on; a cluster that does not say where its data is.
    pub fn parameters(&self, process: &mut Process<'_>, file: &str) -> Result<Parameters, Stop> {
        if file == "postgresql.auto.conf" {
            return Err(process.unsupported(file));
        }
        let mut path = format!("{}/{file}", self.folder());
        if !exists(process, path.as_bytes())? {
            path = format!("/etc/postgresql-common/{file}");
        }
        let mut parameters = configuration::read(process, path.as_bytes())?;
        if file == "postgresql.conf" && self.since(9, 4) {
            let data = self.data(process, &parameters)?;
            let path = [&data[..], b"/postgresql.auto.conf"].concat();
            let set = configuration::read(process, &path)?;
            parameters.extend(set.into_iter().filter(|(name, _)| name != "data_directory"));
        }
        Ok(parameters)
    }

    fn data(&self, process: &Process<'_>, parameters: &Parameters) -> Result<BString, Stop> {
        let data = parameters.get(b"data_directory".as_bstr()).filter(|path| !path.is_empty());
        data.cloned()
            .ok_or_else(|| process.unsupported(format!("{} without data_directory", self.folder())))
    }

    /// What the files say of it.
    ///
    /// # Errors
    /// A server may run; something that the programs fail on.
    pub fn information(&self, process: &mut Process<'_>) -> Result<Information, Stop> {
        let parameters = self.parameters(process, "postgresql.conf")?;
        let data = self.data(process, &parameters)?;
        let get = |name: &str| parameters.get(name.as_bytes().as_bstr()).filter(|v| !v.is_empty());
        let port = get("port").cloned().unwrap_or_else(|| PORT.into());
        self.is_down(process, &parameters, &port)?;
        let owner = self.owner(process, &data)?;
        let start = self.start(process)?;
        let log = self.log(process)?;
        let mut status = "down".to_owned();
        if self.is_recovering(process, &data)? {
            status += ",recovery";
        }
        Ok(Information { port, data, owner, status, start, log, parameters })
    }

    /// Whether its programs are there.
    ///
    /// # Errors
    /// Data limits.
    pub fn has_programs(&self, process: &Process<'_>) -> Result<bool, Stop> {
        exists(process, format!("{PROGRAMS}/{}/bin/postgres", self.version).as_bytes())
    }

    /// Where a server collects its messages, in its data folder.
    #[must_use]
    pub fn log_folder(&self) -> &'static [u8] {
        if self.since(10, 0) { b"log" } else { b"pg_log" }
    }

    /// Nothing that a running server leaves is there.
    fn is_down(
        &self,
        process: &Process<'_>,
        parameters: &Parameters,
        port: &BString,
    ) -> Result<(), Stop> {
        let name =
            if self.since(9, 3) { "unix_socket_directories" } else { "unix_socket_directory" };
        let get = |name: &str| parameters.get(name.as_bytes().as_bstr()).filter(|v| !v.is_empty());
        let sockets = get(name).and_then(|value| value.split(|b| *b == b',').next());
        let sockets = sockets.map_or(SOCKETS.as_bytes(), <[u8]>::trim_ascii_end);
        if get(name).is_none() && !exists(process, SOCKETS.as_bytes())? {
            return Err(process.unsupported(format!("no {SOCKETS}")));
        }
        let traces = [
            get("external_pid_file").filter(|path| *path != "(none)").map(|path| path.to_vec()),
            Some([sockets, b"/.s.PGSQL.", port].concat()),
            Some([b"/tmp/.s.PGSQL.", &port[..]].concat()),
        ];
        for trace in traces.into_iter().flatten() {
            if is_there(process, &trace)? {
                let trace = trace.to_str_lossy().into_owned();
                return Err(process.unsupported(format!("{trace}, of a server that may run")));
            }
        }
        Ok(())
    }

    fn owner(&self, process: &mut Process<'_>, data: &BString) -> Result<String, Stop> {
        let entry = process.machine.stat(&process.call.directory, data)?;
        let Ok(entry) = entry else { return Ok("<unknown>".to_owned()) };
        let accounts = AccountList::load(process)?;
        let user = accounts.user_numbered(entry.uid).map(|user| user.name.clone());
        user.ok_or_else(|| process.unsupported(format!("{data}, which no user owns")))
    }

    fn is_recovering(&self, process: &Process<'_>, data: &BString) -> Result<bool, Stop> {
        let names: &[&str] = match self.since(12, 0) {
            true => &["recovery.signal", "standby.signal"],
            false => &["recovery.conf"],
        };
        for name in names {
            if exists(process, &[&data[..], b"/", name.as_bytes()].concat())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn start(&self, process: &mut Process<'_>) -> Result<&'static str, Stop> {
        let path = format!("{}/start.conf", self.folder());
        let text = read_or_empty(process, path.as_bytes())?;
        let words = text.lines().filter_map(|line| line.split(|b| *b == b'#').next());
        let word = words.map(<[u8]>::trim_ascii).find(|word| !matches!(*word, b"" | b"0"));
        let Some(word) = word else { return Ok("auto") };
        let known = ["auto", "manual", "disabled"].into_iter();
        let mut known = known.filter(|name| word.starts_with(name.as_bytes()));
        known.next().ok_or_else(|| process.unsupported(format!("the mode in {path}")))
    }

    fn log(&self, process: &Process<'_>) -> Result<BString, Stop> {
        let link = format!("{}/log", self.folder());
        let entry = process.machine.lstat(&process.call.directory, link.as_bytes())?;
        Ok(match entry.ok().map(|entry| entry.kind) {
            Some(imgfix_vfs::Kind::Symlink(target)) => target.to_vec().into(),
            _ => {
                let Self { version, name } = self;
                format!("/var/log/postgresql/postgresql-{version}-{name}.log").into()
            }
        })
    }
}
