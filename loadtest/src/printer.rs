//! Standard output, written to by a thread of its own: a reader that stalls (Ctrl-S in a terminal, a full pipe) holds up
//! that thread, and neither the load nor the journal nor Ctrl-C.

use std::fs::File;
use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::fault::Fault;

/// For how long a reader may take nothing before it is given up, where nobody wants to wait for it.
const STALLED: Duration = Duration::from_secs(2);

/// Takes texts for standard output at once, however slowly it is read.
pub struct Printer {
    texts: mpsc::Sender<String>,
    /// Texts that are not written yet.
    waiting: Arc<AtomicUsize>,
    end: oneshot::Receiver<io::Result<()>>,
}

/// How much was written by the end.
#[derive(Debug)]
pub enum End {
    /// All of it, or all that the reader wanted before it went away.
    Whole,
    /// A write failed, and nothing was written from then on.
    Failed(Fault),
    /// Nobody read any more, with so many texts left.
    Stalled(usize),
}

impl Printer {
    /// Starts the thread. It goes on until all is written, or a write fails.
    pub fn start() -> Result<Self, Fault> {
        // Not Rust's own handle: it keeps in a buffer what could not be written, and a lock while a write lasts.
        let out = File::from(stdout().as_fd().try_clone_to_owned().map_err(|error| cannot(&error))?);
        let (texts, come) = mpsc::channel();
        let (ended, end) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let run = move || {
            // Nobody waits for it any more where the reader was given up.
            let _ = ended.send(write(out, &come, &left));
        };
        std::thread::Builder::new().name("print".to_owned()).spawn(run).map_err(|error| cannot(&error))?;
        Ok(Self { texts, waiting, end })
    }

    /// Has a text written after those before it. Where writing has failed, it is forgotten.
    pub fn print(&self, text: String) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.texts.send(text);
    }

    /// Whether all is written so far.
    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Waits until all is written: for as long as that takes, or, in a hurry, until the reader has taken nothing for
    /// `STALLED`. A reader that is merely slow loses nothing. Not waiting any longer is what `enough` is for.
    pub async fn finish(self, hurry: bool, enough: impl Future<Output = ()>) -> End {
        let Self { texts, waiting, mut end } = self;
        drop(texts);
        let left = || waiting.load(Ordering::Relaxed);
        tokio::pin!(enough);
        loop {
            let before = left();
            tokio::select! {
                biased;
                end = &mut end => return match end {
                    Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => End::Failed(cannot(&error)),
                    _ => End::Whole,
                },
                () = &mut enough => return End::Stalled(left()),
                () = tokio::time::sleep(STALLED), if hurry => {
                    if left() == before {
                        return End::Stalled(before);
                    }
                }
            }
        }
    }
}

fn cannot(error: &io::Error) -> Fault {
    Fault::World(format!("standard output cannot be written to: {error}"))
}

fn write(mut out: File, texts: &mpsc::Receiver<String>, left: &AtomicUsize) -> io::Result<()> {
    for text in texts {
        out.write_all(text.as_bytes())?;
        left.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Writes to standard output where there is nothing to hold up. A reader that has gone away is no fault: a closed pipe
/// under a long table is nothing to report.
pub fn print(text: &str) -> Result<(), Fault> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(cannot(&error)),
        _ => Ok(()),
    }
}

/// Says something on standard error, of which nothing has to be lost as long as somebody reads: where nobody does, the
/// tool ends all the same.
pub fn say(text: String) {
    let (said, saying) = mpsc::channel();
    std::thread::spawn(move || {
        // Where standard error is closed, the exit code tells.
        let _ = stderr().write_all(text.as_bytes());
        let _ = said.send(());
    });
    let _ = saying.recv_timeout(STALLED);
}
