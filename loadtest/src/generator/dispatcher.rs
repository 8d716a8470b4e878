//! Starts each request when it is due, and closes each second as it ends.

mod closed;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::select;

use crate::journal::{End, Entry, Event, ObservedEvent};
use crate::pace::Pace;
use crate::schedule::Schedule;

use super::{Control, Reporter, Settings, StartError};
use crate::generator::client::{Client, Exchange, Progress, Stage};
use crate::generator::template::Numbers;
use crate::generator::timer::Timer;
use crate::generator::window::Window;

/// When the generator has fallen behind: how many requests are started before those in flight get a turn.
const AT_ONCE: u32 = 32;

/// A load and all that its requests share.
pub(super) struct Load {
    settings: Settings,
    pace: Pace,
    start: Instant,
    control: Arc<Control>,
    entries: Reporter,
    client: Client,
    window: RefCell<Window>,
    in_flight: Cell<u64>,
    /// Since when there is room, after the maximum was in flight.
    room_since: Cell<Option<Instant>>,
    /// No more requests are sent: only answers are awaited.
    draining: Cell<bool>,
    /// The profile's second that is being counted.
    second: Cell<u32>,
    /// The number of the next request, among those of all generators.
    counter: Cell<u64>,
    random: RefCell<Rng>,
}

impl Load {
    pub fn new(
        settings: Settings,
        start: Instant,
        control: Arc<Control>,
        entries: Reporter,
    ) -> Result<Self, StartError> {
        let index = settings.share.index();
        Ok(Self {
            client: Client::new(&settings)?,
            window: RefCell::new(Window::new(settings.success.clone(), settings.threads)),
            counter: Cell::new(index.into()),
            // Each generator has numbers of its own.
            random: RefCell::new(Rng::with_seed(settings.random ^ u64::from(index) << 32)),
            pace: Pace::new(settings.speed),
            settings,
            start,
            control,
            entries,
            in_flight: Cell::new(0),
            room_since: Cell::new(None),
            draining: Cell::new(false),
            second: Cell::new(0),
        })
    }

    /// The whole load, up to the answer to its last request. Ends early if the receiver of its entries is dropped.
    pub async fn run(self: Rc<Self>, mut timer: Timer) {
        for origin in 0..self.client.origins().len() {
            let load = Rc::clone(&self);
            tokio::task::spawn_local(async move {
                load.client.origins()[origin].addresses.refresh(|what| load.event(what)).await;
            });
        }
        select! {
            () = self.entries.closed() => {}
            result = self.send(&mut timer) => {
                let at = self.at(Instant::now());
                if let Err(error) = &result {
                    self.event(ObservedEvent::LoadFailed { why: error.to_string() });
                }
                if !self.window.borrow().is_empty() {
                    self.close_second();
                }
                let interrupted = self.stopped() || result.is_err();
                self.entries.send(Entry::End(End { at, interrupted }));
            }
        }
    }

    /// Sends the whole load, and waits for its answers.
    async fn send(self: &Rc<Self>, timer: &mut Timer) -> io::Result<()> {
        match self.settings.clients {
            None => self.dispatch(timer).await?,
            Some(clients) => self.loop_clients(timer, clients).await?,
        }
        self.draining.set(true);
        while self.in_flight.get() > 0 {
            self.close_seconds_before(self.at(Instant::now()));
            self.wait(timer, self.second_end()).await?;
        }
        Ok(())
    }

    async fn dispatch(self: &Rc<Self>, timer: &mut Timer) -> io::Result<()> {
        let Settings { profile, spacing, seed, share, .. } = &self.settings;
        let mut due = Schedule::new(profile, *spacing, *seed, *share).map(|at| (at, self.moment(at))).peekable();
        let end = self.moment(profile.seconds());
        while !self.stopped() {
            let now = Instant::now();
            let mut begun = 0;
            while let Some((at, moment)) = due.next_if(|(_, moment)| *moment <= now && begun < AT_ONCE) {
                self.close_seconds_before(at);
                begun += u32::from(self.begin(moment));
            }
            if begun == AT_ONCE {
                tokio::task::yield_now().await;
                continue;
            }
            self.close_seconds_before(self.at(now));
            if now >= end {
                break;
            }
            // Without room, due requests are dropped; they are counted when there is room again.
            let full = self.in_flight.get() >= self.settings.max_in_flight;
            let next = due.peek().map(|(_, moment)| *moment).filter(|_| !full);
            let next = next.unwrap_or(end).min(end).min(self.second_end());
            self.wait(timer, next).await?;
        }
        Ok(())
    }

    /// Waits for a moment, or for a change. May end early.
    async fn wait(&self, timer: &mut Timer, moment: Instant) -> io::Result<()> {
        select! {
            biased;
            result = timer.until(moment) => result,
            () = self.control.changed.notified() => Ok(()),
        }
    }

    /// Starts a request that is due, and returns whether there was room for it.
    fn begin(self: &Rc<Self>, due: Instant) -> bool {
        let in_flight = self.in_flight.get();
        let mut window = self.window.borrow_mut();
        window.due += 1;
        let full_then = self.room_since.get().is_some_and(|since| due < since);
        if in_flight >= self.settings.max_in_flight || full_then {
            window.dropped += 1;
            return false;
        }
        self.room_since.set(None);
        window.sent += 1;
        self.in_flight.set(in_flight + 1);
        tokio::task::spawn_local(Rc::clone(self).scheduled(due));
        true
    }

    /// A request of the schedule. Beyond the maximum in flight, its end makes room.
    async fn scheduled(self: Rc<Self>, due: Instant) {
        self.window.borrow_mut().lateness.record(self.pace.rehearsed(due.elapsed()));
        self.request(due, 0).await;
        if self.in_flight.get() + 1 == self.settings.max_in_flight {
            self.room_since.set(Some(Instant::now()));
            self.control.changed.notify_one();
        }
    }

    /// One request on the connections of a client, and its answer, whose latency counts from a moment. Returns whether there
    /// was an answer.
    async fn request(&self, from: Instant, client: usize) -> bool {
        let stage = Cell::new(Stage::Connecting);
        let request = self.client.turn();
        let exchange = Cell::new(Exchange::default());
        let progress = Progress { stage: &stage, window: &self.window, exchange: &exchange, client };
        let answer = self.client.exchange(request, || self.numbers(), progress);
        let timeout = self.settings.timeout;
        let outcome = tokio::time::timeout(self.pace.real(timeout), answer).await;
        let outcome = outcome.unwrap_or_else(|_| Err(stage.get().timed_out().into()));
        let latency = self.pace.rehearsed(from.elapsed());
        let answered = outcome.is_ok();
        self.window.borrow_mut().finished(outcome, latency, timeout, exchange.get(), || self.client.request(request));
        let in_flight = self.in_flight.get();
        self.in_flight.set(in_flight - 1);
        if in_flight == 1 && self.draining.get() {
            self.control.changed.notify_one();
        }
        answered
    }

    /// The numbers of the next request.
    fn numbers(&self) -> Numbers {
        let counter = self.counter.get();
        self.counter.set(counter + u64::from(self.settings.share.of()));
        Numbers { counter, random: self.random.borrow_mut().u64(..) }
    }

    fn stopped(&self) -> bool {
        self.control.stopped.load(Ordering::Relaxed)
    }

    /// The real moment of a second of the profile.
    fn moment(&self, at: f64) -> Instant {
        self.start + Duration::from_secs_f64(at / self.settings.speed)
    }

    /// The profile's second at a moment; 0 before its start.
    fn at(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.start).as_secs_f64() * self.settings.speed
    }

    fn second_end(&self) -> Instant {
        self.moment(f64::from(self.second.get() + 1))
    }

    /// Closes the seconds that ended before a moment of the profile.
    fn close_seconds_before(&self, at: f64) {
        while f64::from(self.second.get() + 1) <= at {
            self.close_second();
            self.second.set(self.second.get() + 1);
        }
    }

    fn close_second(&self) {
        let at = f64::from(self.second.get());
        let second = self.window.borrow_mut().close(at, self.in_flight.get(), self.settings.timeout);
        self.entries.send(Entry::Second(second));
        let examples = self.window.borrow_mut().examples();
        for example in examples {
            self.event(example);
        }
    }

    fn event(&self, what: ObservedEvent) {
        let at = self.at(Instant::now());
        self.entries.send(Entry::Event(Event { at, what }));
    }
}
