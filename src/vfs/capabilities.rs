//! Capabilities of files: the text of cap_from_text(3), which packages and `setcap` have, and the
//! value of the extended attribute `security.capability`, version 2 (linux/capability.h), which
//! images have. One goes in, the other comes out.

/// The name of the extended attribute.
pub const ATTRIBUTE: &[u8] = b"security.capability";

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

/// The attribute's value for a text; `None`: the text is not understood, or says what no file can
/// have.
#[must_use]
pub fn value(text: &[u8]) -> Option<Vec<u8>> {
    Capabilities::parse(text)?.to_bytes()
}

/// Sets of capabilities, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

impl Capabilities {
    /// Reads clauses such as `cap_net_raw,cap_chown=+ep`; `None` for other forms.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
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
    #[must_use]
    pub fn to_bytes(self) -> Option<Vec<u8>> {
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

    /// The sets that the attribute's bytes say; `None`: they are of another version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
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
    #[must_use]
    pub fn shown(self) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_the_kernel_keeps() {
        // As setcap(8) of libcap 2.66 leaves them.
        for (text, want) in [
            ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
            ("cap_net_raw+ep", "0100000200200000000000000000000000000000"),
            ("CAP_NET_RAW=+pe", "0100000200200000000000000000000000000000"),
            ("cap_net_admin,cap_net_raw=p", "0000000200300000000000000000000000000000"),
            ("cap_setuid=ep cap_setuid-e", "0000000280000000000000000000000000000000"),
            ("cap_bpf=eip", "0100000200000000000000008000000080000000"),
        ] {
            assert_eq!(
                value(text.as_bytes()).map(imgfix_model::hex::encode).as_deref(),
                Some(want),
                "{text}"
            );
        }
        for text in ["cap_nothing=ep", "cap_net_raw", "cap_net_raw=x", "99=p", "+ep", "all=ep"] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
    }
}
