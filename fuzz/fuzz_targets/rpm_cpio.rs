//! A payload of rpm, decompressed: its members come one after the other, or one error.
#![no_main]

use std::io;

use imgfix_rpm::archive::cpio::{Cpio, Member};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut cpio = Cpio::new(data);
    while let Ok(Some(member)) = cpio.next_member() {
        if let Member::Numbered(number) = member {
            cpio.set_size(u64::from(number) % 64);
        }
        match io::copy(&mut cpio.content(), &mut io::sink()) {
            Ok(copied) => assert!(copied <= data.len() as u64),
            Err(_) => break,
        }
    }
});
