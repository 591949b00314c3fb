use proptest::prelude::*;

use super::installed::{Installation, InstalledError, Writer, installed};
use super::*;
use crate::testing;

fn sample() -> NewHeader {
    let mut new = NewHeader::default();
    new.strings(tag::HEADERI18NTABLE, &[b"C", b"de"]);
    new.string(tag::NAME, b"sample");
    new.string(tag::VERSION, b"1");
    new.i18n(tag::GROUP, &[b"Unspecified", b"Ohne"]);
    new.number(tag::EPOCH, 7);
    new.short_numbers(tag::FILEMODES, &[0o100644, 0o40755]);
    new.long_numbers(tag::LONGSIZE, &[1 << 40]);
    new.bin(tag::SIGMD5, &[9; 16]);
    new
}

#[test]
fn values_are_read_as_they_were_written() {
    for header in [sample().plain().unwrap(), sample().region(tag::HEADERIMMUTABLE).unwrap()] {
        assert_eq!(header.text(tag::NAME), Some("sample"));
        assert_eq!(header.string(tag::GROUP), Some(&b"Unspecified"[..]));
        assert_eq!(header.strings(tag::GROUP).nth(1), Some(&b"Ohne"[..]));
        assert_eq!(header.number32(tag::EPOCH), Some(7));
        assert_eq!(header.numbers(tag::FILEMODES).iter().collect::<Vec<_>>(), [0o100644, 0o40755]);
        assert_eq!(header.number(tag::LONGSIZE), Some(1 << 40));
        assert_eq!(header.number32(tag::LONGSIZE), None);
        assert_eq!(header.bin(tag::SIGMD5), Some(&[9; 16][..]));
        // Of another type, or missing.
        assert_eq!(header.number(tag::NAME), None);
        assert_eq!(header.string(tag::EPOCH), None);
        assert_eq!(header.bin(tag::NAME), None);
        assert_eq!(header.strings(tag::RELEASE).len(), 0);
        assert!(!header.has(tag::RELEASE));
    }
}

#[test]
fn a_region_is_found_and_cut_out() {
    let package = sample().region(tag::HEADERIMMUTABLE).unwrap();
    let region = package.region().unwrap();
    assert_eq!((region.tag, region.entries), (tag::HEADERIMMUTABLE, 9));
    let mut more = NewHeader::default();
    more.number(tag::INSTALLTIME, 1);
    more.number(tag::EPOCH, 8);
    let stored = more.behind_region(&package).unwrap();
    assert_eq!(stored.as_in_archive(), package.as_in_archive());
    assert_eq!(stored.number(tag::INSTALLTIME), Some(1));
    // What was added counts.
    assert_eq!(stored.number(tag::EPOCH), Some(8));
    let archive = Bytes::from(stored.as_in_archive());
    assert_eq!(Header::parse_in_archive(&archive, tag::HEADERIMMUTABLE).unwrap(), package);
    assert!(more.behind_region(&sample().plain().unwrap()).is_err());
}

/// A header of one entry, and of data.
fn one(entry: [u32; 4], data: &[u8]) -> Bytes {
    let mut blob = Vec::new();
    for number in [1, data.len() as u32].iter().chain(&entry) {
        blob.extend(number.to_be_bytes());
    }
    blob.extend(data);
    blob.into()
}

#[test]
fn what_rpm_refuses_is_refused_with_its_place() {
    for (entry, data, want) in [
        ([99, 4, 0, 1], &[0; 4][..], "no such tag"),
        ([u32::MAX, 4, 0, 1], &[0; 4], "no such tag"),
        ([1000, 0, 0, 1], &[0; 4], "no such type"),
        ([1000, 10, 0, 1], &[0; 4], "no such type"),
        ([1000, 4, 0, 0], &[0; 4], "too many values, or none"),
        ([1000, 4, 0, 5], &[0; 4], "too many values, or none"),
        ([1000, 4, 2, 1], &[0; 8], "not aligned"),
        ([1000, 4, 8, 1], &[0; 4], "is outside"),
        ([1000, 4, 4, 1], &[0; 4], "behind the end"),
        ([1000, 6, 0, 2], b"a\0b\0", "one text was to come"),
        ([1000, 6, 0, 1], b"abcd", "behind the end"),
        ([1000, 8, 0, 3], b"a\0b\0", "behind the end"),
        ([63, 7, 0, 15], &[0; 16], "not that of a region"),
        ([63, 7, 1, 16], &[0; 16], "not in the data"),
        ([63, 7, 0, 16], &[0; 16], "trailer is not that"),
    ] {
        let error = Header::parse(one(entry, data)).unwrap_err().to_string();
        assert!(error.contains(want), "{entry:?}: {error}");
    }
    let good = sample().plain().unwrap().blob().clone();
    let cut = Header::parse(good.slice(..good.len() - 1)).unwrap_err();
    assert!(matches!(cut, HeaderError::Truncated { .. }), "{cut}");
    let long = Header::parse([&good[..], b"x"].concat().into()).unwrap_err();
    assert!(matches!(long, HeaderError::Trailing { .. }), "{long}");
    let many = Header::parse(Bytes::from_static(&[0, 1, 0, 0, 0, 0, 0, 0])).unwrap_err();
    assert!(matches!(many, HeaderError::TooLarge { .. }), "{many}");
    let magic = Header::parse_in_archive(&good, tag::HEADERIMMUTABLE).unwrap_err();
    assert!(matches!(magic, HeaderError::Magic(_)), "{magic}");
}

#[test]
fn an_archives_header_is_no_more_than_its_region() {
    let package = sample().region(tag::HEADERIMMUTABLE).unwrap();
    let mut more = NewHeader::default();
    more.number(tag::INSTALLTIME, 1);
    let stored = more.behind_region(&package).unwrap();
    let archive = Bytes::from([&MAGIC[..], stored.blob()].concat());
    let error = Header::parse_in_archive(&archive, tag::HEADERIMMUTABLE).unwrap_err();
    assert!(error.to_string().contains("not the whole header"), "{error}");
}

#[test]
fn an_installed_header_has_what_rpm_adds() {
    let mut signature = NewHeader::default();
    signature.number(tag::signature::SIZE, 99);
    signature.bin(tag::signature::MD5, &[1; 16]);
    signature.string(tag::SHA1HEADER, b"ab");
    signature.number(Tag(300), 5);
    let signed = signature.region(tag::HEADERSIGNATURES).unwrap();
    let mut package = NewHeader::default();
    package.string(tag::NAME, b"sample");
    let package = package.region(tag::HEADERIMMUTABLE).unwrap();
    let installation = |writer| Installation {
        writer,
        time: 5,
        transaction: 4,
        colour: 3,
        states: &[0, 4],
        archive_digests: &[],
    };
    let header = installed(&signed, &package, &installation(Writer::Rpm4_16)).unwrap();
    assert_eq!(header.number(tag::SIGSIZE), Some(99));
    assert_eq!(header.bin(tag::SIGMD5), Some(&[1; 16][..]));
    assert_eq!(header.text(tag::SHA1HEADER), Some("ab"));
    assert_eq!(header.number(tag::INSTALLTIME), Some(5));
    assert_eq!(header.number(tag::INSTALLTID), Some(4));
    assert_eq!(header.number(tag::INSTALLCOLOR), Some(3));
    assert_eq!(header.numbers(tag::FILESTATES).iter().collect::<Vec<_>>(), [0, 4]);
    assert!(!header.has(Tag(300)));
    let old = installed(&signed, &package, &installation(Writer::Rpm4_11)).unwrap();
    assert_eq!(old.number(Tag(300)), Some(5));

    signature.bin(tag::signature::MD5, &[1; 15]);
    let short = signature.region(tag::HEADERSIGNATURES).unwrap();
    let refused = installed(&short, &package, &installation(Writer::Rpm4_16)).unwrap_err();
    assert!(matches!(refused, InstalledError::Signature { tag: tag::SIGMD5, .. }), "{refused}");
    let twice = sample().region(tag::HEADERIMMUTABLE).unwrap();
    let refused = installed(&signed, &twice, &installation(Writer::Rpm4_16)).unwrap_err();
    assert!(refused.to_string().contains("own header has it"), "{refused}");
}

/// Every archive that was collected, and every header of real databases, is read; of the
/// databases, the package's own part is what its digest says.
#[test]
fn real_headers_are_read() {
    let Some(data) = testing::data("real_headers_are_read") else { return };
    let mut read = 0;
    for file in testing::files(&data, "rpm") {
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let name = file.display().to_string();
        if bytes.is_empty() {
            continue;
        }
        let signature = Header::parse_in_archive(&bytes.slice(96..), tag::HEADERSIGNATURES);
        // Damaged on purpose by rpm's own tests.
        if name.ends_with("badima.rpm") {
            assert!(matches!(signature, Err(HeaderError::Region { .. })));
            continue;
        }
        let signature = signature.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let at = 96 + (signature.blob().len() + MAGIC.len()).next_multiple_of(8);
        let header = Header::parse_in_archive(&bytes.slice(at..), tag::HEADERIMMUTABLE);
        let header = header.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(header.has(tag::NAME), "{}", file.display());
        read += 1;
    }
    assert!(read > 100, "{read}");
    let mut own = 0;
    for (database, headers) in testing::sqlite_databases(&data) {
        for blob in headers {
            let header = Header::parse(blob).unwrap_or_else(|e| panic!("{database}: {e}"));
            assert!(header.has(tag::NAME), "{database}");
            if let (Some(_), Some(sha1)) = (header.region(), header.text(tag::SHA1HEADER)) {
                use sha1::Digest as _;
                let digest = sha1::Sha1::digest(header.as_in_archive());
                assert_eq!(imgfix_model::hex::encode(digest), sha1, "{header:?}");
                own += 1;
            }
        }
    }
    assert!(own > 200, "{own}");
}

/// Headers that real rpms stored are made again of the archives, byte for byte.
#[test]
fn installed_headers_are_what_real_rpms_stored() {
    let name = "installed_headers_are_what_real_rpms_stored";
    let Some(golden) = testing::golden(name) else { return };
    let mut archives = Vec::new();
    for file in testing::files(&golden, "rpm") {
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        let signature =
            Header::parse_in_archive(&bytes.slice(96..), tag::HEADERSIGNATURES).unwrap();
        let at = 96 + (signature.blob().len() + MAGIC.len()).next_multiple_of(8);
        let header = Header::parse_in_archive(&bytes.slice(at..), tag::HEADERIMMUTABLE).unwrap();
        archives.push((bytes, signature, header));
    }
    let mut same = 0;
    for (database, headers) in testing::sqlite_databases(&golden) {
        for blob in headers {
            let stored = Header::parse(blob).unwrap();
            if stored.text(tag::NAME) == Some("gpg-pubkey") {
                continue;
            }
            let own = stored.as_in_archive();
            let archive = archives.iter().find(|(_, _, header)| header.as_in_archive() == own);
            let (bytes, signature, header) = archive.unwrap_or_else(|| panic!("{stored:?}"));
            let states = stored.numbers(tag::FILESTATES).iter().map(|state| state as u8);
            let writer = if database.contains("sq6") { Writer::Rpm6 } else { Writer::Rpm4_16 };
            let installation = Installation {
                writer,
                time: stored.number32(tag::INSTALLTIME).unwrap(),
                transaction: stored.number32(tag::INSTALLTID).unwrap(),
                colour: 3,
                states: &states.collect::<Vec<_>>(),
                archive_digests: &crate::archive_digests(&bytes[..]).unwrap(),
            };
            let made = installed(signature, header, &installation).unwrap();
            assert_eq!(made.blob(), stored.blob(), "{database}: {stored:?}");
            same += 1;
        }
    }
    eprintln!("{same} headers are the same");
    assert!(same > 100, "{same}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = Header::parse(bytes.clone().into());
        let _ = Header::parse_in_archive(&bytes.into(), tag::HEADERIMMUTABLE);
    }

    /// Whatever is damaged is refused, or read without a panic.
    #[test]
    fn a_damaged_header_never_panics(at in 0usize..400, byte: u8) {
        let mut blob = sample().region(tag::HEADERIMMUTABLE).unwrap().blob().to_vec();
        let at = at % blob.len();
        blob[at] = byte;
        if let Ok(header) = Header::parse(blob.into()) {
            let _ = format!("{header:?}");
            let _ = header.as_in_archive();
        }
    }
}
