//! Where a name is in apk's hash tables of directories and of packages' names: it decides the
//! order in which a trigger is given the directories that changed, and in which packages are
//! taken away that need the same one.
//!
//! In comes a name; out comes its place. The hash is MurmurHash3 for 32 bits
//! (<https://github.com/aappleby/smhasher>) with apk's seed, in tables of one fixed size.
//! Source: apk-tools 2.14, `src/blob.c` (`apk_blob_hash`), `src/database.c` (`apk_db_init`).

const SEED: u32 = 5381;
const BUCKETS: u32 = 20_000;

/// The bucket of a package's name, or of a directory by its name without leading slash.
pub(super) fn bucket(name: &[u8]) -> u32 {
    murmur3(name, SEED) % BUCKETS
}

fn murmur3(key: &[u8], seed: u32) -> u32 {
    let scramble =
        |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = seed;
    let mut blocks = key.chunks_exact(4);
    for block in &mut blocks {
        let block = block.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte));
        hash = (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = blocks.remainder();
    if !rest.is_empty() {
        hash ^= scramble(rest.iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte)));
    }
    hash ^= u32::try_from(key.len()).unwrap_or(u32::MAX);
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_murmur3() {
        // Known values of MurmurHash3_x86_32.
        for (key, seed, want) in [
            ("", 0, 0),
            ("", 1, 0x514e_28b7),
            ("test", 0, 0xba6b_d213),
            ("test", 0x9747_b28c, 0x704b_81dc),
            ("Hello, world!", 0x9747_b28c, 0x2488_4cba),
            ("aaa", 0x9747_b28c, 0x283e_0130),
        ] {
            assert_eq!(murmur3(key.as_bytes(), seed), want, "{key}");
        }
    }
}
