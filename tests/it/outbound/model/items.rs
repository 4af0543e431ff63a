//! The items of the table. One step of the protocol reads or writes one of them.

pub type Id = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    Bot,
    Agent,
}

/// What a message does. A notice answers nothing, takes no control and needs no fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Reply,
    Notice,
}

/// How far an intent is. `Pending` also covers "some parts are accepted, the next waits".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Pending,
    Unknown,
    Sent,
    Failed,
    Refused,
    Cancelled,
    Expired,
    Cut,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Draft {
    pub author: Author,
    pub kind: Kind,
    /// Whether its purpose needs consent.
    pub consent: bool,
    /// Of a bot's reply: the fence it read, when, and the customer's message that it answers.
    pub fence: u64,
    pub read: u64,
    pub turn: u64,
    /// When it was asked for; for the checks alone.
    pub asked: u64,
    /// Seconds until it is due, and from then until it expires.
    pub wait: u64,
    pub life: u64,
    /// Of each part: whether the provider honours a key, so that its request can be repeated.
    pub parts: Vec<bool>,
    pub upload: bool,
}

impl Draft {
    pub fn is_automatic_reply(&self) -> bool {
        self.author == Author::Bot && self.kind == Kind::Reply
    }
}

/// `O#`: an intent.
#[derive(Clone, Debug)]
pub struct Intent {
    pub draft: Draft,
    /// The time in its id. An erasure is compared with it.
    pub created: u64,
    pub due: u64,
    pub expires: u64,
    pub state: State,
    pub attempt: u32,
    /// The connector's version, pinned for the attempt.
    pub version: u32,
    /// The recorded exchange of the upload: which version made it.
    pub uploaded: Option<u32>,
    /// Parts that the provider has accepted, from the first.
    pub accepted: usize,
    /// When the next part was first started, if that part may have reached the provider.
    pub started: Option<u64>,
    /// A person's "send again": the new intent and the time in its id.
    pub resent: Option<(Id, u64)>,
    pub cancelled: bool,
}

impl Intent {
    pub fn is_open(&self) -> bool {
        self.state == State::Pending
    }

    /// The state in which it ends when it goes no further: unknown, if its next part may have left.
    pub fn stopped_as(&self, state: State) -> State {
        match self.started {
            Some(_) => State::Unknown,
            None if self.accepted > 0 => State::Cut,
            None => state,
        }
    }
}

/// The start marker of a request that cannot be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub intent: Id,
    pub part: usize,
    pub token: usize,
    pub deadline: u64,
    pub started: u64,
    /// The answered turn before it. A release without a request gives it back.
    pub before: Answered,
}

/// The last turn that was answered, and by which intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub turn: u64,
    pub by: Option<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Bot,
    Agent,
}

/// `Y#`: the lock of a conversation.
#[derive(Clone, Debug)]
pub struct Lock {
    pub out: Option<Marker>,
    pub fence: u64,
    pub controller: Holder,
    /// The keys of the last control events that moved it.
    pub moved: Vec<u64>,
    pub answered: Answered,
    /// The pair rate: no start before.
    pub next_at: u64,
    /// Intents that are under way or unknown.
    pub unsettled: Vec<Id>,
    /// The customer has said stop.
    pub stopped: bool,
    pub closed: bool,
    /// The erasure that closed it has not drawn its instant.
    pub closing: bool,
    /// Which erasure closed it.
    pub closed_by: u64,
    /// The instant of that erasure. It lies after the write that closed. Intents made until then are deleted on sight.
    pub era: u64,
}

/// The first value of a fence. In the code it is our clock in milliseconds.
pub const FENCE: u64 = 1_000;
/// Control events that the lock remembers.
pub const MOVED_MAX: usize = 8;

impl Default for Lock {
    fn default() -> Self {
        Self {
            out: None,
            fence: FENCE,
            controller: Holder::Bot,
            moved: Vec::new(),
            answered: Answered { turn: 0, by: None },
            next_at: 0,
            unsettled: Vec::new(),
            stopped: false,
            closed: false,
            closing: false,
            closed_by: 0,
            era: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The customer's own words.
    Customer,
    Stop,
    /// A message of the business that we did not send: somebody took over.
    Foreign,
    Command(Holder),
    /// A part of ours that the provider has accepted.
    Own(Id, usize),
    /// A report about a part of ours. An echo with our reference is stored as one.
    Status(Id, usize),
    /// What an own echo must never become.
    Echo(Id, usize),
}

/// `V#`: an event. Its key is of its time and its id, so putting it again changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: u64,
    /// The provider's time; of our own: when its part was first started.
    pub at: u64,
    pub received: u64,
    pub what: What,
}

/// What the table's stream brings to the fold.
#[derive(Clone, Copy, Debug)]
pub enum Written {
    Event(Event),
    Intent(Id),
}
