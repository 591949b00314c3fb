//! The settings of the command line and those of the policy file, side by side: what is on one
//! side only is named here, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Command, CommandFactory as _};

use super::Arguments;
use super::report_files::{PlanFiles, ReportFiles};
use crate::policy::KEYS;

/// Options without a key.
const OPTIONS_ONLY: &[(&str, &str)] = &[
    ("output", "where one result goes"),
    ("plan", "the plan of one run"),
    ("save", "where the plan of one run goes"),
    ("format", "how the output of one run is written"),
    ("detailed-exitcode", "what the caller of one run asks for"),
    ("report", "the reports of one run"),
    ("only", "what one run is about"),
    ("ignore", "[[ignore]] says it, with a reason"),
    ("ignore-file", "[[ignore]] says it, with a reason"),
    ("offline", "of this machine, today"),
    ("no-cache", "of this machine; cache-dir says where else"),
    ("no-network-after-fetch", "of images on this machine only"),
    ("authfile", "a login"),
    ("plain-http", "takes protection away"),
    ("insecure-skip-tls-verify", "takes protection away"),
    ("unconfined", "takes protection away"),
    ("config", "names the policy file"),
    ("no-config", "says that there is none"),
    ("verbose", "how much one run says"),
    ("quiet", "how much one run says"),
    ("color", "of the caller's terminal"),
    ("help", "clap's own"),
    ("version", "clap's own"),
];

/// Keys without an option, as the schema has them.
const KEYS_ONLY: &[(&str, &str)] = &[
    ("extends", "files over files: --config names one"),
    ("ignore", "a table: --ignore and --ignore-file"),
    ("image", "a table: a run has one image"),
    ("notify", "a table, with the names of secrets"),
    ("packages", "a table, whose keys are in the list"),
    ("replace", "a table: what it names is not for one run alone"),
    ("repositories", "a table, whose keys are in the list"),
];

/// Keys that hold for a whole file, and so not in `[[image]]`.
const NOT_OF_AN_IMAGE: &[&str] = &[
    "ca-files",
    "cache-dir",
    "cache-max-size",
    "extends",
    "ignore",
    "image",
    "notify",
    "replace",
    "repositories",
];

fn options(command: &Command) -> BTreeSet<String> {
    command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}

/// The options of `repair` and `plan`, those of every subcommand among them, but not the names of
/// the files that reports go to: each of these is of one run.
fn of_runs() -> BTreeSet<String> {
    let mut all = Arguments::command();
    all.build();
    let files = ReportFiles::augment_args(PlanFiles::augment_args(Command::new("files")));
    let files = options(&files);
    let runs = ["repair", "plan"].map(|name| options(all.find_subcommand(name).unwrap()));
    runs.into_iter().flatten().filter(|option| !files.contains(option)).collect()
}

/// The names under `properties` of the policy's schema, or of its `[[image]]`.
fn of_schema(schema: &serde_json::Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_setting_is_an_option_and_a_key_or_it_is_said_why_not() {
    let (options, exceptions): (_, BTreeMap<_, _>) =
        (of_runs(), OPTIONS_ONLY.iter().copied().collect());
    let with_key: BTreeSet<&str> = KEYS.iter().filter_map(|key| key.option).collect();
    for option in &options {
        let (key, excepted) = (with_key.contains(&**option), exceptions.contains_key(&**option));
        assert!(
            key != excepted,
            "--{option} has a key: {key}, is in OPTIONS_ONLY: {excepted}; give it a key in \
             src/policy (and KEYS), or say in OPTIONS_ONLY why it has none"
        );
    }
    for option in exceptions.keys().chain(&with_key) {
        assert!(options.contains(*option), "there is no --{option} any more");
    }
    assert!(KEYS.iter().all(|key| key.option.is_some()), "a key without an option");
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema = include_str!("../../docs/imgfix.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let mut want: BTreeSet<String> = KEYS_ONLY.iter().map(|(key, _)| (*key).to_owned()).collect();
    let (tables, plain): (Vec<&str>, Vec<&str>) =
        KEYS.iter().map(|key| key.name).partition(|name| name.contains('.'));
    want.extend(plain.into_iter().map(str::to_owned));
    assert_eq!(of_schema(&schema), want);
    for (table, key) in tables.iter().filter_map(|name| name.split_once('.')) {
        let keys = of_schema(&schema["properties"][table]);
        assert!(keys.contains(key), "{table}.{key} is not in the schema");
    }
    let number = ["packages", "repositories"].map(|table| of_schema(&schema["properties"][table]));
    assert_eq!(number.iter().map(BTreeSet::len).sum::<usize>(), tables.len());
    // What some images may have of their own: all but what holds for the file.
    want.retain(|key| !NOT_OF_AN_IMAGE.contains(&&**key));
    want.insert("match".to_owned());
    assert_eq!(of_schema(&schema["properties"]["image"]["items"]), want);
}
