//! Where HTTP/2's header blocks begin and end in a connection's bytes (RFC 9113, sections 4.1, 6.2 and 6.10).
//!
//! hyper has no timeout for a header block that is never ended. Other frames may come at any time between requests, so
//! that bytes alone do not tell whether a client is in the middle of a head.

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Length, type, flags and stream.
const FRAME_HEAD_BYTES: usize = 9;

/// Follows the frames that a client sends after its preface.
#[derive(Default)]
pub(super) struct Frames {
    /// The head of the next frame, as far as it has come.
    head: [u8; FRAME_HEAD_BYTES],
    known: usize,
    /// Bytes of the frame's payload that are still to come.
    payload: usize,
    /// Whether the frame is a part of a header block.
    in_block: bool,
    /// Whether it is not the last part.
    more: bool,
}

impl Frames {
    /// Takes the next bytes. Returns whether they leave a frame's head or a header block unfinished.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let taken = self.payload.min(bytes.len());
                self.payload -= taken;
                bytes = &bytes[taken..];
            } else {
                let taken = (FRAME_HEAD_BYTES - self.known).min(bytes.len());
                self.head[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
                self.known += taken;
                bytes = &bytes[taken..];
                if self.known == FRAME_HEAD_BYTES {
                    self.begin();
                }
            }
        }
        self.known > 0 || self.in_block && (self.payload > 0 || self.more)
    }

    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.known = 0;
        self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block = matches!(kind, HEADERS | CONTINUATION);
        self.more = self.in_block && flags & END_HEADERS == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEAD_BYTES + payload, 0);
        frame
    }

    #[test]
    fn a_whole_header_block_is_finished() {
        let bytes = [frame(4, 0, 6), frame(HEADERS, END_HEADERS, 20), frame(8, 0, 4)].concat();
        assert!(!Frames::default().take(&bytes));
        let mut frames = Frames::default();
        let unfinished: Vec<bool> = bytes.iter().map(|byte| frames.take(&[*byte])).collect();
        // Inside a SETTINGS frame's payload, no head is under way.
        assert!(!unfinished[10] && unfinished[0] && unfinished[15 + 9] && !unfinished[bytes.len() - 1]);
    }

    #[test]
    fn a_block_ends_with_its_last_continuation() {
        let mut frames = Frames::default();
        assert!(frames.take(&frame(HEADERS, 0, 3)));
        assert!(frames.take(&frame(CONTINUATION, 0, 0)));
        assert!(!frames.take(&frame(CONTINUATION, END_HEADERS, 5)));
        assert!(frames.take(&[0, 0]), "half a frame's head");
    }
}
