//! Standard output, written to by a thread of its own: a reader that stalls (Ctrl-S in a terminal, a full pipe) holds up
//! that thread, and neither the load nor the journal nor Ctrl-C.

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

/// For how long a reader may take nothing before it is given up, where nobody wants to wait for it.
const STALLED: Duration = Duration::from_secs(2);

/// How much is written at once. A pipe that is full has room again by the page, and a write that is longer would end, and
/// tell that something was taken, only when all of it was.
const PAGE: usize = 4096;

/// Takes texts for standard output at once, however slowly it is read.
pub struct Printer {
    texts: mpsc::Sender<Clean>,
    progress: Arc<Progress>,
    end: oneshot::Receiver<io::Result<()>>,
}

/// How far the thread has come.
#[derive(Default)]
struct Progress {
    /// Texts that are not written yet.
    waiting: AtomicUsize,
    /// Bytes that are.
    taken: AtomicU64,
}

/// How much was written by the end.
#[derive(Debug)]
pub enum End {
    /// All of it, or all that the reader wanted before it went away.
    Whole,
    /// A write failed, and nothing was written from then on.
    Failed(Error),
    /// Nobody read any more, with so many texts left.
    Stalled(usize),
}

impl Printer {
    /// Starts the thread. It goes on until all is written, or a write fails.
    pub fn start() -> Result<Self, Error> {
        // Not Rust's own handle: it keeps in a buffer what could not be written, and a lock while a write lasts.
        Self::to(File::from(stdout().as_fd().try_clone_to_owned().map_err(|error| cannot(&error))?))
    }

    fn to(out: File) -> Result<Self, Error> {
        let (texts, come) = mpsc::channel();
        let (ended, end) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let made = Arc::clone(&progress);
        let run = move || {
            // Nobody waits for it any more where the reader was given up.
            let _ = ended.send(write(out, &come, &made));
        };
        std::thread::Builder::new().name("print".to_owned()).spawn(run).map_err(|error| cannot(&error))?;
        Ok(Self { texts, progress, end })
    }

    /// Has a text written after those before it. Where writing has failed, it is forgotten.
    pub fn print(&self, text: Clean) {
        self.progress.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.texts.send(text);
    }

    /// Whether all is written so far.
    pub fn is_idle(&self) -> bool {
        self.progress.waiting.load(Ordering::Relaxed) == 0
    }

    /// Waits until all is written: for as long as that takes, or, in a hurry, until the reader has taken nothing for
    /// `STALLED`. A reader that is merely slow loses nothing. Not waiting any longer is what `enough` is for.
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

/// Writes to standard output where there is nothing to hold up. A reader that has gone away is no fault: a closed pipe
/// under a long table is nothing to report.
pub fn print(text: &Clean) -> Result<(), Error> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot(&error)),
        _ => Ok(()),
    }
}

/// Says something on standard error, of which nothing has to be lost as long as somebody reads: where nobody does, the
/// tool ends all the same.
pub fn say(text: Clean) {
    let (said, saying) = mpsc::channel();
    std::thread::spawn(move || {
        // Where standard error is closed, the exit code tells.
        let _ = stderr().write_all(text.as_bytes());
        let _ = said.send(());
    });
    let _ = saying.recv_timeout(STALLED);
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io::{Read, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_takes_less_than_a_text_at_a_time_is_not_given_up_until_it_takes_nothing() {
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
