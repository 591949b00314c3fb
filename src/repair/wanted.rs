//! Which files' contents package managers want in memory while layers stream by. What is not kept
//! can be read all the same: from its layer again.

use imgfix_model::path::ImagePath;

/// The largest file of a wanted folder whose content stays in memory, in bytes.
const KEEP_UP_TO: u64 = 32 << 20;

/// Folders that every package manager reads: configuration, and what system it is.
const CONFIGURATION: [&[u8]; 2] = [b"/etc/", b"/usr/lib/os-release"];

/// The largest file of a [`SCRIPT_FOLDERS`] folder whose content stays in memory, in bytes.
const KEEP_SCRIPT_UP_TO: u64 = 64 << 10;

/// Folders whose small files nearly all maintainer scripts run or read. Without them in memory
/// the first script makes the loader read its layer a second time: a sixth of the time of a
/// whole repair (bullseye minbase), for 5 MB.
const SCRIPT_FOLDERS: [&[u8]; 9] = [
    b"/bin/",
    b"/sbin/",
    b"/usr/bin/",
    b"/usr/sbin/",
    b"/usr/share/debconf/",
    b"/usr/share/pam-configs/",
    b"/var/lib/",
    b"/lib/systemd/",
    b"/usr/lib/systemd/",
];

/// Whether a file of `size` bytes is kept for a package manager that reads what begins with
/// `own`, and whose scripts are run.
#[must_use]
pub fn is_kept(path: &ImagePath, size: u64, own: &[&[u8]]) -> bool {
    let below = |folders: &[&[u8]]| folders.iter().any(|one| path.as_bytes().starts_with(one));
    (size <= KEEP_UP_TO && (below(own) || below(&CONFIGURATION)))
        || (size <= KEEP_SCRIPT_UP_TO && below(&SCRIPT_FOLDERS))
}
