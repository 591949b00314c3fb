//! Who may call whom, held against what is written down of it.
//!
//! In come the `Cargo.toml` of the root and of every room (`src/*/Cargo.toml`) and the text of
//! `ARCHITECTURE.md`; out come faults in words. Cargo itself refuses a cycle, but not a low room
//! that calls a high one: the order of `[workspace] members` says which is which. What people
//! read must be what is there, so the list and the table in `ARCHITECTURE.md` are compared line
//! by line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// What names of rooms begin with as crates.
const PREFIX: &str = "imgfix-";

/// The root package.
const ROOT: &str = "imgfix";

/// Kinds of dependencies that are part of the program.
const NORMAL: [&str; 2] = ["dependencies", "build-dependencies"];

/// A room (or the root) and whom it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Room {
    /// Its folder below `src/`, or `imgfix`.
    name: String,
    calls: BTreeSet<String>,
    /// Whom only its tests call.
    tests_call: BTreeSet<String>,
}

impl Room {
    fn read(name: &str, manifest: &Table) -> Self {
        let tests_call = rooms_in(manifest, &["dev-dependencies"]);
        Self { name: name.to_owned(), calls: rooms_in(manifest, &NORMAL), tests_call }
    }

    /// Its line in the list.
    fn line(&self) -> String {
        let names: Vec<String> = self.calls.iter().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        format!("- `{}` calls {names}", self.name)
    }
}

/// The rooms that a manifest depends on in these sections, for whatever target.
fn rooms_in(manifest: &Table, sections: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut rooms = BTreeSet::new();
    for table in std::iter::once(manifest).chain(targets) {
        for section in sections {
            let section = table.get(*section).and_then(Value::as_table);
            for (key, value) in section.into_iter().flatten() {
                let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
                rooms.extend(package.strip_prefix(PREFIX).map(str::to_owned));
            }
        }
    }
    rooms
}

/// Whom a room calls that does not stand before it. Where there is none, there is no cycle.
fn out_of_order(rooms: &[Room]) -> Vec<String> {
    let place: BTreeMap<&str, usize> =
        rooms.iter().enumerate().map(|(at, room)| (room.name.as_str(), at)).collect();
    let mut faults = Vec::new();
    for room in rooms {
        for called in room.calls.union(&room.tests_call) {
            let before = place.get(called.as_str()).is_some_and(|at| *at < place[&*room.name]);
            if !before {
                let name = &room.name;
                faults.push(format!(
                    "`{name}` calls `{called}`, which does not stand before it in [workspace] \
                     members of Cargo.toml: give `{name}` what it needs as a value, move the code \
                     to the room that it belongs to, or, if the order is wrong, change the order"
                ));
            }
        }
    }
    faults
}

/// The lines below a heading, up to the next one of its level.
fn section<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let after = text.lines().skip_while(|line| *line != heading).skip(1);
    after.take_while(|line| !line.starts_with("## ")).collect()
}

/// How the list of who calls whom differs from what is so.
fn off_the_list(rooms: &[Room], text: &str) -> Vec<String> {
    let want: Vec<String> = rooms.iter().map(Room::line).collect();
    let section = section(text, "## Who calls whom");
    let have: Vec<&str> = section.into_iter().filter(|line| line.starts_with("- ")).collect();
    if have == want {
        return Vec::new();
    }
    let lacking = want.iter().filter(|line| !have.contains(&line.as_str()));
    let mut faults: Vec<String> = lacking.map(|line| format!("lacking: {line}")).collect();
    let wrong = have.iter().filter(|line| !want.iter().any(|one| one == *line));
    faults.extend(wrong.map(|line| format!("not so: {line}")));
    faults.push(format!(
        "the list below \"## Who calls whom\" in ARCHITECTURE.md has to be these lines, in this \
         order:\n{}",
        want.join("\n")
    ));
    faults
}

/// How the table of rooms differs from the rooms that there are.
fn off_the_table(rooms: &[Room], text: &str) -> Vec<String> {
    let lines = section(text, "## Rooms");
    let cells = lines.iter().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let cells: Vec<(&str, &str)> = cells.collect();
    let mut faults = Vec::new();
    for room in rooms {
        let of_room = cells.iter().filter(|(name, _)| *name == room.name);
        let said: Vec<&str> = of_room.map(|(_, text)| text.trim_end_matches('|').trim()).collect();
        if said.len() != 1 || said.iter().any(|text| text.len() < 10) {
            faults.push(format!(
                "`{0}` has to have one line in the table below \"## Rooms\" in ARCHITECTURE.md: \
                 | `{0}` | one or two sentences of what it is for |",
                room.name
            ));
        }
    }
    for (name, _) in cells {
        if !rooms.iter().any(|room| room.name == name) {
            faults.push(format!("`{name}` in ARCHITECTURE.md's table of rooms is none: remove it"));
        }
    }
    faults
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest(path: &str) -> Table {
    toml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn texts(manifest: &Table, key: &str) -> Vec<String> {
    let list = manifest["workspace"][key].as_array().expect("a list");
    list.iter().map(|one| one.as_str().expect("text").to_owned()).collect()
}

/// The rooms in the order of the workspace, and the root last.
fn rooms() -> Vec<Room> {
    let whole = manifest("Cargo.toml");
    let mut rooms: Vec<Room> = texts(&whole, "members")
        .iter()
        .map(|folder| {
            let name = folder.strip_prefix("src/").expect("rooms are folders of src/");
            let own = manifest(&format!("{folder}/Cargo.toml"));
            let package = own["package"]["name"].as_str();
            assert_eq!(package, Some(&*format!("{PREFIX}{name}")), "the crate of {folder}");
            Room::read(name, &own)
        })
        .collect();
    rooms.push(Room::read(ROOT, &whole));
    rooms
}

#[test]
fn every_room_is_a_member() {
    let whole = manifest("Cargo.toml");
    let members = texts(&whole, "members");
    let folders = std::fs::read_dir(root().join("src")).expect("src/");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    let folders: BTreeSet<String> = folders
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| format!("src/{}", folder.file_name().expect("a name").to_string_lossy()))
        .collect();
    assert_eq!(folders, members.iter().cloned().collect(), "[workspace] members of Cargo.toml");
    let default: Vec<String> = std::iter::once(".".to_owned()).chain(members).collect();
    assert_eq!(
        default,
        texts(&whole, "default-members"),
        "default-members: the root and all rooms"
    );
}

#[test]
fn rooms_call_only_those_before_them() {
    let faults = out_of_order(&rooms());
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_list_of_who_calls_whom_is_what_is_so() {
    let faults = off_the_list(&rooms(), &read("ARCHITECTURE.md"));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_room_has_its_line_in_the_table() {
    let faults = off_the_table(&rooms(), &read("ARCHITECTURE.md"));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Two rooms, as a workspace and a text would have them.
fn sample() -> (Vec<Room>, String) {
    let low = toml::from_str("[dependencies]\nserde.workspace = true\n").unwrap();
    let high = toml::from_str("[target.'cfg(unix)'.dependencies]\nimgfix-low.workspace = true\n");
    let rooms = vec![Room::read("low", &low), Room::read("high", &high.unwrap())];
    let text = "## Rooms\n| room | for |\n|---|---|\n| `low` | what all others need |\n\
                | `high` | what only it can do |\n\n## Who calls whom\nText.\n\
                - `low` calls nobody\n- `high` calls `low`\n\n## More\n- `x` calls `y`\n";
    (rooms, text.to_owned())
}

#[test]
fn what_is_right_has_no_fault() {
    let (rooms, text) = sample();
    assert_eq!(out_of_order(&rooms), [""; 0]);
    assert_eq!(off_the_list(&rooms, &text), [""; 0]);
    assert_eq!(off_the_table(&rooms, &text), [""; 0]);
}

#[test]
fn a_line_that_is_lacking_wrong_or_too_many_is_a_fault() {
    let (rooms, text) = sample();
    for (from, to) in [
        ("- `high` calls `low`\n", ""),
        ("- `high` calls `low`", "- `high` calls nobody"),
        ("- `low` calls nobody\n", "- `low` calls nobody\n- `old` calls `low`\n"),
        (
            "- `low` calls nobody\n- `high` calls `low`\n",
            "- `high` calls `low`\n- `low` calls nobody\n",
        ),
        ("## Who calls whom", "## Else"),
    ] {
        let faults = off_the_list(&rooms, &text.replace(from, to)).join("\n");
        assert!(faults.contains("\n- `low` calls nobody\n- `high` calls `low`"), "{to}: {faults}");
    }
    for (from, to, why) in [
        ("| `low` | what all others need |\n", "", "`low` has to have one line"),
        ("| what all others need |", "| |", "`low` has to have one line"),
        ("| `low` |", "| `old` |", "`old` in ARCHITECTURE.md"),
    ] {
        let faults = off_the_table(&rooms, &text.replace(from, to)).join("\n");
        assert!(faults.contains(why), "{to}: {faults}");
    }
}

#[test]
fn a_room_that_calls_upwards_is_a_fault() {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let text =
            format!("[{section}]\nx = {{ package = \"imgfix-high\", path = \"../high\" }}\n");
        let (mut rooms, _) = sample();
        rooms[0] = Room::read("low", &toml::from_str(&text).unwrap());
        let faults = out_of_order(&rooms).join("\n");
        assert!(faults.starts_with("`low` calls `high`, which does not"), "{section}: {faults}");
    }
}
