//! What extracted certificates become: PEM, OpenSSL's trusted PEM, a keystore of Java, a signature
//! list of UEFI; as a file, or as a directory with a file for each.

use std::collections::{HashMap, HashSet};

use imgfix_shell::{Process, Status, Stop};
use sha1::{Digest as _, Sha1};

use super::names;
use super::openssl;
use super::pem::{self, is_space};
use super::save::{Directory, Save};
use super::selection::Chosen;

/// A format of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    X509File,
    X509Directory,
    PemBundle,
    PemDirectory,
    PemDirectoryHash,
    OpensslBundle,
    OpensslDirectory,
    JavaCacerts,
    Edk2Cacerts,
}

impl Format {
    /// By the name that `--format` has for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "x509-file" => Self::X509File,
            "x509-directory" => Self::X509Directory,
            "pem-bundle" => Self::PemBundle,
            "pem-directory" => Self::PemDirectory,
            "pem-directory-hash" => Self::PemDirectoryHash,
            "openssl-bundle" => Self::OpensslBundle,
            "openssl-directory" => Self::OpensslDirectory,
            "java-cacerts" => Self::JavaCacerts,
            "edk2-cacerts" => Self::Edk2Cacerts,
            _ => return None,
        })
    }

    /// Whether it says what a certificate is trusted for.
    #[must_use]
    pub fn has_trust(self) -> bool {
        matches!(self, Self::OpensslBundle | Self::OpensslDirectory)
    }
}

/// Writes certificates.
///
/// # Errors
/// Limits, and paths of a running system.
pub fn write(
    process: &mut Process<'_>,
    format: Format,
    chosen: &[Chosen<'_>],
    has_comments: bool,
    save: &Save,
    destination: &[u8],
) -> Status {
    let content = match format {
        Format::PemBundle => bundle(chosen, has_comments, |one| Ok(pem_of(one)))?,
        Format::OpensslBundle => bundle(chosen, has_comments, |one| trusted_pem_of(process, one))?,
        Format::JavaCacerts => match time(process)? {
            Some(seconds) => keystore(process, chosen, seconds)?,
            None => return Ok(1),
        },
        Format::Edk2Cacerts => signature_list(process, chosen)?,
        Format::X509File => match chosen {
            [one, ..] => one.der.to_vec(),
            [] => {
                process.complain("no certificate found")?;
                return Ok(1);
            }
        },
        Format::X509Directory
        | Format::PemDirectory
        | Format::PemDirectoryHash
        | Format::OpensslDirectory => return directory(process, format, chosen, save, destination),
    };
    save.file(process, destination, content)
}

fn pem_of(one: &Chosen<'_>) -> Vec<u8> {
    pem::write("CERTIFICATE", one.der)
}

fn trusted_pem_of(process: &Process<'_>, one: &Chosen<'_>) -> Result<Vec<u8>, Stop> {
    let trust = openssl::trust(one).map_err(|error| process.unsupported(error.to_string()))?;
    Ok(pem::write("TRUSTED CERTIFICATE", &[one.der, &trust].concat()))
}

fn bundle(
    chosen: &[Chosen<'_>],
    has_comments: bool,
    block: impl Fn(&Chosen<'_>) -> Result<Vec<u8>, Stop>,
) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    for (number, one) in chosen.iter().enumerate() {
        if has_comments {
            let before: &[u8] = if number == 0 { b"# " } else { b"\n# " };
            text.extend([before, title(one), b"\n"].concat());
        }
        text.extend(block(one)?);
    }
    Ok(text)
}

/// What a certificate is called in comments and names of files.
fn title<'a>(one: &Chosen<'a>) -> &'a [u8] {
    let label = one.label.unwrap_or(b"certificate");
    label.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn directory(
    process: &mut Process<'_>,
    format: Format,
    chosen: &[Chosen<'_>],
    save: &Save,
    destination: &[u8],
) -> Status {
    let Some(mut directory) = Directory::open(process, destination, save)? else { return Ok(1) };
    for one in chosen {
        let (content, ending) = match format {
            Format::X509Directory => (one.der.to_vec(), ".cer"),
            Format::OpensslDirectory => (trusted_pem_of(process, one)?, ".pem"),
            _ => (pem_of(one), ".pem"),
        };
        let Some(name) = directory.file(process, &file_name(one), ending, content)? else {
            return Ok(1);
        };
        if matches!(format, Format::PemDirectoryHash | Format::OpensslDirectory) {
            let new = names::hash(one.subject);
            let new = new.map_err(|error| process.unsupported(error.to_string()))?;
            for hash in new.into_iter().chain([names::old_hash(one.subject)]) {
                if !directory.link(process, &format!("{hash:08x}"), &name)? {
                    return Ok(1);
                }
            }
        }
    }
    directory.close(process)
}

fn file_name(one: &Chosen<'_>) -> String {
    let plain = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte),
        _ => '_',
    };
    title(one).iter().copied().map(plain).collect()
}

/// What the entries of a keystore say when they were made; `None` after a complaint.
fn time(process: &mut Process<'_>) -> Result<Option<u64>, Stop> {
    let given = process.variable("SOURCE_DATE_EPOCH").map(<[u8]>::to_vec);
    let now = u64::try_from(process.machine.settings.now).unwrap_or_default();
    let Some(given) = given else { return Ok(Some(now)) };
    let seconds = std::str::from_utf8(&given).ok().and_then(|text| text.parse().ok());
    if seconds.is_none() {
        process.complain("Environment variable $SOURCE_DATE_EPOCH: not a number")?;
    }
    Ok(seconds)
}

/// The password that keystores of authorities have by default, in UTF-16, and what the digest of a
/// keystore has behind it.
const PASSWORD: &[u8] = b"\0c\0h\0a\0n\0g\0e\0i\0t";
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// A keystore of Java, version 2 (JDK's `JavaKeyStore.java`).
fn keystore(process: &Process<'_>, chosen: &[Chosen<'_>], seconds: u64) -> Result<Vec<u8>, Stop> {
    let number = |length: usize| match u32::try_from(length) {
        Ok(number) => Ok(number.to_be_bytes()),
        Err(_) => Err(process.unsupported("a certificate of 4 GiB")),
    };
    let mut store = vec![0xfe, 0xed, 0xfe, 0xed];
    store.extend(number(2)?);
    store.extend(number(chosen.len())?);
    let mut aliases = Aliases::default();
    for one in chosen {
        // a trusted certificate
        store.extend(number(2)?);
        let alias = aliases.of(one);
        let length = u16::try_from(alias.len()).unwrap_or(i16::MAX as u16).min(i16::MAX as u16);
        store.extend(length.to_be_bytes());
        store.extend(alias.get(..usize::from(length)).unwrap_or_default());
        store.extend(seconds.saturating_mul(1000).to_be_bytes());
        store.extend(b"\0\x05X.509");
        store.extend(number(one.der.len())?);
        store.extend(one.der);
    }
    let digest = Sha1::new().chain_update(PASSWORD).chain_update(WHITENER).chain_update(&store);
    store.extend(digest.finalize());
    Ok(store)
}

/// Names of entries, each once: lower case, without blanks and what is not ASCII.
#[derive(Default)]
struct Aliases {
    given: HashSet<Vec<u8>>,
    /// By the name, the first number that may not be given.
    next: HashMap<Vec<u8>, u32>,
}

impl Aliases {
    fn of(&mut self, one: &Chosen<'_>) -> Vec<u8> {
        let label = one.label.unwrap_or(b"unlabeled").iter();
        let plain: Vec<u8> = label
            .filter(|byte| byte.is_ascii() && !is_space(**byte))
            .map(u8::to_ascii_lowercase)
            .collect();
        if self.given.insert(plain.clone()) {
            return plain;
        }
        let next = self.next.entry(plain.clone()).or_insert(1);
        loop {
            let name = [&plain[..], format!("-{next}").as_bytes()].concat();
            *next += 1;
            if self.given.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// EFI_CERT_X509_GUID, and p11-kit's own as owner, as UEFI lays them out.
const CERTIFICATE_GUID: [u8; 16] = [
    0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72,
];
const OWNER_GUID: [u8; 16] = [
    0x50, 0x3b, 0xdd, 0xdc, 0x05, 0xf4, 0xfd, 0x43, 0x96, 0xbe, 0xbd, 0x33, 0xb1, 0x73, 0x47, 0x76,
];

/// A signature list for each certificate (UEFI 2.7, 31.4.1).
fn signature_list(process: &Process<'_>, chosen: &[Chosen<'_>]) -> Result<Vec<u8>, Stop> {
    let mut lists = Vec::new();
    for one in chosen {
        let data = OWNER_GUID.len() + one.der.len();
        let header = CERTIFICATE_GUID.len() + 3 * size_of::<u32>();
        let (Ok(whole), Ok(data)) = (u32::try_from(header + data), u32::try_from(data)) else {
            return Err(process.unsupported("a certificate of 4 GiB"));
        };
        lists.extend(CERTIFICATE_GUID);
        lists.extend(whole.to_le_bytes());
        lists.extend(0_u32.to_le_bytes());
        lists.extend(data.to_le_bytes());
        lists.extend(OWNER_GUID);
        lists.extend(one.der);
    }
    Ok(lists)
}
