//! Packages made here, read back whole, cut short and flipped.

use proptest::prelude::*;

use super::*;

fn ar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, content) in members {
        out.extend_from_slice(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len())
                .as_bytes(),
        );
        out.extend_from_slice(content);
        if content.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

fn tar_of(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    builder.into_inner().unwrap()
}

fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, body: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_mtime(7);
    header.set_size(if kind.is_file() { body.len() as u64 } else { 0 });
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name_literal(body).unwrap();
    }
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    builder.append(&header, if kind.is_file() { body } else { b"" }).unwrap();
}

fn control_tar() -> Vec<u8> {
    tar_of(|builder| {
        add(builder, "./", tar::EntryType::Directory, b"");
        let control = b"Package: a\nVersion: 1\nArchitecture: all\n";
        add(builder, "./control", tar::EntryType::Regular, control);
        add(builder, "./conffiles", tar::EntryType::Regular, b"/etc/a\n");
        add(builder, "./md5sums", tar::EntryType::Regular, b"");
    })
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    liblzma::read::XzEncoder::new(bytes, 1).read_to_end(&mut out).unwrap();
    out
}

fn data_tar() -> Vec<u8> {
    tar_of(|builder| {
        add(builder, "./", tar::EntryType::Directory, b"");
        add(builder, "./usr/", tar::EntryType::Directory, b"");
        add(builder, "./usr/l", tar::EntryType::Symlink, b"t");
        add(builder, "./etc/a", tar::EntryType::Regular, b"hello");
        add(builder, "./usr/b", tar::EntryType::Link, b"./etc/a");
    })
}

fn deb(data_name: &str, data: Vec<u8>) -> Vec<u8> {
    ar(&[
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.xz", xz(&control_tar())),
        (data_name, data),
    ])
}

fn unpacked(bytes: &[u8]) -> Result<DebPackage, DebError> {
    unpack(bytes, &Spool::new().unwrap(), &Limits::default())
}

#[test]
fn payload_is_listed_as_dpkg_lists_it_with_links_last() {
    let package = unpacked(&deb("data.tar.xz", xz(&data_tar()))).unwrap();
    let paths: Vec<_> =
        package.payload.iter().map(|e| String::from_utf8(e.path.clone()).unwrap()).collect();
    assert_eq!(paths, ["/.", "/usr", "/etc/a", "/usr/b", "/usr/l"]);
    assert_eq!(package.control.name(), "a");
    let a = &package.payload[2];
    assert!(matches!(a.kind, PayloadKind::File { size: 5, .. }), "{a:?}");
    assert_eq!(a.checksum.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(package.payload[3].checksum, None);
    assert_eq!(package.payload[3].kind, PayloadKind::HardLink(b"/etc/a".to_vec()));
}

#[test]
fn every_compression_of_debian_and_ubuntu_is_read() {
    let tar = data_tar();
    let mut gz = Vec::new();
    flate2::read::GzEncoder::new(&tar[..], flate2::Compression::fast())
        .read_to_end(&mut gz)
        .unwrap();
    for (name, data) in [
        ("data.tar", tar.clone()),
        ("data.tar.gz", gz),
        ("data.tar.xz", xz(&tar)),
        ("data.tar.zst", zstd::encode_all(&tar[..], 1).unwrap()),
    ] {
        assert_eq!(unpacked(&deb(name, data)).unwrap().payload.len(), 5, "{name}");
    }
    let error = unpacked(&deb("data.tar.bz2", tar)).unwrap_err().to_string();
    assert!(error.contains("\"bz2\""), "{error}");
}

#[test]
fn truncated_and_flipped_archives_are_refused() {
    let good = deb("data.tar.xz", xz(&data_tar()));
    for end in [0, 7, 40, 100, 300, good.len() - 200, good.len() - 20] {
        assert!(unpacked(&good[..end]).is_err(), "cut at {end}");
    }
    for at in (good.len() - 120..good.len() - 12).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(unpacked(&bad).is_err(), "flipped at {at}");
    }
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    let data = tar_of(|builder| {
        add(builder, "./../etc/passwd", tar::EntryType::Regular, b"x");
    });
    assert!(matches!(unpacked(&deb("data.tar", data)), Err(DebError::Path(_))));
}

#[test]
fn limits_hold() {
    let bytes = deb("data.tar.xz", xz(&data_tar()));
    let spool = Spool::new().unwrap();
    for (limits, unit) in [
        (Limits { payload_bytes: 1000, ..Limits::default() }, "bytes"),
        (Limits { entries: 3, ..Limits::default() }, "entries"),
        (Limits { control_bytes: 700, ..Limits::default() }, "bytes"),
    ] {
        let error = unpack(&bytes[..], &spool, &limits).unwrap_err().to_string();
        assert!(error.contains("more than") && error.contains(unit), "{error}");
    }
}

#[test]
fn names_are_normalised_as_dpkg_does() {
    for (name, want) in [
        ("./", "/."),
        (".", "/."),
        ("/", "/."),
        ("./usr/", "/usr"),
        ("usr/bin", "/usr/bin"),
        ("././/usr", "/usr"),
        ("./.hidden", "/.hidden"),
    ] {
        assert_eq!(listed_name(name.as_bytes()), want.as_bytes(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_members_never_panic(control: Vec<u8>, data: Vec<u8>) {
        let limits = Limits::default();
        for suffix in ["", ".gz", ".xz", ".zst"] {
            let bytes = ar(&[
                ("debian-binary", b"2.0\n".to_vec()),
                (&format!("control.tar{suffix}"), control.clone()),
            ]);
            let _ = inspect_control(&bytes[..], &limits);
        }
        let _ = unpacked(&deb("data.tar", data));
    }
}
