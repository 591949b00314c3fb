//! Commands whose effects are no part of an image: they wait (`sleep`), write to the system log
//! (`logger`), flush disks (`sync`), set attributes that only a disk's file system has (`chattr`), or
//! write to a terminal (`tput`, `clear`). And questions about processes, logins and sockets, of which
//! an image has none.

use imgfix_model::path::ImagePath;
use imgfix_shell::{Process, Status};

/// Succeeds, whatever its arguments: `sleep`, `sync`, `logger`, `chattr`.
///
/// # Errors
/// None.
pub fn nothing(_: &mut Process<'_>) -> Status {
    Ok(0)
}

/// `tput`, `clear`: without a known terminal they fail, as under apt in a container.
///
/// # Errors
/// None.
pub fn no_terminal(_: &mut Process<'_>) -> Status {
    Ok(1)
}

/// `pidof`, `pgrep`: while an image is built no services run. The only processes are those of apt, of
/// dpkg and of their scripts.
///
/// # Errors
/// A question about one of those.
pub fn no_process(process: &mut Process<'_>) -> Status {
    const OURS: &[&[u8]] =
        &[b"sh", b"dash", b"bash", b"perl", b"dpkg", b"apt", b"apt-get", b"frontend"];
    for word in process.arguments() {
        let name = word.rsplit(|&b| b == b'/').next().unwrap_or_default();
        // Patterns and other tests of pgrep could mean one of these.
        if OURS.contains(&name) || matches!(&word[..], b"-f" | b"-P" | b"-s" | b"-g" | b"-v") {
            return Err(process.unsupported(word));
        }
    }
    Ok(1)
}

/// `ischroot` of debianutils: the image is not the running system, and no init of it runs, as in
/// a chroot.
///
/// # Errors
/// Unknown options.
pub fn ischroot(process: &mut Process<'_>) -> Status {
    match process.arguments() {
        [] => Ok(0),
        [option] if option == "-t" || option == "--default-true" => Ok(0),
        [option] if option == "-f" || option == "--default-false" => Ok(1),
        [word, ..] => Err(process.unsupported(word)),
    }
}

/// `who` without operands: nobody is logged in.
///
/// # Errors
/// Other questions; an image that holds a record of sessions.
pub fn who(process: &mut Process<'_>) -> Status {
    if let Some(word) = process.arguments().first() {
        return Err(process.unsupported(word));
    }
    let root = ImagePath::root();
    let record = process.machine.read_file(&root, b"/var/run/utmp")?.unwrap_or_default();
    match record.is_empty() {
        true => Ok(0),
        false => Err(process.unsupported("sessions in /var/run/utmp")),
    }
}

/// `ss -nlt` and its like: nothing listens in an image that is built, so that only the heading
/// is printed. A filter behind the options changes nothing.
///
/// # Errors
/// A question about other sockets than those that listen.
pub fn no_sockets(process: &mut Process<'_>) -> Status {
    let Some((options, _filter)) = process.arguments().split_first() else {
        return Err(process.unsupported("no options"));
    };
    let letters = options.strip_prefix(b"-").unwrap_or_default();
    if !letters.contains(&b'l') || !letters.iter().all(|letter| b"nltu".contains(letter)) {
        return Err(process.unsupported(options.clone()));
    }
    process.print("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n")?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Image, run};

    #[test]
    fn nothing_listens_in_an_image() {
        let mut image = Image::new(&["/etc/"]);
        assert_eq!(image.call(&["ss", "-nlt", "sport = 80"], "").unwrap(), 0);
        assert_eq!(image.output().lines().count(), 1);
        assert!(image.output().starts_with("State"));
        assert_eq!(run(&mut image, "pidof nginx"), 1);
        assert_eq!(image.stop("ss -a"), "ss with -a");
    }
}
