//! Runs command lines with the machine's real programs in a chroot, and with imgfix's own over
//! a tree of the same root, and compares: exit status, standard output, and every path below
//! the directories that such programs change (type, mode, owner, link target, content).
//!
//! Needs root, overlayfs, and a root file system, which `IMGFIX_ORACLE_ROOT` names (of Debian)
//! or `IMGFIX_ALPINE_ROOT`: `run`, beside this file, makes them and starts these tests for each.

mod case;
mod disk;
mod random;
mod real;
mod virtually;

use case::Case;
use imgfix_shell::Table;

/// Whose commands are compared with whose.
struct Family {
    /// The variable of the environment that names a root file system with the real ones.
    root: &'static str,
    table: fn() -> Table,
}

const DEBIAN: Family = Family { root: "IMGFIX_ORACLE_ROOT", table: imgfix_dpkg_tools::table };
const RPM: Family = Family { root: "IMGFIX_ORACLE_ROOT", table: imgfix_rpm_tools::table };
const ALPINE: Family = Family { root: "IMGFIX_ALPINE_ROOT", table: imgfix_apk::commands::table };

fn check_all(cases: impl IntoIterator<Item = Case>) {
    check_family(&DEBIAN, cases);
}

fn check_family(family: &Family, cases: impl IntoIterator<Item = Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(problem) = check(family, &case) {
            wrong.push(format!("== {}\n{problem}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ\n{}", wrong.len(), wrong.join("\n"));
}

fn check(family: &Family, case: &Case) -> Result<(), String> {
    let root = real::Root::mount(family.root);
    root.prepare(&case.prepare);
    let before = disk::read(root.path());
    let mut virtually = virtually::Run::new(before, root.now(), (family.table)());
    let mut problems = String::new();
    for line in &case.lines {
        let want = root.run(line);
        match virtually.run(line) {
            Err(stop) => {
                return Err(format!("{problems}{}: stops: {stop}\n", line.join(" ")));
            }
            Ok(got) => {
                if (got.status, &got.output) != (want.status, &want.output) {
                    problems += &format!(
                        "{}: status {} not {}, output\n{}--- not\n{}--- errors\n{}--- not\n{}",
                        line.join(" "),
                        got.status,
                        want.status,
                        got.output,
                        want.output,
                        got.errors,
                        want.errors
                    );
                }
            }
        }
    }
    problems += &disk::differences(&disk::read(root.path()), &virtually.files());
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn commands_do_what_the_real_ones_do() {
    check_all(Case::parse_all(include_str!("dpkg.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn alternatives_agree_on_random_sequences() {
    check_all((0..40).map(random::alternatives));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn debconf_and_its_users_do_what_the_real_ones_do() {
    check_all(Case::parse_all(include_str!("debconf.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn services_agree() {
    check_all(Case::parse_all(include_str!("services.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn accounts_agree() {
    check_all(Case::parse_all(include_str!("accounts.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn the_maintscript_helper_works() {
    check_all(Case::parse_all(include_str!("helper.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn maintainer_scripts_that_talk_with_debconf_agree() {
    check_all(Case::parse_all(include_str!("scripts.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn systemd_agrees_where_it_is_installed() {
    check_all(Case::parse_all(include_str!("systemd.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn java_agrees_where_it_is_installed() {
    check_all(Case::parse_all(include_str!("java.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn postgresql_agrees_where_it_is_installed() {
    check_all(Case::parse_all(include_str!("postgresql.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn trust_agrees_where_it_is_installed() {
    check_family(&RPM, Case::parse_all(include_str!("trust.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn presets_agree_where_it_is_installed() {
    check_family(&RPM, Case::parse_all(include_str!("preset.cases")));
}

#[test]
#[ignore = "needs a root file system: tests/differential_commands/run makes some"]
fn sysusers_agree_where_it_is_installed() {
    check_family(&RPM, Case::parse_all(include_str!("sysusers.cases")));
}

#[test]
#[ignore = "needs a root file system of Alpine: tests/differential_commands/run unpacks some"]
fn busybox_agrees() {
    check_family(&ALPINE, Case::parse_all(include_str!("busybox.cases")));
}
