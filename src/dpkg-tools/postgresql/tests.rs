//! The programs over a small image. Compared with the real ones by
//! `tests/differential_commands` (`postgresql.cases`).

use super::COMMANDS;
use imgfix_tools::testing::{Image, run};

const CONFIGURATION: &str = "/etc/postgresql/15/main/postgresql.conf=# a comment\n\
    data_directory = '/data/15'\t# elsewhere\nPort = 5433\n\
    cluster_name '15/it''s'\nexternal_pid_file = '/var/run/postgresql/15-main.pid'\n\
    include_dir = 'conf.d'\n";

fn image(more: &[&str]) -> Image {
    let base = [
        "/etc/passwd=root:x:0:0::/:/bin/sh\n",
        "/usr/lib/postgresql/15/bin/",
        "/usr/lib/postgresql/none/bin/",
        "/data/15/postgresql.auto.conf=work_mem = '8MB'\ndata_directory = '/wrong'\n",
        "/etc/postgresql/15/main/conf.d/b.conf=ssl = yes\n",
        "/etc/postgresql/15/main/conf.d/readme=not read\n",
        "/var/run/postgresql/",
        CONFIGURATION,
    ];
    Image::with(&[&base, more].concat(), COMMANDS)
}

#[test]
fn clusters_are_listed_by_their_files() {
    let mut image = image(&[]);
    assert_eq!(run(&mut image, "pg_lsclusters -h"), 0);
    let row = "15 main 5433 down,binaries_missing root /data/15 \
               /var/log/postgresql/postgresql-15-main.log\n";
    assert_eq!(image.output(), row);
    let mut none = Image::with(&["/etc/postgresql/"], COMMANDS);
    assert_eq!(run(&mut none, "pg_lsclusters -h"), 0);
    assert_eq!(none.output(), "");
}

#[test]
fn a_server_that_may_run_is_a_stop() {
    let mut running = image(&["/var/run/postgresql/15-main.pid=17\n"]);
    assert_eq!(
        running.stop("pg_lsclusters -h"),
        "pg_lsclusters with /var/run/postgresql/15-main.pid, of a server that may run"
    );
}

#[test]
fn parameters_are_shown() {
    let mut image = image(&["/etc/common.conf=on = off\nodd = 'a\\'b'\n"]);
    for (line, status, output) in [
        ("pg_conftool -s 15 main show data_directory", 0, "/data/15\n"),
        ("pg_conftool 15 main show work_mem", 0, "work_mem = 8MB\n"),
        ("pg_conftool 15 main show cluster_name", 0, "cluster_name = '15/it''s'\n"),
        ("pg_conftool 15 main show -bs ssl", 0, "on\n"),
        ("pg_conftool 15 main show none", 1, ""),
        ("pg_conftool /etc/common.conf show -s odd", 0, "a'b\n"),
        ("pg_conftool /etc/none.conf show -bs create_main_cluster", 1, ""),
    ] {
        assert_eq!(run(&mut image, line), status, "{line}");
        assert_eq!(image.output(), output, "{line}");
    }
    assert!(image.stop("pg_conftool 15 main set ssl off").contains("another call"));
    assert!(image.stop("pg_conftool 15 other show ssl").contains("the missing cluster 15 other"));
}

#[test]
fn configuration_that_the_programs_fail_on_is_a_stop() {
    let mut image = image(&["/etc/odd.conf=x = 'open\n", "/etc/l.conf=include 'l.conf'\n"]);
    assert!(image.stop("pg_conftool /etc/odd.conf show x").contains("the line x = 'open in"));
    assert!(image.stop("pg_conftool /etc/l.conf show x").contains("include each other"));
}

#[test]
fn upgrade_scripts_are_none() {
    let folder = "/usr/share/postgresql-common/upgrade-scripts";
    let mut image = image(&[&format!("{folder}/SPECIFICATION=text")]);
    let line = "/usr/share/postgresql-common/run-upgrade-scripts 248";
    assert_eq!(run(&mut image, line), 0);
    assert_eq!(run(&mut image, "/usr/share/postgresql-common/pg_checksystem"), 0);
    let mut with = self::image(&[&format!("{folder}/150_fix_t0.sql=text")]);
    assert!(with.stop(line).contains("the upgrade script 150_fix_t0.sql"));
}
