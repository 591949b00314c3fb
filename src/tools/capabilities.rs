//! `setcap` and `getcap` of libcap: the extended attribute `security.capability`, version 2.

use super::operands::{lstat, stat};
use imgfix_shell::{Process, Status, Stop};

/// The name of the attribute.
const ATTRIBUTE: &[u8] = b"security.capability";

/// `VFS_CAP_REVISION_2`, and the bit that says that the permitted ones are effective too.
const REVISION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Names by number (linux/capability.h).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Sets of capabilities, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Capabilities {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

impl Capabilities {
    /// Reads clauses such as `cap_net_raw,cap_chown=+ep`; `None` for other forms.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut out = Self::default();
        for clause in text.split(u8::is_ascii_whitespace).filter(|clause| !clause.is_empty()) {
            let operator = clause.iter().position(|b| b"=+-".contains(b))?;
            let (names, actions) = clause.split_at(operator);
            let mut bits = 0;
            for name in names.split(|&b| b == b',') {
                let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
                let name = name.strip_prefix("cap_")?;
                bits |= 1 << NAMES.iter().position(|known| *known == name)?;
            }
            out.act(bits, actions)?;
        }
        Some(out)
    }

    fn act(&mut self, bits: u64, mut actions: &[u8]) -> Option<()> {
        while let Some((&operator, rest)) = actions.split_first() {
            let end = rest.iter().position(|b| b"=+-".contains(b)).unwrap_or(rest.len());
            let (flags, next) = rest.split_at(end);
            if operator == b'=' {
                self.effective &= !bits;
                self.permitted &= !bits;
                self.inheritable &= !bits;
            }
            for flag in flags {
                let set = match flag {
                    b'e' => &mut self.effective,
                    b'p' => &mut self.permitted,
                    b'i' => &mut self.inheritable,
                    _ => return None,
                };
                match operator {
                    b'-' => *set &= !bits,
                    _ => *set |= bits,
                }
            }
            actions = next;
        }
        Some(())
    }

    /// The attribute's bytes; `None` when only some of the permitted ones are effective, which
    /// a file cannot say.
    fn to_bytes(self) -> Option<Vec<u8>> {
        let effective = match self.effective {
            0 => 0,
            effective if effective == self.permitted | self.inheritable => EFFECTIVE,
            _ => return None,
        };
        let low = |set: u64| (set & 0xffff_ffff) as u32;
        let words = [
            REVISION_2 | effective,
            low(self.permitted),
            low(self.inheritable),
            low(self.permitted >> 32),
            low(self.inheritable >> 32),
        ];
        Some(words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.chunks_exact(4).map(|word| match *word {
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        });
        let magic = words.next().filter(|magic| magic & !EFFECTIVE == REVISION_2)?;
        let [p, i, high_p, high_i] = [words.next()?, words.next()?, words.next()?, words.next()?];
        let whole = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let (permitted, inheritable) = (whole(p, high_p), whole(i, high_i));
        let effective = if magic & EFFECTIVE != 0 { permitted | inheritable } else { 0 };
        Some(Self { effective, permitted, inheritable })
    }

    /// As getcap writes them when all have the same flags; `None` otherwise.
    fn shown(self) -> Option<String> {
        let any = self.permitted | self.inheritable;
        let same = |set: u64| set == 0 || set == any;
        if !(same(self.effective) && same(self.permitted) && same(self.inheritable)) {
            return None;
        }
        let names = NAMES.iter().enumerate().filter(|(bit, _)| any & (1 << bit) != 0);
        let names: Vec<String> = names.map(|(_, name)| format!("cap_{name}")).collect();
        let flag = |set: u64, letter: &'static str| if set != 0 { letter } else { "" };
        let flags =
            [flag(self.effective, "e"), flag(self.inheritable, "i"), flag(self.permitted, "p")];
        Some(format!("{}={}", names.join(","), flags.concat()))
    }
}

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
    use super::*;

    #[test]
    fn the_attribute_is_what_libcap_writes() {
        let bytes = |text: &str| Capabilities::parse(text.as_bytes()).unwrap().to_bytes().unwrap();
        // setcap cap_net_raw+ep /bin/ping; getfattr -e hex
        let ping = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bytes("cap_net_raw+ep"), ping);
        assert_eq!(bytes("cap_net_raw=ep"), ping);
        assert_eq!(bytes("CAP_NET_RAW=+pe"), ping);
        assert_eq!(bytes("cap_perfmon=p")[12], 0x40);
        assert_eq!(Capabilities::parse(b"all=ep"), None);
        assert_eq!(Capabilities::parse(b"cap_unknown=ep"), None);
    }

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
