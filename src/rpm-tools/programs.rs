//! Small programs of rpm's distributions whose effects are no part of an image, or that fail in
//! one in a known way.

use imgfix_shell::{Process, Status};
use imgfix_tools::files::exists;

/// `restorecon`: nothing where SELinux is off, as in a container.
///
/// # Errors
/// None.
pub fn restorecon(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `systemd-sysctl`, `udevadm`: settings and devices of the running kernel.
///
/// # Errors
/// None.
pub fn of_the_kernel(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `install-info`: images of containers are made without documentation, and it fails for a manual
/// that is not there.
///
/// # Errors
/// The manual is there: the directory of manuals is not written here.
pub fn install_info(process: &mut Process<'_>) -> Status {
    let words: Vec<Vec<u8>> = process.arguments().iter().map(|word| word.to_vec()).collect();
    let known: [&[u8]; 3] = [b"--quiet", b"--delete", b"--remove"];
    let mut files = Vec::new();
    for word in &words {
        if word.starts_with(b"--info-dir=") || known.contains(&&word[..]) {
            continue;
        }
        if word.starts_with(b"-") {
            return Err(process.unsupported(word));
        }
        files.push(word.clone());
    }
    let Some(manual) = files.first() else { return Err(process.unsupported("no manual")) };
    let stem = manual.strip_suffix(b".gz").unwrap_or(manual).to_vec();
    for ending in ["", ".gz", ".xz", ".bz2", ".lz", ".lzma", ".Z", ".zst"] {
        let path = [&stem[..], ending.as_bytes()].concat();
        if exists(process, &path)? {
            return Err(process.unsupported(String::from_utf8_lossy(&path).into_owned()));
        }
    }
    let shown = String::from_utf8_lossy(manual).into_owned();
    process.complain(format!("No such file or directory for {shown}"))?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    #[test]
    fn a_manual_that_is_not_there_fails_and_one_that_is_stops() {
        let commands: &[(&str, imgfix_shell::Command)] = &[("install-info", super::install_info)];
        let mut image = Image::with(&["/usr/share/info/a.info.gz="], commands);
        let line = "install-info --quiet --info-dir=/usr/share/info /usr/share/info/b.info.gz";
        assert_eq!(run(&mut image, line), 1);
        let stop = image.stop("install-info /usr/share/info/a.info /usr/share/info/dir");
        assert_eq!(stop, "install-info with /usr/share/info/a.info.gz");
    }
}
