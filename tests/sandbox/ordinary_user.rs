//! The same tests again, by a user who is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{helper, is_root};

/// Tells the second round of the tests where the built program is.
pub const HELPER: &str = "IMGFIX_TEST_HELPER";

/// This machine's accounts with one more, in a mount namespace: the machine stays as it is.
const SCRIPT: &str = r#"
set -e
place=$1
shift
cp -a /etc "$place/etc"
echo 'imgfix-tester:x:54321:54321::/:/bin/sh' >> "$place/etc/passwd"
echo 'imgfix-tester:x:54321:' >> "$place/etc/group"
echo 'imgfix-tester:3000000:65536' >> "$place/etc/subuid"
echo 'imgfix-tester:3000000:65536' >> "$place/etc/subgid"
mount --bind "$place/etc" /etc
cd /
exec setpriv --reuid 54321 --regid 54321 --clear-groups \
    env TMPDIR="$place/tmp" IMGFIX_TEST_HELPER="$place/imgfix" "$place/tests" "$@"
"#;

/// A folder with what the ordinary user needs.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(helper(), dir.path().join("imgfix")).unwrap();
        fs::copy(std::env::current_exe().unwrap(), dir.path().join("tests")).unwrap();
        let place = Self(dir);
        fs::create_dir(place.temporary()).unwrap();
        fs::set_permissions(place.temporary(), fs::Permissions::from_mode(0o1777)).unwrap();
        place
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The temporary directory of the tests.
    pub fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// These tests, by the ordinary user.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(self.path()).args(arguments);
        command
    }
}

#[test]
fn an_ordinary_user_gets_the_same() {
    if !is_root() {
        return;
    }
    if Command::new("newuidmap").output().is_err() {
        eprintln!("NOT tested: an ordinary user; newuidmap (package uidmap) is missing");
        return;
    }
    let place = Place::new();
    let done = place.command(&["--test-threads", "2"]).output().unwrap();
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(done.status.success(), "{}\n{}", said[0], said[1]);
    assert!(said[0].contains("test result: ok."), "{}\n{}", said[0], said[1]);
    assert_eq!(fs::read_dir(place.temporary()).unwrap().count(), 0, "something was left behind");
}
