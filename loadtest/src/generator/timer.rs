//! A timer that is precise to microseconds: tokio's own has steps of a millisecond.

#[cfg(target_os = "linux")]
pub(super) use linux::Timer;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::Timer;

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// The kernel's timer as a file descriptor that the runtime waits for with its sockets.
    pub struct Timer {
        descriptor: AsyncFd<OwnedFd>,
        /// The same moment on both clocks, which are one: the standard library does not show its reading.
        clock: Duration,
        instant: Instant,
    }

    impl Timer {
        /// Needs a runtime. Fails where the kernel has no descriptor left.
        pub fn new() -> io::Result<Self> {
            let descriptor = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
            #[expect(deprecated, reason = "its successor is unsafe, for types that may give another descriptor away")]
            let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
            let now = clock_gettime(ClockId::Monotonic);
            let clock = Duration::try_from(now).map_err(|_| io::ErrorKind::InvalidData)?;
            Ok(Self { descriptor, clock, instant: Instant::now() })
        }

        /// Waits until a moment. May end early: the caller checks the time.
        pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
            let at = self.clock + moment.saturating_duration_since(self.instant);
            let it_value = Timespec::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            // Setting it also forgets an expiry that nobody has read, so that none has to be read.
            timerfd_settime(&self.descriptor, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval, it_value })?;
            self.descriptor.readable().await?.clear_ready();
            Ok(())
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::io;
    use std::time::Instant;

    /// tokio's timer: requests are up to a millisecond late.
    pub struct Timer;

    impl Timer {
        /// Never fails here.
        pub fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits until a moment.
        pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
            tokio::time::sleep_until(moment.into()).await;
            Ok(())
        }
    }
}
