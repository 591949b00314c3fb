//! Notifications by mail: the built program, and a small server of mail on loopback that keeps what
//! it was told.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::cli::{Place, Ran, ran, report};
use common::registry::{Certificate, write_certificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    /// It offers STARTTLS.
    Starttls,
    /// It speaks TLS from the first byte.
    Implicit,
    /// It offers STARTTLS, and says more in the clear behind its answer.
    Injecting,
    /// It has no room for the first mail.
    BusyOnce,
    /// It takes no mail.
    Refusing,
}

/// What one connection said: the commands in the clear, and those within TLS.
#[derive(Debug, Default)]
struct Told {
    clear: Vec<String>,
    encrypted: Vec<String>,
    mail: String,
}

/// Starts a server; where it listens, and what each connection said.
fn server(manner: Manner, certificates: Option<&Path>) -> (u16, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = certificates.map(tls);
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let mut told = Told::default();
            serve(stream, manner, number, tls.clone(), &mut told);
            if sender.send(told).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

fn tls(folder: &Path) -> Arc<rustls::ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(folder.join("server.pem")).unwrap();
    let certificates = certificates.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(certificates, key).unwrap())
}

/// One connection, until it ends.
fn serve(
    mut stream: TcpStream,
    manner: Manner,
    number: usize,
    tls: Option<Arc<rustls::ServerConfig>>,
    told: &mut Told,
) -> Option<()> {
    let encrypted = |stream: TcpStream| {
        let connection = rustls::ServerConnection::new(tls.clone().unwrap()).unwrap();
        rustls::StreamOwned::new(connection, stream)
    };
    if manner == Manner::Implicit {
        let mut stream = encrypted(stream);
        stream.write_all(b"220 mail.test\r\n").ok()?;
        return converse(&mut stream, manner, number, &mut told.encrypted, &mut told.mail);
    }
    stream.write_all(b"220 mail.test\r\n").ok()?;
    converse(&mut stream, manner, number, &mut told.clear, &mut told.mail)?;
    let mut stream = encrypted(stream);
    converse(&mut stream, manner, number, &mut told.encrypted, &mut told.mail)
}

/// Reads line by line and answers; `Some` when it is to go on within TLS.
fn converse(
    stream: &mut (impl Read + Write),
    manner: Manner,
    number: usize,
    commands: &mut Vec<String>,
    mail: &mut String,
) -> Option<()> {
    loop {
        let command = line(stream)?;
        commands.push(command.clone());
        let upgrades = [Manner::Starttls, Manner::Injecting].contains(&manner);
        let answer = match command.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" if upgrades => "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
            "EHLO" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
            "STARTTLS" if manner == Manner::Injecting => {
                stream.write_all(b"220 go\r\n250 AUTH EVIL\r\n").ok()?;
                return Some(());
            }
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n").ok()?;
                return Some(());
            }
            "AUTH" => "235 welcome\r\n",
            "MAIL" if manner == Manner::BusyOnce && number == 0 => "452 no room\r\n",
            "MAIL" if manner == Manner::Refusing => "550 \x1b[31mnot here\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n").ok()?;
                loop {
                    match line(stream)?.as_str() {
                        "." => break,
                        text => mail.push_str(&format!("{text}\n")),
                    }
                }
                "250 taken\r\n"
            }
            "QUIT" => {
                let _ = stream.write_all(b"221 bye\r\n");
                return None;
            }
            _ => "250 fine\r\n",
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

/// One line, without its end. Byte by byte: TLS may follow.
fn line(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    bytes.truncate(bytes.len() - 2);
    Some(String::from_utf8(bytes).unwrap())
}

fn place(url: &str, more: &str) -> Place {
    let place = Place::debian();
    std::fs::create_dir_all(place.path("home/.config/imgfix")).unwrap();
    let text = format!(
        "[[notify]]\nkind = \"email\"\nurl = \"{url}\"\nfrom = \"imgfix <ci@example.com>\"\n\
         to = [\"team@example.com\", \"ann@example.com\"]\n{more}"
    );
    std::fs::write(place.path("home/.config/imgfix/imgfix.toml"), text).unwrap();
    place
}

const LOGIN: &str = "username-env = \"MAIL_USER\"\npassword-env = \"MAIL_PASSWORD\"\n";

fn repair(place: &Place, more: &[&str]) -> Ran {
    let mut command: Command = place.on("repair", &place.image("12"));
    command.args(["-v", "-r", &report("debian-12.trivy")]).args(more);
    command.env("MAIL_USER", "ann").env("MAIL_PASSWORD", "s3cret-mail");
    let run = ran(&mut command).expect(0);
    assert!(!run.stderr.contains("s3cret-mail") && !run.stdout.contains("s3cret-mail"));
    run
}

fn next(receiver: &Receiver<Told>) -> Told {
    receiver.recv_timeout(Duration::from_secs(20)).expect("a connection came")
}

/// What is said for one mail, without the login.
const COMMANDS: [&str; 6] = [
    "EHLO [127.0.0.1]",
    "MAIL FROM:<ci@example.com>",
    "RCPT TO:<team@example.com>",
    "RCPT TO:<ann@example.com>",
    "DATA",
    "QUIT",
];

#[test]
fn a_mail_is_handed_to_a_server_of_this_machine() {
    let (port, got) = server(Manner::BusyOnce, None);
    let subject = "subject = \"{fixed} fixed in {repaired}\"\n";
    let place = place(&format!("smtp://127.0.0.1:{port}"), subject);
    let run = repair(&place, &[]);
    assert!(!run.stderr.contains("was not told"), "{}", run.stderr);
    assert_eq!(next(&got).mail, "", "it had no room");
    let told = next(&got);
    assert_eq!(told.clear, COMMANDS);
    let (head, body) = told.mail.split_once("\n\n").unwrap();
    let head = head.replace("\n ", " ");
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    assert_eq!(value("From"), "imgfix <ci@example.com>");
    assert_eq!(value("To"), "team@example.com, ann@example.com");
    let want = format!(" fixed in {}", place.image("12_fix"));
    assert!(value("Subject").ends_with(&want), "{head}");
    assert!(value("Message-ID").ends_with("@example.com>"), "{head}");
    assert!(value("Content-Type").starts_with("multipart/alternative"), "{head}");
    assert!(BufReader::new(body.as_bytes()).lines().all(|line| line.unwrap().len() < 998));
    let flat = body.replace("=\n", "");
    for want in ["remaining: ", "<!DOCTYPE html>", "12_fix", "text/plain", "text/html"] {
        assert!(flat.contains(want), "{want} is not in {flat}");
    }
}

#[test]
fn a_login_is_sent_within_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path(), Certificate::Signed);
    let ca = folder.path().join("ca.pem").display().to_string();
    for (manner, scheme, more) in
        [(Manner::Starttls, "smtp", "starttls = \"required\"\n"), (Manner::Implicit, "smtps", "")]
    {
        let (port, got) = server(manner, Some(folder.path()));
        let place = place(&format!("{scheme}://127.0.0.1:{port}"), &format!("{LOGIN}{more}"));
        let run = repair(&place, &["--ca-file", &ca]);
        assert!(!run.stderr.contains("was not told"), "{manner:?}: {}", run.stderr);
        let told = next(&got);
        let clear: &[&str] = match manner {
            Manner::Starttls => &["EHLO [127.0.0.1]", "STARTTLS"],
            _ => &[],
        };
        assert_eq!(told.clear, clear, "{manner:?}");
        let mut want = COMMANDS.to_vec();
        // printf '\0ann\0s3cret-mail' | base64
        want.insert(1, "AUTH PLAIN AGFubgBzM2NyZXQtbWFpbA==");
        assert_eq!(told.encrypted, want, "{manner:?}");
        assert!(told.mail.contains("Subject: imgfix: "), "{}", told.mail);
        // Nobody vouches for it: nothing is said.
        let run = repair(&place, &[]);
        assert!(run.stderr.contains("the server of mail was not told: TLS: "), "{}", run.stderr);
        assert_eq!(next(&got).mail, "");
    }
}

#[test]
fn what_cannot_be_sent_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path(), Certificate::Signed);
    let ca = folder.path().join("ca.pem").display().to_string();
    for (manner, more, want) in [
        (Manner::Plain, "starttls = \"required\"\n", "it does not offer STARTTLS"),
        (Manner::Refusing, "", "not here"),
        // What was said in the clear is no part of the conversation within TLS.
        (Manner::Injecting, "starttls = \"required\"\n", "TLS: "),
    ] {
        let (port, got) = server(manner, Some(folder.path()));
        let place = place(&format!("smtp://127.0.0.1:{port}"), more);
        let run = repair(&place, &["--ca-file", &ca]);
        let warning = run.stderr.lines().find(|line| line.contains("was not told")).unwrap();
        assert!(warning.contains("the server of mail") && warning.contains(want), "{warning}");
        assert!(!warning.contains('\u{1b}'), "{warning:?}");
        let told = next(&got);
        assert_eq!(told.mail, "", "{manner:?}");
        assert!(!told.clear.iter().any(|line| line.starts_with("AUTH")), "{manner:?}");
    }
    let place = place("smtp://127.0.0.1:1", "username-env = \"NOT_SET\"\npassword-env = \"X\"\n");
    let run = repair(&place, &[]);
    assert!(run.stderr.contains("the variable NOT_SET of a notification is not set"));
}
