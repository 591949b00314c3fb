//! sshd_config(5), as servconf.c of OpenSSH 9.2 reads it.
//!
//! Words of any case; `keyword value`, `keyword=value`, quotes. The first value counts. `Include`
//! takes patterns in the order of their names, from /etc/ssh where they are relative; a `Match`
//! lasts to the next one or to the end of its file, and what it holds overrides the rest. A
//! keyword's old names are its names. `Port`, `AllowUsers` and the like add up: said twice, they
//! are listed, and not changed. A new line goes before the first `Include` or `Match`, so that
//! it is global, and first.

use imgfix_model::path::ImagePath;

use crate::error::SettingsError;
use crate::files::Files;
use crate::grammar::{Grammar, Order, Place, push};
use crate::text::{self, Edit, Line, lines, trimmed};
use crate::words::{self, Word, joined, span};

pub(crate) struct Sshd;

const FOLDER: &str = "/etc/ssh";

/// Keywords that are lists over all their lines.
const LISTS: [&str; 10] = [
    "acceptenv",
    "allowgroups",
    "allowusers",
    "denygroups",
    "denyusers",
    "hostcertificate",
    "hostkey",
    "listenaddress",
    "port",
    "subsystem",
];

/// Old names of keywords.
const NAMES: [(&str, &str); 7] = [
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("dsaauthentication", "pubkeyauthentication"),
    ("hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"),
    ("hostdsakey", "hostkey"),
    ("keepalive", "tcpkeepalive"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
];

fn name(keyword: &str) -> String {
    let lower = keyword.to_ascii_lowercase();
    let new = NAMES.iter().find(|(old, _)| *old == lower).map(|(_, new)| (*new).to_owned());
    new.unwrap_or(lower)
}

/// A line's keyword, where its arguments begin, and these.
struct Directive {
    keyword: String,
    rest: usize,
    words: Vec<Word>,
}

/// `None`: blank, or a comment.
fn directive(bytes: &[u8], line: &Line) -> Result<Option<Directive>, &'static str> {
    let start = trimmed(bytes, line.start..line.end, b" \t\r").start;
    let end = trimmed(bytes, start..line.end, b" \t\r\x0c").end;
    if start == end || bytes.get(start) == Some(&b'#') {
        return Ok(None);
    }
    let get = |at: usize| bytes.get(at).copied().filter(|_| at < end);
    let blank = |at: usize| matches!(get(at), Some(b' ' | b'\t' | b'\r'));
    let quoted = get(start) == Some(b'"');
    let from = start + usize::from(quoted);
    let mut at = from;
    while let Some(c) = get(at) {
        if if quoted { c == b'"' } else { matches!(c, b' ' | b'\t' | b'\r' | b'=' | b'"') } {
            break;
        }
        at += 1;
    }
    let keyword = text::text(text::part(bytes, from..at));
    if quoted && get(at).is_none() {
        return Err("a quote that does not end");
    }
    at += usize::from(quoted);
    while blank(at) {
        at += 1;
    }
    // one `=` is passed over, with the blanks around it
    if get(at) == Some(b'=') {
        at += 1;
        while blank(at) {
            at += 1;
        }
    }
    let words = words::openssh(bytes, at..end)?;
    if words.is_empty() {
        return Err("a keyword without a value");
    }
    Ok(Some(Directive { keyword, rest: at, words }))
}

fn read_file(
    files: &mut Files<'_>,
    file: usize,
    outer: Option<&str>,
    places: &mut Vec<Place>,
) -> Result<(), SettingsError> {
    let bytes = files.bytes(file);
    let mut condition = outer.map(str::to_owned);
    for line in lines(&bytes) {
        let read = directive(&bytes, &line);
        let read = read.map_err(|why| files.unclear(file, line.number, why))?;
        let Some(Directive { keyword, rest, words }) = read else { continue };
        let key = name(&keyword);
        if key == "match" {
            let own = format!("Match {}", joined(&words));
            condition = Some(outer.map_or(own.clone(), |outer| format!("{outer}, {own}")));
        }
        let place = Place {
            file,
            line: line.number,
            value: joined(&words),
            condition: condition.clone().filter(|_| key != "match"),
            at: span(&words, rest),
            whole: line.start..line.next,
            unclear: None,
            detail: String::new(),
            key: key.clone(),
        };
        push(files, places, place)?;
        if key == "include" {
            let base = ImagePath::literal(FOLDER);
            for word in &words {
                if word.text.starts_with('~') {
                    return Err(files.unclear(file, line.number, "an include of a home folder"));
                }
                for path in files.find((file, line.number), &base, &word.text)? {
                    let next = files.open(&path)?;
                    read_file(files, next, condition.as_deref(), places)?;
                    files.close();
                }
            }
        }
    }
    Ok(())
}

/// A value as it is written: as it is, or in quotes.
fn written(key: &str, value: &str) -> Result<String, SettingsError> {
    let no = |why| SettingsError::value(key, why);
    if value.is_empty() || value.contains(['\n', '\r', '\x0c']) {
        return Err(no("no value of one line"));
    }
    let reads = |text: &str| {
        let bytes = text.as_bytes();
        words::openssh(bytes, 0..bytes.len()).is_ok_and(|words| joined(&words) == value)
    };
    let quoted = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let trimmed = value.trim() == value && !value.starts_with('=');
    match [value.to_owned(), quoted].into_iter().skip(usize::from(!trimmed)).find(|t| reads(t)) {
        Some(text) => Ok(text),
        None => Err(no("it cannot be quoted")),
    }
}

impl Grammar for Sshd {
    fn read(&self, files: &mut Files<'_>, file: usize) -> Result<Vec<Place>, SettingsError> {
        let mut places = Vec::new();
        read_file(files, file, None, &mut places)?;
        Ok(places)
    }

    fn key(&self, key: &str) -> Result<String, SettingsError> {
        let key = name(key);
        if key == "match" || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(SettingsError::key(&key, "no keyword of sshd_config"));
        }
        Ok(key)
    }

    fn order(&self, key: &str) -> Order {
        if LISTS.contains(&key) || key == "include" { Order::Same } else { Order::First }
    }

    fn put(
        &self,
        _: &Files<'_>,
        place: &Place,
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        Ok(vec![Edit::new(place.file, place.at.clone(), written(key, value)?)])
    }

    fn add(
        &self,
        files: &Files<'_>,
        places: &[Place],
        key: &str,
        value: &str,
    ) -> Result<Vec<Edit>, SettingsError> {
        let bytes = files.bytes(0);
        let block = places
            .iter()
            .find(|place| place.file == 0 && (place.key == "include" || place.key == "match"));
        let at = block.map_or(bytes.len(), |place| place.whole.start);
        Ok(vec![Edit::line(0, &bytes, at, &format!("{} {}", shown(key), written(key, value)?))])
    }
}

/// Keywords as the manual writes them, where recipes want them; else in small letters.
fn shown(key: &str) -> &str {
    const SHOWN: [&str; 26] = [
        "AllowAgentForwarding",
        "AllowTcpForwarding",
        "Banner",
        "Ciphers",
        "ClientAliveCountMax",
        "ClientAliveInterval",
        "DisableForwarding",
        "GatewayPorts",
        "GSSAPIAuthentication",
        "HostbasedAuthentication",
        "IgnoreRhosts",
        "KbdInteractiveAuthentication",
        "KexAlgorithms",
        "LoginGraceTime",
        "LogLevel",
        "MACs",
        "MaxAuthTries",
        "MaxSessions",
        "MaxStartups",
        "PasswordAuthentication",
        "PermitEmptyPasswords",
        "PermitRootLogin",
        "PermitUserEnvironment",
        "StrictModes",
        "UsePAM",
        "X11Forwarding",
    ];
    SHOWN.iter().find(|shown| shown.eq_ignore_ascii_case(key)).copied().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use crate::Format::Sshd;
    use crate::testing::Image;

    const DROP_IN: &str = "/etc/ssh/sshd_config.d/50-cloud.conf";
    const MAIN: &str = "/etc/ssh/sshd_config";

    #[test]
    fn the_first_value_counts_and_is_changed_where_it_stands() {
        let image = Image::new(&[
            (MAIN, "# c\nInclude sshd_config.d/*.conf\n\nPermitRootLogin no\n"),
            (DROP_IN, "permitrootlogin = \"yes\"   # cloud\r\nUsePAM yes\r\n"),
            ("/etc/ssh/sshd_config.d/60-x.conf", "PermitRootLogin without-password"),
            ("/etc/ssh/sshd_config.d/readme", "nonsense that nobody reads"),
        ]);
        let found = image.effective(Sshd, MAIN, "PermitRootLogin");
        assert_eq!(found.as_deref(), Some("yes"));
        assert_eq!(image.all(Sshd, MAIN, "PERMITROOTLOGIN").len(), 3);
        let changed = image.set(Sshd, MAIN, "PermitRootLogin", "prohibit-password");
        let want = "permitrootlogin = prohibit-password   # cloud\r\nUsePAM yes\r\n";
        assert_eq!(changed, [(DROP_IN.to_owned(), want.to_owned())]);
    }

    #[test]
    fn a_new_line_is_global_and_before_what_is_included() {
        let main = "# c\r\nPort 22\r\nInclude /etc/ssh/sshd_config.d/*.conf\r\nMatch User x\r\n PermitRootLogin yes";
        let image = Image::new(&[(MAIN, main)]);
        assert_eq!(image.effective(Sshd, MAIN, "PermitRootLogin"), None);
        let all = image.all(Sshd, MAIN, "PermitRootLogin");
        assert_eq!(all[0].condition.as_deref(), Some("Match User x"));
        let changed = image.set(Sshd, MAIN, "PermitRootLogin", "no");
        assert_eq!(changed[0].1, main.replace("Include", "PermitRootLogin no\r\nInclude"));
        let changed = image.everywhere(Sshd, MAIN, "PermitRootLogin", "no");
        let want = main.replace("Include", "PermitRootLogin no\r\nInclude").replace("yes", "no");
        assert_eq!(changed[0].1, want);
        let alone = Image::new(&[(MAIN, "UsePAM yes")]);
        let changed = alone.set(Sshd, MAIN, "x11forwarding", "no");
        assert_eq!(changed[0].1, "UsePAM yes\nX11Forwarding no");
    }

    #[test]
    fn a_match_ends_with_its_file() {
        let image = Image::new(&[
            (MAIN, "Include a\nMaxAuthTries 6\nMatch all\nInclude b\n"),
            ("/etc/ssh/a", "Match Group g\nMaxAuthTries 2\n"),
            ("/etc/ssh/b", "MaxAuthTries 9\n"),
        ]);
        assert_eq!(image.effective(Sshd, MAIN, "MaxAuthTries").as_deref(), Some("6"));
        let all = image.all(Sshd, MAIN, "MaxAuthTries");
        let conditions: Vec<_> = all.iter().map(|found| found.condition.as_deref()).collect();
        assert_eq!(conditions, [Some("Match Group g"), None, Some("Match all")]);
    }

    #[test]
    fn what_adds_up_or_is_no_line_of_sshd_is_not_changed() {
        let image = Image::new(&[(MAIN, "AllowUsers a\nAllowUsers b\nPort 22\n")]);
        let error = image.refused(Sshd, MAIN, "AllowUsers", "c");
        assert!(error.contains("/etc/ssh/sshd_config:2: "), "{error}");
        assert_eq!(
            image.set(Sshd, MAIN, "Port", "2222")[0].1,
            "AllowUsers a\nAllowUsers b\nPort 2222\n"
        );
        let broken = Image::new(&[(MAIN, "UsePAM yes\nBanner \"x\n")]);
        assert!(broken.refused(Sshd, MAIN, "UsePAM", "no").contains("config:2: a quote"));
        let looped = Image::new(&[(MAIN, "Include sshd_config\n")]);
        assert!(looped.refused(Sshd, MAIN, "UsePAM", "no").contains("includes itself"));
        assert!(image.refused(Sshd, MAIN, "UsePAM", "no\nMatch all").contains("one line"));
    }

    #[test]
    fn removing_leaves_blocks_unless_asked() {
        let image =
            Image::new(&[(MAIN, "Banner /a b\nBanner /c\nUsePAM no\nMatch all\nBanner none")]);
        assert_eq!(image.removed(Sshd, MAIN, "Banner")[0].1, "UsePAM no\nMatch all\nBanner none");
    }
}
