//! Which hosts are this machine: who speaks with itself may do so without TLS.

use std::net::IpAddr;

/// Whether a host is this machine: `localhost`, what is below it (RFC 6761, section 6.3), or a
/// loopback address. It has neither brackets nor a port.
#[must_use]
pub fn is_loopback(name: &str) -> bool {
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_known() {
        for host in ["localhost", "a.localhost", "127.0.0.1", "127.8.9.10", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.org", "nolocalhost", "10.0.0.1", "128.0.0.1", "::2", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
