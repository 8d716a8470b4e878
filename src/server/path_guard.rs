//! Finds a fragment in the `:path` of an HTTP/2 request (RFC 9113, section 8.3.1).
//!
//! h2 cuts a fragment off before the service sees the path, so that a request with one would be served, and another hop could
//! read it as another target. So the fields of a header block are followed as they arrive (RFC 7541). A path with a `#` is
//! replaced in its place by one of the same length that no rule accepts, and the request gets 400. If the path arrives in
//! pieces, its beginning has been read already: then the `#` becomes a `>`, which h2 takes for malformed, and the stream is
//! reset.

/// `:path` in the static table, with two values.
const PATHS: [usize; 2] = [4, 5];

/// The number of entries of the static table. Names with a higher index are the client's.
const STATIC: usize = 61;

/// The name, and its Huffman code.
const NAME: &[u8] = b":path";
const NAME_CODE: &[u8] = &[0xb9, 0x58, 0xd3, 0x3f];

/// The Huffman code of `#`, whose last bit makes it a `>`.
const FRAGMENT: u32 = 0xffa;
const FRAGMENT_BITS: usize = 12;

/// The first six bits of the Huffman code of a `/`.
const SLASH_CODE: u8 = 0b01_1000;

/// How many Huffman codes have each length. The code is canonical, so their boundaries follow from that.
const COUNTS: [u32; 31] =
    [0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];

/// The first code of each length.
static FIRST: [u32; 31] = {
    let mut first = [0; 31];
    let mut length = 1;
    while length < first.len() {
        first[length] = (first[length - 1] + COUNTS[length - 1]) << 1;
        length += 1;
    }
    first
};

/// Follows the fields of header blocks.
#[derive(Default)]
pub(super) struct PathGuard {
    state: State,
}

#[derive(Clone, Copy, Default)]
enum State {
    /// The next byte begins a field.
    #[default]
    Field,
    /// The next byte continues an integer.
    Integer { value: usize, shift: u32, of: Integer },
    /// The next byte begins a name or a value.
    Text(Text),
    /// The next byte is one of a name: `left` are to come, and all that were `seen` are those of `:path`, or not.
    Name { left: usize, seen: usize, is_coded: bool, is_path: bool },
    /// The next byte is one of a value.
    Value { left: usize, value: Value },
}

/// What an integer is.
#[derive(Clone, Copy)]
enum Integer {
    /// The index of a whole field, or the size of the table.
    Skipped,
    /// The index of a name.
    Name,
    /// The length of a name or a value, and whether it is in Huffman codes.
    Length(Text, bool),
}

/// A name, or the value of a name.
#[derive(Clone, Copy)]
enum Text {
    Name,
    Value(Path),
}

/// Whether a value is a path.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Path {
    No,
    /// If it begins with a slash: its name is in the client's table.
    Maybe,
    Yes,
    /// It was, and is being replaced.
    Replaced,
}

#[derive(Clone, Copy)]
struct Value {
    path: Path,
    is_coded: bool,
    /// The bits of the code that has begun, and how many they are.
    code: u32,
    bits: usize,
}

impl PathGuard {
    /// Begins a header block.
    pub(super) fn begin(&mut self) {
        self.state = State::Field;
    }

    /// Reads the next bytes of the block, and replaces a path that has a fragment.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) {
        // Where the value starts, if that is among these bytes.
        let mut start = None;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            let was_value = matches!(self.state, State::Value { .. });
            self.state = match self.state {
                State::Field => field(byte),
                State::Integer { value, shift, of } => {
                    let value = value.saturating_add(usize::from(byte & 0x7f) << shift);
                    if byte & 0x80 == 0 || shift > 20 {
                        of.complete(value)
                    } else {
                        State::Integer { value, shift: shift + 7, of }
                    }
                }
                State::Text(text) => integer(byte, 0x7f, Integer::Length(text, byte & 0x80 != 0)),
                State::Name { left, seen, is_coded, is_path } => {
                    let name = if is_coded { NAME_CODE } else { NAME };
                    let is_path = is_path && name.get(seen) == Some(&byte);
                    match (left, is_path && seen + 1 == name.len()) {
                        (1, true) => State::Text(Text::Value(Path::Yes)),
                        (1, false) => State::Text(Text::Value(Path::No)),
                        _ => State::Name { left: left - 1, seen: seen + 1, is_coded, is_path },
                    }
                }
                State::Value { left, value } => {
                    let value = value.read(bytes, at, start, left == 1);
                    if left > 1 { State::Value { left: left - 1, value } } else { State::Field }
                }
            };
            if !was_value && matches!(self.state, State::Value { .. }) {
                start = Some(at + 1);
            }
        }
    }
}

/// What the first byte of a field begins.
fn field(byte: u8) -> State {
    match byte {
        0x80.. => integer(byte, 0x7f, Integer::Skipped),
        0x40.. => integer(byte, 0x3f, Integer::Name),
        0x20.. => integer(byte, 0x1f, Integer::Skipped),
        _ => integer(byte, 0x0f, Integer::Name),
    }
}

/// Begins an integer in the last bits of a byte.
fn integer(byte: u8, mask: u8, of: Integer) -> State {
    let value = usize::from(byte & mask);
    if byte & mask == mask { State::Integer { value, shift: 0, of } } else { of.complete(value) }
}

impl Integer {
    /// What follows it.
    fn complete(self, value: usize) -> State {
        match (self, value) {
            (Self::Skipped, _) | (Self::Length(Text::Value(_), _), 0) => State::Field,
            (Self::Name, 0) => State::Text(Text::Name),
            (Self::Name, index) if PATHS.contains(&index) => State::Text(Text::Value(Path::Yes)),
            (Self::Name, index) if index > STATIC => State::Text(Text::Value(Path::Maybe)),
            (Self::Name, _) | (Self::Length(Text::Name, _), 0) => State::Text(Text::Value(Path::No)),
            (Self::Length(Text::Name, is_coded), left) => State::Name { left, seen: 0, is_coded, is_path: true },
            (Self::Length(Text::Value(path), is_coded), left) => {
                State::Value { left, value: Value { path, is_coded, code: 0, bits: 0 } }
            }
        }
    }
}

impl Value {
    /// Reads the byte `at` of a value that starts at `start`, unless that was before these bytes.
    fn read(mut self, bytes: &mut [u8], at: usize, start: Option<usize>, is_last: bool) -> Self {
        let byte = bytes[at];
        if self.path == Path::Maybe {
            let is_slash = if self.is_coded { byte >> 2 == SLASH_CODE } else { byte == b'/' };
            self.path = if is_slash { Path::Yes } else { Path::No };
        }
        let malformed = match (self.path, self.is_coded) {
            (Path::Yes, true) => self.decode(byte),
            (Path::Yes, false) => (byte == b'#').then_some(b'>'),
            _ => None,
        };
        match (malformed, start) {
            (Some(_), Some(start)) => {
                for (place, byte) in bytes[start..=at].iter_mut().enumerate() {
                    *byte = self.replacement(place, is_last && start + place == at);
                }
                self.path = Path::Replaced;
            }
            (Some(malformed), None) => bytes[at] = malformed,
            (None, _) if self.path == Path::Replaced => {
                bytes[at] = self.replacement(start.map_or(2, |start| at - start), is_last);
            }
            (None, _) => {}
        }
        self
    }

    /// A byte of `?;;;`, which has no slash and is as long as the path. In Huffman codes, `?` has ten bits, `;` has eight, and
    /// six ones remain.
    fn replacement(&self, place: usize, is_last: bool) -> u8 {
        if !self.is_coded {
            return if place == 0 { b'?' } else { b';' };
        }
        match (place, is_last) {
            (1, false) => 0b0011_1110,
            (1, true) => 0b0011_1111,
            (0, _) | (_, true) => 0b1111_1111,
            _ => 0b1111_1110,
        }
    }

    /// Reads the codes in a byte. Returns the byte with a `>` in the place of a `#` that ends in it.
    fn decode(&mut self, byte: u8) -> Option<u8> {
        let mut malformed = None;
        for bit in (0..8).rev() {
            self.code = self.code << 1 | u32::from(byte >> bit & 1);
            self.bits += 1;
            if self.bits == FRAGMENT_BITS && self.code == FRAGMENT {
                malformed = Some(malformed.unwrap_or(byte) | 1 << bit);
            }
            let is_complete = COUNTS
                .get(self.bits)
                .is_none_or(|count| self.code.checked_sub(FIRST[self.bits]).is_some_and(|place| place < *count));
            if is_complete {
                (self.code, self.bits) = (0, 0);
            }
        }
        malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/a#b`, as it is and in Huffman codes: 011000 00011 111111111010 100011, and ones.
    const RAW: &[u8] = b"\x04/a#b";
    const CODED: &[u8] = &[0x84, 0b0110_0000, 0b0111_1111, 0b1111_0101, 0b0001_1111];

    fn received(block: &[u8], pieces: usize) -> Vec<u8> {
        let mut bytes = block.to_vec();
        let mut guard = PathGuard::default();
        bytes.chunks_mut(pieces).for_each(|piece| guard.receive(piece));
        bytes
    }

    #[test]
    fn path_with_a_fragment_is_replaced() {
        for (name, value, replaced) in [
            (&b"\x44"[..], RAW, &b"\x04?;;;"[..]),
            (b"\x04", RAW, b"\x04?;;;"),
            (b"\x15", RAW, b"\x04?;;;"),
            (b"\x00\x05:path", RAW, b"\x04?;;;"),
            (b"\x40\x84\xb9\x58\xd3\x3f", RAW, b"\x04?;;;"),
            (b"\x44", CODED, b"\x84\xff\x3e\xfe\xff"),
            // A name in the client's table: 62.
            (b"\x7e", RAW, b"\x04?;;;"),
            (b"\x0f\x2f", CODED, b"\x84\xff\x3e\xfe\xff"),
        ] {
            let around = |value: &[u8]| [b"\x82\x86", name, value, b"\x41\x03a#b"].concat();
            let block = around(value);
            assert_eq!(received(&block, block.len()), around(replaced), "{}", block.escape_ascii());
            let apart = received(&block, 1);
            assert!(apart != block && apart.ends_with(b"\x41\x03a#b"), "{}", apart.escape_ascii());
        }
    }

    #[test]
    fn other_fields_are_unchanged() {
        for block in [
            &b"\x82\x84\x86\x41\x09localhost"[..],
            b"\x44\x04/a?b\x00\x03a#b\x03/#a",
            b"\x51\x04/a#b",
            b"\x7e\x03a#b",
            b"\x44\x00\x00\x01#\x01#",
            b"\x3f\xe1\x1f\xff\x80\x01",
            // `www.example.com` in Huffman codes (RFC 7541, appendix C.4.1).
            b"\x44\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
        ] {
            assert_eq!(received(block, block.len()), block, "{}", block.escape_ascii());
            assert_eq!(received(block, 1), block, "{}", block.escape_ascii());
        }
    }
}
