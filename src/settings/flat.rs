//! One setting a line, without blocks and includes: sysctl.conf(5), login.defs(5) and Debian's
//! memcached.conf. Of each the last value counts; a new line goes to the end.

use crate::error::SettingsError;
use crate::files::Files;
use crate::glob;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{Edit, Line, lines, part, text, trimmed};

/// sysctl.conf(5): `name = value`, `#` and `;` begin comments, `-` before a name means that a
/// failure is none, `/` and `.` are alike. One file alone: who reads which folders in which
/// order, the caller knows. A name with a pattern is refused where it is about the key.
pub(crate) struct Sysctl;

/// login.defs(5), as shadow's getdef.c reads it: a name, blanks, a value up to a quote. Names
/// count as they are written.
pub(crate) struct LoginDefs;

/// memcached.conf of Debian: an option of memcached(1) a line, `-l 127.0.0.1`; its long name
/// means the same. A key is the short option with its `-`. Said twice, `-l` is refused: it adds up.
pub(crate) struct Memcached;

const BLANK: &[u8] = b" \t\r";

/// What a line says: key, value, and where that stands.
type Said = Option<(String, String, std::ops::Range<usize>, Option<String>)>;

fn read(
    files: &Files<'_>,
    file: usize,
    said: impl Fn(&[u8], &Line) -> Said,
) -> Result<Vec<Place>, SettingsError> {
    let bytes = files.bytes(file);
    let mut places = Vec::new();
    for line in lines(&bytes) {
        if let Some((key, value, at, unclear)) = said(&bytes, &line) {
            let whole = line.start..line.next;
            let place = Place {
                file,
                line: line.number,
                key,
                value,
                at,
                whole,
                unclear,
                condition: None,
                detail: String::new(),
            };
            push(files, &mut places, place)?;
        }
    }
    Ok(places)
}

fn one_line(key: &str, value: &str) -> Result<(), SettingsError> {
    if value.is_empty() || value.trim() != value || value.contains(['\n', '\r']) {
        return Err(SettingsError::value(key, "no value of one line"));
    }
    Ok(())
}

/// The value in the place of the old one.
fn put(place: &Place, key: &str, value: &str) -> Result<Vec<Edit>, SettingsError> {
    one_line(key, value)?;
    Ok(vec![Edit::new(place.file, place.at.clone(), value)])
}

fn append(files: &Files<'_>, line: &str) -> Vec<Edit> {
    let bytes = files.bytes(0);
    vec![Edit::line(0, &bytes, bytes.len(), line)]
}

/// `/` and `.` separate names; the first one says which is which.
fn sysctl_name(name: &str) -> String {
    match name.find(['/', '.']).and_then(|at| name.as_bytes().get(at)) {
        Some(b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

impl Grammar for Sysctl {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read(files, file, |bytes, line| {
            let at = trimmed(bytes, line.start..line.end, BLANK);
            let content = part(bytes, at.clone());
            if matches!(content.first(), None | Some(b'#' | b';')) {
                return None;
            }
            let split = content.iter().position(|&b| b == b'=')?;
            let name = text(part(content, trimmed(content, 0..split, BLANK)));
            let name = sysctl_name(name.strip_prefix('-').unwrap_or(&name));
            let value = trimmed(bytes, at.start + split + 1..at.end, BLANK);
            let pattern = glob::is_pattern(&name).then(|| "a pattern of names".to_owned());
            Some((name, text(part(bytes, value.clone())), value, pattern))
        })
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let letter = |b: u8| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b);
        if !key.bytes().all(letter) || key.starts_with('-') {
            return Err(SettingsError::key(key, "no name of sysctl"));
        }
        Ok(sysctl_name(key))
    }

    fn is_about(&self, place: &Place, key: &str) -> bool {
        place.key == key
            || place.unclear.is_some() && glob::matches(place.key.as_bytes(), key.as_bytes())
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        put(place, key, value)
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        one_line(key, value)?;
        Ok(append(files, &format!("{key} = {value}")))
    }
}

impl Grammar for LoginDefs {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read(files, file, |bytes, line| {
            let at = trimmed(bytes, line.start..line.end, b" \t\r\x0b\x0c");
            let content = part(bytes, at.clone());
            if matches!(content.first(), None | Some(b'#')) {
                return None;
            }
            let end = content.iter().position(|b| b" \t".contains(b))?;
            let skip = part(content, end..content.len())
                .iter()
                .take_while(|b| b" \t\"".contains(b))
                .count();
            let from = end + skip;
            let rest = part(content, from..content.len());
            let length = rest.iter().position(|&b| b == b'"').unwrap_or(rest.len());
            let value = at.start + from..at.start + from + length;
            Some((text(part(content, 0..end)), text(part(bytes, value.clone())), value, None))
        })
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(SettingsError::key(key, "no name of login.defs"));
        }
        Ok(key.to_owned())
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        put(place, key, value)
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        one_line(key, value)?;
        Ok(append(files, &format!("{key}\t{value}")))
    }
}

const LONG: [(&str, &str); 12] = [
    ("--listen", "-l"),
    ("--udp-port", "-U"),
    ("--port", "-p"),
    ("--user", "-u"),
    ("--memory-limit", "-m"),
    ("--conn-limit", "-c"),
    ("--enable-sasl", "-S"),
    ("--unix-socket", "-s"),
    ("--unix-mask", "-a"),
    ("--threads", "-t"),
    ("--max-item-size", "-I"),
    ("--disable-flush-all", "-F"),
];

impl Grammar for Memcached {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        read(files, file, |bytes, line| {
            let at = trimmed(bytes, line.start..line.end, BLANK);
            let content = part(bytes, at.clone());
            if content.first() != Some(&b'-') {
                return None;
            }
            let long = content.starts_with(b"--");
            let end = match long {
                true => content.iter().position(|b| b" \t=".contains(b)).unwrap_or(content.len()),
                false => content.len().min(2),
            };
            let name = text(part(content, 0..end));
            let key = LONG
                .iter()
                .find(|(long, _)| *long == name)
                .map_or(name, |(_, short)| (*short).to_owned());
            let skip = usize::from(long && content.get(end) == Some(&b'='));
            let value = trimmed(bytes, at.start + end + skip..at.end, BLANK);
            let text = text(part(bytes, value.clone()));
            let more = text
                .contains([' ', '\t', '#'])
                .then(|| "more than an option and its value".to_owned());
            Some((key, text, value, more))
        })
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let short = LONG.iter().find(|(long, _)| *long == key).map_or(key, |(_, short)| short);
        match short.as_bytes() {
            [b'-', letter] if letter.is_ascii_alphanumeric() => Ok(short.to_owned()),
            [b'-', b'-', _, ..] => Ok(short.to_owned()),
            _ => Err(SettingsError::key(key, "no option of memcached, as `-l`")),
        }
    }

    fn order(&self, key: &str) -> Order {
        if key == "-l" { Order::Same } else { Order::Last }
    }

    fn put(
        &self,
        files: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(place.file);
        let separated =
            bytes.get(place.at.start.wrapping_sub(1)).is_some_and(|b| b" \t=".contains(b));
        let blank = if place.at.is_empty() && !separated { " " } else { "" };
        if value.contains([' ', '\t', '#']) {
            return Err(SettingsError::value(key, "it has blanks"));
        }
        one_line(key, value)?;
        Ok(vec![Edit::new(place.file, place.at.clone(), format!("{blank}{value}"))])
    }

    fn add(
        &self,
        files: &Files<'_>,
        _: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        if value.trim() != value || value.contains([' ', '\t', '#', '\n', '\r']) {
            return Err(SettingsError::value(key, "it has blanks"));
        }
        Ok(append(files, format!("{key} {value}").trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use crate::Format::{LoginDefs, Memcached, Sysctl};
    use crate::testing::Image;

    const MAIN: &str = "/etc/f";

    #[test]
    fn names_of_sysctl_have_points_or_slashes() {
        let main = "# c\n-net/ipv4/ip_forward = 1\n;x=1\nnet.ipv4.ip_forward=1\nkernel.a=\n";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(Sysctl, MAIN, "net.ipv4.ip_forward").as_deref(), Some("1"));
        assert_eq!(image.all(Sysctl, MAIN, "net/ipv4/ip_forward").len(), 2);
        assert_eq!(
            image.set(Sysctl, MAIN, "net.ipv4.ip_forward", "0")[0].1,
            main.replace("d=1", "d=0")
        );
        assert_eq!(image.set(Sysctl, MAIN, "a.b", "0")[0].1, format!("{main}a.b = 0\n"));
        let image = Image::new(&[(MAIN, "net.ipv4.conf.*.rp_filter = 0\n")]);
        assert!(
            image
                .refused(Sysctl, MAIN, "net.ipv4.conf.all.rp_filter", "1")
                .contains("f:1: a pattern")
        );
    }

    #[test]
    fn login_defs_takes_the_last() {
        let main =
            "UMASK\t\t022\n#UMASK 0\nPASS_MAX_DAYS 99999\r\nENV_PATH \"PATH=/bin\" x\nUMASK 077";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(LoginDefs, MAIN, "UMASK").as_deref(), Some("077"));
        assert_eq!(image.effective(LoginDefs, MAIN, "ENV_PATH").as_deref(), Some("PATH=/bin"));
        assert_eq!(
            image.set(LoginDefs, MAIN, "PASS_MAX_DAYS", "365")[0].1,
            main.replace("99999", "365")
        );
        assert_eq!(image.set(LoginDefs, MAIN, "NEW", "1")[0].1, format!("{main}\nNEW\t1"));
    }

    #[test]
    fn memcached_has_an_option_a_line() {
        let main = "# -l 0.0.0.0\n-d\n--listen=0.0.0.0\n-p11211\n-U 1\n-U 2\n";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(Memcached, MAIN, "-l").as_deref(), Some("0.0.0.0"));
        assert_eq!(image.effective(Memcached, MAIN, "-p").as_deref(), Some("11211"));
        assert_eq!(image.effective(Memcached, MAIN, "-d").as_deref(), Some(""));
        assert_eq!(image.set(Memcached, MAIN, "-U", "0")[0].1, main.replace("-U 2", "-U 0"));
        assert_eq!(
            image.set(Memcached, MAIN, "-l", "127.0.0.1")[0].1,
            main.replace("=0.0.0.0", "=127.0.0.1")
        );
        assert_eq!(image.set(Memcached, MAIN, "-S", "")[0].1, format!("{main}-S\n"));
    }
}
