//! A tiny HTTP server that answers as a test wants: errors, cut connections, endless bodies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::cli::{blob, tagged};

/// A request that came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Closes the connection after so many bytes of the body.
    pub cut_after: Option<usize>,
    /// Sends the body again and again, without a length.
    pub endless: bool,
    /// Sends the body byte by byte, waiting so long before each.
    pub drip: Option<Duration>,
}

impl Response {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn dripping(mut self) -> Self {
        self.drip = Some(Duration::from_millis(100));
        self
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut_after = Some(bytes);
        self
    }
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A running server; stops answering when dropped.
pub struct Server {
    /// `127.0.0.1:PORT`
    pub host: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let (seen, stopped) = (Arc::clone(&requests), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, handler.as_ref(), &seen));
            }
        });
        Self { host, requests, stop }
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("requests").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
    }
}

fn serve(stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read_request(&mut reader) else { return };
    seen.lock().expect("requests").push(request.clone());
    let response = handler(&request);
    let mut stream = reader.into_inner();
    let _ = write_response(&mut stream, &request, &response);
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let mut request =
        Request { method: words.next()?.into(), path: words.next()?.into(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn write_response(
    stream: &mut TcpStream,
    request: &Request,
    response: &Response,
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {} Answer\r\nConnection: close\r\n", response.status)?;
    for (name, value) in &response.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    if !response.endless {
        write!(stream, "Content-Length: {}\r\n", response.body.len())?;
    }
    write!(stream, "\r\n")?;
    if request.method == "HEAD" {
        return Ok(());
    }
    if response.endless {
        loop {
            stream.write_all(&response.body)?;
        }
    }
    if let Some(wait) = response.drip {
        for byte in &response.body {
            std::thread::sleep(wait);
            stream.write_all(std::slice::from_ref(byte))?;
            stream.flush()?;
        }
        return Ok(());
    }
    let end = response.cut_after.unwrap_or(usize::MAX).min(response.body.len());
    stream.write_all(&response.body[..end])?;
    stream.flush()
}

/// A registry that serves the tag `12` of a layout as `team/app:12` and takes nothing; `answer`
/// may answer first.
pub fn serve_layout(
    layout: PathBuf,
    answer: impl Fn(&Request) -> Option<Response> + Send + Sync + 'static,
) -> Server {
    Server::start(move |request| {
        if let Some(response) = answer(request) {
            return response;
        }
        let last = request.path.rsplit('/').next().unwrap_or_default();
        if request.path == "/v2/" {
            return Response::new(200, "{}");
        }
        if request.method != "GET" && request.method != "HEAD" {
            return Response::new(500, "");
        }
        let digest = match last {
            "12" => tagged(&layout, "12").expect("tag"),
            other => other.to_owned(),
        };
        if !digest.starts_with("sha256:") {
            return Response::new(404, "{}");
        }
        let Ok(bytes) = std::fs::read(blob(&layout, &digest)) else {
            return Response::new(404, "{}");
        };
        let kind = match request.path.contains("/manifests/") {
            true => "application/vnd.oci.image.manifest.v1+json",
            false => "application/octet-stream",
        };
        Response::new(200, bytes)
            .header("Content-Type", kind)
            .header("Docker-Content-Digest", digest)
    })
}
