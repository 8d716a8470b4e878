//! Follows HTTP/2's frames to find where header blocks begin and end (RFC 9113, sections 4.1, 6.2 and 6.10).
//!
//! hyper has no timeout for a header block that never ends, and keeps at least six frames of one, however small the limit of
//! a header list is. Other frames may arrive at any time between requests, so the bytes alone do not show whether a client
//! is in the middle of a head.

use super::path_guard::PathGuard;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// What the priority of a HEADERS frame takes.
const PRIORITY_BYTES: usize = 5;

/// Length, type, flags and stream.
const FRAME_HEADER_BYTES: usize = 9;

/// The maximum of a header block as it is sent: twice the longest header list that is accepted, so that one that is a little
/// too long still gets its 431.
const MAX_BLOCK_BYTES: usize = 2 * super::connection::MAX_HEADER_LIST_BYTES;

/// The maximum of a frame: HTTP/2's own default, which the server does not raise. hyper rejects a longer one by its header, with
/// the error that RFC 9113, section 4.2, asks for.
const MAX_FRAME_BYTES: usize = 16_384;

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
    /// Whether the next byte of the payload is the length of its padding.
    is_padded: bool,
    /// How much of the frame's priority is still to arrive.
    priority_bytes: usize,
    /// The length of the frame's padding.
    padding_bytes: usize,
    paths: PathGuard,
}

impl FrameTracker {
    /// Reads the next bytes, in which it replaces what the service must not see ([`PathGuard`]).
    pub(super) fn receive(&mut self, mut bytes: &mut [u8]) -> HeaderBlock {
        while !bytes.is_empty() {
            if self.payload_bytes > 0 {
                let (payload, rest) = bytes.split_at_mut(self.payload_bytes.min(bytes.len()));
                bytes = rest;
                if self.in_block {
                    self.receive_block(payload);
                } else {
                    self.payload_bytes -= payload.len();
                }
            } else {
                let read = (FRAME_HEADER_BYTES - self.header_bytes).min(bytes.len());
                self.header[self.header_bytes..self.header_bytes + read].copy_from_slice(&bytes[..read]);
                self.header_bytes += read;
                bytes = &mut bytes[read..];
                if self.header_bytes == FRAME_HEADER_BYTES {
                    self.begin_frame();
                    if self.block_bytes > MAX_BLOCK_BYTES && self.payload_bytes <= MAX_FRAME_BYTES {
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

    /// Reads part of the payload of a frame with headers: the length of its padding, its priority, fields, padding.
    fn receive_block(&mut self, mut payload: &mut [u8]) {
        if self.is_padded && !payload.is_empty() {
            self.is_padded = false;
            self.padding_bytes = usize::from(payload[0]);
            self.payload_bytes -= 1;
            payload = &mut payload[1..];
        }
        let priority = self.priority_bytes.min(payload.len());
        self.priority_bytes -= priority;
        self.payload_bytes -= priority;
        payload = &mut payload[priority..];
        let fields = self.payload_bytes.saturating_sub(self.padding_bytes).min(payload.len());
        self.paths.receive(&mut payload[..fields]);
        self.payload_bytes -= payload.len();
    }

    fn begin_frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        self.header_bytes = 0;
        self.payload_bytes = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block = matches!(kind, HEADERS | CONTINUATION);
        self.is_continued = self.in_block && flags & END_HEADERS == 0;
        self.is_padded = kind == HEADERS && flags & PADDED != 0;
        self.priority_bytes = if kind == HEADERS && flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        self.padding_bytes = 0;
        if kind == HEADERS {
            self.paths.begin();
        }
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
        assert_eq!(FrameTracker::default().receive(&mut bytes.clone()), HeaderBlock::Complete);
        let mut frames = FrameTracker::default();
        let unfinished: Vec<bool> =
            bytes.iter().map(|byte| frames.receive(&mut [*byte]) == HeaderBlock::Unfinished).collect();
        // Inside a SETTINGS frame's payload, no head is unfinished.
        assert!(!unfinished[10] && unfinished[0] && unfinished[15 + 9] && !unfinished[bytes.len() - 1]);
    }

    #[test]
    fn header_block_ends_with_its_last_continuation() {
        let mut frames = FrameTracker::default();
        assert_eq!(frames.receive(&mut frame(HEADERS, 0, 3)), HeaderBlock::Unfinished);
        assert_eq!(frames.receive(&mut frame(CONTINUATION, 0, 0)), HeaderBlock::Unfinished);
        assert_eq!(frames.receive(&mut frame(CONTINUATION, END_HEADERS, 5)), HeaderBlock::Complete);
        assert_eq!(frames.receive(&mut [0, 0]), HeaderBlock::Unfinished, "half a frame header");
    }

    #[test]
    fn header_block_is_too_long_from_the_frame_that_makes_it_so() {
        let full = u8::MAX as usize;
        let fitting = MAX_BLOCK_BYTES / full;
        let mut frames = FrameTracker::default();
        assert_eq!(frames.receive(&mut frame(HEADERS, 0, full)), HeaderBlock::Unfinished);
        for _ in 1..fitting {
            assert_eq!(frames.receive(&mut frame(CONTINUATION, 0, full)), HeaderBlock::Unfinished);
        }
        let mut last = frame(CONTINUATION, END_HEADERS, full);
        last.truncate(FRAME_HEADER_BYTES);
        assert_eq!(frames.receive(&mut last), HeaderBlock::TooLong, "its payload need not arrive");
        // hyper has the error for a frame that is too long by itself.
        let mut long = vec![0, 0x40, 1, HEADERS, END_HEADERS, 0, 0, 0, 1];
        assert_eq!(FrameTracker::default().receive(&mut long), HeaderBlock::Unfinished);
        // Each block is counted by itself.
        let mut blocks: Vec<u8> = (0..fitting * 2).flat_map(|_| frame(HEADERS, END_HEADERS, full)).collect();
        assert_eq!(FrameTracker::default().receive(&mut blocks), HeaderBlock::Complete);
    }

    #[test]
    fn fields_are_found_between_padding_and_priority() {
        const FIELDS: &[u8] = b"\x44\x04/a#b";
        let framed = |flags: u8, before: &[u8], after: &[u8]| {
            let payload = [before, FIELDS, after].concat();
            let mut frame = frame(HEADERS, END_HEADERS | flags, payload.len());
            frame[FRAME_HEADER_BYTES..].copy_from_slice(&payload);
            frame
        };
        for (flags, before, after) in [
            (0, &b""[..], &b""[..]),
            (PADDED, b"\x02", b"##"),
            (PRIORITY, b"#####", b""),
            (PADDED | PRIORITY, b"\x01#####", b"#"),
        ] {
            let mut bytes = framed(flags, before, after);
            assert_eq!(FrameTracker::default().receive(&mut bytes), HeaderBlock::Complete);
            let expected = [before, b"\x44\x04?;;;", after].concat();
            assert_eq!(&bytes[FRAME_HEADER_BYTES..], expected, "{flags}");
        }
    }
}
