//! The proof that a log's tree has an entry.
//!
//! In come an entry and the hashes beside its way to the root (RFC 6962, section 2.1.1; how they
//! are gone through is RFC 9162, section 2.1.3.2), with a checkpoint, in which the log signed the
//! root (<https://github.com/transparency-dev/formats/blob/main/log/README.md>). Out comes whether
//! all of it is one.

use serde::Deserialize;

use crate::bytes::{Base64, Number, decoded, is_signed, sha256};
use crate::trust_root::Log;

/// The most hashes of a way: trees have no more than 2⁶⁴ leaves.
const MAX_HASHES: usize = 64;

/// The largest checkpoint that is read, in bytes, and its most signatures.
const MAX_CHECKPOINT: usize = 16 << 10;
const MAX_SIGNATURES: usize = 16;

/// A way to the root.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proof {
    /// In this tree, which may be one of several of the log.
    log_index: Number,
    root_hash: Base64,
    tree_size: Number,
    #[serde(default)]
    hashes: Vec<Base64>,
    checkpoint: Option<Checkpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Checkpoint {
    envelope: String,
}

/// Whether the log proves that it has an entry. Half a sentence.
pub(crate) fn check(proof: &Proof, entry: &[u8], log: &Log) -> Result<(), String> {
    let Proof { log_index, root_hash, tree_size, hashes, checkpoint } = proof;
    let leaf = sha256(&[&[0], entry]);
    let found = root(log_index.0, tree_size.0, leaf, hashes)
        .ok_or("the way to its root has another length")?;
    if found.as_slice() != root_hash.0 {
        return Err("the way leads to another root".to_owned());
    }
    let checkpoint = checkpoint.as_ref().ok_or("it has no checkpoint")?;
    if checkpoint.envelope.len() > MAX_CHECKPOINT {
        return Err("its checkpoint is too large".to_owned());
    }
    let signed = signed_root(&checkpoint.envelope, log).ok_or("its checkpoint is not signed")?;
    match signed == (tree_size.0, root_hash.0.clone()) {
        true => Ok(()),
        false => Err("its checkpoint is of another tree".to_owned()),
    }
}

/// The root that a way leads to; `None`: it is no way in such a tree.
fn root(index: u64, size: u64, leaf: [u8; 32], hashes: &[Base64]) -> Option<[u8; 32]> {
    if index >= size || hashes.len() > MAX_HASHES {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for Base64(beside) in hashes {
        if last == 0 || beside.len() != 32 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = sha256(&[&[1], beside, &hash]);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = sha256(&[&[1], &hash, beside]);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// The size and root of a checkpoint that the log signed.
fn signed_root(note: &str, log: &Log) -> Option<(u64, Vec<u8>)> {
    let (text, signatures) = note.split_once("\n\n")?;
    let text = format!("{text}\n");
    let is_of_log = |line: &str| {
        let mut words = line.strip_prefix("\u{2014} ")?.split(' ');
        let (_, signature, None) = (words.next()?, words.next()?, words.next()) else {
            return None;
        };
        let signature = decoded(signature).ok()?;
        // four bytes say which key
        let (hint, signature) = signature.split_at_checked(4)?;
        (log.id.starts_with(hint) && is_signed(&log.key, text.as_bytes(), signature)).then_some(())
    };
    signatures.lines().take(MAX_SIGNATURES).find_map(is_of_log)?;
    let mut lines = text.lines();
    let (_, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    Some((size.parse().ok()?, decoded(root).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The root of a tree, and the way of one of its leaves (RFC 6962, 2.1).
    fn tree(leaves: &[[u8; 32]], index: usize, way: &mut Vec<Base64>) -> [u8; 32] {
        if let [leaf] = leaves {
            return *leaf;
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        let unused = &mut Vec::new();
        let (left, right) = match index < half {
            true => {
                let (left, right) = (tree(left, index, way), tree(right, 0, unused));
                way.push(Base64(right.to_vec()));
                (left, right)
            }
            false => {
                let (left, right) = (tree(left, 0, unused), tree(right, index - half, way));
                way.push(Base64(left.to_vec()));
                (left, right)
            }
        };
        sha256(&[&[1], &left, &right])
    }

    #[test]
    fn every_way_in_small_trees_leads_to_the_root_and_no_other_does() {
        for size in 1..=17_u8 {
            let leaves: Vec<[u8; 32]> = (0..size).map(|n| sha256(&[&[0], &[n]])).collect();
            for (index, leaf) in leaves.iter().enumerate() {
                let mut way = Vec::new();
                let want = tree(&leaves, index, &mut way);
                let (at, size) = (index as u64, u64::from(size));
                assert_eq!(root(at, size, *leaf, &way), Some(want), "{index} of {size}");
                assert_ne!(root(at, size, [7; 32], &way), Some(want));
                assert_ne!(root(at ^ 1, size, *leaf, &way), Some(want), "{index} of {size}");
                let mut longer = way.clone();
                longer.push(Base64(vec![0; 32]));
                assert_eq!(root(at, size, *leaf, &longer), None);
                if way.pop().is_some() {
                    assert_eq!(root(at, size, *leaf, &way), None);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_way_makes_a_panic(index: u64, size: u64, count in 0..70_usize) {
            let _ = root(index, size, [0; 32], &vec![Base64(vec![0; 32]); count]);
        }
    }
}
