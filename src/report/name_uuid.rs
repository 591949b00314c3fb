//! Name-based UUIDs: the same name has the same one. RFC 9562, section 5.5 (version 5).

use sha1::{Digest as _, Sha1};

/// imgfix's own name space for name-based UUIDs (a random UUID, drawn once).
const NAME_SPACE: [u8; 16] = [
    0xf3, 0xd8, 0x82, 0x9f, 0x8e, 0xd8, 0x4a, 0xab, 0xad, 0xe8, 0x19, 0xfb, 0x4d, 0x3f, 0x17, 0x6c,
];

/// The UUID of a name in several parts; parts are told apart.
#[must_use]
pub fn name_uuid(parts: &[&str]) -> String {
    let mut hash = Sha1::new();
    hash.update(NAME_SPACE);
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(b"\0");
    }
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x50;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = imgfix_model::hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_uuid_of_version_5() {
        let uuid = name_uuid(&["a", "b"]);
        assert_eq!(uuid, name_uuid(&["a", "b"]));
        assert_ne!(uuid, name_uuid(&["ab"]));
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "5"));
    }
}
