//! Streams layers into a [`super::Tree`]: decompression, digest and diff ID, bounds,
//! tar extensions, whiteouts. Each layer is read once; several in parallel.
