//! A closed loop: each client sends its next request when its last one has ended, as wrk and hey do.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Load;
use crate::generator::timer::Timer;
use crate::journal::Clients;

impl Load {
    /// Keeps all clients busy until the profile's end, and closes the seconds.
    pub(super) async fn loop_clients(self: &Rc<Self>, timer: &mut Timer, clients: Clients) -> io::Result<()> {
        let end = self.moment(self.settings.profile.seconds());
        while !self.stopped() && Instant::now() < self.start {
            self.wait(timer, self.start).await?;
        }
        for client in 0..clients.count as usize {
            tokio::task::spawn_local(Rc::clone(self).client(client, end, self.pace.real(clients.pause())));
        }
        while !self.stopped() {
            let now = Instant::now();
            self.close_seconds_before(self.at(now));
            if now >= end {
                break;
            }
            self.wait(timer, end.min(self.second_end())).await?;
        }
        Ok(())
    }

    /// One client. What it waits for when the load is over is not waited for, unless it is an answer.
    async fn client(self: Rc<Self>, client: usize, end: Instant, pause: Duration) {
        while !self.stopped() && !self.draining.get() && Instant::now() < end {
            {
                let mut window = self.window.borrow_mut();
                window.due += 1;
                window.sent += 1;
            }
            self.in_flight.set(self.in_flight.get() + 1);
            let answered = self.request(Instant::now(), client).await;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            } else if !answered {
                // A failure that needs no waiting must not keep the others from their turn.
                tokio::task::yield_now().await;
            }
        }
    }
}
