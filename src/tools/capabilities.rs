//! `setcap` and `getcap` of libcap.

use super::operands::{lstat, stat};
use imgfix_shell::{Process, Status, Stop};
use imgfix_vfs::capabilities::{ATTRIBUTE, Capabilities};

/// Sets or removes (`-r`) capabilities of files.
///
/// # Errors
/// An option or form that is not evaluated.
pub fn setcap(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let mut words = words.into_iter().filter(|word| word != b"-q");
    while let Some(word) = words.next() {
        let value = match &word[..] {
            b"-r" => None,
            option if option.starts_with(b"-") => return Err(process.unsupported(option)),
            text => {
                let bytes = Capabilities::parse(text).and_then(Capabilities::to_bytes);
                Some(bytes.ok_or_else(|| process.unsupported([b"capabilities ", text].concat()))?)
            }
        };
        let Some(path) = words.next() else { return Err(process.unsupported("no file")) };
        let shown = String::from_utf8_lossy(&path).into_owned();
        match lstat(process, &path)? {
            Ok(entry) if entry.is_file() => {}
            Ok(_) => {
                process.complain(format!("Invalid file '{shown}' for capability operation"))?;
                return Ok(1);
            }
            Err(errno) => {
                process
                    .complain(format!("Failed to set capabilities on file '{shown}': {errno}"))?;
                return Ok(1);
            }
        }
        if value.is_none() && !has(process, &path)? {
            process.complain(format!(
                "Failed to remove capabilities on file '{shown}': No data available"
            ))?;
            return Ok(1);
        }
        let directory = &process.call.directory;
        let _there = process.machine.set_xattr(directory, &path, ATTRIBUTE, value.as_deref())?;
    }
    Ok(0)
}

fn has(process: &Process<'_>, path: &[u8]) -> Result<bool, Stop> {
    Ok(stat(process, path)?.is_ok_and(|entry| entry.xattrs.contains_key(ATTRIBUTE)))
}

/// Prints the capabilities of files that have some.
///
/// # Errors
/// An option that is not evaluated.
pub fn getcap(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    for path in words {
        if path.starts_with(b"-") {
            return Err(process.unsupported(path));
        }
        let entry = match stat(process, &path)? {
            Ok(entry) => entry,
            Err(errno) => {
                let shown = String::from_utf8_lossy(&path).into_owned();
                process
                    .complain(format!("Failed to get capabilities of file '{shown}' ({errno})"))?;
                return Ok(1);
            }
        };
        let Some(value) = entry.xattrs.get(ATTRIBUTE) else { continue };
        let Some(text) = Capabilities::from_bytes(value).and_then(Capabilities::shown) else {
            return Err(process.unsupported("capabilities of several kinds"));
        };
        process.print([&path[..], b" ", text.as_bytes(), b"\n"].concat())?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn capabilities_are_set_shown_and_removed() {
        let mut image = Image::new(&["/ping=x"]);
        assert_eq!(run(&mut image, "setcap cap_net_raw,cap_net_admin+ep /ping"), 0);
        assert_eq!(run(&mut image, "getcap /ping"), 0);
        assert_eq!(image.output(), "/ping cap_net_admin,cap_net_raw=ep\n");
        assert_eq!(run(&mut image, "setcap -r /ping"), 0);
        assert_eq!(run(&mut image, "setcap -r /ping"), 1);
        assert_eq!(run(&mut image, "getcap /ping"), 0);
        assert_eq!(image.output(), "");
    }
}
