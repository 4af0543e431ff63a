//! What comes in: webhooks and what AWS delivers, proven, stored once, parked, refused.

mod credentials;
mod durability;
mod feed;
mod forgeries;
mod http;
mod once;
mod secrets_at_rest;
mod subscriptions;
mod takeover;
mod unread;
