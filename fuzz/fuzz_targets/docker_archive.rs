//! An archive as `docker save` writes it, or an OCI layout in a tar file: it is opened or refused,
//! and each blob that its manifest names is read to its end or is an error.
#![no_main]

use std::io::Write as _;

use imgfix_oci::archive::{DockerArchiveSource, open_oci};
use imgfix_oci::{ImageManifest, Source};
use imgfix_vfs::limits::{LayerLimits, Scale};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file");
    file.write_all(data).expect("written");
    let limits =
        LayerLimits { max_unpacked: 1 << 20, scale: Scale::Fixed, ..LayerLimits::default() };
    if let Ok(source) = DockerArchiveSource::open(file.path(), None, &limits) {
        read(&source);
    }
    if let Ok(source) = open_oci(file.path(), None, &limits) {
        read(&source);
    }
});

fn read(source: &dyn Source) {
    let Ok(root) = source.root() else { return };
    let Ok(manifest) = ImageManifest::parse(root, "manifest") else { return };
    for blob in manifest.layers().iter().chain([manifest.config()]) {
        if let Ok(mut reader) = source.blob(blob)
            && let Ok(read) = std::io::copy(&mut reader, &mut std::io::sink())
        {
            assert_eq!(read, blob.size());
        }
    }
}
