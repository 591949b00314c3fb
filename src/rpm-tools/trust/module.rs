//! Where the trust module of an image has its sources: its configuration says so, or else what it
//! was built with (`pkcs11.conf(5)`, p11-kit's `trust/module.c`).

use bstr::ByteSlice as _;
use imgfix_shell::{Process, Stop};
use imgfix_tools::files::{exists, names_in, read_optional};

/// Folders of configurations of modules.
const CONFIGURATIONS: &[&str] = &["/usr/share/p11-kit/modules", "/etc/pkcs11/modules"];

/// The module that comes with p11-kit, and its configuration.
const MODULE: &str = "p11-kit-trust.so";
const CONFIGURATION: &[u8] = b"p11-kit-trust.module";

/// What distributions build the module with: Fedora and its descendants, SUSE, Debian.
const BUILT_WITH: &[&str] = &[
    "/etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source",
    "/etc/pki/trust:/usr/share/pki/trust",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// The folder of distrusted certificates, by its name since p11-kit 0.24, and before.
const BLOCKLISTS: &[&str] = &["blocklist", "blacklist"];

/// Where sources are.
pub struct Places {
    /// Each is a token: what is attached in one says nothing of another.
    pub paths: Vec<Vec<u8>>,
    /// The names of folders in them whose certificates are distrusted.
    pub blocklists: Vec<&'static str>,
}

/// Finds out.
///
/// # Errors
/// There is another module with trust, or none, or one that was built with other paths.
pub fn places(process: &mut Process<'_>) -> Result<Places, Stop> {
    if exists(process, b"/root/.config/pkcs11")? && process.variable(NO_USER).is_none() {
        return Err(process.unsupported("/root/.config/pkcs11"));
    }
    let configured = configured(process)?;
    let module = module(process)?;
    let has = |text: &str| module.find([text.as_bytes(), b"\0"].concat()).is_some();
    let paths = match configured {
        Some(paths) => paths,
        None => match BUILT_WITH.iter().find(|paths| has(paths)) {
            Some(paths) => paths.as_bytes().to_vec(),
            None => return Err(process.unsupported(format!("a {MODULE} with other sources"))),
        },
    };
    let paths = paths.split(|&byte| byte == b':').filter(|path| !path.is_empty());
    let mut blocklists: Vec<&str> = BLOCKLISTS.iter().copied().filter(|name| has(name)).collect();
    if blocklists.is_empty() {
        blocklists = vec!["blocklist"];
    }
    Ok(Places { paths: paths.map(<[u8]>::to_vec).collect(), blocklists })
}

/// The variable that keeps the user's configuration out.
const NO_USER: &str = "P11_KIT_NO_USER_CONFIG";

/// The paths that the module's configuration gives, if any.
fn configured(process: &mut Process<'_>) -> Result<Option<Vec<u8>>, Stop> {
    let (mut paths, mut is_there) = (None, false);
    for folder in CONFIGURATIONS {
        for name in names_in(process, folder.as_bytes())? {
            let path = [folder.as_bytes(), b"/", &name].concat();
            let text = read_optional(process, &path)?.unwrap_or_default();
            if name == CONFIGURATION {
                is_there = true;
                let given = value(&text, "x-init-reserved").and_then(|given| {
                    let given = given.strip_prefix(b"paths=")?;
                    Some(given.trim_with(|c| c == '\'' || c == '"').to_vec())
                });
                paths = given.or(paths);
            } else if value(&text, "trust-policy") == Some(b"yes") {
                return Err(process.unsupported(&path));
            }
        }
    }
    match is_there {
        true => Ok(paths),
        false => Err(process.unsupported("no configuration of its module")),
    }
}

/// The value of a field.
fn value<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    text.lines().find_map(|line| {
        Some(line.trim().strip_prefix(name.as_bytes())?.trim_start().strip_prefix(b":")?.trim())
    })
}

/// The module itself.
fn module(process: &mut Process<'_>) -> Result<bytes::Bytes, Stop> {
    let triplets = names_in(process, b"/usr/lib")?.into_iter();
    let triplets = triplets.filter(|name| name.ends_with(b"-linux-gnu"));
    let folders = [b"/usr/lib64".to_vec(), b"/usr/lib".to_vec()].into_iter();
    for folder in folders.chain(triplets.map(|name| [b"/usr/lib/", &name[..]].concat())) {
        let path = [&folder[..], b"/pkcs11/", MODULE.as_bytes()].concat();
        if let Some(module) = read_optional(process, &path)? {
            return Ok(module);
        }
    }
    Err(process.unsupported(format!("no {MODULE}")))
}
