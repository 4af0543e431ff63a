//! The lock of a conversation: every write of it is one conditional update of one item below 1 KB.
//!
//! | attribute | holds |
//! |---|---|
//! | `oi`, `op`, `os`, `ot`, `od`, `oa`, `on`, `or` | the start marker: intent, part, step, token, deadline, started at, newest event answered, whether it is repeatable |
//! | `fen`, `hold`, `mov` | fence, who controls, the last control events |
//! | `at`, `ab`; `bt`, `bb` | the last answered turn and by which intent; the same before the marker |
//! | `nxt` | the pair rate: no start before |
//! | `uns`, `more` | unknown intents; that there are more |
//! | `say:<purpose>` | the customer's last word on a consent: its event, then `g` or `w` |
//! | `clo` | an erasure: intents made up to here never start |
//!
//! What a marker is conditioned on is `rapport_model::sending::lock`'s; a test compares both for thousands of locks.

use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem};
use rapport_model::event::ConsentState;
use rapport_model::sending::IntentId;
use rapport_model::sending::intent::{Intent, Started};
use rapport_model::sending::lock::{
    Answered, Ask, Fence, Holder, LEASE_MS, Lock, Marker, Refusal, Token, UNSETTLED_MAX, Word,
};
use rapport_model::{Eid, EventKey, Timestamp};

use crate::error::{StoreError, is_lost_transaction, is_refused_transaction, reasons, unavailable};
use crate::identity::ATTEMPTS_MAX;
use crate::items::{Item, Reader, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::outbox::expression::{Expression, Updated};
use crate::outbox::intents::{Changed, Conversation, StoredIntent, key_of};
use crate::table::{Mistake, Table};

/// What stands for "no turn" where an attribute is copied: it sorts before every event.
const NO_TURN: &str = "-";
/// What a word begins with: its purpose follows.
const WORD: &str = "say:";
/// What a word ends with: no event's key has such a letter.
const GRANTED: &str = "g";
const WITHDRAWN: &str = "w";
const MARKER: [&str; 10] = ["oi", "op", "os", "ot", "od", "oa", "on", "or", "bt", "bb"];

/// What became of a marker that somebody wanted to write.
#[derive(Clone, Debug, PartialEq)]
pub enum Marked {
    /// It stands, with the deadline that is written.
    Won(Marker),
    Refused(Refusal),
    /// The lock moved between two looks at it: look again.
    Again,
}

/// What came of a cancel.
#[derive(Clone, Debug, PartialEq)]
pub enum Cancelled {
    Done(Box<StoredIntent>),
    /// It has ended, or may have reached the provider: the intent as it is.
    Late(Box<StoredIntent>),
    /// A request of it is under way.
    UnderWay,
    Gone,
}

/// A move of control.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// As it is now, with what is under way.
    pub lock: Lock,
    /// Whether control moved; else it had moved for the same event before.
    pub is_new: bool,
}

impl Table {
    /// The lock of a conversation, consistently read; one that nothing was written in if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn lock(&self, of: &Conversation) -> Result<Lock, StoreError> {
        let (pk, sk) = self.lock_key(of);
        self.get(pk, sk).await?.map_or_else(|| Ok(Lock::default()), |item| read(&item))
    }

    /// The accounts of an endpoint's conversations that have a lock.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn locked_accounts(&self, eid: &Eid) -> Result<Vec<String>, StoreError> {
        let items = self.all(&self.endpoint_pk(eid), keys::LOCKS, &keys::after(keys::LOCKS)).await?;
        let account = |item: &Item| Ok(Reader(item).text("sk")?[keys::LOCKS.len()..].to_owned());
        items.iter().map(account).collect()
    }

    /// Draws the token of a marker. It comes before the write, so that a repeated write knows its own marker.
    pub fn draw_token(&self) -> Token {
        Token::new(self.access.entropy.draw())
    }

    /// Draws the id of an intent that is due at an instant. `None` if it is later than an id can say.
    pub fn draw_intent_id(&self, due_at: Timestamp) -> Option<IntentId> {
        IntentId::new(due_at, self.access.entropy.draw())
    }

    /// Writes a start marker, if nothing is under way and the intent may start. `known` is the lock as it was read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may stand. Ask again with the same token, or let its time pass.
    pub async fn put_marker(&self, of: &Conversation, known: &Lock, ask: &Ask) -> Result<Marked, StoreError> {
        let (pk, sk) = self.lock_key(of);
        let expression = self.marking(known, ask);
        match self.update((&pk, &sk), &expression, "start").await? {
            Updated::Done(_) if *known != Lock::default() => Ok(Marked::Won(ask.marker())),
            Updated::Done(_) => self.first_mark(of, ask).await,
            Updated::Unmet(item) => {
                let lock = item.map_or_else(|| Ok(Lock::default()), |item| read(&item))?;
                let own = lock.out.as_ref().filter(|out| out.token == ask.token);
                if let Some(own) = own.filter(|_| !self.makes(Mistake::OwnTokenIsForeign)) {
                    return Ok(Marked::Won(own.clone()));
                }
                Ok(lock.against(ask).map_or(Marked::Again, Marked::Refused))
            }
        }
    }

    /// The first marker of a conversation: an erasure of before found no lock to close. From now on it finds one.
    async fn first_mark(&self, of: &Conversation, ask: &Ask) -> Result<Marked, StoreError> {
        let is_erased = self.erased(&of.eid).await?.up_to >= ask.created_at;
        if is_erased && !self.makes(Mistake::MarkerIgnoresClosed) {
            self.release_marker(of, &ask.token, false).await?;
            return Ok(Marked::Refused(Refusal::Closed));
        }
        Ok(Marked::Won(ask.marker()))
    }

    fn marking(&self, known: &Lock, ask: &Ask) -> Expression {
        let marker = ask.marker();
        let started = &marker.started;
        let mut expression = Expression::default()
            .set("oi", s(marker.intent.as_str()))
            .set("op", n(marker.part))
            .set("os", n(marker.step))
            .set("ot", s(marker.token.as_str()))
            .set("od", n(marker.deadline))
            .set("oa", n(started.at))
            .put("on", started.answers.as_ref().map(|key| s(key.as_str())))
            .put("or", marker.is_repeatable.then(|| n(1)))
            .set_to("bt", "if_not_exists(#at, :none)")
            .set_to("bb", "if_not_exists(#ab, :none)")
            .name("at", "at")
            .name("ab", "ab")
            .value("none", s(NO_TURN))
            .value("now", n(ask.now))
            .value("cre", n(ask.created_at));
        if ask.pair_ms > 0 {
            expression = expression.set("nxt", n(ask.now + ask.pair_ms));
        }
        if let Some(unknown) = ask.seen.as_ref().and_then(|seen| seen.unknown.as_ref())
            && !self.makes(Mistake::ReclaimForgetsUnsettled)
        {
            expression = if known.unsettled.len() < UNSETTLED_MAX || known.unsettled.contains(unknown) {
                expression.add_to_set("uns", unknown.as_str())
            } else {
                expression.set("more", n(1))
            };
        }
        self.conditioned(expression, ask)
    }

    /// The conditions of a marker, and what an automatic reply writes with it.
    fn conditioned(&self, expression: Expression, ask: &Ask) -> Expression {
        let keeps = |mistake| !self.makes(mistake);
        let replaces_any = ask.seen.is_some() && self.makes(Mistake::ReplacesUnseenMarker);
        let keeps_marker = keeps(Mistake::MarkerIgnoresLiveMarker) && !replaces_any;
        // A value that no condition names is an error.
        let mut expression = if keeps(Mistake::MarkerIgnoresClosed) {
            expression.only_if("attribute_not_exists(#clo) OR #clo < :cre")
        } else {
            expression.only_if("attribute_not_exists(#clo) OR #clo >= :cre OR #clo < :cre")
        };
        expression = if keeps(Mistake::MarkerIgnoresPairRate) {
            expression.only_if("attribute_not_exists(#nxt) OR #nxt <= :now")
        } else {
            expression.only_if("attribute_not_exists(#nxt) OR #nxt > :now OR #nxt <= :now")
        };
        expression = match (&ask.seen, keeps_marker) {
            (_, false) => expression,
            (None, true) => expression.only_if("attribute_not_exists(#ot)"),
            (Some(seen), true) => {
                expression.value("seen", s(seen.token.as_str())).only_if("attribute_not_exists(#ot) OR #ot = :seen")
            }
        };
        if let Some(purpose) = ask.purpose.as_ref().filter(|_| keeps(Mistake::MarkerIgnoresStop)) {
            expression = expression
                .name("say", format!("{WORD}{purpose}"))
                .value("withdrawn", s(WITHDRAWN))
                .only_if("attribute_not_exists(#say) OR NOT contains(#say, :withdrawn)");
        }
        let Some(reply) = &ask.reply else { return expression };
        let holder = Holder::Automation(Some(reply.by.clone())).write().unwrap_or_default();
        expression = expression.set("hold", s(holder));
        if keeps(Mistake::MarkerIgnoresFence) {
            let any = Holder::Automation(None).write().unwrap_or_default();
            expression =
                expression.value("any", s(any)).only_if("attribute_not_exists(#hold) OR #hold = :hold OR #hold = :any");
            expression = match reply.fence.number() {
                0 => expression.only_if("attribute_not_exists(#fen)"),
                fence => expression.value("fen", n(fence)).only_if("#fen = :fen"),
            };
        }
        let Some(turn) = &reply.turn else { return expression };
        expression = expression.set("at", s(turn.as_str())).set_to("ab", ":oi");
        match (keeps(Mistake::MarkerIgnoresTurn), keeps(Mistake::TurnWithoutItsIntent)) {
            (false, _) => expression,
            (true, true) => expression.only_if("attribute_not_exists(#at) OR #at < :at OR #ab = :oi"),
            (true, false) => expression.only_if("attribute_not_exists(#at) OR #at < :at"),
        }
    }

    /// Takes a marker off, if it is still this token's. `left`: a request may have left under it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may stand still, and is replaced when its time has passed.
    pub async fn release_marker(&self, of: &Conversation, token: &Token, left: bool) -> Result<(), StoreError> {
        let (pk, sk) = self.lock_key(of);
        let gives_back = !left && !self.makes(Mistake::ReleaseKeepsTurn);
        let mut expression = MARKER.iter().fold(Expression::default(), |expression, name| expression.remove(name));
        if gives_back {
            expression = expression.set_to("at", "#bt").set_to("ab", "#bb");
        }
        let expression = expression.value("token", s(token.as_str())).only_if("#ot = :token");
        self.update((&pk, &sk), &expression, "release").await.map(drop)
    }

    /// Puts an own token in the place of a marker whose time is over, so that its worker can neither release it nor let
    /// another start. Gives whether the marker is ours now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may be ours; do it again with the same token.
    pub async fn take_over_marker(
        &self,
        of: &Conversation,
        seen: &Token,
        own: &Token,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (pk, sk) = self.lock_key(of);
        let expression = Expression::default()
            .set("ot", s(own.as_str()))
            .set("od", n(now + LEASE_MS))
            .value("seen", s(seen.as_str()))
            .only_if("#ot = :seen");
        match self.update((&pk, &sk), &expression, "take a marker over").await? {
            Updated::Done(_) => Ok(true),
            Updated::Unmet(item) => Ok(item.is_some_and(|item| Reader(&item).text_opt("ot") == Some(own.as_str()))),
        }
    }

    /// Moves control, once for each event, in the order in which the lock is written. It is the point from which on no bot
    /// starts that did not see it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may have moved; do it again. [`StoreError::Contended`]: others were faster each time.
    pub async fn move_control(
        &self,
        of: &Conversation,
        by: &EventKey,
        to: &Holder,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        // First as if control had never moved; the item says if it has. Whoever may not read can do this.
        self.move_known_control(of, Lock::default(), by, to, now).await
    }

    /// The same, by somebody who has read the lock: one write, or none if control moved for this event before.
    ///
    /// # Errors
    /// As of [`Table::move_control`].
    pub async fn move_known_control(
        &self,
        of: &Conversation,
        mut known: Lock,
        by: &EventKey,
        to: &Holder,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        let (pk, sk) = self.lock_key(of);
        for _ in 0..ATTEMPTS_MAX {
            let forgets = self.makes(Mistake::FoldMovesAgain);
            let seen = if forgets { Lock { moved: Vec::new(), ..known.clone() } } else { known.clone() };
            let Some(next) = seen.moved(by, to, now) else { return Ok(Moved { lock: known, is_new: false }) };
            let kept = if self.makes(Mistake::OneControlKey) { 1 } else { next.moved.len() };
            let moved = next.moved[next.moved.len() - kept..].iter().map(EventKey::as_str);
            let expression = Expression::default()
                .set("fen", n(next.fence.number()))
                .put("hold", to.write().map(s))
                .set("mov", s(moved.collect::<Vec<_>>().join(" ")));
            let expression = match known.fence.number() {
                0 => expression.only_if("attribute_not_exists(#fen)"),
                fence => expression.value("seen", n(fence)).only_if("#fen = :seen"),
            };
            match self.update((&pk, &sk), &expression, "move control").await? {
                Updated::Done(item) => return Ok(Moved { lock: read(&item)?, is_new: true }),
                Updated::Unmet(item) => known = item.map_or_else(|| Ok(Lock::default()), |item| read(&item))?,
            }
        }
        Err(StoreError::Contended { operation: "move control", attempts: ATTEMPTS_MAX })
    }

    /// Keeps what the customer last said about a purpose in this conversation; an older word changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn put_word(&self, of: &Conversation, purpose: &str, word: &Word) -> Result<(), StoreError> {
        let (pk, sk) = self.lock_key(of);
        let letter = if word.state == ConsentState::Withdrawn { WITHDRAWN } else { GRANTED };
        let expression = Expression::default()
            .set_to("say", ":say")
            .name("say", format!("{WORD}{purpose}"))
            .value("say", s(format!("{}{letter}", word.event)))
            .only_if("attribute_not_exists(#say) OR #say < :say");
        self.update((&pk, &sk), &expression, "keep a word").await.map(drop)
    }

    /// Closes a lock for all intents that were made up to an instant, and gives it as it is now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn close_lock(&self, of: &Conversation, at: Timestamp) -> Result<Lock, StoreError> {
        if self.makes(Mistake::ErasureLeavesLockOpen) {
            return self.lock(of).await;
        }
        let (pk, sk) = self.lock_key(of);
        let expression = Expression::default().set("clo", n(at)).only_if("attribute_not_exists(#clo) OR #clo < :clo");
        match self.update((&pk, &sk), &expression, "close").await? {
            Updated::Done(item) => read(&item),
            Updated::Unmet(item) => item.map_or_else(|| Ok(Lock::default()), |item| read(&item)),
        }
    }

    /// Nothing starts in a conversation before an instant: the provider takes no more for this customer until then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn hold_pair(&self, of: &Conversation, until: Timestamp) -> Result<(), StoreError> {
        let (pk, sk) = self.lock_key(of);
        let expression =
            Expression::default().set("nxt", n(until)).only_if("attribute_not_exists(#nxt) OR #nxt < :nxt");
        self.update((&pk, &sk), &expression, "hold a conversation").await.map(drop)
    }

    /// Takes an intent off the list of the unknown ones: it is settled.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn settle_intent(&self, of: &Conversation, intent: &IntentId) -> Result<(), StoreError> {
        let (pk, sk) = self.lock_key(of);
        let expression = Expression::default().take_from_set("uns", intent.as_str()).only_if("attribute_exists(#uns)");
        self.update((&pk, &sk), &expression, "settle").await.map(drop)
    }

    /// Cancels what is left of an intent, unless a request of it is under way.
    ///
    /// # Errors
    /// As of [`Table::stop_intent`].
    pub async fn cancel_intent(&self, intent: &StoredIntent) -> Result<Cancelled, StoreError> {
        if self.makes(Mistake::CancelLooksAtStateOnly) {
            return Ok(match self.change_intent(intent, Intent::cancelled).await? {
                Changed::Done(done) => Cancelled::Done(done),
                Changed::Late(late) => Cancelled::Late(late),
                Changed::Gone => Cancelled::Gone,
            });
        }
        let lock_only = self.makes(Mistake::CancelLooksAtLockOnly);
        self.stop_intent(intent, |now| now.cancelled().or_else(|| lock_only.then(|| forced(now)))).await
    }

    /// Ends an intent, or starts it over, without its marker: one transaction on intent and lock, so that no request of it is
    /// under way.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it may be done; do it again. [`StoreError::Contended`]: others were faster each time.
    pub async fn stop_intent(
        &self,
        intent: &StoredIntent,
        transition: impl Fn(&Intent) -> Option<Intent>,
    ) -> Result<Cancelled, StoreError> {
        let of = Conversation { eid: intent.birth.eid.clone(), account: intent.birth.account.clone() };
        let (pk, lock_sk) = self.lock_key(&of);
        let intent_sk = keys::intent_sk(&intent.id);
        let mut current = intent.clone();
        for attempt in 0..ATTEMPTS_MAX {
            let Some(next) = transition(&current) else { return Ok(Cancelled::Late(Box::new(current))) };
            let change = self.change_of(&current, &next).await?.in_transaction(self, (&pk, &intent_sk));
            // A marker of a part that is recorded names nothing that is under way.
            let check = ConditionCheck::builder()
                .table_name(self.name())
                .set_key(Some(key_of((&pk, &lock_sk))))
                .condition_expression("attribute_not_exists(oi) OR oi <> :intent OR op < :part OR os < :step")
                .expression_attribute_values(":intent", s(current.id.as_str()))
                .expression_attribute_values(":part", n(current.part()))
                .expression_attribute_values(":step", n(current.step))
                .build()
                .expect("table, key and condition are given");
            let items = vec![
                TransactWriteItem::builder().update(change).build(),
                TransactWriteItem::builder().condition_check(check).build(),
            ];
            let sent = self.dynamodb().transact_write_items().set_transact_items(Some(items)).send().on_heap().await;
            let Err(error) = sent else { return self.cancelled(&current).await };
            let codes = error.as_service_error().map(reasons).unwrap_or_default();
            if codes.get(1).is_some_and(|code| code == "ConditionalCheckFailed") {
                return Ok(Cancelled::UnderWay);
            }
            if error.as_service_error().is_some_and(is_refused_transaction) || !is_lost_transaction(&error) {
                return Err(unavailable("TransactWriteItems")(error));
            }
            self.back_off(attempt).await;
            match self.intent(&current.birth.eid, &current.id).await? {
                Some(now) => current = now,
                None => return Ok(Cancelled::Gone),
            }
        }
        Err(StoreError::Contended { operation: "cancel", attempts: ATTEMPTS_MAX })
    }

    async fn cancelled(&self, intent: &StoredIntent) -> Result<Cancelled, StoreError> {
        let now = self.intent(&intent.birth.eid, &intent.id).await?;
        Ok(now.map_or(Cancelled::Gone, |now| Cancelled::Done(Box::new(now))))
    }

    pub(crate) fn lock_key(&self, of: &Conversation) -> (String, String) {
        (self.endpoint_pk(&of.eid), keys::lock_sk(&of.account))
    }
}

/// What a cancel makes of an intent that it did not look at.
fn forced(intent: &Intent) -> Intent {
    Intent { state: rapport_model::sending::intent::State::Cancelled, ..intent.clone() }
}

pub(crate) fn read(item: &Item) -> Result<Lock, StoreError> {
    let reader = Reader(item);
    let keys_of = |text: &str| text.split(' ').filter_map(EventKey::parse).collect();
    let ids = reader.set("uns").iter().filter_map(|id| IntentId::parse(id)).collect();
    let holder = reader.text_opt("hold").map(|text| Holder::read(text).ok_or_else(|| reader.corrupt("`hold`")));
    let words = item.keys().filter_map(|name| Some((name.strip_prefix(WORD)?, reader.text_opt(name)?)));
    Ok(Lock {
        out: marker_of(&reader)?,
        fence: Fence::of(reader.number_opt("fen").unwrap_or_default()),
        holder: holder.transpose()?.unwrap_or_default(),
        moved: reader.text_opt("mov").map(keys_of).unwrap_or_default(),
        answered: answered_of(&reader, ("at", "ab")),
        answered_before: answered_of(&reader, ("bt", "bb")),
        next_at: reader.number_opt("nxt").unwrap_or_default(),
        unsettled: ids,
        has_more_unsettled: item.contains_key("more"),
        words: words.filter_map(|(purpose, text)| Some((purpose.to_owned(), word_of(text)?))).collect(),
        closed: reader.number_opt("clo").unwrap_or_default(),
    })
}

fn marker_of(reader: &Reader<'_>) -> Result<Option<Marker>, StoreError> {
    let Some(token) = reader.text_opt("ot") else { return Ok(None) };
    let small = |name| reader.number(name).and_then(|number| u32::try_from(number).map_err(|e| reader.corrupt(e)));
    let odd = |name: &str| reader.corrupt(format!("`{name}` is odd"));
    Ok(Some(Marker {
        intent: IntentId::parse(reader.text("oi")?).ok_or_else(|| odd("oi"))?,
        part: small("op")?,
        step: small("os")?,
        token: Token::parse(token).ok_or_else(|| odd("ot"))?,
        deadline: reader.number("od")?,
        started: Started { at: reader.number("oa")?, answers: reader.text_opt("on").and_then(EventKey::parse) },
        is_repeatable: reader.number_opt("or").is_some(),
    }))
}

fn answered_of(reader: &Reader<'_>, (turn, by): (&str, &str)) -> Option<Answered> {
    let turn = EventKey::parse(reader.text_opt(turn)?)?;
    Some(Answered { turn, by: IntentId::parse(reader.text_opt(by)?)? })
}

fn word_of(text: &str) -> Option<Word> {
    let (event, state) = match text.strip_suffix(GRANTED) {
        Some(event) => (event, ConsentState::Granted),
        None => (text.strip_suffix(WITHDRAWN)?, ConsentState::Withdrawn),
    };
    Some(Word { event: EventKey::parse(event)?, state })
}
