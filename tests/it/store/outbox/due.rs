//! What is due later, and how fast a connection sends.

use std::collections::BTreeSet;

use rapport_model::sending::rate::Rate;
use rapport_store::Mistake;
use rapport_store::outbox::due::{Due, Jitter};
use rapport_store::outbox::rate::Tokens;

use super::Outbox;
use crate::support::NOW;

const MINUTE: u64 = 60_000;

fn command(n: u64) -> Due {
    Due::Command(format!("c{n}"))
}

#[tokio::test]
async fn what_is_due_comes_in_its_minute_and_until_it_is_done() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    assert_eq!(table.due(NOW, 10).await.unwrap(), []);
    let later = Due::Conversation(outbox.of.clone());
    table.put_due(&later, NOW + 5 * MINUTE, Jitter::None, NOW).await.unwrap();
    table.put_due(&later, NOW + 5 * MINUTE, Jitter::None, NOW).await.unwrap();
    table.put_due(&command(1), NOW, Jitter::None, NOW).await.unwrap();
    assert_eq!(table.due(NOW + MINUTE, 10).await.unwrap(), [], "two minutes ahead at least");
    let due = table.due(NOW + 4 * MINUTE, 10).await.unwrap();
    assert_eq!(due.iter().map(|item| item.due.clone()).collect::<Vec<_>>(), [command(1)]);
    // A tick that died: the next one gets the same.
    assert_eq!(table.due(NOW + 20 * MINUTE, 10).await.unwrap(), due);
    table.due_done(&due[0]).await.unwrap();
    table.due_done(&due[0]).await.unwrap();
    let due = table.due(NOW + 20 * MINUTE, 10).await.unwrap();
    assert_eq!(due.iter().map(|item| item.due.clone()).collect::<Vec<_>>(), [later], "and once");
    table.due_done(&due[0]).await.unwrap();
    assert_eq!(table.due(NOW + 20 * MINUTE, 10).await.unwrap(), []);
}

/// A writer whose clock is behind, or whose write was slow, and a tick that came first.
#[tokio::test]
async fn what_is_written_for_a_minute_that_was_read_comes_later() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    assert_eq!(table.due(NOW, 10).await.unwrap(), []);
    assert_eq!(table.due(NOW + 50 * MINUTE, 10).await.unwrap(), []);
    table.put_due(&command(1), NOW, Jitter::None, NOW).await.unwrap();
    assert_eq!(table.due(NOW + 50 * MINUTE, 10).await.unwrap(), []);
    let mut found = BTreeSet::new();
    for minute in 51..60 {
        for item in table.due(NOW + minute * MINUTE, 10).await.unwrap() {
            table.due_done(&item).await.unwrap();
            found.insert(format!("{:?}", item.due));
        }
    }
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn a_herd_is_spread_and_comes_in_pages_and_a_start_sees_all_that_waits() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    for n in 0..50 {
        table.put_due(&command(n), NOW + 10 * MINUTE, Jitter::Spread, NOW).await.unwrap();
    }
    assert_eq!(table.waits(NOW, 40).await.unwrap().len(), 50);
    let (mut minutes, mut found) = (BTreeSet::new(), BTreeSet::new());
    for minute in 0..30 {
        loop {
            let due = table.due(NOW + minute * MINUTE, 3).await.unwrap();
            if due.is_empty() {
                break;
            }
            assert!(due.len() <= 3);
            for item in due {
                table.due_done(&item).await.unwrap();
                minutes.insert(minute);
                found.insert(format!("{:?}", item.due));
            }
        }
    }
    assert_eq!(found.len(), 50);
    assert!(minutes.len() > 4, "{minutes:?}");
}

#[tokio::test]
async fn workers_share_the_rate_of_a_connection_and_hear_of_a_pause() {
    let outbox = Outbox::new().await;
    let table = &outbox.table;
    let rate = Rate { tokens: 10, per_ms: 1_000, burst: 10 };
    let bucket = ("wa-eu", "messages");
    assert_eq!(table.take_tokens(bucket, &rate, 4, NOW).await.unwrap(), Tokens::Taken(4));
    assert_eq!(table.take_tokens(bucket, &rate, 6, NOW).await.unwrap(), Tokens::Taken(6));
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW).await.unwrap(), Tokens::Wait(NOW + 100));
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + 100).await.unwrap(), Tokens::Taken(1));
    assert_eq!(table.take_tokens(("wa-us", "messages"), &rate, 1, NOW).await.unwrap(), Tokens::Taken(1));
    let forgets = table.clone().with_mistake(Mistake::LimitIsForgotten);
    forgets.pause(bucket, NOW + 9_000, NOW).await.unwrap();
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + 2_000).await.unwrap(), Tokens::Taken(1));
    table.pause(bucket, NOW + 9_000, NOW).await.unwrap();
    table.pause(bucket, NOW + 5_000, NOW).await.unwrap();
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + 3_000).await.unwrap(), Tokens::Wait(NOW + 9_000));
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + 9_000).await.unwrap(), Tokens::Taken(1));
    // A clock that went back by a year stops nobody.
    let year = 365 * 24 * 3_600_000;
    table.pause(bucket, NOW + year + 1_000, NOW + year).await.unwrap();
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + year + 1_000).await.unwrap(), Tokens::Taken(1));
    assert_eq!(table.take_tokens(bucket, &rate, 1, NOW + 10_000).await.unwrap(), Tokens::Taken(1));
}
