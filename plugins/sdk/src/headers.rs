//! Looking things up in a webhook: its header fields, its path and its query.

use crate::form;
use crate::{Rejection, Webhook};

impl Webhook {
    /// Whether AWS delivered it in the provider's place: an EventBridge event, an SNS notification, a record of a stream.
    ///
    /// Then the host vouches for it, and there is nothing to verify. Its body is that event, notification or record as
    /// AWS gave it; with an object that the manifest's `[feed]` points at, a form (`multipart/form-data`) of the fields
    /// `message` and `object`. An SNS notification has the header fields that SNS gives raw deliveries, such as
    /// `x-amz-sns-topic-arn`.
    pub fn is_fed(&self) -> bool {
        // The host writes the URL, and of what came over HTTP it is one of `http` or `https`.
        self.url.starts_with("arn:")
    }

    /// The value of the first header field called `name`, which is given in lower case as all names arrive.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// The value of a header field that must be there exactly once: a signature, a token.
    ///
    /// # Errors
    /// `Unauthenticated` when the field is missing, and when it is repeated: whoever adds a second signature hopes
    /// that one part of the system checks the first and another part trusts the other.
    pub fn header_once(&self, name: &str) -> Result<&str, Rejection> {
        let mut values = self.values(name);
        let found = match (values.next(), values.count()) {
            (Some(value), 0) => return Ok(value),
            (None, _) => "none".to_owned(),
            (Some(_), more) => format!("{}", more + 1),
        };
        Err(Rejection::Unauthenticated(format!(
            "expected header `{name}` exactly once, found {found}; fix: let nothing between the provider and this host \
             add or drop header fields"
        )))
    }

    /// The path of the URL, still percent-encoded: `/hooks/acme`.
    pub fn path(&self) -> &str {
        let (before_query, _) = self.split_url();
        let after_scheme = before_query.split_once("://").map_or(before_query, |(_, rest)| rest);
        after_scheme.find('/').map_or("/", |start| &after_scheme[start..])
    }

    /// The first query parameter called `name`, decoded: `%xx` are bytes of UTF-8, `+` is a space.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.split_url();
        form::pairs(query).into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The URL before and after its `?`, without the fragment that no provider should send.
    fn split_url(&self) -> (&str, &str) {
        let url = self.url.split_once('#').map_or(self.url.as_str(), |(url, _)| url);
        url.split_once('?').unwrap_or((url, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_arn_is_a_delivery_of_aws() {
        assert!(webhook("arn:aws:sqs:eu-west-1:111122223333:feed", &[]).is_fed());
        for url in ["https://arn:aws@a.test/arn:aws", "http://a.test/?arn:aws", "/arn:aws", ""] {
            assert!(!webhook(url, &[]).is_fed(), "{url}");
        }
    }

    fn webhook(url: &str, headers: &[(&str, &str)]) -> Webhook {
        Webhook {
            method: "GET".into(),
            url: url.into(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            body: Vec::new(),
        }
    }

    #[test]
    fn the_first_of_several_headers_is_found_but_never_as_the_only_one() {
        let webhook = webhook("https://a.test/", &[("x-sig", "1"), ("host", "a.test"), ("x-sig", "2")]);
        assert_eq!(webhook.header("x-sig"), Some("1"));
        assert_eq!(webhook.header("x-other"), None);
        assert_eq!(webhook.header_once("host"), Ok("a.test"));
        let reasons = ["x-sig", "x-other"].map(|name| match webhook.header_once(name) {
            Err(Rejection::Unauthenticated(reason)) => reason,
            other => panic!("{other:?}"),
        });
        assert!(reasons[0].contains("`x-sig` exactly once, found 2"), "{}", reasons[0]);
        assert!(reasons[1].contains("`x-other` exactly once, found none"), "{}", reasons[1]);
    }

    #[test]
    fn path_and_query_are_read_from_any_url() {
        let full = webhook("https://a.test:8443/hooks/wa?hub.mode=subscribe&t=a%20b+c&t=2#x?y=1", &[]);
        assert_eq!(full.path(), "/hooks/wa");
        assert_eq!(full.query("hub.mode").as_deref(), Some("subscribe"));
        assert_eq!(full.query("t").as_deref(), Some("a b c"));
        assert_eq!(full.query("y"), None);
        assert_eq!(webhook("https://a.test", &[]).path(), "/");
        assert_eq!(webhook("/hooks/wa?x", &[]).path(), "/hooks/wa");
        assert_eq!(webhook("/hooks/wa?x", &[]).query("x").as_deref(), Some(""));
    }
}
