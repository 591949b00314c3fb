//! Files that commands of rpm's distributions read: the first byte says which. A status or a stop,
//! within the steps that a script has.
#![no_main]

use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_rpm_tools::table;
use imgfix_shell::machine::MAX_STEPS;
use imgfix_shell::shell;
use imgfix_shell::shell::{Dialect, Script};
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stream};
use imgfix_vfs::{Entry, NoLayers, Overlay, Tree};
use libfuzzer_sys::fuzz_target;

/// How much a command may do here.
const STEPS: u64 = 100_000;

/// Where the file is, and what reads it.
const CASES: [(&str, &str); 6] = [
    (
        "/usr/share/pki/ca-trust-source/a.p11-kit",
        "trust extract --filter=certificates --format=openssl-bundle --comment /out; \
         trust extract --filter=ca-anchors --format=java-cacerts --overwrite /out",
    ),
    (
        "/etc/pki/ca-trust/source/anchors/a.crt",
        "trust extract --filter=ca-anchors --format=pem-directory-hash --purpose=server-auth /out; \
         trust extract --filter=ca-anchors --format=edk2-cacerts --overwrite /out",
    ),
    ("/usr/lib/sysusers.d/a.conf", "systemd-sysusers"),
    ("/usr/lib/sysusers.d/a.conf", "sysusers.sh /usr/lib/sysusers.d/a.conf"),
    ("/etc/permissions", "chkstat --system --set"),
    ("/usr/share/fillup-templates/a", "fillup -q /etc/a.conf /usr/share/fillup-templates/a"),
];

fuzz_target!(|data: &[u8]| {
    let Some((first, file)) = data.split_first() else { return };
    let (path, line) = CASES[usize::from(*first) % CASES.len()];
    let file = file.to_vec();
    let run = move || evaluate(path, file, line);
    // The stack that scripts have in a repair.
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(run);
    thread.expect("a thread").join().expect("no panic");
});

fn evaluate(path: &'static str, content: Vec<u8>, line: &'static str) {
    let file =
        |path, content: &'static str| (ImagePath::literal(path), Entry::file(content, 0o644, 1));
    let program = |path| (ImagePath::literal(path), Entry::file("\x7fELF", 0o755, 1));
    let module = "\x7fELF\0/etc/pki/ca-trust/source:/usr/share/pki/ca-trust-source\0blocklist\0";
    let entries = [
        file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        file("/etc/group", "root:x:0:\n"),
        file("/etc/a.conf", "# what it is\nA=\"1\"\nB=2\n"),
        file("/usr/lib64/pkcs11/p11-kit-trust.so", module),
        file("/usr/share/p11-kit/modules/p11-kit-trust.module", "trust-policy: yes\n"),
        program("/usr/bin/trust"),
        program("/usr/bin/systemd-sysusers"),
        program("/usr/bin/chkstat"),
        program("/usr/bin/fillup"),
        program("/usr/bin/sysusers.sh"),
        (ImagePath::literal(path), Entry::file(content, 0o644, 1)),
    ];
    let tree = Tree::from_entries(entries, Arc::new(NoLayers));
    let settings = Settings::new(1, "x86_64");
    let mut machine = Machine::new(Overlay::new(Arc::new(tree)), settings, Arc::new(table()));
    machine.spend(MAX_STEPS - STEPS).expect("steps are left");
    let environment: Environment = [("PATH".into(), "/usr/bin".into())].into();
    let call = Call {
        argv: vec!["script".into(), "2".into()],
        environment,
        directory: ImagePath::root(),
        umask: 0o022,
        descriptors: Descriptors::standard(
            Stream::input(""),
            Stream::terminal(),
            Stream::terminal(),
        ),
    };
    let script = Script {
        name: "script".into(),
        text: line.into(),
        dialect: Dialect::Posix,
        options: Vec::new(),
    };
    let _ = shell::run(&mut machine, &script, call);
}
