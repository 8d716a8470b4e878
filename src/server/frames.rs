//! Follows HTTP/2's frames to find where header blocks begin and end (RFC 9113, sections 4.1, 6.2 and 6.10).
//!
//! hyper has no timeout for a header block that never ends, and keeps at least six frames of one, however small the limit of
//! a header list is. Other frames may arrive at any time between requests, so the bytes alone do not show whether a client
//! is in the middle of a head.

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Length, type, flags and stream.
const FRAME_HEADER_BYTES: usize = 9;

/// The maximum of a header block as it is sent: twice the longest header list that is accepted, so that one that is a little
/// too long still gets its 431.
const MAX_BLOCK_BYTES: usize = 2 * super::connection::MAX_HEADER_LIST_BYTES;

/// What the frames so far have left to arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeaderBlock {
    /// No frame header and no header block is unfinished.
    Complete,
    /// One is.
    Unfinished,
    /// A header block is longer than the maximum: nothing more must be read of the connection.
    TooLong,
}

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
    /// The payloads of the latest header block's frames.
    block_bytes: usize,
}

impl FrameTracker {
    /// Reads the next bytes.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> HeaderBlock {
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
                    if self.block_bytes > MAX_BLOCK_BYTES {
                        return HeaderBlock::TooLong;
                    }
                }
            }
        }
        if self.header_bytes > 0 || self.in_block && (self.payload_bytes > 0 || self.is_continued) {
            HeaderBlock::Unfinished
        } else {
            HeaderBlock::Complete
        }
    }

    fn begin_frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        self.header_bytes = 0;
        self.payload_bytes = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block = matches!(kind, HEADERS | CONTINUATION);
        self.is_continued = self.in_block && flags & END_HEADERS == 0;
        self.block_bytes = match kind {
            HEADERS => self.payload_bytes,
            CONTINUATION => self.block_bytes + self.payload_bytes,
            _ => 0,
        };
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
        assert_eq!(FrameTracker::default().receive(&bytes), HeaderBlock::Complete);
        let mut frames = FrameTracker::default();
        let unfinished: Vec<bool> =
            bytes.iter().map(|byte| frames.receive(&[*byte]) == HeaderBlock::Unfinished).collect();
        // Inside a SETTINGS frame's payload, no head is unfinished.
        assert!(!unfinished[10] && unfinished[0] && unfinished[15 + 9] && !unfinished[bytes.len() - 1]);
    }

    #[test]
    fn header_block_ends_with_its_last_continuation() {
        let mut frames = FrameTracker::default();
        assert_eq!(frames.receive(&frame(HEADERS, 0, 3)), HeaderBlock::Unfinished);
        assert_eq!(frames.receive(&frame(CONTINUATION, 0, 0)), HeaderBlock::Unfinished);
        assert_eq!(frames.receive(&frame(CONTINUATION, END_HEADERS, 5)), HeaderBlock::Complete);
        assert_eq!(frames.receive(&[0, 0]), HeaderBlock::Unfinished, "half a frame header");
    }

    #[test]
    fn header_block_is_too_long_from_the_frame_that_makes_it_so() {
        let full = u8::MAX as usize;
        let fitting = MAX_BLOCK_BYTES / full;
        let mut frames = FrameTracker::default();
        assert_eq!(frames.receive(&frame(HEADERS, 0, full)), HeaderBlock::Unfinished);
        for _ in 1..fitting {
            assert_eq!(frames.receive(&frame(CONTINUATION, 0, full)), HeaderBlock::Unfinished);
        }
        let last = &frame(CONTINUATION, END_HEADERS, full)[..FRAME_HEADER_BYTES];
        assert_eq!(frames.receive(last), HeaderBlock::TooLong, "its payload need not arrive");
        // Each block is counted by itself.
        let blocks: Vec<u8> = (0..fitting * 2).flat_map(|_| frame(HEADERS, END_HEADERS, full)).collect();
        assert_eq!(FrameTracker::default().receive(&blocks), HeaderBlock::Complete);
    }
}
