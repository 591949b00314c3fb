//! Metadata of rpm's repositories: the first byte says which reader gets the rest. Each reads it
//! or refuses it; what primary.xml has is found by its name again.
#![no_main]

use std::collections::BTreeSet;
use std::io;

use imgfix_dnf::modules::{ModuleState, Modules};
use imgfix_dnf::primary::{PrimaryFile, RelationKind};
use imgfix_dnf::repomd::Repomd;
use imgfix_dnf::updateinfo::Advisories;
use imgfix_dnf::variables::Variables;
use imgfix_dnf::zchunk::Zchunk;
use imgfix_dnf::{filelists, mirrors};
use imgfix_vfs::Memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let memory = Memory::default();
    match which % 7 {
        0 => primary(data, &memory),
        1 => {
            let mut modules = Modules::none(&memory);
            if modules.add(data).is_ok() {
                let _ = modules.filter(&ModuleState::default());
            }
        }
        2 => drop(Advisories::read(data, &|_| true, &memory)),
        3 => drop(Repomd::parse(data)),
        4 => drop(mirrors::parse(data, &Variables::default())),
        5 => drop(filelists::find(data, &BTreeSet::from(["/x".to_owned()]))),
        _ => drop(Zchunk::new(data).map(|mut content| io::copy(&mut content, &mut io::sink()))),
    }
});

fn primary(data: &[u8], memory: &Memory) {
    let Ok(file) = PrimaryFile::read(data, &|_| true, memory) else { return };
    for package in file.packages() {
        assert!(file.named(package.name()).any(|one| one.number == package.number));
        for provided in package.relations(RelationKind::Provides) {
            assert!(file.providing(provided.name).any(|one| one.number == package.number));
        }
    }
}
