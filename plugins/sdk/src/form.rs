//! `application/x-www-form-urlencoded`, the body of many webhooks and every query string.

use crate::encoding::percent;

/// The fields of a form in order of arrival; repeats and blanks are kept, because some providers sign them.
pub fn pairs(form: &str) -> Vec<(String, String)> {
    form.split('&').filter(|field| !field.is_empty()).map(pair).collect()
}

/// A form of `fields`, in their order.
pub fn encode<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&percent::encode(name.as_ref()));
        form.push('=');
        form.push_str(&percent::encode(value.as_ref()));
    }
    form
}

fn pair(field: &str) -> (String, String) {
    let (name, value) = field.split_once('=').unwrap_or((field, ""));
    (component(name), component(value))
}

/// A component in which `+` is a space; a literal plus comes as `%2B`.
pub(crate) fn component(text: &str) -> String {
    percent::decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_blanks_and_order_are_kept() {
        let fields = pairs("To=%2B1650&Body=a+b&Media=1&Media=2&Empty=&Bare&&x=a=b");
        let expected = [
            ("To", "+1650"),
            ("Body", "a b"),
            ("Media", "1"),
            ("Media", "2"),
            ("Empty", ""),
            ("Bare", ""),
            ("x", "a=b"),
        ];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pairs(""), vec![]);
    }

    #[test]
    fn an_encoded_form_comes_back_as_it_went() {
        let fields = [("a b", "1+1=2"), ("ü", "&"), ("", "")];
        let expected = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs(&encode(&fields)), expected);
    }
}
