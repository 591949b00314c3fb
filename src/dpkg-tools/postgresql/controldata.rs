//! `pg_controldata`: what the file `global/pg_control` of a data folder says.
//!
//! The file is the structure `ControlFileData` in memory (`catalog/pg_control.h`): little-endian
//! as on all architectures that Debian has PostgreSQL's packages of and imgfix knows, of the
//! formats of PostgreSQL 13 to 16 and of 17, which differ in nothing that is shown.

use bstr::ByteSlice as _;
use time::OffsetDateTime;

use crate::files::read_optional;
use imgfix_shell::{Process, Status};

const FORMATS: [u32; 2] = [1300, 1700];
/// Where the checksum is: behind everything else.
const CHECKSUM: usize = 288;
const SEGMENT_SIZE: usize = 228;

/// How a field is shown.
#[derive(Debug, Clone, Copy)]
enum Show {
    U32,
    I32,
    U64,
    /// A place in the log: two halves in hexadecimal.
    Lsn,
    /// Epoch and number of a transaction.
    Transaction,
    Time,
    State,
    Level,
    Switch,
    Answer,
    Passing,
    /// The log file of a place and a time line (at the second offset).
    LogFile(usize),
    Nonce,
    Fixed(&'static str),
}

const FIELDS: &[(&str, usize, Show)] = &[
    ("pg_control version number:", 8, Show::U32),
    ("Catalog version number:", 12, Show::U32),
    ("Database system identifier:", 0, Show::U64),
    ("Database cluster state:", 16, Show::State),
    ("pg_control last modified:", 24, Show::Time),
    ("Latest checkpoint location:", 32, Show::Lsn),
    ("Latest checkpoint's REDO location:", 40, Show::Lsn),
    ("Latest checkpoint's REDO WAL file:", 40, Show::LogFile(48)),
    ("Latest checkpoint's TimeLineID:", 48, Show::U32),
    ("Latest checkpoint's PrevTimeLineID:", 52, Show::U32),
    ("Latest checkpoint's full_page_writes:", 56, Show::Switch),
    ("Latest checkpoint's NextXID:", 64, Show::Transaction),
    ("Latest checkpoint's NextOID:", 72, Show::U32),
    ("Latest checkpoint's NextMultiXactId:", 76, Show::U32),
    ("Latest checkpoint's NextMultiOffset:", 80, Show::U32),
    ("Latest checkpoint's oldestXID:", 84, Show::U32),
    ("Latest checkpoint's oldestXID's DB:", 88, Show::U32),
    ("Latest checkpoint's oldestActiveXID:", 120, Show::U32),
    ("Latest checkpoint's oldestMultiXid:", 92, Show::U32),
    ("Latest checkpoint's oldestMulti's DB:", 96, Show::U32),
    ("Latest checkpoint's oldestCommitTsXid:", 112, Show::U32),
    ("Latest checkpoint's newestCommitTsXid:", 116, Show::U32),
    ("Time of latest checkpoint:", 104, Show::Time),
    ("Fake LSN counter for unlogged rels:", 128, Show::Lsn),
    ("Minimum recovery ending location:", 136, Show::Lsn),
    ("Min recovery ending loc's timeline:", 144, Show::U32),
    ("Backup start location:", 152, Show::Lsn),
    ("Backup end location:", 160, Show::Lsn),
    ("End-of-backup record required:", 168, Show::Answer),
    ("wal_level setting:", 172, Show::Level),
    ("wal_log_hints setting:", 176, Show::Switch),
    ("max_connections setting:", 180, Show::I32),
    ("max_worker_processes setting:", 184, Show::I32),
    ("max_wal_senders setting:", 188, Show::I32),
    ("max_prepared_xacts setting:", 192, Show::I32),
    ("max_locks_per_xact setting:", 196, Show::I32),
    ("track_commit_timestamp setting:", 200, Show::Switch),
    ("Maximum data alignment:", 204, Show::U32),
    ("Database block size:", 216, Show::U32),
    ("Blocks per segment of large relation:", 220, Show::U32),
    ("WAL block size:", 224, Show::U32),
    ("Bytes per WAL segment:", SEGMENT_SIZE, Show::U32),
    ("Maximum length of identifiers:", 232, Show::U32),
    ("Maximum columns in an index:", 236, Show::U32),
    ("Maximum size of a TOAST chunk:", 240, Show::U32),
    ("Size of a large-object chunk:", 244, Show::U32),
    ("Date/time type storage:", 0, Show::Fixed("64-bit integers")),
    ("Float8 argument passing:", 248, Show::Passing),
    ("Data page checksum version:", 252, Show::U32),
    ("Mock authentication nonce:", 256, Show::Nonce),
];

const STATES: [&str; 7] = [
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
];

const LEVELS: [&str; 3] = ["minimal", "replica", "logical"];

/// `[-D] FOLDER`.
///
/// # Errors
/// Another call; a file of another format or a damaged one.
pub fn run(process: &mut Process<'_>) -> Status {
    let words = process.arguments().to_vec();
    let folder = match words.as_slice() {
        [folder] if !folder.starts_with(b"-") => folder,
        [option, folder] if option == "-D" => folder,
        _ => return Err(process.unsupported("another call than FOLDER")),
    };
    let path = [&folder[..], b"/global/pg_control"].concat();
    let Some(file) = read_optional(process, &path)? else {
        let path = path.to_str_lossy().into_owned();
        let text = format!("could not open file \"{path}\" for reading: No such file or directory");
        process.complain(format!("error: {text}"))?;
        return Ok(1);
    };
    let Some(text) = describe(&file) else {
        let path = path.to_str_lossy().into_owned();
        return Err(process.unsupported(format!("the format of {path}")));
    };
    process.print(text)?;
    Ok(0)
}

/// The lines; `None` for another format, or when the checksum is wrong.
fn describe(file: &[u8]) -> Option<String> {
    let sum = u32::from_le_bytes(array(file, CHECKSUM)?);
    let known = FORMATS.contains(&u32::from_le_bytes(array(file, 8)?));
    if !known || checksum(file.get(..CHECKSUM)?) != sum {
        return None;
    }
    let mut text = String::new();
    for (label, offset, show) in FIELDS {
        text += &format!("{label:<38}{}\n", field(file, *offset, *show)?);
    }
    Some(text)
}

fn field(file: &[u8], offset: usize, show: Show) -> Option<String> {
    let number = || Some(u32::from_le_bytes(array(file, offset)?));
    let long = || Some(u64::from_le_bytes(array(file, offset)?));
    let switch = |on: &str, off: &str| {
        let is_on = *file.get(offset)? != 0;
        Some(if is_on { on } else { off }.to_owned())
    };
    let name = |names: &[&str]| Some((*names.get(usize::try_from(number()?).ok()?)?).to_owned());
    Some(match show {
        Show::U32 => number()?.to_string(),
        Show::I32 => i32::from_le_bytes(array(file, offset)?).to_string(),
        Show::U64 => long()?.to_string(),
        Show::Lsn => format!("{:X}/{:X}", long()? >> 32, long()? & 0xffff_ffff),
        Show::Transaction => format!("{}:{}", long()? >> 32, long()? & 0xffff_ffff),
        Show::Time => time(i64::from_le_bytes(array(file, offset)?))?,
        Show::State => name(&STATES)?,
        Show::Level => name(&LEVELS)?,
        Show::Switch => switch("on", "off")?,
        Show::Answer => switch("yes", "no")?,
        Show::Passing => switch("by value", "by reference")?,
        Show::LogFile(line) => {
            let size = u64::from(u32::from_le_bytes(array(file, SEGMENT_SIZE)?));
            let segment = long()?.checked_div(size)?;
            let per_file = 0x1_0000_0000_u64.checked_div(size)?;
            let line = u32::from_le_bytes(array(file, line)?);
            let (high, low) = (segment.checked_div(per_file)?, segment.checked_rem(per_file)?);
            format!("{line:08X}{high:08X}{low:08X}")
        }
        Show::Nonce => {
            let nonce: [u8; 32] = array(file, offset)?;
            imgfix_model::hex::encode(nonce)
        }
        Show::Fixed(text) => text.to_owned(),
    })
}

fn array<const N: usize>(file: &[u8], offset: usize) -> Option<[u8; N]> {
    file.get(offset..)?.first_chunk().copied()
}

/// As `%c` of strftime(3) in the C locale, in UTC.
fn time(seconds: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    Some(format!(
        "{} {} {:>2} {:02}:{:02}:{:02} {}",
        weekday.get(..3)?,
        month.get(..3)?,
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.year()
    ))
}

/// CRC-32C (Castagnoli).
fn checksum(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn another_format_or_a_damaged_file_is_not_described() {
        assert_eq!(describe(b""), None);
        let mut file = vec![0; 8192];
        file[8..12].copy_from_slice(&FORMATS[0].to_le_bytes());
        assert_eq!(describe(&file), None);
        file[SEGMENT_SIZE..SEGMENT_SIZE + 4].copy_from_slice(&(16_u32 << 20).to_le_bytes());
        let sum = checksum(&file[..CHECKSUM]).to_le_bytes();
        file[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum);
        let text = describe(&file).unwrap();
        assert!(text.starts_with("pg_control version number:            1300\n"), "{text}");
        file[8] ^= 1;
        assert_eq!(describe(&file), None);
    }
}
