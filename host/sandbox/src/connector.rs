//! A loaded connector, and the way of one call through it.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Store, Trap};

use crate::abi::v0_2::{Export, Failed};
use crate::artefact::{self, PublicKey, hex};
use crate::call::{Call, CallError, FailureKind, NotFetched, Received, State, TooManyHostCalls};
use crate::engine::{Metering, Sandbox, Shared};
use crate::error::LoadError;
use crate::limits::{HOST_CALL_SLACK_BYTES, SLOT_WAIT_MS_MAX};
use crate::manifest::Manifest;
use crate::operation::{PollCall, Polled, Ran, RunCall};
use crate::secrets::{NoSecrets, Secrets};
use crate::turn::{self, Wrong};

/// A connector, ready to be called from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    shared: Arc<Shared>,
    loaded: Arc<Loaded>,
}

struct Loaded {
    manifest: Manifest,
    digest: String,
    export: Export,
}

impl Sandbox {
    /// Loads an artefact that one of the `trusted` keys signed.
    ///
    /// # Errors
    /// [`LoadError::Artefact`] before anything of it is used: unsigned, altered, signed by another key, or made for
    /// another engine or processor. Then whatever the component in it may be wrong with.
    pub fn load(&self, artefact: &[u8], trusted: &[PublicKey]) -> Result<Connector, LoadError> {
        let artefact = artefact::open(artefact, trusted)?;
        let manifest = match artefact.manifest {
            "" => Manifest::without(artefact.id),
            text => Manifest::parse(text)?,
        };
        // SAFETY: `open` has checked the signature of a trusted key over these bytes, which are therefore what
        // `Sandbox::compile` wrote, and that this very engine with these settings wrote them.
        let component = unsafe { Component::deserialize(&self.shared.engine, artefact.compiled) };
        let component = component.map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        self.connector(&component, manifest, hex(&artefact.digest))
    }

    /// [`load`](Self::load) of a file.
    ///
    /// # Errors
    /// [`LoadError::File`], or those of [`load`](Self::load).
    pub fn load_file(&self, path: &Path, trusted: &[PublicKey]) -> Result<Connector, LoadError> {
        let bytes =
            std::fs::read(path).map_err(|source| LoadError::File { path: path.display().to_string(), source })?;
        self.load(&bytes, trusted)
    }

    /// Compiles and loads a component, for development. Without a manifest in it, it is called `id`.
    ///
    /// # Errors
    /// Whatever is wrong with the component or its manifest.
    #[cfg(feature = "compiler")]
    pub fn load_component(&self, bytes: &[u8], id: &str) -> Result<Connector, LoadError> {
        let manifest = Manifest::from_component(bytes)?.unwrap_or_else(|| Manifest::without(id));
        let component = Component::from_binary(&self.shared.engine, bytes)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        crate::component::expect_size(bytes, &manifest.limits)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        self.connector(&component, manifest, hex(digest.as_ref()))
    }

    fn connector(&self, component: &Component, manifest: Manifest, digest: String) -> Result<Connector, LoadError> {
        let component_type = component.component_type();
        crate::imports::check(component_type.imports(&self.shared.engine).map(|(name, _)| name))?;
        let export = Export::of(&self.shared.linker, component)?;
        let loaded = Arc::new(Loaded { manifest, digest, export });
        Ok(Connector { shared: Arc::clone(&self.shared), loaded })
    }
}

impl Connector {
    /// What it is called and what it may use.
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }

    /// SHA-256 of the component in hexadecimal: the same for the same code, however it was compiled.
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// Calls the connector's `inbound.receive` in a fresh instance, which ends with the call.
    ///
    /// Blocks the calling thread: for microseconds as a rule, for at most [`WALL_MS_MAX`](crate::WALL_MS_MAX), and
    /// before that until a slot is free.
    ///
    /// # Errors
    /// [`CallError`]: the connector did not answer. Other calls are not affected.
    pub fn receive(&self, call: &Call<'_>) -> Result<Received, CallError> {
        let _slot = self.shared.slots.enter()?;
        let _running = self.shared.clock.run();
        let mut store = self.store(call);
        let answer = self.loaded.export.receive(&mut store, call);
        let state = finished(store);
        match answer {
            Ok(outcome) => Ok(state.into_received(outcome)),
            Err(failed) => Err(classify(failed, state)),
        }
    }

    /// Whether the connector has a `handshake`.
    pub fn confirms(&self) -> bool {
        self.loaded.export.confirms()
    }

    /// Calls the connector's `handshake.confirm` in a fresh instance: the URL that confirms a subscription, if the
    /// webhook asks for it. Whether the manifest allows its host is for the caller to check.
    ///
    /// # Errors
    /// [`CallError`]: the connector did not answer.
    pub fn confirm(&self, call: &Call<'_>) -> Result<Option<String>, CallError> {
        let _slot = self.shared.slots.enter()?;
        let _running = self.shared.clock.run();
        let mut store = self.store(call);
        let answer = self.loaded.export.confirm(&mut store, call);
        answer.map_err(|failed| classify(failed, finished(store)))
    }

    /// Whether the connector has an `inbound`.
    pub fn receives(&self) -> bool {
        self.loaded.export.receives()
    }

    /// Whether the connector has a `polling`.
    pub fn polls(&self) -> bool {
        self.loaded.export.polls()
    }

    /// Whether the connector has a `sending`.
    pub fn sends(&self) -> bool {
        self.loaded.export.sends()
    }

    /// Calls the connector's `sending.run` in a fresh instance. `verify` knows no secret in this call.
    ///
    /// # Errors
    /// [`CallError`]: the connector did not answer, or with a turn that no turn may be; the detail names the place.
    pub fn run(&self, call: &RunCall<'_>) -> Result<Ran, CallError> {
        let _slot = self.shared.slots.enter()?;
        let _running = self.shared.clock.run();
        let mut store = self.store_with(Arc::new(NoSecrets), 0);
        let answer = self.loaded.export.run(&mut store, call);
        let (turn, state) = judged(answer, store, |turn| turn::check_turn(turn, call))?;
        let (log, usage) = state.into_log();
        Ok(Ran { turn, log, usage })
    }

    /// Calls the connector's `polling.poll` in a fresh instance. `verify` knows no secret in this call.
    ///
    /// # Errors
    /// [`CallError`]: the connector did not answer, or with a step that no step may be; the detail names the place.
    pub fn poll(&self, call: &PollCall<'_>) -> Result<Polled, CallError> {
        let _slot = self.shared.slots.enter()?;
        let _running = self.shared.clock.run();
        let mut store = self.store_with(Arc::new(NoSecrets), 0);
        let answer = self.loaded.export.poll(&mut store, call);
        let (step, state) = judged(answer, store, |step| turn::check_step(step, call))?;
        let (log, usage) = state.into_log();
        Ok(Polled { step, log, usage })
    }

    fn store(&self, call: &Call<'_>) -> Store<State> {
        self.store_with(Arc::clone(&call.secrets), call.webhook.size())
    }

    /// A store whose instance hands at most `input` bytes and some back to the host in one call.
    fn store_with(&self, secrets: Arc<dyn Secrets>, input: usize) -> Store<State> {
        let manifest = &self.loaded.manifest;
        let limits = &manifest.limits;
        let mut store = Store::new(&self.shared.engine, State::new(manifest, secrets));
        if self.shared.metering == Metering::Fuel {
            store.set_fuel(u64::MAX).expect("this engine counts fuel");
        }
        store.limiter(|state| &mut state.budget);
        // Each tick asks the call's own clock. Set before the instance exists: starting it runs its code.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().budget.deadline.look()));
        store.set_hostcall_fuel(limits.output_bytes().max(input + HOST_CALL_SLACK_BYTES));
        store
    }
}

/// One instance for many calls, against which a benchmark measures what a fresh one costs. Not for production: what one
/// webhook leaves in memory, the next one meets.
#[cfg(feature = "kept-for-benchmarks")]
pub struct Kept {
    connector: Connector,
    store: Store<State>,
    started: crate::abi::v0_2::Started,
}

#[cfg(feature = "kept-for-benchmarks")]
impl Connector {
    /// Makes an instance to be kept.
    ///
    /// # Errors
    /// [`CallError`]: it does not start.
    pub fn keep(&self, call: &Call<'_>) -> Result<Kept, CallError> {
        let mut store = self.store(call);
        match self.loaded.export.start(&mut store) {
            Ok(started) => Ok(Kept { connector: self.clone(), store, started }),
            Err(failed) => Err(classify(failed, store.into_data())),
        }
    }
}

#[cfg(feature = "kept-for-benchmarks")]
impl Kept {
    /// [`Connector::receive`] in this instance, with the budget of a call of its own.
    ///
    /// # Errors
    /// [`CallError`]: the instance is good for nothing after it.
    pub fn receive(&mut self, call: &Call<'_>) -> Result<Received, CallError> {
        let manifest = &self.connector.loaded.manifest;
        let limits = &manifest.limits;
        let fresh = || State::new(manifest, Arc::clone(&call.secrets));
        let _running = self.connector.shared.clock.run();
        *self.store.data_mut() = fresh();
        self.store.set_epoch_deadline(1);
        self.store.set_hostcall_fuel(limits.output_bytes().max(call.webhook.size() + HOST_CALL_SLACK_BYTES));
        let answer = self.started.call(&mut self.store, call);
        let state = std::mem::replace(self.store.data_mut(), fresh());
        match answer {
            Ok(outcome) => Ok(state.into_received(outcome)),
            Err(failed) => Err(classify(failed, state)),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connector").field("id", &self.manifest().id).field("digest", &self.digest()).finish()
    }
}

/// What is left of a call, with the fuel that it burnt where fuel is counted.
fn finished(store: Store<State>) -> State {
    let fuel = store.get_fuel().ok().map(|left| u64::MAX - left);
    let mut state = store.into_data();
    state.fuel = fuel;
    state
}

/// An answer that keeps to the rules, with what is left of its call.
fn judged<T>(
    answer: Result<T, Failed>,
    store: Store<State>,
    check: impl FnOnce(&T) -> Result<(), Wrong>,
) -> Result<(T, State), CallError> {
    let state = finished(store);
    match answer {
        Ok(answer) => match check(&answer) {
            Ok(()) => Ok((answer, state)),
            Err(wrong) => Err(state.into_error(FailureKind::InvalidOutput, wrong.to_string())),
        },
        Err(failed) => Err(classify(failed, state)),
    }
}

/// From what wasmtime says to what the host acts on. The order matters: a refusal of memory is the cause of the trap
/// after it, but a call that goes on and runs out of time ran out of time.
fn classify(failed: Failed, state: State) -> CallError {
    let limits_hint = "fix: raise it in `[limits]` of connector.toml, or do less in one call";
    let (starting, error) = match failed {
        Failed::Starting(error) => (true, error),
        Failed::Running(error) => (false, error),
        Failed::Events(count) => {
            let detail = format!("{count} events, at most {} are taken from one call", crate::limits::EVENTS_MAX);
            return state.into_error(FailureKind::OutputTooLarge, detail);
        }
        Failed::NotExported(interface) => {
            let detail = format!("the connector does not export `{interface}`; fix: use one that does");
            return state.into_error(FailureKind::NotExported, detail);
        }
        Failed::Field(field) => {
            return state.into_error(FailureKind::InvalidOutput, format!("`{field}` is not what the contract allows"));
        }
    };
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::Interrupt) {
        let passed = state.budget.deadline.passed();
        return state.into_error(
            FailureKind::Deadline,
            format!("it ran out of {passed}; `cpu-ms` is the limit; {limits_hint}"),
        );
    }
    if state.budget.refused {
        return state.into_error(FailureKind::Memory, format!("it wanted more than `memory-mib`; {limits_hint}"));
    }
    if error.is::<NotFetched>() {
        return state.into_error(FailureKind::NotFetched, format!("{error}"));
    }
    if error.is::<TooManyHostCalls>() {
        return state.into_error(FailureKind::TooManyHostCalls, format!("{error}"));
    }
    let detail = format!("{error:#}");
    // The error of an exhausted budget is private to wasmtime; a test sees to it that its text stays.
    if detail.contains("fuel allocated for hostcalls") {
        return state
            .into_error(FailureKind::OutputTooLarge, format!("it handed over more than `output-kib`; {limits_hint}"));
    }
    let kind = match trap {
        _ if starting => FailureKind::Instantiation,
        Some(_) => FailureKind::Trap,
        None => FailureKind::InvalidOutput,
    };
    state.into_error(kind, detail)
}

/// Lets as many calls run at once as the pool has instances; the others wait.
pub(crate) struct Slots {
    free: Mutex<u32>,
    released: Condvar,
}

impl Slots {
    pub(crate) fn new(count: u32) -> Self {
        Self { free: Mutex::new(count), released: Condvar::new() }
    }

    fn enter(&self) -> Result<Slot<'_>, CallError> {
        let wait = Duration::from_millis(SLOT_WAIT_MS_MAX);
        // The lock guards one number, which is right whatever a thread that panicked was doing.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, _) =
            self.released.wait_timeout_while(free, wait, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        if *free == 0 {
            return Err(CallError::busy(format!("no slot was free within {SLOT_WAIT_MS_MAX} ms")));
        }
        *free -= 1;
        Ok(Slot(self))
    }
}

/// One running call. Dropped after the call's store, because then the pool has its instance back.
struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.released.notify_one();
    }
}
