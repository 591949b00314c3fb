//! RECORD: which files an installed distribution has
//! (<https://packaging.python.org/en/latest/specifications/recording-installed-packages/>).
//!
//! In come bytes of a stranger; out come rows, read as Python's `csv` reads them, and bytes, as
//! it writes them. What paths mean, and where they may lead, is for who uses them.

/// The most rows that are read. The largest distributions have some 30,000.
const MAX_ROWS: usize = 500_000;

/// A file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Its path, relative to the folder with the distribution's own, or absolute.
    pub path: String,
    /// `sha256=…`; empty where there is none.
    pub hash: String,
    /// Its length; empty where there is none.
    pub size: String,
}

/// How lines end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// pip's.
    CrLf,
    /// uv's.
    Lf,
}

/// Reads a RECORD. Empty lines count for nothing.
///
/// # Errors
/// It is not UTF-8, has a quote that does not end, or too many rows: half a sentence.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut rows = Vec::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let (fields, behind) = line(rest)?;
        rest = behind;
        let mut fields = fields.into_iter();
        let path = fields.next().unwrap_or_default();
        let (hash, size) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        if path.is_empty() {
            continue;
        }
        if rows.len() == MAX_ROWS {
            return Err(format!("it has more than {MAX_ROWS} rows"));
        }
        rows.push(Row { path, hash, size });
    }
    Ok(rows)
}

/// The fields of the first line, and what follows it.
fn line(text: &str) -> Result<(Vec<String>, &str), String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = field(rest)?;
        // more than three are no RECORD's, and not looked at
        if fields.len() < 4 {
            fields.push(field);
        }
        let mut chars = behind.chars();
        match chars.next() {
            Some(',') => rest = chars.as_str(),
            Some('\r') => {
                let behind = chars.as_str();
                return Ok((fields, behind.strip_prefix('\n').unwrap_or(behind)));
            }
            _ => return Ok((fields, chars.as_str())),
        }
    }
}

/// A field: what quotes enclose may have anything, and a quote twice; what follows the last quote
/// belongs to it, too.
fn field(text: &str) -> Result<(String, &str), String> {
    let plain = |text: &'_ str| text.find([',', '\r', '\n']).unwrap_or(text.len());
    let Some(mut rest) = text.strip_prefix('"') else {
        let (field, behind) = text.split_at(plain(text));
        return Ok((field.to_owned(), behind));
    };
    let mut field = String::new();
    loop {
        let (inside, behind) = rest.split_once('"').ok_or("it has a quote that does not end")?;
        field.push_str(inside);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => {
                let (tail, behind) = behind.split_at(plain(behind));
                field.push_str(tail);
                return Ok((field, behind));
            }
        }
    }
}

/// Writes rows in the order in which installers do.
#[must_use]
pub fn write(mut rows: Vec<Row>, end: LineEnd) -> Vec<u8> {
    rows.sort_unstable();
    let mut text = String::new();
    for row in rows {
        for (at, field) in [&row.path, &row.hash, &row.size].into_iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            if field.contains([',', '"', '\r', '\n']) {
                text.push('"');
                text.push_str(&field.replace('"', "\"\""));
                text.push('"');
            } else {
                text.push_str(field);
            }
        }
        text.push_str(match end {
            LineEnd::CrLf => "\r\n",
            LineEnd::Lf => "\n",
        });
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(path: &str, hash: &str, size: &str) -> Row {
        Row { path: path.into(), hash: hash.into(), size: size.into() }
    }

    #[test]
    fn rows_are_read_as_python_reads_them() {
        let text = "a.py,sha256=x,1\r\n\r\n\"b,\"\"c\"\".py\",,\nd.py\n../../../bin/d,s,2,more,x\r,,\n\"e\nf\"g,h,3";
        assert_eq!(
            read(text.as_bytes()).unwrap(),
            [
                row("a.py", "sha256=x", "1"),
                row("b,\"c\".py", "", ""),
                row("d.py", "", ""),
                row("../../../bin/d", "s", "2"),
                row("e\nfg", "h", "3"),
            ]
        );
        assert_eq!(read(b"").unwrap(), []);
        for bad in [&b"\"a,b\n"[..], b"\xff,,\n"] {
            assert!(read(bad).is_err());
        }
        let many = "a,,\n".repeat(MAX_ROWS + 1);
        assert_eq!(read(many.as_bytes()).unwrap_err(), "it has more than 500000 rows");
    }

    #[test]
    fn rows_are_written_sorted() {
        let rows = || vec![row("b\"x", "", ""), row("a,b", "h", "1"), row("Z", "", "")];
        assert_eq!(write(rows(), LineEnd::CrLf), b"Z,,\r\n\"a,b\",h,1\r\n\"b\"\"x\",,\r\n");
        assert_eq!(write(rows(), LineEnd::Lf), b"Z,,\n\"a,b\",h,1\n\"b\"\"x\",,\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            rows in proptest::collection::vec(("[^\u{feff}]\\PC{0,6}|[\",\r\na]{1,5}", "[ -~]{0,5}", "[0-9]{0,3}"), 0..6),
        ) {
            let mut rows: Vec<Row> = rows.iter().map(|(a, b, c)| row(a, b, c)).collect();
            let again = read(&write(rows.clone(), LineEnd::CrLf)).unwrap();
            rows.sort_unstable();
            prop_assert_eq!(again, rows);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
