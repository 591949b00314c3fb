//! Every door through which a tar archive of a stranger comes in, and archives that are small as
//! they are stored and large as they say: none may take more memory than [`MOST`]. Each is read
//! by a process of its own, which tells its peak.
//!
//! Needs Linux' `/proc`; no network.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use imgfix_oci::archive::DockerArchiveSource;
use imgfix_repair::archive::Limits;
use imgfix_vfs::layer_reader::{LayerSpec, read_layer};
use imgfix_vfs::{Budget, LayerLimits, Memory, Spool};

/// What a process that reads one archive may take, and how large the archive may be.
const MOST: u64 = 300 << 20;
const INPUT: u64 = 8 << 20;

const DOOR: &str = "IMGFIX_TEST_DOOR";
const FILE: &str = "IMGFIX_TEST_FILE";
const PEAK: &str = "peak of memory: ";
const SAYS: &str = "the reader says: ";

/// A way in.
#[derive(Debug, Clone, Copy)]
enum Door {
    Layer,
    DockerArchive,
    DebControl,
    DebPayload,
    ApkControl,
    ApkPayload,
    ApkCheck,
    ApkIndex,
    ApkScripts,
}

const DOORS: [Door; 9] = [
    Door::Layer,
    Door::DockerArchive,
    Door::DebControl,
    Door::DebPayload,
    Door::ApkControl,
    Door::ApkPayload,
    Door::ApkCheck,
    Door::ApkIndex,
    Door::ApkScripts,
];

impl Door {
    /// The file that brings a tar archive to the door. It is gzip already.
    fn file(self, archive: Vec<u8>) -> Vec<u8> {
        let small = |name: &str| packed(&[header(b'0', name, 0)].concat());
        match self {
            Self::Layer | Self::DockerArchive | Self::ApkIndex | Self::ApkScripts => archive,
            Self::DebControl => deb(archive, small("./x")),
            Self::DebPayload => {
                let text = b"Package: a\nVersion: 1\nArchitecture: all\n";
                deb(packed(&file("./control", text)), archive)
            }
            Self::ApkControl | Self::ApkCheck => [one_member(&archive), small("x")].concat(),
            Self::ApkPayload => {
                let text = format!("pkgname = a\npkgver = 1\ndatahash = {}\n", "0".repeat(64));
                [packed(&file(".PKGINFO", text.as_bytes())), archive].concat()
            }
        }
    }

    /// Reads a file as the program does; what was wrong with it.
    fn read(self, path: &Path) -> Option<String> {
        // what a run on a machine of 16 GB may hold
        let memory = Memory::of_machine(16 << 30);
        let bytes = || std::fs::read(path).expect("the archive");
        let limits = Limits::for_archive(INPUT, &memory);
        let spool = Spool::new().expect("a spool");
        match self {
            Self::Layer => {
                let spec = LayerSpec { name: "layer".into(), compression: None, diff_id: None };
                let budget = Budget::new(LayerLimits::default().for_input(INPUT));
                why(read_layer(&bytes()[..], &spec, &budget, &|_, _| true))
            }
            Self::DockerArchive => {
                why(DockerArchiveSource::open(path, None, &LayerLimits::default()))
            }
            Self::DebControl | Self::DebPayload => {
                why(imgfix_dpkg::deb::unpack(&bytes()[..], &spool, &limits))
            }
            Self::ApkControl | Self::ApkPayload => {
                why(imgfix_apk::apk_file::unpack(&bytes()[..], &spool, &limits))
            }
            Self::ApkCheck => {
                let content = bytes();
                let mut members = imgfix_apk::members::Members::new(&content[..]).expect("gzip");
                let limits = imgfix_apk::members::MemberLimits::CONTROL;
                why(members.lead(limits).and_then(|lead| lead.content.files()))
            }
            Self::ApkIndex => {
                let content = bytes();
                let split = imgfix_apk::members::split_signed(&content);
                why(split).or_else(|| {
                    let signed = imgfix_apk::members::split_signed(&content).expect("split");
                    why(imgfix_apk::index_archive::IndexArchive::read(signed.content, &memory))
                })
            }
            Self::ApkScripts => {
                use imgfix_apk::scripts_archive::{ScriptsArchive, Storage};
                why(ScriptsArchive::parse(&bytes(), Storage::Gzip))
            }
        }
    }
}

fn why<T, E: std::fmt::Display>(result: Result<T, E>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    gzip(bytes, flate2::Compression::fast())
}

fn gzip(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As small as it gets: zeros become a thousandth.
fn smallest(bytes: &[u8]) -> Vec<u8> {
    gzip(bytes, flate2::Compression::best())
}

/// The beginning of a gzip stream as one member, of the size that a control member may have.
fn one_member(archive: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(archive);
    decoder.take(60 << 20).read_to_end(&mut plain).unwrap();
    packed(&plain)
}

/// A gzip stream, several members long, of so many times 32 MiB of zeros.
fn zeros(times: usize) -> Vec<u8> {
    smallest(&vec![0; 32 << 20]).repeat(times)
}

fn header(kind: u8, name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(7);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    [header(b'0', name, content.len() as u64), padded(content.to_vec())].concat()
}

fn extension(kind: u8, content: &[u8]) -> Vec<u8> {
    [header(kind, "extension", content.len() as u64), padded(content.to_vec())].concat()
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let body = format!(" {key}={value}\n");
    let length = (body.len()..).find(|n| n.to_string().len() + body.len() == *n).unwrap();
    format!("{length}{body}").into_bytes()
}

fn deb(control: Vec<u8>, data: Vec<u8>) -> Vec<u8> {
    deb_of(("control.tar.gz", control), ("data.tar.gz", data))
}

fn deb_of(control: (&str, Vec<u8>), data: (&str, Vec<u8>)) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    let version = b"2.0\n".to_vec();
    for (name, content) in [("debian-binary", version), control, data] {
        let size = content.len();
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, 644).unwrap();
        out.extend(content);
        out.extend((size % 2 == 1).then_some(b'\n'));
    }
    out
}

/// Archives that are large in what a reader may keep, whoever reads them.
fn archives() -> Vec<(&'static str, Vec<u8>)> {
    let gigabyte = |kind: u8| [packed(&header(kind, "x", 1 << 30)), zeros(32)].concat();
    let long = "d/".repeat(250_000);
    let (mut names, mut records, mut attributes) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..700 {
        let name = format!("{long}{n}");
        names.extend(packed(
            &[extension(b'L', format!("{name}\0").as_bytes()), file("x", b"")].concat(),
        ));
        records.extend(packed(&[extension(b'x', &pax("path", &name)), file("x", b"")].concat()));
        let value = "x".repeat(500_000);
        let attribute = pax("SCHILY.xattr.user.a", &value);
        attributes
            .extend(packed(&[extension(b'x', &attribute), file(&format!("x{n}"), b"")].concat()));
    }
    vec![
        ("PAX records of a gigabyte", gigabyte(b'x')),
        ("a long name of a gigabyte", gigabyte(b'L')),
        ("a long target of a gigabyte", gigabyte(b'K')),
        ("a global header of a gigabyte", gigabyte(b'g')),
        ("long names without end", names),
        ("paths of PAX without end", records),
        ("attributes without end", attributes),
    ]
}

/// Reads a file in a process of its own: its peak of memory in bytes, and what it says.
fn peak(door: Door, path: &Path) -> (u64, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "the_reader", "--ignored", "--nocapture"]);
    let output = command.env(DOOR, format!("{door:?}")).env(FILE, path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = |mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        rest.lines().next().map(str::to_owned)
    };
    let peak = after(PEAK).unwrap_or_else(|| panic!("{door:?}: {text} {output:?}"));
    (peak.parse().expect("a number"), after(SAYS).unwrap_or_default())
}

#[test]
#[ignore = "a part of the other tests, which run it with what it has to read"]
fn the_reader() {
    let name = std::env::var(DOOR).expect(DOOR);
    let door = DOORS.into_iter().find(|door| format!("{door:?}") == name).expect("a door");
    let path = PathBuf::from(std::env::var_os(FILE).expect(FILE));
    let said = door.read(&path).unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = kilobytes.trim().trim_end_matches(" kB").parse().unwrap();
    println!("\n{SAYS}{}\n{PEAK}{}", said.replace('\n', " "), kilobytes << 10);
}

#[track_caller]
fn within(door: Door, name: &str, bytes: &[u8]) -> String {
    assert!(bytes.len() as u64 <= INPUT, "{door:?}, {name}: {} bytes", bytes.len());
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), bytes).unwrap();
    let (peak, said) = peak(door, place.path());
    let shown: String = said.chars().take(120).collect();
    println!("{door:?}, {name}: {} MB; {shown}", peak >> 20);
    assert!(peak <= MOST, "{door:?}, {name}: {} MB; {shown}", peak >> 20);
    said
}

#[test]
fn no_door_takes_what_an_archive_says_of_itself() {
    for (name, archive) in archives() {
        for door in DOORS {
            within(door, name, &door.file(archive.clone()));
        }
    }
}

/// What the doors must let through: with a bound that refuses everything the rest would pass.
#[test]
fn what_is_ordinary_comes_in() {
    let control = file("./control", b"Package: a\nVersion: 1\nArchitecture: all\n");
    let long = format!("usr/{}name", "d/".repeat(150));
    let pieces = [extension(b'L', format!("{long}\0").as_bytes()), file("x", b"1")].concat();
    let payload = packed(&[pieces, vec![0; 1024]].concat());
    let index = packed(&[file("APKINDEX", b"P:a\n"), vec![0; 1024]].concat());
    for (door, archive) in [
        (Door::Layer, payload.clone()),
        (Door::DebControl, packed(&control)),
        (Door::DebPayload, payload.clone()),
        (Door::ApkCheck, payload.clone()),
        (Door::ApkIndex, index),
        (Door::ApkScripts, payload),
    ] {
        assert_eq!(within(door, "ordinary", &door.file(archive)), "", "{door:?}");
    }
}

#[test]
fn signatures_of_a_package_are_small_and_few() {
    let content = vec![0; 60 << 20];
    let signature = smallest(&file(".SIGN.RSA.k.rsa.pub", &content));
    let info = packed(&file(".PKGINFO", b"pkgname = a\npkgver = 1\n"));
    let package = [signature.repeat(20), info].concat();
    for door in [Door::ApkControl, Door::ApkCheck, Door::ApkIndex] {
        let said = within(door, "signatures of 60 MB", &package);
        assert!(said.contains("takes more than"), "{said}");
    }
}

/// Texts of control archives, whose lines become values that are larger than they are.
#[test]
fn texts_of_a_package_are_bounded() {
    let lines = |line: &str| line.repeat((50 << 20) / line.len()).into_bytes();
    let head = file("./control", b"Package: a\nVersion: 1\nArchitecture: all\n");
    for (door, archive) in [
        (Door::DebControl, [head, file("./conffiles", &lines("/a\n"))].concat()),
        (Door::DebControl, file("./control", &lines("a:\n"))),
        (Door::ApkControl, file(".PKGINFO", &lines("depend = a\n"))),
    ] {
        let said = within(door, "lines without end", &door.file(packed(&archive)));
        assert!(said.contains("more than"), "{said}");
    }
}

/// An xz stream of so many zeros that says it needs a dictionary of 1.5 GiB.
fn greedy_xz(size: u64) -> Vec<u8> {
    let mut xz = Vec::new();
    let encoder = liblzma::read::XzEncoder::new(std::io::repeat(0).take(size), 0);
    { encoder }.read_to_end(&mut xz).unwrap();
    // The header of the block, behind that of the stream (12 bytes): its size, flags, the filter
    // LZMA2 with one byte of properties (the dictionary), padding, and a checksum at the end.
    let length = (usize::from(xz[12]) + 1) * 4;
    assert_eq!(xz[13..16], [0, 0x21, 1]);
    xz[16] = 37;
    let mut sum = flate2::Crc::new();
    sum.update(&xz[12..12 + length - 4]);
    xz[12 + length - 4..12 + length].copy_from_slice(&sum.sum().to_le_bytes());
    xz
}

#[test]
fn dictionaries_of_xz_are_bounded() {
    let xz = greedy_xz(600 << 20);
    let control = packed(&file("./control", b"Package: a\nVersion: 1\nArchitecture: all\n"));
    let package = deb_of(("control.tar.gz", control), ("data.tar.xz", xz.clone()));
    for (door, bytes) in [(Door::DockerArchive, xz), (Door::DebPayload, package)] {
        let said = within(door, "a dictionary of 1.5 GiB", &bytes);
        assert!(said.to_lowercase().contains("memory"), "{said}");
    }
}

/// The measure itself: a process that holds what it reads is seen.
#[test]
fn what_a_reader_takes_is_seen() {
    let script = packed(&file("a-1.Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=.trigger", &vec![b'x'; 60 << 20]));
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), script).unwrap();
    let (peak, said) = peak(Door::ApkScripts, place.path());
    assert_eq!(said, "");
    assert!(peak > 120 << 20, "{peak}");
}
