use std::process::Command;

use bytes::Bytes;

use super::*;
use crate::header::NewHeader;
use crate::testing;

fn base() -> NewHeader {
    let mut new = NewHeader::default();
    new.string(tag::NAME, b"sample");
    new.string(tag::VERSION, b"1.2");
    new.string(tag::RELEASE, b"3.el9");
    new.string(tag::ARCH, b"x86_64");
    new.string(tag::SOURCERPM, b"sample-1.2-3.el9.src.rpm");
    new
}

fn package(new: &NewHeader) -> Package {
    Package::new(new.plain().unwrap()).unwrap()
}

#[test]
fn a_package_says_what_it_is() {
    let mut new = base();
    assert_eq!(package(&new).label(), "sample-1.2-3.el9.x86_64");
    new.number(tag::EPOCH, 0);
    new.number(tag::SIZE, 7);
    new.numbers(tag::CHANGELOGTIME, &[2, 1]);
    new.strings(tag::CHANGELOGNAME, &[b"a", b"b"]);
    new.strings(tag::CHANGELOGTEXT, &[b"- x", b"- y"]);
    let package = package(&new);
    assert_eq!(package.evr().unwrap().to_string(), "0:1.2-3.el9");
    assert_eq!((package.size(), package.is_source(), package.is_key()), (Some(7), false, false));
    assert_eq!(package.changelog().map(|entry| entry.time).collect::<Vec<_>>(), [2, 1]);
    let nameless = Package::new(NewHeader::default().plain().unwrap());
    assert_eq!(nameless, Err(PackageError::Missing(tag::NAME)));
}

#[test]
fn files_are_put_together() {
    let mut new = base();
    new.strings(tag::BASENAMES, &[b"a", b"etc"]);
    new.strings(tag::DIRNAMES, &[b"/", b"/etc/"]);
    new.numbers(tag::DIRINDEXES, &[1, 0]);
    new.short_numbers(tag::FILEMODES, &[0o100644, 0o40755]);
    new.numbers(tag::FILESIZES, &[5, 0]);
    new.strings(tag::FILEDIGESTS, &[b"ab", b""]);
    new.numbers(tag::FILEFLAGS, &[17, 0]);
    let one = package(&new);
    let files = one.files().unwrap();
    assert_eq!((files.len(), files.hash()), (2, FileHash::Md5));
    let files: Vec<File<'_>> = files.iter().collect();
    assert_eq!(files[0].path(), b"/etc/a");
    assert_eq!(files[1].path(), b"/etc");
    assert!(files[0].is_regular() && files[1].is_directory());
    assert_eq!((files[0].size, files[0].digest), (5, &b"ab"[..]));
    assert!(files[0].flags.has(files::FileFlags::NOREPLACE));

    let mut outside = new.clone();
    outside.numbers(tag::DIRINDEXES, &[2, 0]);
    assert!(matches!(package(&outside).files(), Err(FilesError::Folder { at: 0, .. })));
    new.numbers(tag::FILESIZES, &[5]);
    let error = package(&new).files().unwrap_err();
    assert_eq!(error.to_string(), "a package of 2 files has 1 values of FILESIZES");

    let mut old = base();
    old.strings(tag::OLDFILENAMES, &[b"/etc/a"]);
    let old = package(&old);
    assert_eq!(old.files().unwrap().iter().next().unwrap().path(), b"/etc/a");
}

#[test]
fn relations_and_scripts_are_read() {
    let mut new = base();
    new.strings(tag::REQUIRENAME, &[b"a", b"(b if c)"]);
    new.numbers(tag::REQUIREFLAGS, &[12, 0]);
    new.strings(tag::REQUIREVERSION, &[b"1:2", b""]);
    new.strings(tag::CONFLICTNAME, &[b"x"]);
    new.numbers(tag::CONFLICTFLAGS, &[0, 0]);
    new.string(tag::POSTINPROG, b"/sbin/ldconfig");
    new.string(tag::PREIN, b"true");
    new.strings(tag::TRIGGERSCRIPTS, &[b"one", b"two"]);
    new.strings(tag::TRIGGERSCRIPTPROG, &[b"<lua>", b"/bin/sh"]);
    new.strings(tag::TRIGGERNAME, &[b"p", b"q", b"r"]);
    new.numbers(tag::TRIGGERFLAGS, &[1 << 16, 1 << 17, 1 << 16 | 12]);
    new.strings(tag::TRIGGERVERSION, &[b"", b"", b"3"]);
    new.numbers(tag::TRIGGERINDEX, &[0, 1, 0]);
    let one = package(&new);
    let requires = one.relations(RelationKind::Requires).unwrap();
    let texts: Vec<String> = requires.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["a >= 1:2", "(b if c)"]);
    assert!(matches!(
        one.relations(RelationKind::Conflicts),
        Err(RelationError::Counts { names: 1, flags: 2, versions: 0 })
    ));
    assert!(one.relations(RelationKind::Obsoletes).unwrap().is_empty());
    let post = one.scriptlet(ScriptletKind::Post).unwrap();
    assert_eq!((post.program, post.body), (vec![&b"/sbin/ldconfig"[..]], None));
    let pre = one.scriptlet(ScriptletKind::Pre).unwrap();
    assert_eq!((pre.program, pre.body), (vec![&b"/bin/sh"[..]], Some(&b"true"[..])));
    assert!(one.scriptlet(ScriptletKind::PreUn).is_none());
    let triggers = one.triggers(TriggerKind::Package).unwrap();
    let conditions = |at: usize| -> Vec<String> {
        triggers[at].conditions.iter().map(|(at, one)| format!("{at} {one}")).collect()
    };
    assert_eq!(conditions(0), ["0 p", "2 r >= 3"]);
    assert_eq!(conditions(1), ["1 q"]);
    assert!(triggers[1].is_at(Flags::TRIGGERUN) && !triggers[1].is_at(Flags::TRIGGERIN));
    new.numbers(tag::TRIGGERINDEX, &[0, 2, 0]);
    let error = package(&new).triggers(TriggerKind::Package).unwrap_err();
    assert_eq!(error, TriggersError::Script { script: 2, scripts: 2 });
}

/// What the real rpm says of real packages: names, files, relations.
#[test]
fn real_packages_are_read_as_by_the_real_rpm() {
    let name = "real_packages_are_read_as_by_the_real_rpm";
    let Some(data) = testing::data(name) else { return };
    if Command::new("rpm").arg("--version").output().is_err() {
        eprintln!("NOT RUN: {name} needs rpm");
        return;
    }
    const FORMAT: &str = "%{NEVRA}\\n[%{FILENAMES} %{FILEMODES} %{LONGFILESIZES} %{FILEMTIMES} \
        %{FILEDIGESTS} %{FILELINKTOS} %{FILEFLAGS} %{FILEUSERNAME} %{FILEGROUPNAME}\\n]\
        [P %{PROVIDENEVRS}\\n][R %{REQUIRENEVRS}\\n][C %{CONFLICTNEVRS}\\n][O %{OBSOLETENEVRS}\\n]";
    let mut read = 0;
    for file in testing::files(&data, "rpm") {
        let mut rpm = Command::new("rpm");
        rpm.args(["-qp", "--nosignature", "--nodigest", "--qf", FORMAT]).arg(&file);
        let out = rpm.output().unwrap();
        let want = String::from_utf8_lossy(&out.stdout);
        // The real rpm refuses some that are damaged on purpose.
        if !out.status.success() || want.is_empty() {
            continue;
        }
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let signature = Header::parse_in_archive(&bytes.slice(96..), tag::HEADERSIGNATURES);
        // One is refused by newer rpms only, as here.
        let Ok(signature) = signature else { continue };
        let at = 96 + (signature.blob().len() + 8).next_multiple_of(8);
        let header = Header::parse_in_archive(&bytes.slice(at..), tag::HEADERIMMUTABLE).unwrap();
        let package = Package::new(header).unwrap();
        // To packages of rpm 3 the real rpm adds that they provide themselves.
        if package.header().has(tag::OLDFILENAMES) {
            continue;
        }
        let text = String::from_utf8_lossy;
        let mut have = String::new();
        have.push_str(&package.label());
        have.push('\n');
        for file in package.files().unwrap().iter() {
            have.push_str(&format!(
                "{} {} {} {} {} {} {} {} {}\n",
                text(&file.path()),
                file.mode,
                file.size,
                file.mtime,
                text(file.digest),
                text(file.link_target),
                file.flags.0,
                text(file.user),
                text(file.group),
            ));
        }
        for (letter, kind) in [
            ("P", RelationKind::Provides),
            ("R", RelationKind::Requires),
            ("C", RelationKind::Conflicts),
            ("O", RelationKind::Obsoletes),
        ] {
            for relation in package.relations(kind).unwrap() {
                have.push_str(&format!("{letter} {relation}\n"));
            }
        }
        assert_eq!(have, want, "{}", file.display());
        read += 1;
    }
    eprintln!("{read} packages are read alike");
    assert!(read > 80, "{read}");
}

#[test]
fn a_header_that_was_changed_after_it_was_stored_is_not_intact() {
    use sha2::Digest as _;
    let own = base();
    let own = own.region(tag::HEADERIMMUTABLE).unwrap();
    let digest = imgfix_model::hex::encode(sha2::Sha256::digest(own.as_in_archive()));
    let mut behind = NewHeader::default();
    behind.string(tag::SHA256HEADER, digest.as_bytes());
    let stored = behind.behind_region(&own).unwrap();
    let parsed = |blob: Vec<u8>| Package::new(Header::parse(blob.into()).unwrap()).unwrap();
    assert!(parsed(stored.blob().to_vec()).is_intact());
    let mut blob = stored.blob().to_vec();
    let at = blob.windows(6).position(|bytes| bytes == b"sample").unwrap();
    blob[at] = b'S';
    assert!(!parsed(blob).is_intact());
    // that of a key has no part that is the package's own
    let mut key = base();
    key.string(tag::SHA256HEADER, b"0");
    assert!(package(&key).is_intact());
}
