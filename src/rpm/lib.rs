//! rpm over a virtual file system: what its database has, what its archives bring, and what it
//! does when it installs. In come bytes of databases and packages and the image's tree; out go
//! headers, payloads and changes. Repositories and choices are `imgfix-dnf`'s.
//!
//! rpm's formats: <https://rpm.org/docs/latest/manual/format_v4.html>.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod archive;
pub mod database;
pub mod header;
pub mod install;
pub mod package;
pub mod relation;
pub mod settings;
pub mod signature;
#[cfg(test)]
mod testing;

pub use header::Header;
pub use package::Package;
pub use relation::Relation;

use std::io::{self, BufRead as _, BufReader, Read};

use sha2::{Digest as _, Sha256, Sha512};

/// The digests of a whole archive that rpm 6 keeps in its database: the numbers of their hashes
/// (RFC 9580), hexadecimal.
///
/// # Errors
/// The archive cannot be read.
pub fn archive_digests(archive: impl Read) -> io::Result<[(u32, String); 2]> {
    use imgfix_model::hex::encode;
    let (mut short, mut long) = (Sha256::new(), Sha512::new());
    let mut archive = BufReader::with_capacity(1 << 17, archive);
    loop {
        let bytes = archive.fill_buf()?;
        if bytes.is_empty() {
            return Ok([(8, encode(short.finalize())), (10, encode(long.finalize()))]);
        }
        short.update(bytes);
        long.update(bytes);
        let count = bytes.len();
        archive.consume(count);
    }
}
