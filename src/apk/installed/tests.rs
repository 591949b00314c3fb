//! The installed database, as apk writes it and as it should not be.

use proptest::prelude::*;

use super::*;

const ALPINE_3_14: &[u8] = include_bytes!("../../../fixtures/apk/alpine-3.14.10/installed");
const ALPINE_3_20: &[u8] = include_bytes!("../../../fixtures/apk/alpine-3.20.3/installed");

const APK_3_BEFORE: &[u8] = include_bytes!("../../../fixtures/apk/apk-3.0.6/before/installed");
const APK_3_AFTER: &[u8] = include_bytes!("../../../fixtures/apk/apk-3.0.6/after/installed");

/// Every field, as apk 2.14 writes it.
const ALL_FIELDS: &str = "C:Q1yY8lhMF1VhgegJgkcXfqaNabDJw=\nP:b\nV:1.0-r0\nA:x86_64\nS:1\n\
    I:2\nT:d\nU:u\nL:l\no:o\nm:m\nt:3\nc:c\nk:4\nD:z !y\np:so:x=1 cmd:y\ni:z\n\
    r:other another<2\nq:5\ns:edge\nf:fsxS\n\
    F:\nM:0:0:1777:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nR:file\n\
    a:1:2:4755:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nZ:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n\
    F:usr/bin\nR:.hidden\n\n";

fn parse(text: &str) -> InstalledDatabase {
    InstalledDatabase::parse(text.as_bytes()).unwrap()
}

fn written(text: &str) -> String {
    String::from_utf8(parse(text).write()).unwrap()
}

fn error(text: &str) -> String {
    InstalledDatabase::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn real_databases_are_written_as_they_were_read() {
    for (bytes, order, packages) in
        [(ALPINE_3_14, RecordOrder::List, 14), (ALPINE_3_20, RecordOrder::Sorted, 14)]
    {
        let database = InstalledDatabase::parse(bytes).unwrap();
        assert_eq!((database.order, database.packages.len()), (order, packages));
        assert!(database.write() == bytes, "{order:?}");
    }
}

#[test]
fn databases_of_apk_3_are_written_as_they_were_read() {
    for bytes in [APK_3_BEFORE, APK_3_AFTER] {
        let database = InstalledDatabase::parse(bytes).unwrap();
        assert_eq!(database.generation, Generation::Apk3);
        assert!(database.write() == bytes);
    }
}

#[test]
fn what_only_apk_3_knows_is_read_and_written_for_it() {
    let header = |name: &str| format!("P:{name}\nV:3.0-r0\nS:0\nI:0\nT:\nU:\nL:\n");
    let apk = header("apk-tools") + "F:sbin\nR:apk\n\n";
    let more = "g:one two\nr:z\ns:edge\nf:S\n";
    for (body, want) in [
        (format!("{more}F:etc\n"), format!("{more}F:etc\n")),
        // fields of apk 3's buffer are lost without a directory
        (more.to_owned(), "g:one two\n".to_owned()),
        // files are sorted by the bytes of their names
        ("F:a\nR:b\nR:B\nF:c\nF:a\nR:a\n".to_owned(), "F:a\nR:B\nR:a\nR:b\nF:c\n".to_owned()),
    ] {
        let text = header("a") + &body + "\n" + &apk;
        assert_eq!(written(&text), header("a") + &want + "\n" + &apk);
    }
    let checksum = "Z:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n";
    let database = parse(&(header("a") + "f:S\nF:etc\nR:x\n" + checksum + "\n" + &apk));
    let identity = database.packages[0].directories[0].files[0].identity.unwrap();
    assert!(matches!(identity, Identity::Sha256Cut(_)));
    // apk 2 does not know the tags
    let of_apk_2 = parse(&(header("a") + "g:one\nF:etc\n\n"));
    assert_eq!(of_apk_2.packages[0].tags, Vec::<String>::new());
}

#[test]
fn every_field_is_read_and_written() {
    assert_eq!(written(ALL_FIELDS), ALL_FIELDS);
    let database = parse(ALL_FIELDS);
    let package = database.get("b").unwrap();
    assert_eq!(package.replaces_priority, Some(5));
    assert_eq!(package.repository_tag.as_deref(), Some("edge"));
    let files: Vec<String> = package.files().map(|(path, _)| path.to_string()).collect();
    assert_eq!(files, ["/file", "/usr/bin/.hidden"]);
    let attributes = package.directories[0].files[0].attributes;
    assert_eq!((attributes.uid, attributes.gid, attributes.mode), (1, 2, 0o4755));
}

#[test]
fn what_apk_corrects_is_corrected() {
    let header = |name: &str| format!("P:{name}\nV:1\nS:0\nI:0\nT:\nU:\nL:\n");
    for (body, want) in [
        // what apk takes for granted is not written
        ("F:etc\nM:0:0:755\nR:x\na:0:0:0644\n", "F:etc\nR:x\n"),
        // a directory that comes again goes on
        ("F:etc\nR:x\nF:var\nF:etc/\nR:y\n", "F:etc\nR:x\nR:y\nF:var\n"),
        // a file that comes again is the same
        ("F:etc\nR:x\nR:x\na:1:1:600\n", "F:etc\nR:x\na:1:1:600\n"),
        // what is unknown is dropped before the fields that only this database has
        ("x:1\nX:1\nF:etc\n", "F:etc\n"),
        ("q:0\nf:S\ns:@edge\nF:etc\n", "s:edge\nf:S\nF:etc\n"),
    ] {
        assert_eq!(written(&(header("a") + body)), header("a") + want + "\n", "{body}");
    }
    // of two owners the first stays, with what the second says of it
    let two = format!("{}F:e\nR:x\n\n{}F:e\nR:x\na:0:0:600\n\n", header("a"), header("b"));
    let want = format!("{}F:e\nR:x\na:0:0:600\n\n{}F:e\n\n", header("a"), header("b"));
    assert_eq!(written(&two), want);
}

#[test]
fn the_order_is_that_of_the_images_apk() {
    let database = |tools: &str| format!("P:Zed\nV:1\n\nP:ab\nV:1\n\nP:aB\nV:1\n\n{tools}");
    let names = |text: &str| {
        let again = parse(&written(text));
        let names = again.packages.iter().map(|package| package.name().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    for (tools, want) in [
        ("P:apk-tools\nV:2.12.7-r4\n", "Zed ab aB apk-tools"),
        ("P:apk-tools\nV:2.14.0_rc1-r0\n", "aB ab apk-tools Zed"),
        ("P:apk-tools\nV:2.14.4-r0\n", "aB ab apk-tools Zed"),
        ("P:apk-tools\nV:3.0.0-r0\n", "aB ab apk-tools Zed"),
        ("P:other\nV:1\n", "Zed ab aB other"),
    ] {
        assert_eq!(names(&database(tools)), want, "{tools}");
    }
    assert_eq!(parse("P:a\nV:1\n\nP:B\nV:1\n\n").order, RecordOrder::Sorted);
}

#[test]
fn what_is_not_understood_is_an_error_with_its_line() {
    for (text, want) in [
        ("P:a\nnonsense\n", "line 2: \"nonsense\" is not a field"),
        ("P:a\nV:1\nS:-1\n", "line 3: field S: \"-1\" is not a number"),
        ("P:a\nV:1\nF:etc\nx:1\n", "line 4: apk knows no field x"),
        ("P:a\nV:1\nR:x\n", "line 3: field R comes before the directory (F)"),
        ("P:a\nV:1\nM:0:0:755\n", "line 3: field M comes before the directory (F)"),
        ("P:a\nV:1\nF:etc\nZ:Q1\n", "line 4: field Z: \"Q1\" is not a checksum"),
        ("P:a\nV:1\nF:etc\na:0:0:644\n", "line 4: field a comes before the file (R)"),
        ("V:1\nF:etc\n", "line 2: field F comes before the package (P)"),
        ("P:a\n\n", "line 2: the record that ends here has no version (V)"),
        ("V:1\n\n", "line 2: the record that ends here has no name (P)"),
        ("P:a\nV:1\nF:a/../../etc\n", "'..' component"),
        ("P:a\nV:1\nF:etc\nR:../passwd\n", "line 4: \"../passwd\" is not the name of a file"),
        ("P:a\nV:1\nF:etc\nR:..\n", "line 4: \"..\" is not the name of a file"),
        ("P:a\nV:1\nF:etc\nM:0:0:9\n", "\"0:0:9\" is not owner, group and mode"),
        ("P:a\nV:1\nF:etc\nM:0:0\n", "\"0:0\" is not owner, group and mode"),
        ("P:a\nV:1\nf:q\n", "line 3: \"q\" is not a mark"),
        ("P:a\nV:1\n\nP:a\nV:2\n\n", "line 6: package a is recorded a second time (the first"),
    ] {
        let error = error(text);
        assert!(error.contains(want), "{text}: {error}");
    }
    let latin1 = InstalledDatabase::parse(b"P:a\nT:\xe9\n").unwrap_err();
    assert_eq!((latin1.line, latin1.problem), (2, Problem::Encoding));
}

#[test]
fn file_names_are_bytes() {
    let text = b"P:a\nV:1\nS:0\nI:0\nT:\nU:\nL:\nF:\xe9tc\nR:\xff\n\n";
    assert_eq!(InstalledDatabase::parse(text).unwrap().write(), text);
}

fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[CPVASITULomtckDpirqsfFMRaZx]:[ -~]{0,8}",
        "P:[a-c.]{1,2}",
        "V:[0-9]",
        "F:(|etc|etc/|var/../x|usr/bin)",
        "R:[a-c/.]{1,2}",
        "[Ma]:[0-2]:[0-2]:[0-7]{3,4}",
        Just("Z:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=".to_owned()),
        Just(String::new()),
    ]
}

#[test]
fn more_lines_than_any_image_has_are_refused() {
    let mut text = b"P:a\nV:1\nF:etc\n".to_vec();
    text.resize(text.len() + MAX_LINES, b'\n');
    let error = InstalledDatabase::parse(&text).unwrap_err();
    assert!(error.to_string().contains("more than 4000000 lines"), "{error}");
}

proptest! {
    #[test]
    fn what_was_written_is_read_and_written_the_same(
        lines in proptest::collection::vec(any_line(), 0..24),
    ) {
        if let Ok(database) = InstalledDatabase::parse(lines.join("\n").as_bytes()) {
            let once = database.write();
            prop_assert_eq!(InstalledDatabase::parse(&once).unwrap().write(), once);
        }
    }

    #[test]
    fn a_line_changed_in_a_real_database_never_panics(
        at in 0..ALPINE_3_20.len(), byte: u8,
    ) {
        let mut bytes = ALPINE_3_20.to_vec();
        bytes[at] = byte;
        if let Ok(database) = InstalledDatabase::parse(&bytes) {
            let once = database.write();
            prop_assert_eq!(InstalledDatabase::parse(&once).unwrap().write(), once);
        }
    }
}
