//! What every run may read of the machine that it runs on: how names are looked up, whom TLS
//! trusts, how many processors there are. No secrets are among it: not `/etc/shadow`, not
//! `/etc/ssl/private`, not the user's home.
//!
//! A rule holds for the file that is there when the run begins. A `resolv.conf` that is replaced
//! while it runs is not read again, unless its folder is listed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::needs::{Needs, Rights};

/// Looks up a variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// How names become addresses and users (glibc, musl): configuration, the libraries that it
/// names, and what daemons write for them.
const NAMES: [&str; 27] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/mdns.allow",
    "/etc/ld.so.cache",
    "/etc/ld-musl-x86_64.path",
    "/etc/ld-musl-aarch64.path",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/netconfig",
    "/run/connman",
    "/var/lib/sss/mc",
    "/var/cache/nscd",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/gnu/store",
];

/// Certificates as rustls-native-certs (by way of openssl-probe) looks for them, and where
/// distributions keep what those lead to. The first group has links in it.
const CERTIFICATE_FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
const CERTIFICATES: [&str; 14] = [
    "/etc/security/certificates",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/opt/etc/ssl/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/usr/share/ssl/certs",
    "/var/lib/ca-certificates",
    "/usr/lib/ssl/certs",
];

/// What the standard library asks of the kernel. Of other processes Landlock shows nothing that
/// only their owner may see.
const SYSTEM: [&str; 6] = [
    "/proc/self",
    "/proc/stat",
    "/proc/meminfo",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/urandom",
];

/// Adds what every run may read, and the temporary directory where one may write that has such
/// files.
pub fn needs(needs: &mut Needs, temporary: Option<&Path>) {
    for path in SYSTEM {
        needs.add(path, Rights::Read);
    }
    needs.add("/dev/null", Rights::Read);
    needs.add("/dev/null", Rights::Write);
    // never made here: a directory that is not there is an error that names TMPDIR
    if let Some(temporary) = temporary {
        needs.add(temporary, Rights::Keep);
    }
}

/// Adds what a run needs that makes connections.
pub fn network(needs: &mut Needs, variable: Variable<'_>) {
    for path in NAMES.iter().chain(&CERTIFICATES) {
        needs.add(*path, Rights::Read);
    }
    let named = variable("SSL_CERT_FILE").map(PathBuf::from);
    let folders = variable("SSL_CERT_DIR").unwrap_or_default();
    let folders = std::env::split_paths(&folders).filter(|one| !one.as_os_str().is_empty());
    let folders = folders.chain(CERTIFICATE_FOLDERS.iter().map(PathBuf::from));
    for path in named.into_iter().filter(|one| !one.as_os_str().is_empty()) {
        needs.add(path, Rights::Read);
    }
    for folder in folders {
        needs.add(folder, Rights::ReadLinked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(set: &[(&str, &str)]) -> Needs {
        let set: Vec<(String, OsString)> =
            set.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        let variable =
            |name: &str| set.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let mut all = Needs::default();
        needs(&mut all, Some(Path::new("/scratch")));
        network(&mut all, &variable);
        all
    }

    #[test]
    fn the_variables_of_tls_are_followed() {
        let set = [("SSL_CERT_FILE", "/my/ca.pem"), ("SSL_CERT_DIR", "/my/certs::/other")];
        let all = reads(&set).accesses;
        for (path, rights) in [
            ("/my/ca.pem", Rights::Read),
            ("/my/certs", Rights::ReadLinked),
            ("/other", Rights::ReadLinked),
            ("/etc/ssl/certs", Rights::ReadLinked),
            ("/scratch", Rights::Keep),
        ] {
            let found = all.iter().any(|one| one.path == Path::new(path) && one.rights == rights);
            assert!(found, "{path}");
        }
        let none = reads(&[("SSL_CERT_FILE", ""), ("SSL_CERT_DIR", "")]);
        assert_eq!(none, reads(&[]));
    }

    /// Nothing in the lists is a folder of, or holds, what nobody else may read.
    #[test]
    fn no_secret_is_beneath_what_every_run_reads() {
        for secret in [
            "/etc/shadow",
            "/etc/ssl/private/key.pem",
            "/etc/pki/tls/private/key.pem",
            "/etc/ssh/ssh_host_ed25519_key",
            "/root/.ssh/id_ed25519",
            "/home/ann/.aws/credentials",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "/run/NetworkManager/system-connections/wifi",
            "/proc/1/environ",
        ] {
            for one in reads(&[]).accesses {
                assert!(!Path::new(secret).starts_with(&one.path), "{one:?}");
            }
        }
    }
}
