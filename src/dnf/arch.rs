//! Which packages a machine can have installed, by their architecture.
//!
//! In come rpm's names; out comes whether they fit, and how well. Source: `rpmrc.in` of rpm
//! (`arch_compat`), for the machines that images are made for.

/// Architectures that a machine's packages may have, the best first; `noarch` is one of them all.
fn compatible(machine: &str) -> &'static [&'static str] {
    match machine {
        "x86_64" | "amd64" => &["x86_64", "i686", "i586", "i486", "i386"],
        "x86_64_v2" => &["x86_64_v2", "x86_64", "i686", "i586", "i486", "i386"],
        "i686" | "i386" | "x86" => &["i686", "i586", "i486", "i386"],
        "aarch64" | "arm64" => &["aarch64"],
        "armv7hl" | "armv7" => &["armv7hl", "armv6hl"],
        "ppc64le" => &["ppc64le"],
        "s390x" => &["s390x", "s390"],
        "riscv64" => &["riscv64"],
        "loongarch64" => &["loongarch64"],
        _ => &[],
    }
}

/// Whether a package of an architecture can be installed on a machine.
#[must_use]
pub fn is_for(architecture: &str, machine: &str) -> bool {
    architecture == "noarch"
        || architecture == machine
        || compatible(machine).contains(&architecture)
}

/// How well an architecture fits: smaller is better. `noarch` is as good as the machine's own.
#[must_use]
pub fn distance(architecture: &str, machine: &str) -> usize {
    if architecture == "noarch" || architecture == machine {
        return 0;
    }
    let list = compatible(machine);
    list.iter().position(|one| *one == architecture).unwrap_or(list.len())
}

/// Whether packages of both may stand for the same slot: an upgrade does not go from one machine
/// to another, but to and from `noarch`.
#[must_use]
pub fn may_replace(installed: &str, offered: &str) -> bool {
    installed == offered || installed == "noarch" || offered == "noarch"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_have_their_packages() {
        assert!(is_for("i686", "x86_64") && is_for("noarch", "aarch64"));
        assert!(!is_for("aarch64", "x86_64") && !is_for("src", "x86_64"));
        assert!(distance("x86_64", "x86_64") < distance("i686", "x86_64"));
        assert!(may_replace("noarch", "x86_64") && !may_replace("i686", "x86_64"));
    }
}
