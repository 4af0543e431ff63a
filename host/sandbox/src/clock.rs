//! Ends a call that runs too long.
//!
//! A connector's code checks an epoch counter at every loop and function. A thread advances that counter while calls
//! run, and at each tick a running call reads its own thread's CPU time. So a call is ended for what it used, not for
//! what a busy machine made it wait; a cap on wall time ends it in any case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Engine, UpdateDeadline};

use crate::limits::WALL_MS_MAX;

/// Milliseconds between two looks at a call's CPU time; so much may a call overdraw its budget. Short calls never see
/// a tick.
const TICK_MS: u64 = 5;
/// Ticks without a call before the thread parks: in a stream of webhooks none pays for waking it.
const IDLE_TICKS_MAX: u32 = 20;

/// The thread that advances the engine's epoch while calls run.
pub(crate) struct Clock {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    running: AtomicU32,
    stopped: AtomicBool,
}

impl Clock {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { running: AtomicU32::new(0), stopped: AtomicBool::new(false) });
        let ticking = Arc::clone(&shared);
        let thread = thread::Builder::new().name("sandbox-clock".into()).spawn(move || tick(&engine, &ticking))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Ticks until the returned value is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread().unpark();
        }
        Running(&self.shared)
    }

    fn thread(&self) -> &Thread {
        self.thread.as_ref().expect("the handle is taken only when the clock is dropped").thread()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread only sleeps and counts: it cannot have panicked.
            let _ = thread.join();
        }
    }
}

/// Keeps the clock ticking.
pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut idle_ticks = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        if shared.running.load(Ordering::SeqCst) > 0 {
            idle_ticks = 0;
        } else if idle_ticks == IDLE_TICKS_MAX {
            // A call that began since the load above has unparked this thread, so that this returns at once.
            thread::park();
            idle_ticks = 0;
        } else {
            idle_ticks += 1;
        }
        thread::sleep(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
    }
}

/// The time that one call may take, and what it has taken.
pub(crate) struct Deadline {
    started: Instant,
    cpu_budget: Duration,
    /// The thread's CPU time at the first tick. Reading it is a system call, so a call shorter than a tick never does,
    /// and what it used before its first tick is free.
    cpu_at_first_tick: Option<Duration>,
    passed: Option<&'static str>,
}

impl Deadline {
    pub(crate) fn new(cpu_budget: Duration) -> Self {
        Self { started: Instant::now(), cpu_budget, cpu_at_first_tick: None, passed: None }
    }

    /// Called at each tick by the thread that runs the call.
    pub(crate) fn look(&mut self) -> UpdateDeadline {
        let cpu = thread_cpu_time();
        let first = *self.cpu_at_first_tick.get_or_insert(cpu);
        if cpu.saturating_sub(first) > self.cpu_budget {
            self.passed = Some("CPU time");
        } else if self.started.elapsed() > Duration::from_millis(WALL_MS_MAX) {
            self.passed = Some("wall time");
        }
        if self.passed.is_some() { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Which of the two times ran out.
    pub(crate) fn passed(&self) -> &'static str {
        self.passed.unwrap_or("time")
    }
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
