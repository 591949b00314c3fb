//! Mail on its way: the connection to a server, encrypted as the policy wants it, and the letter
//! handed over. `lettre` speaks SMTP; what comes before it (the connection, STARTTLS, TLS with the
//! same trust as every other connection) and the bounds are here.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::mail::{Encryption, Server};
use imgfix_host::tls;
use imgfix_terminal::clean;

/// The most that a server may say in one connection, in bytes.
const MAX_SAID: usize = 256 << 10;

/// The longest answer before TLS, in bytes.
const MAX_ANSWER: usize = 8 << 10;

/// How much of a server's words a message has, in characters.
const SHOWN: usize = 200;

/// How the client calls itself: its name is nobody's business.
const HELLO: &str = "[127.0.0.1]";

/// What is put before the server's words when they begin within TLS.
const GREETING: &[u8] = b"220 encrypted\r\n";

/// Why a letter was not taken.
#[derive(Debug)]
pub(super) struct Refused {
    /// A sentence's rest, without any secret.
    pub why: String,
    /// Whether it may be taken later.
    pub may_pass: bool,
}

impl Refused {
    fn for_now(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), may_pass: true }
    }

    fn for_good(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), may_pass: false }
    }

    /// The server's answer, or what happened to the connection.
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        let text: String = clean(&error.to_string()).chars().take(SHOWN).collect();
        // An answer that it is never taken, and a letter that the server cannot take at all.
        let may_pass = !error.is_permanent() && !error.is_client();
        Self { why: text, may_pass }
    }
}

/// Hands a letter over. `login` is a user's name and password.
pub(super) async fn hand_over(
    server: &Server,
    login: Option<(String, String)>,
    letter: &lettre::Message,
    certificates: &[Vec<u8>],
) -> Result<(), Refused> {
    let stream = connect(server, certificates).await?;
    let hello = ClientId::Ipv4(Ipv4Addr::LOCALHOST);
    let connected = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
    let mut connection = connected.map_err(|error| Refused::of(&error))?;
    if let Some((user, password)) = login {
        let credentials = Credentials::new(user, password.clone());
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let taken = connection.auth(&mechanisms, &credentials).await;
        if let Err(error) = taken {
            let Refused { why, may_pass } = Refused::of(&error);
            // A server may say a password back.
            let why = why.replace(&password, "***");
            connection.abort().await;
            return Err(Refused { why: format!("the login is refused: {why}"), may_pass });
        }
    }
    let sent = connection.send(letter.envelope(), &letter.formatted()).await;
    sent.map_err(|error| Refused::of(&error))?;
    // It is taken, whatever is said to the farewell.
    let _ = connection.quit().await;
    Ok(())
}

/// A connection that is as the policy wants it.
async fn connect(
    server: &Server,
    certificates: &[Vec<u8>],
) -> Result<Box<dyn AsyncTokioStream>, Refused> {
    let connected = TcpStream::connect((server.host.as_str(), server.port)).await;
    let mut plain =
        connected.map_err(|error| Refused::for_now(format!("no connection: {error}")))?;
    let peer = plain.peer_addr().map_err(Refused::for_now)?;
    match server.encryption {
        Encryption::None => return Ok(Box::new(Bounded::new(plain, peer, b""))),
        Encryption::Implicit => {}
        Encryption::Starttls => start_tls(&mut plain).await?,
    }
    let name = ServerName::try_from(server.host.clone())
        .map_err(|_| Refused::for_good("its name is none that a certificate can have"))?;
    let configuration = tls::configuration(certificates, &[]).map_err(Refused::for_good)?;
    let connector = TlsConnector::from(Arc::new(configuration));
    // A certificate that is not trusted is the same in a second.
    let encrypted = connector.connect(name, plain).await;
    let encrypted = encrypted.map_err(|error| Refused::for_good(format!("TLS: {error}")))?;
    // After STARTTLS the server waits for the client, and lettre for a greeting.
    let greeting = if server.encryption == Encryption::Starttls { GREETING } else { b"" };
    Ok(Box::new(Bounded::new(encrypted, peer, greeting)))
}

/// Asks the server for TLS (RFC 3207). Nothing but that is said in the clear, and nothing that the
/// server said there is believed afterwards.
async fn start_tls(stream: &mut TcpStream) -> Result<(), Refused> {
    answer(stream, "220").await?;
    say(stream, &format!("EHLO {HELLO}\r\n")).await?;
    let offers = answer(stream, "250").await?;
    let offered =
        |line: &str| line.get(4..).is_some_and(|it| it.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offers.lines().any(offered) {
        return Err(Refused::for_good(
            "it does not offer STARTTLS, and nothing is sent without; use smtps://, or say \
             starttls = \"never\"",
        ));
    }
    say(stream, "STARTTLS\r\n").await?;
    answer(stream, "220").await?;
    Ok(())
}

async fn say(stream: &mut TcpStream, text: &str) -> Result<(), Refused> {
    stream.write_all(text.as_bytes()).await.map_err(Refused::for_now)
}

/// The lines of one answer, which must begin with `code`. Read byte by byte: what follows it may be
/// TLS already.
async fn answer(stream: &mut TcpStream, code: &str) -> Result<String, Refused> {
    let mut text = String::new();
    loop {
        let start = text.len();
        while !text.get(start..).unwrap_or_default().ends_with('\n') {
            let byte = stream.read_u8().await.map_err(Refused::for_now)?;
            text.push(char::from(byte));
            if text.len() > MAX_ANSWER {
                return Err(Refused::for_good("its answer is too long"));
            }
        }
        let line = text.get(start..).unwrap_or_default();
        // `250-` goes on, `250 ` is the last one.
        if line.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        if line.starts_with(code) {
            return Ok(text);
        }
        let shown: String = clean(line.trim_end()).chars().take(SHOWN).collect();
        let why = format!("it answered {shown}");
        return Err(match line.starts_with('4') {
            true => Refused::for_now(why),
            false => Refused::for_good(why),
        });
    }
}

/// A stream that ends with an error when the other side says too much, and that may have some
/// words before those of the other side.
struct Bounded<S> {
    inner: S,
    peer: SocketAddr,
    before: &'static [u8],
    left: usize,
}

impl<S> Bounded<S> {
    fn new(inner: S, peer: SocketAddr, before: &'static [u8]) -> Self {
        Self { inner, peer, before, left: MAX_SAID }
    }
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bounded({})", self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.before.is_empty() {
            let (now, later) = this.before.split_at(this.before.len().min(buffer.remaining()));
            buffer.put_slice(now);
            this.before = later;
            return Poll::Ready(Ok(()));
        }
        let start = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        match this.left.checked_sub(buffer.filled().len().saturating_sub(start)) {
            Some(left) => {
                this.left = left;
                read
            }
            None => Poll::Ready(Err(io::Error::other("it says too much"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
