//! gzip on several processors with the same bytes on any number of them.
//!
//! The way of pigz: the stream is cut into blocks of one size, each deflated on its own with
//! the last 32 KiB before it as dictionary and ended at a byte boundary, and the pieces are
//! joined to one member (RFC 1952) whose checksum is combined from theirs. What a block
//! becomes depends on nothing but its bytes and those before it. At most a few blocks are in
//! memory.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Bytes deflated at a time: small against memory, large against the few bytes a cut costs.
const BLOCK: usize = 512 * 1024;

/// Deflate's window (RFC 1951).
const WINDOW: usize = 32 * 1024;

/// Member header: deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// An empty last block with fixed codes: all the blocks before were not marked as last.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Compresses what is written to it with several threads.
pub(super) struct ParallelGzip<W: Write> {
    out: W,
    /// What is written and not yet given to a thread.
    block: Vec<u8>,
    /// The block before it.
    previous: Arc<Vec<u8>>,
    crc: Crc,
    length: u64,
    /// Blocks being deflated, in order.
    pending: VecDeque<Receiver<io::Result<Deflated>>>,
    /// `None` tells the threads to end.
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    previous: Arc<Vec<u8>>,
    block: Arc<Vec<u8>>,
    done: SyncSender<io::Result<Deflated>>,
}

struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
}

impl<W: Write> ParallelGzip<W> {
    pub fn new(mut out: W, level: u32, threads: usize) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let threads = (0..threads.max(1))
            .map(|_| {
                let queue = Arc::clone(&queue);
                std::thread::Builder::new().name("gzip".into()).spawn(move || work(&queue, level))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            out,
            block: Vec::with_capacity(BLOCK),
            previous: Arc::default(),
            crc: Crc::new(),
            length: 0,
            pending: VecDeque::new(),
            jobs: Some(jobs),
            threads,
        })
    }

    /// Writes what is left and the member's end.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.block.is_empty() {
            self.dispatch()?;
        }
        while !self.pending.is_empty() {
            self.collect()?;
        }
        self.jobs = None;
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| thread_died())?;
        }
        self.out.write_all(&LAST_BLOCK)?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        // ISIZE: the length modulo 2^32.
        let length = u32::try_from(self.length & u64::from(u32::MAX)).unwrap_or_default();
        self.out.write_all(&length.to_le_bytes())?;
        Ok(self.out)
    }

    /// Gives the block to a thread; first waits for an earlier one when all are busy.
    fn dispatch(&mut self) -> io::Result<()> {
        while self.pending.len() > self.threads.len() {
            self.collect()?;
        }
        let block = Arc::new(std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK)));
        let previous = std::mem::replace(&mut self.previous, Arc::clone(&block));
        self.length += block.len() as u64;
        let (done, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(thread_died)?;
        jobs.send(Job { previous, block, done }).map_err(|_| thread_died())?;
        self.pending.push_back(result);
        Ok(())
    }

    /// Writes the oldest block that is not written yet.
    fn collect(&mut self) -> io::Result<()> {
        let Some(result) = self.pending.pop_front() else { return Ok(()) };
        let deflated = result.recv().map_err(|_| thread_died())??;
        self.crc.combine(&deflated.crc);
        self.out.write_all(&deflated.bytes)
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK.saturating_sub(self.block.len());
        let (now, _) = bytes.split_at(room.min(bytes.len()));
        self.block.extend_from_slice(now);
        if self.block.len() >= BLOCK {
            self.dispatch()?;
        }
        Ok(now.len())
    }

    /// Does nothing: blocks have one size whatever the writes were.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn thread_died() -> io::Error {
    io::Error::other("a compression thread ended unexpectedly")
}

/// One thread: deflates blocks until there are no more.
fn work(queue: &Mutex<Receiver<Job>>, level: u32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { previous, block, done }) = job else { return };
        // Nobody listens any more when writing failed.
        let _ = done.send(deflate(level, &previous, &block));
    }
}

fn deflate(level: u32, previous: &[u8], block: &[u8]) -> io::Result<Deflated> {
    let mut crc = Crc::new();
    crc.update(block);
    // A new state each time: one that is reset keeps its window, and zlib-rs then hashes the
    // dictionary's last bytes together with what an earlier block left behind them.
    let mut state = Compress::new(Compression::new(level), false);
    let dictionary = previous.get(previous.len().saturating_sub(WINDOW)..).unwrap_or_default();
    if !dictionary.is_empty() {
        state.set_dictionary(dictionary).map_err(io::Error::other)?;
    }
    // Deflate adds at most 5 bytes per 16 KiB of what cannot be compressed (and zlib's
    // levels 1 and 2 somewhat more); one call with room enough is one cut at the end.
    let mut bytes = Vec::with_capacity(block.len() + block.len() / 8 + 1024);
    let status = state.compress_vec(block, &mut bytes, FlushCompress::Sync);
    match status.map_err(io::Error::other)? {
        Status::Ok if state.total_in() == block.len() as u64 && bytes.len() < bytes.capacity() => {
            Ok(Deflated { bytes, crc })
        }
        _ => Err(io::Error::other("the compressor did not take a whole block")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compress(data: &[u8], level: u32, threads: usize, step: usize) -> Vec<u8> {
        let mut gzip = ParallelGzip::new(Vec::new(), level, threads).unwrap();
        for part in data.chunks(step) {
            gzip.write_all(part).unwrap();
        }
        gzip.finish().unwrap()
    }

    /// Text-like, random, and zeros, with repetitions across block boundaries.
    fn sample(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match state >> 30 {
                0 => out.extend_from_slice(&state.to_be_bytes()),
                1 => out.extend_from_slice(b"/usr/share/doc/package/copyright"),
                2 => out.extend_from_slice(&[0; 40]),
                _ => out.extend_from_slice(format!("{state} ").as_bytes()),
            }
        }
        out.truncate(len);
        out
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7u64;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(byte).collect()
    }

    #[test]
    fn one_member_comes_back_whole() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 12_345] {
            let data = sample(len);
            for level in 0..=9 {
                let blob = compress(&data, level, 2, 1 << 20);
                let mut back = Vec::new();
                let mut decoder = flate2::bufread::GzDecoder::new(&blob[..]);
                decoder.read_to_end(&mut back).unwrap();
                assert!(back == data, "{len} bytes, level {level}");
                assert!(decoder.into_inner().is_empty());
            }
        }
    }

    #[test]
    fn threads_and_writes_do_not_show() {
        let data = sample(5 * BLOCK + 77);
        let one = compress(&data, 6, 1, data.len());
        assert!(one == compress(&data, 6, 4, data.len()));
        assert!(one == compress(&data, 6, 3, 4097));
    }

    #[test]
    fn blocks_use_what_came_before_them() {
        // The second block repeats the first: without its dictionary it takes as much again.
        let twice = noise(WINDOW / 2).repeat(2 * BLOCK / (WINDOW / 2));
        let both = compress(&twice, 6, 2, 1 << 20).len();
        let first = compress(&twice[..BLOCK], 6, 2, 1 << 20).len();
        assert!(both < first + first / 2, "{both} against {first}");
    }

    #[test]
    fn random_bytes_hardly_grow() {
        let data = noise(2 * BLOCK);
        for level in 0..=9 {
            assert!(compress(&data, level, 2, 1 << 20).len() < data.len() + data.len() / 8);
        }
    }

    #[test]
    fn a_failing_output_is_an_error_not_a_hang() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut gzip = ParallelGzip::new(Full(1000), 1, 2).unwrap();
        let written = gzip.write_all(&sample(10 * BLOCK)).and_then(|()| gzip.finish().map(drop));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
