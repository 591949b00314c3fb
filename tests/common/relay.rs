//! A TCP relay on loopback: in front of a server whose connections are to be cut, or as the
//! HTTP proxy of a client that believes to talk to a host far away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What happens to the bytes that a client sends: given all of a connection so far, how many
/// of them still pass before the connection is cut. `None`: all.
pub type Cut = dyn Fn(&[u8]) -> Option<usize> + Send + Sync;

/// A running relay; stops when dropped.
pub struct Relay {
    /// `127.0.0.1:PORT`
    pub host: String,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Relay {
    /// Relays to `target`. `CONNECT` is answered as a proxy does; all other requests go on as
    /// they come (a server takes the absolute URLs that proxies are asked for).
    pub fn start(
        target: &str,
        cut: impl Fn(&[u8]) -> Option<usize> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (lines, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let (target, cut): (_, Arc<Cut>) = (target.to_owned(), Arc::new(cut));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let (target, cut, lines) = (target.clone(), Arc::clone(&cut), Arc::clone(&lines));
                std::thread::spawn(move || relay(client, &target, cut.as_ref(), &lines));
            }
        });
        Self { host, seen, stop }
    }

    /// The first line of every connection so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("lines").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.host);
    }
}

fn relay(mut client: TcpStream, target: &str, cut: &Cut, lines: &Mutex<Vec<String>>) {
    let Ok(mut server) = TcpStream::connect(target) else { return };
    let mut buffer = vec![0; 64 << 10];
    // a connection that was opened and not used is none
    let Some(read) = client.read(&mut buffer).ok().filter(|read| *read > 0) else { return };
    let mut sent = buffer[..read].to_vec();
    let first = String::from_utf8_lossy(&sent).lines().next().unwrap_or_default().to_owned();
    lines.lock().expect("lines").push(first.clone());
    if first.starts_with("CONNECT ") {
        let _ = client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n");
        sent.clear();
    }
    let back = (server.try_clone().expect("socket"), client.try_clone().expect("socket"));
    let answers = std::thread::spawn(move || {
        let (mut from, mut to) = back;
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut passed = 0;
    loop {
        let pass = cut(&sent).map_or(sent.len(), |limit| limit.min(sent.len()));
        if pass > passed && server.write_all(&sent[passed..pass]).is_err() {
            break;
        }
        if pass < sent.len() {
            break;
        }
        passed = pass;
        match client.read(&mut buffer) {
            Ok(read) if read > 0 => sent.extend_from_slice(&buffer[..read]),
            _ => break,
        }
    }
    for socket in [&server, &client] {
        let _ = socket.shutdown(Shutdown::Both);
    }
    let _ = answers.join();
}
