//! Where the fields of a tar header are (POSIX pax(1), "ustar Interchange Format"; GNU tar
//! manual, "Basic Tar Format"), for the reader here and the writer in [`crate::layer`].

/// Bytes of a header; content is padded to a multiple of it.
pub const BLOCK: usize = 512;

/// Where a field is in a header block: offset and length.
pub type Field = (usize, usize);

/// The path, or its part after [`PREFIX`]; ends with the field or a NUL.
pub const NAME: Field = (0, 100);
/// Permission bits, octal.
pub const MODE: Field = (100, 8);
/// The owner's number, octal, or GNU's base-256 when it is larger.
pub const UID: Field = (108, 8);
/// The group's number, octal, or GNU's base-256 when it is larger.
pub const GID: Field = (116, 8);
/// Bytes of content that follow, octal, or GNU's base-256 when there are more.
pub const SIZE: Field = (124, 12);
/// Time of modification, octal seconds since the epoch.
pub const MTIME: Field = (136, 12);
/// The sum of all bytes of the header, this field taken as spaces; octal.
pub const CHECKSUM: Field = (148, 8);
/// What kind of member it is, one character: pax(1), `typeflag`.
pub const TYPE: Field = (156, 1);
pub(crate) const LINK: Field = (157, 100);
/// `ustar`, a NUL and `00`; of old GNU archives `ustar`, two spaces and a NUL.
pub const MAGIC: Field = (257, 8);
/// The owner's name.
pub const USER: Field = (265, 32);
/// The group's name.
pub const GROUP: Field = (297, 32);
pub(crate) const MAJOR: Field = (329, 8);
pub(crate) const MINOR: Field = (337, 8);
pub(crate) const PREFIX: Field = (345, 155);
pub(crate) const STAR_PREFIX: Field = (345, 131);
pub(crate) const STAR_TRAILER: Field = (508, 4);
pub(crate) const GNU_SPARSE: Field = (386, 96);
pub(crate) const GNU_EXTENDED: Field = (482, 1);
pub(crate) const GNU_REAL_SIZE: Field = (483, 12);
pub(crate) const GNU_MORE_SPARSE: Field = (0, 504);
pub(crate) const GNU_MORE_EXTENDED: Field = (504, 1);
