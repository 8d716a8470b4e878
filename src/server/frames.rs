//! Follows HTTP/2's frames to find where header blocks begin and end (RFC 9113, sections 4.1, 6.2 and 6.10).
//!
//! hyper has no timeout for a header block that never ends. Other frames may arrive at any time between requests, so the
//! bytes alone do not show whether a client is in the middle of a head.

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Length, type, flags and stream.
const FRAME_HEADER_BYTES: usize = 9;

/// Follows the frames that a client sends after its preface.
#[derive(Default)]
pub(super) struct FrameTracker {
    /// The next frame's header, as far as it has arrived.
    header: [u8; FRAME_HEADER_BYTES],
    header_bytes: usize,
    /// How much of the frame's payload is still to arrive.
    payload_bytes: usize,
    /// Whether the frame is part of a header block.
    in_block: bool,
    /// Whether another frame continues the block.
    is_continued: bool,
}

impl FrameTracker {
    /// Reads the next bytes. Returns whether they leave a frame header or a header block unfinished.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.payload_bytes > 0 {
                let read = self.payload_bytes.min(bytes.len());
                self.payload_bytes -= read;
                bytes = &bytes[read..];
            } else {
                let read = (FRAME_HEADER_BYTES - self.header_bytes).min(bytes.len());
                self.header[self.header_bytes..self.header_bytes + read].copy_from_slice(&bytes[..read]);
                self.header_bytes += read;
                bytes = &bytes[read..];
                if self.header_bytes == FRAME_HEADER_BYTES {
                    self.begin_frame();
                }
            }
        }
        self.header_bytes > 0 || self.in_block && (self.payload_bytes > 0 || self.is_continued)
    }

    fn begin_frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        self.header_bytes = 0;
        self.payload_bytes = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block = matches!(kind, HEADERS | CONTINUATION);
        self.is_continued = self.in_block && flags & END_HEADERS == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(payload).unwrap(), kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEADER_BYTES + payload, 0);
        frame
    }

    #[test]
    fn complete_header_block_is_finished() {
        let bytes = [frame(4, 0, 6), frame(HEADERS, END_HEADERS, 20), frame(8, 0, 4)].concat();
        assert!(!FrameTracker::default().receive(&bytes));
        let mut frames = FrameTracker::default();
        let unfinished: Vec<bool> = bytes.iter().map(|byte| frames.receive(&[*byte])).collect();
        // Inside a SETTINGS frame's payload, no head is unfinished.
        assert!(!unfinished[10] && unfinished[0] && unfinished[15 + 9] && !unfinished[bytes.len() - 1]);
    }

    #[test]
    fn header_block_ends_with_its_last_continuation() {
        let mut frames = FrameTracker::default();
        assert!(frames.receive(&frame(HEADERS, 0, 3)));
        assert!(frames.receive(&frame(CONTINUATION, 0, 0)));
        assert!(!frames.receive(&frame(CONTINUATION, END_HEADERS, 5)));
        assert!(frames.receive(&[0, 0]), "half a frame header");
    }
}
