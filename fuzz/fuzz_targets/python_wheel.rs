//! Wheels: their names and tags, and the archive. The first line is a name; what follows it, an
//! archive.
#![no_main]

use imgfix_python::tags::{Interpreter, Libc, Tags, WheelName};
use imgfix_python::wheel::Wheel;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, rest) = data.split_at(end);
    if let Ok(name) = std::str::from_utf8(name)
        && let Some(wheel) = WheelName::parse(name)
    {
        let libc = Some(Libc::Glibc(2, 36));
        let interpreter =
            Interpreter { minor: 11, is_free_threaded: false, machine: "x86_64", libc };
        let tags = Tags::of(interpreter);
        if let Some(rank) = tags.rank(&wheel) {
            let tag = tags.in_order()[rank];
            let mut parts = tag.split('-');
            let lower = name.to_ascii_lowercase();
            assert!(parts.all(|part| lower.contains(part)), "{name}: {tag}");
        }
    }
    let archive = rest.get(1..).unwrap_or_default().to_vec();
    if let Ok(wheel) = Wheel::read(archive.into(), "a", "1") {
        for entry in wheel.files() {
            assert!(wheel.part(entry).is_ok() && !entry.path().split('/').any(|part| part == ".."));
            let _ = wheel.content(entry);
        }
    }
});
