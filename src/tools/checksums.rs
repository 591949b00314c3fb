//! `md5sum`, `sha1sum`, `sha224sum`, `sha256sum`, `sha384sum` and `sha512sum` of coreutils: `-b`, `-t`, `-c` with
//! `--status`, `--quiet`, `--ignore-missing`, `-w`, `--strict`.

use sha2::Digest as _;

use super::lines::{lines, plainly};
use imgfix_shell::options::{Long, Short, Value};
use imgfix_shell::{Process, Status, Stop};

#[derive(Default)]
struct Request {
    binary: bool,
    check: bool,
    status_only: bool,
    quiet: bool,
    ignore_missing: bool,
}

/// Prints or checks digests of files.
///
/// # Errors
/// An option that is not evaluated; a name with a backslash or newline.
pub fn run(process: &mut Process<'_>) -> Status {
    let Some(digest) = digest_of(process.name()) else {
        return Err(process.unsupported("this name"));
    };
    let mut request = Request::default();
    let mut operands = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('b') | Long("binary") => request.binary = true,
            Short('t') | Long("text") => request.binary = false,
            Short('c') | Long("check") => request.check = true,
            Long("status") => request.status_only = true,
            Long("quiet") => request.quiet = true,
            Long("ignore-missing") => request.ignore_missing = true,
            Short('w') | Long("warn" | "strict") => {}
            Value(path) => operands.push(path.into_encoded_bytes()),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    if operands.is_empty() {
        operands.push(b"-".to_vec());
    }
    let mut status = 0;
    for path in operands {
        let data = match process.read_operand(&path)? {
            Ok(data) => data,
            Err(errno) => {
                process.complain(plainly(&path, errno.to_string()))?;
                status = 1;
                continue;
            }
        };
        if request.check {
            if !check(process, &request, digest, &data)? {
                status = 1;
            }
            continue;
        }
        if path.iter().any(|b| b"\\\n\r".contains(b)) {
            return Err(process.unsupported("a name with a backslash"));
        }
        let mark = if request.binary { b" *" } else { b"  " };
        process.print([digest(&data).as_bytes(), mark, &path, b"\n"].concat())?;
    }
    Ok(status)
}

type DigestOf = fn(&[u8]) -> String;

fn digest_of(name: &[u8]) -> Option<DigestOf> {
    Some(match name {
        b"md5sum" => |data| imgfix_model::hex::encode(md5::Md5::digest(data)),
        b"sha1sum" => |data| imgfix_model::hex::encode(sha1::Sha1::digest(data)),
        b"sha224sum" => |data| imgfix_model::hex::encode(sha2::Sha224::digest(data)),
        b"sha256sum" => |data| imgfix_model::hex::encode(sha2::Sha256::digest(data)),
        b"sha384sum" => |data| imgfix_model::hex::encode(sha2::Sha384::digest(data)),
        b"sha512sum" => |data| imgfix_model::hex::encode(sha2::Sha512::digest(data)),
        _ => return None,
    })
}

fn check(
    process: &mut Process<'_>,
    request: &Request,
    digest: DigestOf,
    list: &[u8],
) -> Result<bool, Stop> {
    let width = digest(b"").len();
    let (mut checked, mut whole) = (0, true);
    for line in lines(list, b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            continue;
        }
        let sum = line.get(..width).filter(|sum| sum.iter().all(u8::is_ascii_hexdigit));
        let name = line.get(width..).and_then(|rest| {
            rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *")).filter(|n| !n.is_empty())
        });
        let (Some(sum), Some(name)) = (sum, name) else {
            return Err(process.unsupported("-c and a line of another form"));
        };
        checked += 1;
        let shown = String::from_utf8_lossy(name).into_owned();
        let (good, word) = match process.read_operand(name)? {
            Ok(data) => match digest(&data).as_bytes().eq_ignore_ascii_case(sum) {
                true => (true, "OK"),
                false => (false, "FAILED"),
            },
            Err(imgfix_shell::Errno::NotFound) if request.ignore_missing => continue,
            Err(errno) => {
                process.complain(format!("{shown}: {errno}"))?;
                (false, "FAILED open or read")
            }
        };
        whole &= good;
        if !(request.status_only || good && request.quiet) {
            process.print(format!("{shown}: {word}\n"))?;
        }
    }
    if checked == 0 {
        process.complain("no properly formatted checksum lines found")?;
        return Ok(false);
    }
    if !whole && !request.status_only {
        process.complain("WARNING: computed checksums did NOT match")?;
    }
    Ok(whole)
}
