//! Settings of dnf, yum, tdnf and zypper as an image may have them: the first byte says which file
//! has the text. They are read or refused.
#![no_main]

use std::sync::Arc;

use imgfix_dnf::locks::Locks;
use imgfix_dnf::modules::ModuleState;
use imgfix_dnf::options::Options;
use imgfix_dnf::sources;
use imgfix_dnf::variables::Variables;
use imgfix_model::path::ImagePath;
use imgfix_vfs::{Entry, NoLayers, Tree};
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 7] = [
    "/etc/yum.repos.d/x.repo",
    "/etc/dnf/dnf.conf",
    "/etc/dnf/vars/x",
    "/etc/dnf/plugins/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/zypp/locks",
    "/etc/dnf/modules.d/x.module",
];

fuzz_target!(|data: &[u8]| {
    let Some((which, text)) = data.split_first() else { return };
    let path = FILES[usize::from(*which) % FILES.len()];
    let file = |path, text: &[u8]| (ImagePath::literal(path), Entry::file(text.to_vec(), 0o644, 0));
    let mut files = vec![file(path, text)];
    if path == "/etc/zypp/locks" {
        files.push(file("/usr/bin/zypper", b""));
    }
    let tree = Tree::from_entries(files, Arc::new(NoLayers));
    let Ok(variables) = Variables::read(&tree, "x86_64", "9") else { return };
    let Ok(options) = Options::read(&tree) else { return };
    let _ = sources::read(&tree, &options, &variables);
    let _ = Locks::read(&tree, options.tool);
    let _ = ModuleState::read(&tree, None);
    let _ = sources::parse_option(&String::from_utf8_lossy(text), &variables);
});
