//! A patch layer and its facts, for the unit tests of this room.

use super::{PatchLayer, Provenance};
use imgfix_model::digest::{DiffId, Digest};
use imgfix_vfs::Compression;

/// The bytes of the patch layer.
pub const PATCH: &[u8] = b"patch";

/// A layer whose stored bytes are [`PATCH`].
pub fn patch() -> PatchLayer {
    PatchLayer {
        digest: Digest::of(PATCH),
        diff_id: DiffId(Digest::of(b"patch, unpacked")),
        size: PATCH.len() as u64,
        compression: Compression::Gzip,
    }
}

/// Facts of a repair of `oci:app:1`.
pub fn provenance() -> Provenance {
    Provenance {
        newest: std::collections::BTreeMap::from([("0123456789abcdef".to_owned(), 7)]),
        base_name: "oci:app:1".into(),
        original_digest: Digest::of(b"original index"),
        plan_digest: Digest::of(b"plan"),
        version: "0.0.0".into(),
        excised: None,
        source_date_epoch: None,
    }
}
