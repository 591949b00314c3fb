//! A message as mail: what the policy file says of it, and the mail itself, in plain text and as
//! HTML. [`super::smtp`] sends it.
//!
//! Addresses are parsed, never pasted; header lines are written by `lettre`, which encodes what
//! they cannot have. No line of a header comes from outside as it is.

use std::time::{Duration, SystemTime};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::{Host, Url};

use super::Message;
use super::message::cut;
use imgfix_host::loopback::is_loopback;
use imgfix_model::hex;

/// How many may be written to.
const MAX_RECIPIENTS: usize = 50;

/// The longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;

/// The longest template of a subject, in bytes.
const LONGEST_TEMPLATE: usize = 1000;

/// Whether the connection to a server is encrypted before anything is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Starttls {
    /// A server that does not offer it is not told anything.
    Required,
    /// What is sent can be read on the way.
    Never,
}

/// What a mail is made of besides the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The sender.
    pub from: Mailbox,
    /// Whom it is sent to; never empty.
    pub to: Vec<Mailbox>,
    /// With placeholders; `None`: the message's first line, and the image.
    pub subject: Option<String>,
}

impl Letter {
    /// From what the policy file has.
    ///
    /// # Errors
    /// Something is missing, or is no address, as a sentence.
    pub fn of(from: Option<&str>, to: &[String], subject: Option<String>) -> Result<Self, String> {
        let mailbox = |key: &str, text: &str| {
            let parsed = text.trim().parse::<Mailbox>();
            parsed.map_err(|_| format!("{key} has {text:?}, which is no address of mail"))
        };
        let from = from.ok_or("email needs from, the address of the sender")?;
        let from = mailbox("from", from)?;
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            return Err(format!("email needs to, a list of 1 to {MAX_RECIPIENTS} addresses"));
        }
        let to = to.iter().map(|text| mailbox("to", text)).collect::<Result<_, _>>()?;
        if let Some(subject) = &subject {
            if subject.chars().any(char::is_control) || subject.trim().is_empty() {
                return Err("subject must be one line".to_owned());
            }
            if subject.len() > LONGEST_TEMPLATE {
                return Err(format!("subject is longer than {LONGEST_TEMPLATE} bytes"));
            }
        }
        Ok(Self { from, to, subject })
    }
}

/// A server of mail, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, without brackets.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// From the first byte (RFC 8314).
    Implicit,
    /// By the command STARTTLS (RFC 3207), before anything else is said.
    Starttls,
    /// Not at all.
    None,
}

impl Server {
    /// `smtp://HOST[:PORT]` or `smtps://HOST[:PORT]`. Without a word of `starttls` a connection
    /// within this machine is not encrypted, and every other is.
    ///
    /// # Errors
    /// It is no such address, or a password would be sent for all to read; the sentence names no
    /// part of it.
    pub fn parse(text: &str, starttls: Option<Starttls>, has_login: bool) -> Result<Self, String> {
        const FORM: &str = "smtp://HOST[:PORT] or smtps://HOST[:PORT]";
        let url = Url::parse(text.trim()).map_err(|_| format!("url is not {FORM}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url has a login; username-env and password-env name the variables that \
                        have it"
                .to_owned());
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(format!("url is not {FORM}")),
        };
        // An unknown scheme has its host as it is written.
        let host = host.to_ascii_lowercase();
        let rest = !matches!(url.path(), "" | "/") || url.query().is_some();
        if rest || url.fragment().is_some() || host.is_empty() {
            return Err(format!("url is not {FORM}"));
        }
        let encryption = match (url.scheme(), starttls) {
            ("smtps", None) => Encryption::Implicit,
            ("smtps", Some(_)) => {
                return Err("starttls is for smtp://, not for smtps://".to_owned());
            }
            ("smtp", Some(Starttls::Required)) => Encryption::Starttls,
            ("smtp", Some(Starttls::Never)) => Encryption::None,
            ("smtp", None) if is_loopback(&host) => Encryption::None,
            ("smtp", None) => Encryption::Starttls,
            _ => return Err(format!("url is not {FORM}")),
        };
        if encryption == Encryption::None && has_login && !is_loopback(&host) {
            return Err("starttls = \"never\" would send the password for all to read; leave out \
                        username-env and password-env, or starttls"
                .to_owned());
        }
        let usual = match encryption {
            Encryption::Implicit => 465,
            Encryption::Starttls => 587,
            Encryption::None => 25,
        };
        Ok(Self { host, port: url.port().unwrap_or(usual), encryption })
    }
}

/// RFC 3834: no answering machine is to answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Message {
    /// The message as mail, sent at `now` (seconds since 1970). The same at the same time, so that
    /// one which is sent again is known as the same.
    ///
    /// # Errors
    /// It cannot be written as mail, as a sentence.
    pub fn mail(&self, letter: &Letter, now: i64) -> Result<lettre::Message, String> {
        let subject = self.subject(letter);
        let mut text = self.title();
        for line in self.lines() {
            text.push('\n');
            text.push_str(&line);
        }
        text.push('\n');
        let html = self.html().into_string();
        let seen = Sha256::digest(format!("{now}\n{subject}\n{text}\n{}", letter.from));
        let mut id = hex::encode(seen);
        id.truncate(32);
        let seconds = Duration::from_secs(u64::try_from(now).unwrap_or_default());
        let mut builder = lettre::Message::builder()
            .from(letter.from.clone())
            .date(SystemTime::UNIX_EPOCH + seconds)
            .message_id(Some(format!("<{id}@{}>", letter.from.email.domain())))
            .header(AutoSubmitted)
            .subject(subject);
        for one in &letter.to {
            builder = builder.to(one.clone());
        }
        let parts = MultiPart::alternative()
            .boundary(format!("imgfix-{id}"))
            .singlepart(SinglePart::plain(text))
            .singlepart(SinglePart::html(html));
        builder.multipart(parts).map_err(|error| format!("no mail can be written: {error}"))
    }

    /// One line.
    fn subject(&self, letter: &Letter) -> String {
        let filled = match &letter.subject {
            Some(template) => self.fill_text(template),
            None => format!("{}: {}", self.title(), self.image),
        };
        let line: String = filled.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        cut(&line, LONGEST_SUBJECT)
    }

    fn html(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (self.title()) }
                }
                body style="font-family: sans-serif" {
                    h1 style="font-size: 1.2em" { (self.title()) }
                    table {
                        @for (name, fact) in self.facts() {
                            tr {
                                th style="text-align: left; vertical-align: top; padding-right: 1em" {
                                    (name)
                                }
                                td { (fact) }
                            }
                        }
                    }
                    @for line in self.gate_lines() {
                        p { (line) }
                    }
                    @if !self.link.is_empty() {
                        p { a href=(self.link) { "Run" } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;
    use imgfix_host::unfinished::Published;
    use imgfix_report::before_after::samples;

    fn letter(subject: Option<&str>) -> Letter {
        let to = ["team@example.com".to_owned(), "Ann Ümläut <ann@example.com>".to_owned()];
        Letter::of(Some("imgfix <ci@example.com>"), &to, subject.map(str::to_owned)).unwrap()
    }

    fn written(message: &Message, letter: &Letter) -> String {
        String::from_utf8(message.mail(letter, 1_800_000_000).unwrap().formatted()).unwrap()
    }

    fn headers(mail: &str) -> Vec<String> {
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn servers_are_spoken_to_encrypted_unless_they_are_this_machine() {
        use Encryption::{Implicit, None as Plain, Starttls as Upgraded};
        use Starttls::{Never, Required};
        for (url, starttls, login, want) in [
            ("smtp://mail.example", None, true, Ok(("mail.example", 587, Upgraded))),
            ("smtp://mail.example:25/", None, false, Ok(("mail.example", 25, Upgraded))),
            ("smtps://Mail.Example", None, true, Ok(("mail.example", 465, Implicit))),
            ("smtp://localhost", None, true, Ok(("localhost", 25, Plain))),
            ("smtp://127.0.0.1:2525", None, false, Ok(("127.0.0.1", 2525, Plain))),
            ("smtp://[::1]:2525", None, false, Ok(("::1", 2525, Plain))),
            ("smtp://localhost", Some(Required), false, Ok(("localhost", 587, Upgraded))),
            ("smtp://mail.example", Some(Never), false, Ok(("mail.example", 25, Plain))),
            ("smtp://mail.example", Some(Never), true, Err("would send the password")),
            ("smtps://mail.example", Some(Never), false, Err("starttls is for smtp://")),
            ("smtp://u:s3cret@mail.example", None, false, Err("url has a login")),
            ("https://mail.example", None, false, Err("url is not smtp://")),
            ("smtp://mail.example/s3cret", None, false, Err("url is not smtp://")),
            ("smtp://", None, false, Err("url is not smtp://")),
            ("mail.example", None, false, Err("url is not smtp://")),
        ] {
            match (Server::parse(url, starttls, login), want) {
                (Ok(server), Ok((host, port, encryption))) => {
                    assert_eq!(server, Server { host: host.to_owned(), port, encryption }, "{url}");
                }
                (Err(why), Err(want)) => {
                    assert!(why.contains(want) && !why.contains("s3cret"), "{url}: {why}");
                }
                (got, want) => panic!("{url}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn a_letter_wants_addresses_and_a_subject_of_one_line() {
        let to = || vec!["a@example.com".to_owned()];
        for (from, to, subject, want) in [
            (None, to(), None, "email needs from"),
            (Some("ci@example.com"), Vec::new(), None, "email needs to"),
            (Some("ci@example.com"), vec![String::new()], None, "to has \"\", which is no"),
            (Some("ci"), to(), None, "from has \"ci\", which is no address"),
            (Some("c@e.x\r\nBcc: b@e.x"), to(), None, "which is no address"),
            (Some("ci@example.com"), to(), Some("a\nBcc: b@e.x"), "subject must be one line"),
            (Some("ci@example.com"), vec!["a@e.x".to_owned(); 51], None, "1 to 50 addresses"),
        ] {
            let why = Letter::of(from, &to, subject.map(str::to_owned)).unwrap_err();
            assert!(why.contains(want), "{want}: {why}");
        }
    }

    #[test]
    fn a_mail_has_a_text_and_a_page() {
        let mut report = samples::report();
        report.hold_against(imgfix_model::finding::Severity::Critical);
        let message = Message::of(Event::Repaired(&report));
        let message = message.linked(Some("https://ci.example/runs/7?a=1&b=2"));
        let mail = written(&message, &letter(None));
        let head = headers(&mail);
        for want in [
            "From: imgfix <ci@example.com>",
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Subject: imgfix: gate not passed: 3 of 8 vulnerabilities are fixed: \
             registry.example/app:1.0",
        ] {
            assert!(head.iter().any(|line| line == want), "{want} is not in {head:#?}");
        }
        let to = head.iter().find(|line| line.starts_with("To: ")).unwrap();
        assert!(to.contains("team@example.com") && to.contains("<ann@example.com>"), "{to}");
        assert!(to.is_ascii(), "{to}");
        let plain = mail.find("text/plain").unwrap();
        assert!(plain < mail.find("text/html").unwrap(), "the last alternative is the best one");
        // Soft line breaks of quoted-printable.
        let flat = mail.replace("=\r\n", "");
        for want in ["remaining: 5 (", "gate: 1 vulnerability", "run: https://ci.example/runs/7"] {
            assert!(flat.contains(want), "{want} is not in {flat}");
        }
        assert!(flat.contains("a=3D1&amp;b=3D2") || flat.contains("a=1&amp;b=2"), "{flat}");
        assert_eq!(mail, written(&message, &letter(None)), "it is known when it is sent again");
    }

    #[test]
    fn nothing_from_outside_becomes_a_header_or_markup() {
        let evil = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>";
        let failed = Event::Failed { image: evil, why: evil, published: &Published::Nothing };
        let message = Message::of(failed);
        for subject in [None, Some("{image} {verdict} {link}")] {
            let letter = letter(subject);
            let mail = written(&message, &letter);
            let head = headers(&mail);
            assert!(!head.iter().any(|line| line.starts_with("Bcc")), "{head:#?}");
            let names: Vec<&str> =
                head.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
            let want = [
                "From",
                "Date",
                "Message-ID",
                "Auto-Submitted",
                "Subject",
                "To",
                "MIME-Version",
                "Content-Type",
            ];
            let (mut names, mut want) = (names, want.to_vec());
            names.sort_unstable();
            want.sort_unstable();
            assert_eq!(names, want);
            // In plain text it is text, as in a subject.
            let (_, html) = mail.split_once("text/html").unwrap();
            assert!(!html.contains("<script>") && html.contains("&lt;scr"), "{html}");
            let envelope = message.mail(&letter, 0).unwrap().envelope().clone();
            assert_eq!(envelope.to().len(), 2);
        }
    }

    #[test]
    fn a_subject_is_filled_as_text_and_bounded() {
        let message = Message::of(Event::Repaired(&samples::report()));
        let subject = |text: &str| message.subject(&letter(Some(text)));
        assert_eq!(
            subject("{fixed} fixed in {repaired}"),
            "3 fixed in registry.example/app:1.0_fix"
        );
        assert_eq!(subject("[{gate}] {verdict}"), "[none] 3 of 8 vulnerabilities are fixed");
        assert_eq!(subject(&"{image}".repeat(100)).chars().count(), LONGEST_SUBJECT);
    }
}
