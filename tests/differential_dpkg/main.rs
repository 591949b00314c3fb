//! Installs packages made here with the machine's real dpkg, in a chroot, and with imgfix over
//! a tree of the same root, and compares the two: every path with type, mode, owner, link
//! target, hard links, content and payload time, and the package database byte for byte.
//!
//! Needs dpkg, tar and a shell on the machine, and root (or `unshare` with subordinate user
//! numbers, under which the test starts itself again). No network.

mod cases;
mod compare;
mod deb;
mod disk;
mod root;

use imgfix_dpkg::deb::unpack;
use imgfix_repair::archive::Limits;
use imgfix_vfs::Spool;
use root::Root;

/// The packages that are installed from lie inside the root too.
const SKIP: &[&str] = &["/debs"];

/// Runs `body` where chroot works: here for root, otherwise in this test again inside user
/// namespaces.
fn as_root(test: &str, body: impl FnOnce()) {
    const INSIDE: &str = "IMGFIX_INSIDE_UNSHARE";
    if root::is_root() {
        return body();
    }
    assert!(std::env::var_os(INSIDE).is_none(), "unshare did not make us root");
    let status = std::process::Command::new("unshare")
        .args(["--map-root-user", "--map-auto", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .status();
    match status {
        Ok(status) if status.success() => {}
        other => panic!(
            "this test compares with real dpkg in a chroot: run it as root, or install \
             util-linux and uidmap and give this user numbers in /etc/subuid ({other:?})"
        ),
    }
}

/// Installs the case's first packages with dpkg, edits, installs the second ones both ways
/// and compares.
fn check(case: &cases::Case) {
    let root = Root::new();
    (case.prepare)(&root);
    if !case.before.is_empty() {
        root.dpkg_install(&case.before, "before");
    }
    (case.edit)(&root);
    let spool = Spool::new().unwrap();
    let unpacked = |deb: &deb::Deb| unpack(&deb.bytes()[..], &spool, &Limits::default()).unwrap();
    let packages = case.after.iter().map(unpacked).collect();
    let ours = compare::with_imgfix(root.folder(), SKIP, packages);
    let dpkg = root.try_dpkg_install(&case.after, "after");
    match (ours, dpkg) {
        (Ok(ours), Ok(())) => {
            let differences = compare::differences(&ours, &disk::snapshot(root.folder(), SKIP));
            assert!(
                differences.is_empty(),
                "{}: {} differences (dpkg | imgfix):\n{}",
                case.name,
                differences.len(),
                differences.join("\n")
            );
        }
        (Err(ours), Err(_)) if case.refused => println!("{}: both refuse: {ours}", case.name),
        (Err(ours), _) => panic!("{}: imgfix refuses: {ours}", case.name),
        (Ok(_), Err(dpkg)) => panic!("{}: dpkg refuses: {dpkg}", case.name),
    }
}

macro_rules! compare_cases {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            as_root(stringify!($name), || check(&cases::$name()));
        }
    )*};
}

compare_cases!(
    files_added_removed_and_changed,
    merged_usr_paths,
    directories_and_links_replace_each_other,
    conffiles_in_every_state,
    conffiles_go_away_and_come_back,
    conffile_answers_from_the_configuration,
    diversions_and_overrides,
    conffile_answers_that_contradict_each_other,
    packages_without_files_of_their_own_disappear,
    a_database_that_somebody_else_wrote,
    a_package_that_is_recorded_twice_is_refused,
    excluded_paths,
    replaced_files_change_hands,
    multi_arch_same_instances,
    control_members_and_triggers,
    a_package_that_sets_off_its_own_trigger,
    status_fields_are_normalised,
    new_packages,
    overwriting_without_replaces_is_refused,
    overwriting_a_diverted_file_is_refused,
);

/// dpkg wrote the machine's database: written again it is the same, stanza by stanza.
#[test]
fn the_machines_own_database_keeps_its_bytes() {
    use imgfix_dpkg::control::parse_stanzas;
    use imgfix_dpkg::status_stanza::{ProtectedField, rewrite};

    let Ok(text) = std::fs::read("/var/lib/dpkg/status") else {
        eprintln!("NOT RUN: the_machines_own_database_keeps_its_bytes needs /var/lib/dpkg/status");
        return;
    };
    let stanzas = parse_stanzas(text).unwrap();
    assert!(!stanzas.is_empty());
    for stanza in stanzas {
        let again = rewrite(&stanza, ProtectedField::Known).unwrap();
        let (again, own) =
            (String::from_utf8_lossy(&again), String::from_utf8_lossy(stanza.text()));
        assert_eq!(again, own);
    }
}
