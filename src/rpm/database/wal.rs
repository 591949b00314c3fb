//! SQLite's write-ahead log, played back into the database's pages
//! (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
//!
//! In come the bytes of `rpmdb.sqlite` and `rpmdb.sqlite-wal` as an image has them; out come those
//! that SQLite would read. A log that was cut off in the middle is refused: SQLite would go on with
//! less than was written, and nobody would hear of it.

use super::damage::Damage;
use super::fields::Fields;

const HEAD: usize = 32;
const FRAME_HEAD: usize = 24;
/// Its last bit says in which byte order sums are made.
const MAGIC: u32 = 0x377f_0682;
const VERSION: u32 = 3_007_000;

/// The database with all committed frames of the log in their places.
///
/// # Errors
/// A log whose head is wrong, and frames that belong to it and are cut off or have a wrong sum.
/// Frames of an earlier log, which SQLite leaves behind the end, are none of this.
pub(super) fn replay(mut database: Vec<u8>, wal: &[u8]) -> Result<Vec<u8>, Damage> {
    if wal.is_empty() {
        return Ok(database);
    }
    let log = Log::read(wal)?;
    if let Some(size) = page_size(&database)
        && size != log.page_size
    {
        let why = format!("its pages have {} bytes, those of the database {size}", log.page_size);
        return Err(Damage::invalid("write-ahead log", why));
    }
    let Some(commit) = log.frames.iter().rposition(|frame| frame.pages_after != 0) else {
        return Ok(database);
    };
    let committed = log.frames.get(..=commit).unwrap_or_default();
    let pages = committed.last().map_or(0, |frame| frame.pages_after as usize);
    // Each page that is new is in the log: a database that grows by more is not whole.
    let limit = database.len() / log.page_size + committed.len();
    if pages > limit {
        let why = format!("it says {pages} pages, and there are at most {limit}");
        return Err(Damage::invalid("write-ahead log", why));
    }
    database.resize(pages * log.page_size, 0);
    for frame in committed {
        let start = (frame.page as usize).saturating_sub(1).saturating_mul(log.page_size);
        // A page behind the end was given up by a later commit of the same log.
        if let Some(page) = database.get_mut(start..start.saturating_add(log.page_size)) {
            page.copy_from_slice(frame.content);
        }
    }
    Ok(database)
}

/// The size of the pages of a database, from its head.
pub(super) fn page_size(database: &[u8]) -> Option<usize> {
    let size: [u8; 2] = database.get(16..18)?.try_into().ok()?;
    Some(match u16::from_be_bytes(size) {
        1 => 65_536,
        size => usize::from(size),
    })
}

/// The frames that belong to the log, up to where it ends.
struct Log<'a> {
    page_size: usize,
    frames: Vec<Frame<'a>>,
}

struct Frame<'a> {
    page: u32,
    /// Of the frame that ends a transaction: how many pages the database then has.
    pages_after: u32,
    content: &'a [u8],
}

impl<'a> Log<'a> {
    fn read(wal: &'a [u8]) -> Result<Self, Damage> {
        let what = "the log's head";
        let fields = Fields::big(wal);
        let wrong = |why: &str| Damage::invalid("write-ahead log", why);
        let magic = fields.u32(0, what)?;
        if magic & !1 != MAGIC {
            return Err(wrong("it does not begin as SQLite's do"));
        }
        let version = fields.u32(4, what)?;
        if version != VERSION {
            let what = "the log's version";
            return Err(Damage::Unsupported { what, value: version.into() });
        }
        let page_size = fields.u32(8, what)? as usize;
        if !page_size.is_power_of_two() || !(512..=65_536).contains(&page_size) {
            return Err(wrong("the size of its pages is impossible"));
        }
        let salts = fields.slice(16, 8, what)?;
        let mut sum = Sum { big: magic & 1 == 1, low: 0, high: 0 };
        sum.add(fields.slice(0, 24, what)?);
        if !sum.is(fields, 24, what)? {
            return Err(wrong("the sum of its head is wrong"));
        }
        let mut frames = Vec::new();
        let mut at = HEAD;
        while at < wal.len() {
            let own = wal.get(at + 8..at + 16) == Some(salts);
            let Some(content) = wal.get(at + FRAME_HEAD..at + FRAME_HEAD + page_size) else {
                if own {
                    return Err(wrong(&format!("its last frame, at byte {at}, is cut off")));
                }
                break;
            };
            if !own {
                break;
            }
            let what = "a frame's head";
            sum.add(fields.slice(at, 8, what)?);
            sum.add(content);
            if !sum.is(fields, at + 16, what)? {
                return Err(wrong(&format!("the sum of its frame at byte {at} is wrong")));
            }
            let page = fields.u32(at, what)?;
            if page == 0 {
                return Err(wrong(&format!("its frame at byte {at} is for page 0")));
            }
            frames.push(Frame { page, pages_after: fields.u32(at + 4, what)?, content });
            at += FRAME_HEAD + page_size;
        }
        Ok(Self { page_size, frames })
    }
}

/// The running sum over the head and all frames.
struct Sum {
    big: bool,
    low: u32,
    high: u32,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let (first, second) = pair.split_at(4);
            self.low = self.low.wrapping_add(self.word(first)).wrapping_add(self.high);
            self.high = self.high.wrapping_add(self.word(second)).wrapping_add(self.low);
        }
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        let bytes = bytes.try_into().unwrap_or_default();
        if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn is(&self, fields: Fields<'_>, at: usize, what: &'static str) -> Result<bool, Damage> {
        Ok((self.low, self.high) == (fields.u32(at, what)?, fields.u32(at + 4, what)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database and its log as SQLite leaves them when it is not closed: the rows of `committed`
    /// are in the log only.
    fn files(committed: &[i64]) -> (Vec<u8>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.pragma_update(None, "journal_mode", "WAL").unwrap();
        database.execute_batch("CREATE TABLE t(a)").unwrap();
        database.execute_batch("PRAGMA wal_checkpoint = TRUNCATE").unwrap();
        for value in committed {
            database.execute("INSERT INTO t VALUES(?)", [value]).unwrap();
        }
        let log = std::fs::read(folder.path().join("x-wal")).unwrap();
        (std::fs::read(path).unwrap(), log)
    }

    fn rows(mut file: Vec<u8>) -> Vec<i64> {
        file[18..20].fill(1);
        let mut database = rusqlite::Connection::open_in_memory().unwrap();
        database.deserialize_read_exact("main", &*file, file.len(), true).unwrap();
        let mut statement = database.prepare("SELECT a FROM t").unwrap();
        statement.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_committed_in_the_log_is_in_the_database() {
        let (file, log) = files(&[1, 2, 3]);
        assert!(rows(file.clone()).is_empty());
        assert_eq!(rows(replay(file.clone(), &log).unwrap()), [1, 2, 3]);
        assert_eq!(replay(file.clone(), &[]).unwrap(), file);
    }

    #[test]
    fn a_torn_log_is_refused_wherever_it_is_torn() {
        let (file, log) = files(&[1, 2]);
        let whole = rows(replay(file.clone(), &log).unwrap());
        for length in 1..log.len() {
            match replay(file.clone(), &log[..length]) {
                // Cut off between two frames, or before a frame says whose it is.
                Ok(read) if (length - HEAD) % (FRAME_HEAD + 4096) < 16 => {
                    assert!(whole.starts_with(&rows(read)), "{length}");
                }
                Ok(_) => panic!("{length} bytes of {} were read", log.len()),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        for at in [0, 5, 9, 20, 30, HEAD + 3, HEAD + 17, HEAD + 100, log.len() - 1] {
            let mut log = log.clone();
            log[at] ^= 1;
            assert!(replay(file.clone(), &log).is_err(), "byte {at}");
        }
    }

    #[test]
    fn frames_of_an_earlier_log_are_leftovers() {
        let (file, mut log) = files(&[1, 2]);
        let second = HEAD + FRAME_HEAD + 4096;
        log[second + 8..second + 16].fill(7);
        assert_eq!(rows(replay(file, &log).unwrap()), [1]);
    }
}
