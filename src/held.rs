//! Bytes that a client can make large and keep in memory: bodies that are echoed, and headers that are listed.
//!
//! A connection is not charged for them ([`crate::server::Budget`]), so together they have a limit of their own. It is part of
//! what is reserved for the process.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Rejection;

/// The maximum of all such bytes together, in KiB.
const MAX_KIBIBYTES: usize = 4 * 1024;

/// The room for such bytes.
#[derive(Clone)]
pub struct HeldBytes(Arc<Semaphore>);

/// Room that has been taken.
pub struct Room(#[expect(dead_code, reason = "it is released when this is dropped")] OwnedSemaphorePermit);

impl Default for HeldBytes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_KIBIBYTES)))
    }
}

impl HeldBytes {
    /// Takes room for this many bytes, or rejects the request.
    pub fn take(&self, bytes: usize) -> Result<Room, Rejection> {
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).map_err(|_| Rejection::Busy)?;
        Arc::clone(&self.0).try_acquire_many_owned(kibibytes).map(Room).map_err(|_| Rejection::Busy)
    }
}

impl Room {
    /// Bytes that keep the room until their last reader has dropped them.
    pub fn fill(self, bytes: Vec<u8>) -> Bytes {
        struct Owner(Vec<u8>, #[expect(dead_code, reason = "dropped with the bytes")] Room);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Owner(bytes, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_their_room_until_they_are_dropped() {
        let held = HeldBytes::default();
        let all = held.take(MAX_KIBIBYTES * 1024).expect("there is room").fill(b"x".to_vec());
        assert_eq!(held.take(1).err(), Some(Rejection::Busy));
        let copy = all.clone();
        drop(all);
        assert_eq!(held.take(1).err(), Some(Rejection::Busy));
        drop(copy);
        assert!(held.take(1).is_ok());
    }
}
