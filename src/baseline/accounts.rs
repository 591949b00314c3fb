//! Accounts: what is wrong with them by `passwd(5)` and `shadow(5)`, and locking them.
//!
//! In come the two files; out come problems with the accounts' names, never with a hash, and the
//! files again. Lines that are no entries stay as they are.

use std::collections::BTreeMap;

use bytes::Bytes;
use imgfix_model::path::ImagePath;
use imgfix_recipes::baseline::AccountFault;
use imgfix_vfs::account_lines::UserLine;
use imgfix_vfs::{Entry, FileSystem, Overlay};

use crate::change::write;
use crate::check::{Place, Problem};
use crate::files::read;

const PASSWD: &str = "/etc/passwd";
const SHADOW: &str = "/etc/shadow";
/// Programs that let nobody in (nologin(8), false(1)); the first that the image has is used.
const NO_SHELLS: [&str; 4] = ["/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/false", "/bin/false"];
/// What stands for a password that nothing matches (shadow(5)).
const LOCKED: &[u8] = b"!";

/// The files, as far as they are there.
struct Files {
    passwd: Bytes,
    shadow: Bytes,
}

impl Files {
    fn read(fs: &dyn FileSystem) -> Result<Self, String> {
        Ok(Self { passwd: read(fs, PASSWD)?, shadow: read(fs, SHADOW)? })
    }

    /// What `shadow(5)` has of each account: of several lines of one name the first counts.
    fn hashes(&self) -> BTreeMap<&[u8], &[u8]> {
        let mut all = BTreeMap::new();
        for line in self.shadow.split(|&b| b == b'\n') {
            let mut fields = line.split(|&b| b == b':');
            if let (Some(name), Some(hash)) = (fields.next(), fields.next()) {
                all.entry(name).or_insert(hash);
            }
        }
        all
    }

    /// The accounts, each with what stands for its password; `None`: nothing lets it in.
    fn accounts(&self) -> Vec<(UserLine<'_>, Option<&[u8]>)> {
        let hashes = self.hashes();
        let own = |user: &UserLine<'_>| match user.password {
            b"x" => hashes.get(user.name).copied(),
            _ => None,
        };
        UserLine::all(&self.passwd)
            .map(|user| {
                // with `x` and no line in shadow(5), no password is right
                let hash = if user.password == b"x" { own(&user) } else { Some(user.password) };
                (user, hash)
            })
            .collect()
    }
}

/// Whether a password could be right: it is no text that no hash can be.
fn is_hash(text: &[u8]) -> bool {
    !text.is_empty() && !text.starts_with(b"!") && !text.starts_with(b"*")
}

fn lets_in(user: &UserLine<'_>) -> bool {
    !NO_SHELLS.iter().any(|shell| user.shell == shell.as_bytes())
}

/// Whether it is of DES (crypt(3), 13 letters, or `_` and 19) or MD5 (`$1$`).
fn is_weak(hash: &[u8]) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    let des = match hash.strip_prefix(b"_") {
        Some(rest) => rest.len() == 19 && rest.iter().all(is_letter),
        None => hash.len() == 13 && hash.iter().all(is_letter),
    };
    des || hash.starts_with(b"$1$")
}

/// The accounts with a fault, and what is there.
fn at_fault(fault: AccountFault, files: &Files) -> Vec<(String, String)> {
    let accounts = files.accounts();
    let others = |user: &UserLine<'_>, is_same: &dyn Fn(&UserLine<'_>, Option<&[u8]>) -> bool| {
        let names = accounts
            .iter()
            .filter(|(other, hash)| other.name != user.name && is_same(other, *hash));
        let names: Vec<_> =
            names.map(|(other, _)| String::from_utf8_lossy(other.name).into_owned()).collect();
        names.join(", ")
    };
    let mut found = Vec::new();
    for (user, hash) in &accounts {
        let what = match fault {
            AccountFault::EmptyPassword => {
                (*hash == Some(b"")).then(|| "its password is empty".to_owned())
            }
            AccountFault::SecondRoot => (user.uid == 0 && user.name != b"root" && lets_in(user))
                .then(|| "it has root's number 0 and can log in".to_owned()),
            AccountFault::SameNumber => {
                let others = others(user, &|other, _| other.uid == user.uid);
                (!others.is_empty()).then(|| format!("{others} has its number {}, too", user.uid))
            }
            AccountFault::WeakHash => {
                hash.is_some_and(is_weak).then(|| "its password is hashed by DES or MD5".to_owned())
            }
            AccountFault::SameHash => match hash.filter(|hash| is_hash(hash)) {
                Some(hash) => {
                    let others = others(user, &|_, other| other == Some(hash));
                    (!others.is_empty()).then(|| format!("{others} has the same hash"))
                }
                None => None,
            },
        };
        found.extend(what.map(|what| (String::from_utf8_lossy(user.name).into_owned(), what)));
    }
    found
}

/// The accounts with a fault.
///
/// # Errors
/// A file cannot be read.
pub fn problems(fault: AccountFault, fs: &dyn FileSystem) -> Result<Vec<Problem>, String> {
    let files = Files::read(fs)?;
    let found = at_fault(fault, &files).into_iter();
    Ok(found.map(|(name, what)| Problem { place: Place::Account(name), what }).collect())
}

/// Locks the accounts with a fault: no password is right any more, wherever its hash stands, and
/// a second root gets a shell that lets nobody in.
///
/// # Errors
/// A file cannot be read.
pub fn lock(fault: AccountFault, overlay: &mut Overlay) -> Result<(), String> {
    let files = Files::read(overlay)?;
    let names: Vec<String> = at_fault(fault, &files).into_iter().map(|(name, _)| name).collect();
    let is_meant = |line: &[u8]| {
        names.iter().any(|name| line.split(|&b| b == b':').next() == Some(name.as_bytes()))
    };
    let shell = NO_SHELLS
        .into_iter()
        .find(|shell| overlay.stat(&ImagePath::literal(shell)).is_some_and(Entry::is_file));
    let shell = shell.unwrap_or("/bin/false");
    let passwd = edited(&files.passwd, |line| {
        let mut user = UserLine::parse(line).filter(|_| is_meant(line))?;
        if user.password != b"x" {
            user.password = LOCKED;
        }
        if fault == AccountFault::SecondRoot {
            user.shell = shell.as_bytes();
        }
        Some(user.line())
    });
    let shadow = edited(&files.shadow, |line| {
        let mut fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
        *fields.get_mut(1).filter(|_| is_meant(line))? = LOCKED;
        Some(fields.join(&b':'))
    });
    for (path, before, after) in [(PASSWD, &files.passwd, passwd), (SHADOW, &files.shadow, shadow)]
    {
        if before[..] != after[..] {
            write(overlay, &ImagePath::literal(path), after)?;
        }
    }
    Ok(())
}

/// The text with some lines changed; all else of it stays.
fn edited(text: &[u8], mut change: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = text
        .split(|&b| b == b'\n')
        .map(|line| change(line).unwrap_or_else(|| line.to_vec()))
        .collect();
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::super::testing::overlay;
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\n# no entry\ntoor:x:0:0::/root:/bin/sh\n\
                         ann:x:1000:1000:Ann:/home/ann:/bin/bash\nbob:x:1000:1001::/home/bob:/bin/sh\n\
                         old::1002:1002::/home/old:/bin/sh\ngone:x:1003:1003::/:/bin/sh\n";
    const HASHES: &str = "root:*:19000:0:99999:7:::\ntoor:$1$a$b:19000:0:99999:7:::\n\
                          ann::19000:0:99999:7:::\nbob:$6$s$h:1::::::";

    fn found(fault: AccountFault, fs: &Overlay) -> Vec<String> {
        let all = problems(fault, fs).unwrap();
        all.iter().map(|one| format!("{}: {}", one.place, one.what)).collect()
    }

    #[test]
    fn faults_are_those_of_the_files() {
        let fs = overlay(&[("/etc/passwd", USERS, 0o644), ("/etc/shadow", HASHES, 0o640)]);
        assert_eq!(
            found(AccountFault::EmptyPassword, &fs),
            ["account ann: its password is empty", "account old: its password is empty",]
        );
        assert_eq!(
            found(AccountFault::SecondRoot, &fs),
            ["account toor: it has root's number 0 and can log in"]
        );
        assert_eq!(
            found(AccountFault::WeakHash, &fs),
            ["account toor: its password is hashed by DES or MD5"]
        );
        assert_eq!(
            found(AccountFault::SameNumber, &fs),
            [
                "account root: toor has its number 0, too",
                "account toor: root has its number 0, too",
                "account ann: bob has its number 1000, too",
                "account bob: ann has its number 1000, too",
            ]
        );
        let twice = HASHES.replace("ann::", "ann:$6$s$h:");
        let fs = overlay(&[("/etc/passwd", USERS, 0o644), ("/etc/shadow", &twice, 0o640)]);
        assert_eq!(
            found(AccountFault::SameHash, &fs),
            ["account ann: bob has the same hash", "account bob: ann has the same hash",]
        );
    }

    #[test]
    fn hashes_of_des_and_md5_are_weak_and_locks_are_no_hashes() {
        for weak in ["ab1234567890.", "_J9..rasmBYk8r9AiWNc", "$1$salt$hash"] {
            assert!(is_weak(weak.as_bytes()), "{weak}");
        }
        for other in ["", "!", "*", "x", "!!", "$5$a$b", "$6$a$b", "$y$j9T$a$b", "$2b$12$a", "NP"] {
            assert!(!is_weak(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn locked_accounts_take_no_password_and_all_else_stays() {
        let files = [("/etc/passwd", USERS, 0o644), ("/etc/shadow", HASHES, 0o640)];
        for fault in [AccountFault::EmptyPassword, AccountFault::SecondRoot, AccountFault::WeakHash]
        {
            let mut fs = overlay(&files);
            lock(fault, &mut fs).unwrap();
            assert_eq!(found(fault, &fs), Vec::<String>::new());
            let once: Vec<_> = fs.changes().map(|(path, change)| (path.clone(), change)).collect();
            lock(fault, &mut fs).unwrap();
            assert_eq!(
                fs.changes().map(|(path, change)| (path.clone(), change)).collect::<Vec<_>>(),
                once
            );
        }
        let mut fs = overlay(&files);
        lock(AccountFault::EmptyPassword, &mut fs).unwrap();
        let read = |path: &'static str| {
            String::from_utf8(fs.read(&ImagePath::literal(path)).unwrap().to_vec()).unwrap()
        };
        assert_eq!(read("/etc/passwd"), USERS.replace("old::1002", "old:!:1002"));
        assert_eq!(read("/etc/shadow"), HASHES.replace("ann::", "ann:!:"));
        assert_eq!(fs.lstat(&ImagePath::literal("/etc/shadow")).unwrap().mode, 0o640);
        let mut fs = overlay(&files);
        lock(AccountFault::SecondRoot, &mut fs).unwrap();
        let passwd = fs.read(&ImagePath::literal("/etc/passwd")).unwrap();
        let want = USERS.replace("toor:x:0:0::/root:/bin/sh", "toor:x:0:0::/root:/bin/false");
        assert_eq!(passwd, want);
    }

    #[test]
    fn an_image_without_accounts_has_no_problem() {
        let fs = overlay(&[("/app", "", 0o755)]);
        assert_eq!(found(AccountFault::EmptyPassword, &fs), Vec::<String>::new());
    }
}
