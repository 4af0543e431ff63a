//! Why a mail did not arrive, in the provider's words, and whether another attempt may succeed.

use rapport_sdk::prelude::*;

/// Where the failure stands in the event it comes from.
pub struct Failure<'a> {
    /// The provider's own word for it, where there is no status code.
    pub word: &'a str,
    /// `5.1.1`, from a field of that name.
    pub status: Option<&'a str>,
    /// What the other server said: `smtp; 550 5.1.1 <ada@example.com> User unknown`.
    pub diagnostic: Option<&'a str>,
    /// All that is known, as JSON.
    pub detail: String,
    /// Whether the provider calls it temporary; none: the status code tells.
    pub is_temporary: Option<bool>,
}

impl Failure<'_> {
    pub fn state(self) -> DeliveryState {
        let diagnostic = self.diagnostic.map(without_type).filter(|diagnostic| !diagnostic.is_empty());
        let status = self.status.and_then(enhanced).or_else(|| diagnostic.and_then(enhanced));
        let code = status.or_else(|| diagnostic.and_then(reply_code)).unwrap_or(self.word);
        let retryable = self.is_temporary.unwrap_or_else(|| code.starts_with('4'));
        DeliveryState::Failed(ProviderError {
            code: code.to_owned(),
            title: diagnostic.unwrap_or(self.word).to_owned(),
            detail: Some(self.detail),
            retryable,
        })
    }
}

/// The first enhanced status code (RFC 3463) of a text: class, subject and detail.
pub fn enhanced(text: &str) -> Option<&str> {
    let words = text.split(|character: char| !(character.is_ascii_digit() || character == '.'));
    words.map(|word| word.trim_matches('.')).find(|word| {
        let numbers: Vec<_> = word.split('.').collect();
        let [class, rest @ ..] = numbers.as_slice() else { return false };
        matches!(*class, "2" | "4" | "5")
            && rest.len() == 2
            && rest.iter().all(|number| (1..=3).contains(&number.len()))
    })
}

/// The reply code (RFC 5321) that a text begins with.
fn reply_code(text: &str) -> Option<&str> {
    let code = text.trim_start().split(|character: char| !character.is_ascii_digit()).next()?;
    (code.len() == 3 && matches!(code.as_bytes()[0], b'2' | b'4' | b'5')).then_some(code)
}

/// `smtp; 550 …` without the type in front (RFC 3464, section 2.3.6).
fn without_type(diagnostic: &str) -> &str {
    let diagnostic = diagnostic.trim();
    match diagnostic.split_once(';') {
        Some((kind, rest))
            if !kind.trim().is_empty()
                && kind.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            rest.trim()
        }
        _ => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_code_is_taken() {
        for (status, diagnostic, code, retryable) in [
            (Some("5.1.1"), Some("smtp; 550 user unknown"), "5.1.1", false),
            (None, Some("smtp; 550 5.7.1 blocked"), "5.7.1", false),
            (None, Some("421 try later"), "421", true),
            (Some("4.2.2 (mailbox full)"), None, "4.2.2", true),
            (Some("failed"), Some("no route from 10.5.1.20"), "bounce", false),
            (None, None, "bounce", false),
        ] {
            let failure = Failure { word: "bounce", status, diagnostic, detail: "{}".into(), is_temporary: None };
            let DeliveryState::Failed(error) = failure.state() else { panic!("{status:?}") };
            assert_eq!((error.code.as_str(), error.retryable), (code, retryable), "{status:?} {diagnostic:?}");
        }
    }
}
