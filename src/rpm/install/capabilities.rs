//! File capabilities: rpm keeps them as the text of cap_from_text(3), images as the value of the
//! attribute `security.capability` (linux/capability.h, revision 2).

/// The attribute.
pub(super) const ATTRIBUTE: &[u8] = b"security.capability";

/// Revision 2 of the value, and the bit in it that makes the capabilities effective.
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Names by their numbers, without `cap_`.
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

/// One set of capabilities for each flag.
#[derive(Default)]
struct Sets {
    effective: u64,
    inheritable: u64,
    permitted: u64,
}

/// The value of the attribute for a text; `None`: it is no such text.
pub(super) fn value(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut sets = Sets::default();
    for clause in text.split_ascii_whitespace() {
        apply(&mut sets, clause)?;
    }
    let magic = REVISION | if sets.effective == 0 { 0 } else { EFFECTIVE };
    let half = |set: u64, shift: u32| u32::try_from(set >> shift & 0xffff_ffff).ok();
    let words = [
        magic,
        half(sets.permitted, 0)?,
        half(sets.inheritable, 0)?,
        half(sets.permitted, 32)?,
        half(sets.inheritable, 32)?,
    ];
    Some(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// Names, then operators with their flags: `cap_net_raw,cap_kill=e+p`.
fn apply(sets: &mut Sets, clause: &str) -> Option<()> {
    let at = clause.find(['=', '+', '-'])?;
    let (names, mut rest) = clause.split_at_checked(at)?;
    let all = (1_u64 << NAMES.len()) - 1;
    let mut capabilities = 0;
    for name in names.split(',') {
        capabilities |= match name.to_ascii_lowercase().as_str() {
            "" if names.is_empty() && rest.starts_with('=') => all,
            "all" => all,
            name => 1 << number(name)?,
        };
    }
    while !rest.is_empty() {
        let (operator, behind) = rest.split_at_checked(1)?;
        let end = behind.find(['=', '+', '-']).unwrap_or(behind.len());
        let (flags, next) = behind.split_at_checked(end)?;
        if operator == "=" {
            for set in [&mut sets.effective, &mut sets.inheritable, &mut sets.permitted] {
                *set &= !capabilities;
            }
        }
        for flag in flags.chars() {
            let set = match flag {
                'e' => &mut sets.effective,
                'i' => &mut sets.inheritable,
                'p' => &mut sets.permitted,
                _ => return None,
            };
            match operator {
                "-" => *set &= !capabilities,
                _ => *set |= capabilities,
            }
        }
        rest = next;
    }
    Some(())
}

fn number(name: &str) -> Option<usize> {
    let known = name.strip_prefix("cap_").and_then(|name| NAMES.iter().position(|n| *n == name));
    known.or_else(|| name.parse().ok().filter(|number| *number < NAMES.len()))
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
            ("cap_net_admin,cap_net_raw=p", "0000000200300000000000000000000000000000"),
            ("cap_setuid=ep cap_setuid-e", "0000000280000000000000000000000000000000"),
            ("cap_bpf=eip", "0100000200000000000000008000000080000000"),
        ] {
            let value = value(text.as_bytes()).map(imgfix_model::hex::encode);
            assert_eq!(value.as_deref(), Some(want), "{text}");
        }
        for text in ["cap_nothing=ep", "cap_net_raw", "cap_net_raw=x", "99=p", "+ep"] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
    }
}
