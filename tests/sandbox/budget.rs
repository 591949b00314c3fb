//! What a script leaves is charged to the budget of the run, and large files go to disk.

use std::time::Duration;

use imgfix_shell::Resources;
use imgfix_shell::sandbox::{Sandbox, Settings};
use imgfix_vfs::{Change, Content, Kind, Memory, Overlay, Spool};

use super::{overlay, perl, settings};

const MIB: u64 = 1 << 20;

fn budgeted(memory: &Memory, disk: u64) -> Sandbox {
    let spool = Spool::bounded(disk).unwrap();
    let resources = Resources::new(memory.clone(), Some(spool), None);
    Sandbox::new(Settings { resources, time: Duration::from_secs(120), ..settings() }).unwrap()
}

fn contents(overlay: &Overlay) -> Vec<(u64, bool)> {
    let file = |(_, change)| match change {
        Change::Set(entry) => match entry.kind {
            Kind::File(data) => Some((data.size, matches!(data.content, Content::Spool(_)))),
            _ => None,
        },
        Change::Removed => None,
    };
    overlay.changes().filter_map(file).collect()
}

/// Each needs more than there is: it is left out, nothing of it stays held, and the next command
/// has all of the budget again.
#[test]
fn what_is_left_is_charged_to_the_budget_of_the_run() {
    let memory = Memory::fixed(4 * MIB);
    let (mut sandbox, mut overlay) = (budgeted(&memory, 8 * MIB), overlay());
    let (_, said) = perl(&mut sandbox, &mut overlay, "print 'ready'").unwrap();
    assert_eq!(said, "ready");
    let small_files =
        "for $n (1 .. 40) { open F, '>', \"/tmp/$n\"; print F 'x' x 200000; close F }";
    let names = "$long = 'n' x 200; for $n (1 .. 15000) { symlink 'x', \"/tmp/$long$n\" }";
    let targets = "$to = 't' x 4000; for $n (1 .. 1500) { symlink $to, \"/tmp/$n\" }";
    let entries = "for $n (1 .. 9000) { mkdir \"/tmp/$n\" }";
    let large = "for $n (1 .. 3) { open F, '>', \"/tmp/$n\"; print F 'x' x (3 << 20); close F }";
    let cases = [
        ("small files", small_files, "--max-memory"),
        ("names", names, "--max-memory"),
        ("targets of links", targets, "--max-memory"),
        ("entries", entries, "--max-memory"),
        ("large files", large, "cannot be stored"),
    ];
    for (name, script, reason) in cases {
        let held = memory.used();
        let stop = perl(&mut sandbox, &mut overlay, script).expect_err(name);
        assert!(stop.detail.contains(reason), "{name}: {stop}");
        assert_eq!(overlay.changes().count(), 0, "{name}");
        let left = memory.used() - held;
        // Entries stay counted until the set is done with, as those of the virtual shell.
        assert!(left <= 3 * MIB, "{name}: {left} bytes stay held");
        if name == "entries" {
            sandbox = budgeted(&memory, 8 * MIB);
            assert_eq!(memory.used(), 0, "{name}");
        }
        let (_, said) = perl(&mut sandbox, &mut overlay, "print -e '/tmp/1' ? 'left' : 'clean'")
            .unwrap_or_else(|stop| panic!("after {name}: {stop}"));
        assert_eq!(said, "clean", "{name}");
    }
}

/// 300 MiB come back through a budget of 8 MiB.
#[test]
fn large_files_are_not_held_in_memory() {
    let memory = Memory::fixed(8 * MIB);
    let (mut sandbox, mut overlay) = (budgeted(&memory, 500 * MIB), overlay());
    let script = "open F, '>', '/tmp/large'; print F 'x' x (1 << 20) for 1 .. 150; close F; \
                  open F, '>', '/tmp/other'; print F 'y' x (1 << 20) for 1 .. 150; close F; \
                  open F, '>', '/tmp/small'; print F 'small'; close F";
    let (status, said) = perl(&mut sandbox, &mut overlay, script).unwrap();
    assert_eq!((status, said.as_str()), (0, ""));
    assert_eq!(contents(&overlay), [(150 * MIB, true), (150 * MIB, true), (5, false)]);
    assert!(memory.used() < MIB, "{}", memory.used());
    // Written again with the same bytes: compared piece by piece, and no change.
    let before: Vec<_> = overlay.changes().map(|(path, change)| (path.clone(), change)).collect();
    let script = "open F, '+<', '/tmp/large'; print F 'x'; close F; print -s '/tmp/large'";
    let (_, said) = perl(&mut sandbox, &mut overlay, script).unwrap();
    assert_eq!(said, (150 * MIB).to_string());
    let after: Vec<_> = overlay.changes().map(|(path, change)| (path.clone(), change)).collect();
    assert_eq!(after, before);
}
