//! Which policy files hold: the one that the user names, or else root's, the user's own, and the
//! one that is found in the working directory or above it; and under each what it extends.
//!
//! A file that others own or can write is not read at all; one that was found has no power to
//! run, write, send or redirect, and neither has what it extends. Both are said in one warning.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use sha2::{Digest as _, Sha256};

use crate::policy;
use crate::policy::{Extended, ImageName, PinnedArtifact, PinnedUrl, Policy, Standing};
use imgfix_host::ownership::Caller;
use imgfix_host::pace::Pace;
use imgfix_host::{http, staging};
use imgfix_model::hex;
use imgfix_oci::{RegistryOptions, artifact, open_source};

use super::exit::Failure;
use super::options::read_file;
use super::output::Output;
use super::registry_options::RegistryAccess;

/// The largest policy file read, in bytes.
const MAX_POLICY: u64 = 1 << 20;

/// How deep files may extend files.
const MAX_DEPTH: usize = 8;

/// How many texts one policy may be read from.
const MAX_TEXTS: usize = 32;

/// What the layer of an artifact may be: what people who push a file by its type call TOML, and
/// what `oras push` calls a file whose type nobody gave.
const ARTIFACT_TYPES: [&str; 6] = [
    "application/vnd.imgfix.policy.v1+toml",
    "application/toml",
    "text/toml",
    "text/plain",
    "application/octet-stream",
    "application/vnd.oci.image.layer.v1.tar",
];

/// How long the text behind a URL may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a server that is busy is met.
const RETRY: http::Retry = http::Retry::new(2, Duration::from_secs(1));

/// The variable that names the file when no flag does.
pub const VARIABLE: &str = "IMGFIX_CONFIG";

/// Root's place.
const SYSTEM: &str = "/etc/imgfix";

/// The file that a flag names, or else the variable.
pub fn named(flag: Option<&PathBuf>) -> Option<PathBuf> {
    let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    flag.cloned().or_else(|| variable().map(PathBuf::from))
}

/// Where policy files are looked for: the one that is named, or else every place.
#[derive(Debug)]
pub struct Places {
    /// Files, which may not be there.
    pub files: Vec<PathBuf>,
    /// Whether one of them may extend another, wherever that is. Nothing is made of their texts
    /// before the process is confined: the word is enough.
    pub extend: bool,
}

impl Places {
    /// Looks at the files, and reads them for one word.
    #[must_use]
    pub fn of(named: Option<&Path>) -> Self {
        let files: Vec<PathBuf> = match named {
            Some(path) => vec![path.to_owned()],
            None => {
                let here = std::env::current_dir().unwrap_or_default();
                let own = own_places().into_iter().map(|folder| folder.join(policy::FILE_NAME));
                own.chain(policy::found(&here)).collect()
            }
        };
        let extend = files.iter().any(|path| may_extend(path));
        Self { files, extend }
    }
}

/// Whether a file has the word, or is none whose text can be looked at twice.
fn may_extend(path: &Path) -> bool {
    const WORD: &[u8] = b"extends";
    match std::fs::metadata(path) {
        Err(_) => false,
        Ok(meta) if !meta.is_file() => true,
        Ok(_) => {
            let mut bytes = Vec::new();
            let read = File::open(path).and_then(|it| it.take(MAX_POLICY).read_to_end(&mut bytes));
            read.is_ok() && bytes.windows(WORD.len()).any(|part| part == WORD)
        }
    }
}

/// How policy files are read.
pub struct Reader<'a> {
    /// Whose policy is wanted; `None`: what is said of some images only stays apart.
    pub image: Option<&'a ImageName>,
    /// How registries are reached, and whom TLS trusts besides, for what is extended from a
    /// registry or a URL.
    pub registry: &'a RegistryAccess,
    /// Where warnings go.
    pub output: &'a Output,
}

impl Reader<'_> {
    /// Reads a file that the user named: it is followed wherever it stands, with what it extends.
    ///
    /// # Errors
    /// It, or what it extends, cannot be read or followed.
    pub fn named(&self, path: &Path) -> Result<Policy, Failure> {
        let bytes = read_file("--config", path, MAX_POLICY)?;
        Chain::new(self, Trust::Named).file(path, bytes)
    }

    /// Reads every file that holds without being named, each over the one before it; `None` when
    /// there is none.
    ///
    /// # Errors
    /// A file that is to be followed, or what it extends, cannot be.
    pub fn others(&self) -> Result<Option<Policy>, Failure> {
        let caller = Caller::current();
        let mut policy: Option<Policy> = None;
        let mut add = |new: Policy| {
            let base = policy.take().unwrap_or_default();
            policy = Some(new.over(base));
        };
        for folder in own_places() {
            let path = folder.join(policy::FILE_NAME);
            if let Some(bytes) = read_own(&path, &caller, self.output)? {
                add(Chain::new(self, Trust::Own(&caller)).file(&path, bytes)?);
            }
        }
        let here = std::env::current_dir().unwrap_or_default();
        for path in policy::found(&here) {
            if let Some(bytes) = read_own(&path, &caller, self.output)? {
                let trust = Trust::Found { caller: &caller, root: work_tree(&path)? };
                let found = Chain::new(self, trust).file(&path, bytes)?;
                warn_of_refused(&path, &found, self.output);
                add(found);
                break;
            }
        }
        Ok(policy)
    }
}

/// Root's folder, then the user's.
fn own_places() -> Vec<PathBuf> {
    let user = etcetera::choose_base_strategy().ok();
    let user = user.map(|strategy| strategy.config_dir().join("imgfix"));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
}

/// The folder that what a found file extends must be in: the root of its work tree, or else its
/// own folder.
fn work_tree(path: &Path) -> Result<PathBuf, Failure> {
    let folder = staging::parent(path);
    let folder = folder.canonicalize().map_err(|error| unreadable(path, &error))?;
    let root = folder.ancestors().find(|folder| folder.join(".git").exists());
    Ok(root.unwrap_or(&folder).to_owned())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("the policy file {}: {error}", path.display()))
}

/// Why a file is followed, and so which of what it extends.
enum Trust<'a> {
    /// The user named it.
    Named,
    /// It stands in root's or the user's place.
    Own(&'a Caller),
    /// It was found, and extends only what is below `root`.
    Found { caller: &'a Caller, root: PathBuf },
}

/// One file and all that it extends, while it is read.
struct Chain<'a> {
    reader: &'a Reader<'a>,
    trust: Trust<'a>,
    /// Who extends whom, down to the text that is read now.
    open: Vec<String>,
    texts: usize,
}

impl<'a> Chain<'a> {
    fn new(reader: &'a Reader<'a>, trust: Trust<'a>) -> Self {
        Self { reader, trust, open: Vec::new(), texts: 0 }
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>) -> Result<Policy, Failure> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // People know the file by its last name; the whole path would fill their lines.
        let last = path.file_name().map(|last| last.to_string_lossy().into_owned());
        let shown = path.display().to_string();
        let short = last.unwrap_or_else(|| shown.clone());
        let folder = path.parent().unwrap_or(Path::new("."));
        self.text(&real.display().to_string(), &shown, &short, folder, bytes)
    }

    /// One text over what it extends. `name` tells it from all others, `shown` and `short` are
    /// for people, and paths count from `folder`.
    fn text(
        &mut self,
        name: &str,
        shown: &str,
        short: &str,
        folder: &Path,
        bytes: Vec<u8>,
    ) -> Result<Policy, Failure> {
        let usage = |why: String| Failure::Usage(format!("{shown}: {why}"));
        self.texts += 1;
        if self.texts > MAX_TEXTS {
            return Err(usage(format!("a policy is read from at most {MAX_TEXTS} files")));
        }
        if self.open.iter().any(|open| open == name) {
            return Err(usage("it extends itself, perhaps by way of others".to_owned()));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(usage(format!("files extend files at most {MAX_DEPTH} deep")));
        }
        let text = String::from_utf8(bytes).map_err(|_| usage("not UTF-8 text".to_owned()))?;
        let standing = match self.trust {
            Trust::Named | Trust::Own(_) => Standing::Trusted,
            Trust::Found { .. } => Standing::Found,
        };
        let mut own = policy::parse(short, &text, folder, standing)
            .map_err(|error| Failure::Usage(error.to_string()))?
            .read_from(shown);
        self.open.push(name.to_owned());
        let mut base = Policy::default();
        for extended in std::mem::take(&mut own.extends) {
            if let Some(more) = self.extended(&extended, shown, folder)? {
                base = more.over(base);
            }
        }
        self.open.pop();
        if let Some(image) = self.reader.image {
            own = own.of_image(image);
        }
        Ok(own.over(base))
    }

    /// What `by` extends; `None`, with a warning, when it is not to be trusted.
    fn extended(
        &mut self,
        extended: &Extended,
        by: &str,
        folder: &Path,
    ) -> Result<Option<Policy>, Failure> {
        let fail = |what: &dyn std::fmt::Display, why: &dyn std::fmt::Display| {
            Failure::Usage(format!("{by} extends {what}: {why}"))
        };
        let path = match extended {
            Extended::File(path) => folder.join(path),
            Extended::Url(url) => {
                let bytes = self.fetched(url).map_err(|why| fail(url, &why))?;
                let name = format!("{url}#sha256={}", url.sha256());
                let shown = url.to_string();
                let short = shown.rsplit('/').next().filter(|last| !last.is_empty());
                return self.text(&name, &shown, short.unwrap_or(&shown), folder, bytes).map(Some);
            }
            Extended::Artifact(artifact) => {
                let bytes = self.pulled(artifact).map_err(|why| fail(artifact, &why))?;
                let shown = artifact.to_string();
                // Without the digest, which would fill people's lines.
                let short = shown.split('@').next().unwrap_or(&shown);
                return self.text(&shown, &shown, short, folder, bytes).map(Some);
            }
        };
        let real = path.canonicalize().map_err(|error| fail(&path.display(), &error))?;
        let bytes = match &self.trust {
            Trust::Named => Some(read_file("--config", &path, MAX_POLICY)?),
            Trust::Own(caller) => read_own(&path, caller, self.reader.output)?,
            Trust::Found { root, .. } if !real.starts_with(root) => {
                let why = format!(
                    "a file that was found extends only what is in {}; name it with --config or \
                     {VARIABLE} if you trust it",
                    root.display()
                );
                return Err(fail(&path.display(), &why));
            }
            Trust::Found { caller, .. } => read_own(&real, caller, self.reader.output)?,
        };
        bytes.map(|bytes| self.file(&path, bytes)).transpose()
    }

    /// The text behind an address, when it is the one that the file means.
    fn fetched(&self, url: &PinnedUrl) -> Result<Vec<u8>, String> {
        let mut certificates = Vec::new();
        for path in &self.reader.registry.ca_file {
            let read = std::fs::read(path);
            certificates.push(read.map_err(|error| format!("{}: {error}", path.display()))?);
        }
        // Of this thread alone, and gone before the process is confined.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start the network: {error}"))?;
        let bytes = runtime.block_on(fetch(url.address(), &certificates))?;
        let found = hex::encode(Sha256::digest(&bytes));
        match found == url.sha256() {
            true => Ok(bytes),
            false => Err(format!("its SHA-256 is {found}, not {}", url.sha256())),
        }
    }

    /// The file of an artifact, which has the digest that the policy names.
    fn pulled(&self, wanted: &PinnedArtifact) -> Result<Vec<u8>, String> {
        let pace = Pace::new(TIMEOUT);
        // Its runtime has threads, which are gone with the source: before the process is confined.
        let options = RegistryOptions { pace, retries: 2, ..self.reader.registry.options() };
        let pulled = open_source(wanted.reference(), &options)
            .and_then(|source| artifact::read_file(&*source, &ARTIFACT_TYPES, MAX_POLICY));
        pulled.map(|bytes| bytes.to_vec()).map_err(|error| {
            let why = error.to_string();
            let place = format!("{}: ", wanted.reference());
            let why = why.strip_prefix(&place).unwrap_or(&why);
            // The option is of images.
            why.replace("; wait longer with --timeout", "")
        })
    }
}

/// What an address answers, bounded, tried again when the server is only busy.
async fn fetch(address: &str, certificates: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    // Its hash is known, so that it may come from anywhere.
    let redirects = || reqwest::redirect::Policy::limited(http::REDIRECTS);
    let (client, _) = http::client_or_plain(certificates, |builder| {
        builder.timeout(TIMEOUT).redirect(redirects())
    })?;
    let mut attempt = 0;
    loop {
        let (why, asked) = match client.get(address).send().await {
            Ok(response) if response.status().is_success() => return body(response).await,
            Ok(response) => {
                let status = response.status();
                let why = format!("the server answered {status}");
                if !http::may_pass(status.as_u16()) {
                    return Err(why);
                }
                (why, http::retry_after(response.headers()))
            }
            // The address may have a login: it is in no message.
            Err(error) => (cause(&error), None),
        };
        match RETRY.wait(attempt, asked) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(why),
        }
        attempt += 1;
    }
}

fn cause(error: &reqwest::Error) -> String {
    http::cause(error).unwrap_or_else(|| "the connection failed".to_owned())
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > MAX_POLICY {
            return Err(format!("more than {MAX_POLICY} bytes"));
        }
    }
    Ok(bytes)
}

/// The content of a file that is the caller's or root's alone; `None`, with a warning, when it
/// is not. The file that was judged is the one that is read.
fn read_own(path: &Path, caller: &Caller, output: &Output) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| unreadable(path, &error);
    let ignored = |why: String| {
        let shown = path.display();
        output.progress().warn(&format!(
            "the policy file {shown} is ignored: {why}; name it with --config or {VARIABLE} if \
             you trust it, or make it and its folder yours alone (chown, chmod go-w)"
        ));
    };
    // Not to hang on a pipe that somebody put there.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            ignored("it cannot be read".to_owned());
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    };
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut why = caller.refusal(&meta).map(|foreign| foreign.to_string());
    // Where the name stands, and where a link of that name leads.
    let real = path.canonicalize().map_err(fail)?;
    for folder in [staging::parent(path), staging::parent(&real)] {
        if why.is_none()
            && let Some(foreign) = caller.refusal_at(folder).map_err(fail)?
        {
            why = Some(format!("of its folder {}: {foreign}", folder.display()));
        }
    }
    if let Some(why) = why {
        ignored(why);
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_POLICY + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_POLICY {
        return Err(fail(std::io::Error::other(format!("more than {MAX_POLICY} bytes"))));
    }
    Ok(Some(bytes))
}

fn warn_of_refused(path: &Path, policy: &Policy, output: &Output) {
    if policy.refused.is_empty() {
        return;
    }
    let (shown, keys) = (path.display(), policy.refused.join(", "));
    output.progress().warn(&format!(
        "{shown} was found in the working directory, and anybody may have put it there: {keys} \
         is not followed; if you trust the file, name it with --config or {VARIABLE}, or move \
         these keys to ~/.config/imgfix/{}",
        policy::FILE_NAME
    ));
}
