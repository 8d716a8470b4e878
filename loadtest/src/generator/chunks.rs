//! A body in chunks, as HTTP/1.1 has them.

use crate::generator::failure::Failure;

/// Bytes of chunk extensions and trailers, in all.
const EXTRAS: u32 = 64 * 1024;

/// The position in the chunks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// In a size, with or without a digit before.
    Size {
        digits: bool,
    },
    /// Between a size and its line's end.
    Extension,
    /// After the CR of a size.
    SizeEnd,
    Data,
    /// Before the CR and before the LF after data.
    DataEnd,
    DataEndLf,
    /// In the trailers: on a line that is empty so far, after the CR of one, on any other.
    Trailer,
    TrailerEnd,
    TrailerLine,
    Over,
}

/// Decodes chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    left: u64,
    extras: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size { digits: false }, left: 0, extras: 0 }
    }
}

impl Chunks {
    /// Whether the last chunk and the trailers are complete.
    pub fn over(&self) -> bool {
        self.at == At::Over
    }

    /// Takes a piece and passes its data on. Returns how many bytes belong to the body.
    pub fn take(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, Failure> {
        let mut place = 0;
        while place < bytes.len() && self.at != At::Over {
            if self.at == At::Data {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - place);
                data(&bytes[place..place + length]);
                self.left -= length as u64;
                place += length;
                if self.left == 0 {
                    self.at = At::DataEnd;
                }
            } else {
                self.at = self.step(bytes[place])?;
                place += 1;
            }
        }
        Ok(place)
    }

    /// One byte of what is not data.
    fn step(&mut self, byte: u8) -> Result<At, Failure> {
        if matches!(self.at, At::Extension | At::Trailer | At::TrailerEnd | At::TrailerLine) {
            self.extras += 1;
            if self.extras > EXTRAS {
                return Err(Failure::Malformed);
            }
        }
        Ok(match (self.at, byte) {
            (At::Size { .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(Failure::Malformed)?;
                let more = self.left.checked_mul(16).and_then(|left| left.checked_add(digit.into()));
                self.left = more.ok_or(Failure::Malformed)?;
                At::Size { digits: true }
            }
            (At::Size { digits: true } | At::Extension, b'\r') => At::SizeEnd,
            (At::Size { digits: true }, b';' | b' ' | b'\t') => At::Extension,
            (At::Extension, byte) if byte != b'\n' => At::Extension,
            (At::SizeEnd, b'\n') if self.left == 0 => At::Trailer,
            (At::SizeEnd, b'\n') => At::Data,
            (At::DataEnd, b'\r') => At::DataEndLf,
            (At::DataEndLf, b'\n') => At::Size { digits: false },
            (At::Trailer, b'\r') => At::TrailerEnd,
            (At::TrailerEnd, b'\n') => At::Over,
            (At::TrailerLine, b'\n') => At::Trailer,
            (At::Trailer | At::TrailerLine, _) => At::TrailerLine,
            _ => return Err(Failure::Malformed),
        })
    }
}
