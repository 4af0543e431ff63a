//! `feed` of a connection: what AWS delivers to it, and which buckets its notifications may point into.

use crate::config::{ConfigError, Keys};

/// Where deliveries of AWS to one connection come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedConfig {
    /// `from`: EventBridge sources (`aws.partner/…`), ARNs of SNS topics, Kinesis streams or SQS queues. At least one.
    pub from: Vec<String>,
    /// `buckets`: S3 buckets whose objects the connector may be handed when a notification names one.
    pub buckets: Vec<String>,
}

pub(super) fn feed(mut keys: Keys) -> Result<FeedConfig, ConfigError> {
    keys.only(&["from", "buckets"])?;
    let fix = "name an EventBridge source, or the ARN of an SNS topic, a Kinesis stream or an SQS queue";
    let from = keys.words("from")?.filter(|from| !from.is_empty());
    let from = from.ok_or_else(|| ConfigError::Missing { key: keys.path("from"), fix })?;
    if let Some(wrong) = from.iter().find(|origin| !is_origin(origin)) {
        let expected = "the name of an EventBridge source, or an ARN such as \
                        `arn:aws:sns:eu-west-1:111122223333:topic` of `sns`, `kinesis` or `sqs`";
        return Err(ConfigError::Value { key: keys.path("from"), expected, found: format!("`{wrong}`") });
    }
    let buckets = keys.words("buckets")?.unwrap_or_default();
    if let Some(wrong) = buckets.iter().find(|bucket| !is_bucket(bucket)) {
        let expected = "names of S3 buckets, of 3 to 63 lower-case letters, digits, `-` and `.`";
        return Err(ConfigError::Value { key: keys.path("buckets"), expected, found: format!("`{wrong}`") });
    }
    Ok(FeedConfig { from, buckets })
}

/// An EventBridge source is at most 256 characters of these; of an ARN the service is looked at.
fn is_origin(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    match text.strip_prefix("arn:") {
        Some(rest) => rest.split(':').nth(1).is_some_and(|service| ["sns", "kinesis", "sqs"].contains(&service)),
        None => (1..=256).contains(&text.len()) && text.bytes().all(word),
    }
}

fn is_bucket(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    (3..=63).contains(&name.len()) && name.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(feed: &str) -> Result<Option<FeedConfig>, String> {
        let config = Config::parse(&format!("[connections.a]\nconnector = 'x'\nfeed = {feed}"));
        config.map(|config| config.connections["a"].feed.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn origins_and_buckets_are_read() {
        let topic = "arn:aws:sns:eu-west-1:111122223333:mail";
        let feed = parse(&format!("{{ from = ['{topic}', 'aws.partner/example.com/00D/x'], buckets = ['a.mail-1'] }}"));
        let from = vec![topic.to_owned(), "aws.partner/example.com/00D/x".to_owned()];
        assert_eq!(feed, Ok(Some(FeedConfig { from, buckets: vec!["a.mail-1".to_owned()] })));
    }

    #[test]
    fn what_nothing_can_come_from_is_refused() {
        let start = "`connections.a.feed.from`";
        for (feed, expected) in [
            ("{}", format!("{start} is missing; fix: name an EventBridge source")),
            ("{ from = [] }", format!("{start} is missing")),
            ("{ from = 'x' }", format!("{start}: expected a list of texts")),
            (
                "{ from = ['arn:aws:s3:::mail'] }",
                format!("{start}: expected the name of an EventBridge source, or an ARN"),
            ),
            ("{ from = ['a b'] }", format!("{start}: expected the name of an EventBridge source, or an ARN")),
            ("{ from = ['x'], buckets = ['A'] }", "`connections.a.feed.buckets`: expected names of S3".to_owned()),
            ("{ form = ['x'], from = ['x'] }", "unknown key `connections.a.feed.form`; fix: write `from`".to_owned()),
        ] {
            let refusal = parse(feed).unwrap_err();
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
    }
}
