//! Standard output, written by a thread of its own: a reader that stalls (Ctrl-S in a terminal, a full pipe) blocks
//! only that thread, not the load, the journal or Ctrl-C.

use std::fs::File;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Clean;
use crate::error::Error;

/// In a hurry, how long a reader may take nothing before the printer gives up on it.
const STALLED: Duration = Duration::from_secs(2);

/// How much is written at once. A full pipe gets room again page by page, and a longer write would return, and so show
/// progress, only at its end.
const PAGE: usize = 4096;

/// Accepts texts for standard output immediately, however slowly it is read.
pub struct Printer {
    texts: mpsc::Sender<Clean>,
    progress: Arc<Progress>,
    end: oneshot::Receiver<io::Result<()>>,
}

/// How far the thread has come.
#[derive(Default)]
struct Progress {
    /// The texts that are not written yet.
    waiting: AtomicUsize,
    /// The bytes that are written.
    taken: AtomicU64,
}

/// How the printing ended.
#[derive(Debug)]
pub enum End {
    /// All was written, or the reader closed the pipe.
    Whole,
    /// A write failed, and nothing was written after it.
    Failed(Error),
    /// The reader stopped reading, with this many texts left.
    Stalled(usize),
}

impl Printer {
    /// Starts the thread, which runs until all is written or a write fails.
    pub fn start() -> Result<Self, Error> {
        // Not Rust's own handle, which buffers unwritten text, and holds a lock during a write.
        Self::to(File::from(stdout().as_fd().try_clone_to_owned().map_err(|error| cannot(&error))?))
    }

    fn to(out: File) -> Result<Self, Error> {
        let (texts, received) = mpsc::channel();
        let (ended, end) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let made = Arc::clone(&progress);
        let run = move || {
            // If the reader was given up, nobody waits for this.
            let _ = ended.send(write(out, &received, &made));
        };
        std::thread::Builder::new().name("print".to_owned()).spawn(run).map_err(|error| cannot(&error))?;
        Ok(Self { texts, progress, end })
    }

    /// Queues a text. After a failed write, it is dropped.
    pub fn print(&self, text: Clean) {
        self.progress.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.texts.send(text);
    }

    /// Whether everything so far is written.
    pub fn is_idle(&self) -> bool {
        self.progress.waiting.load(Ordering::Relaxed) == 0
    }

    /// Waits until all is written: as long as that takes, or, in a hurry, until the reader has taken nothing for
    /// `STALLED`. A reader that is only slow loses nothing. `enough` ends the waiting.
    pub async fn finish(self, hurry: bool, enough: impl Future<Output = ()>) -> End {
        let Self { texts, progress, mut end } = self;
        drop(texts);
        let left = || progress.waiting.load(Ordering::Relaxed);
        let taken = || progress.taken.load(Ordering::Relaxed);
        tokio::pin!(enough);
        loop {
            let before = taken();
            tokio::select! {
                biased;
                end = &mut end => return match end {
                    Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => End::Failed(cannot(&error)),
                    _ => End::Whole,
                },
                () = &mut enough => return End::Stalled(left()),
                () = tokio::time::sleep(STALLED), if hurry => {
                    if taken() == before {
                        return End::Stalled(left());
                    }
                }
            }
        }
    }
}

fn cannot(error: &io::Error) -> Error {
    Error::Environment(format!("cannot write to standard output: {error}"))
}

fn write(mut out: File, texts: &mpsc::Receiver<Clean>, progress: &Progress) -> io::Result<()> {
    for text in texts {
        for part in text.as_bytes().chunks(PAGE) {
            out.write_all(part)?;
            progress.taken.fetch_add(part.len() as u64, Ordering::Relaxed);
        }
        progress.waiting.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Writes to standard output when there is no load to delay. A closed pipe is not an error: the reader had enough.
pub fn print(text: &Clean) -> Result<(), Error> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot(&error)),
        _ => Ok(()),
    }
}

/// Writes to standard error, and waits for its reader, but not forever: if nobody reads, the tool ends all the same.
pub fn say(text: Clean) {
    let (sender, written) = mpsc::channel();
    std::thread::spawn(move || {
        // If standard error is closed, the exit code remains.
        let _ = stderr().write_all(text.as_bytes());
        let _ = sender.send(());
    });
    let _ = written.recv_timeout(STALLED);
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_given_up_only_when_it_takes_nothing() {
        let (mut reader, writer) = pipe().unwrap();
        let printer = Printer::to(File::from(OwnedFd::from(writer))).unwrap();
        // Far more than the pipe holds, in one.
        printer.print(Clean::of(&"x".repeat(1 << 20)));
        let mut finishing = Box::pin(printer.finish(true, pending()));
        let mut turns = tokio::time::interval(STALLED / 20);
        // Three times as long as it would wait for a reader that takes nothing.
        for _ in 0..60 {
            tokio::select! {
                biased;
                _ = turns.tick() => reader.read_exact(&mut [0; PAGE]).unwrap(),
                end = &mut finishing => panic!("given up: {end:?}"),
            }
        }
        let end = tokio::time::timeout(5 * STALLED, finishing).await.expect("nobody reads");
        assert!(matches!(end, End::Stalled(1)), "{end:?}");
    }
}
