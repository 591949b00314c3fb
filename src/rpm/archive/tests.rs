use proptest::prelude::*;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::header::{MAGIC, NewHeader};
use crate::testing;

const HELLO: &str = "5d41402abc4b2a76b9719d911017c592";

fn member(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let numbers = [1, mode, 0, 0, 1, 5, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let mut out = b"070701".to_vec();
    numbers.iter().for_each(|number| out.extend(format!("{number:08x}").into_bytes()));
    out.extend(name.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(content);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn sample() -> NewHeader {
    let mut new = NewHeader::default();
    new.string(tag::NAME, b"sample");
    new.string(tag::VERSION, b"1");
    new.string(tag::RELEASE, b"2");
    new.string(tag::SOURCERPM, b"sample-1-2.src.rpm");
    new.string(tag::PAYLOADCOMPRESSOR, b"none");
    new.strings(tag::BASENAMES, &[b"a", b"b", b"l"]);
    new.strings(tag::DIRNAMES, &[b"/opt/"]);
    new.numbers(tag::DIRINDEXES, &[0, 0, 0]);
    new.short_numbers(tag::FILEMODES, &[0o100644, 0o100644, 0o120777]);
    new.numbers(tag::FILESIZES, &[5, 5, 1]);
    new.strings(tag::FILEDIGESTS, &[HELLO.as_bytes(), HELLO.as_bytes(), b""]);
    new.strings(tag::FILELINKTOS, &[b"", b"", b"a"]);
    new.numbers(tag::FILEINODES, &[7, 7, 8]);
    new.numbers(tag::FILEDEVICES, &[1, 1, 1]);
    new
}

fn good_payload() -> Vec<u8> {
    [
        member("./opt/a", 0o100644, b""),
        member("./opt/b", 0o100644, b"hello"),
        member("./opt/l", 0o120777, b"a"),
        member("TRAILER!!!", 0, b""),
    ]
    .concat()
}

fn archive(header: &NewHeader, payload: &[u8]) -> Vec<u8> {
    let header = header.region(tag::HEADERIMMUTABLE).unwrap().as_in_archive();
    let mut signature = NewHeader::default();
    signature.string(tag::SHA256HEADER, hex::encode(Sha256::digest(&header)).as_bytes());
    let md5 = {
        use md5::Digest as _;
        md5::Md5::digest([&header[..], payload].concat())
    };
    signature.bin(tag::signature::MD5, &md5);
    let signature = signature.region(tag::HEADERSIGNATURES).unwrap();
    let mut out = LEAD_MAGIC.to_vec();
    out.push(3);
    out.resize(LEAD, 0);
    out[79] = 5;
    out.extend(MAGIC);
    out.extend_from_slice(signature.blob());
    out.resize(out.len().next_multiple_of(8), 0);
    out.extend(header);
    out.extend(payload);
    out
}

fn unpacked(bytes: &[u8]) -> Result<RpmPackage, ArchiveError> {
    unpack(bytes, &Spool::new().unwrap(), &Limits::default())
}

#[test]
fn a_payload_is_unpacked_in_the_headers_order() {
    let package = unpacked(&archive(&sample(), &good_payload())).unwrap();
    let [a, b, link] = &package.payload[..] else { panic!("{:?}", package.payload) };
    assert_eq!(a.path, b"/opt/a");
    assert!(matches!(&a.kind, PayloadKind::File { size: 5, .. }), "{:?}", a.kind);
    assert_eq!(b.kind, PayloadKind::HardLink(b"/opt/a".to_vec()));
    assert_eq!(link.kind, PayloadKind::Symlink(b"a".to_vec()));
    assert_eq!(a.checksum.as_deref(), Some(HELLO));
}

#[test]
fn what_does_not_fit_the_header_is_refused() {
    let end = || member("TRAILER!!!", 0, b"");
    let (a, b) = (|| member("./opt/a", 0o100644, b""), || member("./opt/b", 0o100644, b"hello"));
    let link = |target: &[u8]| member("./opt/l", 0o120777, target);
    for (payload, want) in [
        (vec![a(), b(), end()], "missing in the payload"),
        (vec![a(), a(), end()], "comes twice"),
        (vec![member("./opt/x", 0o100644, b""), end()], "no such file"),
        (vec![a(), member("./opt/b", 0o100644, b"hell"), end()], "its size"),
        (vec![a(), member("./opt/b", 0o100644, b"hullo"), end()], "its digest"),
        (vec![a(), member("./opt/b", 0o100644, b""), link(b"a"), end()], "content is missing"),
        (vec![a(), b(), link(b"b"), end()], "its target"),
        (vec![a(), b(), link(b"a")], "failed to fill"),
    ] {
        let error = unpacked(&archive(&sample(), &payload.concat())).unwrap_err().to_string();
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn damage_is_found() {
    let good = archive(&sample(), &good_payload());
    assert!(unpacked(&good).is_ok());
    for at in (0..good.len()).filter(|at| !(5..78).contains(at) && !(80..96).contains(at)) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        // Of the signature header, what stands beside its digests says nothing.
        if unpacked(&bad).is_ok() {
            assert!((96..300).contains(&at), "byte {at}");
        }
    }
    let mut source = sample();
    source.number(tag::SOURCEPACKAGE, 1);
    let error = unpacked(&archive(&source, &good_payload())).unwrap_err();
    assert!(matches!(error, ArchiveError::Source));
    let limits = Limits { payload_bytes: 100, ..Limits::default() };
    let error = unpack(&good[..], &Spool::new().unwrap(), &limits).unwrap_err();
    assert!(error.is_too_much(), "{error}");
}

#[test]
fn large_files_have_numbers_instead_of_names() {
    let mut payload = b"07070X00000000\0\0".to_vec();
    payload.extend(b"07070X00000001\0\0hello\0\0\0");
    payload.extend(b"07070X00000002\0\0a\0\0\0");
    payload.extend(member("TRAILER!!!", 0, b""));
    let package = unpacked(&archive(&sample(), &payload)).unwrap();
    assert_eq!(
        package.payload,
        unpacked(&archive(&sample(), &good_payload()))
            .map(|good| {
                assert_eq!(good.payload.len(), 3);
                package.payload.clone()
            })
            .unwrap()
    );
}

/// Every binary package that was collected is unpacked, but for those that are damaged.
#[test]
fn real_archives_are_unpacked() {
    let Some(data) = testing::data("real_archives_are_unpacked") else { return };
    let mut files = testing::files(&data, "rpm");
    files.extend(
        testing::golden("real_archives_are_unpacked")
            .map(|f| testing::files(&f, "rpm"))
            .unwrap_or_default(),
    );
    let (mut good, mut entries, mut compressions) = (0, 0, std::collections::BTreeMap::new());
    for file in files {
        let name = file.display().to_string();
        match unpacked(&std::fs::read(&file).unwrap()) {
            Ok(package) => {
                good += 1;
                entries += package.payload.len();
                let header = package.headers.package.header();
                let by = header.text(tag::PAYLOADCOMPRESSOR).unwrap_or("none").to_owned();
                *compressions.entry(by).or_insert(0) += 1;
            }
            Err(ArchiveError::Source) => {}
            Err(error) => {
                eprintln!("{name}: {error}");
                let damaged = ["corrupted", "badima", "no.rpm", "broken"];
                assert!(damaged.iter().any(|word| name.contains(word)), "{name}: {error}");
            }
        }
    }
    eprintln!("{good} packages with {entries} entries: {compressions:?}");
    assert!(good > 100, "{good}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = unpacked(&bytes);
        let _ = unpacked(&archive(&sample(), &bytes));
    }
}
