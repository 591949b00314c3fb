//! The applets of a busybox program and where their links belong, out of the program's bytes.
//!
//! In come the bytes of the image's `busybox` (or `busybox-extras`); nothing of it is executed.
//! Out come the names that `busybox --list` prints, each with the directory of `--list-full`.
//!
//! A build of busybox has a table of names, sorted, each ended by a zero byte, the whole ended by
//! one more; and a table of half bytes, the first applet in the lower half, that number the
//! directories (busybox 1.36, `applets/applet_tables.c` and `include/applets.h`). A stripped
//! program says where neither is. The names are found because nothing else is a long run of
//! sorted words among which are many applets; the directories because there must be exactly one
//! place whose numbers agree with what busybox says of the well known ones.

/// Where an applet's link is made: the directories by their number.
const DIRECTORIES: &[&str] = &["/", "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// The directories (by number) of applets that have been in the same place since busybox 1.20 or
/// longer: what `//applet:` lines of their source files say.
const KNOWN: &[(&str, u8)] = &[
    ("[", 3),
    ("[[", 3),
    ("adduser", 4),
    ("arping", 4),
    ("ash", 1),
    ("awk", 3),
    ("basename", 3),
    ("blkid", 2),
    ("cat", 1),
    ("chmod", 1),
    ("chroot", 4),
    ("cp", 1),
    ("crond", 4),
    ("cut", 3),
    ("date", 1),
    ("dd", 1),
    ("deluser", 4),
    ("depmod", 2),
    ("dnsd", 4),
    ("dumpleases", 3),
    ("echo", 1),
    ("expr", 3),
    ("fakeidentd", 4),
    ("fdisk", 2),
    ("find", 3),
    ("fsck", 2),
    ("ftpd", 4),
    ("ftpget", 3),
    ("ftpput", 3),
    ("grep", 1),
    ("gzip", 1),
    ("halt", 2),
    ("head", 3),
    ("httpd", 4),
    ("hwclock", 2),
    ("id", 3),
    ("ifconfig", 2),
    ("inetd", 4),
    ("init", 2),
    ("install", 3),
    ("kill", 1),
    ("klogd", 2),
    ("less", 3),
    ("ln", 1),
    ("ls", 1),
    ("mkdir", 1),
    ("mkswap", 2),
    ("modprobe", 2),
    ("mount", 1),
    ("mv", 1),
    ("nc", 3),
    ("nslookup", 3),
    ("ntpd", 4),
    ("od", 3),
    ("pidof", 1),
    ("ps", 1),
    ("pwd", 1),
    ("rdate", 4),
    ("readahead", 4),
    ("reboot", 2),
    ("rm", 1),
    ("route", 2),
    ("sed", 1),
    ("sendmail", 4),
    ("sh", 1),
    ("sort", 3),
    ("stty", 1),
    ("swapon", 2),
    ("syslogd", 2),
    ("tail", 3),
    ("tar", 1),
    ("telnet", 3),
    ("telnetd", 4),
    ("tftp", 3),
    ("tftpd", 4),
    ("touch", 1),
    ("udhcpc", 2),
    ("udhcpd", 4),
    ("umount", 1),
    ("vi", 3),
    ("wc", 3),
    ("wget", 3),
    ("xargs", 3),
    ("zcat", 1),
];

/// The shortest table of names that is taken for one.
const FEWEST: usize = 8;

/// One applet: its name, and the directory of its link, with a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applet {
    pub name: String,
    pub directory: &'static str,
}

impl Applet {
    /// The path of its link.
    #[must_use]
    pub fn path(&self) -> String {
        [self.directory, &self.name].concat()
    }
}

/// Why the applets of a program are not known; it follows "the applets of /bin/busybox: ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppletsError {
    #[error("it has no table of names")]
    NoNames,
    #[error("it has several tables of names")]
    SeveralNames,
    #[error("no table of directories fits the well known applets")]
    NoDirectories,
    #[error("several tables of directories fit")]
    SeveralDirectories,
}

/// The applets of a program, in the order of its table.
///
/// # Errors
/// The tables are not found, or not for certain.
pub fn applets(program: &[u8]) -> Result<Vec<Applet>, AppletsError> {
    let names = names(program)?;
    let directories = directories(program, &names)?;
    let applets = names.into_iter().zip(directories);
    Ok(applets
        .map(|(name, directory)| Applet {
            name: String::from_utf8_lossy(name).into_owned(),
            directory,
        })
        .collect())
}

fn known(name: &[u8]) -> Option<u8> {
    KNOWN.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, directory)| *directory)
}

/// The one run of names in the program.
fn names(program: &[u8]) -> Result<Vec<&[u8]>, AppletsError> {
    let mut found: Vec<Vec<&[u8]>> = Vec::new();
    let mut run: Vec<&[u8]> = Vec::new();
    for part in program.split(|&b| b == 0) {
        // What is before the first name may end without a zero byte.
        let start = part.iter().rposition(|&b| !is_name_byte(b)).map_or(0, |last| last + 1);
        let name = part.get(start..).unwrap_or_default();
        let goes_on = start == 0 && run.last().is_some_and(|last| *last < name);
        if part.is_empty() {
            let familiar = run.iter().filter(|name| known(name).is_some()).count();
            if run.len() >= FEWEST && familiar * 8 >= run.len() && familiar >= FEWEST / 2 {
                found.push(std::mem::take(&mut run));
            }
        }
        if !goes_on {
            run.clear();
        }
        if !name.is_empty() {
            run.push(name);
        }
    }
    match found.len() {
        0 => Err(AppletsError::NoNames),
        1 => Ok(found.remove(0)),
        _ => Err(AppletsError::SeveralNames),
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"[-_.".contains(&byte)
}

/// The directory of each name.
fn directories(program: &[u8], names: &[&[u8]]) -> Result<Vec<&'static str>, AppletsError> {
    let length = names.len().div_ceil(2);
    let anchors: Vec<(usize, u8)> = names
        .iter()
        .enumerate()
        .filter_map(|(at, name)| known(name).map(|directory| (at, directory)))
        .collect();
    let half = |table: &[u8], at: usize| {
        table.get(at / 2).map(|byte| if at.is_multiple_of(2) { byte & 15 } else { byte >> 4 })
    };
    let fits = |table: &&[u8]| {
        anchors.iter().all(|&(at, directory)| half(table, at) == Some(directory))
            && (0..names.len()).all(|at| half(table, at).is_some_and(|number| number <= 4))
    };
    let mut tables = program.windows(length).filter(fits);
    let table = tables.next().ok_or(AppletsError::NoDirectories)?;
    // The last half byte of an odd number of applets is not used: it changes nothing.
    if tables.next().is_some() {
        return Err(AppletsError::SeveralDirectories);
    }
    let directory = |at| half(table, at).and_then(|number| DIRECTORIES.get(usize::from(number)));
    (0..names.len()).map(|at| directory(at).copied().ok_or(AppletsError::NoDirectories)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The bytes of a program with these applets.
    pub(in super::super) fn program(applets: &[(&str, u8)]) -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01\0some text\0/bin/sh\0sh\0\x07".to_vec();
        for pair in applets.chunks(2) {
            let upper = pair.get(1).map_or(0, |(_, number)| *number);
            out.push(pair[0].1 | upper << 4);
        }
        out.push(0x11); // what is before the names
        for (name, _) in applets {
            out.extend_from_slice(name.as_bytes());
            out.push(0);
        }
        out.extend_from_slice(b"\0PATH=/sbin\0cat\0zcat\0");
        out
    }

    #[test]
    fn applets_are_read_out_of_the_program() {
        let mut all: Vec<_> = KNOWN.to_vec();
        all.push(("zz-of-tomorrow", 4));
        let found = applets(&program(&all)).unwrap();
        assert_eq!(found.len(), all.len());
        assert_eq!(found[0].path(), "/usr/bin/[");
        assert_eq!(found.last().unwrap().path(), "/usr/sbin/zz-of-tomorrow");
    }

    #[test]
    fn a_program_without_tables_or_with_two_is_an_error() {
        assert_eq!(applets(b""), Err(AppletsError::NoNames));
        assert_eq!(applets(b"\x7fELF\0cat\0ls\0\0"), Err(AppletsError::NoNames));
        let once = program(KNOWN);
        assert_eq!(applets(&[&once[..], &once].concat()), Err(AppletsError::SeveralNames));
        let moved: Vec<_> = KNOWN.iter().map(|(name, at)| (*name, 5 - *at)).collect();
        assert_eq!(applets(&program(&moved)), Err(AppletsError::NoDirectories));
        let end = once.len() - 200;
        assert!(applets(&once[end..]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer(bytes: Vec<u8>) {
            let _ = applets(&bytes);
        }
    }
}
