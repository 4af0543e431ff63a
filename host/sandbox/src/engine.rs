//! The engine, with every setting in one place: what the compiling build writes, the runtime-only build must accept.

use std::sync::{Arc, OnceLock};

use rapport_telemetry::NoInstancePool;
use ring::digest::{SHA256, digest};
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, Inlining, InstanceAllocationStrategy, ModuleVersionStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use crate::abi::v0_2;
use crate::artefact::hex;
use crate::call::State;
use crate::clock::Clock;
use crate::connector::Slots;
use crate::error::LoadError;
use crate::limits::{
    CALLS_AT_ONCE_MAX, CORE_INSTANCES_MAX, MEMORIES_MAX, MEMORY_MIB_MAX, NATIVE_STACK_BYTES_MAX, TABLE_ELEMENTS_MAX,
    TABLES_MAX, mebibytes,
};

/// The exact wasmtime of this build. Checked against `Cargo.lock` by a test; an artefact of another is refused.
pub(crate) const WASMTIME: &str = "48.0.8";

/// Bytes of linear memory that a free slot keeps and cleans, instead of giving the pages back and faulting them in
/// again. A connector whose stack is 64 KiB has 192 KiB in all. Measured with a text webhook on 2 shared cores: 35 µs a
/// call with nothing kept, 28 µs with 128 KiB, 22 µs from 192 KiB on.
const RESIDENT_MEMORY_BYTES: usize = 256 * 1024;
/// The same for a table: a connector has some hundred functions in one.
const RESIDENT_TABLE_BYTES: usize = 16 * 1024;
/// Bytes of the engine's own records of one instance: an interpreter of some 10,000 functions needs half a MiB.
const INSTANCE_BYTES_MAX: usize = 2 << 20;

/// How instances get their memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// Slots that are reserved once and used again; on demand where the system has no room for them.
    #[default]
    Pool,
    /// Mapped and unmapped for each call: slower, and small.
    OnDemand,
}

/// Whether instructions are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// They are not: it would cost two to three times the run time.
    #[default]
    Off,
    /// They are, into [`Usage::fuel`](crate::Usage::fuel): the same number for the same call on every machine. For a
    /// test kit; artefacts for production do not load.
    Fuel,
}

/// How a [`Sandbox`] is set up. The default is right for production.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How instances get their memory.
    pub allocation: Allocation,
    /// Whether instructions are counted.
    pub metering: Metering,
}

/// The processor that an artefact is compiled for. The system is Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `x86_64`
    X86_64,
    /// `aarch64` (AWS Graviton, Apple silicon in a Linux machine)
    Aarch64,
}

impl Target {
    /// The processor of this machine, if artefacts can be compiled for it.
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Its name, as Rust writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// Loads connectors and gives their calls what they may use. Cheap to clone; one of them a process.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) clock: Clock,
    pub(crate) slots: Slots,
    pub(crate) metering: Metering,
    allocation: Allocation,
}

impl Sandbox {
    /// Starts the engine.
    ///
    /// # Errors
    /// [`LoadError::Engine`]: the system refuses memory or threads.
    pub fn new(options: Options) -> Result<Self, LoadError> {
        let Options { allocation, metering } = options;
        let (engine, allocation) = start(allocation, metering)?;
        let mut linker = Linker::new(&engine);
        v0_2::link(&mut linker).map_err(engine_error)?;
        let clock =
            Clock::start(engine.clone()).map_err(|error| LoadError::Engine(format!("no clock thread: {error}")))?;
        let slots = Slots::new(CALLS_AT_ONCE_MAX);
        Ok(Self { shared: Arc::new(Shared { engine, linker, clock, slots, metering, allocation }) })
    }

    /// What instances' memory comes from: not always what was asked for.
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// Compiles a component ahead of time, for every machine of `target`: no processor feature of this one is assumed.
    ///
    /// # Errors
    /// [`LoadError::Invalid`] and the errors of what is not a component.
    #[cfg(feature = "compiler")]
    pub fn compile(&self, component: &[u8], target: Target) -> Result<Vec<u8>, LoadError> {
        crate::component::expect_component(component)?;
        let mut config = config(Metering::Off);
        config.target(&format!("{}-unknown-linux-gnu", target.name())).map_err(engine_error)?;
        let engine = Engine::new(&config).map_err(engine_error)?;
        engine.precompile_component(component).map_err(|error| LoadError::Invalid(format!("{error:#}")))
    }
}

/// `48.0.8+1a2b3c4d`: the engine's version and a hash of its settings. Two builds with the same name exchange compiled code.
pub fn engine_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let settings = digest(&SHA256, [SETTINGS, COMPILER_SETTINGS].concat().as_bytes());
        format!("{WASMTIME}+{}", hex(&settings.as_ref()[..4]))
    })
}

fn start(wanted: Allocation, metering: Metering) -> Result<(Engine, Allocation), LoadError> {
    if wanted == Allocation::Pool {
        let mut config = config(metering);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
        match Engine::new(&config) {
            Ok(engine) => return Ok((engine, Allocation::Pool)),
            // A limit on addresses (`ulimit -v`, a small container) has no room for the slots; calls still work.
            Err(error) => NoInstancePool { error: &error }.emit(),
        }
    }
    Ok((Engine::new(&config(metering)).map_err(engine_error)?, Allocation::OnDemand))
}

fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    apply_settings(&mut config);
    config.consume_fuel(metering == Metering::Fuel);
    #[cfg(feature = "compiler")]
    apply_compiler_settings(&mut config);
    config.max_wasm_stack(NATIVE_STACK_BYTES_MAX);
    config
        .module_version(ModuleVersionStrategy::Custom(engine_name().to_owned()))
        .expect("a version and eight digits are shorter than 256 bytes");
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CALLS_AT_ONCE_MAX)
        .total_core_instances(CALLS_AT_ONCE_MAX * CORE_INSTANCES_MAX)
        .total_memories(CALLS_AT_ONCE_MAX * MEMORIES_MAX)
        .total_tables(CALLS_AT_ONCE_MAX * TABLES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(mebibytes(MEMORY_MIB_MAX))
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .linear_memory_keep_resident(RESIDENT_MEMORY_BYTES)
        .table_keep_resident(RESIDENT_TABLE_BYTES)
        // From Linux 6.7 on the kernel says which pages were written, and only these are cleaned: 2 µs less a call.
        .pagemap_scan(Enabled::Auto);
    pool
}

fn engine_error(error: wasmtime::Error) -> LoadError {
    LoadError::Engine(format!("{error:#}"))
}

/// Writes each setting once: as the call that sets it, and as text for the hash in [`engine_name`].
macro_rules! settings {
    ($text:ident, $apply:ident: $($setting:ident($($value:expr),*);)+) => {
        const $text: &str = concat!($(stringify!($setting), "(", stringify!($($value),*), ");"),+);

        fn $apply(config: &mut Config) {
            $(config.$setting($($value),*);)+
        }
    };
}

// All that decides whether compiled code is accepted, said even where it is today's default: defaults follow the cargo
// features of wasmtime, and its releases.
settings! { SETTINGS, apply_settings:
    // Connectors are synchronous; without this each call costs half a microsecond more.
    concurrency_support(false);
    // What ends a loop. Fuel would count exactly, at two to three times the cost.
    epoch_interruption(true);
    consume_fuel(false);
    // 4 GiB of addresses for each memory and a guard after it: no bounds check in compiled code.
    memory_reservation(4 << 30);
    memory_guard_size(32 << 20);
    memory_reservation_for_growth(0);
    memory_may_move(false);
    guard_before_linear_memory(true);
    signals_based_traps(true);
    memory_init_cow(true);
    table_lazy_init(true);
    relaxed_simd_deterministic(true);
    compiler_inlining(Inlining::No);
    // A trap is told apart by its kind; what a connector wants to say of it, it logs. Traces would only cost.
    wasm_backtrace_max_frames(None);
    wasm_backtrace_details(WasmBacktraceDetails::Disable);
    generate_address_map(false);
    debug_info(false);
    debug_symbols(false);
    // What compilers write for WebAssembly without being asked, and components.
    wasm_features(WasmFeatures::BULK_MEMORY, true);
    wasm_features(WasmFeatures::MULTI_VALUE, true);
    wasm_features(WasmFeatures::REFERENCE_TYPES, true);
    wasm_features(WasmFeatures::EXTENDED_CONST, true);
    wasm_features(WasmFeatures::SIMD, true);
    wasm_features(WasmFeatures::COMPONENT_MODEL, true);
    // And nothing else: each is code that a hostile connector could search for a mistake.
    wasm_features(WasmFeatures::THREADS, false);
    wasm_features(WasmFeatures::SHARED_EVERYTHING_THREADS, false);
    wasm_features(WasmFeatures::RELAXED_SIMD, false);
    wasm_features(WasmFeatures::MEMORY64, false);
    wasm_features(WasmFeatures::MULTI_MEMORY, false);
    wasm_features(WasmFeatures::CUSTOM_PAGE_SIZES, false);
    wasm_features(WasmFeatures::TAIL_CALL, false);
    wasm_features(WasmFeatures::FUNCTION_REFERENCES, false);
    wasm_features(WasmFeatures::GC, false);
    wasm_features(WasmFeatures::GC_TYPES, false);
    wasm_features(WasmFeatures::EXCEPTIONS, false);
    wasm_features(WasmFeatures::WIDE_ARITHMETIC, false);
    wasm_features(WasmFeatures::STACK_SWITCHING, false);
    wasm_features(WasmFeatures::CM_ASYNC, false);
    wasm_features(WasmFeatures::CM_ASYNC_STACKFUL, false);
    wasm_features(WasmFeatures::CM_MORE_ASYNC_BUILTINS, false);
    wasm_features(WasmFeatures::CM_THREADING, false);
    wasm_features(WasmFeatures::CM_ERROR_CONTEXT, false);
    wasm_features(WasmFeatures::CM_GC, false);
    wasm_features(WasmFeatures::CM_MAP, false);
    wasm_features(WasmFeatures::CM64, false);
    wasm_features(WasmFeatures::CM_FIXED_LENGTH_LISTS, false);
    wasm_features(WasmFeatures::CM_IMPLEMENTS, false);
}

#[cfg(feature = "compiler")]
use wasmtime::OptLevel;

#[cfg(not(feature = "compiler"))]
macro_rules! compiler_settings {
    ($($setting:ident($($value:expr),*);)+) => {
        const COMPILER_SETTINGS: &str = concat!($(stringify!($setting), "(", stringify!($($value),*), ");"),+);
    };
}

#[cfg(feature = "compiler")]
macro_rules! compiler_settings {
    ($($settings:tt)+) => { settings! { COMPILER_SETTINGS, apply_compiler_settings: $($settings)+ } };
}

// Methods that only a build with the compiler has. Their text is in every build's hash.
compiler_settings! {
    cranelift_opt_level(OptLevel::Speed);
    // One answer on every processor: a run can be replayed anywhere.
    cranelift_nan_canonicalization(true);
}
