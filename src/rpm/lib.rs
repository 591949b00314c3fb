//! rpm over a virtual file system: what its database has, what its archives bring, and what it
//! does when it installs. In come bytes of databases and packages and the image's tree; out go
//! headers, payloads and changes. Repositories and choices are `imgfix-dnf`'s.
//!
//! rpm's formats: <https://rpm.org/docs/latest/manual/format_v4.html>.
