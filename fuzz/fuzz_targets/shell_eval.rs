//! A script over a small image: a status or a stop, within its steps, and every path that it
//! changes is one of the image.
#![no_main]

use std::sync::Arc;

use imgfix_dpkg_tools::table;
use imgfix_vfs::{Entry, NoLayers, Overlay, Tree};
use imgfix_model::path::ImagePath;
use imgfix_shell::machine::MAX_STEPS;
use imgfix_shell::shell;
use imgfix_shell::shell::{Dialect, Script};
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stream};
use libfuzzer_sys::fuzz_target;

/// How much a script may do here: enough for all that it can say.
const STEPS: u64 = 20_000;

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let dialect = if first % 4 == 0 { Dialect::Bash } else { Dialect::Posix };
    let text = text.to_vec();
    let run = move || evaluate(text, dialect);
    // The stack that scripts have in a repair.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(run);
    thread.expect("a thread").join().expect("no panic");
});

fn evaluate(text: Vec<u8>, dialect: Dialect) {
    let file = |path, content: &'static str| {
        (ImagePath::literal(path), Entry::file(content, 0o644, 1))
    };
    let program =
        |path| (ImagePath::literal(path), Entry::file("\x7fELF", 0o755, 1));
    let entries = [
        file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        file("/etc/a.conf", "a=1\nb = 2\n"),
        program("/usr/bin/cat"),
        program("/usr/bin/sed"),
        program("/usr/bin/mkdir"),
        program("/usr/bin/sh"),
        (ImagePath::literal("/etc/link"), Entry::symlink("../../../etc/a.conf", 1)),
    ];
    let tree = Tree::from_entries(entries, Arc::new(NoLayers));
    let settings = Settings::new(1, "amd64");
    let mut machine = Machine::new(Overlay::new(Arc::new(tree)), settings, Arc::new(table()));
    machine.spend(MAX_STEPS - STEPS).expect("steps are left");
    let environment: Environment = [("PATH".into(), "/usr/bin".into())].into();
    let call = Call {
        argv: vec!["script".into(), "configure".into(), "1.0-1".into()],
        environment,
        directory: ImagePath::root(),
        umask: 0o022,
        descriptors: Descriptors::standard(
            Stream::input("line\n"),
            Stream::terminal(),
            Stream::terminal(),
        ),
    };
    let script =
        Script { name: "script".into(), text: text.into(), dialect, options: Vec::new() };
    let _ = shell::run(&mut machine, &script, call);
}
