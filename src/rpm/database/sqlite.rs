//! `rpmdb.sqlite`: the packages in SQLite's format (rpm's default since 4.17; rpm's source
//! `lib/backend/sqlite.cc`).
//!
//! SQLite itself reads it, from memory: it sees neither a path nor a file. What strangers wrote is
//! held back in three ways: the schema has to be rpm's to the letter, so that no view, trigger or
//! virtual table is ever run; SQLite's own check of all pages goes first; and work is counted.

use bytes::Bytes;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, params};

use super::change::{Change, not_there, with_file_state};
use super::damage::Damage;
use super::index::{INDEXES, Index};
use super::{MAX_PACKAGES, Record, check_blob, in_order, wal};
use crate::header::Header;

/// The write-ahead log beside the database.
pub const WAL: &str = "rpmdb.sqlite-wal";
/// The head's two bytes that say how the file is written: 1 with a rollback journal, 2 with a
/// write-ahead log.
const VERSIONS: std::ops::Range<usize> = 18..20;
/// Steps of SQLite's machine between two looks at the budget.
const STEPS: std::ffi::c_int = 10_000;

/// `rpmdb.sqlite` with what the write-ahead log beside it says.
///
/// # Errors
/// Of the log, which is torn or belongs to another database.
pub fn with_log(file: Bytes, log: Option<&[u8]>) -> Result<Bytes, Damage> {
    match log {
        None | Some([]) => Ok(file),
        Some(log) => wal::replay(file.into(), log).map(Bytes::from),
    }
}

/// The packages of a whole database.
///
/// # Errors
/// Damaged pages, a schema that is not rpm's, SQLite's own errors.
pub fn records(file: Bytes) -> Result<Vec<Record>, Damage> {
    let database = open(file.into(), Access::Read)?;
    let mut statement = database.prepare("SELECT hnum, blob FROM Packages ORDER BY hnum")?;
    let mut rows = statement.query(())?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        if records.len() == MAX_PACKAGES {
            return Err(Damage::TooMany { what: "packages", limit: MAX_PACKAGES });
        }
        let (number, blob) = (row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?);
        let number = u32::try_from(number)
            .map_err(|_| Damage::invalid("Packages", format!("hnum is {number}")))?;
        check_blob(number, &blob)?;
        records.push(Record { number, blob: blob.into() });
    }
    in_order(records)
}

/// The database after changes, and the numbers of the headers that were added.
///
/// The log beside it, which is in it then, has to be empty. SQLite makes the same changes in the same
/// order as in rpm's hands, so that pages are used and left as there; the head names the SQLite
/// that the image has.
///
/// # Errors
/// As [`records`]; a package is taken away that is not there.
pub fn changed(file: Bytes, changes: &[Change]) -> Result<(Vec<u8>, Vec<u32>), Damage> {
    let file = Vec::from(file);
    let head: Vec<u8> = file.get(..100).unwrap_or_default().to_vec();
    let mut database = open(file, Access::Write)?;
    let budget: Option<fn() -> bool> = None;
    database.progress_handler(STEPS, budget)?;
    let transaction = database.transaction()?;
    make_tables(&transaction)?;
    let mut numbers = Vec::new();
    for change in changes {
        match change {
            Change::Erase(number) => erase(&transaction, *number)?,
            Change::Add(header) => numbers.push(add(&transaction, header)?),
            Change::FileState { number, file, state } => {
                set_file_state(&transaction, *number, *file, *state)?;
            }
        }
    }
    transaction.commit()?;
    let mut file = database.serialize("main")?.to_vec();
    set_head(&mut file, &head);
    Ok((file, numbers))
}

/// What rpm makes when it opens a database in which a table or an index is missing.
fn make_tables(database: &Connection) -> Result<(), Damage> {
    for Index { name, text, array, .. } in INDEXES {
        let key = if text { "TEXT" } else { "BLOB" };
        database.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS '{name}' (key '{key}' NOT NULL, hnum INTEGER NOT NULL, \
             idx INTEGER NOT NULL, FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
        ))?;
        for column in text.then_some("key").into_iter().chain(array.then_some("hnum")) {
            database.execute_batch(&format!(
                "CREATE INDEX IF NOT EXISTS '{name}_{column}_idx' ON '{name}'({column} ASC)"
            ))?;
        }
    }
    Ok(())
}

fn add(database: &Connection, header: &Header) -> Result<u32, Damage> {
    let blob: &[u8] = header.blob();
    database.prepare("INSERT INTO Packages VALUES(NULL, ?)")?.execute(params![blob])?;
    let number = database.last_insert_rowid();
    let number = u32::try_from(number)
        .map_err(|_| Damage::invalid("Packages", format!("the next number is {number}")))?;
    for index in INDEXES {
        let sql = format!("INSERT INTO '{}' VALUES(?, ?, ?)", index.name);
        let mut insert = database.prepare(&sql)?;
        for entry in index.entries(header, false) {
            let key: &[u8] = &entry.key;
            let key = if index.text { ValueRef::Text(key) } else { ValueRef::Blob(key) };
            insert.execute(params![ToSqlOutput::Borrowed(key), number, entry.place])?;
        }
    }
    Ok(number)
}

fn erase(database: &Connection, number: u32) -> Result<(), Damage> {
    let delete = |table: &str| {
        let sql = format!("DELETE FROM '{table}' WHERE hnum=?");
        database.prepare(&sql)?.execute([number])
    };
    if delete("Packages")? == 0 {
        return Err(Damage::invalid(format!("package {number}"), "it is not there"));
    }
    for index in INDEXES {
        delete(index.name)?;
    }
    Ok(())
}

fn set_file_state(
    database: &Connection,
    number: u32,
    file: usize,
    state: u8,
) -> Result<(), Damage> {
    let mut select = database.prepare("SELECT blob FROM Packages WHERE hnum=?")?;
    let blob: Vec<u8> =
        select.query_row([number], |row| row.get(0)).map_err(|_| not_there(number))?;
    let blob = with_file_state(number, blob.into(), file, state)?;
    let mut update = database.prepare("UPDATE Packages SET blob=? WHERE hnum=?")?;
    update.execute(params![&blob[..], number])?;
    Ok(())
}

/// The head as the image's SQLite would have left it: with a log, and one change later.
fn set_head(file: &mut [u8], before: &[u8]) {
    let mut set = |at: usize, bytes: &[u8]| {
        if let Some(place) = file.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    let counter = before.get(24..28).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let counter = u32::from_be_bytes(counter.unwrap_or_default()).wrapping_add(1).to_be_bytes();
    set(VERSIONS.start, &[2, 2]);
    set(24, &counter);
    set(92, &counter);
    set(96, before.get(96..100).unwrap_or_default());
}

/// What is done with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// A database in memory, checked: its head, its schema, and all of its pages.
fn open(mut file: Vec<u8>, access: Access) -> Result<Connection, Damage> {
    check_head(&file)?;
    // A database in memory has no log.
    if let Some(versions) = file.get_mut(VERSIONS) {
        versions.fill(1);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_in_memory_with_flags(flags)?;
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // As rpm: a package goes before its rows in the other tables do.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
    ] {
        database.set_db_config(setting, value)?;
    }
    let mut budget = 1_000 + file.len() / 256;
    let count = move || {
        budget = budget.saturating_sub(1);
        budget == 0
    };
    database.progress_handler(STEPS, Some(count))?;
    database.deserialize_read_exact("main", &*file, file.len(), access == Access::Read)?;
    drop(file);
    check_schema(&database)?;
    check_pages(&database)?;
    Ok(database)
}

/// The head is SQLite's, and its pages are all there.
fn check_head(file: &[u8]) -> Result<(), Damage> {
    let wrong = |why: String| Damage::invalid("head", why);
    if !file.starts_with(b"SQLite format 3\0") || file.len() < 100 {
        return Err(wrong("it is none of an SQLite database".into()));
    }
    let size = wal::page_size(file).unwrap_or(0);
    if !size.is_power_of_two() || size < 512 || !file.len().is_multiple_of(size) {
        return Err(wrong(format!("{} bytes are not whole pages of {size} bytes", file.len())));
    }
    let fields = super::fields::Fields::big(file);
    let pages = fields.u32(28, "the head")? as usize;
    // A writer that knows of the field keeps the two counters equal (fileformat2.html, 1.3.7).
    let known = fields.u32(24, "the head")? == fields.u32(92, "the head")?;
    if known && pages != file.len() / size {
        return Err(wrong(format!("it says {pages} pages, and there are {}", file.len() / size)));
    }
    Ok(())
}

/// Every table and index is one that rpm (or SQLite for it) makes, to the letter.
fn check_schema(database: &Connection) -> Result<(), Damage> {
    let mut statement =
        database.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")?;
    let mut rows = statement.query(())?;
    let mut packages = false;
    while let Some(row) = rows.next()? {
        let (kind, name, table): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sql: Option<String> = row.get(3)?;
        if !is_known(&kind, &name, &table, sql.as_deref().unwrap_or_default()) {
            return Err(Damage::invalid(
                "schema",
                format!("rpm makes no {kind} {name:?} like this"),
            ));
        }
        packages |= name == "Packages";
    }
    if !packages {
        return Err(Damage::invalid("schema", "there is no table Packages"));
    }
    Ok(())
}

/// Whether rpm makes this table or index.
fn is_known(kind: &str, name: &str, table: &str, sql: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match (kind, name) {
        ("table", "Packages") => {
            sql == "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,\
                    blob BLOB NOT NULL)"
        }
        ("table", "sqlite_sequence") => sql == "CREATE TABLE sqlite_sequence(name,seq)",
        ("table", "sqlite_stat1") => sql == "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
        ("table", "sqlite_stat4") => {
            sql == "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"
        }
        ("table", name) => {
            plain(name)
                && ["TEXT", "BLOB"].iter().any(|key| {
                    sql == format!(
                        "CREATE TABLE '{name}' (key '{key}' NOT NULL, hnum INTEGER NOT NULL, \
                         idx INTEGER NOT NULL, FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))"
                    )
                })
        }
        ("index", name) => {
            plain(table)
                && ["key", "hnum"].iter().any(|column| {
                    name == format!("{table}_{column}_idx")
                        && sql == format!("CREATE INDEX '{name}' ON '{table}'({column} ASC)")
                })
        }
        _ => false,
    }
}

/// All pages are used once, and the indexes have what the tables have.
fn check_pages(database: &Connection) -> Result<(), Damage> {
    let mut statement = database.prepare("PRAGMA integrity_check(1)")?;
    let found: String = statement.query_row((), |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(Damage::invalid("SQLite's check of the pages", found.replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: &str =
        "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)";

    /// A database as `sql` makes it.
    fn file(sql: &[&str]) -> Vec<u8> {
        let mut database = Connection::open_in_memory().unwrap();
        for statement in sql {
            database.execute_batch(statement).unwrap();
        }
        database.serialize("main").unwrap().to_vec()
    }

    fn error(file: Vec<u8>) -> String {
        records(file.into()).unwrap_err().to_string()
    }

    #[test]
    fn a_package_is_its_number_and_its_blob() {
        let file = file(&[PACKAGES, "INSERT INTO Packages VALUES(7, x'0000000000000000')"]);
        let expected = Record { number: 7, blob: vec![0; 8].into() };
        assert_eq!(records(file.into()).unwrap(), [expected]);
    }

    #[test]
    fn a_schema_that_is_not_rpms_is_refused() {
        for sql in [
            "CREATE VIEW v AS SELECT * FROM Packages",
            "CREATE TRIGGER t AFTER INSERT ON Packages BEGIN DELETE FROM Packages; END",
            "CREATE VIRTUAL TABLE f USING fts5(x)",
            "CREATE TABLE Name (key, hnum, idx)",
            "CREATE INDEX i ON Packages(length(blob))",
        ] {
            let error = error(file(&[PACKAGES, sql]));
            assert!(error.starts_with("schema: rpm makes no "), "{sql}: {error}");
        }
        assert_eq!(
            error(file(&["CREATE TABLE 'x' (y)"])),
            "schema: rpm makes no table \"x\" like this"
        );
    }

    #[test]
    fn blobs_and_numbers_that_rpm_does_not_write_are_refused() {
        for (row, expected) in [
            ("1, x'00'", "the file ends before a header's count of entries, at byte 0"),
            (
                "1, x'000000010000000000'",
                "header of package 1: it has 9 bytes, and its counts say 24",
            ),
            ("-1, x'0000000000000000'", "Packages: hnum is -1"),
            ("0, x'0000000000000000'", "package 0: packages are counted from 1"),
            ("1, 'text'", "SQLite: Invalid column type Text at index: 1, name: blob"),
        ] {
            let insert = format!("INSERT INTO Packages VALUES({row})");
            assert_eq!(error(file(&[PACKAGES, &insert])), expected);
        }
    }

    #[test]
    fn damaged_pages_are_refused() {
        let insert = "INSERT INTO Packages VALUES(1, zeroblob(9000))";
        let whole = file(&[PACKAGES, insert]);
        assert!(error(whole[..whole.len() - 1].to_vec()).starts_with("head: "));
        assert!(error(whole[..whole.len() - 4096].to_vec()).contains("head: it says"));
        for at in (100..whole.len()).step_by(4096) {
            let mut damaged = whole.clone();
            let end = (at + 8).min(damaged.len());
            damaged[at..end].fill(0xff);
            assert!(records(damaged.into()).is_err(), "byte {at}");
        }
    }
}
