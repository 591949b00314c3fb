//! PAX extended header records: `LENGTH KEY=VALUE\n`, where the length counts the whole
//! record (POSIX pax(1), "pax Extended Header"). Values are bytes and may hold newlines.

use super::Xattrs;

/// The prefix under which star, GNU tar, Go and everything that makes layers keep extended
/// attributes.
pub(crate) const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// What the records of one header say. An empty value takes a record back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Whole seconds; the fraction is cut off towards the past.
    pub mtime: Option<i64>,
    pub xattrs: Xattrs,
    /// The SHA-1 of the content as apk's archives have it.
    pub apk_checksum: Option<Vec<u8>>,
    pub sparse: Option<Sparse>,
}

/// A sparse file of GNU tar's PAX formats 0.0, 0.1 and 1.0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// The file's true name; the header has a made-up one.
    pub name: Option<Vec<u8>>,
    /// The file's length with its holes.
    pub size: Option<u64>,
    /// Offsets and lengths of the stored pieces, in turn.
    pub map: Vec<u64>,
    /// The map precedes the content (format 1.0).
    pub map_in_content: bool,
}

/// Reads all records; of records with the same key the last counts.
pub(super) fn parse(mut data: &[u8]) -> Result<Records, &'static str> {
    let mut records = Records::default();
    while !data.is_empty() {
        let (key, value, rest) = record(data).ok_or("damaged PAX records")?;
        data = rest;
        records.apply(key, value).ok_or("a PAX record has a value that is not valid")?;
    }
    Ok(records)
}

/// The records whose key `keeps`, byte for byte; `None` when they are damaged.
pub(crate) fn kept(mut data: &[u8], keeps: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while !data.is_empty() {
        let (key, _, rest) = record(data)?;
        if keeps(key) {
            out.extend_from_slice(data.get(..data.len() - rest.len())?);
        }
        data = rest;
    }
    Some(out)
}

/// Key, value, and what follows the first record.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(data.get(..space)?)?).ok()?;
    let (body, rest) = (data.get(space + 1..length)?, data.get(length..)?);
    let body = body.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    Some((body.get(..equals)?, body.get(equals + 1..)?, rest))
}

impl Records {
    fn apply(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(XATTR_PREFIX) {
            if !name.is_empty() {
                self.xattrs.insert(name.to_vec(), value.to_vec());
            }
            return Some(());
        }
        if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            return self.sparse.get_or_insert_default().apply(key, value);
        }
        match key {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.linkpath = text(value)?,
            b"size" => self.size = optional(value, decimal)?,
            b"uid" => self.uid = optional(value, |v| u32::try_from(decimal(v)?).ok())?,
            b"gid" => self.gid = optional(value, |v| u32::try_from(decimal(v)?).ok())?,
            b"APK-TOOLS.checksum.SHA1" => self.apk_checksum = text(value)?,
            b"mtime" => self.mtime = optional(value, seconds)?,
            _ => {}
        }
        Some(())
    }
}

impl Sparse {
    fn apply(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"name" => self.name = text(value)?,
            b"size" | b"realsize" => self.size = optional(value, decimal)?,
            b"offset" | b"numbytes" => {
                // Format 0.0 repeats the two keys, always in this order.
                if self.map.len().is_multiple_of(2) != (key == b"offset") {
                    return None;
                }
                self.map.push(decimal(value)?);
            }
            b"map" => {
                let numbers = value.split(|&byte| byte == b',');
                self.map = numbers.map(decimal).collect::<Option<_>>()?;
            }
            b"major" => self.map_in_content = value != b"0",
            _ => {}
        }
        Some(())
    }
}

/// `None`: not valid; `Some(None)`: taken back.
fn optional<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

fn text(value: &[u8]) -> Option<Option<Vec<u8>>> {
    optional(value, |value| (!value.contains(&0)).then(|| value.to_vec()))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &digit| match digit {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Seconds with an optional sign and fraction.
fn seconds(value: &[u8]) -> Option<i64> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let has_fraction = fraction.iter().any(|&digit| digit != b'0');
    if negative { (-whole).checked_sub(i64::from(has_fraction)) } else { Some(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_length() {
        let data = b"30 SCHILY.xattr.user.x=a\nb=c\0\n11 path=a/\n20 mtime=-1.500000000\n";
        assert!(parse(data).is_err(), "the last record lies about its length");
        let data = b"30 SCHILY.xattr.user.x=a\nb=c\0\n11 path=a/\n15 mtime=-1.50\n10 uid=42\n";
        let records = parse(data).unwrap();
        assert_eq!(records.xattrs.get(&b"user.x"[..]).unwrap(), b"a\nb=c\0");
        assert_eq!(records.path.as_deref(), Some(&b"a/"[..]));
        assert_eq!((records.mtime, records.uid), (Some(-2), Some(42)));
    }

    #[test]
    fn records_are_kept_as_they_are() {
        let data = b"30 SCHILY.xattr.user.x=a\nb=c\0\n11 path=a/\n15 mtime=-1.50\n";
        let want = b"30 SCHILY.xattr.user.x=a\nb=c\0\n15 mtime=-1.50\n";
        assert_eq!(kept(data, |key| key != b"path").as_deref(), Some(&want[..]));
        assert_eq!(kept(b"5 a=b", |_| true), None);
    }

    #[test]
    fn an_empty_value_takes_a_record_back() {
        let records = parse(b"10 path=a\n8 path=\n").unwrap();
        assert_eq!(records.path, None);
    }

    #[test]
    fn damaged_records_are_refused() {
        for data in [
            &b"x"[..],
            b"5 a=b",
            b"99 path=a\n",
            b"0 path=a\n",
            b"3 path=a\n",
            b"10 path a\n",
            b"9 =value\n",
            b"10 size=-1\n",
            b"19 uid=4294967296\n",
            b"11 path=a\0\n",
            b"99999999999999999999999 a=b\n",
        ] {
            assert!(parse(data).is_err(), "{data:?}");
        }
    }

    #[test]
    fn times_are_cut_towards_the_past() {
        for (text, want) in [
            ("0", Some(0)),
            ("1700000000.999", Some(1_700_000_000)),
            ("-1", Some(-1)),
            ("-1.0", Some(-1)),
            ("-0.5", Some(-1)),
            ("x", None),
            ("1.x", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), want, "{text}");
        }
    }
}
