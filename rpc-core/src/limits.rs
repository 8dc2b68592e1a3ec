//! Every bound of Farcall in one place: unit, default and reason.

use std::time::Duration;

/// Bytes of a fragment's payload: small enough that a cancel or a small message is never far behind.
pub const MAX_FRAGMENT: usize = 64 * 1024;

/// Bytes of a frame's header with all its optional fields.
pub const MAX_HEAD: usize = 256;

/// Bytes of a frame on any wire: one fragment and its header.
pub const MAX_FRAME: usize = MAX_FRAGMENT + MAX_HEAD;

/// Bytes of the first frame, before the peer has said who it is.
pub const MAX_HELLO: usize = 4 * 1024;

/// Bytes of a message's payload, in both directions, unless `?max_message=` says otherwise.
pub const DEFAULT_MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// The most that `?max_message=` may ask for, in bytes.
pub const MAX_MAX_MESSAGE: usize = 1024 * 1024 * 1024;

/// Calls in flight on one connection and direction, unless `?window=` says otherwise.
pub const DEFAULT_WINDOW: u32 = 256;

/// The most that `?window=` may ask for: a call number carries its place in 16 bits.
pub const MAX_WINDOW: u32 = 65_535;

/// Calls in flight in all connections of one server.
pub const MAX_SERVER_CALLS: u32 = 8_192;

/// Connections of one server.
pub const MAX_CONNECTIONS: usize = 10_240;

/// Time within which a new connection must have said hello.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// A call's deadline unless the call, the connection or the URL says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// The longest deadline that a header may carry; longer ones are cut to it.
pub const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// The highest priority of a call, as every message queue has it.
pub const MAX_PRIORITY: u8 = 31;

/// How late the cheap clock may be, and so by how much a call's deadline of a second and more may be late: a tick of a
/// kernel that ticks 100 times a second.
pub const CLOCK_TICK: Duration = Duration::from_millis(10);

/// Time within which a message once begun must go on.
pub const FRAME_PROGRESS: Duration = Duration::from_secs(30);

/// Time within which a peer that is always attended must take bytes.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// Silence after which a ping is sent while calls are outstanding, on wires that cannot tell a death.
pub const PING_AFTER: Duration = Duration::from_secs(20);

/// Time within which a ping must be answered.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How often a pool asks those behind its connections for a sign of life. One that has not given it by the next time takes
/// calls only if all others do not answer either.
pub const POOL_PING: Duration = Duration::from_secs(2);

/// Bytes of answers queued towards one peer, above which none of its calls is dispatched. Its calls are read on, so that
/// two sides that call each other do not wait for each other, until as many bytes of them wait.
pub const SEND_BUDGET: usize = 4 * 1024 * 1024;

/// Bytes of answers queued towards one peer, above which nothing is read from it, whatever it sends.
pub const SEND_HARD: usize = 32 * 1024 * 1024;

/// Bytes of detached calls that may wait for credit.
pub const DETACHED_QUEUE: usize = 4 * 1024 * 1024;

/// Up to here deadlines are counted from the exact clock; a longer one may be late by a [`CLOCK_TICK`].
pub const EXACT: Duration = Duration::from_secs(1);

/// How long a polite wait pauses: longer than an answer over shared memory takes, shorter than anybody would miss.
pub const PAUSE: Duration = Duration::from_micros(1);

/// A task that is polled again so soon was the only one ready: a runtime needs a part of this for itself.
pub const AT_ONCE: Duration = Duration::from_nanos(1_000);

/// What a runtime takes to come to one more task, besides its poll, and to the news of which that one wants to hear.
pub const ONE_MORE_TASK: Duration = Duration::from_nanos(500);

/// How long a polite wait looks again before it sleeps: about what sleep and wake-up cost.
pub const LOOK_AGAIN: Duration = Duration::from_micros(20);

/// Frames that a turn handles before it gives way to others.
pub const TURN_FRAMES: usize = 64;

/// Calls or verdicts after which a long row of them is sent before it has ended, so that the peer is not idle meanwhile.
pub const FLUSH_EVERY: usize = 16;

/// Bytes that a turn handles before it gives way to others.
pub const TURN_BYTES: usize = 256 * 1024;

/// Frames without progress (pings, stray cancels, empty fragments) that a peer may send for each useful one, besides a
/// window of cancels that cross their verdicts.
pub const IDLE_FRAMES: u32 = 1_024;

/// Time after which a peer may send as many once more, so that one that asks now and then whether this side lives may do so
/// for ever.
pub const IDLE_REFILL: Duration = Duration::from_secs(60);

/// Services that one side may open on one connection.
pub const MAX_OBJECTS: usize = 1_024;

/// Methods of one service: their names fit in one frame.
pub const MAX_METHODS: usize = 1_024;

/// Bytes of a name of a service or method.
pub const MAX_NAME: usize = 255;

/// Bytes of a sentence in an error frame.
pub const MAX_ERROR_TEXT: usize = 4 * 1024;

/// Bytes of the sentence in a grant of the rendezvous, which goes in one piece with its descriptors.
pub const MAX_REASON: usize = 448;

/// Connections that a rendezvous has accepted and whose request has not come; the eldest makes room for another.
pub const MAX_AWAITED: usize = 64;

/// Bytes of one direction's ring in shared memory: the least holds a frame of the largest size and a quarter more, the most
/// bounds what a peer can make us map.
pub const RINGS: (usize, usize) = (128 * 1024, 1024 * 1024 * 1024);

/// Bytes of one direction's ring unless `?ring=` says otherwise: it stays in a processor's cache.
pub const DEFAULT_RING: usize = 256 * 1024;

/// Depth to which values may be nested while they are decoded.
pub const DECODE_DEPTH: u32 = 64;

/// The least and the most that decoding one message may allocate, in bytes; between them 32 times the message.
pub const DECODE_BUDGET: (usize, usize) = (1024 * 1024, 64 * 1024 * 1024);

/// Zero-sized elements that one message may hold.
pub const MAX_ZERO_SIZED: usize = 65_536;

/// Depth of callbacks that run inside the calls that caused them on one blocked thread.
pub const NESTED_DEPTH: u32 = 8;

/// Time for which a handler may hold its driver before it is reported.
pub const HANDLER_HOLD: Duration = Duration::from_millis(100);

/// Threads for `#[blocking]` handlers of a server without a runtime, unless `?workers=` says otherwise.
pub const DEFAULT_WORKERS: usize = 64;

/// Time beyond the grace within which a shutdown returns.
pub const SHUTDOWN_MARGIN: Duration = Duration::from_secs(1);

/// First and longest pause of an accept loop that has run out of descriptors or memory.
pub const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Bytes of a buffer that is kept for reuse by a thread, and of all such buffers together.
pub const BUFFER_CACHE: (usize, usize) = (2 * 1024 * 1024, 4 * 1024 * 1024);

/// Sets of sample values that a type is tried with when its shape is traced.
pub const SHAPE_SAMPLES: usize = 6;

/// Most steps of tracing one type; what they do not reach is opaque.
pub const MAX_SHAPE_STEPS: usize = 400_000;

/// Longest tuple or array that is traced; a longer one is opaque.
pub const MAX_SHAPE_TUPLE: usize = 4_096;

/// Bytes of a method's shape that count for its fingerprint.
pub const MAX_SHAPE_TEXT: usize = 256 * 1024;
